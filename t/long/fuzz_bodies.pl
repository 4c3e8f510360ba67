# Request bodies that a program makes up, through the bridge into a real database: for FUZZ_SECONDS
# (60), from a seed that FUZZ_SEED sets. Each is created as it was sent, or refused as documented; none
# is an unforeseen error, takes long, or ends a process.

use strict;
use warnings;

use JSON::PP ();
use Test::More;
use FindBin;
use lib "$FindBin::Bin/../lib";
use PatLoad;
use PatTest;
use PatBridge;

use constant { CONNECTIONS => 8, KEPT_FAULTS => 10, SIZE_MAX => 103_000 };

my $seconds = $ENV{FUZZ_SECONDS} || 60;
my $seed = $ENV{FUZZ_SEED} || int(rand(2**31));
srand $seed;
note("figure: bodies: FUZZ_SEED=$seed");

my $node = new_cluster('fuzz_bodies', sealed => 1, settings => <<~'CONF');
	pat.max_tokens_per_account = 0
	CONF
my $sample = load_sample($node);
my $bridge = PatBridge->start($node);
my $accounts = '/api/admin/service-account';
my @routes = (
	[ POST => "$accounts/$sample->{account}/token", $sample->{admin}, 201, \&is_new_token ],
	[ POST => '/api/admin/user/tokens', $sample->{viewer}, 201, \&is_new_token ],
	[ POST => $accounts, $sample->{admin}, 201, \&is_account ],
	[ PUT => "$accounts/$sample->{empty}", $sample->{admin}, 200, \&is_account ]);
my %refusals = (
	400 => 'BadDataError', 409 => 'NameExistsError', 413 => 'PayloadTooLargeError');

# ---- bodies ------------------------------------------------------------------------------------

sub one_of { return $_[ rand @_ ]; }

my @names = qw(description expiresAt username name rootRole id secret createdAt userId __proto__);
my @pieces = ('"', '\\', '{', '}', '[', ']', ',', ':', '\\u0000', '\\ud800', '\\udc00', '\\ud83d\\ude00',
	'\\"', "\0", "\x1f", "\xff", "\xc3\xa9", "\xed\xa0\x80", "\xf0\x9f\x98\x80", 'null', 'true', '-', '1e999',
	"\n", ' ', '/*', 'NaN', '0x10', '\\u', '\\x', "'", '--', ';', '$1', '%s');

sub text_value
{
	my $length = one_of(0, 1, 3, 3, 10, 10, 40, 40, 255, 256);
	return '"' . join('', map { rand() < 0.03 ? one_of(@pieces[ 8 .. 12 ], @pieces[ 16 .. 19 ]) : chr(97 + rand 26) } 1 .. $length) . '"';
}

sub time_value
{
	return '"2099-01-01T00:00:00Z"' if rand() < 0.5;
	return sprintf '"%04d-%02d-%02d%s%02d:%02d:%02d%s%s"', one_of(2099, 2199, 9999, 1, 0, 10000), 1 + rand 13,
	  1 + rand 31, one_of('T', 'T', 't', ' '), rand 25, rand 60, rand 61,
	  one_of('', '.1', '.123456789', '.'), one_of('Z', 'Z', 'z', '+01:00', '-23:59', '', '+24:00');
}

sub value
{
	my ($name) = @_;
	return time_value() if $name eq 'expiresAt' && rand() < 0.8;
	return one_of(1, 2, 3, 4, 0, -1, '3.0', '1e0', 99999999999, '01', 'null') if $name eq 'rootRole' && rand() < 0.8;
	return text_value() if rand() < 0.7;
	return one_of('null', 'true', '{}', '[]', '[1,"a",{}]', '{"description":"x"}', '-0', '1.5e3');
}

sub object
{
	my @members = map { my $name = one_of(@names); qq("$name":) . value($name) } 1 .. rand 5;
	push @members, '"description":' . text_value() if rand() < 0.8;
	push @members, '"expiresAt":' . time_value() if rand() < 0.8;
	push @members, '"username":' . text_value() if rand() < 0.5;
	return '{' . join(one_of(',', ', ', ",\n"), @members) . '}';
}

