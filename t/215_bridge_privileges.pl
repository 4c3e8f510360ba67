# Who the bridge runs as: never as root; as another user for good where root starts it. Who may use
# its socket file. And that no core file and no debugger sees its memory, unless that is asked for.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use IPC::Run ();
use PatTest;
use PatBridge;
use PatWire;

my $binary = PatBridge->binary;
my $directory = PostgreSQL::Test::Utils::tempdir();
my $me = getpwuid $>;
my $my_group = getgrgid $) + 0;

# run(COMMAND…): { status, out, err } of a run that ends by itself.
sub run
{
	my (@command) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(60));
	return { status => $? >> 8, out => $out, err => $err };
}

sub refused
{
	my ($status, $complaint, $name, @command) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $run = run(@command);
	is($run->{status}, $status, "exit $status: $name");
	like($run->{err}, $complaint, '... and says why');
	unlike($run->{err}, qr/listening/, '... and serves nobody');
	return;
}

# start(OPTION…): a bridge without a database, on a free port.
sub start
{
	my (@options) = @_;
	return PatBridge->start(undef, db => "host=$directory", ready => 0, options => \@options);
}

# ---- as whom one is ----------------------------------------------------------------------------

my @quiet = ('--db', "host=$directory", '--listen', '127.0.0.1:0');
my $bridge = start('--user', $me);
ok(PatWire->new($bridge->port)->goes_on, 'the user who starts it may be named');
$bridge->stop_ok;
refused(2, qr/option "--user": only root can become another/, 'another user', $binary, @quiet,
	'--user', 'nobody');
refused(2, qr/option "--group": only root can become another/, 'another group', $binary, @quiet,
	'--user', $me, '--group', 'daemon');
refused(2, qr/option "--user": there is no user "none-such"/, 'an unknown user', $binary, @quiet,
	'--user', 'none-such');
refused(2, qr/option "--group" needs "--user"/, 'a group alone', $binary, @quiet, '--group',
	$my_group);
refused(2, qr/there is no user "none-such"/, '--check looks it up', $binary, '--check', '--user',
	'none-such');
refused(2, qr/there is no group "none-such"/, '... and groups', $binary, '--check', '--user',
	'nobody', '--group', 'none-such');
is(run($binary, '--check', '--user', 'nobody', '--group', 'daemon')->{status}, 0,
	'... and leaves open who will start it');

# ---- as root -----------------------------------------------------------------------------------

# In a user namespace, one is root over oneself.
my @as_root = ('unshare', '--user', '--map-root-user');
SKIP:
{
	my $possible = run(@as_root, 'true');
	skip "no user namespaces here: $possible->{err}", 1 if $possible->{status} != 0;
	refused(2, qr/root must say whom to become: option "--user"/, 'root', @as_root, $binary, @quiet);
	refused(2, qr/option "--user": "root" is root/, 'root as root', @as_root, $binary, @quiet,
		'--user', 'root');
	refused(1, qr/cannot become user "nobody"/, 'root who cannot become another', @as_root, $binary,
		@quiet, '--user', 'nobody');
	is(run(@as_root, $binary, "--$_")->{status}, 0, "root may ask for --$_") for qw(check version help);
}

# With more than one user in the namespace, root becomes another for good.
SKIP:
{
	my @with_others = ('unshare', '--user', '--map-root-user', '--map-auto');
	my $possible = run(@with_others, 'true');
	skip "no second user in a namespace (newuidmap and /etc/subuid): $possible->{err}", 1
	  if $possible->{status} != 0;
	my $socket = "$directory/root.sock";
	my $log = "$directory/root.log";
	chmod 0711, $directory;
	my $run = start_beside([ @with_others, $binary, @quiet, '--user', 'nobody', '--listen', "unix:$socket" ],
		'<', '/dev/null', '>', $log, '2>&1');
	wait_until(sub { -e $log && slurp($log) =~ /listening on unix:/ }, 'the bridge') or diag(slurp($log));
	my ($port) = slurp($log) =~ /listening on 127\.0\.0\.1:(\d+)/;
	my $pid = $run->{KIDS}[0]{PID};
	my %status = slurp("/proc/$pid/status") =~ /^(\w+):\s*(.*)$/mg;
	my @uids = split /\s+/, $status{Uid};
	my @gids = split /\s+/, $status{Gid};
	is(scalar(grep { $_ == $uids[0] && $_ != $> } @uids), 4, 'root became another user, in all four ids');
	is(scalar(grep { $_ == $gids[0] && $_ != $) + 0 } @gids), 4, '... and group');
	is($status{$_}, '0000000000000000', "... without capabilities: $_") for qw(CapPrm CapEff);
	is($status{NoNewPrivs}, 1, '... and will gain none');
	is($status{Groups} =~ s/\s+\z//r, $gids[0], "... in no group but that user's");
	is((stat $socket)[4], $uids[0], '... who owns the socket file');
	ok(PatWire->new($port)->goes_on, '... and serves');
	$run->signal('TERM');
	$run->finish;
	is($run->result(0), 0, '... and ends with 0');
}

# ---- socket files ------------------------------------------------------------------------------

# mode_is(MODE, NAME, OPTION…): whatever umask it inherits.
sub mode_is
{
	my ($mode, $name, @options) = @_;
	my ($socket, $log) = map { "$directory/mode.$_" } 'sock', 'log';
	for my $umask (0, 077)
	{
		my $run = start_beside([ $binary, @quiet, '--listen', "unix:$socket", @options ],
			'<', '/dev/null', '>', $log, '2>&1', init => sub { umask $umask });
		wait_until(sub { -e $log && slurp($log) =~ /listening on unix:/ }, 'the bridge') or diag(slurp($log));
		is(sprintf('%04o', (stat $socket)[2] & 07777), $mode, $name);
		ok(PatWire->new($socket)->goes_on, '... and serves');
		$run->signal('TERM');
		$run->finish;
		is($run->result(0), 0, '... and ends with 0');
		unlink $log;
	}
	return;
}

mode_is('0660', 'a socket file is for its owner and group');
mode_is('0600', '... or for the owner', '--unix-socket-mode', '0600');
mode_is('0666', '... or for everybody', '--unix-socket-mode=666', '--unix-socket-group', $my_group);
SKIP:
{
	my %mine = map { $_ => 1 } split / /, $);
	my ($other) = grep { !$mine{$_->[1]} } ([ 'daemon', 1 ], [ 'bin', 2 ]);
	refused(1, qr/cannot listen on unix:.*not permitted/, 'a group that one is not in', $binary, @quiet,
		'--listen', "unix:$directory/group.sock", '--unix-socket-group', $other->[0]);
	ok(!-e "$directory/group.sock", '... and leaves no socket file');
}

# ---- memory ------------------------------------------------------------------------------------

# Whether the kernel lets others of the same user look into the process, and its limit.
sub memory_of
{
	my ($process) = @_;
	my ($limit) = slurp("/proc/$process/limits") =~ /^Max core file size\s+(\S+)/m;
	return ((stat "/proc/$process/mem")[4] == $> ? 'open' : 'closed', $limit);
}

$bridge = start();
is_deeply([ memory_of($bridge->pid) ], [ 'closed', 0 ], 'no debugger, no core file');
my $ended = $bridge->stop('SEGV');
is($ended & 128, 0, '... and none is written');
$bridge = start('--core-dumps');
is((memory_of($bridge->pid))[0], 'open', '... unless that is asked for');
$bridge->stop_ok;

done_testing();
