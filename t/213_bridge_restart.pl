# A restart under load, three ways, without one failed request: the next bridge started beside the
# old one on the same port (--reuse-port), on the same socket file, and in the place of the old one
# on a socket that stays open (as systemd does it). Sixty-four clients keep their connections, others
# make a new one for each request; every answer is the right one, none is missing.
#
# What becomes of clients that connect while a socket closes is the kernel's business, and set up
# here in a network namespace: it hands them on (net.ipv4.tcp_migrate_req), or lets the bridge keep
# them away, which takes CAP_NET_ADMIN in some kernels.

use strict;
use warnings;

BEGIN
{
	my @namespace = ('unshare', '--user', '--map-current-user', '--keep-caps', '--net');
	my $prepare = 'ip link set lo up && exec "$@"';
	if (!$ENV{PAT_OWN_NETWORK} && system("@namespace true 2>/dev/null") == 0)
	{
		$ENV{PAT_OWN_NETWORK} = 1;
		exec @namespace, 'sh', '-c', $prepare, 'sh', $^X, (map { "-I$_" } @INC), $0;
	}
}

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::INET;
use PatLoad;
use PatTest;
use PatBridge;
use PatTraffic;
use PatWire;
use POSIX ();
use Time::HiRes ();

my $node = new_cluster('restart', settings => "max_connections = 100\n");
my $sample = load_sample($node);
my $admin = $sample->{admin};
my $path = "/api/admin/service-account/$sample->{account}/token";
my $list = sql_list($node, $sample->{account}, $admin);
my $traffic = PatTraffic->new($node, $sample);
my @options = ('--workers', '2', '--drain-timeout', '60s');

# newcomers(WHERE, STOP): in a process of its own, clients that connect anew for each request, until
# the file STOP is there. Its exit status is 0 if every one got the list and nothing failed.
sub newcomers
{
	my ($where, $stop, $result) = @_;
	my $pid = fork;
	die "fork: $!" unless defined $pid;
	return $pid if $pid;

	my ($count, $failed) = (0, '');
	while (!-e $stop && $failed eq '')
	{
		my $answer = eval {
			my $wire = PatWire->new($where);
			$wire->send(PatWire::request('GET', $path, token => $admin, headers => ['Connection: close']));
			$wire->answer('GET');
		};
		$count++;
		$failed = "request $count: " . ($@ || ($answer ? $answer->{head} : 'no answer'))
		  unless $answer && $answer->{status} eq '200' && $answer->{body} eq $list;
	}
	open(my $out, '>', $result) or POSIX::_exit(1);
	print $out $failed eq '' ? $count : $failed;
	close $out;
	POSIX::_exit(0);
}

# restarts_ok(NAME, WHERE, RESTART, COUNT): load on both kinds of connections while RESTART, code,
# is called until it has said COUNT times that one is done.
sub restarts_ok
{
	my ($name, $where, $restart, $count) = @_;
	my $stop = PostgreSQL::Test::Utils::tempdir() . '/stop';
	my @results = map { "$stop.$_" } 1 .. 3;
	my @pids = map { newcomers($where, $stop, $_) } @results;
	my ($asked, $done, $next) = (0, 0, 1000);
	my $deadline = Time::HiRes::time() + 120;
	my $report = PatLoad::run(
		port => $where, connections => $where =~ /^\d/ ? 64 : 0,
		tick => sub {
			return unless $asked >= $next && $done < $count && $restart->();
			$done++;
			$next = $asked + 2000;
		},
		next => sub {
			$asked++;
			return if ($done == $count && $asked > $next) || Time::HiRes::time() > $deadline;
			return $traffic->request;
		},
		answered => sub { $traffic->check(@_) });
	if ($where !~ /^\d/)
	{
		wait_until(sub { $done += $restart->() if $done < $count; $done == $count }, 'restarts', 120);
	}
	open(my $mark, '>', $stop) or die "$stop: $!";
	close $mark;
	waitpid($_, 0) for @pids;

	my $wrong = 0;
	$wrong += $report->{$_} for qw(wrong_status wrong_body broken lost given_up);
	is($done, $count, "$name: $count restarts");
	is($wrong, 0, "$name: nothing wrong, nothing lost") or diag(join "\n", @{ $report->{examples} });
	is($report->{answered}, $report->{asked}, "$name: all that was asked is answered");
	is_deeply($traffic->faults, [], "$name: errors have their form");
	for my $result (@results)
	{
		my $words = slurp($result);
		like($words, qr/\A\d+\z/, "$name: every newcomer was served") and cmp_ok($words, '>', 10, '... many');
	}
	diag(sprintf '%s: %d requests over %d connections, %s newcomers', $name, $report->{asked},
		$report->{connects}, join '+', map { slurp($_) } @results);
	return;
}

