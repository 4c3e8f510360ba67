# Lists that ask for the same thing, with the same token, and wait at the same time: the database makes
# them once, and each request has its answer as if it were alone. Nobody joins a call that was sent
# before he asked.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;
use PatBridge;
use PatHolder;
use PatMetrics;
use PatWire;

my $node = new_cluster('alike', settings => "shared_preload_libraries = '\$libdir/pat'\n");
my $sample = load_sample($node);
my $admin = $sample->{admin};
my $path = "/api/admin/service-account/$sample->{account}/token";
my $other = $node->safe_psql('postgres', q{SELECT pat_create_admin_token('another')});
my $bridge = PatBridge->start($node,
	options => [ '--workers', '1', '--request-timeout', '120s', '--log-level', 'info' ]);
my $holder = PatHolder->new($node);

sub lock_tokens { return $holder->does('BEGIN; LOCK TABLE pat_token IN ACCESS EXCLUSIVE MODE'); }

sub ask
{
	my ($where, $token) = @_;
	my $wire = PatWire->new($bridge->port);
	$wire->send(PatWire::request('GET', $where, token => $token));
	return $wire;
}

sub scrape { return PatMetrics->parse($bridge->get('/metrics')->{body}); }
sub joined { return scrape()->value('pat_bridge_lane_calls_joined_total', lane => 'read'); }
sub queued { return scrape()->value('pat_bridge_lane_queued_calls', lane => 'read'); }
sub calls { return $node->safe_psql('postgres', 'SELECT calls FROM pat_stat'); }

# One list is in the database, which waits for the lock; so many are queued behind it.
sub hold_up
{
	my ($asked) = @_;
	lock_tokens();
	my $first = ask($path, $admin);
	ok(wait_until(sub { scrape()->value('pat_bridge_lane_calls_in_flight', lane => 'read') == 1 }, 'a list'),
		'a list is in the database');
	my @others = map { ask(@{$_}) } @{$asked};
	ok(wait_until(sub { queued() == @others }, 'the others'), '... and ' . @others . ' wait behind it');
	return ($first, @others);
}

# ---- the same request --------------------------------------------------------------------------

my $list = sql_list($node, $sample->{account}, $admin);
my ($calls, $joined) = (calls(), joined());
my @wires = hold_up([ ([ $path, $admin ]) x 40 ]);
$holder->does('ROLLBACK');
my @answers = map { $_->answer } @wires;
is(scalar(grep { $_->{status} == 200 && $_->{body} eq $list } @answers), 41, 'all have the list');
my %ids = map { $_->{headers}{'x-request-id'} => 1 } @answers;
is(scalar keys %ids, 41, '... under an id of their own');
is(scalar(grep { $bridge->log =~ /$_/ } keys %ids), 41, '... and a line of their own in the log');
is(joined() - $joined, 39, '39 of 40 that waited have joined the call of another');
ok(wait_until(sub { calls() == $calls + 2 }, 'the count'), '... the database was called twice')
  or diag('calls: ' . (calls() - $calls));
is(scrape()->value('pat_bridge_lane_calls_in_flight', lane => 'read'), 0, 'nothing is left in flight');
is_json_answer($_->call('GET', $path, token => $admin), 200, $list, '... and their connections go on')
  for @wires[ 0, 1, 40 ];

# ---- requests that differ ----------------------------------------------------------------------

# Another token, an unknown one, another scheme, none; and another way to write the same path.
$joined = joined();
my $written = "/api/admin/service-account/%3$sample->{account}/token";
my @differ = (
	[ $path, $admin, 200 ], [ $path, $other, 200 ], [ $path, "Bearer $admin", 200 ],
	[ $path, undef, 401 ], [ $path, 'user:nobody', 401 ], [ $path, 'user:nobody', 401 ],
	[ '/api/admin/service-account/999/token', $admin, 404 ], [ $written, $admin, 200 ]);
@wires = hold_up(\@differ);
$holder->does('ROLLBACK');
shift @wires;
@answers = map { $_->answer } @wires;
is(join(' ', map { $_->{status} } @answers), join(' ', map { $_->[2] } @differ), 'each has its own answer');
is(scalar(grep { $_->{body} eq $list } @answers), 4, '... the list, if it may');
isnt($answers[4]{body}, $answers[5]{body}, '... two refusals alike, but for their ids');
is(joined() - $joined, 2, 'who asked for the same with the same token has joined: a list, a refusal');

# ---- a change that they know of ----------------------------------------------------------------

# Committed while the first list is in the database; who asks afterwards has to see it.
lock_tokens();
my $before = ask($path, $admin);
ok(wait_until(sub { scrape()->value('pat_bridge_lane_calls_in_flight', lane => 'read') == 1 }, 'a list'),
	'a list is in the database');
$holder->does("SELECT FROM pat_create_token($sample->{account}, 'made meanwhile')");
$holder->does('COMMIT');
my @after = map { ask($path, $admin) } 1 .. 5;
is(scalar(grep { index($_->answer->{body}, '"made meanwhile"') > 0 } @after), 5,
	'who asks after a change sees it');
is($before->answer->{status}, '200', '... whatever a list before it saw');

# ---- who leaves --------------------------------------------------------------------------------

$list = sql_list($node, $sample->{account}, $admin);
@wires = hold_up([ ([ $path, $admin ]) x 10 ]);
$_->close for @wires[ 0, 1, 3, 5 ];
$holder->does('ROLLBACK');
is_json_answer($_->answer, 200, $list, 'who stays has the list') for @wires[ 2, 4, 6 .. 10 ];

$holder->quit;
$bridge->stop_ok;
done_testing();
