# Names of hosts in --db. They are looked up beside the event loop: while a resolver does not answer,
# what needs no look-up is served, by connections that are up and without the database, and SIGTERM
# ends the bridge in time. All addresses of a name are tried, and a name is looked up anew for each
# new connection.
#
# The resolver is a stub in a network namespace of the test's own, where /etc/resolv.conf names it.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use PatTest;

BEGIN
{
	my ($group) = split / /, $);
	my @namespace = ('unshare', '--user', "--map-user=$>", "--map-group=$group", '--keep-caps', '--mount', '--net');
	if (!$ENV{PAT_NAMES_NAMESPACE})
	{
		plan(skip_all => 'no user namespaces here: a resolver of its own needs one')
		  if system('sh', '-c', "@namespace sh -c 'ip link set lo up && mount --bind /dev/null /etc/resolv.conf' 2>/dev/null") != 0;
		$ENV{PAT_NAMES_NAMESPACE} = 1;
		exec { $namespace[0] } @namespace, $^X, (map { "-I$_" } @INC), $0;
		die "exec: $!";
	}
}

use PatBridge;
use PatWire;
use POSIX ();
use Time::HiRes ();

# ---- the resolver ------------------------------------------------------------------------------

my $directory = $PostgreSQL::Test::Utils::tmp_check;
my %file = map { $_ => "$directory/names_$_" } qw(resolv.conf nsswitch.conf records asked);

sub write_file
{
	my ($name, $text) = @_;
	open(my $out, '>', "$file{$name}.new") or die "$file{$name}: $!";
	print $out $text;
	close $out;
	rename "$file{$name}.new", $file{$name} or die "$file{$name}: $!";
	return;
}

# Lines "name address …"; a name that is not there is not answered.
sub set_records { write_file('records', join '', map { "$_\n" } @_); return; }

# How often the resolver was asked for a name's IPv4 addresses.
sub times_asked
{
	my ($name) = @_;
	return scalar(() = slurp($file{asked}) =~ /^\Q$name\E$/mg);
}

sub run_resolver
{
	my ($socket) = @_;
	open(my $asked, '>>', $file{asked}) or POSIX::_exit(1);
	$asked->autoflush(1);
	while (defined $socket->recv(my $query, 512))
	{
		my ($id, $flags, $questions) = unpack 'nnn', $query;
		my ($at, @labels) = (12);
		while (my $length = ord substr $query, $at, 1)
		{
			push @labels, substr $query, $at + 1, $length;
			$at += 1 + $length;
		}
		my $name = join '.', @labels;
		my $question = substr $query, 12, $at + 5 - 12;
		my ($type) = unpack 'n', substr $query, $at + 1, 2;
		my ($line) = slurp($file{records}) =~ /^\Q$name\E((?: \S+)*)$/m;
		print $asked "$name\n" if $type == 1;
		next unless defined $line;
		my @addresses = $type == 1 ? grep { /\./ } split ' ', $line : ();
		$socket->send(pack('n6', $id, 0x8180, 1, scalar @addresses, 0, 0) . $question
			  . join '', map { pack('nnnNn a4', 0xc00c, 1, 1, 0, 4, pack 'C4', split /\./) } @addresses);
	}
	POSIX::_exit(0);
}

write_file('resolv.conf', "nameserver 127.0.0.53\noptions timeout:5 attempts:2\n");
write_file('nsswitch.conf', "passwd: files\ngroup: files\nhosts: files dns\n");
write_file('asked', '');
set_records('db.test 127.0.0.1');
system('ip', 'link', 'set', 'lo', 'up') == 0 or die 'no loopback';
for my $name (qw(resolv.conf nsswitch.conf))
{
	system('mount', '--bind', $file{$name}, "/etc/$name") == 0 or die "cannot mount /etc/$name";
}
my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.53', LocalPort => 53, Proto => 'udp') or die "port 53: $!";
my $resolver = fork;
die "fork: $!" unless defined $resolver;
run_resolver($socket) unless $resolver;

END { local $?; if ($resolver) { kill 'KILL', $resolver; waitpid $resolver, 0; } }

# ---- the bridge --------------------------------------------------------------------------------

my $node = new_cluster('main', settings => "listen_addresses = '127.0.0.1'\nmax_connections = 40\n");
my $sample = load_sample($node);
my $path = "/api/admin/service-account/$sample->{account}/token";
my $list = sql_list($node, $sample->{account}, $sample->{admin});
PatTest::bridge_role($node, 'postgres');

sub start_bridge
{
	my ($host, %option) = @_;
	return PatBridge->start($node,
		db => "host=$host port=" . $node->port . ' user=pat_bridge dbname=postgres sslmode=disable',
		ready => $option{ready},
		options => [ '--workers', '1', '--drain-timeout', '2s', @{ $option{options} || [] } ]);
}

sub sql { return $node->safe_psql('postgres', @_); }

