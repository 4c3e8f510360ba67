# Who may do what in the database: PUBLIC nothing; a role that got pat_grant_api exactly the functions
# that take a caller_token, and pat_last_caller, by which it lists with a good token and reaches no row
# in another way.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;

my $node = new_cluster('privileges', sealed => 1, extension => 0,
	settings => "pat.seen_resolution = '1d'\n");
my $schema = '"Private tokens"';

$node->safe_psql('postgres', <<~"SQL");
	CREATE ROLE regress_pat_api LOGIN;
	CREATE ROLE regress_pat_none LOGIN;
	CREATE SCHEMA $schema;
	CREATE SCHEMA open;
	GRANT ALL ON SCHEMA open, public TO PUBLIC;
	SQL
create_extension($node, 'postgres', $schema);
my $sample = load_sample($node, 'postgres', $schema);

# Everything of the extension that has privileges: kind, name, OID.
my $members = <<~'SQL';
	WITH member AS (
		SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid
		WHERE e.extname = 'pat' AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass)
	SQL

# As a role: status, output, errors.
sub as_role
{
	my ($role, $sql) = @_;
	return $node->psql('postgres', $sql, extra_params => [ '-U', $role ], on_error_stop => 1);
}

# ---- PUBLIC --------------------------------------------------------------------------------------

cmp_ok($node->safe_psql('postgres', "$members SELECT count(*) FROM member JOIN pg_proc p ON p.oid = objid"),
	'>=', 20, 'the extension has functions');
is($node->safe_psql('postgres', <<~"SQL"), '', 'PUBLIC may execute none of them');
	$members SELECT p.oid::regprocedure FROM member JOIN pg_proc p ON p.oid = objid,
		LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
	WHERE classid = 'pg_proc'::regclass AND a.grantee <> p.proowner;
	SQL
is($node->safe_psql('postgres', <<~"SQL"), '', 'PUBLIC has no privilege on a table, view or sequence');
	$members SELECT c.oid::regclass, a.* FROM member JOIN pg_class c ON c.oid = objid,
		LATERAL aclexplode(coalesce(c.relacl, acldefault((CASE relkind WHEN 'S' THEN 's' ELSE 'r' END)::"char", c.relowner))) AS a
	WHERE classid = 'pg_class'::regclass AND a.grantee <> c.relowner;
	SQL
is($node->safe_psql('postgres', <<~"SQL"), '', '... nor on a column');
	$members SELECT attrelid::regclass, attname FROM member JOIN pg_attribute ON attrelid = objid
	WHERE classid = 'pg_class'::regclass AND attacl IS NOT NULL;
	SQL
my ($status, $output, $error) =
  as_role('regress_pat_none', "SELECT $schema.pat_caller('$sample->{admin}')");
like($error, qr/permission denied for schema/, 'without the grant the schema is closed');

# In an open schema the functions are closed all the same.
$node->safe_psql('postgres', "CREATE DATABASE opened");
create_extension($node, 'opened', 'public');
for my $call ("pat_list_for_service_account('1', 'x')", "pat_caller('x')", "pat_list_service_accounts('x')",
	"pat_create_admin_token('x')", "pat_grant_api('regress_pat_none')")
{
	(undef, undef, $error) =
	  $node->psql('opened', "SELECT $call", extra_params => [ '-U', 'regress_pat_none' ]);
	like($error, qr/permission denied for function/, "PUBLIC may not call $call");
}

# ---- the role of the API ---------------------------------------------------------------------------

$node->safe_psql('postgres', "SELECT $schema.pat_grant_api('regress_pat_api')");
my @functions = split /\n/, $node->safe_psql('postgres', <<~"SQL");
	$members SELECT p.oid::regprocedure || '|' || (coalesce(p.proargnames, '{}') && '{caller_token,caller_tokens}' OR p.proname = 'pat_last_caller')
		|| '|' || has_function_privilege('regress_pat_api', p.oid, 'EXECUTE')
	FROM member JOIN pg_proc p ON p.oid = objid WHERE classid = 'pg_proc'::regclass ORDER BY 1;
	SQL
