# Clients that leave while a lock keeps the server from answering: what the server does for nobody is
# cancelled long before its time-out, what was not sent yet is not sent, and nobody who stays sees any
# of it, however the signal falls. A change goes on though its client has left.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;
use PatBridge;
use PatHolder;
use PatWire;
use Time::HiRes ();

my $node = new_cluster('cancel', settings => "max_connections = 40\nlog_line_prefix = '%n %p %a '\n");
my $sample = load_sample($node);
my $admin = $sample->{admin};
my $path = "/api/admin/service-account/$sample->{account}/token";
my $list = sql_list($node, $sample->{account}, $admin);
my $bridge = PatBridge->start($node,
	options => [ '--workers', '1', '--request-timeout', '300s', '--log-level', 'debug' ]);
my $holder = PatHolder->new($node);

sub lock_tokens { return $holder->does('BEGIN; LOCK TABLE pat_token IN ACCESS EXCLUSIVE MODE'); }
sub unlock { return $holder->does('COMMIT'); }

sub waiting
{
	return $node->safe_psql('postgres', <<~'SQL');
		SELECT count(*) FROM pg_stat_activity WHERE usename = 'pat_bridge' AND wait_event_type = 'Lock'
		SQL
}

sub cancelled
{
	return scalar(() = slurp($node->logfile) =~ /canceling statement due to user request/g);
}

sub ask
{
	my ($method, $where, %option) = @_;
	my $wire = PatWire->new($bridge->port);
	$wire->send(PatWire::request($method, $where, token => $admin, %option));
	return $wire;
}

sub answered { return grep { $_->{in} ne '' || $_->read_some(0) } @_; }

# ---- all leave ---------------------------------------------------------------------------------

lock_tokens();
my @leaving = map { ask('GET', $path) } 1 .. 64;
ok(wait_until(sub { waiting() == 1 }, 'a list'), 'a list waits in the server');
is(cancelled(), 0, '... as long as anybody waits for it');
$_->close for @leaving;
my $left = Time::HiRes::time();
sub left_in_log { return scalar(() = $bridge->log =~ / status=0 /g); }
ok(wait_until(sub { left_in_log() == @leaving }, 'all to be missed'), 'all leave: the log has each of them');
ok(wait_until(sub { waiting() == 0 }, 'nothing to be left'), '... and the server waits for nobody');
diag(sprintf 'all leave: nothing is left after %.0f ms (time-out: 300 s), %d cancelled',
	1000 * (Time::HiRes::time() - $left), cancelled());
cmp_ok(cancelled(), '>=', 1, '... because it was cancelled');
unlike($bridge->log, qr/ lost: /, '... on the same connection');
unlock();
is_json_answer($bridge->get($path, $admin), 200, $list, 'released: lists as they are');

# ---- some leave --------------------------------------------------------------------------------

# Each with a token of its own: who asks for the same with the same token shares a call, which goes on
# for those who stay.
my @tokens = split /\n/, $node->safe_psql('postgres',
	q{SELECT pat_create_admin_token('client ' || n) FROM generate_series(1, 30) AS n});

for my $round (1 .. 10)
{
	lock_tokens();
	my @clients = map { ask('GET', $path, token => $_) } @tokens;
	wait_until(sub { waiting() == 1 }, 'a list');
	# The oldest, and others here and there; the lock goes while cancellations are under way.
	my %leaves = map { $_ => 1 } 0, grep { ($_ * 7 + $round) % 3 == 0 } 1 .. $#clients;
	my $before = cancelled();
	$clients[$_]->close for keys %leaves;
	wait_until(sub { cancelled() > $before }, 'a cancellation') if $round % 2;
	Time::HiRes::sleep($round * 0.02);
	my @stay = @clients[ grep { !$leaves{$_} } 0 .. $#clients ];
	is(scalar answered(@stay), 0, "round $round: nobody who stays is answered");
	unlock();
	my @answers = map { $_->answer } @stay;
	is(scalar(grep { $_ && $_->{status} == 200 && $_->{body} eq $list } @answers), scalar @stay,
		"round $round: released: all who stayed get their list");
}
unlike($bridge->log, qr/ lost: /, 'on the same connection to the end');

# ---- changes -----------------------------------------------------------------------------------

sub count_tokens { return $node->safe_psql('postgres', 'SELECT count(*) FROM pat_token'); }

my $tokens = count_tokens();
my $cancelled = cancelled();
lock_tokens();
my @changes = map {
	ask('POST', $path, body => qq({"description":"change $_","expiresAt":"2099-01-01T00:00:00Z"}))
} 1 .. 4;
ok(wait_until(sub { waiting() == 1 }, 'a change'), 'a change waits in the server, others in the bridge');
$changes[$_]->close for 0, 1, 3;
my $lists = ask('GET', $path);
ok(wait_until(sub { waiting() == 2 }, 'a list'), 'clients left: the change still waits');
Time::HiRes::sleep(0.3);    # longer than a call must wait before its client is asked after
unlock();
is_json_answer($changes[2]->answer, 201, undef, 'released: who stayed has made his change');
is($lists->answer->{status}, 200, '... lists go on');
ok(wait_until(sub { count_tokens() == $tokens + 2 }, 'both'), 'the change under way is made, too');
is($node->safe_psql('postgres', q{SELECT string_agg(description, ', ' ORDER BY description)
	FROM pat_token WHERE description LIKE 'change %'}), 'change 1, change 3',
	'... and those that were not sent are not');
is(cancelled(), $cancelled, 'no change is cancelled');
$holder->quit;
$bridge->stop_ok;
$node->stop;
done_testing();