# ---- beside each other -------------------------------------------------------------------------

# beside(OLD, …): code that starts the next bridge, and when that serves stops the one before; true
# when that has ended. The load goes on between the calls.
sub beside
{
	my ($running, %start) = @_;
	my $next;
	return sub {
		if (!$next)
		{
			$next = PatBridge->start($node, %start);
			kill 'TERM', $$running->pid;
		}
		return 0 unless $$running->has_ended;
		$$running->stop_ok('the old one ends cleanly');
		($$running, $next) = ($next, undef);
		return 1;
	};
}

# Whether the kernel hands on what waits at a closing socket.
sub migrate
{
	my ($value) = @_;
	open(my $setting, '>', '/proc/sys/net/ipv4/tcp_migrate_req') or return 0;
	print $setting $value;
	return close $setting;
}

my ($bridge, %start);
SKIP:
{
	skip 'no network namespace here: the kernel may reset who connects as a socket closes', 1
	  unless $ENV{PAT_OWN_NETWORK};
	$bridge = PatBridge->start($node, options => [ @options, '--reuse-port' ]);
	%start = (listen => '127.0.0.1:' . $bridge->port, options => [ @options, '--reuse-port' ]);
	migrate(0);
	restarts_ok('beside each other, newcomers kept away', $bridge->port, beside(\$bridge, %start), 3);
	restarts_ok('beside each other, newcomers handed on', $bridge->port, beside(\$bridge, %start), 4)
	  if migrate(1);
	$bridge->stop_ok;
}

# A socket file goes over to the next bridge in one step, and the old one leaves it alone.
my $socket = PostgreSQL::Test::Utils::tempdir() . '/bridge.sock';
%start = (options => [ @options, '--reuse-port', '--listen', "unix:$socket" ]);
$bridge = PatBridge->start($node, %start);
restarts_ok('on one socket file', $socket, beside(\$bridge, %start), 6);
ok(-S $socket, 'the socket file is there');
$bridge->stop_ok;
ok(!-e $socket, 'the last one removes it');

# ---- one after the other, on a socket that stays open ------------------------------------------

# after(OLD, …): code that stops the old bridge, and starts the next only when that has ended.
sub after
{
	my ($running, %start) = @_;
	my $told;
	return sub {
		kill 'TERM', $$running->pid unless $told++;
		return 0 unless $$running->has_ended;
		$$running->stop_ok('the old one ends cleanly');
		$$running = PatBridge->start($node, %start, ready => 0);
		$told = 0;
		return 1;
	};
}

my $listening = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1024, ReuseAddr => 1)
  or die "listen: $!";
%start = (options => \@options, sockets => [$listening]);
$bridge = PatBridge->start($node, %start);
is($bridge->port, $listening->sockport, 'a socket that was handed over stands in place of --listen');
like($bridge->log, qr/listening on 127\.0\.0\.1:\d+ \(handed over\)/, '... and is told');
unlike($bridge->log, qr/listening on 127\.0\.0\.1:\d+$/m, '... nothing else is listened on');
restarts_ok('one after the other', $bridge->port, after(\$bridge, %start), 4);
$bridge->stop_ok;
is(IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $listening->sockport) ? 1 : 0, 1,
	'the socket is still open when no bridge is there');

done_testing();
