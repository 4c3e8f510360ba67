# Sealed storage: the list shows each secret value for value and the files hold none; a sealed text
# opens with its key, in its row, and unchanged, or not at all; a key file that cannot be used stops
# the making of tokens with an error and takes from lists the secret only.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;

use File::Copy qw(copy);
use File::Find ();

my $node = new_cluster('sealed', sealed => 1);
my $key_file = key_path('secret.key');
my $bot = $node->safe_psql('postgres', q{SELECT pat_create_account('bot')});
my $admin = $node->safe_psql('postgres', q{SELECT pat_create_admin_token('root')});

sub key_path { return $node->basedir . "/$_[0]"; }

sub make_key_file
{
	my ($name, $content, $mode) = @_;
	my $path = key_path($name);
	open(my $out, '>:raw', $path) or die "$path: $!";
	print $out $content;
	close $out or die "$path: $!";
	chmod $mode, $path or die "$path: $!";
	return $path;
}

# The list, decoded: secrets by description.
sub secrets_listed
{
	my ($prefix) = @_;
	my $text = $node->safe_psql('postgres',
		($prefix || '') . "SELECT pat_list_for_service_account($bot, '$admin')");
	return { map { $_->{description} => $_->{secret} } @{ from_json($text)->{pats} } };
}

# ---- shown value for value, and nowhere else ---------------------------------------------------

# The shortest and the longest that may be, every visible character, our own shape.
my $visible = join '', map { chr } 0x21 .. 0x7e;
my %given = (
	short => 'x', longest => 'y' x 8192, visible => $visible, example => 'user:xyzrandomstring',
	almost => 'user:' . '0' x 48);
my %secret;
for my $name (sort keys %given)
{
	(my $literal = $given{$name}) =~ s/'/''/g;
	$secret{$name} = $node->safe_psql('postgres',
		"SELECT secret FROM pat_create_token($bot, '$name', secret => '$literal')");
	is($secret{$name}, $given{$name}, "create returns the secret given: $name");
}
$secret{minted} = $node->safe_psql('postgres', "SELECT secret FROM pat_create_token($bot, 'minted')");
is_deeply(secrets_listed(), \%secret, 'the list shows every secret');
my $own = $node->safe_psql('postgres', "SELECT account_id FROM pat_caller('$secret{minted}')");
is($own, $bot, 'a listed secret authenticates');

is($node->safe_psql('postgres', <<~'SQL'), 't|t', 'sealed: nonce, text, tag');
	SELECT octet_length(secret_sealed) = 12 + 8192 + 16, position('yyyyyyyy'::bytea IN secret_sealed) = 0
	FROM pat_token WHERE description = 'longest';
	SQL
is($node->safe_psql('postgres', <<~'SQL'), 't', 'the same text is sealed differently each time');
	SELECT count(DISTINCT pat_token_seal(1, 1, 'user:x')) = 1000 FROM generate_series(1, 1000);
	SQL

# A secret that went through the table by the server only: not in files, log or dump.
my ($random) = $secret{minted} =~ /^user:(.{43})/;
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
$node->stop;
my @found;
File::Find::find({
		no_chdir => 1,
		wanted => sub {
			return unless -f $_;
			my $content = slurp($_);
			push @found, $_ if index($content, $random) >= 0 || $content =~ /\Q@{[unpack 'H*', $random]}\E/i;
		}
	}, $node->data_dir, $node->basedir);
# (the literals of this test itself were logged: the uses of the minted token)
@found = grep { !/\.log$/ } @found;
is_deeply(\@found, [], 'no file of the cluster and no dump holds a sealed secret');
ok(index(slurp($dump), unpack('H*', 'user:')) < 0, '... the dump not even its prefix');
$node->start;
is_deeply(secrets_listed(), \%secret, 'the list after a restart');

# ---- a sealed text belongs to its row ------------------------------------------------------------

