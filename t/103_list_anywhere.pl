# The list is the same wherever it is asked for: in any kind of transaction, in functions, views and
# cursors, in the leader of a parallel query, without its schema in the search_path, next to other
# databases with the extension, and in a session that saw the extension go and come back.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;

# A name that needs quotes; the server itself refuses quotes, comments and the like.
my $schema = qq("Pat own; %I.\xc3\xa9");

my $node = new_cluster('anywhere', sealed => 1, extension => 0);
$node->safe_psql('postgres', "CREATE SCHEMA $schema");
create_extension($node, 'postgres', $schema);
my $sample = load_sample($node, 'postgres', $schema);
my $call = "$schema.pat_list_for_service_account('$sample->{account}', '$sample->{admin}')";
my $list = $node->safe_psql('postgres', "SELECT $call");

like($list, qr/^\{"pats":\[\{"id":1,"secret":"user:xyzrandomstring",.*\{"id":2,.*\]\}$/,
	'two tokens to start with');

# The last line that the statements print is the list.
sub same_list
{
	my ($name, $statements) = @_;
	my ($status, $output, $errors) = $node->psql('postgres', $statements, on_error_stop => 0);
	my $last = (split /\n/, $output)[-1];
	is($last, $list, $name) or diag($errors);
	return;
}

sub seen_at
{
	my ($token) = @_;
	return $node->safe_psql('postgres',
		"SELECT seen_at FROM $schema.pat_token WHERE secret_hash = sha256('$token')");
}

sub forget_seen
{
	$node->safe_psql('postgres',
		"UPDATE $schema.pat_token SET seen_at = NULL WHERE secret_hash = sha256('$sample->{admin}')");
	return;
}

# ---- transactions ----------------------------------------------------------------------------

# Every one as the first use of the token, when the list would like to write seen_at.
for my $case (
	[ 'BEGIN', 1 ],
	[ 'BEGIN ISOLATION LEVEL REPEATABLE READ', 1 ],
	[ 'BEGIN ISOLATION LEVEL SERIALIZABLE', 0 ],
	[ 'BEGIN READ ONLY', 0 ],
	[ 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', 0 ],
	[ 'BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE', 0 ])
{
	my ($begin, $writes) = @$case;
	forget_seen();
	same_list($begin, "$begin; SELECT $call \\g /dev/null\nSELECT $call; COMMIT");
	is(seen_at($sample->{admin}) ne '', !!$writes, "... seen_at " . ($writes ? 'written' : 'left'));
}

forget_seen();
same_list('default_transaction_read_only', "SET default_transaction_read_only = on; SELECT $call");
same_list('after a savepoint was rolled back',
	"BEGIN; SAVEPOINT s; SELECT $call \\g /dev/null\nSELECT 1/0;\nROLLBACK TO s; SELECT $call; COMMIT");
is(seen_at($sample->{admin}) ne '', !!1, '... and the use after the savepoint was noted');
forget_seen();
same_list('in a transaction that ends in a rollback', "BEGIN; SELECT $call; ROLLBACK");
is(seen_at($sample->{admin}), '', '... which takes seen_at with it');

# ---- other SQL around it ---------------------------------------------------------------------

$node->safe_psql('postgres', <<~"SQL");
	CREATE VIEW public.listed AS SELECT $call AS list;
	CREATE MATERIALIZED VIEW public.kept AS SELECT $call AS list;
	CREATE FUNCTION public.in_sql() RETURNS json LANGUAGE sql AS \$\$ SELECT $call \$\$;
	CREATE FUNCTION public.in_plpgsql() RETURNS json LANGUAGE plpgsql SET search_path = '' AS \$\$
	BEGIN
		PERFORM $call;
		RETURN $call;
	EXCEPTION WHEN division_by_zero THEN
		RETURN NULL;
	END \$\$;
	CREATE FUNCTION public.stable_one() RETURNS json LANGUAGE plpgsql STABLE AS \$\$
	BEGIN
		RETURN $call;
	END \$\$;
	CREATE PROCEDURE public.with_commits(INOUT list json) LANGUAGE plpgsql AS \$\$
	BEGIN
		PERFORM $call;
		COMMIT;
		list := $call;
		ROLLBACK;
		list := $call;
	END \$\$;
	SQL

forget_seen();
same_list('in a view', 'SELECT list FROM listed');
same_list('in a materialized view', 'SELECT list FROM kept');
same_list('in a refreshed one',
	'REFRESH MATERIALIZED VIEW kept; SELECT list FROM kept');
same_list('in a function in SQL', 'SELECT in_sql()');
forget_seen();
same_list('in a function in PL/pgSQL', 'SELECT in_plpgsql()');
forget_seen();
same_list('in a function said to be stable', 'SELECT stable_one()');
forget_seen();
same_list('in a procedure that commits', 'CALL with_commits(NULL)');
same_list('prepared',
	"PREPARE list AS SELECT $schema.pat_list_for_service_account(\$1, \$2);"
	. "EXECUTE list('$sample->{account}', '$sample->{admin}') \\g /dev/null\n" x 7
	. "EXECUTE list('$sample->{account}', '$sample->{admin}')");
same_list('through a cursor',
	"BEGIN; DECLARE c CURSOR FOR SELECT $call FROM generate_series(1, 3);"
	. "FETCH 2 FROM c; FETCH c; COMMIT");
same_list('through a cursor that outlives its transaction',
	"BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT $call; COMMIT; FETCH c");
same_list('by COPY', "COPY (SELECT replace($call\::text, '\\', '\\')) TO STDOUT");
same_list('in the id given by a query over the tables themselves',
	"SELECT $schema.pat_list_for_service_account(id, '$sample->{admin}') FROM $schema.pat_account"
	. " WHERE username = 'deploy-bot'");
same_list('in a DO block, which others read',
	"CREATE TEMP TABLE t (list text); DO \$\$ BEGIN INSERT INTO t SELECT $call; END \$\$;"
	. 'SELECT list FROM t');

# ---- search_path -----------------------------------------------------------------------------

same_list('with an empty search_path', "SET search_path = ''; SELECT $call");
same_list('with tables of the same names in front', <<~"SQL");
	CREATE TEMP TABLE pat_token (LIKE $schema.pat_token);
	CREATE TEMP TABLE pat_account (LIKE $schema.pat_account);
	CREATE TEMP TABLE pat_role_permission (LIKE $schema.pat_role_permission);
	SET search_path = pg_temp, $schema;
	SELECT $call;
	SQL
same_list('with a false "=" for the types of the keys in front', <<~"SQL");
	CREATE FUNCTION pg_temp.never(integer, integer) RETURNS boolean LANGUAGE sql AS 'SELECT false';
	CREATE OPERATOR public.= (LEFTARG = integer, RIGHTARG = integer, FUNCTION = pg_temp.never);
	SET search_path = public, pg_catalog;
	SELECT $call;
	SQL

# ---- a parallel query ------------------------------------------------------------------------

my $parallel = <<~"SQL";
	SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
	SET max_parallel_workers_per_gather = 2;
	SQL
$node->safe_psql('postgres', 'CREATE TABLE big AS SELECT n FROM generate_series(1, 50000) n');
$node->safe_psql('postgres', 'ANALYZE big');
my $query = "SELECT max($call\::text) FROM (SELECT n FROM big WHERE n % 10000 = 0) AS few";
my $plan = $node->safe_psql('postgres', "$parallel EXPLAIN (ANALYZE, COSTS off, TIMING off) $query");
like($plan, qr/Gather.*Workers Launched: [12]/s, 'the query runs in parallel') or diag($plan);
unlike($plan, qr/Gather.*Output: .*pat_list/s, '... and the list not below the Gather');
forget_seen();
same_list('in the leader of a parallel query', "$parallel $query");
is(seen_at($sample->{admin}), '', '... where seen_at is left alone');
my $force = $node->safe_psql('postgres',
	q{SELECT name FROM pg_settings WHERE name IN ('debug_parallel_query', 'force_parallel_mode')});
same_list("with $force = on", "SET $force = on; SELECT $call");
same_list("with $force = on, over a table", "SET $force = on; $query");

# ---- two databases, and the extension gone and back ------------------------------------------

$node->safe_psql('postgres', 'CREATE DATABASE other');
create_extension($node, 'other');
my $other = load_sample($node, 'other');
my ($status, undef, $error) = $node->psql('other',
	"SELECT pat_list_for_service_account('$other->{account}', '$sample->{admin}')");
isnt($status, 0, 'the token of one database is unknown in the other');
like($error, qr/ERROR:  You must log in to use Unleash\.$/m, '... and refused as any other');
is(scalar @{ from_json(sql_list($node, $other->{account}, $other->{admin}, 'other'))->{pats} },
	2, 'the other database has its own list');
same_list('the list of the first database is as before', "SELECT $call");

$node->safe_psql('postgres', 'CREATE DATABASE twin TEMPLATE other');
is(sql_list($node, $other->{account}, $other->{admin}, 'twin'),
	sql_list($node, $other->{account}, $other->{admin}, 'other'), 'a copied database has the same list');

my $session = $node->background_psql('other', on_error_stop => 0);
my $other_call = "pat_list_for_service_account('$other->{account}', '$other->{admin}')";
like($session->query("SELECT $other_call"), qr/^\{"pats":\[\{"id":1,/, 'a session that knows the extension');
$session->query('DROP EXTENSION pat');
$session->{stderr} = '';
$session->query("SELECT $other_call");
like($session->{stderr}, qr/function pat_list_for_service_account\(.*\) does not exist/,
	'... sees it go');
$session->{stderr} = '';
$session->query('CREATE EXTENSION pat');
$session->query("SELECT $other_call");
like($session->{stderr}, qr/You must log in/, '... and come back without any token');
$session->{stderr} = '';
my $created = $session->query(<<~'SQL');
	SELECT pat_create_account('again') AS id \gset
	SELECT pat_create_admin_token('again') AS admin \gset
	SELECT pat_list_for_service_account(:'id', :'admin');
	SQL
like($created, qr/\{"pats":\[\]\}/, '... and lists what is new');
is($session->{stderr}, '', '... without an error');

# A second schema in the same session: the tables follow the function that is called.
$session->query("DROP EXTENSION pat; CREATE SCHEMA $schema; CREATE EXTENSION pat SCHEMA $schema");
$created = $session->query(<<~"SQL");
	SELECT $schema.pat_create_account('moved') AS id \\gset
	SELECT $schema.pat_create_admin_token('moved') AS admin \\gset
	SELECT $schema.pat_list_for_service_account(:'id', :'admin');
	SQL
like($created, qr/\{"pats":\[\]\}/, '... and in another schema');
is($session->{stderr}, '', '... without an error');

# ---- a schema for good -----------------------------------------------------------------------

$session->query("ALTER EXTENSION pat SET SCHEMA public");
like($session->{stderr}, qr/extension "pat" does not support SET SCHEMA/, 'SET SCHEMA is refused');
$session->quit;
($status, undef, $error) = $node->psql('postgres', 'ALTER EXTENSION pat SET SCHEMA public');
isnt($status, 0, '... in a new session too');
same_list('... and the list still works', "SELECT $call");

# Renaming the schema is no move: C resolves by the function's own schema.
$node->safe_psql('postgres', "ALTER SCHEMA $schema RENAME TO plain");
(my $plain_call = $call) =~ s/^\Q$schema\E/plain/;
same_list('the list in a schema that was renamed', "SELECT $plain_call");

$node->stop;
done_testing();
