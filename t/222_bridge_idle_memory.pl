# Connections that have had an answer and wait: most of the memory of each goes back to the kernel,
# and whatever a client sends next, or has sent before, is answered as if nothing had happened. So
# without TLS and with it.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;
use PatBridge;
use PatHolder;
use PatTls;
use PatWire;

# Of the 20 kB that each takes here for its requests (a sanitizer's memory lies so that one whole page
# of the 12 kB by default is in it), so much has to go back at least.
use constant { MANY => 300, FEW => 12, BACK_KB => 8 };

my $node = new_cluster('idle');
my $sample = load_sample($node);
my $admin = $sample->{admin};
my $path = "/api/admin/service-account/$sample->{account}/token";
my $list = sql_list($node, $sample->{account}, $admin);
my $ask_health = PatWire::request('GET', '/health');
my $ask_list = PatWire::request('GET', $path, token => $admin);
my $holder = PatHolder->new($node);
my @options = (
	'--max-header-size', '18944', '--workers', '1', '--idle-timeout', '600s', '--client-timeout',
	'600s', '--request-timeout', '120s', '--admin-listen', '127.0.0.1:0');

# The address sanitizer would keep what is freed, and so hide what goes back.
my %env = (
	ASAN_OPTIONS => join ':', grep { defined } $ENV{ASAN_OPTIONS}, 'quarantine_size_mb=0',
	'thread_local_quarantine_size_kb=0');

sub memory_kb
{
	my ($bridge) = @_;
	return slurp('/proc/' . $bridge->pid . '/status') =~ /^VmRSS:\s+(\d+)/m ? $1 : 0;
}

