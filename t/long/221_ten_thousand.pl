# Ten thousand connections open at once, each of which has had an answer and waits; lists are served
# beside them as fast as ever, 64 MB of memory are enough for all of them once they wait, with
# --max-header-size as it is by default and with others, and when they go, nothing is left of them.

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

use constant { CONNECTIONS => 10_000, AT_ONCE => 200, MOST_KB => 64 * 1024, LEFT_KB => 4 * 1024 };

my $limit = `bash -c 'ulimit -Hn'`;
PatTest::cannot_run("only $limit descriptors are allowed")
  if $limit =~ /^\d+/ && $limit < CONNECTIONS + 500;

my $node = new_cluster('many');
my $sample = load_sample($node);
my $path = "/api/admin/service-account/$sample->{account}/token";
my $list = sql_list($node, $sample->{account}, $sample->{admin});

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

for my $size (undef, 2_048, 65_536)
{
	my $bridge = PatBridge->start($node, options => [
		'--max-connections', 2 * CONNECTIONS, '--idle-timeout', '600s',
		defined $size ? ('--max-header-size', $size) : () ]);
	my $what = defined $size ? "heads of $size bytes" : 'default options';
	my $before = $bridge->memory_kb;
	my @open;
	push @open, open_some($bridge, AT_ONCE) while @open < CONNECTIONS;
	is(scalar @open, CONNECTIONS, "$what: ten thousand connections, each served");
	my $more = $bridge->memory_kb - $before;
	cmp_ok($more * 1024 / CONNECTIONS, '<', ($size || 10_240) + 1536 + 3072,
		'... with a bounded memory for each');
	ok(wait_until(sub { $bridge->memory_kb - $before <= MOST_KB }, 'memory to be given back'),
		'... and 64 MB for all once they wait');
	my @wrong = grep { $bridge->get($path, $sample->{admin})->{body} ne $list } 1 .. 50;
	is(scalar @wrong, 0, '... and lists are served beside them');
	syswrite $open[0], "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
	sysread $open[0], my $again, 65536;
	like($again, qr/GOOD/, '... the oldest of them included');
	my $less = $bridge->memory_kb - $before;
	note(sprintf 'figure: %s: %.0f MB for all as they were opened, %.0f MB now', $what, $more / 1024, $less / 1024);
	close $_ for @open;
	wait_until(
		sub {
			my $left = $bridge->connections;
			return $left >= 0 && $left < 100;
		},
		'all of them to be gone');
	is($bridge->get($path, $sample->{admin})->{body}, $list, '... and when they have gone');
	ok(wait_until(sub { $bridge->memory_kb - $before <= LEFT_KB }, 'memory to be given back'),
		'... with their memory');
	$bridge->stop_ok;
}

done_testing();
