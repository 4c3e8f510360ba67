# Without sealed storage nothing of a secret is at rest anywhere: with the server logging all that
# it can be told to by log_statement and log_min_duration_statement, no file of the cluster, no line
# of its log and no dump holds a token that the server minted, that was used by bind parameters, or
# that was sent as a literal and refused.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;

use Digest::SHA qw(sha256);
use File::Find ();
use MIME::Base64 qw(encode_base64);

my $node = new_cluster('at_rest', settings => <<~'CONF');
	log_statement = 'all'
	log_duration = on
	log_min_duration_statement = 0
	log_min_error_statement = error
	log_parameter_max_length = 0
	log_parameter_max_length_on_error = 0
	log_error_verbosity = verbose
	CONF

# ---- tokens: minted by the server, used, refused -----------------------------------------------

my $bot = $node->safe_psql('postgres', q{SELECT pat_create_account('bot')});
my %secret;
$secret{bot} = $node->safe_psql('postgres', "SELECT secret FROM pat_create_token($bot, 'minted')");
$secret{unused} = $node->safe_psql('postgres', "SELECT secret FROM pat_create_token($bot, 'unused')");
$secret{admin} = $node->safe_psql('postgres', q{SELECT pat_create_admin_token('minted')});
$secret{expired} = $node->safe_psql('postgres',
	"SELECT secret FROM pat_create_token($bot, 'expired', now() - interval '1 day')");
like($secret{$_}, qr/^(?:user:|\*:\*\.)[0-9A-Za-z]{49}$/, "the $_ token is of our own shape")
  for sort keys %secret;

# Several of them at once, and rows that go again: freed space keeps its bytes.
my @many = split /\n/, $node->safe_psql('postgres', <<~"SQL");
	SELECT t.secret FROM generate_series(1, 200) AS n, LATERAL pat_create_token($bot, 'many ' || n) AS t;
	SQL
@secret{ map { "many $_" } 1 .. @many } = @many;
$node->safe_psql('postgres', q{DELETE FROM pat_token WHERE description LIKE 'many %5'});
$secret{rolled_back} = $node->safe_psql('postgres',
	"BEGIN; SELECT secret FROM pat_create_token($bot, 'rolled back'); ROLLBACK");

# One use of a token by a bind parameter; true if the call succeeded.
my $script = $node->basedir . '/use.sql';

sub use_by_parameter
{
	my ($query, %variable) = @_;
	open(my $out, '>', $script) or die "$script: $!";
	print $out "$query;\n";
	close $out or die "$script: $!";
	my @variables = map { ('-D', "$_=$variable{$_}") } sort keys %variable;
	my ($stdout, $stderr) = ('', '');
	my $status = IPC::Run::run(
		[ 'pgbench', '-n', '-M', 'prepared', '-t', '1', '-f', $script, @variables,
			$node->connstr('postgres') ],
		'>', \$stdout, '2>', \$stderr);
	return ($status, $stderr);
}

my $list = 'SELECT pat_list_for_service_account(:id, :token)';
my ($used, $error) = use_by_parameter($list, id => $bot, token => $secret{admin});
ok($used, 'the admin token lists by bind parameters') or diag($error);
($used, $error) = use_by_parameter($list, id => $bot, token => "Bearer $secret{admin}");
ok($used, '... with Bearer too') or diag($error);
($used, $error) = use_by_parameter('SELECT pat_caller(:token)', token => $secret{bot});
ok($used, 'the bot calls') or diag($error);
is($node->safe_psql('postgres', "SELECT count(seen_at) FROM pat_token"), 2, 'both uses were noted');

# Refused uses, by bind parameter and as a literal.
my $typo = $secret{unused} =~ s/(.)$/$1 eq 'a' ? 'b' : 'a'/er;
my $unknown = '*:*.' . join('', map { ('a' .. 'z', 0 .. 9)[ rand 36 ] } 1 .. 43);
@secret{qw(typo unknown)} = ($typo, $unknown);
my @refused = (
	[ 401, 'expired', $bot ], [ 401, 'typo', $bot ], [ 401, 'unknown', $bot ],
	[ 403, 'bot', $bot ], [ 404, 'admin', 'abc' ]);
for (@refused)
{
	my ($status, $name, $id) = @$_;
	($used, $error) = use_by_parameter($list, id => $id, token => $secret{$name});
	ok(!$used, "$status by bind parameters: $name");
}

# The log names the error and nothing of the statement, which holds the token; as PL/pgSQL and a
# view wrap it too. The statement itself must not be logged when it arrives, so not 'all' here.
my $quiet = 'SET log_statement = none; SET log_min_duration_statement = -1; SET log_duration = off;';
for (@refused)
{
	my ($status, $name, $id) = @$_;
	my $call = "pat_list_for_service_account('$id', '$secret{$name}')";
	my %wrapped = (
		'as a literal' => "SELECT $call",
		'in a DO block' => "DO \$\$ BEGIN PERFORM $call; END \$\$",
		'in a prepared statement' =>
		  "PREPARE p AS SELECT pat_list_for_service_account(\$1, \$2); EXECUTE p('$id', '$secret{$name}')",
		'in a failing transaction' => "BEGIN; SELECT $call; SELECT $call; COMMIT");
	for my $how (sort keys %wrapped)
	{
		my $before = -s $node->logfile;
		my (undef, undef, $told) = $node->psql('postgres', "$quiet $wrapped{$how}");
		my $logged = substr(slurp($node->logfile), $before);
		like($logged, qr/ERROR:  PT$status: /, "$status $how is logged: $name");
		unlike($logged, qr/STATEMENT:|CONTEXT:/, '... without statement and context');
		unlike($told, qr/\Q$secret{$name}\E/, '... and the client is not told the token');
	}
}

