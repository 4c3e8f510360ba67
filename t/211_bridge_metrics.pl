# What /metrics says: in the format that Prometheus reads, exact about requests that are known, about
# the lanes while something keeps them waiting and while the database is away; nothing of it comes
# from a client. That the addresses for monitoring are apart from the API, and that Server-Timing
# says what the log says.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use IPC::Run ();
use PatTest;
use PatBridge;
use PatMetrics;
use PatWire;

my $node = new_cluster('metrics');
my $sample = load_sample($node);
my $admin = $sample->{admin};
my $accounts = '/api/admin/service-account';
my $path = "$accounts/$sample->{account}/token";
my $list_labels = qq(method="GET",route="$accounts/:id/token");
my ($promtool) = grep { -x } map { "$_/promtool" } split /:/, $ENV{PATH};
my (@texts, @faults);
my $bridge;

# The metrics; with them the text and the answer.
sub scrape
{
	my ($url) = @_;
	my $answer = http_call($url || $bridge->url('/metrics'));
	my $metrics = PatMetrics->parse($answer->{body});
	push @texts, $answer->{body};
	push @faults, @{ $metrics->faults };
	$metrics->{answer} = $answer;
	return $metrics;
}

# ---- the form ----------------------------------------------------------------------------------

$bridge = PatBridge->start($node, options => [ '--workers', '2', '--log-level', 'info' ]);
my $metrics = scrape();
is($metrics->{answer}{status}, '200', 'the bridge answers /metrics');
is($metrics->{answer}{headers}{'content-type'}, 'text/plain; version=0.0.4; charset=utf-8',
	'... with the type of the format');
is_deeply($metrics->faults, [], '... in the format');
cmp_ok(scalar(my @families = $metrics->families), '>', 20, '... with many families');
like($metrics->{answer}{body},
	qr/^pat_bridge_build_info\{version="\d[\d.]*",libmicrohttpd="\d[\d.]*",libpq="\d+\.\d+"\} 1$/m,
	'... and the versions');
cmp_ok(abs($metrics->value('process_start_time_seconds') - time), '<', 120, '... and the start');
cmp_ok($metrics->value('process_resident_memory_bytes'), '>', 1_000_000, '... and the memory');
is($metrics->value('pat_bridge_workers'), 2, '... and the workers');
is($metrics->value('pat_bridge_lane_connections', lane => 'read'), 2, '... and the connections');
is($metrics->value('pat_bridge_client_connections_limit', listener => 'api'), 4096, '... and the limit');
my $documented = slurp(source_dir() . '/doc/operations.md');
is_deeply([ grep { $documented !~ /`$_`/ } $metrics->families ], [], 'every family is documented');
is_deeply([ grep { !$metrics->{type}{$_} } $documented =~ /`((?:pat_bridge|process)_[a-z_]+)`/g ], [],
	'... and none that does not exist');
is_refused(http_call($bridge->url('/metrics'), method => 'POST', body => '{}'), 405,
	'MethodNotAllowedError', undef, '405: POST');