# Each changes one row; the list must go on without that secret and with all others.
my %tampering = (
	'moved from another row' => q{(SELECT secret_sealed FROM pat_token WHERE description = 'short')},
	'with its first bit changed' => 'set_bit(secret_sealed, 0, 1 - get_bit(secret_sealed, 0))',
	'with a bit of its text changed' => 'set_bit(secret_sealed, 100, 1 - get_bit(secret_sealed, 100))',
	'with its last byte changed' =>
	  'set_byte(secret_sealed, octet_length(secret_sealed) - 1, 255 - get_byte(secret_sealed, octet_length(secret_sealed) - 1))',
	'cut by a byte' => 'substr(secret_sealed, 1, octet_length(secret_sealed) - 1)',
	'with a byte more' => q{secret_sealed || '\x00'},
	'of 28 bytes' => 'substr(secret_sealed, 1, 28)',
	'of 27 bytes' => 'substr(secret_sealed, 1, 27)',
	'of one byte' => q{'\x00'::bytea},
	'of no byte' => q{''::bytea},
	'of a megabyte' => q{decode(repeat('5a', 1000000), 'hex')},
	'missing' => 'NULL');
my %others = %secret;
$others{minted} = undef;
$node->safe_psql('postgres', q{CREATE TABLE kept AS SELECT * FROM pat_token WHERE description = 'minted'});
for my $how (sort keys %tampering)
{
	$node->safe_psql('postgres',
		"UPDATE pat_token SET secret_sealed = $tampering{$how} WHERE description = 'minted'");
	is_deeply(secrets_listed(), \%others, "a sealed text $how is not shown");
	is($node->safe_psql('postgres', "SELECT account_id FROM pat_caller('$secret{minted}')"), $bot,
		'... and its token goes on');
	$node->safe_psql('postgres',
		'UPDATE pat_token t SET secret_sealed = k.secret_sealed FROM kept k WHERE t.id = k.id');
}
is_deeply(secrets_listed(), \%secret, 'what was restored opens again');

# A row that gets another id loses its secret too.
$node->safe_psql('postgres', q{UPDATE pat_token SET id = 1000000 WHERE description = 'minted'});
is_deeply(secrets_listed(), \%others, 'a sealed text of another id is not shown');
$node->safe_psql('postgres', 'UPDATE pat_token t SET id = k.id FROM kept k WHERE t.id = 1000000');

# ---- another key ---------------------------------------------------------------------------------

my %none = map { $_ => undef } keys %secret;
my $wrong = make_key_file('wrong.key', 'w' x 32, 0600);

# How often the log has told it since.
sub told
{
	my ($offset, $pattern) = @_;
	my $log = substr(slurp($node->logfile), $offset);
	my $count = () = $log =~ /$pattern/g;
	return $count;
}

my $start = -s $node->logfile;
my $twice = "SELECT pat_list_for_service_account($bot, '$admin') \\g /dev/null\n";
is_deeply(secrets_listed("SET pat.secret_key_file = '$wrong'; $twice"), \%none,
	'with the wrong key: the list without secrets');
is(told($start, qr/LOG:  could not open the sealed secret of token \d+/), 1,
	'... which the server log tells once');
is(told($start, qr/[^\n]*\Qcould not open the sealed secret\E[^\n]*\n[^\n]*STATEMENT/), 0,
	'... without the statement');

# Rows of either key side by side: each key shows its own.
$secret{second} = $node->safe_psql('postgres',
	"SET pat.secret_key_file = '$wrong'; SELECT secret FROM pat_create_token($bot, 'second')");
is_deeply(secrets_listed("SET pat.secret_key_file = '$wrong';"),
	{ %none, second => $secret{second} }, 'a secret sealed with the second key');
is_deeply(secrets_listed(), { %secret, second => undef }, '... is not opened by the first');
is_deeply(
	secrets_listed("SET pat.secret_key_file = '$wrong'; $twice SET pat.secret_key_file = '$key_file';"),
	{ %secret, second => undef }, 'the setting may change within a session');

# ---- key files that cannot be used ---------------------------------------------------------------

