# Long lists and those who wait beside them: they leave a connection to short ones, identical ones
# that wait share one answer, and answers that clients do not read take no more memory than
# --max-response-memory says: further reads are answered 503 until some were taken.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;
use PatBridge;
use PatHolder;
use PatMetrics;
use PatWire;

my $limit = 4 * 1024 * 1024;
my $node = new_cluster('main', settings => "max_connections = 40\n");
my $sample = load_sample($node);
my $accounts = '/api/admin/service-account';
my $path = "$accounts/$sample->{account}/token";
my $admin = $sample->{admin};
my $list = sql_list($node, $sample->{account}, $admin);
$node->safe_psql('postgres', q{SELECT count(pat_create_account('bot ' || i || repeat('x', 200))) FROM generate_series(1, 3000) i});
my $all = $node->safe_psql('postgres', "SELECT pat_list_service_accounts('$admin')");
my $size = length $all;
cmp_ok($size, '>', 1024 * 1024, "a list of $size bytes");

# Unix sockets: the kernel takes little of what their clients do not read.
my $socket = PostgreSQL::Test::Utils::tempdir_short() . '/http';

sub start_bridge
{
	my ($memory, @options) = @_;
	return PatBridge->start($node,
		options => [ '--workers', '1', '--listen', "unix:$socket", '--max-response-memory', $memory, @options ]);
}

