# The phases of a connection: whatever bytes a client sends, and however it ends, its connection is
# gone after the timeouts, the bridge is at rest, and SIGTERM takes as long as ever; answers that end
# a connection arrive. The bounds themselves are tested by bridge/test/connections_test.c.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Handle;
use PatTest;
use PatBridge;
use PatTls;
use PatWire;
use Socket qw(SHUT_WR);
use Time::HiRes ();

# Ticks of processor time in a second that count as rest; nothing at all is usual.
use constant REST_TICKS => 15;

my $node = new_cluster('phases');
my $sample = load_sample($node);
my $admin = $sample->{admin};
my $accounts = '/api/admin/service-account';
my $path = "$accounts/$sample->{account}/token";
my $list = sql_list($node, $sample->{account}, $admin);
my $directory = PostgreSQL::Test::Utils::tempdir_short();
my ($cert, $key) = PatTls->new($directory)->issue('server');
my $bridge;

my $health = PatWire::request('GET', '/health');
my $get = "GET /health HTTP/1.1\r\nHost: x\r\n";
my $post = "POST $accounts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
my $chunked = "Transfer-Encoding: chunked\r\n\r\n";

sub start_bridge
{
	my (@options) = @_;
	$bridge = PatBridge->start($node,
		options => [ '--workers', '1', '--log-level', 'info', @options ]);
	return;
}

sub wire { return PatWire->new($bridge->port); }

sub sent
{
	my ($bytes, $count) = @_;
	my @wires = map { my $wire = wire(); $wire->send($bytes); $wire } 1 .. ($count || 1);
	return wantarray ? @wires : $wires[0];
}

sub end_input
{
	my ($wire) = @_;
	shutdown($wire->{socket}, SHUT_WR) or die "shutdown: $!";
	return $wire;
}

sub ticks
{
	my @fields = split ' ', slurp('/proc/' . $bridge->pid . '/stat') =~ s/.*\) //sr;
	return $fields[11] + $fields[12];
}

# Whether there is a second, of some, in which the bridge does next to nothing.
sub rests
{
	return wait_until(
		sub {
			my $before = ticks();
			Time::HiRes::sleep(1);
			return ticks() - $before <= REST_TICKS;
		},
		'the bridge to be at rest');
}

sub is_left_alone
{
	my ($name, %how) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(wait_until(sub { $bridge->connections(%how) == 0 }, 'connections to be gone'),
		"$name: no connection is left");
	ok(rests(), '... and the bridge is at rest');
	return;
}

# SIGTERM with nobody connected ends the bridge long before --drain-timeout, which is an hour here.
sub stops_at_once
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	kill 'TERM', $bridge->pid;
	ok(wait_until(sub { $bridge->has_ended }, 'the bridge to end'), $name);
	return $bridge->stop_ok;
}

# ---- F1: a connection that libmicrohttpd does not look at any more -----------------------------

my $attack = PatWire::request('POST', $accounts, body => '{}') . $get . $chunked . '0' x 12_000;
my @short = ('--client-timeout', '1s', '--idle-timeout', '1s', '--drain-timeout', '3600s');
start_bridge(@short);
$_->close for sent($attack, 200);
is_left_alone('F1: chunk-size lines behind changes without a token, and their clients gone');
is_json_answer($bridge->get($path, $admin), 200, $list, '... and serves');
my @staying = sent($attack, 100);
wait_until(sub { !grep { $_->read_some(0); !$_->{ended} } @staying }, 'the bridge to end them');
is(scalar(grep { !$_->{ended} } @staying), 0, 'F1: ... and if their clients stay, they are ended');
$_->close for @staying;
is_left_alone('F1: ... then');
stops_at_once('F1: SIGTERM after the attack ends the bridge at once');

