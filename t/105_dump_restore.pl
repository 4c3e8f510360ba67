# A dump restored into a fresh database loses nothing and doubles nothing: byte-identical lists from
# the same tokens, the same rows in every table, ids that go on where they were, grants kept.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;

my $node = new_cluster('dump', sealed => 1, extension => 0, settings => "pat.seen_resolution = '1d'\n");
my $schema = '"Tokens, of pat"';
my $tempdir = PostgreSQL::Test::Utils::tempdir();

my @tables = (
	[ pat_role => 'id' ], [ pat_role_permission => 'role_id, permission' ], [ pat_account => 'id' ],
	[ pat_token => 'id' ], [ pat_jwt_key => 'id' ], [ pat_event => 'id' ]);
my @sequences = qw(pat_role_id_seq pat_account_id_seq pat_token_id_seq pat_jwt_key_id_seq
  pat_event_id_seq);

# Everything that a dump must keep: own roles, permissions added to shipped ones, accounts of each
# kind, deleted ones, tokens of each kind with and without sealed text, keys, events, gaps in ids.
sub fill
{
	my ($database, $where) = @_;
	my $sample = load_sample($node, $database, $where);
	my $extra = $node->safe_psql($database, <<~"SQL");
		SET search_path = $where, pg_catalog;
		INSERT INTO pat_role (name, description) VALUES ('Ops', E'of "our" own\\n'), ('Gone', '');
		DELETE FROM pat_role WHERE name = 'Gone';
		INSERT INTO pat_role_permission VALUES (1, 'EXTRA'), (2, 'READ'), (3, 'READ'), (4, 'READ'), (4, 'ADMIN');
		SELECT pat_create_account('ops-bot', 'Ops \\ 😀', 4) AS ops \\gset
		SELECT secret AS ops_token FROM pat_create_token(:ops, E'\\t"tab\\\\" 😀\\n\\x01', now() + '1 day') \\gset
		SELECT pat_create_account('former') AS former \\gset
		SELECT count(pat_create_token(:former, 'left')) \\g /dev/null
		SELECT pat_delete_account(:former) \\g /dev/null
		SELECT pat_create_account('former') AS again \\gset
		SET pat.secret_key_file = '';
		SELECT count(pat_create_token(:ops, 'unsealed ' || n)) FROM generate_series(1, 50) n \\g /dev/null
		RESET pat.secret_key_file;
		DELETE FROM pat_token WHERE description LIKE 'unsealed %0';
		SELECT pat_create_token($sample->{account}, 'last') \\g /dev/null
		DELETE FROM pat_token WHERE description = 'last';
		SELECT pat_delete_account(pat_create_account('last')) \\g /dev/null
		INSERT INTO pat_jwt_key (kid, algorithm, key, issuer) VALUES ('k1', 'HS256', '\\x00ff', 'us');
		INSERT INTO pat_event (type, created_by, data) VALUES ('test', :ops, '{"a": ["\\"", null]}');
		SELECT :ops, :'ops_token';
		SQL
	@$sample{qw(ops ops_token)} = split /\|/, $extra;
	return $sample;
}

# Rows of every table, as text. The system account comes with CREATE EXTENSION, which is why its
# time of creation is that of the restore.
sub contents
{
	my ($database, $where) = @_;
	return map {
		my ($table, $key) = @$_;
		my $whole = $table eq 'pat_account' ? 'WHERE id <> -1337' : '';
		$table => $node->safe_psql($database, "SELECT * FROM $where.$table $whole ORDER BY $key")
	} @tables;
}

# Every list that there is, through two callers, and what the callers are.
sub lists
{
	my ($database, $where, $sample) = @_;
	return $node->safe_psql($database, <<~"SQL");
		SELECT id, $where.pat_list_for_service_account(id, token)
		FROM $where.pat_account, unnest(ARRAY['$sample->{admin}', '$sample->{ops_token}']) AS token
		WHERE is_service AND deleted_at IS NULL ORDER BY id, token;
		SELECT * FROM unnest(ARRAY['$sample->{bot}', '$sample->{viewer}', '$sample->{ops_token}']) AS token,
			LATERAL $where.pat_caller(token) AS caller;
		SELECT $where.pat_list_service_accounts('$sample->{admin}');
		SQL
}

sub run_ok
{
	my ($name, @command) = @_;
	my ($stdout, $stderr) = ('', '');
	my $done = IPC::Run::run(\@command, '>', \$stdout, '2>', \$stderr);
	return ok($done && $stderr eq '', $name) || diag($stderr);
}

# A dump as text, without what is different every time.
sub dump_text
{
	my ($database) = @_;
	my $file = "$tempdir/text.sql";
	run_ok("pg_dump of $database", 'pg_dump', '-f', $file, $node->connstr($database));
	my $text = slurp($file);
	$text =~ s/^\\(?:un)?restrict \S+\n//mg;
	return $text;
}