# Whether the bridge comes to use so much less than it did.
sub falls_by
{
	my ($bridge, $before, $kb, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $good = wait_until(sub { memory_kb($bridge) <= $before - $kb }, 'memory to be given back');
	return ok($good, $name)
	  || diag("$before kB before, " . memory_kb($bridge) . " kB now; wanted: $kb kB less");
}

# sum_of(BRIDGE, PATTERN): of its figures about calls of lists
sub sum_of
{
	my ($bridge, $pattern) = @_;
	my $metrics = http_call($bridge->admin_url('/metrics'))->{body};
	my $sum = 0;
	$sum += $_ for $metrics =~ /^pat_bridge_lane_(?:$pattern)\{lane="read"\} (\d+)$/mg;
	return $sum;
}

sub joined { return sum_of($_[0], 'calls_joined_total'); }

# Lists that nobody has yet; so many had joined another's call before any of them was asked for.
sub waiting
{
	my ($bridge, $joined) = @_;
	return sum_of($bridge, 'queued_calls|calls_in_flight|calls_joined_total') - $joined;
}

sub wrong_lists { return grep { my $answer = $_->answer; !$answer || $answer->{body} ne $list } @_; }

# ---- all of them go idle -----------------------------------------------------------------------

my $bridge = PatBridge->start($node, env => \%env, options => \@options);

# Each is told its health and then waits for a list, so that all of their memory is in use at once.
sub all_wait
{
	my (@wires) = @_;
	my $joined = joined($bridge);
	$holder->does('BEGIN; LOCK TABLE pat_account IN ACCESS EXCLUSIVE MODE');
	$_->send($ask_health . $ask_list) for @wires;
	my @wrong = grep { my $answer = $_->answer; !$answer || $answer->{status} != 200 } @wires;
	is(scalar @wrong, 0, 'each is told its health');
	ok(wait_until(sub { waiting($bridge, $joined) == @wires }, 'all of them to wait'), '... and waits');
	return memory_kb($bridge);
}

my @wires = map { PatWire->new($bridge->port) } 1 .. MANY;
my $busy = all_wait(@wires);
$holder->does('ROLLBACK');
is(scalar wrong_lists(@wires), 0, 'each has its list');
falls_by($bridge, $busy, MANY * BACK_KB, 'idle: memory goes back');

$_->send($ask_list) for @wires;
is(scalar wrong_lists(@wires), 0, 'each has another list afterwards');
$busy = all_wait(@wires);
$holder->does('ROLLBACK');
is(scalar wrong_lists(@wires), 0, '... and another');
falls_by($bridge, $busy, MANY * BACK_KB, 'idle again: memory goes back again');

# ---- what a client has sent before -------------------------------------------------------------

# Clients that go idle before all others, in the middle of a request: once the others' memory has gone
# back, theirs has.
sub head { return "GET $path HTTP/1.1\r\nHost: x\r\nX: $_[0]\r\nAuthorization: $admin\r\n\r\n"; }

my $short = head('y');
my $long = head('z' x 9000);
# A request is under way once its first line has come; until then its connection is idle.
my $long_line = PatWire::request('GET', "$path?" . 'q' x 3900, token => $admin);
my %half = (
	'a byte of a request' => [ $ask_list, $short, 1 ],
	'half a request line' => [ $ask_list, $short, 20 ],
	'most of a long request line' => [ $ask_list, $long_line, 3950 ],
	'most of a long request line after another' => [ $long_line, $long_line, 3900 ],
	'most of a long request line after a long head' => [ $long, $long_line, 3850 ],
	'half a head' => [ $ask_list, $short, 40 ],
	'a head but for its last byte' => [ $ask_list, $short, length($short) - 1 ],
	'half a long head' => [ $ask_list, $long, 5000 ],
	'a long head but for its last bytes' => [ $ask_list, $long, length($long) - 3 ],
	'half a long head after a long head' => [ $long, $long, 4500 ],
	'an empty line' => [ $ask_list, "\r\n$short", 2 ],
	'the body of a request' => [
		PatWire::request('GET', $path, token => $admin, body => 'b' x 9000), $long, 4000 ]);

for my $together (1, 0)
{
	my $how = $together ? 'together with the request before' : 'after the answer before';
	my %wire = map { $_ => PatWire->new($bridge->port) } sort keys %half;
	my $wrong = 0;
	for my $what (sort keys %half)
	{
		my ($first, $next, $length) = @{ $half{$what} };
		my $begun = substr $next, 0, $length;
		$wire{$what}->send($first . ($together ? $begun : ''));
		$wrong += wrong_lists($wire{$what});
		$wire{$what}->send($begun) unless $together;
	}
	is($wrong, 0, "parts of requests $how: the answers before");
	$busy = all_wait(@wires);
	$holder->does('ROLLBACK');
	is(scalar wrong_lists(@wires), 0, '... others have their lists');
	falls_by($bridge, $busy, MANY * BACK_KB, '... and memory goes back');
	for my $what (sort keys %half)
	{
		my (undef, $next, $length) = @{ $half{$what} };
		$wire{$what}->send(substr $next, $length);
		is_json_answer($wire{$what}->answer, 200, $list, "$what $how is a part of the next");
		$wire{$what}->send($ask_list);
		is_json_answer($wire{$what}->answer, 200, $list, '... and the connection goes on');
	}
}

# ---- clients that would have memory of others given back ---------------------------------------

# What is skipped before a request line moves it: by empty lines, or by what 0.9.75 takes for one.
# Newer libraries refuse most of it.
my @skipped = (
	"\r\n", "\n" x 16, "\n" x 4096, "\n" x 16_384,
	"\0" . 'A' x (4096 - 9) . pack('Q<', 20_501) =~ s/\0\z/\n/r);
my @hostile = map { PatWire->new($bridge->port) } @skipped;
$hostile[$_]->send($skipped[$_] . $ask_list) for 0 .. $#skipped;
my @answers = map { $_->answer } @hostile;
is(scalar(grep { $_ && $_->{status} == 200 && $_->{body} ne $list } @answers), 0,
	'skipped before a request: no wrong list');
$busy = all_wait(@wires);
$holder->does('ROLLBACK');
is(scalar wrong_lists(@wires), 0, '... others have their lists');
falls_by($bridge, $busy, MANY * BACK_KB, '... and memory goes back');
$_->send($ask_list) for @wires;
is(scalar wrong_lists(@wires), 0, '... and they have others afterwards');
is(scalar(grep { $answers[$_] && $answers[$_]{status} == 200 && !$hostile[$_]->goes_on } 0 .. $#hostile),
	0, '... and so have those who were answered');
$bridge->stop_ok;

# ---- TLS ---------------------------------------------------------------------------------------

my $ca = PatTls->new(PostgreSQL::Test::Utils::tempdir_short());
my ($cert, $key) = $ca->issue('server');
$bridge = PatBridge->start($node, env => \%env, ready => 0,
	options => [ @options, '--tls-cert', $cert, '--tls-key', $key ]);
wait_until(sub { http_call($bridge->admin_url('/ready'))->{status} eq '200' }, 'the bridge to be ready');
my @clients = map { PatTls::client($bridge->port, '-quiet', '-CAfile', $ca->cert) } 1 .. FEW;

# How many of the clients come to have received this, since they last asked.
sub received
{
	my ($text) = @_;
	wait_until(
		sub {
			$_->{run}->pump_nb for @clients;
			return !grep { index($_->{out}, $text) < 0 } @clients;
		},
		'answers by TLS');
	return scalar grep { index($_->{out}, $text) >= 0 } @clients;
}

sub ask_by_tls
{
	my ($request) = @_;
	$_->{out} = '' for @clients;
	$_->{in} .= $request for @clients;
	return;
}

ask_by_tls($ask_list);
is(received($list), FEW, 'TLS: each has a list');
my $joined = joined($bridge);
$holder->does('BEGIN; LOCK TABLE pat_account IN ACCESS EXCLUSIVE MODE');
ask_by_tls($ask_health . $ask_list);
is(received('GOOD'), FEW, '... is told its health');
ok(wait_until(sub { waiting($bridge, $joined) == FEW }, 'all of them to wait'), '... and waits');
$busy = memory_kb($bridge);
$holder->does('ROLLBACK');
is(received($list), FEW, '... has another list');
falls_by($bridge, $busy, FEW * BACK_KB, '... memory goes back');
ask_by_tls($ask_list);
is(received($list), FEW, '... and each has a third');
$_->{run}->kill_kill for @clients;
$bridge->stop_ok;

$holder->quit;
done_testing();
