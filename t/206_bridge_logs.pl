# What the logs say: every request under the id that the client got, with its times, its size and who
# asked, in lines that nobody outside can break or fake; that no line is lost when the file is
# rotated; and what they do not say: with the server logging all it can and the bridge at
# its most talkative, no token that was sent or made is in either log, nor in an error.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;
use IPC::Run ();
use PatBridge;
use PatLoad;
use PatWire;

my $node = new_cluster('logs', sealed => 1, settings => <<~'CONF');
	log_statement = all
	log_duration = on
	log_min_duration_statement = 0
	log_min_messages = debug2
	log_error_verbosity = verbose
	log_parameter_max_length = -1
	log_parameter_max_length_on_error = -1
	log_line_prefix = '%u %a '
	CONF
my $sample = load_sample($node);
my $admin = $sample->{admin};
my $accounts = '/api/admin/service-account';
my $path = "$accounts/$sample->{account}/token";
my $later = '2099-01-01T00:00:00Z';
PatTest::bridge_role($node, 'postgres');

# The same routes once a privilege is gone: for an error that nobody foresees.
$node->safe_psql('postgres', <<~'SQL');
	CREATE ROLE half LOGIN;
	ALTER ROLE half SET log_parameter_max_length = 0;
	SQL
my @revoked = ('pat_answer_list_for_service_account(text[], text[])', 'pat_create_for_service_account(text, json, text)');

# ---- requests ----------------------------------------------------------------------------------

my ($bridge, %secret, @answers);

# Whom a token belongs to: "account token", for those that can be used.
my %who = map { split /\|/ } split /\n/, $node->safe_psql('postgres', join ' UNION ALL ', map { <<~"SQL" } $admin, @$sample{qw(viewer bot)});
	SELECT '$_', account_id || ' ' || id FROM pat_token WHERE secret_hash = sha256('$_')
	SQL

# Keeps the answer, with what its line in the log must say.
sub noted
{
	my ($answer, $method, $route) = @_;
	push @answers, { %$answer, method => $method, route => $route };
	return $answer;
}