# openssl as so many clients, each sending these bytes; returns their process ids, to be killed.
sub tls_clients
{
	my ($bytes, $count) = @_;
	my $command = 'exec openssl s_client -quiet -connect 127.0.0.1:' . $bridge->port;
	local $SIG{PIPE} = 'IGNORE';
	return map {
		my $pid = open(my $to, '|-', "$command >/dev/null 2>&1") or die "openssl: $!";
		print {$to} $bytes;
		$to->flush;
		[ $pid, $to ];
	} 1 .. $count;
}

my @https = (scheme => 'https', args => ['-k']);
$bridge = PatBridge->start($node, ready => 0,
	options => [ '--workers', '1', '--tls-cert', $cert, '--tls-key', $key, @short ]);
wait_until(
	sub { http_call('https://127.0.0.1:' . $bridge->port . '/ready', args => ['-k'])->{status} eq '200' },
	'the bridge to be ready');
for my $bytes ($attack, $get . $chunked . '0' x 20_000, $get . $chunked . '1;' . 'a' x 20_000)
{
	my @clients = tls_clients($bytes, 15);
	Time::HiRes::sleep(0.3);
	kill 'KILL', map { $_->[0] } @clients;
	close $_->[1] for @clients;
	is_left_alone('F1, F2: the same with TLS', @https);
}
stops_at_once('F1: ... and SIGTERM');

# ---- F2: no bytes of an unfinished request cost more than they are -----------------------------

start_bridge('--client-timeout', '600s', '--idle-timeout', '600s', '--drain-timeout', '3600s');
my %unfinished = (
	'a chunk-size line' => $get . $chunked . '0' x 12_000,
	'a long chunk-size line' => $get . $chunked . '0' x 100_000,
	'a chunk-size line of a change' => $post . $chunked . '0' x 12_000,
	'a chunk-size line after 100 (Continue)' => "${post}Expect: 100-continue\r\n$chunked" . '0' x 20_000,
	'a chunk extension' => $get . $chunked . '1;' . 'a' x 20_000,
	'a chunk extension after a chunk' => $get . $chunked . "1\r\na\r\n1;" . 'a' x 20_000,
	'a trailer' => $get . $chunked . "0\r\nX: " . 'a' x 30_000,
	'trailers' => $get . $chunked . "0\r\n" . "X: a\r\n" x 5000,
	'a folded trailer' => $get . $chunked . "0\r\nX: a\r\n" . " b\r\n" x 5000,
	'a folded header' => "${get}X: a\r\n" . " b\r\n" x 5000,
	'a header' => "${get}X: " . 'a' x 30_000,
	'empty lines' => "\r\n" x 20_000,
	'line feeds' => "\n" x 20_000,
	'a request line' => 'GET /' . 'a' x 30_000,
	'half a head' => "${get}X: a",
	'half a body' => "${post}Content-Length: 100\r\n\r\n{",
	'half a chunk' => $get . $chunked . "5\r\na");
for my $name (sort keys %unfinished)
{
	$_->close for sent($unfinished{$name}, 20);
	is_left_alone("F2: $name, and its client is gone");
	my @half = map { end_input($_) } sent($unfinished{$name}, 20);
	is_left_alone("F2: $name, and its client sends no more");
	$_->close for @half;
}

# What cannot become valid is answered, though its client stays and has a long time. libmicrohttpd 1.0
# ends a connection without a word if not even a method has come.
my $modern = $bridge->is_modern;
for my $name (grep { /chunk-size|extension|trailer|header|line/ } sort keys %unfinished)
{
	my $wire = sent($unfinished{$name});
	if ($modern && $name =~ /\A(?:empty lines|line feeds)\z/)
	{
		ok($wire->is_closed, "F2: $name end the connection");
		next;
	}
	my $answer = $wire->answer;
	like($answer ? $answer->{status} : 'none', qr/^4(?:00|13|14|31)\z/, "F2: $name is refused");
}

