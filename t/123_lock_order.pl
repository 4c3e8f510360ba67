# Nobody waits in a circle: imports, rebuilds of tables and indexes, and eight sessions that create,
# change and delete accounts and tokens, each use of a token written down, get on beside each other,
# and the server ends none of them as a deadlock.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;

use constant { CLIENTS => 8, ROUNDS => 12 };

my $node = new_cluster('lock_order', settings => <<~'CONF');
	pat.seen_resolution = 0
	pat.max_tokens_per_account = 0
	deadlock_timeout = '50ms'
	autovacuum = off
	CONF
my $sample = load_sample($node);
my $source = slurp(source_dir() . '/t/lib/unleash.sql');
$node->safe_psql('postgres', "CREATE SCHEMA IF NOT EXISTS unleash; SET search_path = unleash; $source")
  unless $node->safe_psql('postgres', q{SELECT to_regclass('unleash.users') IS NOT NULL}) eq 't';
# Clients 2n and 2n + 1 have the same token: each finds its row locked by the other.
$node->safe_psql('postgres', <<~"SQL");
	SELECT count(pat_create_admin_token('client ' || n, '*:*.client' || n)) FROM generate_series(0, @{[ CLIENTS / 2 ]}) n;
	CREATE SEQUENCE progress;
	SQL

# ---- the load ----------------------------------------------------------------------------------

my %script = (
	# each call a transaction of its own, as the bridge sends them
	calls => <<~'PGBENCH',
		\set n random(1, 1000000000)
		\set who :client_id / 2
		SELECT pat_create_service_account(json_build_object('username', 'load ' || :client_id || ' ' || :n, 'name', '', 'rootRole', 3), '*:*.client' || :who)->>'id' AS id \gset
		SELECT pat_create_for_service_account(:id::text, json_build_object('description', 'd', 'expiresAt', '2099-01-01T00:00:00Z'), '*:*.client' || :who)->>'id' AS token \gset
		SELECT pat_list_for_service_account(:id::text, '*:*.client' || :who);
		SELECT pat_update_service_account(:id::text, json_build_object('name', 'new', 'rootRole', 2), '*:*.client' || :who);
		SELECT pat_update_service_account(:id::text, json_build_object(), '*:*.client' || :who);
		SELECT pat_delete_for_service_account(:id::text, :token::text, '*:*.client' || :who);
		SELECT json_typeof(pat_list_service_accounts('*:*.client' || :who));
		SELECT pat_delete_service_account(:id::text, '*:*.client' || :who);
		SELECT nextval('progress');
		PGBENCH
	# several calls in one transaction, in both orders, and the owner's functions
	transaction => <<~'PGBENCH',
		\set n random(1, 1000000000)
		\set who :client_id / 2
		BEGIN;
		SELECT pat_create_service_account(json_build_object('username', 'tx ' || :client_id || ' ' || :n, 'name', '', 'rootRole', 3), '*:*.client' || :who)->>'id' AS id \gset
		SELECT pat_create_for_service_account(:id::text, json_build_object('description', 'd', 'expiresAt', '2099-01-01T00:00:00Z'), '*:*.client' || :who)->>'id' AS token \gset
		SELECT pat_list_for_service_account(:id::text, '*:*.client' || :who);
		END;
		BEGIN;
		SELECT pat_delete_for_service_account(:id::text, :token::text, '*:*.client' || :who);
		SELECT pat_delete_service_account(:id::text, '*:*.client' || :who);
		END;
		SELECT nextval('progress');
		PGBENCH
	owner => <<~'PGBENCH');
		\set n random(1, 1000000000)
		BEGIN;
		SELECT pat_create_account('owner ' || :client_id || ' ' || :n) AS id \gset
		SELECT id AS token FROM pat_create_token(:id, 'd') \gset
		SELECT pat_delete_account(:id);
		END;
		SELECT pat_add_jwt_key('key ' || :client_id || ' ' || :n, 'HS256', 'a secret of at least 32 bytes for HS256');
		SELECT pat_retire_jwt_key('key ' || :client_id || ' ' || :n);
		SELECT pat_delete_jwt_key('key ' || :client_id || ' ' || :n);
		SELECT nextval('progress');
		PGBENCH
my @scripts;
for my $name (sort keys %script)
{
	my $path = $node->basedir . "/$name.sql";
	open(my $out, '>', $path) or die "$path: $!";
	print $out $script{$name};
	close $out or die "$path: $!";
	push @scripts, '-f', $path;
}

my $output = '';
my $load = start_beside(
	[ 'pgbench', '-n', '-c', CLIENTS, '-T', '100000', @scripts, $node->connstr('postgres') ],
	'>', \$output, '2>&1');

sub calls { return $node->safe_psql('postgres', 'SELECT last_value FROM progress'); }

# Goes on when the load has got on by some rounds; false if it has ended.
sub progress
{
	my $goal = CLIENTS + calls();
	return wait_until(sub { $load->pump_nb; !$load->pumpable || calls() >= $goal }, 'the load to get on')
	  && $load->pumpable;
}

# ---- what crosses it -----------------------------------------------------------------------------

# An owner's session that does one thing after the other, each a transaction.
sub run_beside
{
	my ($what, $statement) = @_;
	my ($status, undef, $error) = $node->psql('postgres', $statement);
	is($status, 0, "A4: $what") or diag($error);
	ok(progress(), '... and the load goes on');
	return;
}

ok(progress(), 'A4: the load runs');
for my $round (1 .. ROUNDS)
{
	$node->safe_psql('postgres', <<~"SQL");
		INSERT INTO unleash.users (id, username, email) VALUES ($round + 5000, 'round $round', 'round$round\@example.org');
		INSERT INTO unleash.personal_access_tokens (secret, description, user_id, expires_at)
			VALUES ('user:round$round', 'd', $round + 5000, '2099-01-01');
		SQL
	run_beside("import $round", q{SELECT count(*) FROM pat_import_unleash('unleash')});
}
for my $table (qw(pat_token pat_account pat_event pat_jwt_key pat_role pat_role_permission))
{
	run_beside("REINDEX TABLE $table, time $_", "REINDEX TABLE $table") for 1 .. 3;
}
run_beside("all tables locked by the owner in the documented order, time $_", <<~'SQL') for 1 .. 5;
	BEGIN;
	LOCK TABLE pat_role, pat_role_permission, pat_token, pat_account, pat_jwt_key, pat_import, pat_event;
	COMMIT;
	SQL
$load->signal('TERM');
$load->finish;

unlike($output, qr/ERROR|aborted/, 'A4: no session of the load has failed');
unlike(slurp($node->logfile), qr/deadlock detected/, 'A4: no deadlock in the server log');
$node->stop;
done_testing();
