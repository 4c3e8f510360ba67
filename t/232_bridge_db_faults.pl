# The database does not answer: a table is locked, a backend stands still, the network swallows
# everything, the postmaster is killed. Whoever asks is answered within the time-out, the bridge goes
# on serving what needs no database, and normal service is back right after.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use PatLoad;
use PatTest;
use PatBridge;
use PatHolder;
use PatTraffic;
use PatWire;
use POSIX ();
use Time::HiRes ();

my $timeout = 1;
my $node = new_cluster('faults', settings => "max_connections = 40\n");
my $sample = load_sample($node);
my $traffic = PatTraffic->new($node, $sample);
my $role = PatTest::bridge_role($node, 'postgres');
my $admin = $sample->{admin};
my $path = "/api/admin/service-account/$sample->{account}/token";
my $list = sql_list($node, $sample->{account}, $admin);

sub start_bridge
{
	my (%option) = @_;
	return PatBridge->start($node, %option,
		options => [ '--workers', '1', '--request-timeout', "${timeout}s", '--max-queue', '40' ]);
}

sub session_pids
{
	return split /\n/, $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE usename = '$role' ORDER BY pid");
}

# load_ok(NAME, BRIDGE, CONNECTIONS, NEXT): a run in which 503 and 504 may come; every answer within its time. The
# promise is the time-out; on a machine that does other things as well, five seconds more.
sub load_ok
{
	my ($name, $bridge, $connections, $next) = @_;
	my ($longest, %count) = (0);
	my $report = PatLoad::run(
		port => $bridge->port, connections => $connections, tolerate => { 503 => 1, 504 => 1 },
		next => sub {
			my $request = $next->() or return;
			return { %$request, asked => Time::HiRes::time() };
		},
		answered => sub {
			my ($request, $status) = @_;
			my $took = Time::HiRes::time() - $request->{asked};
			$longest = $took if $took > $longest;
			$count{$status}++;
			$traffic->check(@_);
		});
	my $wrong = 0;
	$wrong += $report->{$_} for qw(wrong_status wrong_body broken lost given_up);
	is($wrong, 0, "$name: no wrong answer") or diag(join "\n", @{ $report->{examples} });
	is($report->{answered}, $report->{asked}, "$name: as many answers as requests");
	is($report->{connects}, $connections, "$name: no client lost its connection");
	is_deeply($traffic->faults, [], "$name: errors have the documented form");
	cmp_ok($longest, '<', $timeout + 5, "$name: all within the time-out")
	  or diag(`uptime`);
	diag(sprintf '%s: longest %.0f ms; %s', $name, 1000 * $longest,
		join ', ', map { "$_: $count{$_}" } sort keys %count);
	return \%count;
}

# back_ok(NAME, BRIDGE): lists as they are.
sub back_ok
{
	my ($name, $bridge) = @_;
	ok(wait_until(sub { $bridge->get($path, $admin)->{status} eq '200' }, 'the list'), "$name: lists again");
	is_json_answer($bridge->get($path, $admin), 200, $list, "$name: ... as they are");
	ok(
		wait_until(
			sub {
				http_call($bridge->url("$path/999999"), method => 'DELETE', token => $admin)->{status} eq '404'
			},
			'changes'),
		"$name: ... and changes");
	return;
}

# ---- a table is locked -------------------------------------------------------------------------

my $bridge = start_bridge();
my $holder = PatHolder->new($node);

$holder->does('BEGIN; LOCK TABLE pat_token IN ACCESS EXCLUSIVE MODE');
my $end = Time::HiRes::time() + 5;
my $healthy = 0;
my $count = load_ok('a locked table', $bridge, 120, sub {
	$healthy += $bridge->get('/health')->{body} eq '{"health":"GOOD"}' if $healthy < 20;
	return if Time::HiRes::time() > $end;
	return $traffic->request;
});
cmp_ok($count->{504} || 0, '>', 100, 'a locked table: 504 for those who waited');
cmp_ok($count->{503} || 0, '>', 0, '... and 503 for those who found the queue full');
is($healthy, 20, '... healthy meanwhile');
cmp_ok(scalar session_pids(), '<=', 2, '... no more sessions than before');
my $released = Time::HiRes::time();
$holder->does('COMMIT');
back_ok('released', $bridge);
diag(sprintf 'released: lists within %.0f ms', 1000 * (Time::HiRes::time() - $released));
$holder->quit;
unlike($bridge->log, qr/database connection .* lost/, '... on the same connections');
my $left = 3000;
$count = load_ok('released', $bridge, 40, sub { return $left-- > 0 ? $traffic->request : undef });
is_deeply([ sort keys %$count ], [qw(200 401 403 404)], '... neither 503 nor 504');

# ---- a backend stands still --------------------------------------------------------------------

