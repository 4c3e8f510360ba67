# No space left on the server's disk, a real one: a small tmpfs in a mount namespace of the test's
# own. Where the tables are: changes are answered 503, lists go on, and when there is space again all
# is as before. Where the write-ahead log is: the server ends itself, all is 503, and when there is
# space again nothing that was answered 201 is missing.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;

BEGIN
{
	my ($group) = split / /, $);
	my @namespace = ('unshare', '--user', "--map-user=$>", "--map-group=$group", '--keep-caps', '--mount');
	if (!$ENV{PAT_DISK_NAMESPACE})
	{
		# Seen by nobody outside of the namespace.
		plan(skip_all => 'no user namespaces here: mounting a small disk needs one')
		  if system('sh', '-c', "@namespace mount -t tmpfs small /tmp 2>/dev/null") != 0;
		$ENV{PAT_DISK_NAMESPACE} = 1;
		exec { $namespace[0] } @namespace, $^X, (map { "-I$_" } @INC), $0;
		die "exec: $!";
	}
}

use PatBridge;
use PatLoad;
use PatTraffic;
use PatWire;

# A disk of so many megabytes, mounted on a directory of its own.
sub small_disk
{
	my ($name, $megabytes) = @_;
	my $directory = "$PostgreSQL::Test::Utils::tmp_check/disk_$name";
	mkdir $directory or die "$directory: $!";
	system('mount', '-t', 'tmpfs', '-o', "size=${megabytes}m,mode=700", 'small', $directory) == 0
	  or die "cannot mount a tmpfs";
	return $directory;
}

sub fill
{
	my ($disk) = @_;
	open(my $out, '>', "$disk/filler") or die "$disk/filler: $!";
	my $block = 'x' x 4096;
	my $written = 0;
	while (my $bytes = syswrite $out, $block) { $written += $bytes; }
	like($!, qr/No space left/, "the disk is full, after $written bytes");
	close $out;
	return;
}

my $accounts = '/api/admin/service-account';
my ($node, $sample, $bridge, $written);
my $number = 0;
my @made;

sub make_token
{
	$number++;
	my $answer = http_call($bridge->url("$accounts/$written/token"), token => $sample->{admin},
		body => sprintf('{"description":"%d %s","expiresAt":"2099-01-01T00:00:00Z"}', $number, 'x' x 240));
	push @made, $number if $answer->{status} == 201;
	return $answer;
}

# Makes tokens until one is refused; the answer to that.
sub make_tokens_until_refused
{
	for (1 .. 5000)
	{
		my $answer = make_token();
		return $answer if $answer->{status} != 201;
	}
	return {};
}

sub nothing_is_lost
{
	my ($name) = @_;
	my %stored = map { $_ =~ /^(\d+)/ ? ($1 => 1) : () }
	  split /\n/, $node->safe_psql('small', "SELECT description FROM pat_token WHERE account_id = $written");
	is(scalar(grep { !$stored{$_} } @made), 0, "$name: nothing that was answered 201 is lost");
	is(scalar keys %stored, scalar @made, "$name: ... and nothing else is there");
	return;
}

sub lists_ok
{
	my ($name) = @_;
	my $list = sql_list_of($sample->{account});
	for my $count (1 .. 60)
	{
		my $answer = $bridge->get("$accounts/$sample->{account}/token", $sample->{admin});
		next if $answer->{status} == 200 && $answer->{body} eq $list && $count < 60;
		is_json_answer($answer, 200, $list, "$name: lists as they are ($count)");
		last;
	}
	return;
}

sub sql_list_of
{
	my ($account) = @_;
	return $node->safe_psql('small',
		"BEGIN READ ONLY; SELECT pat_list_for_service_account($account, '$sample->{admin}'); COMMIT");
}

# Every use is written, so that lists need space, too.
$node = new_cluster('disk', extension => 0, settings => <<~'CONF');
	pat.max_tokens_per_account = 0
	pat.seen_resolution = 0
	min_wal_size = 32MB
	max_wal_size = 32MB
	CONF