sub mutated
{
	my ($body) = @_;
	for (1 .. one_of(1, 1, 2, 5))
	{
		my $at = rand(1 + length $body);
		my $how = rand;
		if ($how < 0.4) { substr($body, $at, 0, one_of(@pieces)); }
		elsif ($how < 0.6) { substr($body, $at, rand 4, ''); }
		elsif ($how < 0.8 && $at < length $body) { substr($body, $at, 1, chr rand 256); }
		elsif ($how < 0.9) { substr($body, $at, 0, substr($body, rand $at, rand 20)); }
		else { $body = substr $body, 0, $at; }
	}
	return $body;
}

# Now and then one as large as is allowed, and somewhat larger.
sub large
{
	my $piece = one_of('[', '{"a":', '"\\u0000",', '\\u0000', '"a":1,', ' ', "\xc3\xa9", '\\', '1');
	my $body = $piece x (SIZE_MAX * one_of(0.5, 0.98, 1) / length $piece);
	return one_of('', '{', '["', '{"description":"') . $body . one_of('', '"}', '}', ']');
}

sub body
{
	my $how = rand;
	return large() if $how < 0.003;
	return object() if $how < 0.4;
	return mutated(object());
}

# ---- what must come of them --------------------------------------------------------------------

my $json = JSON::PP->new->utf8->max_depth(200_000)->allow_nonref;
my ($sent, $created) = (0, 0);
my (%count, @faults);

sub decoded
{
	my ($text) = @_;
	return eval { $json->decode($text) };
}

# The very description that was sent.
sub is_new_token
{
	my ($answer, $asked) = @_;
	return $answer->{secret} =~ /\Auser:\w{49}\z/ && $answer->{description} eq $asked->{description}
	  && $answer->{expiresAt} =~ /\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\z/;
}

# Name and role are those that were sent, where they were.
sub is_account
{
	my ($answer, $asked) = @_;
	return $answer->{id} > 0 && ref $answer->{tokens} eq 'ARRAY'
	  && (!defined $asked->{name} || $answer->{name} eq $asked->{name})
	  && (!defined $asked->{rootRole} || $answer->{rootRole} == $asked->{rootRole});
}

sub is_right
{
	my ($request, $status, $body) = @_;
	my $answer = decoded($body);
	return 0 unless ref $answer eq 'HASH';
	return (keys %$answer) == 3 && $answer->{name} eq $refusals{$status} if $refusals{$status};
	my $asked = decoded($request->{content});
	$created++;
	return $status == $request->{good} && ref $asked eq 'HASH' && $request->{check}->($answer, $asked);
}

sub answered
{
	my ($request, $status, undef, $body) = @_;
	$count{$status}++;
	return if is_right($request, $status, $body) || @faults >= KEPT_FAULTS;
	push @faults, "$request->{method} $request->{path}: "
	  . substr($request->{content}, 0, 2000) =~ s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ger
	  . "\n    $status " . substr($body, 0, 500);
	return;
}

my $end = time + $seconds;

sub next_request
{
	return if time >= $end || @faults >= KEPT_FAULTS;
	my ($method, $path, $token, $good, $check) = @{ one_of(@routes) };
	$sent++;
	return { method => $method, path => $path, token => $token, content => body(), status => $good,
		good => $good, check => $check };
}

my $log_start = -s $node->logfile;
my $report = PatLoad::run(port => $bridge->port, connections => CONNECTIONS, next => \&next_request,
	answered => \&answered, tolerate => { map { $_ => 1 } keys %refusals });
note("figure: bodies: $sent in $seconds s: " . join ', ', map { "$_ $count{$_} times" } sort keys %count);

is($report->{wrong_status} + $report->{broken} + $report->{lost} + $report->{given_up}, 0,
	'every body has a documented answer')
  or diag(join "\n", @{ $report->{examples} });
is($report->{answered}, $sent, '... and exactly one');
is(join("\n", @faults), '', 'what was created is what was sent; refusals have their form');
cmp_ok($created, '>', $sent / 100, 'not all are refused');
cmp_ok($count{400}, '>', $sent / 100, 'nor accepted');
unlike(substr(slurp($node->logfile), $log_start), qr/terminated by signal|PANIC|canceling statement/,
	'no process ended, no statement was cancelled');
$bridge->stop_ok;
done_testing();