my %broken = (
	'no newline' => [ qr/no newline/, sub { s/\n\z// } ],
	'a bucket that falls' => [ qr/do not rise/, sub { s/(_bucket\{.*?,le="0.0005"\}) \d+/$1 999999/ } ],
	'a series twice' => [ qr/twice/, sub { s/^(pat_bridge_workers \d+\n)/$1$1/m } ],
	'a family twice' => [ qr/twice/, sub { $_ .= "# HELP pat_bridge_workers x\n" } ],
	'a count too many' => [ qr/count is not/, sub { s/(_count\{.*\}) (\d+)/"$1 " . ($2 + 1)/e } ],
	'no sum' => [ qr/no sum/, sub { s/^\w+_sum\{.*\n//m } ],
	'a bad label' => [ qr/no line/, sub { s/route="none"/route="a"b"/ } ],
	'a counter without _total' => [ qr/_total/, sub { s/lost_total/lost/g } ]);
for my $case (sort keys %broken)
{
	my ($fault, $break) = @{ $broken{$case} };
	local $_ = $metrics->{answer}{body};
	$break->();
	ok(scalar(grep { /$fault/ } @{ PatMetrics->parse($_)->faults }), "the parser finds $case");
}

# ---- exact counts ------------------------------------------------------------------------------

# Wherever a client's bytes could go, it says this.
my $mark = join '', 'zq', map { ('a' .. 'z')[ rand 26 ] } 1 .. 12;
my %moved;    # what is to be counted
my $connections = 1;

sub count
{
	my ($method, $route, $status, $bytes) = @_;
	$moved{qq(pat_bridge_requests_total{method="$method",route="$route",status="$status"})}++;
	$moved{qq(pat_bridge_request_duration_seconds_count{method="$method",route="$route"})}++;
	$moved{qq(pat_bridge_response_body_bytes_total{method="$method",route="$route"})} += $bytes if $bytes;
	return;
}

# A request that the bridge answers thus, and the row that is to have it.
sub known
{
	my ($status, $method, $where, $row, %option) = @_;
	my $answer = http_call($bridge->url($where), method => $method, %option);
	is($answer->{status}, $status, "$status: $method $row");
	count($row eq 'none' ? ('none', 'none') : ($method eq 'HEAD' ? 'GET' : $method, $row), $status,
		length $answer->{body});
	$connections++;
	my $lane = $row !~ m{^/api} || $status eq '400' ? undef : $method =~ /GET|HEAD/ ? 'read' : 'write';
	$moved{qq(pat_bridge_lane_calls_total{lane="$lane",outcome="answered"})}++ if $lane;
	return $answer;
}

my $before = scrape();
count('GET', '/metrics', 200, length $before->{answer}{body});
my %body = (body => qq({"description":"$mark","expiresAt":"2099-01-01T00:00:00Z"}));
known(200, 'GET', $path, "$accounts/:id/token", token => $admin) for 1 .. 3;
known(200, 'HEAD', $path, "$accounts/:id/token", token => $admin);
known(401, 'GET', $path, "$accounts/:id/token", token => "user:$mark");
known(401, 'GET', $path, "$accounts/:id/token");
known(403, 'GET', $path, "$accounts/:id/token", token => $sample->{viewer});
known(404, 'GET', "$accounts/$mark/token?$mark=$mark", "$accounts/:id/token", token => $admin);
known(200, 'GET', $accounts, $accounts, token => $admin);
my $made = from_json(known(201, 'POST', $path, "$accounts/:id/token", token => $admin, %body)->{body});
known(409, 'POST', $path, "$accounts/:id/token", token => $admin, %body);
known(400, 'POST', $path, "$accounts/:id/token", token => $admin, body => "\xff$mark");
known(200, 'DELETE', "$path/$made->{id}", "$accounts/:id/token/:tokenId", token => $admin);
known(200, 'GET', '/api/admin/user/tokens', '/api/admin/user/tokens', token => $sample->{viewer});
known(200, 'GET', '/health', '/health');
known(200, 'GET', '/docs/openapi.json', '/docs/openapi.json');
known(404, 'GET', "/$mark", 'none');
known(405, 'PATCH', $path, 'none');
known(405, $mark, $path, 'none', headers => [ "$mark: $mark", "User-Agent: $mark", "Host: $mark" ]);
known(204, 'OPTIONS', $path, 'none');
known(400, 'GET', '/%zz', 'none');

# Refused by libmicrohttpd itself.
my $wire = PatWire->new($bridge->port);
$wire->send("GET / HTTP/2.$mark\r\nHost: x\r\n\r\n");
my $refused = $wire->answer;
like($refused->{status}, qr/^(?:400|505)$/, 'no HTTP at all');
count('none', 'none', $refused->{status}, length $refused->{body});
$wire->close;
$wire = PatWire->new($bridge->port);
$wire->send("POST $path HTTP/1.1\r\nHost: x\r\nAuthorization: $admin\r\n"
	  . "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n$mark\r\n");
$refused = $wire->answer;
is($refused->{status}, '400', 'a malformed chunk');
count('none', 'none', $refused->{status}, length $refused->{body});
$wire->close;
$connections += 2;
$moved{'pat_bridge_client_connections_accepted_total{listener="api"}'} = $connections;

my $after = scrape();
is_deeply($after->faults, [], 'the metrics are in the format');
my $found = $after->since($before);
my %others = map { $_ => delete $found->{$_} }
  grep { /\Aprocess_|_seconds_(?:total|sum|bucket)|\Apat_bridge_(?:client_connections|requests_in_flight)\{/ } keys %$found;
is_deeply($found, \%moved, 'what is counted is what was asked, and nothing else');
cmp_ok($others{qq(pat_bridge_request_duration_seconds_sum{$list_labels})}, '>', 0, 'time has been counted');
cmp_ok($others{'pat_bridge_lane_database_seconds_total{lane="read"}'}, '>', 0, '... of the database, too');

my $requests = 0;
my $timed = 0;
for my $series ($after->series)
{
	$requests += $after->{value}{$series} if $series =~ /\Apat_bridge_requests_total/;
	$timed += $after->{value}{$series} if $series =~ /\Apat_bridge_request_duration_seconds_count/;
}
is($timed, $requests, 'each request that is counted is in the histogram');
ok(
	wait_until(
		sub {
			my $now = scrape();
			return $now->value('pat_bridge_client_connections', listener => 'api') == 1
			  && $now->value('pat_bridge_requests_in_flight', listener => 'api') == 1;
		},
		'the connections to be closed'),
	'the only connection and request that is left is the one that asks');
$bridge->stop_ok;

# ---- Server-Timing -----------------------------------------------------------------------------

# Microseconds of "queue;dur=1.234, db;dur=5.678".
sub server_times
{
	my ($answer) = @_;
	my $header = $answer->{headers}{'server-timing'};
	return unless defined $header;
	my ($queue, $db) = $header =~ /\Aqueue;dur=(\d+\.\d{3}), db;dur=(\d+\.\d{3})\z/ or return $header;
	return map { int(1000 * $_ + 0.5) } $queue, $db;
}

sub line_of
{
	my ($answer) = @_;
	my ($line) = grep { /\Q$answer->{headers}{'x-request-id'}\E/ } split /\n/, $bridge->log;
	return $line;
}

$bridge = PatBridge->start($node, options => [ '--log-level', 'info' ]);
for my $case ([ 200, 'GET', $path, $admin ], [ 401, 'GET', $path, 'user:nobody' ],
	[ 404, 'GET', "$accounts/abc/token", $admin ], [ 404, 'DELETE', "$path/999999", $admin ])
{
	my ($status, $method, $where, $token) = @$case;
	my $answer = http_call($bridge->url($where), method => $method, token => $token);
	my ($queue, $db) = server_times($answer);
	is("$answer->{status} queue_us=$queue database_us=$db",
		"$status " . join(' ', line_of($answer) =~ /(queue_us=\d+) (database_us=\d+)/),
		"Server-Timing of $method $status says what the log says");
	my ($duration) = line_of($answer) =~ /duration_us=(\d+)/;
	cmp_ok($queue + $db, '<=', $duration, '... no more than the request took');
}
is_deeply([ map { server_times($bridge->get($_)) } '/health', '/ready', '/nowhere', '/metrics' ], [],
	'none where the database was not asked');
$bridge->stop_ok;
$bridge = PatBridge->start($node, options => [ '--server-timing=off' ]);
my $untimed = $bridge->get($path, $admin);
is("$untimed->{status} " . scalar(my @none = server_times($untimed)), '200 0', 'none where it is off');
$bridge->stop_ok;

# ---- sessions that a reload replaces -----------------------------------------------------------

my $file = PostgreSQL::Test::Utils::tempdir() . '/bridge.conf';

sub configure
{
	my ($text) = @_;
	open(my $out, '>', $file) or die "$file: $!";
	print $out $text;
	return close $out || die "$file: $!";
}

configure("request-timeout = 10s\n");
$bridge = PatBridge->start($node, options => [ '--workers', '1', '--config', $file ]);
for my $times (1 .. 2)
{
	configure('request-timeout = ' . (10 + $times) . "s\n");
	kill 'HUP', $bridge->pid;
	wait_until(sub { 2 + 2 * $times == (() = $bridge->log =~ / is up$/mg) }, 'sessions for the new time-out');
}
my $replaced = scrape();
for my $lane (qw(read write))
{
	is(join(' ', map { $replaced->value("pat_bridge_lane_$_", lane => $lane) }
			qw(connections_up connections_lost_total reconnects_total)),
		'1 0 0', "$lane: a session that is replaced is neither up twice, nor lost");
}
$bridge->stop_ok;

# ---- while a lock keeps the database from answering --------------------------------------------

my $holder = $node->background_psql('postgres');
sub lock_tokens { $holder->query_safe('BEGIN; LOCK TABLE pat_token IN ACCESS EXCLUSIVE MODE'); return; }
sub unlock { $holder->query_safe('ROLLBACK'); return; }

sub ask
{
	my ($method, $where, %option) = @_;
	my $client = PatWire->new($bridge->port);
	$client->send(PatWire::request($method, $where, token => $admin, %option));
	return $client;
}

# Waits until these are the values, by family and lane or listener; true then.
sub becomes
{
	my ($name, @wanted) = @_;
	my $seen = '';
	my $good = wait_until(
		sub {
			my $now = scrape();
			$seen = join ' ', map { $now->value(@{$_}[ 0 .. 2 ]) } @wanted;
			return $seen eq join ' ', map { $_->[3] } @wanted;
		},
		$name);
	return ok($good, $name) || diag("they are $seen");
}

sub lane { my ($family, $lane, $value) = @_; return [ "pat_bridge_lane_$family", 'lane', $lane, $value ]; }

sub calls
{
	my ($now, $lane) = @_;
	my %calls = map { $_ => $now->value('pat_bridge_lane_calls_total', lane => $lane, outcome => $_) }
	  qw(answered deadline unavailable unknown queue_full stopped abandoned);
	return join ' ', map { "$_ $calls{$_}" } grep { $calls{$_} } sort keys %calls;
}

$bridge = PatBridge->start($node,
	options => [ '--workers', '1', '--max-queue', '1', '--request-timeout', '120s' ]);
lock_tokens();
my @reads = ask('GET', $path);
becomes('a read in flight', lane('calls_in_flight', 'read', 1));
push @reads, ask('GET', $path);
becomes('a read in the queue', lane('calls_in_flight', 'read', 1), lane('queued_calls', 'read', 1),
	[ 'pat_bridge_requests_in_flight', 'listener', 'api', 3 ]);
my $first = ask('POST', $path, %body);
becomes('a write in flight', lane('calls_in_flight', 'write', 1));
my $second = ask('POST', $path, %body);
becomes('another in the queue', lane('queued_calls', 'write', 1), lane('calls_in_flight', 'write', 1),
	[ 'pat_bridge_requests_in_flight', 'listener', 'api', 5 ]);
is_refused(ask('POST', $path, %body)->answer, 503, 'ServiceUnavailableError', undef, 'a third is refused');
is(calls(scrape(), 'write'), 'queue_full 1', '... and counted');
(shift @reads)->close;
ok(wait_until(sub { calls(scrape(), 'read') eq 'abandoned 1' }, 'the client to be missed'),
	'a client that leaves is counted');
is(scrape()->value('pat_bridge_requests_total', method => 'GET', route => "$accounts/:id/token", status => '0'),
	1, '... with status 0');
becomes('the other read is in flight then', lane('calls_in_flight', 'read', 1));

# The backend of the reads is ended: the one that is waited for is sent again.
$node->safe_psql('postgres', <<~'SQL');
	SELECT pg_terminate_backend(pid) FROM pg_stat_activity
	WHERE usename = 'pat_bridge' AND query LIKE '%pat_answer_list_for_service_account%'
	SQL
becomes('a lost connection, and another', lane('connections_lost_total', 'read', 1),
	lane('reconnects_total', 'read', 1), lane('calls_resent_total', 'read', 1),
	lane('connections_up', 'read', 1), lane('calls_in_flight', 'read', 1),
	lane('connections_lost_total', 'write', 0));
unlock();
is($reads[0]->answer->{status}, '200', 'the read has its answer after all');
is(join(' ', map { $_->answer->{status} } $first, $second), '201 409', 'the writes have theirs');
becomes('nothing is left', lane('calls_in_flight', 'read', 0), lane('calls_in_flight', 'write', 0),
	lane('queued_calls', 'write', 0));
is(calls(scrape(), 'read'), 'abandoned 1 answered 1', 'each read is counted once');
is(calls(scrape(), 'write'), 'answered 2 queue_full 1', '... and each write');

# A client that leaves in the middle of its request.
$wire = PatWire->new($bridge->port);
$wire->send(PatWire::request('POST', $path, token => $admin, %body) =~ s/.\z//sr);
becomes('a request without its end', [ 'pat_bridge_requests_in_flight', 'listener', 'api', 2 ]);
$wire->close;
my %left = (method => 'POST', route => "$accounts/:id/token", status => '0');
ok(wait_until(sub { scrape()->value('pat_bridge_requests_total', %left) }, 'the client to be missed'),
	'a client that leaves is counted, with status 0');
$bridge->stop_ok;

$bridge = PatBridge->start($node, options => [ '--workers', '1', '--request-timeout', '300ms' ]);
lock_tokens();
is_refused($_->answer, 504, 'TimeoutError', undef, 'too slow') for map { ask('GET', $path) } 1 .. 3;
my %slow = map { split / / } calls(scrape(), 'read') =~ /(\w+ \d+)/g;
cmp_ok($slow{deadline} || 0, '>=', 1, 'a deadline that passed is counted');
is(($slow{deadline} || 0) + ($slow{answered} || 0), 3, '... each call once');
unlock();
$holder->quit;
$bridge->stop_ok;

# ---- without a database ------------------------------------------------------------------------

$bridge = PatBridge->start($node, options => [ '--workers', '1' ]);
$node->stop('fast');
ok(wait_until(sub { $bridge->get('/ready')->{status} eq '503' && scrape()->value('pat_bridge_lane_connect_failures_total', lane => 'read') > 0 },
	'the bridge to miss the database'), 'the database is away');
becomes('no connection is up', lane('connections_up', 'read', 0), lane('connections_up', 'write', 0),
	lane('connections_lost_total', 'read', 1));
my $had = scrape();
my ($asked, $said) = (100, scalar(() = $bridge->log =~ /status=503/g));
$wire = PatWire->new($bridge->port);
my $began = time;
$wire->send(PatWire::request('GET', $path, token => $admin) x $asked);
is(scalar(grep { $wire->answer->{status} == 503 } 1 .. $asked), $asked, 'many requests are answered 503');
my $has = scrape();
$said = scalar(() = $bridge->log =~ /status=503/g) - $said;
is($said + $has->value('pat_bridge_log_lines_suppressed_total') - $had->value('pat_bridge_log_lines_suppressed_total'),
	$asked, '... each is in the log or counted as left out');
cmp_ok($said, '<=', 20 * (time - $began + 2), '... at most 20 lines a second');
is($has->value('pat_bridge_lane_calls_total', lane => 'read', outcome => 'unavailable')
	  - $had->value('pat_bridge_lane_calls_total', lane => 'read', outcome => 'unavailable'),
	$asked, '... and all are counted');
is_deeply([ server_times($bridge->get($path, $admin)) ], [], '... without Server-Timing');
$node->start;
becomes('and back', lane('connections_up', 'read', 1), lane('connections_up', 'write', 1),
	lane('reconnects_total', 'read', 1));
$bridge->stop_ok;

# ---- addresses for monitoring ------------------------------------------------------------------

my $socket = PostgreSQL::Test::Utils::tempdir_short() . '/admin';
$bridge = PatBridge->start($node,
	options => [ '--workers', '1', '--max-connections', '2', '--admin-listen', '127.0.0.1:0',
		'--admin-listen', "unix:$socket" ]);
is_refused($bridge->get('/metrics'), 404, 'NotFoundError', undef, 'apart: no metrics at the API');
is_json_answer($bridge->get('/health'), 200, '{"health":"GOOD"}', '... but /health');
is_json_answer($bridge->get('/ready'), 200, '{"ready":true}', '... and /ready');
is_json_answer($bridge->get($path, $admin), 200, sql_list($node, $sample->{account}, $admin), '... and lists');
is_json_answer(http_call($bridge->admin_url('/health')), 200, '{"health":"GOOD"}', 'monitoring: /health');
is_json_answer(http_call($bridge->admin_url('/ready')), 200, '{"ready":true}', '... /ready');
is_refused(http_call($bridge->admin_url($_), token => $admin), 404, 'NotFoundError', undef, "... no $_")
  for $path, $accounts, '/api/admin/user/tokens', '/docs/openapi.json', '/nowhere';
for my $method ('POST', 'OPTIONS')
{
	my $answer = http_call($bridge->admin_url($path), method => $method, token => $admin, body => '{}');
	is("$answer->{status} " . ($answer->{headers}{allow} || 'none'), '404 none', "... nor $method");
}
my $apart = scrape($bridge->admin_url('/metrics'));
is_deeply($apart->faults, [], '... /metrics, in the format');
is($apart->value('pat_bridge_client_connections', listener => 'admin'), 1, '... which tells listeners apart');
is($apart->value('pat_bridge_client_connections_limit', listener => 'admin'), 64, '... and their limits');
my $local = PatWire->new($socket);
is($local->call('GET', '/ready')->{body}, '{"ready":true}', '... and on a Unix socket');

# All connections of the API taken: monitoring goes on, and sees it.
my @taken = map { my $client = PatWire->new($bridge->port); $client->call('GET', '/health'); $client } 1 .. 2;
my $waiting = PatWire->new($bridge->port);
$waiting->send(PatWire::request('GET', '/health'));
ok(wait_until(sub { scrape($bridge->admin_url('/metrics'))->value('pat_bridge_client_connections', listener => 'api') == 2 },
	'the API to be full'), 'a full API does not lock monitoring out');
is_json_answer(http_call($bridge->admin_url('/ready')), 200, '{"ready":true}', '... nor /ready');
$_->close for @taken;
is($waiting->answer->{status}, '200', '... and who waited is served');
$bridge->stop_ok;
ok(!-e $socket, 'the socket is gone with the bridge');

# One worker serves them, and tells what all have counted.
$bridge = PatBridge->start($node, options => [ '--workers', '3', '--admin-listen', '127.0.0.1:0' ]);
my $ready = scrape($bridge->admin_url('/metrics'));
$bridge->get($path, $admin) for 1 .. 12;
is(scrape($bridge->admin_url('/metrics'))->value('pat_bridge_requests_total', method => 'GET',
		route => "$accounts/:id/token", status => '200'), 12, 'the requests of all workers are counted');
is($ready->value('pat_bridge_lane_connections', lane => 'write'), 3, '... and their connections');
$bridge->stop_ok;

# ---- nothing of a client -----------------------------------------------------------------------

my @said = grep { /\Q$mark\E/ || /\Q$admin\E/ || /\Q$sample->{viewer}\E/ } @texts;
is_deeply(\@said, [], 'no text of a client and no token is in the metrics');
cmp_ok(scalar @texts, '>', 20, '... of many scrapes');
is_deeply(\@faults, [], '... all in the format');

# The parser above is stricter; Prometheus's own tool is asked where it is installed.
if ($promtool)
{
	my $complaints = '';
	my $good = IPC::Run::run([ $promtool, 'check', 'metrics' ], '<', \$texts[-1], '>', \$complaints, '2>&1');
	is(($good ? '' : 'failed: ') . $complaints, '', 'promtool has nothing to say');
}

done_testing();
