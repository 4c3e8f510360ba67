# The life of a bridge: told to stop, it takes what has connected, answers all that was asked, says
# goodbye on every connection, and ends with 0 within its bound; a second signal ends it at once.
# SIGHUP puts what the file says into force, as far as that can change, or leaves all as it was.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatLoad;
use PatTest;
use PatBridge;
use PatHolder;
use PatTraffic;
use PatWire;

my $node = new_cluster('lifecycle');
my $sample = load_sample($node);
my $admin = $sample->{admin};
my $path = "/api/admin/service-account/$sample->{account}/token";
my $list = sql_list($node, $sample->{account}, $admin);
my $directory = PostgreSQL::Test::Utils::tempdir();
my $file = "$directory/bridge.conf";
my $bridge;

sub start_bridge
{
	my (@options) = @_;
	$bridge = PatBridge->start($node, options => [ '--workers', '1', @options ]);
	return;
}

# Waits for the end without a signal, which would be the second one.
sub ends_ok
{
	my ($name) = @_;
	wait_until(sub { $bridge->has_ended }, 'the bridge to end');
	return $bridge->stop_ok($name);
}

sub tell_to_stop
{
	kill 'TERM', $bridge->pid;
	return wait_until(sub { $bridge->log =~ /stopping: Terminated/ }, 'the order to arrive');
}

sub ask
{
	my ($wire) = @_;
	$wire->send(PatWire::request('GET', $path, token => $admin));
	return $wire;
}

