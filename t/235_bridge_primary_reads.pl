# F3: without --read-db lists come from the primary, wherever it stands in the list of hosts: a
# token that was deleted is refused at once, though a standby that stands before it in the list lags.
# After a failover the same holds with the old primary back as a standby.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;
use PatBridge;
use PatWire;

my $primary = new_cluster('one', streaming => 1, settings => "max_connections = 40\n");
my $sample = load_sample($primary);
PatTest::bridge_role($primary, 'postgres');
my $person_path = '/api/admin/user/tokens';
$primary->backup('base');

# standby_of(NODE, NAME, DELAY): it applies what it gets so much later.
sub standby_of
{
	my ($node, $name, $delay) = @_;
	my $standby = PostgreSQL::Test::Cluster->new($name);
	$standby->init_from_backup($node, 'base', has_streaming => 1);
	$standby->append_conf('postgresql.conf', "recovery_min_apply_delay = '$delay'\n");
	$standby->start;
	return $standby;
}

sub conninfo
{
	my ($name, $attributes, @nodes) = @_;
	return sprintf "host='%s' port=%s user=pat_bridge dbname=postgres application_name=%s %s",
	  join(',', map { $_->host } @nodes), join(',', map { $_->port } @nodes), $name, $attributes;
}

sub start_bridge
{
	my ($db, @options) = @_;
	return PatBridge->start($primary, db => $db, ready => 0,
		options => [ '--workers', '1', '--read-connections', '2', @options ]);
}

sub sessions
{
	my ($node, $name) = @_;
	return $node->safe_psql('postgres',
		"SELECT count(*) FROM pg_stat_activity WHERE application_name = '$name'");
}

sub ready_ok
{
	my ($bridge, $name) = @_;
	return ok(wait_until(sub { $bridge->get('/ready/write')->{status} eq '200' }, 'the bridge'), $name);
}

# A token that is deleted is refused by the next request, and one that is made is accepted.
sub consistent_ok
{
	my ($bridge, $name) = @_;
	my $made = http_call($bridge->url($person_path), token => $sample->{viewer},
		body => qq({"description":"$name","expiresAt":"2099-01-01T00:00:00Z"}));
	is($made->{status}, 201, "$name: a token is made");
	my $token = from_json($made->{body});
	is($bridge->get($person_path, $token->{secret})->{status}, 200, "$name: ... and lists at once");
	is(http_call($bridge->url("$person_path/$token->{id}"), method => 'DELETE',
			token => $sample->{viewer})->{status}, 200, "$name: ... is deleted");
	is($bridge->get($person_path, $token->{secret})->{status}, 401, "$name: ... and refused at once")
	  for 1 .. 4;
	return;
}

my $standby = standby_of($primary, 'two', '1h');
my $bridge = start_bridge(conninfo('both', '', $standby, $primary));
ready_ok($bridge, 'F3: a lagging standby first in the list');
is($bridge->get('/ready')->{status}, 200, '... ready');
consistent_ok($bridge, 'F3: standby first');
ok(wait_until(sub { sessions($primary, 'both') == 3 }, 'all connections'), '... all connections are to the primary');
is(sessions($standby, 'both'), 0, '... and none to the standby');

# prefer-standby is a wish, and no name of servers for reading.
my $wish = start_bridge(conninfo('wish', 'target_session_attrs=prefer-standby', $standby, $primary));
ready_ok($wish, 'F3: prefer-standby in --db');
consistent_ok($wish, 'F3: prefer-standby');
$wish->stop_ok;

# A name that leads to a standby and nothing else: nothing rather than something old.
my $alone = start_bridge(conninfo('alone', '', $standby));
ok(wait_until(sub { $alone->log =~ /"read 1" is not available: .*hot standby/ }, 'the line'),
	'F3: only a standby: the log says so');
is_refused($alone->get('/ready'), 503, 'ServiceUnavailableError', undef, '... not ready');
is_refused($alone->get($person_path, $sample->{viewer}), 503, 'ServiceUnavailableError', undef,
	'... lists: 503');

# Whoever wants that says so.
my $reader = start_bridge(conninfo('reader', '', $primary), '--read-db', conninfo('reader', '', $standby));
ok(wait_until(sub { $reader->get('/ready')->{status} eq '200' }, 'lists'), 'F3: --read-db names a standby');
is($reader->get($person_path, $sample->{viewer})->{status}, 200, '... lists come from there');
is(sessions($standby, 'reader'), 2, '... by its connections');
$reader->stop_ok;

# A primary that takes no changes for now is one all the same.
$primary->safe_psql('postgres', 'ALTER DATABASE postgres SET default_transaction_read_only = on');
my $quiet = start_bridge(conninfo('quiet', '', $standby, $primary));
ok(wait_until(sub { $quiet->get('/ready')->{status} eq '200' }, 'lists'), 'F3: a read-only primary: lists');
is($quiet->get('/ready/write')->{status}, 503, '... not ready for changes');
$primary->safe_psql('postgres', q{SET default_transaction_read_only = off;
	ALTER DATABASE postgres RESET default_transaction_read_only});
ready_ok($quiet, '... until it takes them');
$quiet->stop_ok;

# After a failover the old primary comes back as a standby, still first or last in the list.
my $third = standby_of($primary, 'three', 0);
my $later = start_bridge(conninfo('later', '', $primary, $third, $standby));
ready_ok($later, 'F3: before a failover');
$primary->wait_for_catchup($third);
$primary->stop('fast');
$third->promote;
ready_ok($later, '... after it');
$primary->append_conf('postgresql.conf', "recovery_min_apply_delay = '1h'\n");
$primary->set_standby_mode;
$primary->enable_streaming($third);
$primary->start;
consistent_ok($later, 'F3: the old primary is a standby');
$third->safe_psql('postgres', q{SELECT count(pg_terminate_backend(pid, 60000)) FROM pg_stat_activity
	WHERE application_name = 'later'});
ready_ok($later, '... with new connections');
consistent_ok($later, 'F3: new connections');
is(sessions($primary, 'later'), 0, '... none to the old primary');
$later->stop_ok;

# A standby that was alone is promoted: lists come without a restart.
$bridge->stop_ok;
$third->stop('fast');
$primary->stop('fast');
$standby->append_conf('postgresql.conf', "recovery_min_apply_delay = 0\n");
$standby->reload;
$standby->promote;
ready_ok($alone, 'F3: the only server is promoted');
consistent_ok($alone, 'F3: promoted');
$alone->stop_ok;

$standby->stop;
done_testing();
