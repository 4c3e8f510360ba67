# The extension in a schema that is renamed. Functions that run as their owner name other functions
# and tables in their bodies; whoever makes a schema of the old name must not get these names. With
# the event trigger all goes on at once; without it everything is refused until the name is right.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;

my $api = 'regress_pat_api';
my $node = new_cluster('renamed', extension => 0);
$node->safe_psql('postgres', "CREATE ROLE $api LOGIN");

# Every function for callers, and some for the owner: what is called, and who calls.
sub calls
{
	my ($sample) = @_;
	my $body = q('{"description":"%s","expiresAt":"2099-01-01T00:00:00Z"}');
	return (
		[ 'owner', "pat_create_account('bot %s')" ],
		[ 'owner', "pat_create_token($sample->{account}, 'owner %s')" ],
		[ 'owner', "pat_create_admin_token('admin %s')" ],
		[ 'owner', "pat_add_jwt_key('key %s', 'HS256', repeat('k', 32))" ],
		[ 'owner', 'pat_list_jwt_keys()' ],
		[ 'owner', "pat_jwt_verify('a.b.c', '%s')", 'names nothing' ],
		[ 'owner', "pat_import_variant('%s', 1, 1)", 'names nothing' ],
		[ 'owner', "pat_grant_api('$api')", 'names nothing' ],
		[ $api, "pat_caller('$sample->{admin}')" ],
		[ $api, "pat_list('$sample->{person_token}')" ],
		[ $api, "pat_list_for_service_account('$sample->{account}', '$sample->{admin}')" ],
		[ $api, "pat_list_for_service_account($sample->{account}, '$sample->{admin}')" ],
		[ $api, "pat_answer_list('{x}'::text[])" ],
		[ $api, "pat_answer_list_for_service_account('{1}'::text[], '{x}'::text[])" ],
		[ $api, "pat_list_service_accounts('$sample->{admin}')" ],
		[ $api, "pat_create_for_service_account('$sample->{account}', $body, '$sample->{admin}')" ],
		[ $api, "pat_create($body, '$sample->{person_token}')" ],
		[ $api, qq(pat_create_service_account('{"username":"%s","name":"","rootRole":3}', '$sample->{admin}')) ],
		[ $api, "pat_update_service_account('$sample->{account}', '{}', '$sample->{admin}')" ],
	);
}

my $calls = 0;

# call_all(DATABASE, SCHEMA, SAMPLE): what the calls that fail say, by call.
sub call_all
{
	my ($database, $schema, $sample) = @_;
	my %errors;
	for my $case (calls($sample))
	{
		my ($role, $call, $is_free) = @$case;
		my ($status, undef, $error) = $node->psql($database, "SELECT * FROM $schema." . sprintf($call, ++$calls),
			extra_params => $role eq 'owner' ? [] : [ '-U', $role ]);
		$errors{$call} = [ $status, $error, $is_free ];
	}
	return \%errors;
}

sub all_work
{
	my ($database, $schema, $sample, $name) = @_;
	my $errors = call_all($database, $schema, $sample);
	my @failed = map { "$_: $errors->{$_}[1]" } grep { $errors->{$_}[0] != 0 } sort keys %$errors;
	is_deeply(\@failed, [], $name);
	return;
}

sub all_refuse
{
	my ($database, $schema, $sample, $name) = @_;
	my $errors = call_all($database, $schema, $sample);
	my @others = map { "$_: $errors->{$_}[1]" }
	  grep { !$errors->{$_}[2] && $errors->{$_}[1] !~ /ERROR:  the schema of extension "pat" was renamed\nHINT:  Enable/ }
	  sort keys %$errors;
	is_deeply(\@others, [], $name);
	return;
}

sub sample_in
{
	my ($database, $schema) = @_;
	my $sample = load_sample($node, $database, $schema);
	$sample->{person_token} = $sample->{viewer};
	$node->safe_psql($database, "SELECT $schema.pat_grant_api('$api')");
	return $sample;
}

# ---- an attacker takes the name that became free -----------------------------------------------