# Ends sessions of the bridge: one of those that list, or all.
sub end_sessions
{
	my ($which) = @_;
	return sql("SELECT count(pg_terminate_backend(pid, 60000)) FROM pg_stat_activity
		WHERE usename = 'pat_bridge' AND $which");
}

my $bridge = start_bridge('db.test');
is_json_answer($bridge->get($path, $sample->{admin}), 200, $list, 'F13: a name: lists');
ok(wait_until(sub { $bridge->get('/ready/write')->{status} eq '200' }, 'changes'), '... and changes');
my $asked = times_asked('db.test');
cmp_ok($asked, '>', 0, '... the resolver was asked');
end_sessions('true');
ok(wait_until(sub { $bridge->get('/ready/write')->{status} eq '200' && times_asked('db.test') > $asked }, 'look-ups'),
	'F13: a new connection looks the name up anew');
set_records('db.test 127.0.0.7 127.0.0.9 127.0.0.1 127.0.0.8');
end_sessions('true');
ok(wait_until(sub { $bridge->get('/ready/write')->{status} eq '200' }, 'changes'),
	'F13: all addresses of a name are tried');
is_json_answer($bridge->get($path, $sample->{admin}), 200, $list, '... lists');
$bridge->stop_ok;

# A name that does not exist is passed over, as is one that is not answered.
set_records('none.test', 'db.test 127.0.0.1');
$bridge = start_bridge('none.test,silent.test,db.test');
like($bridge->log, qr/could not translate host name "none\.test" to address: /, 'F13: a name that does not exist: the log says so');
like($bridge->log, qr/is not available: the look-up of the host name "silent\.test" does not end/, '... of one that is not answered, too');
is_json_answer($bridge->get($path, $sample->{admin}), 200, $list, '... the third is used');
$bridge->stop_ok;
$bridge = start_bridge('silent.test', options => [], ready => 0);
is($bridge->get('/health')->{status}, 200, 'F13: a resolver that does not answer at the start: healthy');
is($bridge->get('/ready')->{status}, 503, '... not ready');
$bridge->stop_ok('F17: ... and ends when told to');

# ---- the resolver stops to answer --------------------------------------------------------------

$bridge = start_bridge('db.test', options => [ '--read-connections', '2' ]);
ok(wait_until(sub { sql(q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'pat_bridge'}) == 3 }, 'sessions'),
	'F13: three connections');
is_json_answer($bridge->get($path, $sample->{admin}), 200, $list, '... lists');
set_records();
end_sessions(q{pid = (SELECT max(pid) FROM pg_stat_activity
	WHERE usename = 'pat_bridge' AND query LIKE '%pat_answer_list_for_service_account%')});
my ($health, $lists, $rounds) = (0, 0, 0);
ok(
	wait_until(
		sub {
			$rounds++;
			$health += http_call($bridge->url('/health'), args => [ '--max-time', '4' ])->{status} eq '200';
			$lists += http_call($bridge->url($path), token => $sample->{admin}, args => [ '--max-time', '4' ])->{status} eq '200';
			return $bridge->log =~ /"read \d" is not available: the look-up of the host name "db\.test" does not end/;
		},
		'the look-up to be given up'),
	'F13: one connection is lost, and its name is not found again') or diag($bridge->log);
is($health, $rounds, "... healthy all the time, $rounds times");
is($lists, $rounds, '... and lists by the connection that is up');
set_records('db.test 127.0.0.1');
ok(wait_until(sub { sql(q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'pat_bridge'}) == 3 }, 'sessions'),
	'... all connections are up when the resolver answers again') or diag($bridge->log);

# With every connection lost.
set_records();
end_sessions('true');
ok(wait_until(sub { $bridge->get('/ready')->{status} eq '503' }, 'the loss'), 'F17: all connections are lost');
is(http_call($bridge->url('/health'), args => [ '--max-time', '4' ])->{status}, 200, '... healthy');
my $started = Time::HiRes::time();
$bridge->stop_ok('F17: ... SIGTERM ends it');
# The promise is --drain-timeout, 2 s; the resolver would take 20.
cmp_ok(Time::HiRes::time() - $started, '<', 10, '... in time') or diag(`uptime`);

# ---- whatever a worker waits for ---------------------------------------------------------------

# Its log goes into a pipe that nobody reads: as soon as that is full, the worker stands still.
my $place = PostgreSQL::Test::Utils::tempdir_short() . '/http';
pipe(my $unread, my $log) or die "pipe: $!";
fcntl($log, 1031, 4096) or die "F_SETPIPE_SZ: $!";
my $stuck = fork;
die "fork: $!" unless defined $stuck;
if (!$stuck)
{
	open(STDOUT, '>&', $log) or POSIX::_exit(127);
	open(STDERR, '>&', $log) or POSIX::_exit(127);
	close $_ for $unread, $log;
	no warnings "exec";
	exec { PatBridge->binary } PatBridge->binary, '--listen', "unix:$place", '--workers', '1', '--db', 'host=/nowhere',
	  '--log-level', 'info', '--drain-timeout', '1s';
	POSIX::_exit(127);
}
close $log;

END { local $?; if ($stuck) { kill 'KILL', $stuck; waitpid $stuck, 0; } }

# Whether a request is answered within so many seconds.
sub is_answered
{
	my $client = IO::Socket::UNIX->new(Peer => $place) or return 0;
	syswrite $client, "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	return IO::Select->new($client)->can_read($_[0]);
}

wait_until(sub { is_answered(5) }, 'the bridge to serve');
ok(wait_until(sub { !is_answered(2) }, 'the pipe to be full'), 'F17: a log that nobody reads: the worker stands still');
kill 'TERM', $stuck;
ok(wait_until(sub { waitpid($stuck, POSIX::WNOHANG()) == $stuck }, 'the end', 30), '... SIGTERM ends it all the same');
is($? >> 8, 1, '... with status 1');
undef $stuck;

$node->stop;
done_testing();
