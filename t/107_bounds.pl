# The list at its bounds: how many tokens, which characters, which times, what length and encoding of
# arguments. Every list is compared, byte for byte, with one that SQL writes from the same rows.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;

my $node = new_cluster('bounds', settings => "pat.seen_resolution = '1d'\n");
my $admin = $node->safe_psql('postgres', q{SELECT pat_create_admin_token('root')});

# The same by SQL alone: its own quoting of strings, its own writing of times.
my $functions = <<~'SQL';
	CREATE FUNCTION json_time(value timestamptz) RETURNS text LANGUAGE sql AS $$
		SELECT coalesce(to_json(to_char(date_trunc('milliseconds',
				CASE WHEN value = '-infinity' OR value < '0001-01-01 00:00:00+00' THEN '0001-01-01 00:00:00+00'
					WHEN value >= '10000-01-01 00:00:00+00' THEN '9999-12-31 23:59:59.999+00'
					ELSE value END) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))::text, 'null')
	$$;
	CREATE FUNCTION expected(account integer) RETURNS text LANGUAGE sql AS $$
		SELECT '{"pats":[' || coalesce(string_agg(format(
				'{"id":%s,"description":%s,"expiresAt":%s,"userId":%s,"createdAt":%s,"seenAt":%s}', id,
				coalesce(to_json(description)::text, 'null'), json_time(expires_at), account_id,
				json_time(created_at), json_time(seen_at)), ',' ORDER BY id), '') || ']}'
		FROM pat_token WHERE account_id = account
	$$;
	SQL
$node->safe_psql('postgres', $functions);

sub new_account
{
	my ($name, $database) = @_;
	return $node->safe_psql($database || 'postgres', "SELECT pat_create_account('$name')");
}

# The list of an account, compared with SQL's and read as JSON by two readers; returns its tokens.
sub check_list
{
	my ($account, $count, $name, $database, $token) = @_;
	$database ||= 'postgres';
	$token ||= $admin;
	my $list = sql_list($node, $account, $token, $database);
	my $expected = $node->safe_psql($database, "SELECT expected($account)");
	ok($list eq $expected, "$name: byte for byte what SQL writes")
	  or diag(substr($list, 0, 2000), "\n", substr($expected, 0, 2000));
	is($node->safe_psql($database,
			"SELECT jsonb_array_length(pat_list_for_service_account($account, '$token')::jsonb->'pats')"),
		$count, "$name: PostgreSQL reads $count tokens");
	my $pats = eval { from_json($list)->{pats} };
	is(scalar @{ $pats || [] }, $count, "$name: $count tokens read by another reader") or diag($@);
	return @$pats;
}

# ---- how many --------------------------------------------------------------------------------------

for my $count (0, 1, 10, 1000, 10000)
{
	my $account = new_account("with $count");
	# in another order than that of the ids, between others' tokens, and some updated
	$node->safe_psql('postgres', <<~"SQL");
		INSERT INTO pat_token (id, account_id, description, secret_hash, created_at, expires_at, seen_at)
		SELECT 1000000 + $count * 100 + n, $account, 'number ' || n, sha256(('$count ' || n)::bytea),
			timestamptz '2023-04-19 08:15:14.123456+00' + n * interval '1.000999 s',
			CASE WHEN n % 3 > 0 THEN now() + n * interval '1 h' END, CASE WHEN n % 2 > 0 THEN now() - n * interval '1 s' END
		FROM generate_series(1, $count) AS n ORDER BY md5(n::text);
		UPDATE pat_token SET seen_at = now() WHERE account_id = $account AND id % 7 = 0;
		SQL
	my @pats = check_list($account, $count, "a list of $count");
	is_deeply([ map { $_->{id} } @pats ], [ map { 1000000 + $count * 100 + $_ } 1 .. $count ],
		"a list of $count: in the order of the ids");
	is((grep { $_->{description} ne 'number ' . ($_->{id} - 1000000 - $count * 100) } @pats) + 0,
		0, "a list of $count: each its own description");
}

# ---- which characters ------------------------------------------------------------------------------

