# What a session has set changes nothing that the extension means: neither how it is installed nor
# what its functions do. Each setting is set before CREATE EXTENSION and stays for the calls; what
# then stands in the catalog and what the calls return is compared with a session of defaults.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;

my $node = new_cluster('settings', extension => 0, settings => "max_prepared_transactions = 0\n");
my $unleash = slurp(source_dir() . '/t/lib/unleash.sql');
my $databases = 0;

# What is installed, in a form that does not depend on the session that reads it.
my $catalog = <<'SQL';
SELECT p.proname, md5(replace(p.prosrc, '"auth"', 'auth')), replace(array_to_string(p.proconfig, '; '), '"', ''),
    p.provolatile, p.proparallel, p.prosecdef, pg_get_function_arguments(p.oid)
FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
    JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pat'
ORDER BY p.proname, p.oid::regprocedure::text;
SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'auth'::regnamespace ORDER BY 1, 2;
SELECT table_name, column_name, column_default, data_type FROM information_schema.columns
WHERE table_schema = 'auth' ORDER BY table_name, ordinal_position;
SELECT md5(string_agg(description, '' ORDER BY description)) FROM pg_description d
    JOIN pg_depend m ON m.objid = d.objoid AND m.classid = d.classoid AND m.deptype = 'e'
    JOIN pg_extension e ON e.oid = m.refobjid AND e.extname = 'pat';
SELECT relname, a.amname FROM pg_class c JOIN pg_am a ON a.oid = c.relam
WHERE relnamespace = 'auth'::regnamespace AND relkind = 'r' AND relname IN ('pat_account', 'pat_token', 'pat_role_permission', 'pat_jwt_key') ORDER BY 1;
SELECT pg_get_viewdef('auth.pat_event_log'::regclass);
SQL

# Every function for callers and for the owner, good and bad; ids are the same in every database.
my $calls = <<'SQL';
SELECT auth.pat_create_account('bot', $$Bot "x" \ y$$) AS bot \gset
SELECT auth.pat_create_account('ada', 'Ada', 1, false) AS ada \gset
SELECT auth.pat_create_admin_token('root', '*:*.root') IS NOT NULL AS made;
SELECT id FROM auth.pat_create_token(:ada, 'own', '2099-01-31 12:00:00.5+00', 'user:ada', '2020-02-03 04:05:06+00', '2021-02-03 04:05:06+00');
SELECT auth.pat_create_for_service_account(:'bot', $${"description":"a\\b\u0041","expiresAt":"2099-12-31T23:59:59.9999999+05:30"}$$, '*:*.root')->>'expiresAt';
SELECT auth.pat_create_for_service_account(:'bot', '{"description":"x","expiresAt":"2099-13-31T23:59:59Z"}', '*:*.root');
SELECT auth.pat_create_for_service_account(:'bot', '{"description":"x","expiresAt":"9999-12-31T23:59:59-01:00"}', '*:*.root');
SELECT auth.pat_create_for_service_account(:'bot', '{"description":"x","description":"y"}', '*:*.root');
SELECT auth.pat_create_for_service_account(:'bot', $${"description":"\u0000"}$$, '*:*.root');
SELECT auth.pat_create('{"description":"mine","expiresAt":"2099-12-31T23:59:60.25-00:30"}', 'user:ada')->>'expiresAt';
SELECT auth.pat_create_service_account('{"username":"new","name":"New","rootRole":3e0}', '*:*.root')->>'rootRole';
SELECT auth.pat_create_service_account('{"username":"new","name":"New","rootRole":3.5}', '*:*.root');
SELECT auth.pat_update_service_account(:'bot', '{"rootRole":2.0}', '*:*.root')->>'rootRole';
SELECT auth.pat_list(NULL);
SELECT auth.pat_list('user:ada')::text;
SELECT auth.pat_list_for_service_account(:'bot', '*:*.root')::text;
SELECT auth.pat_list_service_accounts('*:*.root')::text;
SELECT account_id, username, permissions, expires_at AT TIME ZONE 'UTC' = '2099-01-31 12:00:00.5' FROM auth.pat_caller('user:ada');
SELECT auth.pat_add_jwt_key('k', 'HS256', repeat('k', 32));
SELECT auth.pat_jwt_account(auth.pat_jwt_sign('{"sub":"ada","exp":4102444800,"iat":4102444000}', repeat('k', 32)), '2099-12-31 23:50:00+00');
SELECT auth.pat_retire_jwt_key('k');
SELECT auth.pat_token_hash('user:ada') = sha256('user:ada');
SELECT item, result, count, source_id, new_id, reason FROM auth.pat_import_unleash('unleash');
SELECT auth.pat_expire_token(2);
SELECT auth.pat_delete_token(2);
SELECT auth.pat_delete('4', 'user:ada');
SELECT auth.pat_delete_service_account(:'bot', '*:*.root');
UPDATE auth.pat_role SET name = 'x' WHERE id = 1;
INSERT INTO auth.pat_role_permission VALUES (2, $$a\b$$);
SELECT auth.pat_grant_api('regress_pat_api');
SELECT id, type, created_by, token_id, data::text FROM auth.pat_event ORDER BY id;
SELECT count(*) FROM auth.pat_token t WHERE t.created_at < '1000-01-01 00:00:00+00';
SQL

