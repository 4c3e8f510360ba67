# Another session of the database's owner, which holds a lock for as long as a test wants.
#
#     my $holder = PatHolder->new($node);
#     $holder->does('BEGIN; LOCK TABLE pat_token IN ACCESS EXCLUSIVE MODE');
#     …
#     $holder->does('COMMIT');
#     $holder->quit;

package PatHolder;

use strict;
use warnings;

use IPC::Run ();
use PatTest;

my $SECONDS = 600;    # for the whole life of the session

sub new
{
	my ($class, $node) = @_;
	my $self = bless { in => '', out => '' }, $class;
	$self->{psql} = IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres') ],
		'<', \$self->{in}, '>', \$self->{out}, '2>&1', IPC::Run::timeout($SECONDS));
	return $self;
}

# Has the session run this, and waits until it has.
sub does
{
	my ($self, $sql) = @_;
	$self->{out} = '';
	$self->{in} .= "$sql;\n\\echo done\n";
	wait_until(sub { $self->{psql}->pump_nb; $self->{out} =~ /^done$/m },
		"the other session to run $sql")
	  or die $self->{out};
	return;
}

sub quit
{
	my ($self) = @_;
	$self->{in} .= "\\q\n";
	$self->{psql}->finish;
	return;
}

1;
