# A lock on pat_token held for a minute under load, with the time-out that is the default: 504 in
# time, a bounded queue, flat memory, no more sessions than before, and normal service right after.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/../lib";
use PatLoad;
use PatTest;
use PatBridge;
use PatHolder;
use PatTraffic;
use PatWire;
use Time::HiRes ();

my ($seconds, $timeout, $connections) = (60, 10, 300);
my $node = new_cluster('lock', settings => "max_connections = 40\n");
my $sample = load_sample($node);
my $traffic = PatTraffic->new($node, $sample);
my $admin = $sample->{admin};
my $path = "/api/admin/service-account/$sample->{account}/token";
my $list = sql_list($node, $sample->{account}, $admin);
my $bridge = PatBridge->start($node, options => [ '--workers', '1' ]);

# run(NAME, NEXT): the count of each status, and the longest time.
sub run
{
	my ($name, $next) = @_;
	my %count = (longest => 0);
	my $report = PatLoad::run(
		port => $bridge->port, connections => $connections, tolerate => { 503 => 1, 504 => 1 },
		next => sub {
			my $request = $next->() or return;
			return { %$request, asked => Time::HiRes::time() };
		},
		answered => sub {
			my ($request, $status) = @_;
			my $took = Time::HiRes::time() - $request->{asked};
			$count{longest} = $took if $took > $count{longest};
			$count{$status}++;
			$traffic->check(@_);
		});
	my $wrong = 0;
	$wrong += $report->{$_} for qw(wrong_status wrong_body broken lost given_up);
	is($wrong, 0, "$name: no wrong answer") or diag(join "\n", @{ $report->{examples} });
	is($report->{answered}, $report->{asked}, "$name: as many answers as requests");
	is_deeply($traffic->faults, [], "$name: errors have the documented form");
	return \%count;
}

my $warm = 20_000;
run('before', sub { return $warm-- > 0 ? $traffic->request : undef });
my $before = $bridge->memory_kb;
my $holder = PatHolder->new($node);

$holder->does('BEGIN; LOCK TABLE pat_token IN ACCESS EXCLUSIVE MODE');
my $end = Time::HiRes::time() + $seconds;
my ($healthy, $looked, $next_look) = (0, 0, 0);
my $locked = run('locked', sub {
	my $now = Time::HiRes::time();
	return if $now > $end;
	if ($now > $next_look)
	{
		$next_look = $now + 1;
		$looked++;
		$healthy += $bridge->get('/health')->{status} eq '200';
	}
	return $traffic->request;
});
cmp_ok($locked->{504} || 0, '>=', $connections, 'everybody has waited in vain');
cmp_ok($locked->{longest}, '<', $timeout + 5, '... within the time-out');
is($healthy, $looked, '... the bridge healthy all the time');
cmp_ok($bridge->memory_kb - $before, '<', 20_000, '... its memory bounded');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'pat_bridge'}), '2',
	'... and no more sessions than before');
my $released = Time::HiRes::time();
$holder->does('COMMIT');
ok(wait_until(sub { $bridge->get($path, $admin)->{status} eq '200' }, 'the list'), 'released: lists again');
my $took = Time::HiRes::time() - $released;
cmp_ok($took, '<', 2, '... at once');
is_json_answer($bridge->get($path, $admin), 200, $list, '... as they are');
my $left = 20_000;
my $after = run('released', sub { return $left-- > 0 ? $traffic->request : undef });
is_deeply([ sort grep { /^\d/ } keys %$after ], [qw(200 401 403 404)], 'released: neither 503 nor 504');
diag(sprintf 'locked for %d s: %s; longest %.2f s; lists %.0f ms after the release; memory %d kB, before %d kB',
	$seconds, join(', ', map { "$_: $locked->{$_}" } sort grep { /^\d/ } keys %$locked), $locked->{longest},
	1000 * $took, $bridge->memory_kb, $before);
$holder->quit;
$bridge->stop_ok;
$node->stop;
done_testing();
