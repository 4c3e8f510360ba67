# Several hosts, standbys, failover: a host that does not answer is passed over; reads go where
# --read-db says; changes find the server that takes them; when the primary dies and the standby is
# promoted under load, a list is right or a 503 with Retry-After, is back soon after the promotion, and
# so are changes, without a restart of the bridge.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::INET;
use JSON::PP ();
use PatLoad;
use PatTest;
use PatBridge;
use PatTraffic;
use PatWire;
use Socket qw(SOCK_STREAM SOCK_NONBLOCK AF_INET pack_sockaddr_in inet_aton);
use Time::HiRes ();

my $connections = 32;
my $settings = "log_line_prefix = '%n %p %a '\npat.max_tokens_per_account = 0\nmax_connections = 50\n";
my $primary = new_cluster('one', streaming => 1, settings => $settings);
my $sample = load_sample($primary);
my $traffic = PatTraffic->new($primary, $sample);
PatTest::bridge_role($primary, 'postgres');
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('two');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
my $accounts = '/api/admin/service-account';
my $path = "$accounts/$sample->{account}/token";
my $list = sql_list($primary, $sample->{account}, $sample->{admin});
my $written = $primary->safe_psql('postgres', "SELECT pat_create_account('written')");

# conninfo(NAME, ATTRIBUTES, [ HOST, PORT ] or NODE, …)
sub conninfo
{
	my ($name, $attributes, @servers) = @_;
	my @places = map { ref $_ eq 'ARRAY' ? $_ : [ $_->host, $_->port ] } @servers;
	return sprintf "host='%s' port=%s user=pat_bridge dbname=postgres application_name=%s %s",
	  join(',', map { $_->[0] } @places), join(',', map { $_->[1] } @places), $name, $attributes;
}

sub start_bridge
{
	my ($db, @options) = @_;
	return PatBridge->start($primary, db => $db, options => [ '--workers', '1', @options ]);
}

# How many connections of that application the server has.
sub sessions
{
	my ($node, $name) = @_;
	return $node->safe_psql('postgres',
		"SELECT count(*) FROM pg_stat_activity WHERE application_name = '$name'");
}

# How often its connection for lists has come up.
sub times_up { return scalar(() = $_[0]->log =~ /"read 1" is up/g); }

my $number = 0;

sub make_token
{
	my ($bridge) = @_;
	$number++;
	return http_call($bridge->url("$accounts/$written/token"), token => $sample->{admin},
		body => qq({"description":"made $number","expiresAt":"2099-01-01T00:00:00Z"}));
}

sub lists_ok
{
	my ($bridge, $name) = @_;
	return is_json_answer($bridge->get($path, $sample->{admin}), 200, $list, $name);
}

# ---- a host that does not answer ---------------------------------------------------------------

