# The database goes away under load, in every way it can: backends ended and killed, the server
# restarted. No answer is ever wrong: besides the right ones there is only 503, with Retry-After, and
# the bridge serves again soon after the database does, without a restart. Then a database that is
# not there at the start, lacks the extension, loses it, or would log tokens.

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
use Time::HiRes ();
use Time::Local qw(timegm);

my $connections = 64;
my $node = new_cluster('faults', settings => <<~'CONF');
	restart_after_crash = on
	pat.max_tokens_per_account = 0
	log_line_prefix = '%n %p %a '
	CONF
my $sample = load_sample($node);
my $traffic = PatTraffic->new($node, $sample);
my $bridge = PatBridge->start($node, options => [ '--workers', '2', '--read-connections', '2' ]);
my $first_pid = $bridge->pid;
my $accounts = '/api/admin/service-account';
my $path = "$accounts/$sample->{account}/token";

sub backends
{
	return split /\n/, $node->safe_psql('postgres',
		q{SELECT pid FROM pg_stat_activity WHERE usename = 'pat_bridge'});
}

# load_ok(NAME, TRIGGERS, …): lists under load while things happen: each trigger is [ COUNT, CODE ],
# run when that many have been asked. Ends when at least as many lists as the last COUNT plus a
# thousand have been asked, and DONE (code) says so.
sub load_ok
{
	my ($name, $triggers, %option) = @_;
	my @triggers = @$triggers;
	my $minimum = $triggers[-1][0] + 1000;
	my ($asked, $good) = (0, 0);
	my $deadline = Time::HiRes::time() + 120;
	my $report = PatLoad::run(
		port => $bridge->port, connections => $connections, tolerate => { 503 => 1 },
		next => sub {
			$asked++;
			(shift @triggers)->[1]->() if @triggers && $asked >= $triggers[0][0];
			return if Time::HiRes::time() > $deadline;
			return if $asked > $minimum && !@triggers && (!$option{done} || $option{done}->());
			return $traffic->request;
		},
		answered => sub { $good++ if $_[1] eq '200'; $traffic->check(@_) });

	my $wrong = 0;
	$wrong += $report->{$_} for qw(wrong_status wrong_body broken lost given_up);
	is($wrong, 0, "$name: no wrong answer") or diag(join "\n", @{ $report->{examples} });
	is($report->{answered}, $report->{asked}, "$name: as many answers as requests");
	is($report->{connects}, $connections, "$name: no client lost its connection");
	cmp_ok($good, '>', 1000, "$name: lists went on");
	is_deeply($traffic->faults, [], "$name: errors have the documented form");
	diag(sprintf '%s: %d requests, %d answered 503', $name, $report->{asked}, $report->{tolerated});
	return $report;
}

# When the server logged the last line with this text, in seconds since the epoch (%n).
sub server_logged
{
	my ($text) = @_;
	my @times = slurp($node->logfile) =~ /^(\d+\.\d+) .*\Q$text\E/mg;
	return $times[-1];
}

# When the bridge logged lines with this text.
sub bridge_logged
{
	my ($text) = @_;
	my @times;
	for my $line (grep { /\Q$text\E/ } split /\n/, $bridge->log)
	{
		my ($y, $mo, $d, $h, $mi, $s) = $line =~ /^(\d+)-(\d+)-(\d+)T(\d+):(\d+):([\d.]+)Z/ or next;
		push @times, timegm(0, $mi, $h, $d, $mo - 1, $y) + $s;
	}
	return @times;
}

# Time between the server's readiness and the bridge's next connection for lists. The promise is a
# second; on a machine that does other things as well, five.
sub back_within_bound
{
	my ($name) = @_;
	my $ready = server_logged('database system is ready to accept connections');
	my ($up) = grep { $_ >= $ready - 0.001 }
	  bridge_logged('database connection "read 1" is up');
	return ok(0, "$name: the bridge has noted a connection") unless defined $up;
	diag(sprintf '%s: service again %.0f ms after the server', $name, 1000 * ($up - $ready));
	return cmp_ok($up - $ready, '<', 5, "$name: soon after the server's return");
}

# ---- backends ----------------------------------------------------------------------------------

