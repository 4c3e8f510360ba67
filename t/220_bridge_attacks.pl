# Attacks on the HTTP side that take less than a minute: heads and bodies that never end, answers
# that nobody takes, all connections taken, one address that wants them all, requests smuggled
# behind others, clients that vanish or reset, memory that runs out. Each time another client is
# served meanwhile, and all is well afterwards. What takes longer is in t/long/.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use List::Util ();
use PatTest;
use PatBridge;
use PatWire;
use Socket qw(SOL_SOCKET SO_LINGER SO_RCVBUF);
use Time::HiRes ();

my $node = new_cluster('attacks');
my $sample = load_sample($node);
my $admin = $sample->{admin};
my $accounts = '/api/admin/service-account';
my $path = "$accounts/$sample->{account}/token";
my $list = sql_list($node, $sample->{account}, $admin);
$node->safe_psql('postgres', <<~"SQL");
	SELECT count(*) FROM generate_series(1, 1000) AS n,
		LATERAL pat_create_token($sample->{empty}, 'token ' || n, now() + '1 day'::interval)
	SQL
my $long_path = "$accounts/$sample->{empty}/token";
my $long = sql_list($node, $sample->{empty}, $admin);
my $bridge;

sub start_bridge
{
	my (@options) = @_;
	$bridge = PatBridge->start($node,
		options => [ '--workers', '1', '--log-level', 'info', @options ]);
	return;
}

sub wire { return PatWire->new($bridge->port); }
sub call_head { return "GET $_[0] HTTP/1.1\r\nHost: x\r\nAuthorization: $admin\r\n"; }

sub serves
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is_json_answer($bridge->get($path, $admin), 200, $list, $name);
}

# Keeps every wire busy with a byte now and then until the server has ended them all.
sub drip_until_ended
{
	my ($byte, @wires) = @_;
	return wait_until(
		sub {
			for my $wire (grep { !$_->{ended} } @wires)
			{
				$wire->send($byte);
				$wire->read_some(0);
			}
			return !grep { !$_->{ended} } @wires;
		},
		'the bridge to end slow clients');
}

# ---- slow senders ------------------------------------------------------------------------------

start_bridge('--client-timeout', '1s', '--idle-timeout', '600s');
my @silent = map { wire() } 1 .. 20;
my @slow_line = map { my $wire = wire(); $wire->send('GET /'); $wire } 1 .. 20;
my @slow_head = map { my $wire = wire(); $wire->send(call_head($path) . 'X: '); $wire } 1 .. 20;
my @slow_body = map {
	my $wire = wire();
	$wire->send("POST $accounts HTTP/1.1\r\nHost: x\r\nAuthorization: $admin\r\n"
		  . "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{");
	$wire
} 1 .. 20;
serves('another client is served beside slow ones');
ok(drip_until_ended('a', @slow_line, @slow_head), 'heads that come byte by byte have an end');
ok(drip_until_ended(' ', @slow_body), 'so have bodies');
ok($_->is_closed, 'so has silence before the first request') for $silent[0], $silent[-1];
for my $wire ($slow_head[0], $slow_body[0])
{
	my $answer = $wire->answer;
	is_refused($answer, 408, 'RequestTimeoutError', 'The request did not arrive in time.',
		'408: the request did not arrive in time');
	is(($answer || {})->{headers}{connection}, 'close', '... and the connection ends');
	ok($wire->is_closed, '... with nothing more');
}
like($bridge->log, qr{ info request id="\S+" .*error="RequestTimeoutError" status=408},
	'... which the log says');

