# What must hold, and whether it does.

package Bounds;

use strict;
use warnings;
use utf8;

my $list = '64 connections, 10 tokens';

sub http { my ($contender, $metric, $case) = @_; return [ 'http', $case || $list, $contender, $metric ]; }
sub turns { my ($contender, $case) = @_; return [ 'turns', $case, $contender, 'rps' ]; }
sub backend { my ($contender, $tokens) = @_; return [ 'backend', "$tokens tokens", $contender, 'us' ]; }

# Name, relation, limit, and the two places of a ratio.
sub ratios
{
	my @pgbench = map { [ "bridge ÷ pgbench of the same function, $_->[0]", '≥', $_->[1], turns('bridge', $_->[0]), turns('pgbench', $_->[0]) ] }
	  [ '10 tokens', 1 ], [ '1000 tokens', 0.7 ], [ '1000 tokens, none alike', 0.65 ];
	my $bridge = http('bridge', 'rps');
	my $good = [ 'refusals', '64 connections, good tokens', 'bridge', 'rps' ];
	my $alone = [ 'writes', '64 connections, lists alone', 'bridge', 'p99_us' ];
	my $beside = [ 'writes', '64 connections, lists beside writes', 'bridge', 'p99_us' ];
	return (
		@pgbench,
		[ 'bridge ÷ real Unleash', '≥', 40, $bridge, http('unleash', 'rps') ],
		[ 'bridge ÷ Node + pg', '≥', 3, $bridge, http('node', 'rps') ],
		[ 'bridge ÷ Bun', '≥', 1.3, $bridge, http('bun', 'rps') ],
		[ 'time in PL/pgSQL ÷ ours, 10 tokens', '≥', 4, backend('plpgsql', 10), backend('pat', 10) ],
		[ 'time in PL/pgSQL ÷ ours, 1000 tokens', '≥', 10, backend('plpgsql', 1000), backend('pat', 1000) ],
		[ 'time in SPI ÷ ours, 10 tokens', '≥', 2, backend('spi', 10), backend('pat', 10) ],
		[ 'p99 ÷ p50 at 64 connections, 10 tokens', '≤', 3, http('bridge', 'p99_us'), http('bridge', 'p50_us') ],
		[ 'p99 of lists beside writes ÷ alone', '≤', 2, $beside, $alone ],
		[ 'unknown tokens ÷ good tokens', '≥', 1, [ 'refusals', '64 connections, unknown tokens', 'bridge', 'rps' ], $good ],
		[ 'mistyped tokens ÷ good tokens', '≥', 1, [ 'refusals', '64 connections, mistyped tokens', 'bridge', 'rps' ], $good ],
	);
}

# The same, of single figures.
sub limits
{
	my ($figures) = @_;
	my $memory = $figures->median(@{ http('bridge', 'resident_kb') });
	my ($idle, $small) =
	  map { $figures->median('idle', '10000 idle connections', $_, 'more_kb') } 'bridge', 'small';
	return (
		[ 'CPU µs of the bridge per request', '≤', 14, $figures->median(@{ http('bridge', 'cpu_us') }) ],
		[ 'MB resident at 64 connections', '≤', 12, defined $memory ? $memory / 1024 : undef ],
		[ 'MB more for 10,000 idle connections', '≤', 64, defined $idle ? $idle / 1024 : undef ],
		[ '... with --max-header-size 2560', '≤', 64, defined $small ? $small / 1024 : undef ],
		[ 'wrong answers of the bridge', '≤', 0, total($figures, 'wrong') ],
		[ 'failed requests to the bridge', '≤', 0, total($figures, 'failed') ],
	);
}

sub growth
{
	my ($figures) = @_;
	my $case = '10M tokens in the table';
	my $ratio = $figures->ratio(map { [ 'growth', $case, $_, 'us' ] } 'grown', 'small');
	return [ 'time of a list with 10 M tokens in the table ÷ 41 k', '≤', 1.2, $ratio ];
}

sub total
{
	my ($figures, $metric) = @_;
	my $sum = 0;
	for my $section ($figures->sections)
	{
		for my $case ($figures->cases($section))
		{
			$sum += $figures->total($section, $case, 'bridge', $metric);
		}
	}
	return $sum;
}

# A list of { name, relation, limit, value, holds }; no value where a side was not measured.
sub check
{
	my ($figures) = @_;
	my @found = map { [ @$_[0 .. 2], $figures->ratio(@$_[3, 4]) ] } ratios();
	my @bounds;
	for (@found, growth($figures), limits($figures))
	{
		my ($name, $relation, $limit, $value) = @$_;
		my $holds = defined $value && ($relation eq '≥' ? $value >= $limit : $value <= $limit);
		push @bounds, { name => $name, relation => $relation, limit => $limit, value => $value, holds => $holds ? 1 : 0 };
	}
	return @bounds;
}

1;
