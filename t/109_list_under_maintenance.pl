# Tables and indexes may be rebuilt while the list is in use: after each REINDEX, VACUUM FULL and
# CLUSTER the list is the same in an old session and in a new one, and the load that runs all the
# time sees no error and no other body. Indexes of the owner's own are kept up and change nothing.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;

# Every use writes seen_at: rows change all the time, so that there are dead ones to come across.
my $node = new_cluster('maintenance', settings => "pat.seen_resolution = 0\nautovacuum = off\n");
my $sample = load_sample($node);
$node->safe_psql('postgres', <<~"SQL");
	SELECT count(pat_create_token($sample->{account}, 'extra ' || n)) FROM generate_series(1, 20) n;
	CREATE SEQUENCE progress;
	CREATE TABLE expected AS SELECT pat_list_for_service_account($sample->{account}, '$sample->{admin}')::text AS body;
	SQL
my $list = $node->safe_psql('postgres', 'SELECT body FROM expected');
is(scalar @{ from_json($list)->{pats} }, 22, 'a list of 22 tokens');

# ---- the load ----------------------------------------------------------------------------------

my $check = q{SELECT 1 / (pat_list_for_service_account(:id, :token)::text = body)::int FROM expected;};
my %script = (
	single => "$check\nSELECT nextval('progress');\n",
	snapshot => "BEGIN ISOLATION LEVEL REPEATABLE READ;\n$check\n$check\nEND;\nSELECT nextval('progress');\n");
my @scripts;
for my $name (sort keys %script)
{
	my $path = $node->basedir . "/$name.sql";
	open(my $out, '>', $path) or die "$path: $!";
	print $out $script{$name};
	close $out or die "$path: $!";
	push @scripts, '-f', $path;
}

my ($load, $load_output);

sub start_load
{
	$load_output = '';
	$load = start_beside(
		[ 'pgbench', '-n', '-M', 'prepared', '-c', '4', '-T', '100000', @scripts,
			'-D', "id=$sample->{account}", '-D', "token=$sample->{admin}", $node->connstr('postgres') ],
		'>', \$load_output, '2>&1');
	return progress();
}

# Goes on when the load has got on by some calls: none is stuck, and none of them has failed.
sub progress
{
	my $goal = 20 + $node->safe_psql('postgres', 'SELECT last_value FROM progress');
	return wait_until(sub {
			$load->pump_nb;
			return !$load->pumpable
			  || $node->safe_psql('postgres', 'SELECT last_value FROM progress') >= $goal;
		}, 'the load to get on') && $load->pumpable;
}

sub stop_load
{
	$load->signal('TERM');
	$load->finish;
	return;
}

# ---- what is to be rebuilt -----------------------------------------------------------------------

my @tables = split /\n/, $node->safe_psql('postgres', <<~'SQL');
	SELECT c.relname FROM pg_class c JOIN pg_depend d ON d.classid = 'pg_class'::regclass
		AND d.objid = c.oid AND d.deptype = 'e' AND c.relkind = 'r'
	ORDER BY 1;
	SQL
my @indexes = split /\n/, $node->safe_psql('postgres', <<~'SQL');
	SELECT indexrelid::regclass FROM pg_index
	WHERE indrelid IN ('pat_token'::regclass, 'pat_account'::regclass, 'pat_role_permission'::regclass)
	ORDER BY 1;
	SQL
cmp_ok(scalar @tables, '>=', 6, 'the tables: ' . join ' ', @tables);
cmp_ok(scalar @indexes, '>=', 7, 'the indexes that may be in use: ' . join ' ', @indexes);