my %count;
for (@functions)
{
	my ($function, $for_callers, $may) = split /\|/;
	is($may, $for_callers, "$function: " . ($for_callers eq 'true' ? 'for callers' : 'for the owner'));
	$count{$may}++;
}
cmp_ok($count{true}, '>=', 3, 'some functions are for callers');
cmp_ok($count{false}, '>=', 10, '... and some are not');
is($node->safe_psql('postgres', <<~"SQL"), '', 'it has no privilege on a table, view or sequence');
	$members SELECT c.oid::regclass FROM member JOIN pg_class c ON c.oid = objid
	WHERE classid = 'pg_class'::regclass AND CASE relkind
		WHEN 'S' THEN has_sequence_privilege('regress_pat_api', c.oid, 'SELECT, USAGE, UPDATE')
		WHEN 'i' THEN false
		ELSE has_table_privilege('regress_pat_api', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
			OR has_any_column_privilege('regress_pat_api', c.oid, 'SELECT, INSERT, UPDATE, REFERENCES') END;
	SQL
is($node->safe_psql('postgres', "SELECT has_schema_privilege('regress_pat_api', n, 'USAGE'),"
		. " has_schema_privilege('regress_pat_api', n, 'CREATE') FROM CAST('$schema' AS regnamespace) n"),
	't|f', 'it may use the schema and create nothing there');

$node->safe_psql('postgres', "SELECT $schema.pat_caller('$sample->{bot}')");    # listed, and seen once
my $list = "SELECT $schema.pat_list_for_service_account($sample->{account}, '$sample->{admin}')";
my $expected = $node->safe_psql('postgres', "BEGIN READ ONLY; $list; COMMIT");
is($node->safe_psql('postgres', "SELECT count(seen_at) FROM $schema.pat_token WHERE account_id = -1337"),
	0, 'the admin token has not been seen');
($status, $output, $error) = as_role('regress_pat_api', $list);
is($output, $expected, 'it lists with a good token') or diag($error);
is($node->safe_psql('postgres', "SELECT count(seen_at) FROM $schema.pat_token WHERE account_id = -1337"),
	1, '... whose use is noted');
for my $case ([ 401, 'user:unknown' ], [ 401, '' ], [ 403, $sample->{viewer} ], [ 403, $sample->{bot} ])
{
	my ($sqlstate, $token) = @$case;
	(undef, $output, $error) = as_role('regress_pat_api',
		"\\set VERBOSITY verbose\nSELECT $schema.pat_list_for_service_account($sample->{account}, '$token')");
	like($error, qr/ERROR:  PT$sqlstate: /, "it gets $sqlstate with another");
	is($output, '', '... and no row');
}

# Every relation, every way to a row, every function of the owner's.
my @relations = split /\n/, $node->safe_psql('postgres', <<~"SQL");
	$members SELECT c.oid::regclass || '|' || relkind::text FROM member JOIN pg_class c ON c.oid = objid
	WHERE classid = 'pg_class'::regclass AND relkind IN ('r', 'v', 'S') ORDER BY 1;
	SQL
for (@relations)
{
	my ($relation, $kind) = split /\|/;
	my @statements = ("SELECT count(*) FROM $relation", "SELECT 1 FROM $relation");
	push @statements, "DELETE FROM $relation", "TRUNCATE $relation", "BEGIN; LOCK TABLE $relation IN SHARE MODE",
	  "COPY $relation TO STDOUT", "CREATE TRIGGER t AFTER INSERT ON $relation EXECUTE FUNCTION f()"
	  if $kind eq 'r';
	push @statements, "SELECT nextval('$relation')", "SELECT setval('$relation', 1)" if $kind eq 'S';
	for my $statement (@statements)
	{
		($status, undef, $error) = as_role('regress_pat_api', $statement);
		like($error, qr/permission denied for |must be owner of/, "it may not $statement");
	}
}
for my $call (
	q{pat_create_admin_token('mine')}, q{pat_create_account('mine')},
	"pat_create_token($sample->{account}, 'mine')", "pat_delete_account($sample->{account})",
	q{pat_grant_api('regress_pat_none')}, 'pat_new_token_text(true)', q{pat_token_hash('x')},
	q{pat_token_seal(1, 1, 'x')}, q{pat_raise(400, 'x', 'y')})
{
	(undef, undef, $error) = as_role('regress_pat_api', "SELECT $schema.$call");
	like($error, qr/permission denied for function/, "it may not call $call");
}
for my $statement (
	"ALTER EXTENSION pat UPDATE", 'DROP EXTENSION pat', "ALTER TABLE $schema.pat_token DISABLE TRIGGER ALL",
	"CREATE TABLE $schema.mine (id integer)",
	"CREATE FUNCTION open.mine(text, text) RETURNS json LANGUAGE c AS '\$libdir/pat', 'pat_list_for_service_account'",
	"LOAD '\$libdir/pat'", 'SET pat.seen_resolution = 0', q{SET pat.secret_key_file = '/dev/null'},
	'SHOW pat.secret_key_file', "GRANT EXECUTE ON FUNCTION $schema.pat_caller(text) TO regress_pat_none")
{
	(undef, undef, $error) = as_role('regress_pat_api',
		"\\set ON_ERROR_STOP 0\nSELECT $schema.pat_caller('$sample->{bot}') \\g /dev/null\n$statement");
	like($error, qr/permission denied|must be owner|must be superuser|access to library .* is not allowed|no privileges were granted/,
		"it may not $statement");
}

# What the role itself puts in the way of names, types and operators is not looked at.
($status, $output, $error) = as_role('regress_pat_api', <<~"SQL");
	CREATE TEMP TABLE pat_token (id integer, account_id integer, description text, secret_hash bytea,
		secret_sealed bytea, created_at timestamptz, expires_at timestamptz, seen_at timestamptz);
	CREATE TEMP TABLE pat_account (id integer, username text, root_role integer);
	CREATE FUNCTION open.yes(integer, integer) RETURNS boolean LANGUAGE sql AS 'SELECT true';
	CREATE OPERATOR open.= (LEFTARG = integer, RIGHTARG = integer, FUNCTION = open.yes);
	CREATE FUNCTION open.pat_authorize(text, text, OUT account_id integer, OUT token_id integer)
		LANGUAGE sql AS 'SELECT -1337, 1';
	SET search_path = open, pg_temp, $schema, pg_catalog;
	SELECT $schema.pat_list_for_service_account($sample->{account}, '$sample->{admin}');
	SQL
is($output, $expected, 'false tables, operators and functions in front change nothing') or diag($error);
(undef, $output, $error) = as_role('regress_pat_api', <<~"SQL");
	\\set VERBOSITY verbose
	SET search_path = open, pg_temp, $schema, pg_catalog;
	SELECT $schema.pat_create_service_account('{"username":"x","name":"x","rootRole":1}', '$sample->{viewer}');
	SQL
like($error, qr/ERROR:  PT403: /, '... nor what a caller may do');

# A function of the owner's that is for all keeps its own rules.
$node->safe_psql('postgres', <<~"SQL");
	CREATE FUNCTION open.my_tokens(token text) RETURNS json LANGUAGE sql SECURITY DEFINER SET search_path = '' AS
		\$\$ SELECT $schema.pat_list_for_service_account('$sample->{account}', token) \$\$;
	SQL
is((as_role('regress_pat_none', "SELECT open.my_tokens('$sample->{admin}')"))[1], $expected,
	'a function of security definer passes the API on');
like((as_role('regress_pat_none', "SELECT open.my_tokens('$sample->{viewer}')"))[2],
	qr/You need the "ADMIN" permission/, '... with its checks');

# ---- taking it back --------------------------------------------------------------------------------

$node->safe_psql('postgres', "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA $schema FROM regress_pat_api");
like((as_role('regress_pat_api', $list))[2], qr/permission denied for function/, 'a grant can be taken back');
$node->safe_psql('postgres', "SELECT $schema.pat_grant_api('regress_pat_api') FROM generate_series(1, 2)");
is((as_role('regress_pat_api', $list))[1], $expected, '... and given again, twice');
(undef, undef, $error) =
  $node->psql('postgres', "SELECT $schema.pat_grant_api('regress_pat_unknown')");
like($error, qr/role "regress_pat_unknown" does not exist/, 'a role that is not there');
$node->safe_psql('postgres', <<~"SQL");
	CREATE ROLE "regress_pat Odd; ""Role""" LOGIN;
	SELECT $schema.pat_grant_api('"regress_pat Odd; ""Role"""');
	SQL
is((as_role('regress_pat Odd; "Role"', $list))[1], $expected, 'a role of a name that needs quotes');

# ---- default privileges ----------------------------------------------------------------------------

# As services have them that open all that is new in a schema.
$node->safe_psql('postgres', 'CREATE DATABASE generous');
$node->safe_psql('generous', <<~'SQL');
	CREATE ROLE "regress_pat Reader";
	ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO "regress_pat Reader" WITH GRANT OPTION;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO "regress_pat Reader";
	ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO PUBLIC, regress_pat_none;
	ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON FUNCTIONS TO regress_pat_none;
	SQL
create_extension($node, 'generous', 'public');
is($node->safe_psql('generous', <<~"SQL"), '', 'C1: default privileges give nobody anything of the extension');
	$members SELECT c.oid::regclass::text, a.grantee, a.privilege_type
	FROM member JOIN pg_class c ON classid = 'pg_class'::regclass AND c.oid = objid, LATERAL aclexplode(c.relacl) AS a
	WHERE a.grantee <> c.relowner
	UNION ALL
	SELECT p.oid::regprocedure::text, a.grantee, a.privilege_type
	FROM member JOIN pg_proc p ON classid = 'pg_proc'::regclass AND p.oid = objid, LATERAL aclexplode(p.proacl) AS a
	WHERE a.grantee <> p.proowner;
	SQL
is($node->safe_psql('generous', 'CREATE TABLE later (); SELECT has_table_privilege(\'regress_pat_none\', \'later\', \'SELECT\')'),
	't', '... and go on for all else');

$node->stop;
done_testing();
