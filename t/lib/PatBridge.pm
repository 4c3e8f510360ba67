# A pat-bridge of a test's own: started on a free port of 127.0.0.1, stopped by its pid.
#
#     my $bridge = PatBridge->start($node, options => [ '--workers', '2' ]);
#     http_call($bridge->url('/ready'));
#     $bridge->stop_ok;
#
# The binary is $PAT_BRIDGE, or bridge/pat-bridge. `make check` runs the same tests a second time
# with a binary built with sanitizers: they end the process with a status of their own, so that a
# leak or an error fails stop_ok.

package PatBridge;

use strict;
use warnings;

use POSIX qw(WNOHANG);
use PatTest;
use Test::More;

my $count = 0;
my %running;

sub binary
{
	my $path = $ENV{PAT_BRIDGE} || source_dir() . '/bridge/pat-bridge';
	PatTest::cannot_run("no bridge at $path: make bridge") unless -x $path;
	return $path;
}

# start(CLASS, NODE, …)
#   database => postgres; user => pat_bridge (made and granted here); schema of the extension
#   db       => a conninfo of your own instead, which needs no node
#   listen   => 127.0.0.1:0
#   options  => further arguments; without --read-connections there is one of these, so that what
#               waits for what is certain
#   log_file => what --log-file says among them
#   env      => { NAME => value } for the process
#   ready    => 0: do not wait until the database answers
#   sockets  => [ … ] to hand over as a service manager does, from descriptor 3 on
sub start
{
	my ($class, $node, %option) = @_;
	my $log = "$PostgreSQL::Test::Utils::log_path/bridge_" . ++$count . '.log';
	my $self = bless { log => $log, log_file => $option{log_file}, node => $node }, $class;
	my @options = @{ $option{options} || [] };
	push @options, '--read-connections', '1' unless grep { /^--read-connections/ } @options;
	my @command = (
		$class->binary, '--listen', $option{listen} || '127.0.0.1:0',
		'--db', $option{db} || $self->conninfo($node, \%option), @options);

	$self->{pid} = $self->spawn(\@command, $option{env} || {}, $option{sockets});
	$running{ $self->{pid} } = $self;
	$self->wait_for_port;
	$self->wait_for_ready unless defined $option{ready} && !$option{ready};
	return $self;
}

sub conninfo
{
	my ($self, $node, $option) = @_;
	my $database = $option->{database} || 'postgres';
	my $user = $option->{user} || PatTest::bridge_role($node, $database, $option->{schema});
	return sprintf "host='%s' port=%d user='%s' dbname='%s'", $node->host, $node->port, $user,
	  $database;
}

sub spawn
{
	my ($self, $command, $env, $sockets) = @_;
	unlink $self->{log};    # of an earlier run: it names another port
	my $pid = fork;
	die "fork: $!" unless defined $pid;
	return $pid if $pid;

	@ENV{ keys %$env } = values %$env;
	open(STDIN, '<', '/dev/null') or POSIX::_exit(127);
	open(STDOUT, '>', $self->{log}) or POSIX::_exit(127);
	open(STDERR, '>&', \*STDOUT) or POSIX::_exit(127);
	hand_over(@$sockets) if $sockets;
	{ exec { $command->[0] } @$command; }
	POSIX::_exit(127);
}

# In the child: numbers out of the way first, so that no copy overwrites a socket still to be copied.
sub hand_over
{
	my (@sockets) = @_;
	my @away;
	for my $socket (@sockets)
	{
		my $fd = POSIX::dup(fileno $socket);
		$fd = POSIX::dup($fd) while $fd < 3 + @sockets;
		push @away, $fd;
	}
	POSIX::dup2($away[$_], 3 + $_) for 0 .. $#away;
	POSIX::close($_) for grep { $_ >= 3 + @sockets } 3 .. 200;
	@ENV{ 'LISTEN_FDS', 'LISTEN_PID' } = (scalar @sockets, $$);
	return;
}