# A line that fills the buffer of libmicrohttpd exactly: which length that is depends on much. What is
# shorter may still become valid.
my @lines = map { sent($get . $chunked . '0' x $_) } map { 11_000 + 8 * $_ } 0 .. 124;
ok(rests(), 'F2: chunk-size lines of all lengths leave the bridge at rest');
wait_until(sub { !grep { $_->read_some(0); !$_->{ended} } @lines }, 'their ends');
is(scalar(grep { !$_->{ended} } @lines), 0, '... and have an end before --client-timeout');
$_->close for @lines;
my $pausing = sent($post . $chunked . "2\r\n{}\r\n");
Time::HiRes::sleep(1);
$pausing->send("0\r\n\r\n");
is(($pausing->answer || {})->{status}, 401, 'F2: a body in chunks may pause');
$pausing->close;

# ---- F4: the end of what a client sends counts at once -----------------------------------------

# The first connection after an idle while, and others.
for my $bytes ($health, $health x 50, PatWire::request('GET', $path, token => $admin),
	PatWire::request('POST', $accounts, token => 'none', body => '{}'))
{
	my $wire = end_input(sent($bytes));
	$wire->take(sub { return; });
	ok($wire->{ended}, 'F4: a request and the end of its client\'s side: the connection ends');
	my $asked = () = $bytes =~ m{ HTTP/1\.1\r\n}g;
	my $answered = () = $wire->{in} =~ m{HTTP/1\.1 (?:200|401)}g;
	is($answered, $asked, '... after its answers');
}
is_left_alone('F4: half-closed connections');
my @half_heads = map { end_input($_) } sent("${get}X: ", 5), sent('GE', 5);
stops_at_once('F4: heads that never end do not hold SIGTERM');
$_->close for @half_heads;

# ---- F7: Expect: 100-continue ------------------------------------------------------------------

start_bridge();
my $expect = "Expect: 100-continue\r\n";
my $last = PatWire::request('GET', '/health', headers => ['Connection: close']);
for (
	[ 'local', $get, '', 200 ],
	[ 'local, of length 0', $get, "Content-Length: 0\r\n", 200 ],
	[ 'in the read pool', "GET $path HTTP/1.1\r\nHost: x\r\nAuthorization: $admin\r\n", '', 200 ],
	[ 'in the write pool', "DELETE $path/999 HTTP/1.1\r\nHost: x\r\nAuthorization: $admin\r\n", '', '200|404' ],
	[ 'that needs a body', $post, '', 400 ],
	[ 'of no path', "GET /nowhere HTTP/1.1\r\nHost: x\r\n", '', 404 ],
	[ 'OPTIONS', "OPTIONS $path HTTP/1.1\r\nHost: x\r\n", '', 204 ],
	[ 'of HTTP/1.0', $get =~ s/1\.1/1.0/r, '', 200 ],
	[ 'of another expectation', $get, "Expect: something\r\n", 200 ])
{
	my ($what, $head, $headers, $status) = @$_;
	$headers = $expect . $headers unless $headers =~ /^Expect/;
	my $wire = sent("$head$headers\r\n$last");
	my $answer = $wire->answer;
	like($answer ? $answer->{status} : 'none', qr/^(?:$status)\z/,
		"F7: a request $what without a body that expects 100 is answered");
	my $second = $wire->answer;
	ok(($second || {})->{status} || ($answer || {})->{headers}{connection} eq 'close',
		'... and so is the one behind it, or the connection ends');
	ok($wire->is_closed, '... with nothing more');
}
my $with_body = sent("${get}${expect}Content-Length: 2\r\n\r\n{}$last");
is(join(' ', map { my $answer = $with_body->answer; $answer ? $answer->{status} : 'none' } 1, 2),
	'200 200', 'F7: with a body both are answered');

# ---- F11: an answer that ends the connection arrives -------------------------------------------

