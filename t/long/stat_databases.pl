# pat_stat in a cluster of more databases than are counted apart: the others count together, say so,
# and leave the first ones alone.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/../lib";
use PatTest;

use constant APART => 64;

my $node = new_cluster('databases', settings => "shared_preload_libraries = '\$libdir/pat'\n");

sub stat_of
{
	my ($database) = @_;
	return $node->safe_psql($database, "SELECT scope || ' ' || calls FROM pat_stat");
}

sub call { return $node->safe_psql($_[0], "SELECT pat_answer_list('x')"); }

call('postgres') for 1 .. 5;
$node->safe_psql('postgres', 'CREATE DATABASE sample');
create_extension($node, 'sample');
my @many = map { "many$_" } 1 .. APART + 1;
for my $database (@many)
{
	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE sample");
	call($database);
}
my ($last_apart, @together) = @many[ APART - 2 .. APART ];
is(stat_of('postgres'), 'database 5', 'the first database counts apart');
is(stat_of($last_apart), 'database 1', APART . ' databases do');
is(stat_of($_), 'databases 2', "$_ counts with others, and says so") for @together;
$node->safe_psql($together[0], 'SELECT pat_stat_reset()');
is(stat_of($together[1]), 'databases 0', '... and is reset with them');
is(stat_of('postgres'), 'database 5', '... which the first is not');

done_testing();