# All functions of the extension, as they would be called by the old name; one of them makes the
# attacker a superuser.
sub take_name
{
	my ($database, $old, $new) = @_;
	$node->safe_psql($database, <<~"SQL", extra_params => [ '-U', $api ]);
		CREATE SCHEMA $old;
		GRANT ALL ON SCHEMA $old TO PUBLIC;
		CREATE TABLE $old.pat_account (id integer, deleted_at timestamptz);
		CREATE TABLE $old.pat_token (id integer);
		CREATE DOMAIN $old.pat_import_line AS text;
		DO \$do\$
		DECLARE
			f record;
		BEGIN
			FOR f IN SELECT p.proname, pg_get_function_arguments(p.oid) AS arguments,
					pg_get_function_result(p.oid) AS result
				FROM pg_proc p WHERE p.pronamespace = '$new'::regnamespace AND pg_get_function_result(p.oid) NOT LIKE '%trigger'
			LOOP
				EXECUTE format('CREATE FUNCTION $old.%I(%s) RETURNS %s LANGUAGE plpgsql AS '
					'\$f\$ BEGIN RAISE EXCEPTION ''taken in''; END \$f\$', f.proname, f.arguments, f.result);
			END LOOP;
		END \$do\$;
		CREATE OR REPLACE FUNCTION $old.pat_authorize(credential text, permission text, OUT account_id integer,
			OUT token_id integer, OUT is_service boolean, OUT is_system boolean) LANGUAGE plpgsql
		AS \$f\$ BEGIN ALTER ROLE $api SUPERUSER; account_id := -1337; END \$f\$;
		SQL
	return;
}

sub is_no_superuser
{
	my ($name) = @_;
	is($node->safe_psql('postgres', "SELECT rolsuper FROM pg_roles WHERE rolname = '$api'"), 'f', $name);
	return;
}

for my $case ([ 'followed', 1 ], [ 'unfollowed', 0 ])
{
	my ($database, $follows) = @$case;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql('postgres', "GRANT CREATE ON DATABASE $database TO $api");
	create_extension($node, $database, 'auth') if $node->safe_psql($database, 'CREATE SCHEMA auth') eq '';
	my $sample = sample_in($database, 'auth');
	all_work($database, 'auth', $sample, "B2: all works before, $database");

	# A session that has looked up everything already, in a transaction whose snapshot is older.
	my $session = $node->background_psql($database, on_error_stop => 0, extra_params => [ '-U', $api ]);
	my $call = "pat_delete('0', '$sample->{person_token}')";
	$session->query("SELECT auth.$call");
	$session->{stderr} = '';
	$session->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class');

	$node->safe_psql($database, 'ALTER EVENT TRIGGER pat_follow_rename DISABLE') unless $follows;
	$node->safe_psql($database, 'ALTER SCHEMA auth RENAME TO auth2');
	take_name($database, 'auth', 'auth2');

	$session->{stderr} = '';
	$session->query("SELECT auth2.$call");
	like($session->{stderr}, $follows ? qr/Could not find the token/ : qr/the schema of extension "pat" was renamed/,
		"B2: a session with an older snapshot, $database");
	$session->quit;
	$follows
	  ? all_work($database, 'auth2', $sample, "B2: all works after the rename, $database")
	  : all_refuse($database, 'auth2', $sample, "B2: all is refused after the rename, $database");
	is_no_superuser("B2: whoever takes the old name gets nothing, $database");

	# Back, and on again.
	$node->safe_psql($database, 'DROP SCHEMA auth CASCADE; ALTER SCHEMA auth2 RENAME TO auth');
	all_work($database, 'auth', $sample, "B2: all works under the old name again, $database");
}

# With the trigger enabled again, the next rename is followed, whatever the name was.
$node->safe_psql('unfollowed', 'ALTER SCHEMA auth RENAME TO auth2');
$node->safe_psql('unfollowed', 'ALTER EVENT TRIGGER pat_follow_rename ENABLE ALWAYS; ALTER SCHEMA auth2 RENAME TO auth3');
my (undef, $accounts) = $node->psql('unfollowed', 'SELECT auth3.pat_create_account(NULL) > 0');
is($accounts, 't', 'B2: a rename once the trigger is back mends what was missed');

# ---- names ---------------------------------------------------------------------------------------

$node->safe_psql('postgres', 'CREATE DATABASE names');
$node->safe_psql('names', 'CREATE SCHEMA "My Auth"');
create_extension($node, 'names', '"My Auth"');
my $sample = sample_in('names', '"My Auth"');
all_work('names', '"My Auth"', $sample, 'B2: a name that needs quotes');
my $old = '"My Auth"';
for my $new ('role', '"a.b"', '"100%s %I"', 'token', '"select"', 'a', "\"\xc3\xa9\"", 'auth_auth', '"A"', "\"x.pat_y\n\@guard\@\"", 'pat')
{
	$node->safe_psql('names', "SET quote_all_identifiers = on; ALTER SCHEMA $old RENAME TO $new");
	all_work('names', $new, $sample, "B2: renamed from $old to $new");
	$old = $new;
}
for my $bad (q("it's"), q("a""b"), '"a$b"', q("a\\b"))
{
	my ($status, undef, $error) = $node->psql('names', "ALTER SCHEMA pat RENAME TO $bad");
	like($error, qr/ERROR:  the schema of extension "pat" cannot be named/, "B2: a rename to $bad is refused");
}
all_work('names', 'pat', $sample, 'B2: ... and leaves all as it was');
$node->safe_psql('names', q(CREATE SCHEMA other; ALTER SCHEMA other RENAME TO "it's"));
pass('B2: other schemas take any name');