# Writes all before it reads, and does not stop at an error.
sub answer_after_writing
{
	my ($bytes) = @_;
	my $wire = wire();
	local $SIG{PIPE} = 'IGNORE';
	while (length $bytes)
	{
		my $sent = syswrite $wire->{socket}, $bytes, 65_536;
		return 'broken off' unless $sent;
		substr $bytes, 0, $sent, '';
	}
	my $answer = $wire->answer;
	return 'no answer' unless $answer;
	return $answer->{status} . ($wire->is_closed ? '' : ' and not closed');
}

my $with_token = "${post}Authorization: $admin\r\n";
my $megabyte = ' ' x 1_000_000;
for (
	[ 413, 'a body of 1.5 MB', "${with_token}Content-Length: 1500000\r\n\r\n" . ' ' x 1_500_000 ],
	[ 413, 'a body of 5 MB', "${with_token}Content-Length: 5000000\r\n\r\n" . $megabyte x 5 ],
	[ 413, 'chunks of 5 MB', $with_token . $chunked . "f4240\r\n$megabyte\r\n" x 5 . "0\r\n\r\n" ],
	[ 400, 'wrong framing', "${post}Content-Length: x\r\n\r\n$megabyte" ],
	[ 400, 'a wrong chunk', $post . $chunked . "x\r\n$megabyte" ],
	[ 414, 'a long line', 'GET /' . 'a' x 1_000_000 ],
	[ $modern ? 400 : 414, 'a line of blanks', "GET /$megabyte" ],
	[ 431, 'a long header', "${get}X: $megabyte" ],
	[ 431, 'many headers', $get . "X: a\r\n" x 100_000 ],
	[ 200, 'a last request with others behind', $last . $health x 20_000 ])
{
	my ($status, $what, $bytes) = @$_;
	my %seen;
	$seen{ answer_after_writing($bytes) }++ for 1 .. 10;
	is(join(', ', sort keys %seen), $status, "F11: $what: $status arrives, then the end");
}
is_left_alone('F11: ... then');
$bridge->stop_ok;

# Not even a client that goes on sending holds its connection by that.
start_bridge('--client-timeout', '1s', '--idle-timeout', '600s', '--drain-timeout', '3600s');
my $dripping = sent("${get}X: ");
my $flooding = sent("${with_token}Content-Length: 2000000000\r\n\r\n");
my $gone = wait_until(
	sub {
		$_->send('a') for $dripping, $flooding;
		$_->read_some(0) for $dripping, $flooding;
		return $bridge->connections == 0;
	},
	'both to be gone');
ok($gone, 'F11: a client that goes on sending is left after --client-timeout');
like($dripping->{in}, qr{^HTTP/1\.1 408 }, 'F11: 408 arrives at one that drips');
like($flooding->{in}, qr{^HTTP/1\.1 413 }, 'F11: ... and 413 at one that floods');
ok(rests(), '... and the bridge is at rest');
stops_at_once('F11: SIGTERM then');

# ---- F12: a change that was not sent was not made ----------------------------------------------

start_bridge('--write-connections', '1', '--request-timeout', '2s');
sub backends
{
	return split /\n/, $node->safe_psql('postgres',
		q{SELECT pid FROM pg_stat_activity WHERE usename = 'pat_bridge'});
}
my @backends = backends();
is(scalar @backends, 2, 'a connection for reads and one for changes');
sub create
{
	my ($name) = @_;
	return sent(PatWire::request('POST', $accounts, token => $admin,
		body => qq({"username":"$name","name":"n","rootRole":3})));
}
kill 'STOP', @backends;
my $first = create('sent');
Time::HiRes::sleep(0.3);
my $second = create('queued');
my $reading = sent(PatWire::request('GET', $path, token => $admin));
is_refused($first->answer, 504, 'TimeoutError', qr/The change may still be made\./,
	'F12: a change that was sent may still be made');
is_refused($second->answer, 504, 'TimeoutError',
	'The database did not answer in time. The change was not made.',
	'F12: one that waited in the queue was not made');
