# The file of results, in memory: section, case, contender, metric, and one value a round.

package Figures;

use strict;
use warnings;

sub read ## no critic (ProhibitBuiltinHomonyms)
{
	my ($class, $path) = @_;
	my $self = bless { value => {}, order => {} }, $class;
	open(my $in, '<:encoding(UTF-8)', $path) or die "$path: $!\n";
	while (my $line = <$in>)
	{
		chomp $line;
		my ($section, $case, $contender, $round, $metric, $value) = split /\t/, $line;
		die "$path: not a figure: $line\n" unless defined $value && $value =~ /^-?[\d.]+(?:e-?\d+)?$/;
		$self->add([ $section, $case, $contender, $metric ], $round, $value + 0);
	}
	return $self;
}

sub add
{
	my ($self, $place, $round, $value) = @_;
	my $path = '';
	for my $name (@$place)
	{
		my $names = $self->{order}{$path} ||= [];
		push @$names, $name unless grep { $_ eq $name } @$names;
		$path .= "\t$name";
	}
	$self->{value}{$path}{$round} = $value;
	return;
}

# Names below a place, in the order in which they were first met.
sub below { my ($self, @place) = @_; return @{ $self->{order}{ join '', map { "\t$_" } @place } || [] }; }
sub sections { my ($self) = @_; return $self->below; }
sub cases { my ($self, @place) = @_; return $self->below(@place); }
sub contenders { my ($self, @place) = @_; return $self->below(@place); }
sub metrics { my ($self, @place) = @_; return $self->below(@place); }

sub by_round { my ($self, @place) = @_; return $self->{value}{ join '', map { "\t$_" } @place } || {}; }

sub values ## no critic (ProhibitBuiltinHomonyms)
{
	my ($self, @place) = @_;
	my $values = $self->by_round(@place);
	return map { $values->{$_} } sort { $a <=> $b } keys %$values;
}

# Lowest, median, highest.
sub spread
{
	my @sorted = sort { $a <=> $b } @_;
	return unless @sorted;
	my $middle = ($sorted[ $#sorted / 2 ] + $sorted[ @sorted / 2 ]) / 2;
	return ($sorted[0], $middle, $sorted[-1]);
}

sub median
{
	my ($self, @place) = @_;
	return (spread($self->values(@place)))[1];
}

# Of all rounds; 0 where the metric was not recorded.
sub total
{
	my ($self, @place) = @_;
	my $sum = 0;
	$sum += $_ for $self->values(@place);
	return $sum;
}

# A contender whose answers are not those that were asked for has no rate to compare.
sub has_faults { my ($self, @place) = @_; return grep { $self->total(@place, $_) > 0 } qw(wrong failed); }

# Median of the ratios of the rounds that both places have.
sub ratio
{
	my ($self, $above, $below) = @_;
	return if grep { $self->has_faults(@$_[0 .. 2]) } $above, $below;
	my ($a, $b) = ($self->by_round(@$above), $self->by_round(@$below));
	my @ratios = map { $a->{$_} / $b->{$_} } grep { $b->{$_} } keys %$a;
	return (spread(@ratios))[1];
}

1;