sub call
{
	my ($method, $place, $route, %option) = @_;
	$secret{ $option{token} }++ if defined $option{token};
	my $answer = noted(
		http_call($bridge->url($place), method => $method, %option), $method, $route);
	$answers[-1]{who} = $who{ ($option{token} || '') =~ s/\ABearer //r };
	return $answer;
}

# Takes note of a token that was made.
sub learn
{
	my ($made) = @_;
	$secret{ $made->{secret} }++;
	$who{ $made->{secret} } = "$made->{userId} $made->{id}";
	return;
}

# One of everything that carries or makes a token.
sub talk
{
	my ($round) = @_;
	my $list = "$accounts/:id/token";
	my $random = join '', map { ('a' .. 'z', 0 .. 9)[ rand 36 ] } 1 .. 43;
	my $wrong = $admin =~ s/(.)$/$1 eq 'a' ? 'b' : 'a'/er;

	call('GET', $path, $list, token => $_)
	  for $admin, "Bearer $admin", $sample->{viewer}, $sample->{bot}, $wrong, "user:$random",
	  "*:*.$random", "Basic $random", "eyJhbGciOiJub25lIn0.$random.", 'x' x 9000;
	call('GET', "$accounts/abc/token", $list, token => $admin);
	call('GET', "$path?token=$random&secret=$admin", $list, token => "user:2$random");
	call('GET', $_, $_, token => $sample->{viewer})
	  for '/api/admin/user/tokens', $accounts, '/health', '/ready';
	my $made = from_json(
		call('POST', $path, $list, token => $admin,
			body => qq({"description":"$round","expiresAt":"$later"}))->{body});
	learn($made);
	call('GET', '/api/admin/user/tokens', '/api/admin/user/tokens', token => $made->{secret});
	call('POST', '/api/admin/user/tokens', '/api/admin/user/tokens', token => $made->{secret},
		body => qq({"description":"$round","expiresAt":"$later"}));
	my $own = from_json(
		call('POST', '/api/admin/user/tokens', '/api/admin/user/tokens', token => $sample->{viewer},
			body => qq({"description":"$round","expiresAt":"$later"}))->{body});
	learn($own);
	call('DELETE', "/api/admin/user/tokens/$own->{id}", '/api/admin/user/tokens/:id', token => $own->{secret});
	call('POST', $path, $list, token => $admin, body => $_)
	  for qq({"description":"$round","expiresAt":"$later"}), '{', '[]', '{"description":""}';
	call('DELETE', "$path/$made->{id}", "$list/:tokenId", token => $admin);
	call('GET', '/api/admin/user/tokens', '/api/admin/user/tokens', token => $made->{secret});
	call('PATCH', $path, undef, token => $admin);
	call('GET', '/nowhere', undef, token => $admin);
	malformed("user:3$random");
	return;
}

# Tokens in requests that are refused for their form.
sub malformed
{
	my ($token) = @_;
	$secret{$token}++;
	for my $lines ([ "Authorization: $token", "Authorization: $admin" ], ["Authorization: $token\0$admin"],
		["Authorization : $token"], [ 'X: ' . 'x' x 13_000, "Authorization: $token" ],
		[ 'X: ' . 'x' x 40_000, "Authorization: $token" ], [ "Authorization: $token", 'Content-Length: x' ])
	{
		my $wire = PatWire->new($bridge->port);
		$wire->send(join "\r\n", "GET $path HTTP/1.1", 'Host: x', @$lines, '', '');
		my $answer = $wire->answer;
		like($answer->{status}, qr/^4\d\d$/, 'a malformed request is refused');
		push @answers, { %$answer, method => '', route => undef };
	}
	return;
}

# ---- what the lines say ------------------------------------------------------------------------

# The fields of a line in either format; nothing if it is not of that format.
sub fields
{
	my ($format, $line) = @_;
	return eval { from_json($line) } if $format eq 'json';
	my ($time, $level, $rest) = $line =~ /\A(\S+) (\S+) (.*)\z/ or return;
	my %fields = (time => $time, level => $level, message => $rest =~ /\A(\w+)/);
	return \%fields unless $fields{message} eq 'request' && $rest =~ / id=/;
	while ($rest =~ / (\w+)=("(?:[^"\\]|\\.)*"|-?\d+)/g)
	{
		$fields{$1} = JSON::PP->new->allow_nonref->decode($2);
	}
	return \%fields;
}

sub lines_are_good
{
	my ($format) = @_;
	my @lines = split /\n/, $bridge->log;
	my @fields = map { fields($format, $_) } @lines;
	is(scalar(grep { ref eq 'HASH' } @fields), scalar @lines, "$format: every line is of the format");
	is(
		scalar(
			grep { ($_->{time} || '') !~ /\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\z/
				  || ($_->{level} || '') !~ /\A(?:error|warning|notice|info|debug)\z/
				  || !length($_->{message} || '') } @fields),
		0, "$format: ... with time, level and message");

	my %line_of;
	push @{ $line_of{ $_->{id} } }, $_ for grep { defined $_->{id} } @fields;
	for my $answer (@answers)
	{
		my $lines = $line_of{ $answer->{headers}{'x-request-id'} } || [];
		my $line = $lines->[0] || {};
		my $told = join ' ', scalar @$lines, map { defined $line->{$_} ? $line->{$_} : '-' }
		  qw(status route error);
		my $error = $answer->{status} < 400 ? '-' : from_json($answer->{body})->{name};
		my $route = defined $answer->{route} ? $answer->{route} : $line->{route} || '-';
		is($told, "1 $answer->{status} $route $error",
			"$format: the line of a request: $answer->{method} $answer->{status}");
		is_deeply([ field_faults($answer, $line) ], [], '... with its other fields');
	}
	return;
}

# Whether the database was asked, as far as the answer tells.
sub was_asked
{
	my ($answer) = @_;
	my $error = $answer->{status} < 400 ? '' : from_json($answer->{body})->{message};
	return $answer->{method} ne '' && ($answer->{route} || '') =~ m{\A/api}
	  && $error !~ /needs a JSON body|headers are too large/;
}

# Who asked stands in the lines of lists as soon as the database knows it, else of what succeeded.
sub names_caller
{
	my ($answer) = @_;
	my $is_list = $answer->{method} eq 'GET' && $answer->{route} ne $accounts;
	return was_asked($answer) && ($answer->{status} < 300 || ($is_list && $answer->{status} =~ /40[34]/));
}

sub field_faults
{
	my ($answer, $line) = @_;
	my ($queue, $database) = @$line{qw(queue_us database_us)};
	my @faults;

	push @faults, 'duration' unless ($line->{duration_us} // '') =~ /\A\d+\z/;
	push @faults, "bytes $line->{bytes}" unless $line->{bytes} == length $answer->{body};
	push @faults, "client $line->{client}" unless $line->{client} eq '127.0.0.1';
	if (was_asked($answer))
	{
		my $good = defined $queue && defined $database && $queue >= 0 && $database > 0
		  && $queue + $database <= $line->{duration_us};
		push @faults, 'times' unless $good;
	}
	elsif (defined $queue || defined $database) { push @faults, 'times that were not'; }
	my $who = join ' ', grep { defined } @$line{qw(account_id token_id)};
	my $wanted = names_caller($answer) ? $answer->{who} // 'nobody' : '';
	push @faults, "caller $who, not $wanted" unless $who eq $wanted;
	return @faults;
}

# ---- what they do not say ----------------------------------------------------------------------

# Which of the tokens, or a long part of one, is in the text.
sub told
{
	my ($text) = @_;
	my @parts = map { my $bare = s/\ABearer //r; ($bare, length $bare > 40 ? substr $bare, -30, 25 : ()) }
	  keys %secret;
	return grep { index($text, $_) >= 0 } @parts;
}

my $offset = -s $node->logfile;
for my $format ('text', 'json')
{
	@answers = ();
	$bridge = PatBridge->start($node, user => 'pat_bridge',
		options => [ '--log-level', 'debug', '--log-format', $format ]);
	talk($format);
	$bridge->stop_ok;
	lines_are_good($format);
	is_deeply([ told($bridge->log) ], [], "$format: no token is in the bridge's log");
	is_deeply([ map { told($_->{raw} || $_->{body}) } grep { $_->{status} >= 400 } @answers ], [],
		"$format: nor in an error");

	@answers = ();
	$node->safe_psql('postgres', q{SELECT pat_grant_api('half')});
	$bridge = PatBridge->start($node, user => 'half',
		options => [ '--log-level', 'notice', '--log-format', $format ]);
	wait_until(sub { $bridge->get('/ready/write')->{status} eq '200' }, 'both pools');
	$node->safe_psql('postgres', "REVOKE EXECUTE ON FUNCTION $_ FROM half") for @revoked;
	for my $method ('GET', 'POST')
	{
		my $answer = call($method, $path, "$accounts/:id/token", token => $admin,
			$method eq 'POST' ? (body => qq({"description":"d","expiresAt":"$later"})) : ());
		is_refused($answer, 500, 'InternalError', qr/^Something went wrong\./,
			"$format: 500 for what nobody foresaw");
		like($bridge->log, qr/$answer->{headers}{'x-request-id'}.*42501/,
			'... and the log has the cause under its id');
		unlike($answer->{body}, qr/permission|function|42501|pat_/, '... which the client is not told');
	}
	$bridge->stop_ok;
	is(scalar(grep { $_->{level} eq 'error' } map { fields($format, $_) } split /\n/, $bridge->log), 2,
		"$format: ... each in one line of level error");
	is_deeply([ told($bridge->log) ], [], "$format: no token is in the bridge's log");
}

my $server_log = substr slurp($node->logfile), $offset;
like($server_log, qr/^pat_bridge .*_list_for_service_account/m, 'the server has logged the calls');
like($server_log, qr/^pat_bridge .*ERROR:  PT403/m, '... and their errors');
is_deeply([ told($server_log) ], [], 'no token is in the server\'s log');
cmp_ok(scalar keys %secret, '>', 15, '... of many that were sent or made');
sql_list($node, $sample->{account}, $admin);
is_deeply([ told(slurp($node->logfile)) ? 'found' : 'missed' ], ['found'],
	'... where one sent as a literal would be found');

# ---- levels, and lines that a client would like to fake ----------------------------------------

$bridge = PatBridge->start($node, user => 'pat_bridge', options => [ '--log-level', 'notice' ]);
wait_until(sub { $bridge->log =~ /connection "write 1" is up/ }, 'the lines of the start');
my $before = $bridge->log;
$bridge->get($_, $admin) for $path, "$accounts/abc/token", '/nowhere', '/health';
is($bridge->log, $before, 'level notice: no line for 200 and 404');
$bridge->stop_ok;

for my $format ('text', 'json')
{
	$bridge = PatBridge->start($node, user => 'pat_bridge',
		options => [ '--log-level', 'info', '--log-format', $format ]);
	wait_until(sub { $bridge->log =~ /connection \\?"write 1\\?" is up/ }, 'the lines of the start');
	my $lines = () = $bridge->log =~ /\n/g;
	my @odd = ("/x\"y", "/x\\y", "/\x1b[31m", "/\xff\xfe", '/x%0A2026-01-01T00:00:00.000Z error fake',
		"/x\x{85}y", '/' . '"' x 1000, '/' . "\x01" x 1000, '/</script>', "/\xe2\x80\xa8",
		map { "/odd$_" } "\x9b2J", "\xc2\x9b2J", "\x7f", "\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x80\x8f",
		"\xd8\x9c", "\xe2\x80\xa9", "\xef\xbb\xbf", "\xe2\x80\x8b", "\xed\xa0\x80", "\xf3\xa0\x80\xa0");
	for my $target (@odd)
	{
		my $wire = PatWire->new($bridge->port);
		$wire->send("GET $target HTTP/1.1\r\nHost: x\r\n\r\n");
		like($wire->answer->{status}, qr/^4(?:00|04|14)$/, 'an odd path is refused');
	}
	my @methods = ("A\"B", "A\x9bB", "A\xc2\x9bB", "A\x7fB", "A\xe2\x80\xaeB");
	for (@methods)
	{
		my $method = PatWire->new($bridge->port);
		$method->send("$_ /health HTTP/1.1\r\nHost: x\r\n\r\n");
		is($method->answer->{status}, '400', 'an odd method is refused');
	}
	$bridge->stop_ok;
	my @new = split /\n/, $bridge->log;
	splice @new, 0, $lines;
	@new = grep { !/stopp/ } @new;
	is(scalar @new, @odd + @methods, "$format: one line each");
	is(scalar(grep { my $fields = fields($format, $_); $fields && $fields->{id} } @new), @odd + @methods,
		'... of the format');
	is(scalar(grep { /[^\x20-\x7e]/ && !utf8::decode(my $copy = $_) } @new), 0, '... in UTF-8');
	is(scalar(grep { /[\x00-\x1f\x7f]/ } @new), 0, '... without control characters');
	is(scalar(grep { length > 2048 } @new), 0, '... of bounded length');
	my @unsafe = grep { utf8::decode(my $copy = $_); $copy =~ /[\p{Cc}\p{Cf}\x{2028}\x{2029}]/ } @new;
	is_deeply(\@unsafe, [], "F6: $format: nothing that changes what a terminal shows");
	my $all = join "\n", @new;
	like($all, qr{path\W+/odd\Q$_\E}, "F6: $format: ... but escaped: $_")
	  for '\u009b2J', '\u007f', '\u202e', '\u2066', '\u200f', '\u061c', '\u2029', '\ufeff', '\u200b',
	  '\u00ed\u00a0\u0080', '\udb40\udc20';
	is(scalar(() = $all =~ m{/odd\\u009b2J}g), 2, "F6: $format: ... as a byte and as a character");
	like($all, qr{method\W+A\Q$_\EB}, "F6: $format: ... in a method: $_") for '\u009b', '\u007f', '\u202e';
}

# ---- callers with a JSON Web Token, clients on a Unix socket ------------------------------------

my $socket = PostgreSQL::Test::Utils::tempdir_short() . '/bridge';
$node->safe_psql('postgres', "SELECT pat_add_jwt_key('log', 'HS256', repeat('k', 32), NULL, NULL, 'sub')");
my $jwt = $node->safe_psql('postgres', <<~"SQL");
	SELECT pat_jwt_sign(json_build_object('sub', 'ada', 'iat', extract(epoch FROM now()), 'exp', 32472144000), repeat('k', 32), 'HS256')
	SQL
$bridge = PatBridge->start($node, user => 'pat_bridge',
	options => [ '--log-level', 'info', '--listen', "unix:$socket" ]);
my $by_jwt = $bridge->get('/api/admin/user/tokens', $jwt);
my $by_socket = PatWire->new($socket)->call('GET', $path, token => $sample->{viewer});
$bridge->stop_ok;
like($bridge->log, qr/$by_jwt->{headers}{'x-request-id'}.* status=200 .* account_id=$sample->{person}$/m,
	'a caller with a JSON Web Token has an account, but no token of the table');
like($bridge->log, qr/$by_socket->{headers}{'x-request-id'}.* status=403 .* client="unix" account_id=$sample->{person} token_id=\d+$/m,
	'a client on a Unix socket is called that');
is(index($bridge->log, substr $jwt, -30), -1, 'no JSON Web Token is in the log');

# ---- a log file that is rotated -----------------------------------------------------------------

my $directory = PostgreSQL::Test::Utils::tempdir();
my $file = "$directory/bridge.log";
$bridge = PatBridge->start($node, user => 'pat_bridge',
	options => [ '--log-level', 'info', '--workers', '2', '--log-file', $file, '--listen', '127.0.0.1:0' ],
	log_file => $file);
is(slurp($bridge->{log}), '', 'nothing is said on standard error');
is(sprintf('%o', (stat $file)[2] & 0777), '640', 'the file is not for everybody');

sub opened_again { return scalar(() = all_logs() =~ /notice the log file was opened again$/mg); }
sub all_logs { return join '', map { slurp($_) } glob "$directory/bridge.log*"; }

my ($rotations, $asked, $given) = (0, 0, 20_000);
my $report = PatLoad::run(
	port => $bridge->port, connections => 16,
	next => sub {
		return if ++$asked > $given;
		if ($asked % 2000 == 0 && opened_again() == $rotations)
		{
			rename $file, "$file." . ++$rotations or die "rename: $!";
			kill 'HUP', $bridge->pid;
		}
		return { path => $asked % 2 ? '/health' : '/ready', status => 200 };
	});
is($report->{answered}, $given, 'under requests the file is rotated');
cmp_ok($rotations, '>=', 3, '... several times');
ok(wait_until(sub { opened_again() == $rotations }, 'the last signal'), '... as the log says');
my %lines;
$lines{$_}++ for all_logs() =~ /^\S+Z info request id="(\S+)" method="GET" route="\/(?:health|ready)" .*client="127.0.0.1"$/mg;
is(scalar(grep { $_ == 1 } values %lines), $given + 1, '... no line is lost, none is there twice');
is(scalar(grep { !/^\S+Z \w+ .+$/ } split /\n/, all_logs()), 0, '... none is broken');
cmp_ok(scalar(grep { slurp($_) =~ / info request / } glob "$directory/bridge.log*"), '>=', 3,
	'... and they are in several files');

# What cannot be opened is not: the old file goes on.
rename $file, "$file.old" or die "rename: $!";
mkdir $file or die "mkdir: $!";
kill 'HUP', $bridge->pid;
ok(wait_until(sub { slurp("$file.old") =~ /cannot open the log file "\Q$file\E" again: Is a directory; the old one stays in use$/m },
	'the log'), 'a file that cannot be opened: the old one says why');
my $id = $bridge->get('/health')->{headers}{'x-request-id'};
ok(wait_until(sub { slurp("$file.old") =~ /\Q$id\E/ }, 'the line'), '... and stays in use');
rmdir $file or die "rmdir: $!";
$bridge->stop_ok;
like(slurp("$file.old"), qr/ notice stopped\n\z/, '... to the end');

$bridge = PatBridge->start($node, user => 'pat_bridge');
kill 'HUP', $bridge->pid;
is($bridge->get('/health')->{status}, '200', 'without a file SIGHUP does no harm');
ok(!$bridge->has_ended, '... to the process');
$bridge->stop_ok;

my ($out, $err) = ('', '');
my $started = IPC::Run::run([ PatBridge->binary, '--listen', '127.0.0.1:0', '--log-file', "$directory/no/file" ],
	'<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(60));
ok(!$started, 'a log file that cannot be opened at the start: no start');
like($err, qr/cannot open the log file "\Q$directory\E\/no\/file": No such file or directory/, '... and why');

done_testing();
