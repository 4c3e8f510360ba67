# Calls from every kind of transaction beside maintenance of every kind, for STRESS_SECONDS (60).
#
# Six sessions list, batch, authenticate, create and delete inside cursors, savepoints, exception
# blocks and prepared transactions of each isolation level, while others rebuild tables and
# indexes, replace indexes, add and drop columns, truncate the audit trail, and drop and create the
# extension in a database beside. Each answer is compared with what it must be; each call in a
# transaction must leave its locks held; the errors that may come are listed below, by what the
# session was doing. On a server with assertions (make check-assert) a read without a lock ends the
# backend as well, which the log shows.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/../lib";
use PatStress;
use PatTest;
use Time::HiRes ();

my $seconds = $ENV{STRESS_SECONDS} || 60;
my $grace = 120;                    # for what is under way when the time is over
my ($readers, $writers) = (3, 3);
my @levels = ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE');

# What may fail, and how. A circle of locks in a transaction that reads and then changes is any
# server's: REINDEX locks the table against changes before it waits for readers of its index.
my $circle = qr/\A40P01: deadlock detected\z/;
my $conflict = qr/\A40001: could not serialize access due to read\/write/;
my %may_fail = (
	'a call' => [],
	'reading, SERIALIZABLE' => [$conflict],
	'changing, SERIALIZABLE' => [$conflict],
	'reading and then changing, READ COMMITTED' => [$circle],
	'reading and then changing, REPEATABLE READ' => [$circle],
	'reading and then changing, SERIALIZABLE' => [ $circle, $conflict ],
	'maintenance' => [ $circle, qr/\A54011: tables can have at most 1600 columns\z/ ],
	# A statement that is older than the new extension sees none of its rows.
	'the extension comes and goes' => [
		qr/\APT401: You must log in to use Unleash\.\z/,
		$circle,
		qr/\A42883: function pat_\w+\([a-z, ]+\) does not exist\z/,
		qr/\AXX000: cache lookup failed for function \d+\z/,
		qr/\A42P01: relation "public\.pat_\w+" does not exist\z/ ]);

my $node = new_cluster('stress', sealed => 1, settings => <<~'CONF');
	pat.seen_resolution = 0
	max_prepared_transactions = 20
	deadlock_timeout = '200ms'
	autovacuum_naptime = '1s'
	log_lock_waits = off
	CONF
my $sample = load_sample($node);
my ($account, $admin) = @{$sample}{qw(account admin)};
my $end = Time::HiRes::time() + $seconds;
sub time_is_left { return Time::HiRes::time() < $end; }

$node->safe_psql('postgres', <<~'SQL');
	CREATE ROLE api LOGIN;
	SELECT pat_grant_api('api') \g /dev/null
	CREATE FUNCTION in_exception_blocks(id text, token text) RETURNS SETOF text LANGUAGE plpgsql AS $$
	BEGIN
		BEGIN
			PERFORM pat_list_for_service_account(id, token);
			RAISE EXCEPTION 'undone';
		EXCEPTION WHEN raise_exception THEN NULL;
		END;
		RETURN NEXT pat_list_for_service_account(id, token);
		BEGIN
			RETURN NEXT pat_list_for_service_account(id, token);
			BEGIN
				PERFORM pat_caller('user:unknown');
			EXCEPTION WHEN OTHERS THEN RETURN NEXT SQLSTATE;
			END;
			RETURN NEXT pat_list_for_service_account(id, token);
		END;
	END
	$$;
	SQL

# ---- calls whose answers are known ---------------------------------------------------------------

