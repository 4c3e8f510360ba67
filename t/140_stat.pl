# pat_stat with the library preloaded: exact counts over many sessions at the same time, apart for
# each database, kept when a session ends, reset on demand, zero after a crash; on a standby too. And
# not preloaded: the session's own.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;
use PatBridge;

# shared_preload_libraries = pat, wherever this server finds the library.
my $preload = "shared_preload_libraries = '\$libdir/pat'\n";
my $node = new_cluster('stat', streaming => 1, settings => $preload . "restart_after_crash = on\n");
my $sample = load_sample($node);

# stat(DATABASE, COLUMN…): columns of pat_stat, comma-separated
sub stat_of
{
	my ($server, $database, @columns) = @_;
	return $server->safe_psql($database,
		'SELECT concat_ws(\',\', ' . join(', ', @columns) . ') FROM pat_stat');
}

# ---- preloaded ---------------------------------------------------------------------------------

is(stat_of($node, 'postgres', 'scope'), 'database', 'counts are of the database');
my $start = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time() - stats_reset FROM pat_stat');
like($start, qr/^-?00:00:/, '... since the start of the server');

# Eight sessions at once, each a hundred times: a list, a refusal of three kinds.
$node->safe_psql('postgres', 'SELECT pat_stat_reset()');
my $file = $node->basedir . '/calls.sql';
PostgreSQL::Test::Utils::append_to_file($file, <<~"SQL");
	SELECT pat_answer_list_for_service_account('$sample->{account}', '$sample->{admin}');
	SELECT pat_answer_list_for_service_account('999', '$sample->{admin}');
	SELECT pat_answer_list('user:unknown');
	SELECT pat_answer_list(NULL);
	SQL
my @pgbench = ('pgbench', '-n', '-c', 8, '-j', 2, '-t', 100, '-f', $file,
	'-h', $node->host, '-p', $node->port, 'postgres');
my $said = '';
ok(IPC::Run::run(\@pgbench, '>&', \$said), 'eight sessions call') or diag($said);
is(stat_of($node, 'postgres', qw(calls jwt_calls no_token unknown_token not_found)),
	'3200,0,800,800,800', 'every call is counted, by whatever session');
my ($written, $skipped, $failed) = split /,/,
  stat_of($node, 'postgres', qw(seen_written seen_skipped seen_failed));
cmp_ok($written, '>=', 1, 'the use of the token was written');
is($failed, 0, '... and did not fail');

# What another session holds is skipped.
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; SELECT FROM pat_token FOR UPDATE');
$node->safe_psql('postgres', "SELECT pat_caller('$sample->{viewer}')");
$holder->query_safe('ROLLBACK');
$holder->quit;
is(stat_of($node, 'postgres', qw(calls seen_written seen_skipped)), join(',', 3201, $written, $skipped + 1),
	'a use that finds the row held is skipped');

# Through the bridge: one count a request, none for what the bridge answers itself.
my $bridge = PatBridge->start($node);
$node->safe_psql('postgres', 'SELECT pat_stat_reset()');
$bridge->get("/api/admin/service-account/$sample->{account}/token", $sample->{admin});
$bridge->get("/api/admin/service-account/$sample->{account}/token", $sample->{viewer});
$bridge->get("/api/admin/service-account/$sample->{account}/token");
$bridge->get("/api/admin/service-account", 'user:unknown');
http_call($bridge->url('/api/admin/user/tokens'), token => $sample->{viewer}, body => '[]');
is(stat_of($node, 'postgres', qw(calls no_token unknown_token forbidden bad_data)), '5,1,1,1,1',
	'requests of the bridge');
$bridge->stop_ok;

# ---- two databases -----------------------------------------------------------------------------

$node->safe_psql('postgres', 'CREATE DATABASE other');
create_extension($node, 'other');
is(stat_of($node, 'other', qw(scope calls)), 'database,0', 'another database begins at zero');
$node->safe_psql('other', "SELECT pat_answer_list('x') FROM generate_series(1, 7)");
is(stat_of($node, 'other', qw(calls unknown_token)), '7,7', '... and counts its own');
is(stat_of($node, 'postgres', 'calls'), '5', '... which the first one does not');
$node->safe_psql('other', 'SELECT pat_stat_reset()');
is(stat_of($node, 'other', 'calls'), '0', 'reset');
is(stat_of($node, 'postgres', 'calls'), '5', '... of one database only');

# A new extension in the same database goes on.
$node->safe_psql('other', "SELECT pat_answer_list('x'); DROP EXTENSION pat; CREATE EXTENSION pat");
is(stat_of($node, 'other', 'calls'), '1', 'counts are of the database, not of the extension');

# ---- a crash, a standby ------------------------------------------------------------------------

my $victim = $node->background_psql('postgres');
my $pid = $victim->query_safe('SELECT pg_backend_pid()');
my $before = stat_of($node, 'postgres', 'stats_reset');
kill 'KILL', $pid;
eval { $victim->quit };
wait_until(
	sub {
		my ($status, $output) = $node->psql('postgres', 'SELECT stats_reset FROM pat_stat');
		return $status == 0 && $output ne $before;
	},
	'the server to come back');
is(stat_of($node, 'postgres', qw(scope calls no_token forbidden)), 'database,0,0,0',
	'a crash of a backend sets all to zero');

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('stat_standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$standby->safe_psql('postgres', "SELECT pat_caller('$sample->{editor}')");
$standby->safe_psql('postgres', "SELECT pat_answer_list('x')");
is(stat_of($standby, 'postgres', qw(scope calls unknown_token)), 'database,2,1',
	'a standby counts what it is asked');
is(stat_of($standby, 'postgres', qw(seen_written seen_skipped)), '0,1', '... and writes no use');
$standby->safe_psql('postgres', 'SELECT pat_stat_reset()');
is(stat_of($standby, 'postgres', 'calls'), '0', '... and can be reset');
is(stat_of($node, 'postgres', 'calls'), '0', '... all of which is not the primary\'s');
$standby->stop;

# ---- not preloaded -----------------------------------------------------------------------------

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->restart;
$node->safe_psql('postgres', "SELECT pat_answer_list('x')");
is(stat_of($node, 'postgres', qw(scope calls)), 'session,0', 'not preloaded, another session\'s are not seen');
is($node->safe_psql('postgres', "SELECT pat_answer_list('x') \\g /dev/null\nSELECT scope, calls FROM pat_stat"),
	'session|1', '... but one\'s own');

done_testing();