my $characters = new_account('characters');
my %description = (
	'quotes and backslashes' => q{E'"\\\\\\\\"\\'\\\\"/\\\\u0041\\\\n</script>'},
	'every control character' => q{(SELECT string_agg(chr(n), '') FROM generate_series(1, 31) n)},
	'delete and the C1 controls' => q{(SELECT string_agg(chr(n), '') FROM generate_series(127, 159) n)},
	'all of ASCII' => q{(SELECT string_agg(chr(n), '') FROM generate_series(32, 126) n)},
	'emoji' => q{'😀👩‍👩‍👧‍👦🏴‍☠️'},
	'one character' => q{'x'},
	'255 control characters' => q{repeat(chr(1), 255)},
	'255 quotes' => q{repeat('"', 255)},
	'255 characters of two bytes' => q{repeat('é', 255)},
	'255 characters of three bytes' => q{repeat('€', 255)},
	'255 characters of four bytes' => q{repeat('😀', 255)},
	'the last characters' => q{U&'\\FFFD\\FFFE\\FFFF\\+10FFFD'},
	'line separators' => q{U&'\\2028\\2029\\FEFF\\0085'},
	'combining, right to left' => q{U&'e\\0301 \\05D0\\202E'},
	'blanks only' => q{'   '});
my @names = sort keys %description;
$node->safe_psql('postgres', "SELECT pat_create_token($characters, $description{$_})") for @names;
my @pats = check_list($characters, scalar @names, 'characters');
my %codes = map { $_->{id} => join ' ', map { ord } split //, $_->{description} } @pats;
my %stored = map { split /\|/ } split /\n/, $node->safe_psql('postgres', <<~"SQL");
	SELECT id, (SELECT string_agg(ascii(c)::text, ' ' ORDER BY n)
		FROM regexp_split_to_table(description, '') WITH ORDINALITY AS s (c, n))
	FROM pat_token WHERE account_id = $characters;
	SQL
is_deeply(\%codes, \%stored, 'every character comes back as it was stored');

# ---- rows that no function makes: as an owner with a free hand leaves them ---------------------------

my $odd = new_account('odd');
$node->safe_psql('postgres', <<~"SQL");
	ALTER DOMAIN pat_time DROP CONSTRAINT pat_time_check;
	ALTER TABLE pat_token ALTER description DROP NOT NULL, ALTER created_at DROP NOT NULL,
		ALTER secret_hash DROP NOT NULL, ALTER account_id DROP NOT NULL,
		DROP CONSTRAINT pat_token_description_check, DROP CONSTRAINT pat_token_secret_hash_check, DROP CONSTRAINT pat_token_id_check,
		DROP CONSTRAINT pat_token_account_id_description_key;
	INSERT INTO pat_token (id, account_id, description, secret_hash, secret_sealed, created_at, expires_at, seen_at)
		VALUES (900001, $odd, NULL, NULL, NULL, NULL, NULL, NULL), (900002, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
		(900003, $odd, '', '', '', NULL, NULL, NULL), (-5, $odd, 'negative', '\\x00', '\\x', NULL, NULL, NULL),
		(2147483647, $odd, 'last', NULL, NULL, now(), NULL, NULL),
		(-2147483648, $odd, 'first', NULL, NULL, now(), NULL, NULL),
		(900004, $odd, repeat('long "\\\\ 😀' || chr(1), 100000), NULL, decode(repeat('00', 100000), 'hex'), now(), NULL, NULL);
	INSERT INTO pat_token (account_id, description, secret_hash, created_at, expires_at, seen_at)
		SELECT $odd, 'time ' || n, sha256(('time ' || n)::bytea), t, t, t
		FROM unnest(ARRAY['infinity', '-infinity', '294276-12-31 23:59:59.999999+00', '4714-11-24 00:00:00+00 BC',
			'0001-12-31 23:59:59.999999+00 BC', '0001-01-01 00:00:00+00', '9999-12-31 23:59:59.999999+00',
			'10000-01-01 00:00:00+00', '1970-01-01 00:00:00+00', '1969-12-31 23:59:59.999999+00',
			'2000-01-01 00:00:00+00', '1999-12-31 23:59:59.999999+00', '2000-02-29 12:00:00+00',
			'1900-02-28 23:59:60+00', '2100-03-01 00:00:00+00', '1582-10-10 00:00:00+00',
			'2023-04-19 08:15:14.0009+00', '2023-04-19 08:15:14.9999+00']::timestamptz[])
			WITH ORDINALITY AS x (t, n);
	SQL
@pats = check_list($odd, 24, 'odd rows');
my $time = qr/\A(?!0000)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\z/;
is_deeply([ grep { defined && !/$time/ } map { @$_{qw(createdAt expiresAt seenAt)} } @pats ], [],
	'every time is null or of the years 1 to 9999');
is_deeply([ map { $_->{id} } @pats ], [ sort { $a <=> $b } map { $_->{id} } @pats ], 'in order');

# Dates of 9999 years, each day of the year among them: they are computed by code of our own.
my $days = new_account('days');
my $rows = $node->safe_psql('postgres', <<~"SQL");
	INSERT INTO pat_token (account_id, description, created_at, expires_at, seen_at)
	SELECT $days, t::text, t, t + interval '23:59:59.999', t - interval '1 us'
	FROM generate_series(timestamptz '0001-01-02 00:00:00+00', '9999-12-31 00:00:00+00', '97 days') AS t;
	INSERT INTO pat_token (account_id, description, created_at)
	SELECT $days, y || ' ' || t, make_timestamptz(y, 1, 1, 0, 0, 0, 'UTC') + t
	FROM generate_series(1, 9999, 7) AS y,
		unnest(ARRAY['0 s', '58 days 23:59:59.9999', '59 days', '60 days', '364 days', '365 days 23:59:59']::interval[]) AS t
	WHERE y < 9999;
	SELECT count(*) FROM pat_token WHERE account_id = $days;
	SQL
check_list($days, $rows, "$rows dates");

# What such rows are as tokens: one whose time is over is refused, one that is for ever is not.
for my $case ([ 1, 't' ], [ 2, 'f' ], [ 3, 't' ], [ 4, 'f' ], [ 5, 'f' ], [ 8, 't' ])
{
	my ($n, $accepted) = @$case;
	my ($status) = $node->psql('postgres', "SELECT pat_caller('time $n')");
	is($status == 0 ? 't' : 'f', $accepted, "the token of time $n is " . ($accepted eq 't' ? 'good' : 'over'));
}
check_list($odd, 24, 'after their use');

# An account without anything that it may do without.
$node->safe_psql('postgres', <<~"SQL");
	ALTER TABLE pat_account ALTER is_service DROP NOT NULL, ALTER is_system DROP NOT NULL,
		ALTER created_at DROP NOT NULL;
	INSERT INTO pat_account (id, is_service, is_system, created_at) VALUES (2147483647, true, NULL, NULL);
	INSERT INTO pat_account (id, is_service, is_system, created_at) VALUES (2147483646, NULL, NULL, NULL);
	INSERT INTO pat_token (account_id, description, secret_hash) VALUES (2147483647, 'x', sha256('empty'));
	SQL
check_list(2147483647, 1, 'an account of nulls');
is($node->safe_psql('postgres', q{SELECT account_id, username IS NULL, permissions FROM pat_caller('empty')}),
	'2147483647|t|{}', '... as a caller');
my (undef, undef, $error) = $node->psql('postgres', "SELECT pat_list_for_service_account('2147483646', '$admin')");
like($error, qr/ERROR:  Could not find the service account with ID "2147483646"\.$/m, 'no service account');

# ---- arguments -------------------------------------------------------------------------------------

sub outcome
{
	my ($id, $token, $database) = @_;
	my (undef, $output, $errors) = $node->psql($database || 'postgres',
		"\\set VERBOSITY verbose\nSELECT pat_list_for_service_account($id, $token)");
	return $output ne '' ? 'list' : $errors =~ /ERROR:  (\w{5}): (.*)/ ? "$1 $2" : $errors;
}

my $refused = 'PT401 You must log in to use Unleash.';
my %token = (
	'of 1 MB' => [ q{repeat('x', 1048576)}, $refused ],
	'of 1 MB in the form of our own' => [ q{'user:' || repeat('x', 1048576)}, $refused ],
	'of 8192 bytes' => [ q{repeat('x', 8192)}, $refused ],
	'of 8193 bytes' => [ q{repeat('x', 8193)}, $refused ],
	'with 1 MB behind it' => [ "'$admin' || repeat('x', 1048576)", $refused ],
	'between 2 MB of blanks' => [ "repeat(' ', 1048576) || '$admin' || repeat(E'\\t', 1048576)", 'list' ],
	'behind 1 MB of scheme' => [ "repeat('Bearer ', 150000) || '$admin'", $refused ],
	'compressed in a table' => [ q{(SELECT repeat(chr(233), 1000000))}, $refused ],
	'of characters of four bytes' => [ q{repeat('😀', 2048)}, $refused ]);
for my $name (sort keys %token)
{
	my ($text, $expected) = @{ $token{$name} };
	is(outcome("'$odd'", $text), $expected, "a token $name");
}
for my $case (
	[ 'a 1 MB id', q{repeat('1', 1048576)} ], [ 'a 1 MB id of four-byte characters', q{repeat('😀', 262144)} ],
	[ 'a 1 MB id of zeros', q{repeat('0', 1048576)} ], [ 'a 1 MB id of blanks', q{repeat(' ', 1048576)} ],
	[ 'an id of quotes and control characters', q{repeat(E'"\\\\\\\\\\n\\x01%s', 1000)} ])
{
	my ($name, $id) = @$case;
	(undef, undef, $error) =
	  $node->psql('postgres', "SELECT pat_list_for_service_account($id, '$admin')");
	like($error, qr/ERROR:  Could not find the service account with ID "/, "$name: not found");
	cmp_ok(length $error, '<', 500, '... and not repeated at length');
	utf8::decode(my $text = $error);
	ok(defined $text && $text !~ /\x{FFFD}/, '... nor cut within a character');
}
(undef, undef, $error) = $node->psql('postgres', "SELECT pat_list_for_service_account(E'\\xff', '$admin')");
like($error, qr/invalid byte sequence for encoding "UTF8"/, 'invalid UTF-8 does not reach us');
like(outcome(q{convert_from('\xf0288cbc', 'UTF8')}, "'$admin'"), qr/^22021 /, '... by no way');
like(outcome('chr(0)', "'$admin'"), qr/^54000 null character not permitted/, '... and no NUL');

# ---- databases of other encodings --------------------------------------------------------------------

for my $encoding (qw(LATIN1 SQL_ASCII EUC_JP))
{
	my $database = lc $encoding;
	$node->safe_psql('postgres',
		"CREATE DATABASE $database ENCODING '$encoding' LOCALE 'C' TEMPLATE template0");
	create_extension($node, $database);
	$node->safe_psql($database, $functions);
	my $token = $node->safe_psql($database, q{SELECT pat_create_admin_token('root')});
	my $account = new_account('bot', $database);
	$node->safe_psql($database, <<~"SQL");
		SELECT pat_create_token($account, E'plain " \\\\ \\x01');
		SELECT pat_create_token($account, convert_from(decode(repeat('a4a2', 127), 'hex'), '$encoding'));
		SQL
	$node->safe_psql($database, <<~"SQL") if $encoding ne 'EUC_JP';
		SELECT pat_create_token($account, (SELECT string_agg(chr(n), '') FROM generate_series(1, 255) n));
		SQL
	my $client = $encoding eq 'SQL_ASCII' ? 'SQL_ASCII' : 'UTF8';
	my $list = $node->safe_psql($database,
		"SET client_encoding = $client; SELECT pat_list_for_service_account($account, '$token')");
	my $expected = $node->safe_psql($database, "SET client_encoding = $client; SELECT expected($account)");
	ok($list eq $expected, "$encoding: the list, byte for byte");
	my @read = @{ JSON::PP->new->latin1->decode($list)->{pats} };
	@read = @{ from_json($list)->{pats} } if $client eq 'UTF8';
	is($read[0]{description}, qq{plain " \\ \x01}, "$encoding: it is JSON");
	is(length $read[1]{description}, { LATIN1 => 254, SQL_ASCII => 254, EUC_JP => 127 }->{$encoding},
		"$encoding: characters of its own");
	is(ord $read[1]{description}, { LATIN1 => 0xa4, SQL_ASCII => 0xa4, EUC_JP => 0x3042 }->{$encoding},
		'... come out right');
	is($read[2]{description}, join('', map { chr } 1 .. 255), "$encoding: every byte comes back")
	  if $encoding ne 'EUC_JP';
	is(outcome("'1'", q{E'\\xa4\\xa2'}, $database), $refused, "$encoding: a token of such characters");
	like(outcome(q{repeat(E'\\xa4\\xa2', 1000)}, "'$token'", $database),
		qr/^PT404 Could not find the service account with ID "(?:\xa4\xa2){50}\.\.\."\.$/,
		"$encoding: an id of such characters, cut");

	# A character that the encoding lacks is known by its escape only.
	like(body_refusal('\\u0e01', $database), qr/ERROR:  The request body holds an escape that the database cannot store\.$/m,
		"$encoding: a body with a character that it lacks");
	like(body_refusal('\\ud83d', $database), qr/ERROR:  The "a" property holds an escape that stands for no character\.$/m,
		'... and one with half a pair');
	is(body_refusal('\\u0061', $database), '', '... and one that will do');
}

sub body_refusal
{
	my ($text, $database) = @_;
	my (undef, undef, $refusal) = $node->psql($database, qq{SELECT pat_check_body('{"a":"$text"}')});
	return $refusal;
}

$node->stop;
done_testing();
