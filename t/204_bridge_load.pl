# Forty thousand requests over sixty-four connections, one in twenty with a token or an id that must
# be refused: every list is what SQL says, byte for byte, and no valid request fails because of the
# errors around it. Then again with readers and writers at the same time.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatLoad;
use PatTest;
use PatBridge;
use PatTraffic;
use PatWire;

my ($requests, $connections) = (40_000, 64);
my $node = new_cluster('load', sealed => 1, settings => "pat.max_tokens_per_account = 0\n");
my $sample = load_sample($node);
my $traffic = PatTraffic->new($node, $sample);
my $bridge = PatBridge->start($node, options => [ '--read-connections', '2' ]);

# load_ok(NAME, NEXT, ANSWERED, …): a run with what must hold of every run.
sub load_ok
{
	my ($name, $next, $answered, %option) = @_;
	my $report = PatLoad::run(
		port => $bridge->port, connections => $connections, next => $next, answered => $answered,
		%option);
	my $wrong = 0;
	$wrong += $report->{$_} for qw(wrong_status wrong_body broken lost given_up);
	is($wrong, 0, "$name: nothing wrong, nothing lost") or diag(join "\n", @{ $report->{examples} });
	is($report->{answered}, $report->{asked}, "$name: as many answers as requests");
	return $report;
}

# ---- readers -----------------------------------------------------------------------------------

my $report = load_ok("$requests lists",
	sub { return $traffic->count < $requests ? $traffic->request : undef },
	sub { $traffic->check(@_) });
is($report->{asked}, $requests, "$requests were asked");
is($report->{connects}, $connections, "over $connections connections, none of them renewed");
is($report->{by_status}{200}, $requests * 19 / 20, 'all valid ones are lists');
is($traffic->refused, $requests / 20, 'all others are refused');
is_deeply($traffic->faults, [], '... in the documented form');

# ---- readers and writers -----------------------------------------------------------------------

# One request in eight creates a token of an account that is not read meanwhile.
my ($asked, $writes) = (0, 0);
my %created;
my $path = '/api/admin/service-account/'
  . $node->safe_psql('postgres', "SELECT pat_create_account('written')") . '/token';

sub read_or_write
{
	return if $asked >= $requests / 5;
	return $traffic->request if $asked++ % 8;
	$writes++;
	return {
		method => 'POST', path => $path, token => $sample->{admin}, status => 201,
		content => qq({"description":"write $writes","expiresAt":"2099-01-01T00:00:00Z"}) };
}

$report = load_ok('lists and new tokens', \&read_or_write,
	sub {
		my ($request, $status, $headers, $body) = @_;
		return $traffic->check(@_) if $status != 201;
		$created{ from_json($body)->{description} }++;
	});
is($report->{by_status}{201}, $writes, "all $writes tokens were created");
my $listed = from_json(sql_list($node, $path =~ /(\d+)/, $sample->{admin}))->{pats};
is_deeply({ map { ($_->{description} => 1) } @$listed }, \%created, '... once each');
is_deeply($traffic->faults, [], 'the errors among them have the documented form');

$bridge->stop_ok;
done_testing();
