# The import from Unleash as doc/import.md tells it: every block of that document runs here, with a
# small Unleash as the source. Beyond it: secrets stay out of logs, reports and events; sealed
# storage; a copy that is dumped and restored; imports at once; a source behind postgres_fdw.

use strict;
use warnings;

use Cwd qw(abs_path);
use FindBin;
use lib "$FindBin::Bin/lib";
use PatSession qw(blocks);
use PatTest;
use Test::More;

my $SECRET = 'user:' . '0' x 55;
my $SECURE = 'user:v2_' . 'A' x 22 . '_' . 'B' x 43;
my $node = new_cluster('import',
	settings => "autovacuum = off\nlog_statement = all\nlog_min_duration_statement = 0\nlog_min_error_statement = error\n");

sub psql_file
{
	my ($database, $file) = @_;
	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port,
		PGOPTIONS => '-c log_statement=none -c log_min_duration_statement=-1');
	return IPC::Run::run([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $file, '-d', $database ]);
}

# A database with the small Unleash in it.
sub new_unleash
{
	my ($name) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	ok(psql_file($name, source_dir() . '/t/lib/unleash.sql'), "an Unleash in $name");
	return;
}

# The document's blocks that a test picks by their texts.
sub run_blocks
{
	my ($session, @blocks) = @_;
	for my $block (@blocks)
	{
		my $what = "import.md line $block->{line} ($block->{language})";
		my $result = $session->run($block);
		if (!defined $block->{output})
		{
			ok($result->{ok}, "$what runs") or diag($result->{output});
			next;
		}
		ok(PatSession::matches($result->{output}, $block->{output}), "$what prints what it says")
		  or diag("expected:\n", PatSession::normalize($block->{output}),
			"\ngot:\n", PatSession::normalize($result->{output}));
	}
	return;
}

# The report of an import: the lines with a reason, and the counts that are not 0.
sub report
{
	my ($database) = @_;
	return $node->safe_psql($database, <<~'SQL');
		SELECT concat_ws(' ', item, result, count, source_id, new_id, reason)
		FROM pat_import_unleash('unleash') WHERE count > 0 OR source_id > 0;
		SQL
}

sub callers
{
	my ($database, @tokens) = @_;
	my $list = join ', ', map { "('$_')" } @tokens;
	return $node->safe_psql($database, <<~"SQL");
		SELECT c.account_id, c.username, c.is_service, c.permissions, c.token_id
		FROM (VALUES $list) t (token), LATERAL pat_caller(t.token) c;
		SQL
}

