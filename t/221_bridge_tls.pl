# TLS: the same answers as without it, to curl and to many connections at once; what is older than
# TLS 1.2, and what is no TLS, is refused; a Unix-domain address and those for monitoring stay plain;
# SIGHUP changes the certificate under connections that go on, and a wrong one changes nothing;
# handshakes that stop cost nothing; a key that others may read, or of another certificate, is refused
# at the start.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::INET;
use IPC::Run ();
use POSIX ();
use PatTest;
use PatBridge;
use PatTls;
use PatWire;

my $node = new_cluster('tls');
my $sample = load_sample($node);
my $directory = PostgreSQL::Test::Utils::tempdir_short();
my $ca = PatTls->new($directory);
my ($cert, $key) = $ca->issue('server', serial => 0x1111);
my ($other_cert, $other_key) = $ca->issue('other', serial => 0x2222);
my $socket = "$directory/pat.sock";
my $admin = $sample->{admin};
my $path = "/api/admin/service-account/$sample->{account}/token";

# Not by PatBridge's own check, which asks the TCP port without TLS.
my $bridge = PatBridge->start($node, ready => 0,
	options => [ '--listen', "unix:$socket", '--admin-listen', '127.0.0.1:0', '--tls-cert', $cert,
		'--tls-key', $key, '--workers', '2' ]);
my $port = $bridge->port;

sub https { return "https://127.0.0.1:$port$_[0]"; }

sub by_curl
{
	my ($where, %option) = @_;
	push @{ $option{args} }, '--cacert', $ca->cert;
	return http_call(https($where), %option);
}

wait_until(sub { by_curl('/ready')->{status} eq '200' }, 'the bridge to be ready')
  or die $bridge->log;

# ---- the same answers --------------------------------------------------------------------------

my $list = sql_list($node, $sample->{account}, $admin);
is_json_answer(by_curl($path, token => $admin), 200, $list, '200 by curl, which checks the name');
is_refused(by_curl($path), 401, 'AuthenticationRequired', undef, '401');
is_refused(by_curl('/' . 'a' x 20_000), 414, 'UriTooLongError', undef,
	'an answer that libmicrohttpd gives by itself');
is_refused(by_curl($path, headers => [ 'Content-Length: x' ], token => $admin), 400, 'BadDataError',
	undef, 'an answer that goes past libmicrohttpd is encrypted too');
is(by_curl("/api/admin/service-account", token => $admin,
	body => '{"username":"by-tls","name":"n","rootRole":3}')->{status}, '201', 'a body');
is_json_answer(PatWire->new($socket)->call('GET', $path, token => $admin), 200, $list,
	'a Unix-domain address stays plain');
is_json_answer(http_call($bridge->admin_url('/ready')), 200, '{"ready":true}',
	'... and so does an address for monitoring');

# ---- many at once, long answers, many requests in one write ------------------------------------

$node->safe_psql('postgres', <<~"SQL");
	SELECT count(*) FROM generate_series(1, 1000) AS n,
		LATERAL pat_create_token($sample->{empty}, 'token ' || n, now() + '1 day'::interval)
	SQL
my $long_path = "/api/admin/service-account/$sample->{empty}/token";
my $long = sql_list($node, $sample->{empty}, $admin);
cmp_ok(length $long, '>', 100_000, 'a list of more than 100 kB');

sub parallel_is
{
	my ($connections, $where, $expected, $name) = @_;
	my $out = "$directory/out";
	mkdir $out;
	my @command = ('curl', '-s', '--no-progress-meter', '--parallel', '--parallel-immediate',
		'--parallel-max', $connections, '--max-time', '120', '--cacert', $ca->cert,
		'-H', "Authorization: $admin", map { (https($where), '-o', "$out/$_") } 1 .. 200);
	IPC::Run::run(\@command, '<', \undef, '>', \my $said, '2>', \my $err);
	my $good = grep { -e "$out/$_" && slurp("$out/$_") eq $expected } 1 .. 200;
	is($good, 200, $name) or diag($err);
	unlink map { "$out/$_" } 1 .. 200;
	return;
}
parallel_is(50, $path, $list, '200 requests on 50 connections');
parallel_is(50, $long_path, $long, '... for a long list');
parallel_is(1, $long_path, $long, '... on one connection');

sub count_in
{
	my ($text, $wanted) = @_;
	my ($count, $at) = (0, 0);
	while (($at = index $text, $wanted, $at) >= 0)
	{
		$count++;
		$at += length $wanted;
	}
	return $count;
}

