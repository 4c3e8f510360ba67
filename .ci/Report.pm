# What the checks without a server share: the files to look at, and results as TAP.

package Report;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(result skip finish tree slurp c_files);

my ($count, $failed) = (0, 0);

# result(PASSED, NAME, COMPLAINT…)
sub result
{
	my ($passed, $name, @complaints) = @_;
	$count++;
	$failed++ unless $passed;
	print $passed ? 'ok' : 'not ok', " $count - $name\n";
	print map { "#   $_\n" } @complaints unless $passed;
	return;
}

# skip(NAME, REASON): what cannot be looked at here.
sub skip
{
	my ($name, $reason) = @_;
	$count++;
	print "ok $count - $name # SKIP $reason\n";
	return;
}

sub finish
{
	print "1..$count\n";
	exit($failed ? 1 : 0);
}

# All files of the current directory that are the project's, as in a checkout.
sub tree
{
	my @files;
	my @open = ('.');
	while (defined(my $dir = shift @open))
	{
		opendir(my $handle, $dir) or die "$dir: $!";
		for my $entry (sort readdir $handle)
		{
			next if $entry =~ /\A\.\.?\z/ || $entry eq '.git';
			my $path = $dir eq '.' ? $entry : "$dir/$entry";
			if (-d $path && !-l $path) { push @open, $path; }
			else { push @files, $path; }
		}
	}
	return grep { !/\.(?:o|bc|so|d|a)\z/ && !/\A(?:tmp_|results|output_iso)/ && !is_generated($_) } @files;
}

# Install scripts that are put together from their parts are ignored by name.
sub is_generated
{
	my ($path) = @_;
	return $path =~ /\Aextension\/pat--/ && slurp('.gitignore') =~ /^\/\Q$path\E$/m;
}

sub slurp
{
	my ($path) = @_;
	open(my $in, '<', $path) or die "$path: $!";
	local $/;
	my $text = <$in>;
	return defined $text ? $text : '';
}

sub c_files { return grep { /\A(?:extension|bridge)\/.*\.[ch]\z/ } tree(); }

1;