my @steps;
for my $table (@tables)
{
	my $primary_key = $node->safe_psql('postgres',
		"SELECT indexrelid::regclass FROM pg_index WHERE indrelid = '$table'::regclass AND indisprimary");
	push @steps, "VACUUM FULL $table", "CLUSTER $table USING $primary_key",
	  "REINDEX TABLE CONCURRENTLY $table", "REINDEX TABLE $table";
}
push @steps, map { ("REINDEX INDEX CONCURRENTLY $_", "REINDEX INDEX $_") } @indexes;
push @steps, 'VACUUM (FREEZE, ANALYZE)',
  # another index over the same columns, which comes to be the older one, and goes again
  'CREATE UNIQUE INDEX CONCURRENTLY twin ON pat_token (account_id, id)',
  'REINDEX INDEX CONCURRENTLY pat_token_account_id_id_idx', 'DROP INDEX CONCURRENTLY twin',
  'ALTER INDEX pat_token_account_id_id_idx RENAME TO renamed',
  'ALTER INDEX renamed RENAME TO pat_token_account_id_id_idx',
  'ALTER TABLE pat_token SET (fillfactor = 70)', 'ALTER TABLE pat_token ADD COLUMN note text',
  'ALTER TABLE pat_token DROP COLUMN note';

# ---- under load ----------------------------------------------------------------------------------

my $old = $node->background_psql('postgres', on_error_stop => 0);
my $call = "SELECT pat_list_for_service_account($sample->{account}, '$sample->{admin}')";
is($old->query($call), $list, 'the old session lists');

ok(start_load(), 'the load runs');
for my $step (@steps)
{
	my ($status, undef, $error) = $node->psql('postgres', $step);
	is($status, 0, $step) or diag($error);
	is($old->query($call), $list, '... the same list in the old session') or diag($old->{stderr});
	is($node->safe_psql('postgres', $call), $list, '... and in a new one');
	ok(progress(), '... and the load goes on') or last;
}
stop_load();
unlike($load_output, qr/ERROR|aborted|FATAL/, 'no error under load');
my $log = slurp($node->logfile);
# The end of the load may catch a server that is about to answer.
unlike($log, qr/ERROR|FATAL(?!:  connection to client lost)|PANIC|could not write the last-seen/,
	'... nor in the server log');

# ---- indexes of the owner's own ------------------------------------------------------------------

# Those that look like ours and are not, made first in line by a rebuild of ours.
$node->safe_psql('postgres', <<~'SQL');
	CREATE INDEX ON pat_token USING hash (secret_hash);
	CREATE INDEX ON pat_token (account_id, id DESC);
	CREATE INDEX ON pat_token (account_id DESC, id);
	CREATE INDEX ON pat_token (account_id NULLS FIRST, id);
	CREATE INDEX ON pat_token (account_id, id) WHERE expires_at > '2000-01-01 00:00:00+00';
	CREATE INDEX ON pat_token (id) WHERE account_id < 0;
	CREATE INDEX partial_hash ON pat_token (secret_hash) WHERE seen_at IS NOT NULL;
	CREATE INDEX ON pat_token (id, account_id);
	CREATE INDEX ON pat_token (account_id, (-id));
	CREATE INDEX ON pat_token ((account_id + 0), id);
	CREATE INDEX ON pat_account (id) WHERE is_service;
	CREATE INDEX ON pat_account (id DESC);
	CREATE INDEX ON pat_account USING hash (id);
	CREATE INDEX ON pat_role_permission (role_id, permission COLLATE "POSIX");
	CREATE INDEX ON pat_role_permission (role_id, permission text_pattern_ops);
	CREATE INDEX ON pat_role_permission (role_id, permission) WHERE role_id > 1;
	CREATE INDEX with_more ON pat_token (account_id, id) INCLUDE (description);
	REINDEX TABLE CONCURRENTLY pat_token;
	SQL
for my $index (@indexes)
{
	$node->safe_psql('postgres', "REINDEX INDEX CONCURRENTLY $index");
	is($old->query($call), $list, "other indexes before $index: the same list in the old session");
	is($node->safe_psql('postgres', $call), $list, '... and in a new one');
}
is($old->query('DROP INDEX with_more; ' . $call), $list, 'an index in use is dropped');

# Writing seen_at keeps them up, also where the new version of the row needs index entries.
$node->safe_psql('postgres', <<~'SQL');
	CREATE INDEX by_seen ON pat_token (seen_at);
	CREATE INDEX by_expression ON pat_token (lower(description));
	CREATE INDEX unseen ON pat_token (id) WHERE seen_at IS NULL;
	CREATE INDEX by_year ON pat_token (date_part('year', seen_at AT TIME ZONE 'UTC')) WHERE seen_at IS NOT NULL;
	CREATE INDEX by_range ON pat_token USING brin (seen_at);
	UPDATE pat_token SET seen_at = NULL;
	SQL