my @killed;
my $end_one = sub {
	my $pid = (backends())[0] or return;
	push @killed, $pid;
	kill 'TERM', $pid;
};
my $end_all = sub { my @pids = backends(); push @killed, @pids; kill 'TERM', @pids; };
load_ok('backends ended', [ [ 2000, $end_one ], [ 4000, $end_one ], [ 6000, $end_all ] ]);
cmp_ok(scalar @killed, '>=', 4, 'backends have been ended');
sub none_is_left
{
	my %left = map { $_ => 1 } backends();
	return %left && !grep { $left{$_} } @killed;
}

ok(wait_until(\&none_is_left, 'other backends'), '... and others have taken their place');

my $crash_pid;
load_ok(
	'a backend killed',
	[ [ 2000, sub { $crash_pid = (backends())[0]; kill 'KILL', $crash_pid; } ] ],
	done => sub { slurp($node->logfile) =~ /all server processes terminated.*ready to accept/s
		  && $bridge->get('/ready')->{status} eq '200' });
like(slurp($node->logfile), qr/\(PID $crash_pid\) was terminated by signal 9/,
	'the server has gone through a crash');
back_within_bound('a backend killed');

# ---- the server --------------------------------------------------------------------------------

# In a process of its own, so that the load goes on meanwhile.
sub restart_beside
{
	my ($mode) = @_;
	return start_beside(
		[ 'pg_ctl', '-w', '-s', '-D', $node->data_dir, '-l', $node->logfile, '-m', $mode, 'restart' ],
		'<', \undef, '>', \my $out, '2>&1');
}

for my $mode ('fast', 'immediate')
{
	my $restart;
	my $report = load_ok(
		"the server restarted, $mode",
		[ [ 2000, sub { $restart = restart_beside($mode) } ] ],
		done => sub {
			$restart->pump_nb if $restart->pumpable;
			return !$restart->pumpable && $bridge->get('/ready')->{status} eq '200';
		});
	ok($restart->finish, "$mode: the restart went well");
	$node->_update_pid(1);
	back_within_bound("the server restarted, $mode");
}

# Away for long: 503 at once, the bridge alive and not ready; and back by itself.
$node->stop('fast');
wait_until(sub { $bridge->get('/ready')->{status} eq '503' }, 'the bridge to notice');
is_json_answer($bridge->get('/health'), 200, '{"health":"GOOD"}', 'away: healthy');
is_refused($bridge->get('/ready'), 503, 'ServiceUnavailableError', undef, 'away: not ready');
is_refused($bridge->get($path, $sample->{admin}), 503, 'ServiceUnavailableError', undef,
	'away: a list');
is_refused(
	http_call($bridge->url($path), token => $sample->{admin},
		body => '{"description":"d","expiresAt":"2099-01-01T00:00:00Z"}'),
	503, 'ServiceUnavailableError', undef, 'away: a new token');
is_refused($bridge->get('/nowhere'), 404, 'NotFoundError', undef, 'away: what needs no database');
$node->start;
ok(wait_until(sub { $bridge->get($path, $sample->{admin})->{status} eq '200' }, 'the list'),
	'back: lists again');
back_within_bound('the server started');
ok(
	wait_until(
		sub {
			http_call($bridge->url("$path/999999"), method => 'DELETE', token => $sample->{admin})
			  ->{status} eq '404';
		},
		'changes'),
	'back: changes again');
is($bridge->pid, $first_pid, 'the bridge has never been restarted');
ok(!$bridge->has_ended, '... and is alive');

# ---- changes -----------------------------------------------------------------------------------

# A change is never made twice, and made if it was answered with 201; one whose connection is lost
# is answered 503, and may or may not have been made.
my $written = $node->safe_psql('postgres', "SELECT pat_create_account('written')");
my ($asked, %made, %unknown) = (0);
my $report = PatLoad::run(
	port => $bridge->port, connections => 16, tolerate => { 503 => 1 },
	next => sub {
		return if keys %made >= 1000 || ++$asked > 20_000;
		$end_all->() if $asked % 300 == 150;
		return {
			method => 'POST', path => "$accounts/$written/token", token => $sample->{admin},
			status => 201,
			content => qq({"description":"write $asked","expiresAt":"2099-01-01T00:00:00Z"}) };
	},
	answered => sub {
		my ($request, $status) = @_;
		my ($description) = $request->{content} =~ /"(write \d+)"/;
		$status eq '201' ? $made{$description}++ : $unknown{$description}++;
	});