# A role that owns the schema and not the extension may not rename it: one that renames it again and again
# could catch a call that has looked at the name already, and put functions of its own under the old one.
$node->safe_psql('postgres', "GRANT CREATE ON DATABASE names TO $api");
$node->safe_psql('names', "ALTER SCHEMA pat OWNER TO $api");
for my $as ("SET ROLE $api; ", '')
{
	my (undef, undef, $refused) = $node->psql('names', "${as}ALTER SCHEMA pat RENAME TO mine",
		on_error_stop => 1, $as ? () : (extra_params => [ '-U', $api ]));
	like($refused, qr/can be renamed by the owner of the extension only/, "B2: not by another owner of the schema, $as");
}
all_work('names', 'pat', $sample, 'B2: ... and all goes on working');
$node->safe_psql('names', "ALTER SCHEMA pat OWNER TO CURRENT_USER; SELECT pat.pat_grant_api('$api')");

# ---- a call that waits while the schema is renamed ----------------------------------------------

my $holder = $node->background_psql('names', on_error_stop => 0);
$holder->query("BEGIN; SELECT 1 FROM pat.pat_account WHERE id = $sample->{account} FOR UPDATE");
my $waiting = start_beside([ 'psql', '-XAtq', '-d', $node->connstr('names') . " user=$api", '-c',
	qq(SELECT pat.pat_create_for_service_account('$sample->{account}', '{"description":"waits","expiresAt":"2099-01-01T00:00:00Z"}', '$sample->{admin}')) ],
	'>', \my $made, '2>', \my $error);
ok($node->poll_query_until('names', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%waits%' AND pid <> pg_backend_pid()}),
	'a call waits for a row');
my $renaming = start_beside([ 'psql', '-XAtq', '-d', $node->connstr('names'), '-c', 'ALTER SCHEMA pat RENAME TO later' ],
	'>', \my $renamed, '2>', \my $rename_error);
ok($node->poll_query_until('names', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'ALTER SCHEMA%' AND pid <> pg_backend_pid()}),
	'B2: a rename waits for a call that has begun');
$holder->query('COMMIT');
$waiting->finish;
$renaming->finish;
like($made, qr/"description":"waits"/, '... which ends as if nothing had been') or diag($error);
all_work('names', 'later', $sample, '... and then all works under the new name');

# A call that waits for the rename itself, and finds other functions under the old name afterwards.
$holder->query('BEGIN; ALTER SCHEMA later RENAME TO latest');
my @caught = map { { call => $_, error => '' } }
  qq(later.pat_delete_for_service_account('$sample->{account}', '1', '$sample->{admin}')),
  qq(later.pat_list_service_accounts('$sample->{admin}')), "later.pat_create_account('caught')";
for my $caught (@caught)
{
	$caught->{run} = start_beside([ 'psql', '-XAtq', '-d', $node->connstr('names'), '-c', "SELECT $caught->{call}" ],
		'>', \my $ignored, '2>', \$caught->{error});
}
ok($node->poll_query_until('names', q{SELECT count(*) = 3 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'SELECT later.%'}),
	'three calls wait for a rename');
$holder->query(<<~'SQL');
	CREATE SCHEMA later;
	CREATE TABLE public.caught (by text);
	CREATE FUNCTION later.pat_service_account_id(text) RETURNS integer LANGUAGE sql AS $$ INSERT INTO public.caught VALUES ('id'); SELECT 1 $$;
	CREATE FUNCTION later.pat_service_account_json(integer) RETURNS json LANGUAGE sql AS $$ INSERT INTO public.caught VALUES ('json'); SELECT json '1' $$;
	CREATE FUNCTION later.pat_check_role(integer) RETURNS void LANGUAGE sql AS $$ INSERT INTO public.caught VALUES ('role') $$;
	CREATE TABLE later.pat_account AS SELECT * FROM latest.pat_account;
	CREATE TABLE later.pat_role AS SELECT * FROM latest.pat_role;
	COMMIT;
	SQL
for my $caught (@caught)
{
	$caught->{run}->finish;
	like($caught->{error}, qr/ERROR:  the schema of extension "pat" was renamed during the call/, "B2: $caught->{call} ends there")
}
is($node->safe_psql('names', 'SELECT count(*) FROM public.caught'), '0', "B2: ... and runs nothing of another's");
$node->safe_psql('names', 'DROP SCHEMA later CASCADE');
all_work('names', 'latest', $sample, '... and then all works under the new name');
$holder->quit;

$node->stop;
done_testing();
