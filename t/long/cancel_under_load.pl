# A minute of locks that come and go, of clients that leave at any moment, and of others that stay:
# cancellations fall where they may, and whoever stays gets the right answer, each time.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/../lib";
use PatLoad;
use PatTest;
use PatBridge;
use PatTraffic;
use PatWire;
use POSIX ();
use Time::HiRes ();

my ($seconds, $stay, $leave, $each) = (60, 40, 20, 200);
my $node = new_cluster('cancel', settings => "max_connections = 40\n");
my $sample = load_sample($node);
my $traffic = PatTraffic->new($node, $sample);
my $path = "/api/admin/service-account/$sample->{account}/token";

# A call is cancelled when all have left who wait for it, and those who ask for the same wait for one:
# each of those who leave has a token of its own. They ask again and again, so that a lock meets them.
my @leavers = split /\n/, $node->safe_psql('postgres',
	qq{SELECT pat_create_admin_token('leaver ' || n) FROM generate_series(1, $leave) n});
my $bridge = PatBridge->start($node,
	options => [ '--workers', '1', '--read-connections', '2', '--log-level', 'debug' ]);
my $end = Time::HiRes::time() + $seconds;

# Repeats the code until the time is over, in a process of its own.
sub beside
{
	my ($code) = @_;
	my $pid = fork;
	die "fork: $!" unless defined $pid;
	return $pid if $pid;
	srand $$;
	$code->() while Time::HiRes::time() < $end;
	POSIX::_exit(0);
}

my @beside = (
	beside(sub {
		my $held = 0.1 + rand 0.3;
		$node->psql('postgres',
			"BEGIN; LOCK TABLE pat_token IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep($held); COMMIT");
		Time::HiRes::sleep(rand 0.05);
	}),
	beside(sub {
		my @wires = map { PatWire->new($bridge->port) } @leavers;
		$wires[$_]->send(PatWire::request('GET', $path, token => $leavers[$_]) x $each) for 0 .. $#wires;
		Time::HiRes::sleep(rand 0.2);
		$_->close for @wires;
	}));
my $report = PatLoad::run(
	port => $bridge->port, connections => $stay,
	next => sub { return Time::HiRes::time() < $end ? $traffic->request : undef },
	answered => sub { $traffic->check(@_) });
waitpid $_, 0 for @beside;

my $wrong = 0;
$wrong += $report->{$_} for qw(wrong_status wrong_body broken lost given_up);
is($wrong, 0, 'no wrong answer, no error') or diag(join "\n", @{ $report->{examples} });
is($report->{answered}, $report->{asked}, 'as many answers as requests');
is_deeply($traffic->faults, [], 'errors have the documented form');
my $cancelled = () = slurp($node->logfile) =~ /canceling statement due to user request/g;
my $left = () = $bridge->log =~ / status=0 /g;
cmp_ok($cancelled, '>', 0, 'calls have been cancelled');
cmp_ok($left, '>', 0, 'clients have left');
unlike($bridge->log, qr/ lost: /, 'no connection to the database was lost');
note("figure: $report->{asked} requests asked, $left clients left, $cancelled calls cancelled");
$bridge->stop_ok;
$node->stop;
done_testing();
