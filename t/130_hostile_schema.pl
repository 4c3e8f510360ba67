# The extension in a schema where anybody may create functions, as "public" was before PostgreSQL 15.
# The extension's functions run as their owner, mostly a superuser, and call each other. A function of
# somebody else's, of the same name but with other arguments, must never be called in place of one of
# the extension's: it would run as the owner, and be handed the new token.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;

my $node = new_cluster('hostile', extension => 0);
my $unleash = source_dir() . '/t/lib/unleash.sql';

$node->safe_psql('postgres', <<~'SQL');
	CREATE ROLE regress_pat_mallory LOGIN;
	CREATE ROLE regress_pat_api LOGIN;
	GRANT CREATE, USAGE ON SCHEMA public TO PUBLIC;
	SQL
$node->safe_psql('postgres', "CREATE SCHEMA unleash; SET search_path = unleash; " . slurp($unleash));
create_extension($node, 'postgres', 'public');
$node->safe_psql('postgres', "SELECT pat_grant_api('regress_pat_api')");

# ---- what mallory puts there -----------------------------------------------------------------------

# For each function of the extension: with text for each argument of another type, since a literal
# or NULL without a type rather is text; with text for all of them; and without the arguments that
# have defaults, since what needs no default is preferred.
my $planted = $node->safe_psql('postgres', <<~'SQL', extra_params => [ '-U', 'regress_pat_mallory' ]);
	SET client_min_messages = warning;
	CREATE PROCEDURE public.plant(name text, types text[]) LANGUAGE plpgsql AS $$
	BEGIN
		EXECUTE format('CREATE FUNCTION public.%I(%s) RETURNS void LANGUAGE plpgsql AS %L', name,
			array_to_string(types, ', '),
			format('BEGIN RAISE EXCEPTION %L, current_user; END',
				format('%s(%s) taken in, as %%', name, array_to_string(types, ', '))));
	EXCEPTION WHEN duplicate_function THEN
		NULL;    -- the extension has one of these arguments itself
	END $$;
	CREATE TEMP TABLE target AS
		SELECT p.proname::text AS name, p.pronargdefaults AS defaults,
			ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY u (t, n) ORDER BY n) AS types
		FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass
			JOIN pg_extension e ON d.refobjid = e.oid
		WHERE e.extname = 'pat' AND d.deptype = 'e';
	DO $$
	DECLARE
		f record;
	BEGIN
		FOR f IN
			SELECT t.name, t.types[:i - 1] || 'text'::text || t.types[i + 1:] AS types
				FROM target t, generate_series(1, cardinality(t.types)) i WHERE t.types[i] <> 'text'
			UNION SELECT t.name, array_fill('text'::text, ARRAY[cardinality(t.types)])
				FROM target t WHERE cardinality(t.types) > 0
			UNION SELECT t.name, t.types[:cardinality(t.types) - n] FROM target t, generate_series(1, t.defaults) n
		LOOP
			CALL public.plant(f.name, f.types);
		END LOOP;
	END $$;
	SELECT count(*) FROM pg_proc WHERE proowner = 'regress_pat_mallory'::regrole AND prokind = 'f';
	SQL
cmp_ok($planted, '>', 100, "$planted functions lie in wait");
my (undef, undef, $taken) = $node->psql('postgres', "SELECT public.pat_raise(text '400', text 'x', text 'x')");
like($taken, qr/pat_raise\(text, text, text\) taken in, as /, '... and tell when they are called');

# ---- the extension's functions, by calls of which every argument has its type ------------------------

# Runs a call as a role; returns what it gives.
sub call_is_safe
{
	my ($role, $call) = @_;
	my @as = $role eq 'owner' ? () : ('-U', $role);
	my ($status, $output, $error) = $node->psql('postgres', "SELECT $call", extra_params => \@as);
	my ($name) = $call =~ /(pat_\w+)/;
	is($status, 0, "$name as $role") or diag($error);
	return $output;
}