sub wait_for_port
{
	my ($self) = @_;
	$self->{port} = wait_until(
		sub {
			die "the bridge ended at its start:\n" . $self->log if $self->has_ended;
			return $self->log =~ /listening on (?:127\.0\.0\.1|\[::1\]):(\d+)/ ? $1 : 0;
		},
		'the bridge to listen');
	die $self->log unless $self->{port};
	return;
}

sub wait_for_ready
{
	my ($self) = @_;
	wait_until(sub { http_call($self->url('/ready'))->{status} eq '200' },
		'the bridge to be ready')
	  or die $self->log;
	return;
}

# Where it serves health and metrics, of its first --admin-listen.
sub admin_url
{
	my ($self, $path) = @_;
	my ($port) = $self->log =~ /monitoring on 127\.0\.0\.1:(\d+)/ or die $self->log;
	return "http://127.0.0.1:$port" . (defined $path ? $path : '');
}

# The memory that is its own now.
sub memory_kb
{
	my ($self) = @_;
	return PatTest::slurp("/proc/$self->{pid}/status") =~ /^VmRSS:\s+(\d+) kB/m ? $1 : 0;
}

sub pid { return $_[0]{pid}; }
sub port { return $_[0]{port}; }
sub url { return "http://127.0.0.1:$_[0]{port}" . (defined $_[1] ? $_[1] : ''); }

# What it has logged, on standard error and in its log file, if it was told to use one.
sub log
{
	my ($self) = @_;
	return join '', map { PatTest::slurp($_) } grep { defined && -e } @$self{qw(log log_file)};
}

# get(PATH, TOKEN): the usual call.
sub get
{
	my ($self, $path, $token) = @_;
	return http_call($self->url($path), defined $token ? (token => $token) : ());
}

# Whether it runs with libmicrohttpd 1.0 or later, which is strict about chunks, among others.
sub is_modern { return $_[0]->get('/metrics')->{body} =~ /libmicrohttpd="[1-9]/; }

# connections(…): clients of the API by the bridge's own count, without the one that asks; what
# follows is for http_call. The process shows its descriptors to nobody.
sub connections
{
	my ($self, %option) = @_;
	my $scheme = delete $option{scheme} || 'http';
	my $answer = http_call("$scheme://127.0.0.1:$self->{port}/metrics", %option);
	my ($count) = $answer->{body} =~ /^pat_bridge_client_connections\{listener="api"\} (\d+)$/m;
	return defined $count ? $count - 1 : -1;
}

# The wait status of the process once it has ended; undef while it runs.
sub has_ended
{
	my ($self) = @_;
	return 1 if defined $self->{ended};
	return 0 unless waitpid($self->{pid}, WNOHANG) == $self->{pid};
	$self->{ended} = $?;
	delete $running{ $self->{pid} };
	return 1;
}

# stop(SIGNAL): ends the bridge (SIGTERM unless said) and returns its wait status; -1 when it did
# not end within 60 seconds and had to be killed.
sub stop
{
	my ($self, $signal) = @_;
	kill $signal || 'TERM', $self->{pid} unless $self->has_ended;
	return $self->{ended} if wait_until(sub { $self->has_ended }, 'the bridge to end');
	kill 'KILL', $self->{pid};
	waitpid $self->{pid}, 0;
	delete $running{ $self->{pid} };
	$self->{ended} = $?;
	return -1;
}

# As a test: it ends by itself, with status 0, and reported nothing wrong about its memory.
sub stop_ok
{
	my ($self, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $status = $self->stop;
	my $log = $self->log;
	my $good = $status == 0 && $log !~ /AddressSanitizer|LeakSanitizer|runtime error:/;
	ok($good, $name || 'the bridge ends cleanly')
	  or diag("wait status $status\n" . substr($log, -6000));
	return $good;
}

END
{
	my $status = $?;
	for my $pid (keys %running)
	{
		kill 'KILL', $pid;
		waitpid $pid, 0;
	}
	$? = $status;
}

1;
