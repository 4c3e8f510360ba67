# Behind PgBouncer, the real one: in transaction mode with --pooler transaction, all routes, under
# load, several bridges with more connections than the pool has servers, PgBouncer killed and started
# again, its server away; a role that could log tokens is refused, and nothing is set in a session
# that others will get; the wrong --pooler is told of. In session mode with default settings, and in
# statement mode.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP ();
use PatLoad;
use PatTest;
use PatBridge;
use PatTraffic;
use PatWire;
use POSIX ();
use Time::HiRes ();

my ($pgbouncer) = grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin', '/usr/local/sbin';
PatTest::cannot_run('no PgBouncer here') unless $pgbouncer;

my $node = new_cluster('pooled',
	settings => "log_line_prefix = '%n %p %a '\npat.max_tokens_per_account = 0\nmax_connections = 40\n");
my $sample = load_sample($node);
my $traffic = PatTraffic->new($node, $sample);
my $role = PatTest::bridge_role($node, 'postgres');
$node->safe_psql('postgres', "ALTER ROLE $role SET statement_timeout = '9s'");
my $accounts = '/api/admin/service-account';
my $path = "$accounts/$sample->{account}/token";
my $list = sql_list($node, $sample->{account}, $sample->{admin});

# ---- PgBouncer ---------------------------------------------------------------------------------

my $directory = "$PostgreSQL::Test::Utils::tmp_check/pgbouncer";
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $pooler_pid;
my $document = slurp(source_dir() . '/doc/operations.md');
my $password = 'correct horse';
mkdir $directory or die "$directory: $!";

sub write_file
{
	my ($name, $text) = @_;
	open(my $out, '>', "$directory/$name") or die "$directory/$name: $!";
	print $out $text;
	close $out or die "$directory/$name: $!";
	return;
}

# In the form of the document's; the bridge has the password from a password file.
sub write_passwords
{
	my ($line) = $document =~ /^echo "(\\"pat_bridge\\" \\"\$PASSWORD\\")" \|/m or die 'no userlist in the document';
	my ($pass) = $document =~ /echo "(127\.0\.0\.1:6432:\*:pat_bridge:\$PASSWORD)" >>/ or die 'no password file in the document';
	$line =~ s/\\"/"/g;
	s/\$PASSWORD/$password/, s/6432/$port/ for $line, $pass;
	write_file('users', "$line\n" . $line =~ s/pat_bridge/loud/r . "\n");
	write_file('pass', "$pass\n" . $pass =~ s/pat_bridge/loud/r . "\n");
	chmod 0600, "$directory/pass";
	$ENV{PGPASSFILE} = "$directory/pass";
	return;
}

# From 1.21 on it can keep prepared statements apart; what is tested here is one that does not.
my ($major, $minor) = `$pgbouncer --version` =~ /PgBouncer (\d+)\.(\d+)/;
my $no_statements = $major > 1 || $minor >= 21 ? 'max_prepared_statements = 0' : '';

# E8: the document's own configuration and lines, but for places, ports, MODE and the size of the pool.
sub shown
{
	my ($pattern, $text) = @_;
	return $text =~ $pattern ? $1 : die "the document has nothing like $pattern";
}

sub pooler_ini
{
	my ($mode, $size) = @_;
	my $ini = shown(qr/^`\/etc\/pgbouncer\/pgbouncer\.ini`.*?^```ini\n(.*?)^```$/ms, $document);
	my ($host, $server_port) = ($node->host, $node->port);
	for ([ qr/host=\/var\/run\/postgresql/, "host=$host port=$server_port" ],
		[ qr/\/var\/(?:log|run)\/postgresql\/(?=pgbouncer)/, "$directory/" ],
		[ qr/\/etc\/pgbouncer\/userlist\.txt/, "$directory/users" ],
		[ qr/(?<=^listen_port = )6432$/m, $port ],
		[ qr/(?<=^pool_mode = )transaction$/m, $mode ],
		[ qr/(?<=^default_pool_size = )\d+$/m, $size ])
	{
		my ($shown, $here) = @$_;
		$ini =~ s/$shown/$here/g or die "no $shown in the configuration";
	}
	return "$ini$no_statements\n";
}

