# A sealed text belongs to one row: one id, one account, one hash. Copied or moved to any other, in
# this database or another with the same key, it is not shown; the list goes on without it, and so
# does the token, which is found by its hash.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;

my $node = new_cluster('rows', sealed => 1);
$node->safe_psql('postgres', 'CREATE DATABASE other');
create_extension($node, 'other');

# The same ids in both, other texts.
my (%admin, %account, %secret);
for my $database (qw(postgres other))
{
	$admin{$database} = $node->safe_psql($database, q{SELECT pat_create_admin_token('root')});
	for my $name (qw(ann ben))
	{
		$account{$name} = $node->safe_psql($database, "SELECT pat_create_account('$name')");
		$secret{$database}{"$name-$_"} = $node->safe_psql($database,
			"SELECT secret FROM pat_create_token($account{$name}, '$name-$_')")
		  for qw(a b);
	}
}
my $all = join ' ', qw(ann-a ann-b ben-a ben-b);

# The descriptions of all tokens that lists show with their very text, and how many are listed.
sub shown
{
	my ($database) = @_;
	my (@shown, $listed);
	for my $name (qw(ann ben))
	{
		my $list = $node->safe_psql($database,
			"SELECT pat_list_for_service_account($account{$name}, '$admin{$database}')");
		for my $token (@{ from_json($list)->{pats} })
		{
			$listed++;
			next unless exists $token->{secret};
			my $own = $secret{$database}{ $token->{description} };
			push @shown, $token->{description} . ($token->{secret} eq $own ? '' : " shows $token->{secret}");
		}
	}
	return join(' ', sort @shown) . " of $listed";
}

# Undone after each change, by a copy of the table.
$node->safe_psql($_, 'CREATE TABLE kept AS SELECT * FROM pat_token') for qw(postgres other);

sub restore
{
	$node->safe_psql('postgres', <<~'SQL');
		DELETE FROM pat_token; INSERT INTO pat_token SELECT * FROM kept;
		SQL
	return;
}

is(shown('postgres'), "$all of 4", 'all texts are shown');
is(shown('other'), "$all of 4", '... in the other database too');

# ---- within one database -----------------------------------------------------------------------

my $sealed = q{(SELECT secret_sealed FROM kept WHERE description = '%s')};
my $ben_a = q{WHERE description = 'ben-a'};
for my $case (
	[ 'copied to another row of its account', sprintf("UPDATE pat_token SET secret_sealed = $sealed $ben_a", 'ben-b') ],
	[ 'copied to a row of another account', sprintf("UPDATE pat_token SET secret_sealed = $sealed $ben_a", 'ann-a') ],
	[ 'in a row that got another account',
		"UPDATE pat_token SET account_id = $account{ann} $ben_a" ],
	[ 'in a row that got another id', "UPDATE pat_token SET id = 1000000 $ben_a" ],
	[ 'in a row that got another hash',
		"UPDATE pat_token SET secret_hash = pat_token_hash('another') $ben_a" ],
	[ 'of a row that was deleted, in one inserted again with the same id and account', sprintf(<<~'SQL', 'ben-a') ],
		DELETE FROM pat_token WHERE description = 'ben-a';
		INSERT INTO pat_token (id, account_id, description, secret_hash, secret_sealed)
			SELECT id, account_id, description, pat_token_hash('user:inserted'), secret_sealed FROM kept
			WHERE description = '%s'
		SQL
	[ 'cut to its nonce and tag', "UPDATE pat_token SET secret_sealed = substr(secret_sealed, 1, 28) $ben_a" ],
	[ 'cut by its last byte',
		"UPDATE pat_token SET secret_sealed = substr(secret_sealed, 1, octet_length(secret_sealed) - 1) $ben_a" ])
{
	my ($what, $change) = @$case;
	$node->safe_psql('postgres', $change);
	is(shown('postgres'), 'ann-a ann-b ben-b of 4', "B3: a text $what is not shown");
	restore();
	is(shown('postgres'), "$all of 4", '... and what was restored is');
}
$node->safe_psql('postgres', <<~'SQL');
	UPDATE pat_token t SET secret_sealed = k.secret_sealed FROM kept k
	WHERE k.description = CASE t.description WHEN 'ben-a' THEN 'ben-b' WHEN 'ben-b' THEN 'ben-a' END;
	SQL
is(shown('postgres'), 'ann-a ann-b of 4', 'B3: two rows that exchange their texts show neither');
restore();

# A list is of what stands there, whatever the owner does to the columns.
for my $hash ('NULL', q{''::bytea}, q{'\x00'::bytea}, 'secret_hash || secret_hash', q{substr(secret_hash, 1, 31)})
{
	$node->safe_psql('postgres', <<~"SQL");
		ALTER TABLE pat_token DROP CONSTRAINT IF EXISTS pat_token_secret_hash_check, ALTER secret_hash DROP NOT NULL;
		UPDATE pat_token SET secret_hash = $hash $ben_a;
		SQL
	is(shown('postgres'), 'ann-a ann-b ben-b of 4', "B3: nor is a text beside a hash $hash");
	restore();
}

# The token needs its hash only.
$node->safe_psql('postgres', sprintf("UPDATE pat_token SET secret_sealed = $sealed $ben_a", 'ben-b'));
is($node->safe_psql('postgres', "SELECT account_id FROM pat_caller('$secret{postgres}{'ben-a'}')"), $account{ben},
	'B3: a token whose row has the text of another goes on');
restore();

# ---- another database under the same key ---------------------------------------------------------

my $moved = $node->safe_psql('postgres', "SELECT encode(secret_sealed, 'hex') FROM pat_token $ben_a");
$node->safe_psql('other', "UPDATE pat_token SET secret_sealed = decode('$moved', 'hex') $ben_a");
is(shown('other'), 'ann-a ann-b ben-b of 4',
	'B3: a text copied to the row of the same id and account in another database is not shown');
$node->safe_psql('other', 'DELETE FROM pat_token; INSERT INTO pat_token SELECT * FROM kept');
is(shown('other'), "$all of 4", '... and what was restored is');

# Whole rows belong to where they are, ids and all: a restored database shows what it did.
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', $dump, $node->connstr('restored') ],
	'... restored');
$admin{restored} = $admin{postgres};
$secret{restored} = $secret{postgres};
is(shown('restored'), "$all of 4", 'B3: a dump and restore keeps all texts');

$node->stop;
done_testing();