my $later = q{timestamptz '2099-01-01 00:00:00+00'};
my $bot = call_is_safe('owner', q{public.pat_create_account(text 'bot', text 'Bot', 3, true)});
my $person = call_is_safe('owner', q{public.pat_create_account(text 'ada', text 'Ada', 1, false)});
my $gone = call_is_safe('owner', q{public.pat_create_account(text 'gone', text 'Gone', 3, true)});
call_is_safe('owner', "public.pat_delete_account($gone)");
my $admin = call_is_safe('owner', "public.pat_create_admin_token(text 'root', NULL::text, $later)");
my $own = call_is_safe('owner',
	"secret FROM public.pat_create_token($person, text 'own', $later, NULL::text, now(), NULL::timestamptz)");
call_is_safe('owner', "public.pat_add_jwt_key(text 'k', text 'HS256', repeat('k', 32), text 'i', text 'a', text 'sub')");
call_is_safe('owner', q{public.pat_retire_jwt_key(text 'k')});
call_is_safe('owner', q{public.pat_delete_jwt_key(text 'k')});
call_is_safe('owner', q{count(*) FROM public.pat_import_unleash(regnamespace 'unleash')});

my $body = q{json '{"description":"made","expiresAt":"2099-01-01T00:00:00Z"}'};
my $account = q{json '{"username":"made","name":"Made","rootRole":3}'};
my $api = 'regress_pat_api';
my $made = call_is_safe($api, "public.pat_create_for_service_account(text '$bot', $body, text '$admin')->>'id'");
like(call_is_safe($api, "public.pat_list_for_service_account(text '$bot', text '$admin')"),
	qr/"description":"made"/, 'what was made is listed');
call_is_safe($api, "public.pat_delete_for_service_account(text '$bot', text '$made', text '$admin')");
my $new = call_is_safe($api, "public.pat_create_service_account($account, text '$admin')->>'id'");
call_is_safe($api, "public.pat_update_service_account(text '$new', json '{\"rootRole\":1}', text '$admin')");
call_is_safe($api, "public.pat_list_service_accounts(text '$admin')");
call_is_safe($api, "public.pat_delete_service_account(text '$new', text '$admin')");
my $mine = call_is_safe($api, "public.pat_create($body, text '$own')->>'id'");
call_is_safe($api, "public.pat_list(text '$own')");
call_is_safe($api, "public.pat_delete(text '$mine', text '$own')");
call_is_safe($api, "public.pat_caller(text '$own')");

is($node->safe_psql('postgres', 'SELECT count(*) FROM public.pat_event'), 17, 'each change is in the audit trail, once');

# What might be taken in by a better fit, if not by these.
is($node->safe_psql('postgres', <<~'SQL'), '', 'no function calls another with a NULL of no type');
	SELECT p.oid::regprocedure
	FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass
		JOIN pg_extension e ON d.refobjid = e.oid
	WHERE e.extname = 'pat' AND d.deptype = 'e'
		AND p.prosrc ~ 'public\.pat_\w+\((?:[^()]|\([^()]*\))*\mNULL\s*[,)]';
	SQL

# ---- a schema whose name looks like a format -----------------------------------------------------

my $schema = '"100%s %I b%%"';
$node->safe_psql('postgres', 'CREATE DATABASE percent');
$node->safe_psql('percent', "CREATE SCHEMA $schema");
create_extension($node, 'percent', $schema);
my ($status, undef, $error) = $node->psql('percent', "SELECT $schema.pat_grant_api('regress_pat_api')");
is($status, 0, "the grant of the API in $schema") or diag($error);
my $root = $node->safe_psql('percent', "SELECT $schema.pat_create_admin_token('root')");
$account = $node->safe_psql('percent', "SELECT $schema.pat_create_account('bot')");
my (undef, $listed) = $node->psql('percent', "SELECT $schema.pat_list_for_service_account('$account', '$root')",
	extra_params => [ '-U', 'regress_pat_api' ]);
is($listed, '{"pats":[]}', '... lets a role list');

$node->stop;
done_testing();