# How PgBouncer gets in: the README's line of pg_hba.conf, and the document's of pg_ident.conf, whose user
# postgres is the one who runs it here.
sub let_pooler_in
{
	my $me = getpwuid $>;
	my $hba = shown(qr/sed -i '1i (local [^']*)'/, slurp(source_dir() . '/README.md'));
	my $ident = shown(qr/^echo '(pat-bridge postgres [^']*)' \|/m, $document);
	$ident =~ s/ postgres / $me / or die $ident;
	my $file = $node->data_dir . '/pg_hba.conf';
	my $rest = slurp($file);
	open(my $out, '>', $file) or die "$file: $!";
	print $out "$hba\n$rest";
	close $out or die "$file: $!";
	$node->append_conf('pg_ident.conf', "$ident\n");
	$node->reload;
	return;
}

sub start_pooler
{
	my ($mode, $size) = @_;
	write_file('pgbouncer.ini', pooler_ini($mode, $size));
	$pooler_pid = fork;
	die "fork: $!" unless defined $pooler_pid;
	if (!$pooler_pid)
	{
		open(STDIN, '<', '/dev/null');
		open(STDERR, '>>', "$directory/stderr");
		open(STDOUT, '>&', \*STDERR);
		{ exec $pgbouncer, '-q', "$directory/pgbouncer.ini"; }
		POSIX::_exit(127);
	}
	wait_until(sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) },
		'PgBouncer') or die slurp("$directory/log");
	return;
}

sub stop_pooler
{
	my ($signal) = @_;
	return unless $pooler_pid;
	kill $signal, $pooler_pid;
	waitpid $pooler_pid, 0;
	undef $pooler_pid;
	return;
}

END { local $?; stop_pooler('KILL'); }

sub start_bridge
{
	my ($pooler, %option) = @_;
	my $user = $option{user} || $role;
	return PatBridge->start($node, ready => $option{ready},
		db => "host=127.0.0.1 port=$port user=$user dbname=postgres",
		options => [ '--pooler', $pooler, '--workers', $option{workers} || 1 ]);
}

# ---- load --------------------------------------------------------------------------------------

# load(BRIDGE, NEXT, …): the report, with what PatTraffic has to say.
sub load
{
	my ($bridge, $next, %option) = @_;
	my $good = 0;
	my $report = PatLoad::run(
		port => $bridge->port, connections => 32, next => $next,
		answered => sub { $good++ if $_[1] eq '200'; $traffic->check(@_) }, %option);
	return { %$report, good => $good, faults => $traffic->faults };
}

sub load_ok
{
	my ($name, $report) = @_;
	my $wrong = 0;
	$wrong += $report->{$_} for qw(wrong_status wrong_body broken lost given_up);
	is($wrong, 0, "$name: no wrong answer") or diag(join "\n", @{ $report->{examples} });
	is($report->{answered}, $report->{asked}, "$name: as many answers as requests");
	is_deeply($report->{faults}, [], "$name: errors have the documented form");
	diag(sprintf '%s: %d requests, %d answered 503', $name, $report->{asked}, $report->{tolerated});
	return;
}

sub so_many
{
	my ($count) = @_;
	return sub { return $count-- > 0 ? $traffic->request : undef };
}

# ---- all routes --------------------------------------------------------------------------------

my $admin = $sample->{admin};
my $runs = 0;