is($report->{wrong_status} + $report->{broken} + $report->{lost} + $report->{given_up}, 0,
	'changes: 201 or 503') or diag(join "\n", @{ $report->{examples} });
my %stored = map { ($_->{description} => 1) }
  @{ from_json(sql_list($node, $written, $sample->{admin}))->{pats} };
is(scalar(grep { !$stored{$_} } keys %made), 0, 'changes: what was answered 201 is there');
is(scalar(grep { !$made{$_} && !$unknown{$_} } keys %stored), 0, 'changes: nothing else is');
cmp_ok(scalar keys %made, '>=', 1000, 'changes: a thousand were made');
cmp_ok(scalar keys %unknown, '>', 0, '... while connections were lost');
diag(sprintf 'changes: %d made, %d answered 503', scalar keys %made, scalar keys %unknown);
$bridge->stop_ok;

# ---- not there at the start --------------------------------------------------------------------

$node->stop('fast');
$bridge = PatBridge->start($node, ready => 0, user => 'pat_bridge');
is_json_answer($bridge->get('/health'), 200, '{"health":"GOOD"}', 'no server at the start: healthy');
is_refused($bridge->get('/ready'), 503, 'ServiceUnavailableError', undef, '... not ready');
ok(wait_until(sub { $bridge->log =~ /database connection "read 1" is not available/ }, 'the log'),
	'... and says why');
is_refused($bridge->get($path, $sample->{admin}), 503, 'ServiceUnavailableError', undef, '... 503');
$node->start;
ok(wait_until(sub { $bridge->get($path, $sample->{admin})->{status} eq '200' }, 'the list'),
	'... and serves when it comes up');
$bridge->stop_ok;

# ---- without the extension ---------------------------------------------------------------------

$node->safe_psql('postgres', 'CREATE DATABASE empty');
$bridge = PatBridge->start($node, ready => 0, user => 'pat_bridge', database => 'empty');
ok(wait_until(sub { $bridge->log =~ /run there: CREATE EXTENSION pat/ }, 'the log'),
	'no extension: the log says what to do');
is_json_answer($bridge->get('/health'), 200, '{"health":"GOOD"}', '... healthy');
is_refused($bridge->get('/ready'), 503, 'ServiceUnavailableError', undef, '... not ready');
is_refused($bridge->get($path, $sample->{admin}), 503, 'ServiceUnavailableError', undef, '... 503');

sub empty_database_lists
{
	my ($schema) = @_;
	create_extension($node, 'empty', $schema);
	$node->safe_psql('empty', "SELECT $schema.pat_grant_api('pat_bridge')");
	my $mine = load_sample($node, 'empty', $schema);
	my $place = "$accounts/$mine->{account}/token";
	ok(wait_until(sub { $bridge->get($place, $mine->{admin})->{status} eq '200' }, 'the list'),
		"... and serves when it is in schema $schema");
	return;
}

$node->safe_psql('empty', 'CREATE SCHEMA "Odd schema"; CREATE SCHEMA other');
empty_database_lists('"Odd schema"');
$node->safe_psql('empty', 'DROP EXTENSION pat');
my $lost = $bridge->get($path, $sample->{admin});
like($lost->{status}, qr/^50[03]$/, 'dropped under a running bridge: an error');
unlike($lost->{body}, qr/schema|function|relation/, '... that tells nothing of the cause');
empty_database_lists('other');
$bridge->stop_ok;

# ---- a role that may not keep tokens out of the log --------------------------------------------

$node->safe_psql('postgres', q{CREATE ROLE loud LOGIN; SELECT pat_grant_api('loud')});
$bridge = PatBridge->start($node, ready => 0, user => 'loud');
my $advice = 'ALTER ROLE loud SET log_parameter_max_length = 0';
ok(wait_until(sub { $bridge->log =~ /run as superuser: \Q$advice\E$/m }, 'the log'),
	"it could log tokens: the log says $advice");
is_refused($bridge->get('/ready'), 503, 'ServiceUnavailableError', undef, '... not ready');
is_refused($bridge->get($path, $sample->{admin}), 503, 'ServiceUnavailableError', undef,
	'... and serves nobody');
$node->safe_psql('postgres', $advice);
ok(wait_until(sub { $bridge->get($path, $sample->{admin})->{status} eq '200' }, 'the list'),
	'... and serves when that is done');
$bridge->stop_ok;

done_testing();
