# A hot standby lists the same bytes, writes nothing and complains of nothing; it follows what is
# done on the primary, rebuilt tables included; once promoted it notes uses again.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;

my $primary = new_cluster('primary', streaming => 1, sealed => 1);
my $sample = load_sample($primary);
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

my $call = "SELECT pat_list_for_service_account($sample->{account}, '$sample->{admin}')";
my $old = $standby->background_psql('postgres', on_error_stop => 0);

sub seen_count
{
	my ($node) = @_;
	return $node->safe_psql('postgres',
		'SELECT count(seen_at) FROM pat_token WHERE account_id <> ' . $sample->{account});
}

# The standby's answers, in the old session and in a new one, are the primary's.
sub same_lists
{
	my ($name) = @_;
	$primary->wait_for_catchup($standby);
	my $list = $primary->safe_psql('postgres', "BEGIN READ ONLY; $call; COMMIT");
	is($standby->safe_psql('postgres', $call), $list, $name);
	is($old->query($call), $list, '... in an old session too');
	return $list;
}

is($standby->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 't', 'a standby');
like(same_lists('the same list'), qr/"id":1,"secret":"user:xyzrandomstring".*"id":2/, '... of two tokens');

# ---- every caller's use is left unwritten, without a word ----------------------------------------

my $log_start = -s $standby->logfile;
my $before = $primary->safe_psql('postgres', 'SELECT id, seen_at FROM pat_token ORDER BY id');
is(seen_count($standby), 0, 'no token of the callers has been seen');
for my $caller (qw(bot viewer editor admin))
{
	is($standby->safe_psql('postgres', "SELECT count(*) FROM pat_caller('$sample->{$caller}')"), 1,
		"the token $caller is accepted");
}
for my $begin ('BEGIN', 'BEGIN ISOLATION LEVEL REPEATABLE READ', 'BEGIN READ ONLY')
{
	is($standby->safe_psql('postgres', "$begin; $call \\g /dev/null\n$call; COMMIT"),
		$standby->safe_psql('postgres', $call), "$begin on the standby");
}
my (undef, undef, $error) =
  $standby->psql('postgres', "SET transaction_read_only = off; $call");
like($error, qr/cannot set transaction read-write mode during recovery/, 'no way to write');
for my $case (
	[ 401, "pat_list_for_service_account($sample->{account}, 'user:unknown')" ],
	[ 403, "pat_list_for_service_account($sample->{account}, '$sample->{viewer}')" ],
	[ 404, "pat_list_for_service_account(999, '$sample->{admin}')" ])
{
	my ($sqlstate, $function) = @$case;
	(undef, undef, $error) = $standby->psql('postgres', "\\set VERBOSITY verbose\nSELECT $function");
	like($error, qr/ERROR:  PT$sqlstate: /, "$sqlstate on the standby");
}
(undef, undef, $error) = $standby->psql('postgres', "SELECT pat_create_token($sample->{account}, 'x')");
like($error, qr/cannot execute .* (?:in a read-only transaction|during recovery)/, 'no token is made on a standby');
$primary->wait_for_catchup($standby);
is($primary->safe_psql('postgres', 'SELECT id, seen_at FROM pat_token ORDER BY id'), $before,
	'nothing was written');
unlike(substr(slurp($standby->logfile), $log_start), qr/could not write|WARNING/,
	'... and the log of the standby says nothing of it');

# ---- it follows the primary ----------------------------------------------------------------------

for my $change (
	"SELECT pat_create_token($sample->{account}, 'new')",
	'VACUUM FULL pat_token', 'CLUSTER pat_account USING pat_account_pkey',
	'REINDEX TABLE CONCURRENTLY pat_token', 'REINDEX INDEX pat_account_pkey',
	'REINDEX TABLE CONCURRENTLY pat_role_permission',
	'ALTER TABLE pat_token ADD COLUMN note text',
	"UPDATE pat_token SET description = 'renamed', note = 'x' WHERE description = 'new'",
	"DELETE FROM pat_token WHERE description = 'renamed'",
	"DROP EXTENSION pat CASCADE; CREATE EXTENSION pat")
{
	if ($change =~ /^DROP/)
	{
		$primary->safe_psql('postgres', $change);
		$primary->wait_for_catchup($standby);
		(undef, undef, $error) = $standby->psql('postgres', $call);
		like($error, qr/You must log in/, 'a new extension knows none of the old tokens');
		$old->{stderr} = '';
		$old->query($call);
		like($old->{stderr}, qr/You must log in/, '... in the old session too');
		$sample = load_sample($primary);
		$call = "SELECT pat_list_for_service_account($sample->{account}, '$sample->{admin}')";
	}
	else { $primary->safe_psql('postgres', $change); }
	same_lists("after $change");
}
my $list = same_lists('the list before the promotion');

# A use that the primary notes arrives as well.
$primary->safe_psql('postgres', "SELECT pat_caller('$sample->{editor}')");
$primary->wait_for_catchup($standby);
is(seen_count($standby), 1, 'what the primary noted is seen on the standby');

# ---- promotion -----------------------------------------------------------------------------------

$primary->stop;
$standby->promote;
is($standby->safe_psql('postgres', $call), $list, 'the promoted server lists the same');
is(seen_count($standby), 2, '... and notes the use');
$standby->safe_psql('postgres',
	"UPDATE pat_token SET seen_at = NULL WHERE secret_hash = sha256('$sample->{admin}')");
is($old->query($call), $list, 'the session from before the promotion goes on');
is(seen_count($standby), 2, '... and notes uses now');
is($standby->safe_psql('postgres', <<~"SQL"), 't', 'tokens can be made');
	SELECT secret IS NOT NULL FROM pat_create_token($sample->{account}, 'after');
	SQL

$old->quit;
$standby->stop;
done_testing();