my $request = PatWire::request('GET', $long_path, token => $admin);
for my $version ('-tls1_2', '-tls1_3')
{
	my $client = PatTls::client($port, $version, '-quiet', '-CAfile', $ca->cert);
	$client->{in} .= $request x 40;
	wait_until(
		sub { $client->{run}->pump_nb; 40 <= count_in($client->{out}, $long) },
		"$version: 40 answers");
	is(count_in($client->{out}, $long), 40,
		"$version: 40 requests in one write get 40 long answers");
	$client->{run}->kill_kill;
}

# A head line by line, each in a record of its own. (Some letters, alone, are commands to s_client.)
my $drip = PatTls::client($port, '-quiet', '-CAfile', $ca->cert);
for my $bytes (PatWire::request('GET', $path, token => $admin) =~ /[^\n]*\n/g)
{
	$drip->{in} .= $bytes;
	wait_until(sub { $drip->{run}->pump_nb; !length $drip->{in} }, 'the byte to go');
}
wait_until(sub { $drip->{run}->pump_nb; $drip->{out} =~ /\Q$list\E/ }, 'the answer');
like($drip->{out}, qr/\Q$list\E/, 'a request of many small records');
$drip->{run}->kill_kill;

# ---- what is refused ---------------------------------------------------------------------------

sub handshake
{
	my (@arguments) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run(
		[ 'openssl', 's_client', '-connect', "127.0.0.1:$port", '-CAfile', $ca->cert,
			'-cipher', 'ALL:@SECLEVEL=0', @arguments ],
		'<', \'', '>', \$out, '2>', \$err);
	return $out =~ /^New, (TLSv1\.\d), Cipher is (\S+)/m ? "$1 $2" : 'refused';
}
is(handshake('-tls1'), 'refused', 'TLS 1.0 is refused');
is(handshake('-tls1_1'), 'refused', 'TLS 1.1 is refused');
like(handshake('-tls1_2'), qr/^TLSv1\.2 ECDHE-.*(?:GCM|CHACHA|CCM)/, 'TLS 1.2, with forward secrecy');
like(handshake('-tls1_3'), qr/^TLSv1\.3 /, 'TLS 1.3');
is(handshake('-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:AES128-SHA'),
	'refused', 'old ciphers are refused');

my $renegotiating = PatTls::client($port, '-tls1_2', '-CAfile', $ca->cert);
wait_until(sub { $renegotiating->{run}->pump_nb; $renegotiating->{out} =~ /Verify return code/ },
	'the handshake');
$renegotiating->{in} .= "R\n";
wait_until(sub { !$renegotiating->{run}->pumpable || !eval { $renegotiating->{run}->pump_nb; 1 } },
	'the end');
unlike($renegotiating->{out}, qr/HTTP/, 'a client that renegotiates gets nothing');
eval { $renegotiating->{run}->kill_kill };

my $plain = PatWire->new($port);
$plain->send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
$plain->take(sub { return });
ok($plain->{ended}, 'a request without TLS ends the connection');
unlike($plain->{in}, qr/HTTP/, '... and gets no answer');
my $noise = PatWire->new($port);
$noise->send("\x16\x03\x01\x40\x00" . "\xff" x 16_384);
$noise->take(sub { return });
ok($noise->{ended}, 'noise in the form of a handshake ends it too');

# ---- SIGHUP ------------------------------------------------------------------------------------

sub logged { return scalar(() = $bridge->log =~ /$_[0]/g); }

sub reload
{
	my ($pattern) = @_;
	my $before = logged($pattern);
	kill 'HUP', $bridge->pid;
	wait_until(sub { logged($pattern) > $before }, "the log to say $pattern");
	return;
}

is(PatTls::served_serial($port), '1111', 'the certificate shown');
my $old = PatTls::client($port, '-quiet', '-CAfile', $ca->cert);

sub old_goes_on
{
	my ($name) = @_;
	$old->{out} = '';
	$old->{in} .= PatWire::request('GET', $path, token => $admin);
	wait_until(sub { $old->{run}->pump_nb; $old->{out} =~ /\Q$list\E/ }, 'the answer');
	like($old->{out}, qr/\Q$list\E/, $name);
	return;
}
old_goes_on('a connection from before');
PatTls::write_file($key, slurp($other_key));
reload(qr/error .*stays as it was: option "--tls-key": .* is not the key of the certificate/);
is(PatTls::served_serial($port), '1111', 'a key of another certificate changes nothing');
PatTls::write_file($cert, slurp($other_cert));
reload(qr/notice certificate: serial 2222, valid until 20/);
is(PatTls::served_serial($port), '2222', 'the new certificate is shown');
old_goes_on('... and the connection from before goes on');
is_json_answer(by_curl($path, token => $admin), 200, $list, '... as does everything');
chmod 0644, $key;
reload(qr/error .*stays as it was: option "--tls-key"/);
chmod 0600, $key;
PatTls::write_file($cert, "no certificate\n");
reload(qr/error .*stays as it was: option "--tls-cert": .* cannot be used/);
unlink $cert;
reload(qr/error .*stays as it was: option "--tls-cert": .* cannot be read/);
is(PatTls::served_serial($port), '2222', 'wrong files change nothing');
old_goes_on('... and the connection from before goes on');
$old->{run}->kill_kill;
$bridge->stop_ok;

