# The bridge as a service: what it tells the service manager and when, sockets that are handed over
# by systemd's own systemd-socket-activate, the units, the man page and the sample of a configuration.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use IPC::Run ();
use PatTest;
use PatTls;
use PatBridge;
use PatWire;
use Socket qw(SOCK_DGRAM);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my $top = source_dir();
my $binary = PatBridge->binary;
my $directory = PostgreSQL::Test::Utils::tempdir();
my $knows_systemd = `$binary --help` !~ /has no libsystemd/;
my $node = new_cluster('systemd');
my $sample = load_sample($node);
my $path = "/api/admin/service-account/$sample->{account}/token";
my $list = sql_list($node, $sample->{account}, $sample->{admin});

# run(COMMAND…): { status, out, err }.
sub run
{
	my (@command) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(120));
	return { status => $? >> 8, out => $out, err => $err };
}

sub write_file
{
	my ($name, $text) = @_;
	open(my $file, '>', "$directory/$name") or die "$directory/$name: $!";
	print $file $text;
	close $file or die "$directory/$name: $!";
	return "$directory/$name";
}

# ---- notices -----------------------------------------------------------------------------------

my $manager = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => "$directory/notify")
  or die "notify: $!";

# The next notice, as a hash; an empty one if none comes.
sub notice
{
	return {} unless IO::Select->new($manager)->can_read(60);
	recv($manager, my $text, 4096, 0);
	return { map { /\A(\w+)=(.*)\z/ ? ($1 => $2) : () } split /\n/, $text };
}

sub told_of_reload
{
	my ($bridge, $status) = @_;
	my $before = clock_gettime(CLOCK_MONOTONIC);
	kill 'HUP', $bridge->pid;
	my $notice = notice();
	is($notice->{RELOADING}, 1, 'SIGHUP: RELOADING=1');
	cmp_ok($notice->{MONOTONIC_USEC} / 1e6, '>=', $before - 0.001, '... and since when');
	cmp_ok($notice->{MONOTONIC_USEC} / 1e6, '<=', clock_gettime(CLOCK_MONOTONIC), '... by that clock');
	$notice = notice();
	is($notice->{READY}, 1, '... READY=1 when it is done');
	like($notice->{STATUS}, $status, '... and a word on how it went');
	return;
}

sub check_notices
{
	my $file = write_file('bridge.conf', "log-level = info\n");
	my $bridge = PatBridge->start($node, db => "host=$directory/nowhere", ready => 0,
		options => [ '--config', $file, '--drain-timeout', '7s' ],
		env => { NOTIFY_SOCKET => "$directory/notify" });
	my $notice = notice();
	is($notice->{READY}, 1, 'READY=1, before the database answers');
	is($notice->{STATUS}, 'Serving', '... and a word for people');
	is_json_answer($bridge->get('/health'), 200, '{"health":"GOOD"}', '... it does serve');
	told_of_reload($bridge, qr/\AServing\z/);
	write_file('bridge.conf', "log-level = loud\n");
	told_of_reload($bridge, qr/not reloaded/);
	kill 'TERM', $bridge->pid;
	$notice = notice();
	is($notice->{STOPPING}, 1, 'SIGTERM: STOPPING=1');
	is($notice->{EXTEND_TIMEOUT_USEC}, 9_000_000, '... and how long that may take');
	wait_until(sub { $bridge->has_ended }, 'the end');
	return $bridge->stop_ok;
}

# ---- sockets -----------------------------------------------------------------------------------

# By systemd's own tool, which waits for the first client and then becomes the bridge.
sub check_activation
{
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my $socket = "$directory/activated.sock";
	my @pass = map { ('-E', $_) } grep { defined $ENV{$_} } qw(ASAN_OPTIONS UBSAN_OPTIONS);
	my $db = PatBridge->conninfo($node, {});
	my $log = "$directory/activated.log";
	my $run = start_beside(
		[ 'systemd-socket-activate', @pass, '-l', "127.0.0.1:$port", '-l', $socket, $binary,
			'--db', $db, '--workers', '2', '--listen', '127.0.0.1:1' ],
		'<', '/dev/null', '>', $log, '2>&1');

	ok(wait_until(sub { -S $socket && slurp($log) =~ /\Q$socket\E/ }, 'the sockets'),
		'systemd-socket-activate listens');
	for my $where ($port, $socket)
	{
		for (1 .. 4)
		{
			my $wire = PatWire->new($where);
			is_json_answer($wire->call('GET', $path, token => $sample->{admin}), 200, $list,
				"served on $where");
			$wire->close;
		}
	}
	like(slurp($log), qr/listening on 127\.0\.0\.1:$port \(handed over\)$/m, 'the log tells of the port');
	like(slurp($log), qr/listening on unix:\Q$socket\E \(handed over\)$/m, '... and of the socket');
	unlike(slurp($log), qr/listening on 127\.0\.0\.1:1$/m, '... and of no --listen');
	$run->signal('TERM');
	$run->finish;
	is($run->result(0), 0, 'it ends with 0') or diag(slurp($log));
	ok(-S $socket, '... and leaves a socket file that is not its own');
	return;
}