# Chunks of one byte are no progress.
my $chunked = wire();
$chunked->send("POST $accounts HTTP/1.1\r\nHost: x\r\nAuthorization: $admin\r\n"
	  . "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
ok(drip_until_ended("1\r\n \r\n", $chunked), 'a body of endless small chunks has an end');
is(($chunked->answer || {})->{status}, '408', '... with 408');

# ---- slow readers ------------------------------------------------------------------------------

# Takes nothing of what it asked for, and gives the kernel little room to take it instead.
sub reader_of_nothing
{
	my ($requests) = @_;
	my $socket = IO::Socket::INET->new(Proto => 'tcp');
	setsockopt($socket, SOL_SOCKET, SO_RCVBUF, 1024) or die "SO_RCVBUF: $!";
	connect($socket, Socket::pack_sockaddr_in($bridge->port, Socket::inet_aton('127.0.0.1')))
	  or die "connect: $!";
	$socket->blocking(0);
	syswrite $socket, PatWire::request('GET', $long_path, token => $admin) x $requests;
	return $socket;
}

# Who was answered 408 and has not closed its side is still waited for.
wait_until(sub { $bridge->connections == 0 }, 'slow senders to be gone');
my $before = $bridge->connections;
my $memory = $bridge->memory_kb;
my @readers = map { reader_of_nothing(30) } 1 .. 30;
wait_until(sub { $bridge->connections >= $before + 30 }, 'the readers to be connected');
serves('another client is served beside slow readers');
ok(wait_until(sub { $bridge->connections <= $before }, 'slow readers to be dropped'),
	'answers that nobody takes have an end');
SKIP:
{
	skip 'a sanitizer keeps what was freed', 1 if $ENV{ASAN_OPTIONS};
	cmp_ok($bridge->memory_kb - $memory, '<', 30 * 1024, '... and hold no more than an answer each');
}
serves('... and all is well');
$bridge->stop_ok;

# ---- idle connections --------------------------------------------------------------------------

# A connection that was in use has a time of its own.
start_bridge('--client-timeout', '600s', '--idle-timeout', '1s');
my $idle = wire();
ok($idle->goes_on, 'a connection that becomes idle');
ok($idle->is_closed, '... ends when its time is over');
my $late = wire();
ok($late->goes_on, 'a second request whose first line has no end');
$late->send('GE');
ok(drip_until_ended('T', $late), '... ends it as well');
$bridge->stop_ok;

# ---- all connections taken ---------------------------------------------------------------------

start_bridge('--max-connections', '40', '--client-timeout', '60s', '--idle-timeout', '60s');
my @holders = map { my $wire = wire(); $wire->send('GET / HTTP/1.1'); $wire } 1 .. 60;
for my $round (1 .. 3)
{
	my $started = Time::HiRes::time();
	serves("round $round: a client is served though all connections are held by slow ones");
	cmp_ok(Time::HiRes::time() - $started, '<', 20, '... long before they run into a timeout');
	push @holders, map { my $wire = wire(); $wire->send('GET / HTTP/1.1'); $wire } 1 .. 40;
}
my @keeping = map { wire() } 1 .. 40;
ok($_->goes_on, 'connections in use') for @keeping[ 0 .. 9 ];
serves('... give way to a new one once they are idle');
$_->close for @holders, @keeping;
$bridge->stop_ok;

# ---- one address that wants them all -----------------------------------------------------------

# Who asks by the socket file has no address that counts.
my $aside = PostgreSQL::Test::Utils::tempdir_short() . '/aside';
$bridge = PatBridge->start($node, listen => '127.0.0.1:0',
	options => [ '--workers', '4', '--max-connections-per-address', '8', '--listen', "unix:$aside" ]);
wait_until(sub { $bridge->connections(args => [ '--unix-socket', $aside ]) == 0 },
	'connections of the start to be gone');
my @mine = map { wire() } 1 .. 30;
$_->send(PatWire::request('GET', '/health')) for @mine;
my @served = grep { my $answer = $_->answer; $answer && $answer->{status} eq '200' } @mine;
is(scalar @served, 8, 'an address gets as many connections as it may have, over all workers');
like($bridge->log, qr/notice refused \d+ connections? of addresses that have too many/,
	'... which the log says');

sub wire_from
{
	my ($address) = @_;
	my $socket = IO::Socket::INET->new(LocalAddr => $address, PeerAddr => '127.0.0.1',
		PeerPort => $bridge->port) or die "from $address: $!";
	return bless { socket => $socket, in => '', ended => 0 }, 'PatWire';
}
ok(wire_from('127.0.0.2')->goes_on, '... and another address its own');
$_->close for @mine;
wait_until(sub { my $wire = wire(); $wire->goes_on }, 'connections to be free again');
pass('... and the first again when it has let go');
$bridge->stop_ok;

# Told to stop, the bridge takes who waits, which can be more addresses than connections.
start_bridge('--max-connections', '4', '--max-connections-per-address', '5', '--drain-timeout', '60s');
my @many = map { wire_from("127.0.1.$_") } 1 .. 40;
$_->send(PatWire::request('GET', '/health')) for @many;
kill 'TERM', $bridge->pid;
my $unserved = List::Util::first { ($_->answer || { status => 'none' })->{status} ne '200' } @many;
ok(!$unserved, 'more addresses than there are to be connections, and told to stop: all are served');
wait_until(sub { $bridge->has_ended }, 'the bridge to end');
$bridge->stop_ok;

# ---- other limits ------------------------------------------------------------------------------

start_bridge('--max-header-size', '2048', '--max-body-size', '64');
is_json_answer($bridge->get($path, $admin), 200, $list, 'small limits');
is_refused(wire()->call('GET', $path, token => $admin, headers => [ 'X: ' . 'a' x 2048 ]), 431,
	'HeadersTooLargeError', undef, '431: more than --max-header-size');
is(wire()->call('GET', $path, token => $admin, headers => [ 'X: ' . 'a' x 1600 ])->{status}, '200',
	'... and less');
is_refused(wire()->call('POST', $accounts, token => $admin, body => '{' . ' ' x 64 . '}'), 413,
	'PayloadTooLargeError', undef, '413: more than --max-body-size');
$bridge->stop_ok;

# ---- heads that fill the memory of a connection ------------------------------------------------

start_bridge();

# For each number a request: every one is answered, with one of these statuses.
sub all_answered
{
	my ($name, $statuses, $make, @numbers) = @_;
	my @wrong;
	for my $number (@numbers)
	{
		my $wire = wire();
		$wire->send($make->($number));
		my $answer = $wire->answer;
		push @wrong, "$number: " . ($answer ? $answer->{status} : 'none')
		  unless $answer && $answer->{status} =~ /^(?:$statuses)\z/;
	}
	is("@wrong", '', $name);
	return;
}
all_answered('many headers', '200|431', sub { call_head($path) . "a:\r\n" x $_[0] . "\r\n" },
	map { 3 * $_ } 1 .. 130);
all_answered('many cookies', '200|431',
	sub { call_head($path) . 'Cookie: ' . 'a=b; ' x $_[0] . "\r\n\r\n" }, map { 10 * $_ } 1 .. 100);
# libmicrohttpd 1.0 is stricter in some of what follows: it says so, or ends the connection.
my $modern = $bridge->is_modern;
all_answered('a query of many parts', $modern ? '200|431' : '200',
	sub { "GET /health?" . 'a&' x $_[0] . " HTTP/1.1\r\nHost: x\r\n\r\n" }, map { 50 * $_ } 1 .. 40);
all_answered('a long header', '200|431', sub { call_head($path) . 'X: ' . 'a' x $_[0] . "\r\n\r\n" },
	map { 100 * $_ } 100 .. 215);
all_answered('a long path', '404|414|431',
	sub { 'GET /' . 'a' x $_[0] . " HTTP/1.1\r\nHost: x\r\n\r\n" }, map { 100 * $_ } 40 .. 215);

$bridge->stop_ok;

# ---- smuggling: what t/201_bridge_http.pl does not have ----------------------------------------

# Behind each stands a whole request that would make an account: it must never be carried out, and
# on a connection that stays open what is answered must be what was asked.
start_bridge('--client-timeout', '5s');
my $body = '{"username":"smuggled","name":"x","rootRole":3}';
my $hidden = "POST $accounts HTTP/1.1\r\nHost: x\r\nAuthorization: $admin\r\n"
  . "Content-Type: application/json\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
my $post = "POST $accounts HTTP/1.1\r\nHost: x\r\nAuthorization: $admin\r\n"
  . "Content-Type: application/json\r\n";
my $size = length $hidden;
my $te = 'Transfer-Encoding';
my $end = "\r\n0\r\n\r\n";
my %hex = (n => sprintf('%x', $size));
for (
	[ 'lengths 0 and more', "Content-Length: 0\r\nContent-Length: $size\r\n\r\n", '400' ],
	[ 'a length in hexadecimal', "Content-Length: 0x5\r\n\r\n", '400' ],
	[ 'a length with a blank in it', "Content-Length: 1 0\r\n\r\n", '400' ],
	[ 'a folded length', "Content-Length: 1\r\n 0\r\n\r\n", '400' ],
	[ 'a length of two names', "X\r\nContent-Length: 5\r\n\r\n", '400' ],
	[ 'coding identity', "$te: identity\r\nContent-Length: 0\r\n\r\n", '400' ],
	[ 'coding xchunked', "$te: xchunked\r\n\r\n", '400' ],
	[ 'coding chunked, identity', "$te: chunked, identity\r\n\r\n0\r\n\r\n", '400' ],
	[ 'coding identity, chunked', "$te: identity, chunked\r\n\r\n0\r\n\r\n", '400' ],
	[ 'coding chunked in quotes', "$te: \"chunked\"\r\n\r\n0\r\n\r\n", '400' ],
	[ 'coding chunked;x=y', "$te: chunked;x=y\r\n\r\n0\r\n\r\n", '400' ],
	[ 'coding with a vertical tab', "$te:\x0bchunked\r\nContent-Length: 0\r\n\r\n", '400' ],
	[ 'coding with a NUL', "$te: chunked\0\r\nContent-Length: 0\r\n\r\n", '400' ],
	[ 'a folded coding', "$te:\r\n chunked\r\n\r\n0\r\n\r\n", '400' ],
	[ 'a coding folded before the length', "$te: chun\r\n ked\r\nContent-Length: 0\r\n\r\n", '400' ],
	[ 'a coding behind a bare CR', "X: y\r$te: chunked\r\nContent-Length: 0\r\n\r\n", '400' ],
	[ 'a bare CR in a value', "X: y\rz\r\n\r\n", '400' ],
	[ 'a bare CR before the end of a line', "X: y\r\r\n\r\n", '400' ],
	[ 'a length behind a bare LF', "X: y\nContent-Length: 0\r\n\r\n", '400' ],
	[ 'a bare LF before the empty line', "X: y\n\r\n", '400' ],
	[ 'a bare LF for the empty line', "X: y\r\n\n", '400' ],
	[ 'a coding that ends with a bare LF', "$te: chunked\n\r\n0\r\n\r\n", '400' ],
	[ 'a tab before the colon', "$te\t: chunked\r\nContent-Length: 0\r\n\r\n", '400' ],
	[ 'a blank line that is none', "X: y\r\n \r\nContent-Length: 0\r\n\r\n", '400' ],
	[ 'a blank before the first header', " X: y\r\nContent-Length: 0\r\n\r\n", '400' ],
	[ 'a chunk size with +', "$te: chunked\r\n\r\n+0\r\n\r\n", '400' ],
	[ 'a chunk size with -', "$te: chunked\r\n\r\n-1\r\n\r\n", '400' ],
	[ 'a chunk size with 0x', "$te: chunked\r\n\r\n0x0\r\n\r\n", '400' ],
	[ 'a chunk size of 65 bits', "$te: chunked\r\n\r\n10000000000000000\r\n", '413' ],
	[ 'a chunk size of 64 bits', "$te: chunked\r\n\r\nffffffffffffffff\r\n", '408|413' ],
	[ 'a chunk size that is empty', "$te: chunked\r\n\r\n\r\n", '400' ],
	[ 'a chunk that is shorter than it says', "$te: chunked\r\n\r\n5\r\n{}$end", '400' ],
	$modern ? () : (    # which takes the blank away
		[ 'a coding with a blank behind it', "$te: chunked \r\n\r\n2\r\n{}$end", '400' ],
		[ 'a coding with a tab behind it', "$te: chunked\t\r\n\r\n2\r\n{}$end", '400' ]))
{
	my ($what, $rest, $statuses) = @$_;
	my $wire = wire();
	$wire->send($post . $rest . $hidden);
	my $answer = $wire->answer;
	like($answer ? $answer->{status} : 'none', qr/^(?:$statuses)\z/, "$what: $statuses");
	ok($wire->is_closed, '... and nothing behind it is answered');
}

# What is well-formed, though unusual: one answer each, of the request itself and of the next.
sub answers_two
{
	my ($what, $bytes, @statuses) = @_;
	my $wire = wire();
	$wire->send($bytes . PatWire::request('GET', '/health'));
	my @found = map { my $answer = $wire->answer; $answer ? $answer->{status} : 'none' } 1, 2;
	is_deeply(\@found, \@statuses, $what);
	return;
}
my $get = call_head($path);
answers_two('the same length twice', "${get}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
	200, 200);
answers_two('a length with a tab before it', "${get}Content-Length:\t0\r\n\r\n", 200, 200);
answers_two('a length under another name', "${get}Content_Length: 5\r\n\r\n", 200, 200);
answers_two('empty lines before a request', "\r\n\r\n$get\r\n", $modern ? ('none') x 2 : (200) x 2);

# Before 1.0, what ends a chunk to libmicrohttpd does not to others: nothing behind chunks is served.
my $next = $modern ? 200 : 'none';
answers_two('a chunk with an extension', "$get$te: chunked\r\n\r\n2;a=b\r\nxx$end",
	$modern ? 400 : 200, 'none');
answers_two('a line feed in an extension', "$get$te: chunked\r\n\r\n2;\nxx$end", $modern ? 400 : 200,
	'none');
answers_two('line feeds alone between chunks', "$get$te: chunked\r\n\r\n2\nxx\n0\n\n",
	$modern ? 400 : 200, 'none');
answers_two('chunks and a trailer that looks like a header',
	"$get$te: chunked\r\n\r\n2\r\nxx\r\n0\r\nContent-Length: 100\r\n$te: x\r\n\r\n", 200, $next);
answers_two('chunks in HTTP/1.0',
	$get =~ s/1\.1/1.0/r . "Connection: keep-alive\r\n$te: chunked\r\n\r\n2\r\nxx$end", 200, 'none');
answers_two('a whole request as the body of another', "${get}Content-Length: $size\r\n\r\n$hidden",
	200, 200);
answers_two('... and as a chunk', "$get$te: chunked\r\n\r\n$hex{n}\r\n$hidden$end", 200, $next);
answers_two('a target with another host than Host',
	"GET http://elsewhere.example$path HTTP/1.1\r\nHost: x\r\nAuthorization: $admin\r\n\r\n", 200, 200);
for my $bare ("GET /health HTTP/1.1\nHost: x\r\n\r\n", "GET /health HTTP/1.1\nHost: x\n\n",
	"GET /health HTTP/1.1\r\nHost: x\n\r\n", "GET /health\rHost: x HTTP/1.1\r\n\r\n")
{
	my $wire = wire();
	$wire->send($bare . $hidden);
	is_refused($wire->answer, 400, 'BadDataError', undef, '400: a line that ends otherwise');
	ok($wire->is_closed, '... and the connection ends');
}
is($node->safe_psql('postgres', q{SELECT count(*) FROM pat_account WHERE username = 'smuggled'}), 0,
	'no hidden request was carried out');

# ---- a hundred requests in one write -----------------------------------------------------------

my @kinds = (
	[ $path, $admin, 200, $list ],
	[ $long_path, $admin, 200, $long ],
	[ $path, undef, 401, undef ],
	[ '/health', undef, 200, '{"health":"GOOD"}' ]);
my $pipe = wire();
$pipe->send(join '',
	map { PatWire::request('GET', $_->[0], defined $_->[1] ? (token => $_->[1]) : ()) }
	map { $kinds[ $_ % 4 ] } 1 .. 100);
my @wrong = grep {
	my (undef, undef, $status, $wanted) = @{ $kinds[ $_ % 4 ] };
	my $answer = $pipe->answer;
	!$answer || $answer->{status} ne $status || (defined $wanted && $answer->{body} ne $wanted);
} 1 .. 100;
is("@wrong", '', 'a hundred requests in one write are answered in their order');

# ---- clients that vanish -----------------------------------------------------------------------

# The same as SQL gives it; a list is too long to be shown when it is not.
sub is_long_list
{
	my ($answer, $name) = @_;
	return is($answer ? $answer->{status} . ($answer->{body} eq $long ? ' whole' : ' not whole') : 'none',
		'200 whole', $name);
}
for my $round (1 .. 20)
{
	my $half = wire();
	$half->send(PatWire::request('GET', $long_path, token => $admin));
	shutdown($half->{socket}, 1) or die "shutdown: $!";
	is_long_list($half->answer, 'a client that sends no more still gets its answer');
}

sub reset_connection
{
	my ($wire) = @_;
	setsockopt($wire->{socket}, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0) or die "SO_LINGER: $!";
	return close $wire->{socket};
}
$before = $bridge->connections;
for my $round (1 .. 50)
{
	my $mid_head = wire();
	$mid_head->send($get);
	reset_connection($mid_head);
	my $mid_body = wire();
	$mid_body->send($post . "Content-Length: 1000\r\n\r\n{");
	reset_connection($mid_body);
	my $mid_answer = wire();
	$mid_answer->send(PatWire::request('GET', $long_path, token => $admin) x 3);
	reset_connection($mid_answer);
}
serves('resets at any moment do no harm');
ok(wait_until(sub { $bridge->connections <= $before }, 'their connections to be gone'),
	'... and leave nothing behind');
$bridge->stop_ok;

# ---- memory that runs out ----------------------------------------------------------------------

SKIP:
{
	skip 'a sanitizer needs more address space than this', 1 if $ENV{ASAN_OPTIONS};
	start_bridge('--client-timeout', '2s');
	my $size_kb = slurp('/proc/' . $bridge->pid . '/status') =~ /^VmSize:\s+(\d+)/m ? $1 : 0;
	my $limit = ($size_kb + 1024) * 1024;
	is(system('prlimit', '--pid', $bridge->pid, "--as=$limit"), 0, 'the bridge gets 1 MB more');
	my @bodies = map {
		my $wire = wire();
		$wire->send($post . "Content-Length: 100000\r\n\r\n" . ' ' x 90_000);
		$wire
	} 1 .. 1000;
	my %seen;
	$_->send(' ' x 10_000) for @bodies;
	for my $wire (@bodies)
	{
		my $answer = $wire->answer;
		$seen{ $answer ? $answer->{status} : 'closed' }++;
	}
	diag(join ' ', map { "$_: $seen{$_}" } sort keys %seen);
	ok($seen{closed} || $seen{503}, 'bodies that do not fit into memory are not taken');
	is(join(' ', grep { !/^(?:400|408|50[034]|closed)\z/ } keys %seen), '', '... and nothing else happens');
	ok(!$bridge->has_ended, '... the bridge goes on');
	serves('... and serves');
	$bridge->stop_ok;
}

done_testing();
