# slowhttptest against the bridge, without and with TLS: slow heads, slow bodies, slow readers, more
# of them than there are connections, while another client asks for a list all the time. It gets every
# answer, and when the attack is over so are its connections.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/../lib";
use PatTest;
use PatBridge;
use PatTls;

PatTest::cannot_run('slowhttptest is not installed')
  unless grep { -x "$_/slowhttptest" } split /:/, $ENV{PATH};

use constant { ATTACKERS => 600, CONNECTIONS => 400, SECONDS => 20 };

my $node = new_cluster('slow');
my $sample = load_sample($node);
my $path = "/api/admin/service-account/$sample->{account}/token";
my $list = sql_list($node, $sample->{account}, $sample->{admin});
$node->safe_psql('postgres', <<~"SQL");
	SELECT count(*) FROM generate_series(1, 1000) AS n,
		LATERAL pat_create_token($sample->{empty}, 'token ' || n, now() + '1 day'::interval)
	SQL
my $ca = PatTls->new(PostgreSQL::Test::Utils::tempdir_short());
my ($cert, $key) = $ca->issue('server');

# Options of slowhttptest, for each kind.
my %attack = (
	'slow heads' => [ '-H', '-i', '1', '-x', '24' ],
	'slow bodies' => [ '-B', '-i', '1', '-s', '100000', '-x', '10', '-t', 'POST' ],
	'slow readers' => [ '-X', '-w', '1', '-y', '2', '-z', '1', '-n', '5', '-k', '3' ]);

sub attack
{
	my ($bridge, $kind, $url, @arguments) = @_;
	my @command = ('slowhttptest', @{ $attack{$kind} }, '-c', ATTACKERS, '-r', 300, '-l', SECONDS,
		'-p', 3, '-u', $url . "/api/admin/service-account/$sample->{empty}/token", '-j',
		"Authorization: $sample->{admin}");
	my $out = '';
	my $run = IPC::Run::start(\@command, '<', \undef, '>&', \$out, IPC::Run::timeout(300));
	my ($asked, $served, $slowest) = (0, 0, 0);
	while (IPC::Run::pumpable($run) && $asked < 10_000)
	{
		my $started = Time::HiRes::time();
		my $answer = http_call("$url$path", token => $sample->{admin}, args => \@arguments);
		my $time = Time::HiRes::time() - $started;
		$asked++;
		$served++ if $answer->{status} eq '200' && $answer->{body} eq $list;
		$slowest = $time if $time > $slowest;
		eval { $run->pump_nb; 1 } or last;
	}
	eval { $run->finish };
	cmp_ok($asked, '>', 20, "$kind: another client asks meanwhile");
	is($served, $asked, '... and gets every answer');
	cmp_ok($slowest, '<', 15, '... in a time') or diag($out);
	note(sprintf '%s: %d asked, %d served, slowest %.2f s', $kind, $asked, $served, $slowest);
	like($out, qr/slow HTTP test/i, '... while the attack ran');
	return;
}

for my $tls (0, 1)
{
	my @tls = $tls ? ('--tls-cert', $cert, '--tls-key', $key) : ();
	my $bridge = PatBridge->start($node, ready => 0,
		options => [ '--workers', '1', '--max-connections', CONNECTIONS, '--client-timeout', '5s',
			'--idle-timeout', '5s', @tls ]);
	my $url = ($tls ? 'https' : 'http') . '://127.0.0.1:' . $bridge->port;
	my @arguments = ('--cacert', $ca->cert);
	wait_until(
		sub { http_call("$url/ready", args => \@arguments)->{status} eq '200' },
		'the bridge to be ready');
	note($tls ? 'with TLS' : 'without TLS');
	attack($bridge, $_, $url, @arguments) for sort keys %attack;
	wait_until(
		sub {
			my $left = $bridge->connections(scheme => $tls ? 'https' : 'http', args => \@arguments);
			return $left >= 0 && $left < 20;
		},
		'the connections of the attack to be gone');
	is(http_call("$url$path", token => $sample->{admin}, args => \@arguments)->{body}, $list,
		'all is well afterwards');
	$bridge->stop_ok;
}

done_testing();
