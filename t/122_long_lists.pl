# Long lists through a Unix socket: however slowly a client reads them, nothing is lost and nothing
# mixed up.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;
use IO::Socket::UNIX;

my $node = new_cluster('long_lists');
my $sample = load_sample($node);
$node->safe_psql('postgres', <<~"SQL");
	INSERT INTO pat_token (account_id, description, secret_hash)
	SELECT $sample->{account}, 'token ' || n, sha256(n::text::bytea) FROM generate_series(1, 1500) n;
	SQL
my $list = sql_list($node, $sample->{account}, $sample->{admin});

# A client that reads when it is told to: the server's protocol 3, as far as it is needed here.
my $client = IO::Socket::UNIX->new(Peer => $node->host . '/.s.PGSQL.' . $node->port)
  or die "connect: $!";
my $user = getpwuid $<;

sub take
{
	my ($size) = @_;
	my $bytes = '';
	while (length $bytes < $size)
	{
		sysread $client, $bytes, $size - length $bytes, length $bytes or die 'the server has gone';
	}
	return $bytes;
}

# What the server says until it is ready again: the columns of all rows, and the process.
sub answer
{
	my (@columns, $process);
	while (1)
	{
		my ($type, $length) = unpack 'a N', take(5);
		my $body = take($length - 4);
		die $body if $type eq 'E';
		push @columns, unpack 'x2 N/a', $body if $type eq 'D';
		$process = unpack 'N', $body if $type eq 'K';
		return ($process, @columns) if $type eq 'Z';
	}
}

sub ask { return syswrite $client, pack('a N Z*', 'Q', length($_[0]) + 5, $_[0]); }

my $start = pack 'N Z* Z* Z* Z* x', 196608, 'user', $user, 'database', 'postgres';
syswrite $client, pack('N', length($start) + 4) . $start;
my ($process) = answer();
my $call = "pat_list_for_service_account('$sample->{account}', '$sample->{admin}')";
ask("SELECT $call");
is((answer())[1], $list, 'a long list');
cmp_ok(length $list, '>', 140_000, '... of which a socket by itself holds one only');

ask("SELECT $call FROM generate_series(1, 2)");
is_deeply([ (answer())[ 1, 2 ] ], [ $list, $list ], 'two more');

ask('SELECT count(*) FROM generate_series(1, 40)');
is((answer())[1], 40, 'the session goes on');
ask("SELECT $call FROM generate_series(1, 40)");
ok( wait_until(
		sub {
			$node->safe_psql('postgres',
				"SELECT wait_event FROM pg_stat_activity WHERE pid = $process") eq 'ClientWrite';
		},
		'the session to wait for its client',
		20),
	'a session whose client does not read waits for it');
is(scalar(grep { $_ eq $list } answer()), 40, '... and more than fits anywhere comes as it is read');

done_testing();