# ---- the disk of the tables --------------------------------------------------------------------

my $disk = small_disk('tables', 32);
mkdir "$disk/space" or die "$disk/space: $!";
$node->safe_psql('postgres', "CREATE TABLESPACE small LOCATION '$disk/space'");
$node->safe_psql('postgres', 'CREATE DATABASE small TABLESPACE small');
create_extension($node, 'small');
$sample = load_sample($node, 'small');
$written = $node->safe_psql('small', "SELECT pat_create_account('written')");
$bridge = PatBridge->start($node, database => 'small', options => [ '--workers', '1' ]);
is(make_token()->{status}, 201, 'space on the disk: a new token') for 1 .. 3;
fill($disk);
my $refused = make_tokens_until_refused();
is_refused($refused, 503, 'ServiceUnavailableError', undef, 'no space for tables: a new token is refused');
like(slurp($node->logfile), qr/No space left on device/, '... and that is why');
lists_ok('no space for tables');
is_json_answer($bridge->get('/health'), 200, '{"health":"GOOD"}', '... healthy');
is_json_answer($bridge->get('/ready'), 200, '{"ready":true}', '... ready');
nothing_is_lost('no space for tables');
unlike($bridge->log, qr/ lost: /, '... on the connections that were');
unlink "$disk/filler" or die "$disk/filler: $!";
ok(wait_until(sub { make_token()->{status} == 201 }, 'a new token'), 'space again: a new token');
is(make_token()->{status}, 201, '... and more of them') for 1 .. 3;
lists_ok('space again');
nothing_is_lost('space again');

# ---- the disk of the write-ahead log -----------------------------------------------------------

$node->stop('fast');
my $wal = small_disk('wal', 80);
my $pg_wal = $node->data_dir . '/pg_wal';
system('cp', '-a', $pg_wal, "$wal/pg_wal") == 0 or die 'cp';
rename $pg_wal, "$pg_wal.old" or die "$pg_wal: $!";
symlink "$wal/pg_wal", $pg_wal or die "$pg_wal: $!";
$node->start;
ok(wait_until(sub { make_token()->{status} == 201 }, 'a new token'), 'space for WAL: a new token');
fill($wal);
my $dead;
for (1 .. 40)
{
	my $answer = make_token();
	$dead = $answer, last if $answer->{status} != 201;
	$node->psql('postgres', 'SELECT pg_switch_wal()', stderr => \my $errors, on_error_die => 0);
}
is_refused($dead || {}, 503, 'ServiceUnavailableError', undef, 'no space for WAL: a new token is refused');
like(slurp($node->logfile), qr/PANIC: .*No space left on device/, '... for the server has ended itself');
ok(wait_until(sub { $bridge->get('/ready')->{status} eq '503' }, 'the bridge to notice'), '... not ready');
is_refused($bridge->get("$accounts/$sample->{account}/token", $sample->{admin}), 503,
	'ServiceUnavailableError', undef, '... lists: 503');
is_json_answer($bridge->get('/health'), 200, '{"health":"GOOD"}', '... healthy');
unlink "$wal/filler" or die "$wal/filler: $!";
$node->_update_pid(-1);
$node->stop('immediate', fail_ok => 1);
$node->start;
ok(wait_until(sub { make_token()->{status} == 201 }, 'a new token'), 'space again: a new token');
ok(wait_until(sub { $bridge->get('/ready')->{status} eq '200' }, 'lists'), '... and ready for lists');
lists_ok('space again');
my $unknown = $node->safe_psql('small', "SELECT count(*) FROM pat_token WHERE account_id = $written");
my %stored = map { $_ => 1 } split /\n/, $node->safe_psql('small',
	"SELECT substring(description from '^[0-9]+') FROM pat_token WHERE account_id = $written");
is(scalar(grep { !$stored{$_} } @made), 0, 'space again: nothing that was answered 201 is lost');
cmp_ok($unknown - @made, '<=', 1, '... at most the change with the unknown outcome is there besides');
$bridge->stop_ok;
$node->stop;
done_testing();