sub without_times
{
	my (@rows) = @_;
	return join "\n", map { s/"seenAt":(?:null|"[^"]*")/"seenAt":*/gr } @rows;
}

my $jwt = $node->safe_psql('postgres', <<~'SQL');
	SELECT pat_add_jwt_key('stress', 'HS256', 'a secret of thirty-two bytes, so') \g /dev/null
	SELECT pg_sleep(1.1) \g /dev/null
	SELECT pat_jwt_sign(json_build_object('sub', 'ada', 'iat', floor(extract(epoch FROM now())),
		'exp', 4102444800), 'a secret of thirty-two bytes, so');
	SQL
my $batch = "ARRAY['$account', '4711', '$account'], ARRAY['$admin', '$admin', 'user:unknown']";
my %call = (
	list => "SELECT pat_list_for_service_account('$account', '$admin')",
	list_by_number => "SELECT pat_list_for_service_account($account, '$admin')",
	list_own => "SELECT pat_list('$sample->{viewer}')",
	list_by_jwt => "SELECT pat_list('$jwt')",
	caller => "SELECT pat_caller('$sample->{viewer}')",
	caller_by_jwt => "SELECT pat_caller('$jwt')",
	answer => "SELECT pat_answer_list_for_service_account('$account', '$admin')",
	batch => "SELECT pat_answer_list_for_service_account($batch)",
	batch_own => "SELECT pat_answer_list(ARRAY['$sample->{viewer}', 'user:unknown', '$jwt'])");
my (%expected, %locks);

# The tables and indexes that this session has locked, indexes by what they are over: a rebuilt one
# has another name for a while.
my $locked_now = <<~'SQL';
	SELECT DISTINCT coalesce(substring(pg_get_indexdef(relation) FROM ' ON (?:ONLY )?(.*)'), relation::regclass::text)
	FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation' AND granted
		AND coalesce(pg_get_indexdef(relation), relation::regclass::text) ~ '\mpat_'
	SQL

for my $name (sort keys %call)
{
	my $session = PatStress->new($node, 'postgres');
	$session->ask('BEGIN');
	my $answer = $session->ask($call{$name});
	is($answer->{error}, undef, "$name: no error");
	$expected{$name} = without_times(@{ $answer->{rows} });
	$locks{$name} = $session->ask($locked_now)->{rows};
	$session->ask('COMMIT');
	$session->quit;
	for my $table (qw(pat_token pat_account))
	{
		next if $table eq 'pat_token' && $name =~ /caller_by_jwt/;
		my @found = grep { /\A(?:public\.)?$table\b/ } @{ $locks{$name} };
		cmp_ok(scalar @found, '>=', 2, "$name: locks $table and an index of it") or diag("@{ $locks{$name} }");
	}
}
like($expected{list}, qr/"documented example".*"ci"/, 'the list is what was made');

# ---- a session under test ------------------------------------------------------------------------

# ask(WORKER, SQL): the rows; leaves the scene if there was an error that may come, and dies of others.
sub ask
{
	my ($worker, $sql) = @_;
	my $answer = $worker->{session}->ask($sql);
	my $error = $answer->{error};
	return @{ $answer->{rows} } unless defined $error;
	for my $pattern (@{ $may_fail{ $worker->{doing} } })
	{
		next unless $error =~ $pattern;
		$worker->{report}{count}{"$worker->{doing}: " . substr($error, 0, 5)}++;
		die { left => 1 };
	}
	die "$worker->{doing}: $error\n" . ($answer->{more} // '') . "at $sql\n";
}

sub must_be
{
	my ($worker, $got, $expected, $what) = @_;
	$worker->{report}{count}{answers}++;
	return 1 if $got eq $expected;
	die "$worker->{doing}: $what: got\n$got\ninstead of\n$expected\n";
}

# One of the calls, which answers what it must.
sub read_once
{
	my ($worker, $name) = @_;
	$name ||= (keys %call)[ rand keys %call ];
	push @{ $worker->{names} }, $name;
	return must_be($worker, without_times(ask($worker, $call{$name})), $expected{$name}, $name);
}

# The locks of the calls named are held, whatever was rolled back before.
sub still_locked
{
	my ($worker, @names) = @_;
	my %held = map { $_ => 1 } ask($worker, $locked_now);
	my %missing = map { $_ => 1 } grep { !$held{$_} } map { @{ $locks{$_} } } @names;
	$worker->{report}{count}{'looks at locks'}++;
	return unless %missing;
	die "$worker->{doing}: after @names without a lock on: " . join(', ', sort keys %missing) . "\n";
}

# The statement is refused with the SQLSTATE.
sub must_fail
{
	my ($worker, $sql, $sqlstate) = @_;
	my $error = $worker->{session}->ask($sql)->{error} // 'nothing';
	return if $error =~ /\A$sqlstate\b/;
	die "$worker->{doing}: $error instead of $sqlstate at $sql\n";
}

sub some_level { return $levels[ rand @levels ]; }

sub begin
{
	my ($worker, $kind, $level) = @_;
	$level ||= some_level();
	$worker->{doing} = exists $may_fail{"$kind, $level"} ? "$kind, $level" : 'a call';
	$worker->{names} = [];
	ask($worker, "BEGIN ISOLATION LEVEL $level");
	return $level;
}

sub run_scene
{
	my ($worker, $name, $scene) = @_;
	$worker->{doing} = 'a call';
	my $before = $worker->{tokens};
	$worker->{tokens} = {%$before} if $before;
	my $done = eval { $scene->($worker); 1 };
	my $error = $@;
	if ($done) { $worker->{report}{count}{"scene: $name"}++; }
	else
	{
		die $error if !ref $error && $error =~ /\Athe session ended/;
		$worker->{tokens} = $before;
		if (!ref $error)
		{
			PatStress::fault($worker->{report}, "$name: $error");
			# What is there now is not known.
			$worker->{lost} = 1 if $before;
		}
	}
	$worker->{session}->ask('ROLLBACK');
	return $done;
}

# ---- scenes of readers ---------------------------------------------------------------------------

# The error comes in the middle of a cursor, whose locks go with it.
sub cursor_that_fails
{
	my ($worker) = @_;
	begin($worker, 'reading');
	ask($worker, "DECLARE c CURSOR FOR SELECT (pat_caller(t)).is_service FROM (VALUES ('$sample->{viewer}'), ('bad')) v(t)");
	must_be($worker, join("\n", ask($worker, 'FETCH 1 FROM c')), 'f', 'the first row');
	ask($worker, 'SAVEPOINT s');
	must_fail($worker, 'FETCH 1 FROM c', 'PT401');
	ask($worker, 'ROLLBACK TO s');
	ask($worker, 'RELEASE s') if rand() < 0.5;
	read_once($worker);
	still_locked($worker, @{ $worker->{names} });
	return ask($worker, 'COMMIT');
}

sub cursor_beside_calls
{
	my ($worker) = @_;
	my @rows = split /\n/, $expected{batch};
	my $hold = rand() < 0.3 ? 'WITH HOLD' : '';
	begin($worker, 'reading');
	# Each row of the batch is several lines: as JSON it is one.
	ask($worker, "DECLARE c CURSOR $hold FOR SELECT to_json(a) FROM pat_answer_list_for_service_account($batch) a");
	my @got = ask($worker, 'FETCH 1 FROM c');
	read_once($worker) if rand() < 0.7;
	still_locked($worker, 'batch', @{ $worker->{names} });
	if ($hold) { ask($worker, 'COMMIT'); }
	push @got, ask($worker, 'FETCH ALL FROM c');
	must_be($worker, without_times(map { JSON::PP->new->utf8->allow_nonref->decode($_) =~ s/\n\z//r } @got),
		join("\n", @rows), 'a batch by cursor');
	ask($worker, 'CLOSE c');
	return if $hold;
	read_once($worker);
	still_locked($worker, 'batch', @{ $worker->{names} });
	return ask($worker, 'COMMIT');
}

sub savepoints
{
	my ($worker) = @_;
	my @open;
	begin($worker, 'reading');
	for my $step (1 .. 4 + int rand 8)
	{
		my $what = rand;
		if ($what < 0.4)
		{
			push @open, { name => "s$step", names => [ @{ $worker->{names} } ] };
			ask($worker, "SAVEPOINT s$step");
		}
		elsif ($what < 0.6 && @open)
		{
			my ($to) = splice @open, rand @open;
			ask($worker, "ROLLBACK TO $to->{name}");
			$worker->{names} = [ @{ $to->{names} } ];
			ask($worker, "RELEASE $to->{name}");
		}
		elsif ($what < 0.7 && @open) { ask($worker, 'RELEASE ' . (splice @open, rand @open)[0]{name}); }
		read_once($worker) if rand() < 0.7;
		still_locked($worker, @{ $worker->{names} }) if rand() < 0.5;
	}
	return ask($worker, rand() < 0.8 ? 'COMMIT' : 'ROLLBACK');
}

sub exception_blocks
{
	my ($worker) = @_;
	begin($worker, 'reading');
	my $list = $expected{list};
	must_be($worker, without_times(ask($worker, "SELECT in_exception_blocks('$account', '$admin')")),
		join("\n", $list, $list, 'PT401', $list), 'exception blocks');
	still_locked($worker, 'list');
	return ask($worker, 'COMMIT');
}

sub single_calls
{
	my ($worker) = @_;
	read_once($worker) for 1 .. 5;
	return;
}

sub prepared_statement
{
	my ($worker) = @_;
	ask($worker, 'DEALLOCATE ALL');
	ask($worker, 'PREPARE l(text, text) AS SELECT pat_list_for_service_account($1, $2)');
	begin($worker, 'reading') if rand() < 0.5;
	my @lists = map { ask($worker, "EXECUTE l('$account', '$admin')") } 1 .. 8;
	must_be($worker, without_times($_), $expected{list}, 'a prepared statement') for @lists;
	return $worker->{session}->ask('COMMIT');
}

sub prepared_reader
{
	my ($worker) = @_;
	begin($worker, 'reading');
	read_once($worker);
	still_locked($worker, @{ $worker->{names} });
	prepare_and($worker, rand() < 0.5 ? 'COMMIT' : 'ROLLBACK');
	return read_once($worker);
}

# Nothing else is done between the two: maintenance may wait for the prepared transaction by then,
# and whatever this session did would wait for the maintenance.
sub prepare_and
{
	my ($worker, $how) = @_;
	ask($worker, "PREPARE TRANSACTION 'of $$'");
	$worker->{doing} = 'a call';
	return ask($worker, "$how PREPARED 'of $$'");
}

# ---- scenes of those who change their own account ------------------------------------------------

sub own_list
{
	my ($worker) = @_;
	my $tokens = $worker->{tokens};
	my $list = join ',', map { $tokens->{$_} } sort { $a <=> $b } keys %$tokens;
	return must_be($worker,
		without_times(ask($worker, "SELECT pat_list_for_service_account('$worker->{account}', '$admin')")),
		"{\"pats\":[$list]}", 'the own list');
}

sub create
{
	my ($worker) = @_;
	my $body = sprintf '{"description":"token %d","expiresAt":"2099-01-01T00:00:00.000Z"}', ++$worker->{number};
	my ($made) = ask($worker, "SELECT pat_create_for_service_account('$worker->{account}', '$body', '$admin')");
	# The list has the secret behind the id.
	$made =~ s/\A(\{"id":(\d+))(.*)(,"secret":"[^"]*")\}\z/$1$4$3}/ or die "no secret in $made\n";
	$worker->{tokens}{$2} = without_times($made);
	return;
}

sub delete_one
{
	my ($worker) = @_;
	my @ids = keys %{ $worker->{tokens} } or return create($worker);
	my $id = $ids[ rand @ids ];
	ask($worker, "SELECT pat_delete_for_service_account('$worker->{account}', '$id', '$admin')");
	delete $worker->{tokens}{$id};
	return;
}

sub change { my ($worker) = @_; return keys %{ $worker->{tokens} } < 5 || rand() < 0.4 ? create($worker) : delete_one($worker); }

# A change by itself: nothing was locked before it, so no circle can come of it.
sub single_change
{
	my ($worker) = @_;
	change($worker);
	return own_list($worker);
}

sub changes_and_savepoints
{
	my ($worker) = @_;
	my $reads = rand() < 0.5;
	begin($worker, $reads ? 'reading and then changing' : 'changing');
	own_list($worker) if $reads;
	for (1 .. 1 + int rand 3)
	{
		change($worker);
		own_list($worker);
		my $before = { %{ $worker->{tokens} } };
		ask($worker, 'SAVEPOINT s');
		change($worker) for 1 .. 2;
		own_list($worker);
		if (rand() < 0.6)
		{
			ask($worker, 'ROLLBACK TO s');
			$worker->{tokens} = $before;
			own_list($worker);
			still_locked($worker, 'list');
		}
		ask($worker, 'RELEASE s');
	}
	ask($worker, 'COMMIT');
	$worker->{doing} = 'a call';
	return own_list($worker);
}

sub prepared_change
{
	my ($worker) = @_;
	my ($before, $how) = ({ %{ $worker->{tokens} } }, rand() < 0.5 ? 'COMMIT' : 'ROLLBACK');
	begin($worker, 'changing');
	change($worker);
	own_list($worker);
	prepare_and($worker, $how);
	$worker->{tokens} = $before if $how eq 'ROLLBACK';
	return own_list($worker);
}

# ---- maintenance ---------------------------------------------------------------------------------

my %constraint = (pat_token => [qw(pat_token_pkey pat_token_secret_hash_key)], pat_account => ['pat_account_pkey']);
my %replaceable = (
	pat_token_account_id_id_idx => 'INDEX CONCURRENTLY twin ON pat_token (account_id, id)',
	pat_account_username_key => 'UNIQUE INDEX CONCURRENTLY twin_2 ON pat_account (username) WHERE deleted_at IS NULL');

sub some_maintenance
{
	my ($tables) = @_;
	my $table = $tables->[ rand @$tables ];
	my $how = rand() < 0.5 ? 'CONCURRENTLY' : '';
	my @indexes = grep { /\A$table/ } keys %replaceable, map { @$_ } values %constraint;
	my @choices = (
		"REINDEX TABLE $how $table", "VACUUM FULL $table", "CLUSTER $table USING ${table}_pkey",
		"VACUUM (ANALYZE) $table", "ANALYZE $table",
		[ "ALTER TABLE $table ADD COLUMN extra int", "ALTER TABLE $table DROP COLUMN extra" ],
		[ "CREATE INDEX more_$table ON $table (created_at)", "DROP INDEX $how more_$table" ]);
	pop @choices if $table eq 'pat_role_permission';    # has no such column
	push @choices, map { ("REINDEX INDEX $how $_") x 2 } @indexes;
	push @choices, map { replacement($_) } grep { exists $replaceable{$_} } @indexes;
	push @choices, 'TRUNCATE pat_event' if $table eq 'pat_event';
	my $choice = $choices[ rand @choices ];
	return ref $choice ? @$choice : $choice;
}

# Another index takes the place and the name of this one.
sub replacement
{
	my ($index) = @_;
	my ($twin) = $replaceable{$index} =~ /CONCURRENTLY (\w+)/;
	return [ "CREATE $replaceable{$index}", "DROP INDEX CONCURRENTLY $index", "ALTER INDEX $twin RENAME TO $index" ];
}

# What a REINDEX CONCURRENTLY that failed leaves.
my $invalid = q{SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid AND indexrelid::regclass::text ~ '_cc(new|old)\d*$'};

sub maintain
{
	my ($report, @tables) = @_;
	my $worker = { session => PatStress->new($node, 'postgres'), report => $report, doing => 'maintenance' };
	while (time_is_left())
	{
		for my $statement (some_maintenance(\@tables))
		{
			# Of several each must be done.
			until (eval { ask($worker, $statement); 1 })
			{
				my $error = $@;
				last if !ref $error && PatStress::fault($report, $error);
				ask($worker, "DROP INDEX $_") for grep { my $i = $_; grep { $i =~ /\A$_/ } @tables } ask($worker, $invalid);
				last if $statement =~ /ADD COLUMN/;
			}
			$report->{count}{maintenance}++;
		}
	}
	return $worker->{session}->quit;
}

# ---- the extension comes and goes ----------------------------------------------------------------

my $other_list = q{SELECT pat_list_for_service_account('1', '*:*.stress')};
my $load_other = <<~'SQL';
	CREATE EXTENSION pat;
	SELECT pat_create_account('bot');
	SELECT pat_create_token(1, 'one', secret => 'user:stress', created_at => '2024-01-01Z');
	SELECT pat_create_admin_token('stress', secret => '*:*.stress')
	SQL

sub come_and_go
{
	my ($report) = @_;
	my $worker = { session => PatStress->new($node, 'other'), report => $report, doing => 'the extension comes and goes' };
	while (time_is_left())
	{
		eval {
			if (rand() < 0.7) { ask($worker, "BEGIN; DROP EXTENSION pat; $load_other; COMMIT"); }
			else
			{
				ask($worker, 'DROP EXTENSION pat');
				ask($worker, "BEGIN; $load_other; COMMIT");
			}
			$report->{count}{'extension dropped and created'}++;
			1;
		} or ref $@ or PatStress::fault($report, $@);
		$worker->{session}->ask('ROLLBACK');
		$worker->{session}->ask("BEGIN; $load_other; COMMIT; ROLLBACK")
		  unless $worker->{session}->ask(q{SELECT 1 FROM pg_extension WHERE extname = 'pat'})->{rows}[0];
		Time::HiRes::sleep(rand 0.3);
	}
	return $worker->{session}->quit;
}

sub list_beside
{
	my ($report, $expected) = @_;
	my $worker = { session => PatStress->new($node, 'other'), report => $report };
	while (time_is_left())
	{
		run_scene($worker, 'the extension comes and goes', sub {
			$worker->{doing} = 'the extension comes and goes';
			my $explicit = rand() < 0.5;
			ask($worker, 'BEGIN') if $explicit;
			for (1 .. 3)
			{
				ask($worker, 'SAVEPOINT s') if $explicit;
				must_be($worker, without_times(ask($worker, $other_list)), $expected, 'the list beside');
				ask($worker, 'ROLLBACK TO s') if $explicit;
			}
		}) or Time::HiRes::sleep(0.01);
	}
	return $worker->{session}->quit;
}

# ---- all of it -----------------------------------------------------------------------------------

sub act
{
	my ($report, $account_id, %scenes) = @_;
	my $worker = { session => PatStress->new($node, 'postgres', rand() < 0.5 ? 'api' : undef), report => $report };
	@{$worker}{qw(account tokens)} = ($account_id, {}) if $account_id;
	while (time_is_left() && !$worker->{lost})
	{
		my $name = (sort keys %scenes)[ rand keys %scenes ];
		run_scene($worker, $name, $scenes{$name});
	}
	return $worker->{session}->quit;
}

my %reading = (
	'a cursor that fails' => \&cursor_that_fails, 'a cursor beside calls' => \&cursor_beside_calls,
	'savepoints' => \&savepoints, 'exception blocks' => \&exception_blocks, 'single calls' => \&single_calls,
	'a prepared statement' => \&prepared_statement, 'a prepared transaction that reads' => \&prepared_reader);
my %changing = (
	'a single change' => \&single_change, 'changes and savepoints' => \&changes_and_savepoints,
	'a prepared transaction that changes' => \&prepared_change);

$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', "$load_other;");
my $other_expected = without_times($node->safe_psql('other', $other_list));
my @accounts = split /\n/, $node->safe_psql('postgres',
	"SELECT pat_create_account('writer ' || n) FROM generate_series(1, $writers) n");

$end = Time::HiRes::time() + $seconds;
my $most = int $seconds + $grace;
PatStress::beside($node, "reader $_", $most, sub { act(@_, undef, %reading) }) for 1 .. $readers;
PatStress::beside($node, "writer of $_", $most, sub { act(@_, $accounts[ $_ - 1 ], %changing) }) for 1 .. $writers;
PatStress::beside($node, 'maintenance', $most, sub { maintain(@_, qw(pat_token pat_jwt_key)) });
PatStress::beside($node, 'more maintenance', $most, sub { maintain(@_, qw(pat_account pat_role_permission pat_event)) });
PatStress::beside($node, 'come and go', $most, \&come_and_go);
PatStress::beside($node, 'list beside', $most, sub { list_beside(@_, $other_expected) }) for 1 .. 2;
my ($count, $faults) = PatStress::read_reports();

is(scalar @$faults, 0, 'A1: every answer right, every lock held, no error but those that may come')
  or diag(join "\n----\n", @$faults);
cmp_ok($count->{"scene: $_"} || 0, '>', 0, "it came to: $_") for sort keys %reading, keys %changing;
cmp_ok($count->{$_} || 0, '>', 0, "it came to: $_") for 'maintenance', 'extension dropped and created', 'looks at locks';
my $log = slurp($node->logfile);
my $broken = qr/^.*(?:TRAP:|PANIC|terminated by signal|could not read block|could not open file|invalid page|server process .* exited).*$/m;
is(join("\n", $log =~ /($broken)/g), '', 'A1: no failed assertion, no crash, no read of what is gone in the log');
$node->safe_psql('postgres', 'CREATE EXTENSION amcheck');
for my $database ('postgres')
{
	my ($status, undef, $error) = $node->psql($database, <<~'SQL');
		SELECT bt_index_check(indexrelid, true) FROM pg_index JOIN pg_class c ON c.oid = indexrelid
		WHERE indrelid::regclass::text LIKE 'pat\_%' AND relam = (SELECT oid FROM pg_am WHERE amname = 'btree') AND indisvalid;
		SQL
	is($status, 0, 'amcheck finds every index whole') or diag($error);
}
diag("figure: $_: $count->{$_}") for sort keys %$count;
$node->stop;
done_testing();