# That the answer is the list, and the last one on its connection.
sub is_last_list
{
	my ($wire, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $answer = $wire->answer('GET');
	is_json_answer($answer, 200, $list, $name);
	is($answer && $answer->{headers}{connection}, 'close', '... the last one of its connection');
	return ok($wire->is_closed, '... which is closed then');
}

# ---- the lock ----------------------------------------------------------------------------------

my $holder = PatHolder->new($node);

sub lock_accounts { return $holder->does('BEGIN; LOCK TABLE pat_account IN ACCESS EXCLUSIVE MODE'); }
sub unlock { return $holder->does('ROLLBACK'); }

# Whether calls have been waiting for the lock for so many seconds.
sub waits_for
{
	my ($seconds) = @_;
	return $node->safe_psql('postgres', <<~"SQL") eq 't';
		SELECT count(*) > 0 FROM pg_stat_activity WHERE usename = 'pat_bridge'
		AND wait_event_type = 'Lock' AND clock_timestamp() - query_start > $seconds * interval '1 s'
		SQL
}

# ---- told to stop ------------------------------------------------------------------------------

my $socket = "$directory/bridge.sock";
start_bridge('--drain-timeout', '60s', '--listen', "unix:$socket");
my ($busy, $half, $later, $silent) = map { PatWire->new($bridge->port) } 1 .. 4;
ok($_->goes_on, 'a connection that is kept') for $half, $later, $silent;
lock_accounts();
ask($busy);
ok(wait_until(sub { waits_for(0) }, 'the call'), 'a request is under way');
my $text = PatWire::request('GET', '/health');
$half->send(substr $text, 0, 20);
tell_to_stop();
ok(!-e $socket, 'told to stop: the socket file is gone');
ok(wait_until(sub { http_call($bridge->url('/health'))->{status} eq '000' }, 'the sockets to close'),
	'... nobody new gets in');
my $answer = $later->call('GET', '/health');
is_json_answer($answer, 200, '{"health":"GOOD"}', '... a connection that was kept is still served');
is($answer->{headers}{connection}, 'close', '... once');
ok($later->is_closed, '... and closed');
$half->send(substr $text, 20);
is_json_answer($half->answer('GET'), 200, '{"health":"GOOD"}', '... so is half a request');
ok(!$bridge->has_ended, '... what is under way is waited for');
unlock();
is_last_list($busy, '... and answered');
ok($silent->is_closed, '... a silent connection is closed in the end');
ends_ok('... exit 0');
like($bridge->log, qr/ notice stopped\n\z/, '... and says so last');

# Connections that the kernel has taken, and the bridge has not yet, are served as well: it has
# room for one, and five more wait in the queue, on TCP and on the socket.
start_bridge('--max-connections', '1', '--drain-timeout', '60s', '--listen', "unix:$socket");
my $only = PatWire->new($bridge->port);
ok($only->goes_on, 'the only connection there is room for');
my @queued = map { ask(PatWire->new($_)) } ($bridge->port, $socket) x 5;
tell_to_stop();
is_last_list($_, 'a request that waited in the queue') for @queued;
$only->close;
ends_ok('exit 0');

# ---- the bound ---------------------------------------------------------------------------------

lock_accounts();
start_bridge('--drain-timeout', '200ms', '--request-timeout', '120s');
$busy = ask(PatWire->new($bridge->port));
ok(wait_until(sub { waits_for(0) }, 'the call'), 'a request that will not end');
tell_to_stop();
is_refused($busy->answer('GET'), 503, 'ServiceUnavailableError', 'The server is shutting down.',
	'... is refused when the time is over');
ends_ok('... exit 0');

start_bridge('--drain-timeout', '0', '--request-timeout', '120s');
$busy = ask(PatWire->new($bridge->port));
ok(wait_until(sub { waits_for(0) }, 'the call'), 'no time at all');
tell_to_stop();
ends_ok('... exit 0');

for my $signals ([ 'TERM', 'TERM', 15 ], [ 'INT', 'INT', 2 ], [ 'INT', 'TERM', 15 ])
{
	my ($first, $second, $status) = @$signals;
	start_bridge('--drain-timeout', '3600s', '--request-timeout', '600s', '--listen',
		"unix:$socket", '--admin-listen', "unix:$socket.admin");
	$busy = ask(PatWire->new($bridge->port));
	ok(wait_until(sub { waits_for(0) }, 'the call'), "$first, then $second");
	kill $first, $bridge->pid;
	wait_until(sub { $bridge->log =~ /stopping/ }, 'the first signal to arrive');
	kill 'HUP', $bridge->pid;
	ok(!$bridge->has_ended, '... the first signal does not end it, nor does SIGHUP');
	is($bridge->stop($second), $status, '... the second one does');
	ok(!-e $socket && !-e "$socket.admin", '... and leaves no socket file');
}
unlock();

# ---- reload ------------------------------------------------------------------------------------

sub configure
{
	my ($text) = @_;
	open(my $out, '>', $file) or die "$file: $!";
	print $out $text;
	close $out or die "$file: $!";
	return;
}

# reload(TEXT): writes the file, sends SIGHUP, waits for the word, returns the new lines of the log.
sub reload
{
	my ($text) = @_;
	my $before = length $bridge->log;
	configure($text) if defined $text;
	kill 'HUP', $bridge->pid;
	wait_until(sub { substr($bridge->log, $before) =~ /configuration was (?:not )?reloaded/ },
		'the reload');
	return substr $bridge->log, $before;
}

# Lines about requests that this one leaves.
sub request_lines
{
	my $before = length $bridge->log;
	$bridge->get('/health');
	return scalar(() = substr($bridge->log, $before) =~ /"?message"?[=:]?"request"| request id=/g);
}

configure("log-level = notice\nrequest-timeout = 300ms\nmax-connections = 1\n");
start_bridge('--config', $file);
is(request_lines(), 0, 'before: no line for each request');
like(reload("log-level = info\nmax-connections = 2\nrequest-timeout = 300ms\n"),
	qr/ notice the configuration was reloaded\n/, 'reloaded');
is(request_lines(), 1, '... log-level is in force');
my ($one, $two) = map { PatWire->new($bridge->port) } 1, 2;
ok($one->goes_on && $two->goes_on, '... max-connections');
$_->close for $one, $two;
reload("log-level = info\nlog-format = json\nrequest-timeout = 300ms\n");
is(request_lines(), 1, '... log-format');
like($bridge->log, qr/^\{"time".*"message":"request".*\}$/m, '... which is JSON now');

# Either lane: lists, and a change that finds nothing to delete.
for my $lane ([ 'read', 'GET', $path, 200 ], [ 'write', 'DELETE', "$path/999999", 404 ])
{
	my ($name, $method, $where, $status) = @$lane;
	my $call = sub {
		my $wire = PatWire->new($bridge->port);
		$wire->send(PatWire::request($method, $where, token => $admin));
		return $wire;
	};
	my $waits = sub {
		my ($seconds) = @_;
		return wait_until(sub { waits_for($seconds) }, 'the call');
	};

	reload("log-level = notice\nrequest-timeout = 300ms\n");
	lock_accounts();
	is_refused($call->()->answer, 504, 'TimeoutError', undef, "$name: request-timeout, short");
	unlock();
	my $before = length $bridge->log;
	reload("log-level = notice\nrequest-timeout = 60s\n");
	ok(wait_until(
			sub { substr($bridge->log, $before) =~ /"$name 1" is replaced: its time-out has changed/ },
			'the session to end what it is at'),
		'... reloaded');
	lock_accounts();
	$busy = $call->();
	ok($waits->(1), '... long: the session knows it, too');
	unlock();
	is($busy->answer->{status}, $status, '... and the call succeeds');

	lock_accounts();
	$busy = $call->();
	ok($waits->(0), 'a call with a long time-out');
	reload("request-timeout = 400ms\n");
	is_refused($call->()->answer, 504, 'TimeoutError', undef,
		'... is overtaken by one with a short time-out');
	reload("request-timeout = 50s\nmax-queue = 1\n");
	my @crowd = map { $call->() } 1 .. 3;
	my @refused;
	wait_until(sub { @refused = grep { $_->{in} ne '' || $_->read_some(0) } @crowd; @refused >= 2 },
		'those for whom there is no room');
	is_refused($_->answer, 503, 'ServiceUnavailableError', qr/^Too many requests/, '... max-queue')
	  for @refused;
	unlock();
	is($busy->answer->{status}, $status, '... and keeps its own');
	my %refused = map { $_ => 1 } @refused;
	is($_->answer->{status}, $status, '... and one waits') for grep { !$refused{$_} } @crowd;
}

# What is wrong changes nothing, and is named with its place.
my $log = reload("log-level = debug\n\nmax-queue = none\n");
like($log, qr/ error the configuration was not reloaded.*\Q$file\E:3: max-queue: "none"/,
	'a mistake: named, with file and line');
is(request_lines(), 0, '... nothing else of that file is in force');
unlink $file;
like(reload(), qr/error the configuration was not reloaded.*cannot read "\Q$file\E"/,
	'no file: named');
ok(PatWire->new($bridge->port)->goes_on, '... and the bridge goes on');

# What cannot change is named, and the rest counts.
$log = reload("write-connections = 5\nlog-level = info\nreuse-port = on\n");
like($log, qr/ warning a restart is needed for a change of: write-connections, reuse-port\n/,
	'what needs a restart is named in one line');
is(scalar(() = $log =~ /\n/g), 2 + scalar(() = $log =~ /is replaced|is up/g), '... and only there');
is(request_lines(), 1, '... the rest is in force');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'pat_bridge'}),
	2, '... and there are as many sessions as before');