my @stopped = session_pids();
kill 'STOP', $_ for @stopped;
is_refused($bridge->get($path, $admin), 504, 'TimeoutError', undef, 'backends stand still: 504');
is_json_answer($bridge->get('/health'), 200, '{"health":"GOOD"}', '... healthy');
my $is_back = 0;
load_ok('backends stand still', $bridge, 40, sub {
	$is_back ||= ($bridge->log =~ /"read 1" lost: the server does not answer.*"read 1" is up/s);
	return $is_back && $left++ > 500 ? undef : $traffic->request;
});
ok($is_back, '... and the connection is replaced');
back_ok('backends stand still', $bridge);
my %stopped = map { $_ => 1 } @stopped;
ok((grep { !$stopped{$_} } session_pids()), '... on other backends');
kill 'CONT', $_ for @stopped;
ok(wait_until(sub { !grep { $stopped{$_} } session_pids() }, 'them to end'), '... and the old ones end');

# ---- the postmaster is killed ------------------------------------------------------------------

# start_again(SELF): true once the server runs. Starting it can fail as long as the last backend of
# the old one has not ended, and is tried again; in a process of its own, so that the load goes on.
sub start_again
{
	my ($self) = @_;
	$self->{run} ||= start_beside(
		[ 'pg_ctl', '-w', '-s', '-D', $node->data_dir, '-l', $node->logfile, 'start' ],
		'<', \undef, '>', \$self->{out}, '2>&1');
	$self->{run}->pump_nb if $self->{run}->pumpable;
	return 0 if $self->{run}->pumpable;
	my $well = $self->{run}->finish;
	delete $self->{run};
	return 0 unless $well;
	$node->_update_pid(1);
	return 1;
}

my ($asked, $started, %starting) = (0, 0);
load_ok('the postmaster killed', $bridge, 40, sub {
	$asked++;
	$node->kill9 if $asked == 1000;
	$started ||= start_again(\%starting) if $asked > 3000;
	return if $asked > 4000 && $started && $bridge->get('/ready')->{status} eq '200';
	return $traffic->request;
});
back_ok('the postmaster killed', $bridge);
$bridge->stop_ok;

# ---- the network swallows everything -----------------------------------------------------------

# A relay between bridge and server that drops, once told, all that comes on the connections it has.
my $listener = IO::Socket::INET->new(Listen => 16, LocalAddr => '127.0.0.1', Proto => 'tcp');
my $relay_port = $listener->sockport;
my $relay = fork;
die "fork: $!" unless defined $relay;
if (!$relay)
{
	run_relay();
	POSIX::_exit(0);
}

END { local $?; if ($relay) { kill 'KILL', $relay; waitpid $relay, 0; } }

sub run_relay
{
	my (%other, %dropped);
	my $select = IO::Select->new($listener);
	local $SIG{PIPE} = 'IGNORE';
	local $SIG{USR1} = sub { $dropped{$_} = 1 for keys %other };
	while (1)
	{
		for my $socket ($select->can_read(1))
		{
			if ($socket == $listener)
			{
				my $client = $listener->accept or next;
				my $server = IO::Socket::UNIX->new(Peer => $node->host . '/.s.PGSQL.' . $node->port) or next;
				$other{$client} = $server;
				$other{$server} = $client;
				$select->add($client, $server);
				next;
			}
			my $got = sysread $socket, my $bytes, 65536;
			next if $dropped{$socket} && $got;
			if (!$got)
			{
				$select->remove($socket);
				next if $dropped{$socket};
				shutdown $other{$socket}, 2;
				next;
			}
			syswrite $other{$socket}, $bytes;
		}
	}
	return;
}

$bridge = start_bridge(db => "host=127.0.0.1 port=$relay_port user=$role dbname=postgres");
is_json_answer($bridge->get($path, $admin), 200, $list, 'through a relay: a list');

# The kernel asks an idle peer after ten seconds whether it is there: field 5 of /proc/net/tcp says
# that the keepalive timer runs, and when it is due, in hundredths of a second.
my $hex = sprintf ':%04X', $relay_port;
my @timers = map { /^\s*\d+: \S+ \S+\Q$hex\E 01 \S+ 02:(\S+)/ ? hex $1 : () }
  split /\n/, slurp('/proc/net/tcp');
is(scalar @timers, 2, 'keepalive is on for both connections');
is(scalar(grep { $_ > 1100 } @timers), 0, '... and due within seconds') or diag("@timers");

kill 'USR1', $relay;
is_refused($bridge->get($path, $admin), 504, 'TimeoutError', undef, 'all is swallowed: 504');
is_json_answer($bridge->get('/health'), 200, '{"health":"GOOD"}', '... healthy');
is_refused(http_call($bridge->url($path), token => $admin,
		body => '{"description":"swallowed","expiresAt":"2099-01-01T00:00:00Z"}'), 504, 'TimeoutError', undef,
	'... a change, too');
back_ok('all is swallowed', $bridge);
like($bridge->log, qr/"read 1" lost: the server does not answer/, '... on a new connection');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pat_token WHERE description = 'swallowed'}), '0',
	'... and the change was not made');
$bridge->stop_ok;

$node->stop;
done_testing();