my @document = grep { $_->{language} =~ /\A(?:sql|sh)\z/ } blocks(slurp(source_dir() . '/doc/import.md'));
my ($copy) = grep { $_->{text} =~ /pg_dump/ } @document;
my ($import) = grep { $_->{text} =~ /^SELECT \* FROM pat_import_unleash/m } @document;
my ($commit) = grep { $_->{text} =~ /^COMMIT/ } @document;
my @rest = @document[ 3 .. $#document ];

is(scalar(grep { defined } $copy, $import, $commit), 3, 'the document has the steps');
new_unleash('unleash');
my $session = PatSession->new(
	directory => abs_path(PostgreSQL::Test::Utils::tempdir()), port => 0,
	env => { PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'postgres', PGTZ => 'UTC' });
run_blocks($session, $copy, $import, $commit);

# Nothing but the copy and the import has happened so far.
my $log = slurp($node->logfile);
my $hash = $node->safe_psql('postgres', 'SELECT encode(secret_hash, \'hex\') FROM pat_token WHERE id = 3');
my $events = $node->safe_psql('postgres', 'SELECT to_jsonb(e) FROM pat_event e');
ok($log =~ /pat_import_unleash/, 'the log tells of the import');
like($events, qr/"unleash-imported"/, 'so does an event');
for my $place ([ log => $log ], [ events => $events ])
{
	ok($place->[1] !~ /user:(?:0{20}|v2_)|B{43}|\Q$hash\E/, "no secret in the $place->[0]");
}
is(callers('postgres', $SECRET . 3, $SECURE, $SECRET . 2), <<~'ROWS' =~ s/\n\z//r, 'old texts are accepted');
	3|deploy|t|{}|3
	3|deploy|t|{}|7
	2|grace@example.org|f|{ADMIN}|2
	ROWS
isnt($node->psql('postgres', "SELECT pat_caller('${SECRET}6')"), 0, 'not that of a deleted user');
# What was imported is remembered in a dump too.
my $dump = PostgreSQL::Test::Utils::tempdir() . '/pat.sql';
my $second = report('postgres');
is($second, <<~'ROWS' =~ s/\n\z//r, 'a second import does nothing');
	role skipped 4 "Owner" is a role in projects; accounts here have root roles only
	role skipped 5 "Member" is a role in projects; accounts here have root roles only
	role unchanged 4
	role skipped 2
	account unchanged 5
	account skipped 2
	token unchanged 7
	ROWS
ok(IPC::Run::run([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ]), 'dumped');
$node->safe_psql('template1', 'CREATE DATABASE restored');
ok(psql_file('restored', $dump), 'restored');
is(report('restored'), $second, 'an import into the restored database does nothing either');

run_blocks($session, @rest);
$session->finish;

# Two imports at once: the second waits and finds everything done.
$node->safe_psql('postgres', 'CREATE DATABASE twice');
$node->safe_psql('postgres', "ALTER DATABASE twice SET pat.secret_key_file = '" . PatTest::key_file($node) . "'");
create_extension($node, 'twice');
$node->safe_psql('twice', 'CREATE SCHEMA unleash');
$node->safe_psql('twice', 'SET search_path = unleash; ' . slurp(source_dir() . '/t/lib/unleash.sql'));
$node->safe_psql('twice', "INSERT INTO unleash.personal_access_tokens (secret, description, user_id, expires_at)
	SELECT 'user:' || n, n, 4, '2990-01-01' FROM generate_series(1, 2000) n");
my $first = $node->background_psql('twice');
$first->query_safe("BEGIN; SELECT count(*) FROM pat_import_unleash('unleash')");
my ($output, $errors) = ('', '');
my $waiting = start_beside(
	[ 'psql', '-XAtq', '-d', $node->connstr('twice'), '-c',
		"SELECT result, sum(count) FROM pat_import_unleash('unleash') GROUP BY result HAVING sum(count) > 0 ORDER BY 1" ],
	'<', \undef, '>', \$output, '2>', \$errors);
wait_until(sub { $node->safe_psql('twice', "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'") },
	'the second import to wait');
like($first->query("SELECT pat_list_for_service_account(3, '${SECRET}1')"), qr/"description":"secure"/,
	'... and the first sees its own work');
$first->query_safe('COMMIT');
ok(IPC::Run::finish($waiting), 'the second ends') or diag($errors);
is($output, "skipped|4\nunchanged|2016\n", '... and finds everything done');
$first->quit;
is($node->safe_psql('twice', <<~'SQL'), '', 'what is here already is found by indexes, not by reading tables for each row');
	BEGIN;
	SELECT count(*) FROM pat_import_unleash('unleash') \g /dev/null
	SELECT relname, seq_scan FROM pg_stat_xact_user_tables
	WHERE relname IN ('pat_import', 'pat_account', 'pat_token') AND seq_scan > 10;
	COMMIT;
	SQL
my $pats = from_json(sql_list($node, 3, $SECRET . 2, 'twice'))->{pats};
is_deeply([ map { $_->{secret} } @$pats ], [ $SECRET . 3, $SECRET . 4, undef ],
	'sealed: lists show the secrets that Unleash had in plain text');

# Who authenticates while an import runs does not wait, even where the use would be noted.
$first = $node->background_psql('twice');
$first->query_safe("BEGIN; SELECT count(*) FROM pat_import_unleash('unleash')");
is($node->safe_psql('twice', "SET lock_timeout = '10s'; SELECT account_id FROM pat_caller('$SECURE')"), '3',
	'a caller is let in during an import');
isnt($node->psql('twice', "SET lock_timeout = '1ms'; SELECT pat_create_account('late')"), 0, '... but nobody creates anything');
$first->query_safe('COMMIT');
$first->quit;

# In a snapshot older than the other's work nothing is stored twice, and no hash is told.
$node->safe_psql('twice', "INSERT INTO unleash.personal_access_tokens (secret, description, user_id, expires_at)
	VALUES ('user:other', 'other', 3, '2990-01-01')");
my $old = $node->background_psql('twice', on_error_stop => 0);
$old->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pat_token');
$node->safe_psql('twice', "SELECT pat_create_token(3, 'other', secret => 'user:other')");
$old->query("SELECT count(*) FROM pat_import_unleash('unleash')");
like($old->{stderr}, qr/could not serialize access/, 'an import in an old snapshot fails');
$old->query('ROLLBACK');
$old->quit;
ok(slurp($node->logfile) !~ /\(secret_hash\)=|Failing row/, '... and no error tells a hash');
like(report('twice'), qr/^token unchanged 2008 2008 is here already, as token 2008$/m, 'the next one finds the token');

# A key that cannot be used stops the import before anything is stored.
$node->safe_psql('postgres', 'CREATE DATABASE keyless');
create_extension($node, 'keyless');
$node->safe_psql('keyless', 'CREATE SCHEMA unleash');
$node->safe_psql('keyless', 'SET search_path = unleash; ' . slurp(source_dir() . '/t/lib/unleash.sql'));
my ($status, undef, $message) =
  $node->psql('keyless', "SET pat.secret_key_file = '/nonexistent/key'; SELECT pat_import_unleash('unleash')");
isnt($status, 0, 'without a readable key nothing is imported');
unlike($message, qr/user:0/, '... and the error holds no secret') or diag($message);
is($node->safe_psql('keyless', 'SELECT count(*) FROM pat_import'), '0', '... nor is anything remembered');

# Foreign tables are read as well.
SKIP:
{
	my $available = "SELECT 1 FROM pg_available_extensions WHERE name = 'postgres_fdw'";
	skip('postgres_fdw is not installed', 2) unless $node->safe_psql('keyless', $available);
	my ($host, $port) = ($node->host, $node->port);
	$node->safe_psql('keyless', <<~"SQL");
		DROP SCHEMA unleash CASCADE;
		CREATE SCHEMA unleash;
		CREATE EXTENSION postgres_fdw;
		CREATE SERVER unleash FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'unleash');
		CREATE USER MAPPING FOR CURRENT_USER SERVER unleash;
		IMPORT FOREIGN SCHEMA public LIMIT TO (users, personal_access_tokens, roles, role_permission, permissions,
			role_user, groups, group_user, group_role) FROM SERVER unleash INTO unleash;
		SQL
	like(report('keyless'), qr/^token imported 5$/m, 'from foreign tables');
	like(callers('keyless', $SECURE), qr/^3\|deploy\|/, '... tokens are accepted too');
}

$node->stop;
done_testing();
