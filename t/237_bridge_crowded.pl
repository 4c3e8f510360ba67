# F16: a server without a connection left, or one that refuses, is asked less and less often; each
# pool of a bridge has its first connection before any has a second one; /ready/write says whether
# changes are served, too.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;
use PatBridge;
use PatWire;
use Time::HiRes ();

my $bridges = 12;
my $node = new_cluster('main', settings => "max_connections = 20\nsuperuser_reserved_connections = 3\n");
my $sample = load_sample($node);
my $path = "/api/admin/service-account/$sample->{account}/token";
PatTest::bridge_role($node, 'postgres');

sub sql { return $node->safe_psql('postgres', @_); }

# As many connections as the role may have; -1: as many as there are.
sub set_limit { return sql("ALTER ROLE pat_bridge CONNECTION LIMIT $_[0]"); }

sub start_bridge
{
	my (%option) = @_;
	my $db = sprintf "host='%s' port=%d user=%s dbname=%s", $node->host, $node->port,
	  $option{user} || 'pat_bridge', $option{database} || 'postgres';
	return PatBridge->start($node, db => $db, ready => 0, options => $option{options});
}

sub readiness { return $_[0]->get($_[1] || '/ready')->{status}; }
sub lines { return scalar(() = $_[0]->log =~ /$_[1]/g); }

# ---- the first of each pool before any second --------------------------------------------------

# Eight pools, 24 connections wanted, ten to be had.
set_limit(10);
my $wide = start_bridge(options => [ '--workers', '4', '--read-connections', '4', '--write-connections', '2' ]);
ok(wait_until(sub { sql(q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'pat_bridge'}) == 10 }, 'ten sessions'),
	'F16: ten connections of 24');
for my $pool ('read', 'write')
{
	is(lines($wide, qr/"$pool 1" is up/), 4, "... each $pool pool has its first");
}
is(readiness($wide), '200', '... ready');
is(readiness($wide, '/ready/write'), '200', '... for changes, too');
set_limit(-1);
$wide->stop_ok;

# ---- readiness for changes ---------------------------------------------------------------------

set_limit(1);
my $bridge = start_bridge(options => [ '--workers', '1' ]);
ok(wait_until(sub { $bridge->log =~ /" is up/ && $bridge->log =~ /is not available: .*FATAL:  too many connections for role/ }, 'one connection'),
	'F16: one connection for two pools');
my $lists = $bridge->log =~ /"read 1" is up/;
is(readiness($bridge), $lists ? '200' : '503', '... ready if that is for lists');
is_refused($bridge->get('/ready/write'), 503, 'ServiceUnavailableError', undef, '... not ready for changes');
unlike($bridge->log, qr/53300|LOCATION/, '... the log has the message and no more');
set_limit(-1);
ok(wait_until(sub { readiness($bridge, '/ready/write') eq '200' }, 'the other connection'),
	'... ready when there are enough');
is_json_answer($bridge->get('/ready/write'), 200, '{"ready":true}', '... by this body');
$bridge->stop_ok;

# ---- how often a server that refuses is asked ---------------------------------------------------

# rare_ok(PATTERN, POOLS, NAME): of lines in the server's log since SIZE, at most two for each pool at
# once, and one a second from then on; the old pace was twelve a second.
sub rare_ok
{
	my ($pattern, $pools, $size, $started, $name) = @_;
	my $count = () = substr(slurp($node->logfile), $size) =~ /$pattern/g;
	my $elapsed = Time::HiRes::time() - $started;
	cmp_ok($count, '>=', 1, "$name: refused");
	cmp_ok($count, '<=', $pools * (2 + $elapsed), "... seldom");
	diag(sprintf '%s: refused %d times in %.1f s, %d pools', $name, $count, $elapsed, $pools);
	return;
}

my ($size, $started) = (-s $node->logfile, Time::HiRes::time());
my @crowd = map { start_bridge(options => [ '--workers', '1', '--read-connections', '2' ]) } 1 .. $bridges;
Time::HiRes::sleep(5);
rare_ok(qr/FATAL:  (?:sorry, too many clients|remaining connection slots)/, 2 * $bridges, $size, $started,
	'F16: 12 bridges for 17 connections');
my @served = grep { readiness($_, '/ready/write') eq '200' } @crowd;
cmp_ok(scalar @served, '>=', 4, '... some are served');
my @half = grep { readiness($_) eq '200' && readiness($_, '/ready/write') ne '200' } @crowd;
cmp_ok(scalar @half, '<=', 1, '... with lists and changes, all but one at most');
$_->stop_ok('... a bridge ends') for splice @crowd, 0, 8;
ok(wait_until(sub { !grep { readiness($_, '/ready/write') ne '200' } @crowd }, 'the others'),
	'... the others are ready when these have gone');
$_->stop_ok('... a bridge ends') for @crowd;

for my $case ([ user => 'regress_pat_nobody', qr/FATAL:  role "regress_pat_nobody" does not exist/ ],
	[ database => 'nowhere', qr/FATAL:  database "nowhere" does not exist/ ])
{
	my ($what, $value, $pattern) = @$case;
	($size, $started) = (-s $node->logfile, Time::HiRes::time());
	my $lost = start_bridge($what => $value, options => [ '--workers', '2', '--read-connections', '4' ]);
	Time::HiRes::sleep(4);
	rare_ok($pattern, 4, $size, $started, "F16: no such $what");
	is(readiness($lost), '503', '... not ready');
	is($lost->get($path, $sample->{admin})->{status}, '503', '... lists: 503 at once');
	$lost->stop_ok;
}

# One read connection for two workers: whichever of them is asked, the bridge is not ready.
my $reader = 'regress_pat_reader';
sql("CREATE ROLE $reader LOGIN CONNECTION LIMIT 1");
sql("ALTER ROLE $reader SET log_parameter_max_length = 0");
sql("ALTER ROLE $reader SET log_parameter_max_length_on_error = 0");
sql("SELECT pat_grant_api('$reader')");
my $address = sprintf "host='%s' port=%d dbname=postgres", $node->host, $node->port;
my $halved = start_bridge(options => [ '--workers', '2', '--read-db', "$address user=$reader" ]);
ok(wait_until(sub { $halved->log =~ /"read 1" is up/ }, 'one of two read connections'),
	'F16: one worker of two has a read connection');
my %told;
$told{ readiness($halved) }++ for 1 .. 40;
is(join(' ', sort keys %told), '503', 'F16: ... /ready is 503, whichever worker is asked');
sql("ALTER ROLE $reader CONNECTION LIMIT -1");
ok(wait_until(sub { readiness($halved) eq '200' }, 'both workers'), '... and 200 once both have one');
$halved->stop_ok;

$node->stop;
done_testing();
