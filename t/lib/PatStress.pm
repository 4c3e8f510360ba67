# A psql session for stress tests: sends one statement at a time, and tells rows from errors.
#
#     my $session = PatStress->new($node, 'postgres');
#     my $answer = $session->ask('SELECT 1');    # { rows => ['1'] } or { error => '42601: …' }
#     PatStress::beside($report, sub { … });     # a process of its own; its counts and faults
#
# The session outlives errors, so that what a backend remembers from call to call is tested too.
# beside() forks: the child writes what it counted to a file, which read_reports() adds up.

package PatStress;

use strict;
use warnings;

use IPC::Open2 ();
use JSON::PP ();
use POSIX ();
use PatTest;

use constant FAULTS_SHOWN => 20;

my $last_statement = '';

# new(CLASS, NODE, DATABASE, USER): USER is the node's own if left out.
sub new
{
	my ($class, $node, $database, $user) = @_;
	my $self = bless { number => 0 }, $class;
	my @command = ('psql', '-XqAt', '-P', 'null=NULL', '-v', 'VERBOSITY=verbose',
		'-d', $node->connstr($database), $user ? ('-U', $user) : ());

	$self->{pid} = IPC::Open2::open2($self->{from}, $self->{to},
		'sh', '-c', 'exec "$@" 2>&1', 'sh', @command);
	$self->ask("SET client_min_messages = 'warning'");
	return $self;
}

# The rows that the statements print, and the first error. Dies if the session has ended.
sub ask
{
	my ($self, $sql) = @_;
	my $mark = 'end of statement ' . ++$self->{number};
	my $from = $self->{from};
	my %answer = (rows => []);

	$last_statement = $sql;
	print { $self->{to} } "$sql;\n\\echo '$mark'\n";
	$self->{to}->flush;
	while (defined(my $line = <$from>))
	{
		chomp $line;
		return \%answer if $line eq $mark;
		if ($line =~ /\A(?:psql:\S+ )?(?:ERROR|FATAL|PANIC):  (.*)/) { $answer{error} //= $1; }
		elsif ($line =~ /\A(?:DETAIL|HINT|LOCATION|CONTEXT|STATEMENT|LINE \d+):? /) { $answer{more} .= "$line\n"; }
		elsif (!$answer{more}) { push @{ $answer{rows} }, $line; }
	}
	die "the session ended at: $sql\n" . join("\n", @{ $answer{rows} }, $answer{error} // '') . "\n";
}

sub quit
{
	my ($self) = @_;
	close $self->{to};
	return waitpid $self->{pid}, 0;
}

# ---- processes beside -------------------------------------------------------------------------

my (%report_of, $directory);

# beside(NODE, NAME, SECONDS, CODE): runs CODE->(REPORT) in a child until it returns, at the latest
# SECONDS from now. REPORT has counts in {count}{NAME} and texts in {faults}.
sub beside
{
	my ($node, $name, $seconds, $code) = @_;
	$directory = $node->basedir;
	my $pid = fork;
	die "fork: $!" unless defined $pid;
	if ($pid)
	{
		$report_of{$pid} = $name;
		return $pid;
	}
	my %report = (count => {}, faults => []);
	srand $$;
	local $SIG{PIPE} = 'IGNORE';
	local $SIG{ALRM} = sub {
		fault(\%report, "not over in time; last: $last_statement\n");
		leave(\%report);
	};
	alarm $seconds;
	eval { $code->(\%report); 1 } or fault(\%report, $@);
	return leave(\%report);
}

# The parent's END blocks and the node are not the child's to run and to stop.
sub leave
{
	my ($report) = @_;
	write_report("$directory/report.$$", $report);
	return POSIX::_exit(0);
}

sub fault
{
	my ($report, $text) = @_;
	push @{ $report->{faults} }, $text if @{ $report->{faults} } < FAULTS_SHOWN;
	$report->{count}{faults}++;
	return;
}

sub write_report
{
	my ($path, $report) = @_;
	open(my $out, '>:raw', $path) or die "$path: $!";
	print $out JSON::PP->new->utf8->encode($report);
	close $out or die "$path: $!";
	return;
}

# read_reports(): waits for all children; their counts in one hash, and all faults.
sub read_reports
{
	my (%sum, @faults);
	for my $pid (sort { $a <=> $b } keys %report_of)
	{
		waitpid $pid, 0;
		my $report = eval { from_json(slurp("$directory/report.$pid")) };
		push @faults, "$report_of{$pid}: no report" unless $report;
		push @faults, map { "$report_of{$pid}: $_" } @{ $report->{faults} };
		$sum{$_} += $report->{count}{$_} for keys %{ $report->{count} };
	}
	%report_of = ();
	return (\%sum, \@faults);
}

1;