is($old->query($call), $list =~ s/"seenAt":"[^"]*"/"seenAt":null/gr, 'the list with all of them');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pat_token WHERE seen_at IS NOT NULL}), 1,
	'... has written seen_at');

sub by_index
{
	my ($index, $condition) = @_;
	my $query = "SELECT string_agg(id::text, ' ' ORDER BY id) FROM pat_token WHERE $condition";
	my $prefix = 'SET enable_seqscan = off; SET plan_cache_mode = force_custom_plan;';
	my $plan = $node->safe_psql('postgres', "$prefix EXPLAIN $query");
	like($plan, qr/\b$index\b/, "the query uses $index");
	return is($node->safe_psql('postgres', "$prefix $query"),
		$node->safe_psql('postgres', "SET enable_indexscan = off; SET enable_bitmapscan = off; $query"),
		'... and finds what a scan of the table finds');
}

by_index('by_seen', q{seen_at > '2000-01-01'});
by_index('by_expression', q{lower(description) = 'tests'});
by_index('unseen', 'seen_at IS NULL');
$node->safe_psql('postgres', 'DROP INDEX by_seen, partial_hash');
by_index('by_year', q{date_part('year', seen_at AT TIME ZONE 'UTC') > 2000 AND seen_at IS NOT NULL});
$node->safe_psql('postgres', 'CREATE EXTENSION amcheck');
my ($status, undef, $error) = $node->psql('postgres', <<~'SQL');
	SELECT bt_index_check(indexrelid, true) FROM pg_index JOIN pg_class c ON c.oid = indexrelid
	WHERE indrelid = 'pat_token'::regclass AND relam = (SELECT oid FROM pg_am WHERE amname = 'btree');
	SQL
is($status, 0, 'amcheck finds every index of the table whole') or diag($error);

# ---- entries of rows that nobody sees any more ----------------------------------------------------

# The first list that comes across them says so to the index; the next one does not meet them again.
sub entries_read
{
	return counted_by_list(
		"SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'pat_token_account_id_id_idx'");
}

sub counted_by_list
{
	my ($read) = @_;
	$old->query('SELECT pg_stat_force_next_flush()');
	my $before = $old->query($read);
	$old->query($call);
	$old->query('SELECT pg_stat_force_next_flush()');
	return $old->query($read) - $before;
}