# Ways to dump and to restore: arguments of pg_dump, and the command that restores into a database.
# Restoring data in several jobs is not among them: pg_restore keeps no order of foreign keys then.
my %way = (
	'plain text through psql' => [
		[ '-f', "$tempdir/plain.sql" ],
		sub { [ 'psql', '-Xq', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-f', "$tempdir/plain.sql", '-d', $_[0] ] }
	],
	'plain text of INSERTs, in one transaction' => [
		[ '--inserts', '-f', "$tempdir/inserts.sql" ],
		sub { [ 'psql', '-Xq1', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-f', "$tempdir/inserts.sql", '-d', $_[0] ] }
	],
	'custom format' => [
		[ '-Fc', '-f', "$tempdir/custom" ],
		sub { [ 'pg_restore', '-e', '-d', $_[0], "$tempdir/custom" ] }
	],
	'directory' => [
		[ '-Fd', '-j', '2', '-f', "$tempdir/directory" ],
		sub { [ 'pg_restore', '-e', '-d', $_[0], "$tempdir/directory" ] }
	],
	'custom format over an older extension' => [
		[ '-Fc', '-f', "$tempdir/clean" ],
		sub { [ 'pg_restore', '-e', '--clean', '--if-exists', '-d', $_[0], "$tempdir/clean" ] }
	]);

sub check_restored
{
	my ($from, $to, $where, $sample) = @_;
	my %before = contents($from, $where);
	my %after = contents($to, $where);

	is($after{$_}, $before{$_}, "$to: the rows of $_") for sort keys %before;
	is(lists($to, $where, $sample), lists($from, $where, $sample), "$to: the lists, byte for byte");
	for my $sequence (@sequences)
	{
		my $query = "SELECT last_value, is_called FROM $where.$sequence";
		is($node->safe_psql($to, $query), $node->safe_psql($from, $query), "$to: $sequence goes on");
	}
	is($node->safe_psql($to, <<~"SQL"), 't|t|t|t', "$to: new ids are new");
		SET search_path = $where, pg_catalog;
		SELECT max(id) AS accounts, (SELECT max(id) FROM pat_token) AS tokens, (SELECT max(id) FROM pat_role) AS roles
		FROM pat_account \\gset
		SELECT pat_create_account('made') AS made \\gset
		SELECT id FROM pat_create_token(:made, 'made') \\gset
		SELECT :made > :accounts, :id > :tokens + 1, nextval('pat_role_id_seq') > :roles + 1,
			json_array_length(pat_list_for_service_account(:made, '$sample->{admin}')->'pats') = 1;
		SQL
	is($node->safe_psql($to, <<~"SQL"), '3|1|1', "$to: shipped rows once");
		SELECT (SELECT count(*) FROM $where.pat_role WHERE name IN ('Admin', 'Editor', 'Viewer')),
			(SELECT count(*) FROM $where.pat_role_permission WHERE permission = 'ADMIN' AND role_id = 1),
			(SELECT count(*) FROM $where.pat_account WHERE is_system);
		SQL
	my ($status, $output, $error) = $node->psql($to,
		"SELECT $where.pat_list_for_service_account($sample->{account}, '$sample->{admin}')",
		extra_params => [ '-U', 'regress_pat_api' ]);
	is($status, 0, "$to: the grant of the API") or diag($error);
	my (undef, undef, $refused) = $node->psql($to, "SELECT count(*) FROM $where.pat_token",
		extra_params => [ '-U', 'regress_pat_api' ]);
	like($refused, qr/permission denied for table pat_token/, "... and of nothing else");
	return;
}

$node->safe_psql('postgres', 'CREATE ROLE regress_pat_api LOGIN');
for my $case ([ 'main', 'public', sort keys %way ], [ 'apart', $schema, 'plain text through psql', 'custom format' ])
{
	my ($from, $where, @ways) = @$case;
	$node->safe_psql('postgres', "CREATE DATABASE $from");
	$node->safe_psql($from, "CREATE SCHEMA $where") if $where ne 'public';
	create_extension($node, $from, $where);
	my $sample = fill($from, $where);
	$node->safe_psql($from, "SELECT $where.pat_grant_api('regress_pat_api')");
	lists($from, $where, $sample);    # notes the uses, so that later ones change nothing

	my %rows = contents($from, $where);
	cmp_ok($rows{$_} =~ tr/\n// + 1, '>=', $_ eq 'pat_jwt_key' ? 1 : 4, "rows to keep in $_")
	  for sort keys %rows;
	my $text = dump_text($from);
	for my $i (0 .. $#ways)
	{
		my ($arguments, $restore) = @{ $way{ $ways[$i] } };
		my $to = "${from}_$i";
		note($ways[$i]);
		run_ok("dump: $ways[$i]", 'pg_dump', @$arguments, $node->connstr($from));
		$node->safe_psql('postgres', "CREATE DATABASE $to TEMPLATE template0");
		if ($ways[$i] =~ /over/)
		{
			create_extension($node, $to);
			load_sample($node, $to);
		}
		run_ok("restore: $ways[$i]", @{ $restore->($node->connstr($to)) });
		is(dump_text($to), $text, "$to: dumped again, the dump is the same");
		check_restored($from, $to, $where, $sample);
	}
}

# ---- data alone, with triggers disabled ------------------------------------------------------------

# That enables all triggers afterwards as if none had been always enabled; what the reference says to
# do then makes them what they were.
my $how = 'SELECT string_agg(tgenabled::text, \'\' ORDER BY tgname) FROM pg_trigger'
  . q{ WHERE tgrelid = 'pat_jwt_key'::regclass AND NOT tgisinternal};
$node->safe_psql('postgres', 'CREATE DATABASE data_alone');
create_extension($node, 'data_alone');
my $enabled = $node->safe_psql('data_alone', $how);
is($enabled, 'AA', 'both triggers on keys are always enabled');
run_ok('dump of data alone', 'pg_dump', '-a', '-Fc', '-f', "$tempdir/data", $node->connstr('main'));
run_ok('restore with triggers disabled', 'pg_restore', '-e', '--disable-triggers', '-d', $node->connstr('data_alone'),
	"$tempdir/data");
my @repairs = slurp(source_dir() . '/doc/sql.md') =~ /^(ALTER TABLE pat_jwt_key ENABLE .*;)$/mg;
is(scalar @repairs, 2, 'the reference says what to do then');
$node->safe_psql('data_alone', "@repairs");
is($node->safe_psql('data_alone', $how), $enabled, '... and it does it');

$node->stop;
done_testing();