# A listener whose queue is full: the kernel drops what else comes, as a firewall would.
my ($silent, @callers) =
  (IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', Proto => 'tcp'));
for (1 .. 4)
{
	socket(my $caller, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0) or die "socket: $!";
	connect($caller, pack_sockaddr_in($silent->sockport, inet_aton('127.0.0.1')));
	push @callers, $caller;
}
my $patient = start_bridge(
	conninfo('patient', 'target_session_attrs=read-write',
		[ '127.0.0.1', $silent->sockport ], $standby, $primary));
lists_ok($patient, 'a silent host and a standby first in the list: lists');
like($patient->log, qr/"read 1" is not available: the server does not answer/, '... the log tells of one');
like($patient->log, qr/"read 1" is not available: .*session is read-only/, '... and of the other');
is(() = $patient->log =~ /"read 1" is not available/g, 2, '... once each');
is(sessions($primary, 'patient'), 2, '... and both connections are to the primary');
is(make_token($patient)->{status}, 201, '... changes, too');
$patient->stop_ok;
my $once = start_beside(
	[ PatBridge->binary, '--listen', '127.0.0.1:0', '--db',
		conninfo('once', '', [ '127.0.0.1', $silent->sockport ]) ],
	'<', \undef, '>', \my $once_log, '2>&1');
wait_until(sub { $once->pump_nb; $once_log =~ /the server does not answer/ }, 'the attempt to end');
like($once_log, qr/is not available: the server does not answer/, 'alone it is given up, too');
$once->signal('TERM');
$once->finish;
close $_ for @callers, $silent;

# ---- who goes where ----------------------------------------------------------------------------

$primary->wait_for_catchup($standby);
my $both = start_bridge(conninfo('both', 'target_session_attrs=read-write', $primary, $standby));
my $apart = start_bridge(
	conninfo('apart', 'target_session_attrs=read-write', $primary, $standby),
	'--read-db', conninfo('apart', '', $standby, $primary));
my $any = start_bridge(conninfo('any', '', $standby, $primary));
my $prefers = start_bridge(conninfo('prefers', '', $primary),
	'--read-db', conninfo('prefers', 'target_session_attrs=prefer-standby', $primary, $standby));
my $alone = start_bridge(conninfo('alone', '', $standby), '--read-db', conninfo('alone', '', $standby));

lists_ok($_->[1], "$_->[0]: lists")
  for [ both => $both ], [ apart => $apart ], [ any => $any ], [ prefers => $prefers ],
  [ alone => $alone ];
for my $case ([ 'both', 2, 0 ], [ 'apart', 1, 1 ], [ 'any', 2, 0 ], [ 'prefers', 1, 1 ])
{
	my ($name, @wanted) = @$case;
	wait_until(
		sub { sessions($primary, $name) == $wanted[0] && sessions($standby, $name) == $wanted[1] },
		"the connections of $name");
	is(sessions($primary, $name), $wanted[0], "$name: connections to the primary");
	is(sessions($standby, $name), $wanted[1], "$name: connections to the standby");
}
is(sessions($primary, 'alone'), 0, 'alone: no connection to the primary');
is(make_token($_->[1])->{status}, 201, "$_->[0]: a change")
  for [ both => $both ], [ apart => $apart ], [ any => $any ], [ prefers => $prefers ];
is_refused(make_token($alone), 503, 'ServiceUnavailableError', undef,
	'a change that meets nothing but a standby: 503');
my $seen = $primary->safe_psql('postgres',
	"UPDATE pat_token SET seen_at = NULL WHERE secret_hash = sha256('$sample->{editor}'); SELECT now()");
$primary->wait_for_catchup($standby);
is($apart->get('/api/admin/user/tokens', $sample->{editor})->{status}, 200, 'a read on the standby');
is($primary->safe_psql('postgres',
	"SELECT seen_at FROM pat_token WHERE secret_hash = sha256('$sample->{editor}')"),
	'', '... leaves seen_at as it is');

# The standby goes: those who may read from the primary do.
$standby->stop('fast');
for my $case ([ apart => $apart ], [ any => $any ], [ prefers => $prefers ])
{
	my ($name, $bridge) = @$case;
	ok(wait_until(sub { $bridge->get($path, $sample->{admin})->{status} eq '200' }, 'the list'),
		"$name: the standby is away, lists come from the primary");
	lists_ok($bridge, "$name: ... the same");
}
is_refused($alone->get($path, $sample->{admin}), 503, 'ServiceUnavailableError', undef,
	'alone: 503');
$standby->start;
ok(wait_until(sub { $alone->get($path, $sample->{admin})->{status} eq '200' }, 'the list'),
	'alone: lists again when it is back');
# Ended by somebody, a connection begins at the first of its hosts again.
$primary->safe_psql('postgres', q{SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
	WHERE application_name IN ('apart', 'any', 'prefers')});
for my $case ([ apart => $apart ], [ prefers => $prefers ])
{
	my ($name, $bridge) = @$case;
	ok(wait_until(sub { sessions($standby, $name) == 1 }, 'the standby to be used'),
		"$name: and reads from it again");
	lists_ok($bridge, "$name: ... lists");
}

# ---- failover under load -----------------------------------------------------------------------

# A run in a process of its own; its report, and the times of its good answers, come in a file.
sub load_beside
{
	my ($bridge, $name, $stop_file) = @_;
	my $file = "$PostgreSQL::Test::Utils::tmp_check/load_$name.json";
	my $pid = fork;
	die "fork: $!" unless defined $pid;
	return { pid => $pid, file => $file, name => $name } if $pid;

	my (@good, @refused);
	my $deadline = Time::HiRes::time() + 150;
	my $report = PatLoad::run(
		port => $bridge->port, connections => $connections, tolerate => { 503 => 1 },
		next => sub {
			return if -e $stop_file || Time::HiRes::time() > $deadline;
			return $traffic->request;
		},
		answered => sub {
			push @{ $_[1] eq '200' ? \@good : \@refused }, Time::HiRes::time() if $_[1] =~ /^(?:200|503)$/;
			$traffic->check(@_);
		});
	$report->{faults} = $traffic->faults;
	$report->{good} = \@good;
	$report->{refused} = \@refused;
	open(my $out, '>', $file) or POSIX::_exit(1);
	print $out JSON::PP->new->canonical->encode($report);
	close $out;
	POSIX::_exit(0);
}

sub load_ok
{
	my ($load, $promoted) = @_;
	my $name = $load->{name};
	waitpid $load->{pid}, 0;
	is($?, 0, "$name: the load ended by itself");
	my $report = from_json(slurp($load->{file}));
	my $wrong = 0;
	$wrong += $report->{$_} for qw(wrong_status wrong_body broken lost given_up);
	is($wrong, 0, "$name: every answer a right one or 503")
	  or diag(join "\n", @{ $report->{examples} });
	is($report->{answered}, $report->{asked}, "$name: as many answers as requests");
	is($report->{connects}, $connections, "$name: no client lost its connection");
	is_deeply($report->{faults}, [], "$name: each 503 has the documented form and Retry-After");
	my ($first) = grep { $_ >= $promoted } @{ $report->{good} };
	ok(defined $first, "$name: lists after the promotion") or return;
	my $figures = sprintf '%s: %d lists, %d answered 503 over %.0f ms, the first list %.0f ms after the promotion',
	  $name, scalar @{ $report->{good} }, scalar @{ $report->{refused} },
	  @{ $report->{refused} } ? 1000 * ($report->{refused}[-1] - $report->{refused}[0]) : 0,
	  1000 * ($first - $promoted);
	# The promise is two seconds; on a machine that does other things as well, five.
	cmp_ok($first - $promoted, '<', 5, "$name: soon after the promotion") or diag(`uptime`, $figures);
	diag($figures);
	return $report;
}

$primary->wait_for_catchup($standby);
my $stop_file = "$PostgreSQL::Test::Utils::tmp_check/stop_load";
unlink $stop_file;
my @loads = (load_beside($both, 'both', $stop_file), load_beside($apart, 'apart', $stop_file));
my $ups = times_up($both);

# Changes go on meanwhile, one after the other: what is answered 201 before the primary's death and
# has reached the standby, and all that is answered 201 after the promotion, must be there.
my (@made_before, @made_after);
push @made_before, from_json($_->{body})->{description}
  for grep { $_->{status} == 201 } map { make_token($both) } 1 .. 50;
is(scalar @made_before, 50, 'changes before the failover');
$primary->wait_for_catchup($standby);
$primary->stop('immediate');
is_refused($both->get('/ready'), 503, 'ServiceUnavailableError', undef, 'the primary is dead: not ready')
  if wait_until(sub { $both->get('/ready')->{status} eq '503' }, 'the bridge to notice');
is_refused(make_token($both), 503, 'ServiceUnavailableError', undef, '... changes: 503');
lists_ok($apart, '... who reads from the standby does so');
$standby->promote;

# The line comes later than the answer of pg_ctl.
my $promoted = wait_until(
	sub {
		return slurp($standby->logfile) =~
		  /^(\d+\.\d+) .*database system is ready to accept connections/m ? $1 : 0;
	},
	'the word of the promotion') or die slurp($standby->logfile);
for my $case ([ both => $both ], [ apart => $apart ], [ any => $any ], [ alone => $alone ])
{
	my ($name, $bridge) = @$case;
	ok(
		wait_until(
			sub {
				my $answer = make_token($bridge);
				push @made_after, from_json($answer->{body})->{description} if $answer->{status} == 201;
				return $answer->{status} == 201;
			},
			'a change'),
		"$name: changes after the promotion");
	my $first = Time::HiRes::time() - $promoted;
	diag(sprintf '%s: a change %.0f ms after the promotion', $name, 1000 * $first);
}
wait_until(sub { times_up($both) > $ups && $both->get('/ready')->{status} eq '200' }, 'lists');
Time::HiRes::sleep(0.5);    # some load after it
open(my $stop, '>', $stop_file) or die "$stop_file: $!";
close $stop;
load_ok($_, $promoted) for @loads;

my %stored = map { ($_->{description} => 1) }
  @{ from_json(sql_list($standby, $written, $sample->{admin}))->{pats} };
is(scalar(grep { !$stored{$_} } @made_before, @made_after), 0, 'nothing that was answered 201 is lost');
lists_ok($_->[1], "$_->[0]: lists in the end")
  for [ both => $both ], [ apart => $apart ], [ any => $any ], [ prefers => $prefers ],
  [ alone => $alone ];

# ---- a server that stops to take changes -------------------------------------------------------

# The sessions live on: it is the refused change that has the bridge look for another server.
$standby->safe_psql('postgres', 'ALTER SYSTEM SET default_transaction_read_only = on');
$standby->reload;
ok(wait_until(sub { make_token($both)->{status} == 503 }, '503'), 'the primary turns read-only: 503');
ok(wait_until(sub { $both->log =~ /"write 1" lost: the server takes no changes/ }, 'the log'),
	'... and the bridge looks for another');
is($both->get($path, $sample->{admin})->{status}, 200, '... lists go on');
$standby->safe_psql('postgres', q{SET default_transaction_read_only = off;
	ALTER SYSTEM RESET default_transaction_read_only});
$standby->reload;
ok(wait_until(sub { make_token($both)->{status} == 201 }, '201'), '... and changes are made again');
$_->stop_ok for $both, $apart, $any, $prefers, $alone;

$standby->stop;
done_testing();