unlike(reload("log-level = notice\nwrite-connections = 1\n"), qr/restart/, 'back: nothing to say');
reload("drain-timeout = 100ms\n");
lock_accounts();
$busy = ask(PatWire->new($bridge->port));
ok(wait_until(sub { waits_for(0) }, 'the call'), 'drain-timeout: a call');
tell_to_stop();
is_refused($busy->answer('GET'), 503, 'ServiceUnavailableError', undef, '... does not get its ten seconds');
ends_ok('... exit 0');
unlock();

# A time-out that is changed back before the call ends that its session waits for.
configure("request-timeout = 60s\n");
start_bridge('--config', $file);
lock_accounts();
$busy = ask(PatWire->new($bridge->port));
ok(wait_until(sub { waits_for(0) }, 'the call'), 'a call under way');
for my $seconds (50, 60)
{
	reload("request-timeout = ${seconds}s\n");
	is($bridge->get('/health')->{status}, '200', "... request-timeout is ${seconds}s, the worker knows");
}
unlock();
is_json_answer($busy->answer('GET'), 200, $list, '... the call succeeds');
$busy->close;
ok(wait_until(sub { $bridge->get($path, $admin)->{status} eq '200' }, 'an answer'),
	'... and so does the next');
unlike($bridge->log, qr/ warning /, '... and nothing was lost');
$bridge->stop_ok;

# The command line outweighs the file at a reload as at the start.
configure("log-level = notice\n");
start_bridge('--config', $file, '--log-level', 'info');
reload("log-level = error\nmax-queue = 7\n");
is(request_lines(), 1, 'the command line still counts more');
$bridge->stop_ok;

# ---- reload under load -------------------------------------------------------------------------

my $traffic = PatTraffic->new($node, $sample);
configure("request-timeout = 30s\n");
$bridge = PatBridge->start($node, options => [ '--workers', '2', '--config', $file ]);
my $sent = 0;
my $report = PatLoad::run(
	port => $bridge->port, connections => 64,
	next => sub {
		return if ++$sent > 10_000;
		if ($sent % 1000 == 0)
		{
			configure('request-timeout = ' . (20 + $sent / 1000) . "s\nmax-queue = $sent\n");
			kill 'HUP', $bridge->pid;
		}
		return $traffic->request;
	},
	answered => sub { $traffic->check(@_) });
my $wrong = 0;
$wrong += $report->{$_} for qw(wrong_status wrong_body broken lost given_up);
is($wrong, 0, 'ten reloads under load: no wrong answer') or diag(join "\n", @{ $report->{examples} });
is($report->{answered}, 10_000, '... all are answered');
is_deeply($traffic->faults, [], '... errors have their form');
cmp_ok(scalar(() = $bridge->log =~ /was reloaded/g), '>=', 2, '... and it was reloaded');
unlike($bridge->log, qr/ (?:warning|error) /, '... without a complaint');
$bridge->stop_ok;

$holder->quit;
done_testing();