is_refused($reading->answer, 504, 'TimeoutError', 'The database did not answer in time.',
	'F12: a list says nothing of a change');
kill 'CONT', @backends;
$bridge->stop_ok;
is($node->safe_psql('postgres', q{SELECT count(*) FROM pat_account WHERE username = 'queued'}), 0,
	'... and so it is');

# The same when the bridge is told to stop, and has waited for long enough.
start_bridge('--write-connections', '1', '--request-timeout', '60s', '--drain-timeout', '1s');
@backends = backends();
kill 'STOP', @backends;
$first = create('sent before the stop');
Time::HiRes::sleep(0.3);
$second = create('queued before the stop');
Time::HiRes::sleep(0.3);
kill 'TERM', $bridge->pid;
is_refused($first->answer, 503, 'ServiceUnavailableError', qr/may or may not have been made/,
	'F12: at a stop, too, a change that was sent may have been made');
is_refused($second->answer, 503, 'ServiceUnavailableError', 'The server is shutting down.',
	'F12: ... and one that waited was not');
kill 'CONT', @backends;
wait_until(sub { $bridge->has_ended }, 'the bridge to end');
$bridge->stop_ok;

# ---- F5: few file descriptors ------------------------------------------------------------------

# with_shell(LINE, CODE): the code starts bridges by a shell that runs the line first.
sub with_shell
{
	my ($line, $code) = @_;
	my $script = "$directory/wrapper";
	open(my $out, '>', $script) or die "$script: $!";
	print $out "#!/bin/sh\n$line\n";
	close $out or die "$script: $!";
	chmod 0755, $script or die "$script: $!";
	my $binary = PatBridge::binary();
	local $ENV{PAT_BRIDGE_BINARY} = $binary;
	local $ENV{PAT_BRIDGE} = $script;
	return $code->();
}

with_shell('ulimit -n 30; exec "$PAT_BRIDGE_BINARY" "$@"', sub { start_bridge('--write-connections', '1') });
like($bridge->log, qr/warning the limit of open files is 30 and the options need \d+: at most \d+ clients/,
	'F5: a limit of open files that is too low is warned of');
my @idle = map { wire() } 1 .. 60;
Time::HiRes::sleep(1.2);
for my $round (1 .. 3)
{
	my $started = Time::HiRes::time();
	is_json_answer($bridge->get($path, $admin), 200, $list,
		"F5: round $round: a newcomer is served though idle clients take all descriptors");
	cmp_ok(Time::HiRes::time() - $started, '<', 20, '... long before their time is over');
}
$node->restart;
wait_until(sub { $bridge->get($path, $admin)->{status} eq '200' }, 'the bridge to have its database again');
is_json_answer($bridge->get($path, $admin), 200, $list, 'F5: ... and so does a new database connection');
$_->close for @idle;
$bridge->stop_ok;

# The limit may sink below what is open already.
start_bridge();
my @open = map { my $wire = wire(); $wire->goes_on; $wire } 1 .. 20;
Time::HiRes::sleep(1.2);
is(system('prlimit', '--pid', $bridge->pid, '--nofile=25'), 0, 'a lower limit of open files');
is_json_answer($bridge->get($path, $admin), 200, $list, 'F5: connections give way to it');
my @waiting = map { wire() } 1 .. 20;
Time::HiRes::sleep(2);
my $said = () = $bridge->log =~ /warning cannot accept a connection/g;
cmp_ok($said, '<=', 1, 'F5: ... and the log says so once') or diag($bridge->log);
$_->close for @open, @waiting;
$bridge->stop_ok;

# ---- F18: started with descriptors 0 to 2 closed -----------------------------------------------

with_shell('exec "$PAT_BRIDGE_BINARY" "$@" <&- >&- 2>&-',
	sub {
		my $file = "$directory/bridge.log";
		$bridge = PatBridge->start($node, log_file => $file,
			options => [ '--log-file', $file, '--workers', '1', '--core-dumps' ]);
	});