sub refuses
{
	my ($name, $complaint, @sockets) = @_;
	my $bridge = bless { log => "$directory/refused.log" }, 'PatBridge';
	$bridge->{pid} = $bridge->spawn([ $binary, '--db', 'host=/nowhere' ], {}, \@sockets);
	wait_until(sub { $bridge->has_ended }, 'the end');
	is($bridge->stop >> 8, 1, "exit 1: $name");
	return like($bridge->log, $complaint, '... and says so');
}

sub check_refusals
{
	my $listening = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5) or die "listen: $!";
	my $idle = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'udp') or die "udp: $!";
	open(my $file, '<', '/dev/null') or die "/dev/null: $!";
	refuses('a datagram socket', qr/descriptor 3 .* is no listening stream socket/, $idle);
	refuses('a file', qr/descriptor 4 .* is no listening stream socket/, $listening, $file);
	refuses('seventeen sockets', qr/17 sockets were handed over/, ($listening) x 17);
	my $bridge = PatBridge->start($node, ready => 0, db => 'host=/nowhere',
		env => { LISTEN_FDS => 1, LISTEN_PID => 1 });
	unlike($bridge->log, qr/handed over/, 'sockets for another process are let be');
	return $bridge->stop_ok;
}

SKIP:
{
	skip 'built without libsystemd', 1 unless $knows_systemd;
	check_notices();
	check_activation();
	check_refusals();
}

# ---- the build ---------------------------------------------------------------------------------

my @compile = ('cc', '-std=gnu17', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', '-fsyntax-only');
my $without = run(@compile, "$top/bridge/systemd.c");
is($without->{err}, '', 'the bridge compiles without libsystemd');

# ---- the units ---------------------------------------------------------------------------------

# What verify wants to exist is this binary.
for my $unit ('pat-bridge.service', 'pat-bridge.socket')
{
	my $text = slurp("$top/bridge/systemd/$unit");
	$text =~ s{/usr/local/bin/pat-bridge}{$binary};
	write_file($unit, $text);
}
my @units = map { "$directory/pat-bridge.$_" } 'service', 'socket';
my $verified = run('systemd-analyze', 'verify', '--man=no', @units);
is($verified->{status}, 0, 'systemd-analyze verify takes the units');
is($verified->{err}, '', '... and has nothing to say about them');
my $judged = run('systemd-analyze', 'security', '--offline=true', '--threshold=20', '--no-pager', $units[0]);
is($judged->{status}, 0, 'systemd-analyze security: an exposure of 2.0 at most');
diag($judged->{out} =~ /(Overall exposure level.*: [\d.]+)/);

# ---- man page and sample -----------------------------------------------------------------------

my $lint = run('mandoc', '-Tlint', "$top/bridge/pat-bridge.8");
is($lint->{out} . $lint->{err}, '', 'mandoc has nothing to say about the man page');
my $rendered = run('mandoc', '-Tascii', "$top/bridge/pat-bridge.8")->{out};
like($rendered, qr/PAT-BRIDGE\(8\)/, '... and shows it');

my $text = slurp("$top/bridge/pat-bridge.conf.sample");
my $checked = run($binary, '--config', "$top/bridge/pat-bridge.conf.sample", '--check');
is($checked->{status}, 0, 'the sample of a configuration is valid as it is') or diag($checked->{err});
my ($cert, $key) = PatTls->new(PostgreSQL::Test::Utils::tempdir())->issue('sample');
my %here = ('tls-cert' => $cert, 'tls-key' => $key, 'log-file' => '/dev/null', user => scalar getpwuid($>), group => scalar getgrgid($)), 'unix-socket-group' => scalar getgrgid($)));
my $all = $text =~ s/^#(?=[a-z-]+ = )//gmr;
$all =~ s/^(user|group|unix-socket-group|tls-cert|tls-key|log-file) = .*$/$1 = $here{$1}/gm;
$checked = run($binary, '--config', write_file('all.conf', $all), '--check');
is($checked->{status}, 0, '... and with every setting in it') or diag($checked->{err});
my ($logs) = slurp($units[0]) =~ /^LogsDirectory=(\S+)$/m;
my ($rotated) = slurp("$top/doc/operations.md") =~ m{^`/etc/logrotate\.d/pat-bridge`:$(.*?^)\}$}ms;
for my $where ([ 'the sample', $text ], [ 'logrotate in the documentation', $rotated ])
{
	my ($name, $there) = @$where;
	my @files = $there =~ m{(/var/log/\S+\.log)\b}g;
	is_deeply([ grep { index($_, "/var/log/$logs/") != 0 } @files ], [], "$name: a log where the unit may write");
	ok(scalar @files, '... and there is one');
}
my %default = `$binary --help` =~ /^ *--([a-z-]+).*\(default: (.+)\)$/mg;
my %shown = $text =~ /^#([a-z-]+) = (.+)$/mg;
is_deeply({ map { ($_ => $shown{$_}) } keys %default }, \%default, '... it shows the defaults');

done_testing();