sub all_routes_ok
{
	my ($bridge, $name) = @_;
	my $later = '"expiresAt":"2099-01-01T00:00:00Z"';
	my $wire = PatWire->new($bridge->port);
	my $call = sub {
		my ($method, $where, $body, $token) = @_;
		return $wire->call($method, $where, token => $token || $admin,
			defined $body ? (body => $body) : ());
	};
	$runs++;
	my $answer = $call->('POST', $accounts, qq({"username":"robot$runs","name":"Robot","rootRole":3}));
	is_json_answer($answer, 201, undef, "$name: a new account");
	my $id = from_json($answer->{body})->{id};
	is($answer->{headers}{location}, "$accounts/$id", '... and where it is');
	is_json_answer($call->('PUT', "$accounts/$id", '{"name":"Robot II","rootRole":2}'), 200, undef,
		"$name: an account changed");
	$answer = $call->('POST', "$accounts/$id/token", qq({"description":"one",$later}));
	is_json_answer($answer, 201, undef, "$name: a new token");
	my $token = from_json($answer->{body})->{id};
	is_json_answer($call->('GET', "$accounts/$id/token"), 200, sql_list($node, $id, $admin),
		"$name: its list is what SQL says");
	is_json_answer($call->('GET', $accounts), 200,
		$node->safe_psql('postgres', "SELECT pat_list_service_accounts('$admin')"), "$name: all accounts");
	is($call->('DELETE', "$accounts/$id/token/$token")->{status}, 200, "$name: a token deleted");
	is($call->('DELETE', "$accounts/$id")->{status}, 200, "$name: an account deleted");
	$answer = $call->('POST', '/api/admin/user/tokens', qq({"description":"own $runs",$later}),
		$sample->{editor});
	is_json_answer($answer, 201, undef, "$name: a token of one's own");
	my $own = from_json($answer->{body})->{id};
	is_json_answer($call->('GET', '/api/admin/user/tokens', undef, $sample->{editor}), 200,
		$node->safe_psql('postgres', "SELECT pat_list('$sample->{editor}')"), "$name: one's own tokens");
	is($call->('DELETE', "/api/admin/user/tokens/$own", undef, $sample->{editor})->{status}, 200,
		"$name: ... and deleted");
	is_refused($call->('POST', $accounts, '{"username":'), 400, 'BadDataError', undef, "$name: 400");
	is_refused($call->('GET', $accounts, undef, 'x'), 401, 'AuthenticationRequired', undef, "$name: 401");
	is_refused($call->('GET', "$accounts/999/token"), 404, 'NotFoundError', undef, "$name: 404");
	return;
}

# ---- transaction mode --------------------------------------------------------------------------

write_passwords();
let_pooler_in();
start_pooler('transaction', 2);
my $bridge = start_bridge('transaction');
is_json_answer($bridge->get($path, $admin), 200, $list, 'transaction mode: a list');
is($node->safe_psql('postgres', "SELECT auth_method FROM pg_hba_file_rules WHERE user_name = '{pat_bridge}'"), 'peer',
	"E8: PgBouncer gets in by the documents' lines");
{
	local $ENV{PGPASSFILE} = '/dev/null';
	isnt($node->psql('postgres', 'SELECT 1', connstr => "host=127.0.0.1 port=$port user=$role dbname=postgres"),
		0, 'E8: ... and lets in nobody without the password');
}
unlike($bridge->log, qr/warning/, '... and nothing to warn of');
all_routes_ok($bridge, 'transaction mode');
load_ok('transaction mode', load($bridge, so_many(10_000)));

# Nothing of the bridge's stays with a server that others get.
is($node->safe_psql('postgres', 'SELECT current_setting($$statement_timeout$$)',
		connstr => "host=127.0.0.1 port=$port user=$role dbname=postgres"),
	'9s', 'the pooled sessions have the settings of the role');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_statements',
		connstr => "host=127.0.0.1 port=$port user=$role dbname=postgres"),
	'0', '... and no prepared statements');

# ---- more connections than servers -------------------------------------------------------------

sub beside
{
	my ($name, $code) = @_;
	my $file = "$directory/$name.json";
	my $pid = fork;
	die "fork: $!" unless defined $pid;
	return { pid => $pid, file => $file, name => $name } if $pid;
	open(my $out, '>', $file) or POSIX::_exit(1);
	print $out JSON::PP->new->canonical->encode($code->());
	close $out;
	POSIX::_exit(0);
}

my @others = map { start_bridge('transaction', workers => 2) } 1 .. 3;
my $written = $node->safe_psql('postgres', "SELECT pat_create_account('written')");
my @loads = map {
	my $other = $others[$_];
	beside("bridge $_", sub { load($other, so_many(4000)) })
} 0 .. $#others;
push @loads, beside('changes', sub {
	my $count = 0;
	return load($bridge, sub {
		return if ++$count > 300;
		return {
			method => 'POST', path => "$accounts/$written/token", token => $admin, status => 201,
			content => qq({"description":"change $count","expiresAt":"2099-01-01T00:00:00Z"}) };
	}, answered => undef);
});
for my $load (@loads)
{
	waitpid $load->{pid}, 0;
	is($?, 0, "$load->{name}: the load ended by itself");
	load_ok("14 connections on 2 servers, $load->{name}", from_json(slurp($load->{file})));
}
is($node->safe_psql('postgres', "SELECT count(*) FROM pat_token WHERE account_id = $written"), '300',
	'each change was made once');
cmp_ok($node->safe_psql('postgres',
		"SELECT count(*) FROM pg_stat_activity WHERE usename = '$role'"), '<=', 2, 'by two servers');
