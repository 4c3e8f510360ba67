# Requests that wait, because a lock keeps the database from answering: each is answered at its
# deadline, a full queue refuses at once, clients may leave, the bridge goes on serving what needs no
# database, and an order to stop lets those under way finish.

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

my $node = new_cluster('waiting');
my $sample = load_sample($node);
my $admin = $sample->{admin};
my $path = "/api/admin/service-account/$sample->{account}/token";
my $list = sql_list($node, $sample->{account}, $admin);
my $bridge;

# ---- the lock ----------------------------------------------------------------------------------

my $holder = PatHolder->new($node);

sub lock_accounts { return $holder->does('BEGIN; LOCK TABLE pat_account IN ACCESS EXCLUSIVE MODE'); }
sub unlock { return $holder->does('ROLLBACK'); }

sub waiting_backends
{
	return $node->safe_psql('postgres', <<~'SQL');
		SELECT count(*) FROM pg_stat_activity WHERE usename = 'pat_bridge' AND wait_event_type = 'Lock'
		SQL
}

sub start_bridge
{
	my (@options) = @_;
	$bridge = PatBridge->start($node, options => [ '--workers', '1', '--log-level', 'info', @options ]);
	return;
}

sub ask
{
	my ($method, $where, %option) = @_;
	my $wire = PatWire->new($bridge->port);
	$wire->send(PatWire::request($method, $where, token => $admin, %option));
	return $wire;
}

my $number = 0;

sub ask_for_token
{
	$number++;
	return ask('POST', $path,
		body => qq({"description":"waiting $number","expiresAt":"2099-01-01T00:00:00Z"}));
}

sub count_tokens { return $node->safe_psql('postgres', 'SELECT count(*) FROM pat_token'); }

# ---- deadlines ---------------------------------------------------------------------------------

start_bridge('--request-timeout', '300ms');
my $tokens = count_tokens();
lock_accounts();
my @reads = map { ask('GET', $path) } 1 .. 100;
my @writes = map { ask_for_token() } 1 .. 5;
is_refused($_->answer, 504, 'TimeoutError', qr/did not answer in time/, '504: a list') for @reads[0 .. 2];
is(scalar(grep { my $answer = $_->answer; $answer && $answer->{status} == 504 } @reads[3 .. 99]), 97,
	'504: all that wait for one');
for my $wire (@writes)
{
	is_refused($wire->answer, 504, 'TimeoutError', qr/did not answer in time/, '504: a new token');
}
is_json_answer($bridge->get('/health'), 200, '{"health":"GOOD"}', 'the bridge is healthy meanwhile');
is_refused($bridge->get('/nowhere'), 404, 'NotFoundError', undef, '... and answers all else');
is_refused(ask('GET', $path)->answer, 504, 'TimeoutError', undef, '... and goes on answering 504');
unlock();
ok(wait_until(sub { $bridge->get($path, $admin)->{status} eq '200' }, 'a list'),
	'released: lists again');
is_json_answer($bridge->get($path, $admin), 200, $list, '... as they are');
is_json_answer($_->call('GET', $path, token => $admin), 200, $list, '... on the old connections')
  for @reads[0 .. 2];
is(count_tokens(), $tokens, 'no change was made after its 504');
ok(
	wait_until(
		sub {
			my $answer = ask_for_token()->answer;
			return $answer && $answer->{status} == 201;
		},
		'a change'),
	'released: changes again');
$bridge->stop_ok;

# ---- a full queue ------------------------------------------------------------------------------

# Changes go one at a time: one is in the database, three wait, all others are refused while the lock
# is still held; what waited is done when it goes.
start_bridge('--request-timeout', '120s', '--max-queue', '3');
$list = sql_list($node, $sample->{account}, $admin);
$tokens = count_tokens();
lock_accounts();
my @changes = (ask_for_token());
ok(wait_until(sub { waiting_backends() == 1 }, 'the first'), 'the first change is in the database');
push @changes, map { ask_for_token() } 1 .. 10;

# Those of them whose answer has begun to come.
sub answered { return grep { $_->{in} ne '' || $_->read_some(0) } @_; }

ok(wait_until(sub { answered(@changes) >= 7 }, 'refusals'), 'seven of eleven changes are answered');
my @refused = answered(@changes);
is(scalar @refused, 7, '... no more');
is(waiting_backends(), 1, '... while the lock is still held');
is_refused($_->answer, 503, 'ServiceUnavailableError', qr/^Too many requests are waiting/,
	'503: the queue is full')
  for @refused;
ok($_->goes_on, '... and the connection goes on') for @refused;
unlock();
my %refused = map { $_ => 1 } @refused;
is_json_answer($_->answer, 201, undef, '201: what waited') for grep { !$refused{$_} } @changes;
is(count_tokens(), $tokens + 4, 'four have been made');

# ---- a statement that is cancelled -------------------------------------------------------------

# Lists share statements: what ends one of these must not end the lists in it, of which each is made
# again alone. So a cancellation ends one list, or none.
$bridge->stop_ok;
start_bridge('--request-timeout', '120s');
lock_accounts();

# When the statement that waits for the lock began; another one begins later.
sub waiting_since
{
	return $node->safe_psql('postgres', <<~'SQL');
		SELECT query_start FROM pg_stat_activity WHERE usename = 'pat_bridge' AND wait_event_type = 'Lock'
		SQL
}