SKIP:
{
	skip 'statistics come late before PostgreSQL 15', 3 if $node->pg_version < 15;
	$node->safe_psql('postgres', <<~"SQL");
		SELECT count(pat_create_token($sample->{account}, 'gone ' || n)) FROM generate_series(1, 50) n;
		DELETE FROM pat_token WHERE description LIKE 'gone %';
		SQL
	cmp_ok(entries_read(), '>=', 72, 'a list after a deletion meets the entries of 50 dead rows');
	is(entries_read(), 22, '... the next one only those of the living');
	is($old->query($call) =~ tr/{//, 23, '... which it lists'); # and the brace around them
}

# ---- pages that are read are known to the server --------------------------------------------------

# Its counters, and its choice of what makes room for others.
SKIP:
{
	skip 'statistics come late before PostgreSQL 15', 3 if $node->pg_version < 15;
	$node->safe_psql('postgres', <<~"SQL");
		SELECT count(pat_create_token($sample->{account}, 'gone ' || n)) FROM generate_series(1, 50) n;
		DELETE FROM pat_token WHERE description LIKE 'gone %';
		SQL
	cmp_ok(entries_read(), '>=', 72, 'a list after a deletion meets the entries of 50 dead rows');
	is(entries_read(), 22, '... the next one only those of the living');
	is($old->query($call) =~ tr/{//, 23, '... which it lists'); # and the brace around them
}

# ---- pages found where they were ----------------------------------------------------------------

# Most are read past the server's table of buffers; its counters and its choice of what makes room
# for others are to know of them all the same.
SKIP:
{
	skip 'statistics come late before PostgreSQL 15', 3 if $node->pg_version < 15;
	my $hits = q{SELECT heap_blks_hit FROM pg_statio_user_tables WHERE relname = 'pat_token'};
	# Writing seen_at reads now a page more, now one less.
	$old->query('SET default_transaction_read_only = on');
	$old->query($call);
	my $first = counted_by_list($hits);
	cmp_ok($first, '>', 0, 'a list counts the pages that it reads');
	is(counted_by_list($hits), $first, '... each time');
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_buffercache');
	$old->query($call) for 1 .. 200;
	cmp_ok($node->safe_psql('postgres', <<~'SQL'), '>=', 3, '... and keeps them in use');
		SELECT max(usagecount) FROM pg_buffercache
		WHERE relfilenode = pg_relation_filenode('pat_token') AND relforknumber = 0
		SQL
	$old->query('RESET default_transaction_read_only');
}

# ---- an index that old snapshots may not use -----------------------------------------------------

# A transaction with an id keeps rows from being dead for all; a plain CREATE INDEX that comes
# across such a chain of versions may not be used by snapshots as old as that transaction. There is
# another index over the same columns: the list takes that.
$node->safe_psql('postgres', 'DROP INDEX by_expression, unseen, by_year, by_range');
my $writer = $node->background_psql('postgres');
$writer->query_safe('BEGIN; SELECT pg_current_xact_id()');
$node->safe_psql('postgres', $call) for 1 .. 3;
$node->safe_psql('postgres', <<~'SQL');
	CREATE INDEX twin ON pat_token (account_id, id);
	CREATE INDEX hash_twin ON pat_token (secret_hash);
	SQL
is($node->safe_psql('postgres',
		q{SELECT count(*) FROM pg_index WHERE indcheckxmin AND indexrelid::regclass::text LIKE '%twin'}),
	2, 'two indexes that snapshots as old as a running transaction may not use');
$node->safe_psql('postgres', 'REINDEX INDEX CONCURRENTLY pat_token_account_id_id_idx');
$node->safe_psql('postgres', 'REINDEX INDEX CONCURRENTLY pat_token_secret_hash_key');
$list = $list =~ s/"seenAt":"[^"]*"/"seenAt":null/gr;
is($node->safe_psql('postgres', $call), $list, 'the list does without them');
is($old->query($call), $list, '... in the old session too');

# Without another one nobody lists until that transaction has ended, in however new a session. One that
# is made concurrently can be used at once.
my $not_yet = qr/ERROR:  40001: index "twin" was created while older transactions were open
HINT:  It can be used by transactions that begin when those have ended\. CREATE INDEX CONCURRENTLY/;
$node->safe_psql('postgres', 'DROP INDEX pat_token_account_id_id_idx');
like(refusal(), $not_yet, 'without another one there is no list');
$node->safe_psql('postgres', 'CREATE INDEX CONCURRENTLY at_once ON pat_token (account_id, id)');
is($node->safe_psql('postgres', $call), $list, '... until one is made concurrently');
is($old->query($call), $list, '... in the old session too');
$node->safe_psql('postgres', 'DROP INDEX at_once');
like(refusal(), $not_yet, 'without that one there is none again');
$writer->query_safe('COMMIT');
$writer->quit;
is($node->safe_psql('postgres', $call), $list, '... until the old transaction has ended');

sub refusal
{
	my (undef, undef, $refusal) = $node->psql('postgres', "\\set VERBOSITY verbose\n$call");
	return $refusal;
}

# ---- an index that is gone -----------------------------------------------------------------------

$node->safe_psql('postgres', 'DROP INDEX twin');
$old->{stderr} = '';
$old->query($call);
like($old->{stderr}, qr/ERROR:  table "pat_token" lacks an index that pat needs/, 'without its index: an error');
like($old->{stderr}, qr/HINT:  .* CREATE INDEX CONCURRENTLY\./, '... that says how to make one which can be used at once');
$node->safe_psql('postgres', 'CREATE INDEX CONCURRENTLY whatever ON pat_token (account_id, id)');
$old->{stderr} = '';
is($old->query($call), $list, 'an index of another name over the same columns will do');
$old->quit;

$node->stop;
done_testing();
