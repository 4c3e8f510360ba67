# Ten thousand connections open at once, each of which has had an answer and waits; lists are served
# beside them as fast as ever, memory stays below a bound that follows from --max-header-size, and when
# they go, nothing is left of them.

use strict;
use warnings;

# As many descriptors as may be: the program starts itself anew, before anything else happens.
BEGIN
{
	exec 'bash', '-c', 'ulimit -n "$(ulimit -Hn)"; exec "$@"', 'bash', $^X,
	  (map { "-I$_" } @INC), $0, @ARGV
	  unless $ENV{PAT_TEN_THOUSAND}++;
}

use Test::More;
use FindBin;
use lib "$FindBin::Bin/../lib";
use PatTest;
use PatBridge;
use IO::Socket::INET;

use constant { CONNECTIONS => 10_000, AT_ONCE => 200 };

my $limit = `bash -c 'ulimit -Hn'`;
PatTest::cannot_run("only $limit descriptors are allowed")
  if $limit =~ /^\d+/ && $limit < CONNECTIONS + 500;

my $node = new_cluster('many');
my $sample = load_sample($node);
my $path = "/api/admin/service-account/$sample->{account}/token";
my $list = sql_list($node, $sample->{account}, $sample->{admin});

sub memory_kb
{
	my ($bridge) = @_;
	return slurp('/proc/' . $bridge->pid . '/status') =~ /^VmRSS:\s+(\d+)/m ? $1 : 0;
}

# Opens so many more and has each served once.
sub open_some
{
	my ($bridge, $count) = @_;
	my @sockets = map {
		IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $bridge->port)
		  or die "connect: $!"
	} 1 .. $count;
	syswrite $_, "GET $path HTTP/1.1\r\nHost: x\r\nAuthorization: $sample->{admin}\r\n\r\n" for @sockets;
	for my $socket (@sockets)
	{
		my $in = '';
		while (index($in, $list) < 0) { sysread $socket, $in, 65536, length $in or die 'closed'; }
	}
	return @sockets;
}

for my $size (12_288, 3_072, 2_048)
{
	my $bridge = PatBridge->start($node, options => [
		'--workers', '2', '--max-connections', 2 * CONNECTIONS, '--max-header-size', $size,
		'--idle-timeout', '600s' ]);
	my $before = memory_kb($bridge);
	my @open;
	push @open, open_some($bridge, AT_ONCE) while @open < CONNECTIONS;
	is(scalar @open, CONNECTIONS, "$size bytes of head: ten thousand connections, each served");
	my $each = (memory_kb($bridge) - $before) * 1024 / CONNECTIONS;
	note(sprintf '%d bytes of head: %.0f bytes of memory for each connection, %.1f MB in all', $size,
		$each, $each * CONNECTIONS / 1048576);
	cmp_ok($each, '<', 1.5 * $size + 2048 + 3072, '... with a bounded memory for each');
	my @wrong = grep { $bridge->get($path, $sample->{admin})->{body} ne $list } 1 .. 50;
	is(scalar @wrong, 0, '... and lists are served beside them');
	syswrite $open[0], "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
	sysread $open[0], my $again, 65536;
	like($again, qr/GOOD/, '... the oldest of them included');
	close $_ for @open;
	wait_until(
		sub {
			my $left = $bridge->connections;
			return $left >= 0 && $left < 100;
		},
		'all of them to be gone');
	is($bridge->get($path, $sample->{admin})->{body}, $list, '... and when they have gone');
	$bridge->stop_ok;
}

done_testing();
