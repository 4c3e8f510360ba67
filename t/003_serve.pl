# make serve, without its package step: what it prints works, it runs until it is interrupted, and then
# leaves neither a process nor a file behind.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use PatBridge;
use PatTest;
use Test::More;

PatBridge->binary;

# Runs it with a directory of our own for what it makes, so that we see what it leaves; and as from a
# terminal, for a shell hears no signal that was ignored when it started, as in the background of another.
sub start_serve
{
	local @SIG{qw(INT TERM)} = ('DEFAULT') x 2;
	my $work = PostgreSQL::Test::Utils::tempdir_short();
	my %serve = (work => $work, output => '', errors => '');
	$serve{run} = start_beside([ 'bash', source_dir() . '/.ci/serve', '--work', $work ],
		'<', \undef, '>', \$serve{output}, '2>', \$serve{errors});
	return \%serve;
}

sub says
{
	my ($serve, $pattern) = @_;
	ok(wait_until(sub { $serve->{run}->pump_nb; $serve->{output} =~ $pattern }, "$pattern"),
		"it says $pattern")
	  or diag("$serve->{output}\n$serve->{errors}");
	return $serve->{output} =~ $pattern ? $1 : undef;
}

for my $signal ('INT', 'TERM')
{
	my $serve = start_serve();
	says($serve, qr/(Ctrl-C ends it)/);
	my $url = says($serve, qr{answers at  (http://127\.0\.0\.1:\d+)$}m);
	my $admin = says($serve, qr/^\s*admin API token\s+(\S+)$/m);
	my $viewer = says($serve, qr/^\s*token of a viewer\s+(\S+)$/m);
	my $curl = says($serve, qr/^\s*(curl -i .*)$/m);
	my $psql = says($serve, qr/^\s*(psql .*)$/m);

	my $answer = qx($curl 2>/dev/null);
	like($answer, qr/^HTTP\/1\.1 200 .*\{"pats":\[\{"id":1,/s, 'the printed curl lists the tokens');
	(my $path = $curl) =~ s{.*?://[^/]+(\S+) .*}{$1};
	is(http_call("$url$path", token => $admin)->{status}, '200', '... and so does the printed token');
	is(http_call("$url$path", token => $viewer)->{status}, '403', 'the other one may not');
	like(qx($psql -XAtc "SELECT count(*) > 0 FROM pat_token" 2>&1), qr/^t$/, 'the printed psql connects');

	kill $signal, $serve->{run}{KIDS}[0]{PID};
	$serve->{run}->finish;
	is($serve->{run}->full_result(0), 0, "SIG$signal ends it well");
	unlike($serve->{errors}, qr/ended by itself/, '... without complaint');
	ok(!-e $serve->{work}, '... and nothing is left of its directory');
	is_deeply([ processes_of($serve->{work}) ], [], '... nor of its processes');
}

done_testing();