mkdir key_path('directory') or die $!;
IPC::Run::run([ 'mkfifo', '-m', '600', key_path('fifo') ]) or die 'mkfifo';
symlink(make_key_file('linked.key', 'l' x 31, 0600), key_path('link')) or die $!;
my @unusable = (
	[ 'missing', key_path('nowhere'), '58P01', qr/could not open secret key file ".*": No such file/ ],
	[ 'of 31 bytes', make_key_file('31.key', 'k' x 31, 0600), 'F0000', qr/does not hold exactly 32 bytes/ ],
	[ 'of 33 bytes', make_key_file('33.key', 'k' x 33, 0600), 'F0000', qr/does not hold exactly 32 bytes/ ],
	[ 'of no byte', make_key_file('0.key', '', 0600), 'F0000', qr/does not hold exactly 32 bytes/ ],
	[ 'of 32 bytes and a newline', make_key_file('n.key', 'k' x 32 . "\n", 0600), 'F0000',
		qr/does not hold exactly 32 bytes/ ],
	[ 'that the world may read', make_key_file('world.key', 'k' x 32, 0604), 'F0000',
		qr/has group or world access/ ],
	[ 'that the group may read', make_key_file('group.key', 'k' x 32, 0640), 'F0000',
		qr/has group or world access/ ],
	[ 'that the group may write', make_key_file('write.key', 'k' x 32, 0620), 'F0000',
		qr/has group or world access/ ],
	[ 'that nobody may read', make_key_file('none.key', 'k' x 32, 0000), '42501',
		qr/could not open secret key file ".*": Permission denied/ ],
	[ 'that is a directory', key_path('directory'), 'F0000', qr/secret key file/ ],
	[ 'that is a pipe', key_path('fifo'), 'F0000', qr/secret key file/ ],
	[ 'behind a link', key_path('link'), 'F0000', qr/does not hold exactly 32 bytes/ ]);
for (@unusable)
{
	my ($what, $path, $sqlstate, $message) = @$_;
	my $set = "SET pat.secret_key_file = '$path';";
	my (undef, undef, $error) =
	  $node->psql('postgres', "\\set VERBOSITY verbose\n$set SELECT pat_create_token($bot, 'refused')");
	like($error, qr/ERROR:  $sqlstate: .*$message/, "a key file $what: no token is made");
	unlike($error, qr/k{31}/, '... and the key is not told');
	$start = -s $node->logfile;
	is_deeply(secrets_listed("$set $twice"), { %none, second => undef },
		'... the list goes on without secrets');
	is(told($start, qr/LOG:  .*$message/), 1, '... which the server log tells once');
}
is($node->safe_psql('postgres', q{SELECT count(*) FROM pat_token WHERE description = 'refused'}), 0,
	'no token was left behind');
ok(copy($key_file, key_path('again.key')) && chmod(0400, key_path('again.key')), 'a copy of the key');
is_deeply(secrets_listed("SET pat.secret_key_file = '" . key_path('again.key') . q{';}),
	{ %secret, second => undef }, 'a key file of mode 0400 at another place');

# ---- who may set and see it ----------------------------------------------------------------------

$node->safe_psql('postgres',
	q{CREATE ROLE regress_pat_api LOGIN; SELECT pat_grant_api('regress_pat_api')});
for my $case (
	[ "SET pat.secret_key_file = '$wrong'", qr/permission denied to set parameter/ ],
	[ 'SHOW pat.secret_key_file', qr/must be superuser|permission denied to examine/ ])
{
	my ($statement, $message) = @$case;
	my (undef, undef, $error) =
	  $node->psql('postgres', "SELECT pat_token_is_usable('x'); SET ROLE regress_pat_api; $statement");
	like($error, $message, "not everybody may $statement");
}

# Before the module is loaded anybody may set a setting of any name: that must not count.
my ($status, $output, $error) = $node->psql('postgres', <<~"SQL", extra_params => [ '-U', 'regress_pat_api' ]);
	SET pat.secret_key_file = '$wrong';
	SELECT pat_list_for_service_account($bot, '$admin');
	SQL
is($status, 0, 'a setting that came before the module does not break the list');
like($error, qr/WARNING:  permission denied to set parameter "pat.secret_key_file"/, '... is refused');
like($output, qr/"secret":"\Q$secret{minted}\E"/, '... and the server\'s own key is used');

$node->stop;
done_testing();