# Times of now, values of the generator and where in a statement something went wrong.
sub normal
{
	my ($text) = @_;
	$text =~ s/"(createdAt|seenAt)":(?:null|"[^"]*")/"$1":T/g;
	$text =~ s/20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/NOW/g if $text =~ /-expired/;
	$text =~ s/\b(?:user:|\*:\*\.)[0-9A-Za-z]{49}\b/TOKEN/g;
	$text =~ s/psql:<stdin>:\d+: //g;
	$text =~ s/^(?:CONTEXT|LINE \d+|STATEMENT|QUERY|PL\/pgSQL|SQL|parallel worker).*\n?(?:\s*\^\n)?//mg;
	$text =~ s/(?:public|"public")\.//g;
	return $text;
}

# result_with(SETTINGS): what is installed and what is returned.
sub result_with
{
	my (@settings) = @_;
	my $database = 'd' . ++$databases;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, "CREATE SCHEMA auth; CREATE SCHEMA unleash; SET search_path = unleash; $unleash");
	my $set = join '', map { "SET $_;\n" } @settings;
	my ($status, undef, $error) = $node->psql($database,
		"LOAD 'plpgsql'; $set CREATE EXTENSION pat SCHEMA auth;", on_error_stop => 0);
	my $installed = $node->safe_psql($database, $catalog);
	my (undef, $returned, $errors) = $node->psql($database, "LOAD 'plpgsql';\n$set$calls", on_error_stop => 0);
	$node->safe_psql('postgres', "DROP DATABASE $database");
	return { error => $error, installed => $installed, returned => normal($returned), errors => normal($errors) };
}

$node->safe_psql('postgres', 'CREATE ROLE regress_pat_api');
$node->safe_psql('template1', 'CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler');
my $expected = result_with();
is($expected->{error}, '', 'installed without a word');
like($expected->{returned}, qr/NOW|"expiresAt": "2099-12-31T18:29:59.999Z"/, 'the calls return what is expected');
is(() = $expected->{errors} =~ /ERROR:/g, 9, 'and fail where they should') or diag($expected->{errors});

my @settings = (
	'standard_conforming_strings = off', 'standard_conforming_strings = off; SET backslash_quote = on; SET escape_string_warning = on',
	"TimeZone = 'Asia/Kathmandu'", "TimeZone = 'America/St_Johns'", "DateStyle = 'German, DMY'", "DateStyle = 'SQL, MDY'",
	'IntervalStyle = sql_standard', 'IntervalStyle = iso_8601', 'bytea_output = escape', 'extra_float_digits = -15',
	'quote_all_identifiers = on', 'array_nulls = off', 'transform_null_equals = on', 'check_function_bodies = off',
	'row_security = off', "client_encoding = 'LATIN1'", "search_path = ''", "search_path = unleash, pg_catalog",
	'default_transaction_isolation = serializable', "default_transaction_isolation = 'repeatable read'", 'default_transaction_deferrable = on',
	'plpgsql.variable_conflict = use_variable', 'plpgsql.variable_conflict = use_column', "plpgsql.extra_errors = 'all'",
	'plpgsql.check_asserts = off', 'plpgsql.print_strict_params = on', 'default_table_access_method = heap2', 'xmlbinary = hex',
	"timezone_abbreviations = 'India'", 'plan_cache_mode = force_generic_plan', 'plan_cache_mode = force_custom_plan',
	'enable_seqscan = off', 'enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off',
	'enable_hashjoin = off; SET enable_nestloop = off; SET enable_hashagg = off', 'jit = on; SET jit_above_cost = 0',
	'synchronize_seqscans = off; SET work_mem = 64', "default_text_search_config = 'pg_catalog.german'",
	"track_functions = 'all'; SET lo_compat_privileges = on; SET default_statistics_target = 1", "lc_monetary = 'C'");

# Settings that a newer server no longer has, or this one does not have yet, are none to try.
for my $setting (@settings)
{
	my ($status, undef, $refused) = $node->psql('template1', "LOAD 'plpgsql'; SET $setting");
	if ($status != 0)
	{
		like($refused, qr/unrecognized configuration parameter|not a supported value|cannot|invalid value|does not exist/, "C1: $setting: not here");
		next;
	}
	my $result = result_with($setting);
	$result->{errors} =~ s/WARNING:  nonstandard use of [^\n]*\nHINT: [^\n]*\n//g;
	is_deeply($result, $expected, "C1: $setting");
}

$node->stop;
done_testing();