$_->stop_ok for @others;

# ---- PgBouncer goes, its server goes -----------------------------------------------------------

my $asked = 0;
my $report = load($bridge, sub {
	$asked++;
	stop_pooler('KILL') if $asked == 2000;
	start_pooler('transaction', 2) if $asked == 4000;
	return if $asked > 5000 && $bridge->get('/ready')->{status} eq '200';
	return if $asked > 500_000;
	return $traffic->request;
}, tolerate => { 503 => 1 });
load_ok('PgBouncer killed and started again', $report);
ok(wait_until(sub { $bridge->get($path, $admin)->{status} eq '200' }, 'the list'), '... lists again');
is_json_answer($bridge->get($path, $admin), 200, $list, '... as they are');

$node->stop('immediate');
ok(wait_until(sub { $bridge->get($path, $admin)->{status} eq '503' }, '503'),
	'PgBouncer up, its server down: 503');
is_refused($bridge->get($path, $admin), 503, 'ServiceUnavailableError', undef, '... as documented');
is_json_answer($bridge->get('/health'), 200, '{"health":"GOOD"}', '... healthy');
is_refused(http_call($bridge->url($path), token => $admin, body => '{"description":"d"}'), 503,
	'ServiceUnavailableError', undef, '... changes: 503');
$node->start;
ok(wait_until(sub { $bridge->get($path, $admin)->{status} eq '200' }, 'the list'),
	'the server is back: lists again');
ok(wait_until(sub {
			http_call($bridge->url("$path/999999"), method => 'DELETE', token => $admin)->{status} eq '404'
		}, 'changes'), '... and changes');
$bridge->stop_ok;

# ---- a role without the settings ---------------------------------------------------------------

$node->safe_psql('postgres', q{CREATE ROLE loud LOGIN; SELECT pat_grant_api('loud');
	ALTER ROLE loud SET log_parameter_max_length_on_error = -1});
# What it could set is not set in a session that is not its own.
$node->safe_psql('postgres', q{GRANT SET ON PARAMETER log_parameter_max_length,
	log_parameter_max_length_on_error TO loud}) if $node->pg_version >= 15;
$bridge = start_bridge('transaction', user => 'loud', ready => 0);
for my $setting ('log_parameter_max_length', 'log_parameter_max_length_on_error')
{
	my $advice = "ALTER ROLE loud SET $setting = 0";
	ok(wait_until(sub { $bridge->log =~ /run as superuser: \Q$advice\E$/m }, 'the log'),
		"it could log tokens: the log says $advice");
	is_refused($bridge->get($path, $admin), 503, 'ServiceUnavailableError', undef,
		'... and serves nobody');
	$node->safe_psql('postgres', $advice);
	# pooled sessions have the role's settings of their start
	$node->safe_psql('postgres',
		q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'loud'});
}
ok(wait_until(sub { $bridge->get($path, $admin)->{status} eq '200' }, 'the list'),
	'... until that is done');
like($bridge->log, qr/warning .*run as superuser: ALTER ROLE loud SET statement_timeout = 10000$/m,
	'... and the log warns of statements without an end');
$bridge->stop_ok;
stop_pooler('TERM');

# ---- the wrong --pooler ------------------------------------------------------------------------

start_pooler('transaction', 1);
my @wrong = map { start_bridge('none') } 1, 2;
$_->get($path, $admin) for @wrong, @wrong;
ok(wait_until(
		sub { $_->get($path, $admin) for @wrong; grep { $_->log =~ /use --pooler transaction/ } @wrong },
		'the log'),
	'prepared statements in transaction mode: the log says which option to use');
$_->stop_ok for @wrong;
stop_pooler('TERM');

# ---- session mode ------------------------------------------------------------------------------

start_pooler('session', 20);
$bridge = start_bridge('none', workers => 2);
is_json_answer($bridge->get($path, $admin), 200, $list, 'session mode: a list');
all_routes_ok($bridge, 'session mode');
load_ok('session mode', load($bridge, so_many(10_000)));
$bridge->stop_ok;
stop_pooler('TERM');

# ---- statement mode ----------------------------------------------------------------------------

start_pooler('statement', 2);
$bridge = start_bridge('transaction');
all_routes_ok($bridge, 'statement mode');
load_ok('statement mode', load($bridge, so_many(5000)));
$bridge->stop_ok;
stop_pooler('TERM');

$node->stop;
done_testing();