is(join(' ', map { readlink('/proc/' . $bridge->pid . "/fd/$_") || 'none' } 0 .. 2),
	'/dev/null /dev/null /dev/null', 'F18: closed standard descriptors are /dev/null');
$bridge->stop_ok;

# ---- the last resort ---------------------------------------------------------------------------

# changed(NAME, SOURCE): the environment for a bridge whose libraries have these functions instead.
sub changed
{
	my ($name, $source) = @_;
	PatTls::write_file("$directory/$name.c", $source);
	is(system('cc', '-shared', '-fPIC', '-o', "$directory/$name.so", "$directory/$name.c"), 0,
		"a library that is $name");
	return { LD_PRELOAD => "$directory/$name.so" };
}

SKIP:
{
	skip 'a sanitizer has to come first', 14 if $ENV{ASAN_OPTIONS};

	# A library that lets go of nothing: what the bridge asks it for does nothing.
	my $deaf_library = changed('deaf', <<~'C');
		int shutdown(int fd, int how) { (void) fd; (void) how; return 0; }
		int MHD_set_connection_option(void *c, int option, ...) { (void) c; (void) option; return 1; }
		C
	$bridge = PatBridge->start($node, env => $deaf_library,
		options => [ '--workers', '1', '--idle-timeout', '1s', '--drain-timeout', '3600s' ]);
	my $deaf = wire();
	ok($deaf->goes_on, 'an idle connection');
	wait_until(sub { $bridge->log =~ /libmicrohttpd does not close a connection/ }, 'the last resort');
	is_left_alone('F1: a connection that libmicrohttpd does not close');
	is_json_answer($bridge->get($path, $admin), 200, $list, '... and the bridge serves');
	like($bridge->get('/metrics')->{body},
		qr/^pat_bridge_http_library_restarts_total\{listener="api"\} [1-9]/m, '... and counts it');
	stops_at_once('... and ends');

	# libmicrohttpd without memory for its answer closes a connection, and does not say that the
	# request on it has ended.
	my $mute_library = changed('mute', <<~'C');
		void *MHD_create_response_from_buffer(void) { return 0; }
		void *MHD_create_response_from_buffer_static(void) { return 0; }
		C
	$bridge = PatBridge->start($node, env => $mute_library, ready => 0,
		options => [ '--workers', '1', '--drain-timeout', '3600s' ]);
	$_->take(sub { return; }) for sent($get . $chunked . "x\r\n", 20);
	is_left_alone('F1: connections with requests whose end is not reported');
	like($bridge->get('/metrics')->{body}, qr/^pat_bridge_requests_in_flight\{listener="api"\} 1$/m,
		'... and none is in flight but the one that asks');
	stops_at_once('F1: ... and SIGTERM ends the bridge at once');
}

# ---- the table in the documents ----------------------------------------------------------------

my $code = slurp(source_dir() . '/bridge/connections.c');
my @in_code = $code =~ /\[CONNECTION_\w+\] = \{"([^"]+)", "([^"]+)", CONNECTION_BY_(\w+),/g;
my %bound = (
	CLIENT => '`--client-timeout`', IDLE => '`--idle-timeout`',
	REQUEST => '`--request-timeout` and 5 s', CHUNK => '5 s, or `--client-timeout` if less',
	LIBRARY => '4 s');
my @rows;
push @rows, [ shift @in_code, shift @in_code, $bound{ shift @in_code } ] while @in_code;
my $document = slurp(source_dir() . '/doc/architecture.md');
my @missing = grep { $document !~ /^\| $_->[0] \|[^|\n]*\| $_->[1] \| \Q$_->[2]\E \|/m } @rows;
is(scalar @rows, 9, 'the table of phases is found in the code');
is_deeply(\@missing, [], 'F1: doc/architecture.md has every phase, who ends it and its bound');

done_testing();