# ---- unfinished handshakes ---------------------------------------------------------------------

# Of the bridge, in seconds.
sub cpu_time
{
	my @fields = split / /, slurp('/proc/' . $bridge->pid . '/stat') =~ s/\A.*\) //sr;
	return ($fields[11] + $fields[12]) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

# What a client begins with.
sub client_hello
{
	my $server = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "listen: $!";
	my $client = PatTls::client($server->sockport);
	my $socket = $server->accept or die "accept: $!";
	my $hello = '';
	while (length $hello < 5 || length $hello < 5 + unpack 'x3 n', $hello)
	{
		sysread $socket, $hello, 65_536, length $hello or die "no hello: $!";
	}
	$client->{run}->kill_kill;
	return $hello;
}

# The bridge closes what is unfinished after --client-timeout, and all that time it has nothing to do.
sub rests_ok
{
	my ($bytes, $name) = @_;
	my $before = cpu_time();
	my $half = PatWire->new($port);
	$half->send($bytes);
	$half->take(sub { return });
	ok($half->{ended}, "$name: ended in time");
	return cmp_ok(cpu_time() - $before, '<', 1, '... the bridge has rested meanwhile');
}

$bridge = PatBridge->start($node, ready => 0,
	options => [ '--listen', "unix:$socket", '--tls-cert', $other_cert, '--tls-key', $other_key,
		'--workers', '1', '--client-timeout', '3s' ]);
$port = $bridge->port;
wait_until(sub { PatWire->new($socket)->call('GET', '/ready')->{status} eq '200' }, 'the bridge')
  or die $bridge->log;
rests_ok('', 'a handshake that has not begun');
rests_ok("\x16", 'one byte of a handshake');
my $hello = client_hello();
rests_ok($hello, 'a handshake that stops after the first flight');
rests_ok(substr($hello, 0, 100), '... within it');

# Somebody who does not take his answers is no reason to look more often.
PatTls::write_file("$directory/requests", $request x 200);
pipe(my $unread, my $full) or die "pipe: $!";
my $taker = IPC::Run::start([ 'openssl', 's_client', '-quiet', '-connect', "127.0.0.1:$port" ],
	'<', "$directory/requests", '>', $full, '2>', \my $said, IPC::Run::timeout(300));
close $full;
wait_until(sub { PatWire->new($socket)->call('GET', '/metrics')->{body} =~ /,status="200"\} [1-9]\d/ },
	'the first of the answers');
rests_ok("\x16", 'one byte, beside a client that reads nothing');
$taker->kill_kill;
close $unread;
$bridge->stop_ok;

# ---- at the start ------------------------------------------------------------------------------

sub checked
{
	my (@arguments) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run([ PatBridge->binary, '--check', @arguments ], '<', \undef, '>', \$out, '2>', \$err);
	return ($? >> 8) . " $out$err";
}

sub with { return checked('--tls-cert', $_[0], '--tls-key', $_[1]); }

like(with($other_cert, $other_key), qr/^0 the configuration is valid/, '--check takes a good pair');
like(checked('--tls-cert', $other_cert), qr/^2 .*"--tls-key" is missing/, 'no key: exit 2');
like(checked('--tls-key', $other_key), qr/^2 .*"--tls-cert" is missing/, 'no certificate');
like(with("$directory/none", $other_key), qr/^2 .*"--tls-cert": .*No such file/, 'no such file');
like(with($other_cert, $directory), qr/^2 .*"--tls-key": .*not a regular file/, 'a directory');
like(with($other_key, $other_key), qr/^2 .*"--tls-cert": .*cannot be used/, 'a key for certificate');
like(with($other_cert, $other_cert), qr/^2 .*"--tls-key": .*cannot be used/, 'a certificate for key');
like(with($ca->cert, $other_key), qr/^2 .*"--tls-key": .*not the key of/, 'of another certificate');
for my $mode (0640, 0604, 0660, 0666)
{
	chmod $mode, $other_key;
	like(with($other_cert, $other_key), qr/^2 .*"--tls-key": .*owner only/,
		sprintf 'a key of mode %04o', $mode);
}
chmod 0400, $other_key;
like(with($other_cert, $other_key), qr/^0 /, 'a key of mode 0400');

done_testing();