my @lists = map { ask('GET', $path) } 1 .. 20;
my $ended = '';
my $rounds = 0;
while (answered(@lists) < 3 && $rounds++ < 20)
{
	my $since;
	ok(wait_until(sub { $since = waiting_since(); $since ne '' && $since ne $ended }, 'a list'),
		"cancellation $rounds: a statement waits");
	$ended = $since;
	$node->safe_psql('postgres', <<~'SQL');
		SELECT pg_cancel_backend(pid) FROM pg_stat_activity
		WHERE usename = 'pat_bridge' AND wait_event_type = 'Lock'
		SQL
	ok(wait_until(sub { waiting_since() ne $since }, 'the next'), '... and is cancelled');
}
unlock();
my @ends = map { $_->answer } @lists;
my @cancelled = grep { $_->{status} != 200 } @ends;
my @spared = grep { $_->{status} == 200 } @ends;
cmp_ok(scalar @cancelled, '>=', 3, 'lists were cancelled');
cmp_ok(scalar @cancelled, '<', $rounds, '... fewer than cancellations: some ended many lists, and none');
is_refused($_, 504, 'TimeoutError', undef, '504: a list that was cancelled') for @cancelled;
is_json_answer($_, 200, sql_list($node, $sample->{account}, $admin), '... as they should be')
  for @spared[ 0, -1 ];

# ---- clients that leave ------------------------------------------------------------------------

$tokens = count_tokens();
$list = sql_list($node, $sample->{account}, $admin);
lock_accounts();
my @leaving = map { ask('GET', $path) } 1 .. 20;
push @leaving, ask_for_token();
ok(wait_until(sub { waiting_backends() == 2 }, 'both lanes'), 'requests wait in both lanes');
$_->close for @leaving;
my $stays = ask('GET', $path);
is_json_answer($bridge->get('/health'), 200, '{"health":"GOOD"}', 'clients left: healthy');
unlock();
my $answer = $stays->answer;
is($answer->{status}, '200', 'who stayed is answered');
ok(wait_until(sub { count_tokens() == $tokens + 1 }, 'the change'),
	'a change that was under way is made, once');
is($bridge->get($path, $admin)->{status}, '200', 'the bridge goes on');
is_json_answer($stays->call('GET', $path, token => $admin), 200,
	sql_list($node, $sample->{account}, $admin), '... and no answer goes to the wrong client');
$bridge->stop_ok;

# ---- the order to stop -------------------------------------------------------------------------

# A second signal would end it at once, so none is sent.
sub ends_ok
{
	my ($name) = @_;
	wait_until(sub { $bridge->has_ended }, 'the bridge to end');
	return $bridge->stop_ok($name);
}

# What waits is answered, as the last answer of its connection.
start_bridge('--request-timeout', '120s');
$list = sql_list($node, $sample->{account}, $admin);
lock_accounts();
my @waiting = map { ask('GET', $path) } 1 .. 70;
my $change = ask_for_token();
my $idle = PatWire->new($bridge->port);
ok($idle->goes_on, 'an idle connection');
ok(wait_until(sub { waiting_backends() == 2 }, 'both lanes'), 'requests wait in both lanes');
kill 'TERM', $bridge->pid;
ok(wait_until(sub { $bridge->log =~ /stopping/ }, 'the order'), 'the bridge is told to stop');
unlock();
my @answers = map { $_->answer } @waiting;
is(scalar(grep { $_ && $_->{status} == 200 && index($_->{body}, '{"pats":[{"id":1,') == 0 } @answers), 70,
	'lists under way are answered');
is(scalar(grep { $_ && ($_->{headers}{connection} || '') eq 'close' } @answers), 70,
	'... as the last of their connections');
is_json_answer($change->answer, 201, undef, 'so is a change');
ok($idle->is_closed, 'an idle connection is closed');
ends_ok('stopped while requests waited: exit 0');

# What cannot be answered in time is told so.
start_bridge('--request-timeout', '120s', '--drain-timeout', '200ms');
lock_accounts();
@waiting = map { ask('GET', $path) } 1 .. 5;
ok(wait_until(sub { waiting_backends() == 1 }, 'a list'), 'a list waits');
kill 'TERM', $bridge->pid;
is_refused($_->answer, 503, 'ServiceUnavailableError', 'The server is shutting down.',
	'503: it waited too long for the stop')
  for @waiting;
ends_ok('stopped though the database does not answer: exit 0');
unlock();

# Under load: whatever was asked before is answered, and nobody is answered wrong.
my $traffic = PatTraffic->new($node, $sample);
start_bridge('--log-level', 'notice');
my $sent = 0;
my $report = PatLoad::run(
	port => $bridge->port, connections => 64, reconnect => 1,
	next => sub {
		kill 'TERM', $bridge->pid if $sent == 3000;
		return if ++$sent > 3000;
		return $traffic->request;
	},
	answered => sub { $traffic->check(@_) });
is($report->{wrong_status} + $report->{wrong_body} + $report->{broken} + $report->{given_up}, 0,
	'stopped under load: no wrong answer') or diag(join "\n", @{ $report->{examples} });
is($report->{answered}, $report->{asked}, '... and all that was asked is answered');
ends_ok('... exit 0');

# SIGINT does the same.
start_bridge();
is($bridge->stop('INT'), 0, 'SIGINT: exit 0');

$holder->quit;
done_testing();
