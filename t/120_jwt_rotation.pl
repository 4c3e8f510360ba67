# Keys of JSON Web Tokens come and go while sessions that have them in their cache go on: from the
# commit of a retirement on, the next statement of every session refuses, whatever transaction,
# snapshot, cursor or parallel query it is in, on a standby and behind a subscription too; and what
# is in force is accepted all the time.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256);
use MIME::Base64 qw(encode_base64url);
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;

my $node = new_cluster('rotation', streaming => 1,
	settings => "wal_level = logical\nmax_prepared_transactions = 2\nautovacuum = off\n");
create_databases();
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;

# The same account everywhere, and keys of their own.
sub create_databases
{
	$node->safe_psql('postgres', 'CREATE DATABASE other');
	$node->safe_psql('postgres', 'CREATE DATABASE subscriber');
	create_extension($node, $_) for qw(other subscriber);
	# older than the tokens
	$node->safe_psql($_, "SELECT pat_create_account('rotating-bot', root_role => 1);
		UPDATE pat_account SET created_at = '2020-01-01 00:00+00' WHERE username = 'rotating-bot'")
	  for qw(postgres other subscriber);
	return;
}

# The secret of a key is made from its kid.
sub secret { return sprintf('%-32s', "secret of $_[0]"); }

sub add_key
{
	my ($kid) = @_;
	return "SELECT pat_add_jwt_key('$kid', 'HS256', '" . secret($kid) . "')";
}

sub jwt
{
	my ($kid) = @_;
	my $signed = join '.', map { encode_base64url($_) } qq({"alg":"HS256","kid":"$kid"}),
	  '{"sub":"rotating-bot","iat":1600000000,"exp":32472144000}';
	return "$signed." . encode_base64url(hmac_sha256($signed, secret($kid)));
}

sub account { return "pat_jwt_account('" . jwt($_[0]) . "', now())"; }

# ---- sessions of all kinds -----------------------------------------------------------------------

# Each is as it was left: what it opens stays open from the first question to the last.
my %session;

sub open_session
{
	my ($name, $where, $database, @statements) = @_;
	$session{$name} = $where->background_psql($database, on_error_stop => 0);
	$session{$name}->query_safe($_) for @statements;
	return;
}

# Which of the keys a session takes, as in "a c".
sub taken
{
	my ($name, @kids) = @_;
	my $list = join ', ', map { "CASE WHEN " . account($_) . " IS NOT NULL THEN '$_' END" } @kids;
	return $session{$name}->query("SELECT concat_ws(' ', $list)");
}

sub all_take
{
	my ($name, $expected, @kids) = @_;
	$node->wait_for_catchup($standby);
	is(taken($_, @kids), $expected, "$name: $_") for grep { !/^other/ } sort keys %session;
	return;
}

my @kinds = (
	[ 'outside transactions' ],
	[ 'in a transaction', 'BEGIN', 'SELECT 1' ],
	[ 'with an old snapshot', 'BEGIN ISOLATION LEVEL REPEATABLE READ', 'SELECT count(*) FROM pat_account' ],
	[ 'read-only', 'BEGIN READ ONLY' ],
	[ 'in a subtransaction', 'BEGIN', 'SELECT 1', 'SAVEPOINT s' ],
	[ 'with the table locked', 'BEGIN', 'LOCK TABLE pat_jwt_key IN ACCESS SHARE MODE' ]);
$node->safe_psql($_, join ';', map { add_key($_) } qw(a b)) for qw(postgres other);
open_session($_->[0], $node, 'postgres', @$_[ 1 .. $#$_ ]) for @kinds;
open_session('serializable', $node, 'postgres', 'BEGIN ISOLATION LEVEL SERIALIZABLE', 'SELECT count(*) FROM pat_jwt_key');
open_session("on the standby, $_->[0]", $standby, 'postgres', @$_[ 1 .. $#$_ ]) for @kinds;
open_session('other database', $node, 'other', 'BEGIN', 'SELECT 1');

my $owner = $node->background_psql('postgres');
all_take('two keys in force', 'a b', qw(a b c));
is(taken('other database', qw(a b c)), 'a b', 'the other database has its own');

$owner->query_safe("SELECT pat_retire_jwt_key('a')");
all_take('one retired', 'b', qw(a b c));
$owner->query_safe(add_key('c'));
all_take('one added', 'b c', qw(a b c));
$owner->query_safe("SELECT pat_delete_jwt_key('b')");
all_take('one deleted', 'c', qw(a b c));
is(taken('other database', qw(a b c)), 'a b', 'the other database still has its own');

$owner->query_safe('BEGIN');
$owner->query_safe("SELECT pat_retire_jwt_key('c')");
$owner->query_safe(add_key('d'));
all_take('not committed', 'c', qw(c d));
$owner->query_safe('ROLLBACK');
all_take('rolled back', 'c', qw(c d));

for my $end ('ROLLBACK', 'COMMIT')
{
	$owner->query_safe('BEGIN');
	$owner->query_safe("SELECT pat_retire_jwt_key('c')");
	$owner->query_safe(add_key('d'));
	$owner->query_safe("PREPARE TRANSACTION 'rotation'");
	all_take("prepared, before $end", 'c', qw(c d));
	$owner->query_safe("$end PREPARED 'rotation'");
	all_take("$end of the prepared transaction", $end eq 'COMMIT' ? 'd' : 'c', qw(c d));
}

$owner->query_safe("UPDATE pat_jwt_key SET key = '" . secret('e') . "', kid = 'e' WHERE kid = 'd'");
all_take('replaced by hand', 'e', qw(d e));
$owner->query_safe("DELETE FROM pat_jwt_key");
all_take('none left', '', qw(a b c d e));

$node->safe_psql('other', "SELECT pat_retire_jwt_key('a')");
is(taken('other database', qw(a b)), 'b', 'in the other database, one retired');
$_->quit for values %session;
%session = ();

# ---- in the middle of a query --------------------------------------------------------------------

$owner->query_safe(add_key('f'));
open_session('cursor', $node, 'postgres', 'BEGIN',
	'DECLARE c CURSOR FOR SELECT ' . account('f') . ' IS NOT NULL FROM generate_series(1, 9)');
is($session{cursor}->query('FETCH 3 FROM c'), "t\nt\nt", 'a cursor, the key in force');
$owner->query_safe("SELECT pat_retire_jwt_key('f')");
is($session{cursor}->query('FETCH 3 FROM c'), "f\nf\nf", '... retired');
$owner->query_safe("UPDATE pat_jwt_key SET retired_at = NULL WHERE kid = 'f'");
is($session{cursor}->query('FETCH 3 FROM c'), "t\nt\nt", '... in force again');

$owner->query_safe("CREATE TABLE load (token text); INSERT INTO load SELECT '" . jwt('f')
	. "' FROM generate_series(1, 1000); ANALYZE load");
my $parallel = 'SELECT count(pat_jwt_account(token, now())) FROM load';
open_session('parallel', $node, 'postgres', 'SET parallel_setup_cost = 0', 'SET parallel_tuple_cost = 0',
	'SET min_parallel_table_scan_size = 0', 'BEGIN');
like($session{parallel}->query("EXPLAIN $parallel"), qr/Gather/, 'a parallel query');
is($session{parallel}->query($parallel), 1000, '... the key in force');
$owner->query_safe("SELECT pat_retire_jwt_key('f')");
is($session{parallel}->query($parallel), 0, '... retired');
$_->quit for values %session;
%session = ();

# ---- behind a subscription -----------------------------------------------------------------------

my $connection = $node->connstr('postgres') =~ s/'/''/gr;
$owner->query_safe(add_key('g'));
$owner->query_safe('CREATE PUBLICATION keys FOR TABLE pat_jwt_key');
$owner->query_safe("SELECT pg_create_logical_replication_slot('keys', 'pgoutput')");
open_session('subscriber', $node, 'subscriber', 'SELECT ' . account('g'));
open_session('subscriber in a transaction', $node, 'subscriber', 'BEGIN', 'SELECT ' . account('g'));
$node->safe_psql('subscriber', "CREATE SUBSCRIPTION keys CONNECTION '$connection' PUBLICATION keys
	WITH (create_slot = false, slot_name = 'keys')");
follow('the first copy', 'g', qw(g h));
$owner->query_safe("SELECT pat_retire_jwt_key('g')");
$owner->query_safe(add_key('h'));
follow('one retired, one added', 'h', qw(g h));
$owner->query_safe("SELECT pat_delete_jwt_key('h')");
follow('one deleted', '', qw(g h));
$owner->query_safe("UPDATE pat_jwt_key SET retired_at = NULL WHERE kid = 'g'");
follow('one in force again', 'g', qw(g h));
# TRUNCATE waits for whoever has read the table
(delete $session{'subscriber in a transaction'})->quit;
$owner->query_safe('TRUNCATE pat_jwt_key');
follow('truncated', '', qw(g h));
$_->quit for values %session;
$node->safe_psql('subscriber', 'DROP SUBSCRIPTION keys');

# The subscriber gets there in its own time; that it does is what counts.
sub follow
{
	my ($name, $expected, @kids) = @_;
	for my $session (sort keys %session)
	{
		ok(wait_until(sub { taken($session, @kids) eq $expected }, "$name: $session"),
			"$name: $session");
	}
	return;
}

# ---- under load ----------------------------------------------------------------------------------
#
# Each generation has its own key and one token. Its state is "new" before the key is added, "in"
# after that has been committed, "leaving" before it is retired or deleted, "out" after that has
# been committed. What was out before a call must be refused; what was new before it and is still
# new must be refused; what was in before it and is still in must be accepted.

use constant { GENERATIONS => 40, IN_FORCE => 3 };

$owner->query_safe(<<~"SQL");
	CREATE TABLE rotation (generation int PRIMARY KEY, token text NOT NULL, state text NOT NULL DEFAULT 'new');
	CREATE TABLE mistake (what text, generation int, before text, account int, after text);
	CREATE SEQUENCE accepted; CREATE SEQUENCE refused; CREATE SEQUENCE calls;
	SQL
$owner->query_safe(add_key('stays'));
$owner->query_safe("INSERT INTO rotation VALUES ($_, '" . jwt("gen-$_") . "')") for 1 .. GENERATIONS;

my $question = <<~'SQL';
	SELECT token AS token, state AS before FROM rotation WHERE generation = :generation \gset
	SELECT coalesce(pat_jwt_account(:token, now()), 0) AS account \gset
	SELECT state AS after FROM rotation WHERE generation = :generation \gset
	INSERT INTO mistake SELECT 'rotating', :generation, :before, :account, :after
	WHERE CASE WHEN :account::int > 0 THEN :before::text = 'out' OR :after::text = 'new'
		ELSE :before::text = 'in' AND :after::text = 'in' END;
	SELECT nextval(CASE WHEN :account::int > 0 THEN 'accepted' ELSE 'refused' END);
	SQL
my $stays = <<~'SQL';
	SELECT coalesce(pat_jwt_account(:stays, now()), 0) AS account \gset
	INSERT INTO mistake SELECT 'staying', NULL, NULL, :account, NULL WHERE :account::int = 0;
	SELECT json_array_length(pat_list_for_service_account(:id, :stays) -> 'pats');
	SQL
# An old snapshot shows old states: only what it shows as out is sure.
(my $old = $question) =~ s/CASE WHEN .*? END;/:account::int > 0 AND :before::text = 'out';/s;
my $pick = '\set generation random(1, ' . GENERATIONS . ")\n";
my %script = (
	single => "$pick$stays$question",
	transaction => "${pick}BEGIN;\n$stays${question}END;\n",
	snapshot => "${pick}BEGIN ISOLATION LEVEL REPEATABLE READ;\n$stays${old}END;\n");
my @scripts;
for my $name (sort keys %script)
{
	my $path = $node->basedir . "/$name.sql";
	open(my $out, '>', $path) or die "$path: $!";
	print $out $script{$name}, "SELECT nextval('calls');\n";
	close $out or die "$path: $!";
	push @scripts, '-f', $path;
}
my $id = $node->safe_psql('postgres', "SELECT id FROM pat_account WHERE username = 'rotating-bot'");
my $output = '';
my $load = start_beside(
	[ 'pgbench', '-n', '-M', 'prepared', '-c', '6', '-T', '100000', @scripts, '-D', "id=$id",
		'-D', 'stays=' . jwt('stays'), $node->connstr('postgres') ],
	'>', \$output, '2>&1');

# Goes on when the load has: each client has made calls since.
sub progress
{
	my $goal = 30 + $owner->query_safe('SELECT last_value FROM calls');
	return wait_until(sub {
			$load->pump_nb;
			return !$load->pumpable || $owner->query_safe('SELECT last_value FROM calls') >= $goal;
		}, 'the load to get on') && $load->pumpable;
}

sub state
{
	my ($generation, $state) = @_;
	$owner->query_safe("UPDATE rotation SET state = '$state' WHERE generation = $generation");
	return;
}

# Every way in has been tried in vain before it is gone for good, and every way out.
sub bring
{
	my ($generation) = @_;
	my $add = add_key("gen-$generation");
	$owner->query_safe("BEGIN; $add; ROLLBACK") if $generation % 3 == 0;
	state($generation, 'coming');
	$owner->query_safe($generation % 2 ? $add : "BEGIN; SAVEPOINT s; $add; ROLLBACK TO s; $add; COMMIT");
	state($generation, 'in');
	return;
}

sub take_away
{
	my ($generation) = @_;
	my $kid = "gen-$generation";
	my @ways = ("SELECT pat_retire_jwt_key('$kid')", "SELECT pat_delete_jwt_key('$kid')",
		"UPDATE pat_jwt_key SET retired_at = now() WHERE kid = '$kid'",
		"BEGIN; SELECT pat_retire_jwt_key('$kid'); SELECT pat_delete_jwt_key('$kid'); COMMIT");
	my $way = $ways[ $generation % @ways ];
	if ($generation % 3 == 0)
	{
		$owner->query_safe('BEGIN');
		$owner->query_safe("SELECT pat_retire_jwt_key('$kid')");
		progress();
		$owner->query_safe('ROLLBACK');
	}
	state($generation, 'leaving');
	$owner->query_safe($way);
	state($generation, 'out');
	return;
}

my $alive = progress();
for my $generation (1 .. GENERATIONS)
{
	last unless $alive;
	bring($generation);
	$alive = progress();
	take_away($generation - IN_FORCE) if $generation > IN_FORCE;
	$alive &&= progress();
}
ok($alive, 'the load ran all the time') or diag($output);
$load->signal('TERM');
$load->finish;
unlike($output, qr/ERROR|aborted|FATAL/, '... without an error');
is($node->safe_psql('postgres', 'SELECT * FROM mistake'), '', '... or a mistake');
is($node->safe_psql('postgres', "SELECT string_agg(DISTINCT state, ' ' ORDER BY state) FROM rotation"), 'in out',
	'all generations have been in force');
cmp_ok($node->safe_psql('postgres', 'SELECT last_value FROM accepted'), '>', GENERATIONS, 'calls were accepted');
cmp_ok($node->safe_psql('postgres', 'SELECT last_value FROM refused'), '>', GENERATIONS, 'calls were refused');
unlike(slurp($_->logfile), qr/PANIC|terminated by signal|TRAP/, 'nothing crashed: ' . $_->name) for $node, $standby;
$owner->quit;
$standby->stop;
$node->stop;

done_testing();
