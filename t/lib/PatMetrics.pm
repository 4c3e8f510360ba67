# Prometheus's text exposition format, version 0.0.4, read strictly: what a scraper would only
# survive is a fault here, and so is what `promtool check metrics` warns of.
#
#     my $metrics = PatMetrics->parse($text);
#     is_deeply($metrics->faults, [], 'the text is as it should be');
#     $metrics->value('pat_bridge_lane_connections_up', lane => 'read');
#     my $moved = $metrics->since($before);           # { series => difference }
#
# A series is written as name{a="b",c="d"}, labels sorted by name.

package PatMetrics;

use strict;
use warnings;

my $name = qr/[a-zA-Z_:][a-zA-Z0-9_:]*/;
my $label_name = qr/[a-zA-Z_][a-zA-Z0-9_]*/;
my $label = qr/$label_name="(?:[^"\\\n]|\\\\|\\"|\\n)*"/;
my $number = qr/[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|[-+]?Inf|NaN/;

sub parse
{
	my ($class, $text) = @_;
	my $self = bless { value => {}, type => {}, help => {}, order => [], faults => [] }, $class;

	$self->fault('no newline at the end') unless $text =~ /\n\z/;
	$self->fault('not ASCII') if $text =~ /[^\n\x20-\x7e]/;
	$self->line($_) for split /\n/, $text;
	$self->check_family($_) for sort keys %{ $self->{help} }, sort keys %{ $self->{type} };
	$self->check_histogram($_) for grep { $self->{type}{$_} eq 'histogram' } sort keys %{ $self->{type} };
	return $self;
}

sub faults { return $_[0]{faults}; }
sub families { return sort keys %{ $_[0]{type} }; }
sub series { return sort keys %{ $_[0]{value} }; }

sub fault
{
	my ($self, $text) = @_;
	push @{ $self->{faults} }, $text;
	return;
}

# value(NAME, LABEL => VALUE, …); undef if there is no such series.
sub value
{
	my ($self, $metric, %labels) = @_;
	return $self->{value}{ spell($metric, %labels) };
}

sub spell
{
	my ($metric, %labels) = @_;
	return $metric unless %labels;
	return "$metric\{" . join(',', map { qq($_="$labels{$_}") } sort keys %labels) . '}';
}

# By how much each series has changed; those that have not are left out.
sub since
{
	my ($self, $before) = @_;
	my %moved;
	for my $series ($self->series)
	{
		my $difference = $self->{value}{$series} - ($before->{value}{$series} || 0);
		$moved{$series} = $difference if $difference;
	}
	return \%moved;
}

sub line
{
	my ($self, $line) = @_;
	if ($line =~ /\A# HELP ($name) (\S.*)\z/) { $self->head('help', $1, $2); }
	elsif ($line =~ /\A# TYPE ($name) (counter|gauge|histogram)\z/) { $self->head('type', $1, $2); }
	elsif ($line =~ /\A($name)(?:\{($label(?:,$label)*)\})? ($number)\z/) { $self->sample($1, $2, $3); }
	else { $self->fault("no line of the format: $line"); }
	return;
}

# HELP, then TYPE, each once, before the samples.
sub head
{
	my ($self, $kind, $family, $text) = @_;
	$self->fault("$family: $kind twice") if exists $self->{$kind}{$family};
	$self->fault("$family: TYPE without HELP before it")
	  if $kind eq 'type' && ($self->{current} || '') ne $family;
	$self->fault("$family: HELP with a backslash") if $kind eq 'help' && $text =~ /\\/;
	$self->{$kind}{$family} = $text;
	$self->{current} = $family;
	return;
}

sub sample
{
	my ($self, $metric, $labels, $value) = @_;
	my $family = $self->{current} || '';
	my $suffix = ($self->{type}{$family} || '') eq 'histogram' ? qr/_(?:bucket|sum|count)/ : qr//;

	$self->fault("$metric: not behind the head of its family") unless $metric =~ /\A\Q$family\E$suffix\z/;
	my @labels = defined $labels ? $labels =~ /($label_name)="((?:[^"\\]|\\.)*)"/g : ();
	my %labels = @labels;
	$self->fault("$metric: a label twice") if 2 * keys %labels != @labels;
	my $series = spell($metric, %labels);
	$self->fault("$series: twice") if exists $self->{value}{$series};
	$self->fault("$series: $value is below 0") if $value =~ /^-/;
	$self->{value}{$series} = $value =~ /Inf/ ? 9**9**9 : $value + 0;
	push @{ $self->{order} }, [ $metric, \%labels, $self->{value}{$series} ];
	return;
}

# What a name must look like, and that nothing is declared in vain.
sub check_family
{
	my ($self, $family) = @_;
	my $type = $self->{type}{$family} or return $self->fault("$family: HELP without TYPE");
	my $is_total = $family =~ /_total\z/;

	$self->fault("$family: a counter is called _total, and nothing else is")
	  if ($type eq 'counter') != ($is_total ? 1 : 0);
	$self->fault("$family: a name with the suffix of a histogram") if $family =~ /_(?:bucket|count|sum)\z/;
	$self->fault("$family: not in base units")
	  if $family =~ /_(?:ms|us|milliseconds|microseconds|kb|mb|kilobytes|minutes|hours|percent)(?:_|\z)/;
	$self->fault("$family: not ours") unless $family =~ /\A(?:pat_bridge|process)_/;
	return;
}

# For each set of labels: rising bounds, rising counts, +Inf last and equal to the count, a sum.
sub check_histogram
{
	my ($self, $family) = @_;
	my %buckets;
	for my $sample (grep { $_->[0] eq "${family}_bucket" } @{ $self->{order} })
	{
		my %labels = %{ $sample->[1] };
		my $bound = delete $labels{le};
		push @{ $buckets{ spell('', %labels) } }, [ $bound, $sample->[2] ];
	}
	$self->fault("$family: no buckets") unless %buckets;
	for my $labels (sort keys %buckets)
	{
		my @rows = @{ $buckets{$labels} };
		my $count = $self->{value}{"${family}_count$labels"};
		my $rises = !grep { bound($rows[$_][0]) <= bound($rows[ $_ - 1 ][0]) || $rows[$_][1] < $rows[ $_ - 1 ][1] } 1 .. $#rows;
		$self->fault("$family$labels: buckets do not rise") unless $rises;
		$self->fault("$family$labels: +Inf is not the last bucket") unless $rows[-1][0] eq '+Inf';
		$self->fault("$family$labels: count is not +Inf") unless defined $count && $count == $rows[-1][1];
		$self->fault("$family$labels: no sum") unless exists $self->{value}{"${family}_sum$labels"};
	}
	return;
}

sub bound { return $_[0] eq '+Inf' ? 9**9**9 : $_[0]; }

1;
