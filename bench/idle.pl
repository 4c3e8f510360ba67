#!/usr/bin/env perl
# Opens COUNT keep-alive connections to 127.0.0.1:PORT, sends one request on each, says "ready"
# once all are answered, and holds them until its standard input ends.

use strict;
use warnings;

use IO::Socket::INET;

my ($port, $count, $path, $token) = @ARGV;
my @connections;

for my $i (1 .. $count)
{
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port)
	  or die "connection $i: $!\n";
	print {$socket} "GET $path HTTP/1.1\r\nHost: localhost\r\nAuthorization: $token\r\n\r\n";
	$socket->flush;
	my $answer = '';
	while ($answer !~ /\r\n\r\n/)
	{
		sysread($socket, $answer, 65536, length $answer) or die "connection $i was closed\n";
	}
	my ($length) = $answer =~ /\r\nContent-Length: (\d+)/i;
	my $missing = $length - (length($answer) - index($answer, "\r\n\r\n") - 4);
	while ($missing > 0)
	{
		my $got = sysread($socket, my $more, $missing) or die "connection $i was closed\n";
		$missing -= $got;
	}
	push @connections, $socket;
}
$| = 1;
print "ready\n";
<STDIN>;