# The owner's functions take secrets as literals: refused ones leave no trace either.
$secret{given} = 'user:given-' . join('', map { ('a' .. 'z')[ rand 26 ] } 1 .. 40);
for my $call ("pat_create_token($bot, 'minted', secret => '$secret{given}')",
	"pat_create_token(999999, 'x', secret => '$secret{given}')",
	"pat_create_token($bot, '', secret => '$secret{given}')",
	"pat_create_token($bot, 'x', 'infinity', '$secret{given}')",
	"pat_create_admin_token('minted', '$secret{given}')")
{
	my $before = -s $node->logfile;
	my ($status) = $node->psql('postgres', "$quiet SELECT $call");
	my $logged = substr(slurp($node->logfile), $before);
	isnt($status, 0, 'the owner is refused');
	like($logged, qr/ERROR:  PT4\d\d: /, '... which is logged');
	unlike($logged, qr/STATEMENT:|CONTEXT:/, '... without statement and context');
}

# ---- everything at rest ------------------------------------------------------------------------

my $tempdir = PostgreSQL::Test::Utils::tempdir();
my %dump = (
	plain => [ 'pg_dump', '-f', "$tempdir/plain.sql" ],
	inserts => [ 'pg_dump', '--inserts', '-f', "$tempdir/inserts.sql" ],
	tar => [ 'pg_dump', '-Ft', '-f', "$tempdir/dump.tar" ],
	cluster => [ 'pg_dumpall', '-f', "$tempdir/all.sql" ]);
for my $kind (sort keys %dump)
{
	my @target = $kind eq 'cluster' ? ('-d', $node->connstr('postgres')) : $node->connstr('postgres');
	$node->command_ok([ @{ $dump{$kind} }, @target ], "pg_dump, $kind");
}

# Every form in which a text might lie about; the hash is meant to be there, so it is no form.
sub forms
{
	my ($text) = @_;
	my $base64 = encode_base64($text, '');
	$base64 =~ s/.{0,4}=*$//;
	return ($text, unpack('H*', $text), uc unpack('H*', $text), $base64);
}

my %needle;
for my $name (keys %secret)
{
	my ($random) = $secret{$name} =~ /^(?:user:|\*:\*\.)(.{1,43})/;
	$needle{$_} = $name for map { forms($_) } $secret{$name}, $random;
}
my $needles = join '|', map { quotemeta } sort { length $b <=> length $a } keys %needle;
my $any_needle = qr/($needles)/;

# Which secrets the files below the directories hold, as "name in file".
sub found_in
{
	my (@places) = @_;
	my ($files, %found) = (0);
	File::Find::find({
			no_chdir => 1,
			wanted => sub {
				return unless -f $_;
				$files++;
				my $content = slurp($_);
				$found{"$needle{$1} in $_"} = 1 while $content =~ /$any_needle/g;
			}
		}, @places);
	return ($files, sort keys %found);
}

# A live cluster first: buffers may be written by then or not. Then a stopped one.
$node->safe_psql('postgres', 'CHECKPOINT');
my ($files, @found) = found_in($node->data_dir, $node->logfile, $tempdir);
is_deeply(\@found, [], 'no secret in any file of the running cluster, its log, its dumps');
$node->stop;
($files, @found) = found_in($node->data_dir, $node->logfile, $tempdir);
is_deeply(\@found, [], '... nor of the stopped one');
cmp_ok($files, '>', 900, '... and there were files to look at');

# That the search would have found something: what is known to be there is found by it.
my $log = slurp($node->logfile);
like($log, qr/execute \S+: SELECT pat_list_for_service_account\(\$1, \$2\)/,
	'the log has the statements with parameters');
like($log, qr/statement: SELECT pat_create_admin_token\('minted'\)/, '... and those without');
my $hashes = 0;
my $hash = sha256($secret{admin});
File::Find::find({
		no_chdir => 1,
		wanted => sub { $hashes++ if -f $_ && index(slurp($_), $hash) >= 0 }
	}, $node->data_dir);
cmp_ok($hashes, '>=', 2, 'the hash of a secret is in the table and in the write-ahead log');

$node->start;
my $canary = $secret{unused};
$node->psql('postgres', "SELECT pat_caller('$canary')");
$node->safe_psql('postgres', "CREATE TABLE canary AS SELECT '$canary'::text AS text; CHECKPOINT");
(undef, @found) = found_in($node->data_dir, $node->logfile);
ok((grep { /^unused in .*\.log$/ } @found), 'a literal in an accepted statement is found in the log')
  or diag("found: @found");
ok((grep { /^unused in .*\/base\// } @found), 'a text in a table is found in its file');

$node->stop;
done_testing();