sub metrics { return PatMetrics->parse($_[0]->get('/metrics')->{body}); }
sub read_value { return metrics($_[0])->value($_[1], lane => 'read', @_[ 2 .. $#_ ]); }

# A client that asks for a list and reads nothing for now.
sub ask
{
	my ($what, $where) = @_;
	my $wire = PatWire->new($where || $socket);
	$wire->send("GET $what HTTP/1.1\r\nHost: x\r\nAuthorization: $admin\r\n\r\n");
	return $wire;
}

sub no_calls
{
	my ($bridge) = @_;
	return wait_until(
		sub {
			my $metrics = metrics($bridge);
			return !grep { $metrics->value($_, lane => 'read') }
			  qw(pat_bridge_lane_queued_calls pat_bridge_lane_calls_in_flight);
		},
		'all calls to be over');
}

# ---- F14: what clients do not read --------------------------------------------------------------

my $bridge = start_bridge($limit);
is(metrics($bridge)->value('pat_bridge_response_memory_limit_bytes'), $limit, 'F14: the limit');
my (@clients, $most) = ();
for (1 .. 30)
{
	push @clients, ask($accounts);
	no_calls($bridge);
	my $held = read_value($bridge, 'pat_bridge_lane_response_bytes');
	$most = $held if !defined $most || $held > $most;
}
cmp_ok($most, '>', $limit - 2 * $size, 'F14: 30 clients that read nothing: as much as may be is held');
cmp_ok($most, '<=', $limit, '... and no more');
cmp_ok(read_value($bridge, 'pat_bridge_lane_calls_total', outcome => 'memory_full'), '>=', 20, '... counted');
is_refused($bridge->get($accounts, $admin), 503, 'ServiceUnavailableError',
	'Too many answers wait for their clients to read them. Try again shortly.', '... a further one: 503');
is_json_answer($bridge->get($path, $admin), 200, $list, '... short lists go on, for which there is room');
is($bridge->get('/health')->{status}, 200, '... healthy');
is($bridge->get('/ready')->{status}, 200, '... ready');
is(http_call($bridge->url('/api/admin/user/tokens'), token => $sample->{viewer},
		body => '{"description":"beside","expiresAt":"2099-01-01T00:00:00Z"}')->{status}, 201, '... changes are made');
my %status;
my $right = 0;
for my $client (@clients)
{
	my $answer = $client->answer;
	$status{ $answer->{status} }++;
	$right++ if $answer->{status} eq '200' ? $answer->{body} eq $all : $answer->{headers}{'retry-after'} eq '1';
}
is($right, 30, '... each has the whole list, or 503 with Retry-After');
is_deeply([ sort keys %status ], [ 200, 503 ], '... some of either');
@clients = ();
ok(wait_until(sub { read_value($bridge, 'pat_bridge_lane_response_bytes') == 0 }, 'memory'),
	'F14: nothing is held any more');
is($bridge->get($accounts, $admin)->{status}, 200, '... lists again');

# Clients that leave without having read give back what was held for them.
push @clients, ask($accounts) for 1 .. 8;
ok(wait_until(sub { read_value($bridge, 'pat_bridge_lane_response_bytes') > 0 }, 'memory'),
	'F14: clients that leave: something is held');
@clients = ();
ok(wait_until(sub { read_value($bridge, 'pat_bridge_lane_response_bytes') == 0 }, 'memory'), '... until they have left');

# Those that wait for the same list share one answer.
my $joined = read_value($bridge, 'pat_bridge_lane_calls_joined_total');
my $holder = PatHolder->new($node);
$holder->does('BEGIN; LOCK TABLE pat_account IN ACCESS EXCLUSIVE MODE');
push @clients, ask($accounts) for 1 .. 20;
# The first is sent, with those that had come by then; the others wait.
ok(
	wait_until(
		sub {
			return 19 == read_value($bridge, 'pat_bridge_lane_queued_calls') - $joined
			  + read_value($bridge, 'pat_bridge_lane_calls_joined_total');
		},
		'the queue'),
	'F14: 20 clients ask for the same list');
$holder->does('COMMIT');
no_calls($bridge);
cmp_ok(read_value($bridge, 'pat_bridge_lane_calls_joined_total') - $joined, '>=', 18, '... at most two calls serve them')
  if cmp_ok(read_value($bridge, 'pat_bridge_lane_response_bytes'), '<', 3 * $size, '... and two answers are held');
is(scalar(grep { $_->answer->{body} eq $all } @clients), 20, '... each has the list');
@clients = ();
$holder->quit;
$bridge->stop_ok;

# ---- F15: short lists beside long ones -----------------------------------------------------------

# A long list takes until the test lets it go.
$node->safe_psql('postgres', q{ALTER FUNCTION pat_list_service_accounts(text) RENAME TO long_list;
	CREATE FUNCTION pat_list_service_accounts(caller_token text) RETURNS json LANGUAGE plpgsql SECURITY DEFINER AS $$
	BEGIN PERFORM pg_advisory_xact_lock_shared(15); RETURN public.long_list(caller_token); END $$;
	GRANT EXECUTE ON FUNCTION pat_list_service_accounts(text) TO pat_bridge});

sub waiting_sessions
{
	return $node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity
		WHERE usename = 'pat_bridge' AND wait_event = 'advisory'});
}

for my $connections (2, 4)
{
	$bridge = start_bridge(20 * $limit, '--read-connections', $connections, '--request-timeout', '60s');
	ok(wait_until(sub { read_value($bridge, 'pat_bridge_lane_connections_up') == $connections }, 'connections'),
		"F15: $connections connections");
	$holder = PatHolder->new($node);
	$holder->does('SELECT pg_advisory_lock(15)');
	# Different callers, or they would share one call.
	my @tokens = map { $node->safe_psql('postgres', "SELECT pat_create_admin_token('loop $connections $_')") } 1 .. 8;
	for my $token (@tokens)
	{
		push @clients, PatWire->new($socket);
		$clients[-1]->send("GET $accounts HTTP/1.1\r\nHost: x\r\nAuthorization: $token\r\n\r\n");
	}
	ok(wait_until(sub { waiting_sessions() == $connections - 1 }, 'long lists'), '... all but one have a long list');
	my $wire = PatWire->new($bridge->port);
	is(scalar(grep { $wire->call('GET', $path, token => $admin)->{status} eq '200' } 1 .. 50), 50,
		'... short ones are answered by the other');
	is(waiting_sessions(), $connections - 1, '... which stays free');
	$holder->quit;
	is(scalar(grep { $_->answer->{status} eq '200' } @clients), 8, '... long ones are answered in the end');
	@clients = ();
	$bridge->stop_ok;
}

$node->stop;
done_testing();
