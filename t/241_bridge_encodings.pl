# Databases whose encoding is not UTF8. Whatever characters a request holds, the order is 401, then
# 403, then 404, then 400: what the database cannot hold names nothing that exists, and a body with
# such a character is refused when the body's turn has come. What the encoding has goes in and comes out.

use strict;
use warnings;
use utf8;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;
use PatBridge;

my $node = new_cluster('encodings', extension => 0);
my $accounts = '/api/admin/service-account';
my $own = '/api/admin/user/tokens';

# Characters that are in the encoding, and some that are not.
my %characters = (
	UTF8 => [ "\x{e9}\x{3042}\x{20ac}\x{1f600}", [] ],
	LATIN1 => [ "\x{e9}\x{a4}", [ "\x{20ac}", "\x{3042}", "\x{1f600}", "\x{fffd}" ] ],
	EUC_JP => [ "\x{3042}\x{6f22}", [ "\x{20ac}", "\x{1f600}", "\x{0e01}" ] ],
	SQL_ASCII => [ "\x{e9}\x{3042}\x{20ac}\x{1f600}", [] ],
);

sub bytes { my ($text) = @_; utf8::encode($text); return $text; }
sub path_of { my ($text) = @_; return join '', map { sprintf '%%%02X', ord } split //, bytes($text); }

sub is_error
{
	my ($answer, $status, $message, $name) = @_;
	is($answer->{status}, $status, $name);
	like(eval { from_json($answer->{body})->{message} } || $answer->{body}, $message, '... for the reason');
	return;
}

# Every place of a request that may hold text, with text of any kind.
sub check_order
{
	my ($encoding, $bridge, $sample, $text) = @_;
	my $shown = "$encoding, " . join ' ', map { sprintf 'U+%04X', ord } split //, $text;
	my $id = path_of($text);
	my $body = bytes(qq({"description":"$text","expiresAt":"2099-01-01T00:00:00Z","username":"$text","name":"$text","rootRole":3}));
	my $login = qr/^You must log in/;
	my $no_admin = qr/^You need the "ADMIN" permission/;

	for my $case (
		[ 'GET', "$accounts/$id/token" ], [ 'POST', "$accounts/$id/token", $body ],
		[ 'DELETE', "$accounts/$id/token/1" ], [ 'DELETE', "$accounts/$sample->{account}/token/$id" ],
		[ 'PUT', "$accounts/$id", $body ], [ 'DELETE', "$accounts/$id" ], [ 'DELETE', "$own/$id" ])
	{
		my ($method, $path, $sent) = @$case;
		my @request = (method => $method, defined $sent ? (body => $sent) : ());
		my $url = $bridge->url($path);
		my $what = "C5: $shown: $method $path";
		is_error(http_call($url, @request), 401, $login, "$what without a token");
		is_error(http_call($url, @request, token => bytes($text)), 401, $login, "$what with such a token");
		is_error(http_call($url, @request, token => $sample->{viewer}), 403, $no_admin, "$what without ADMIN") if $path !~ /^$own/;
		is_error(http_call($url, @request, token => $path =~ /^$own/ ? $sample->{viewer} : $sample->{admin}),
			404, qr/^Could not find the (?:service account|token) with ID "/, "$what names nothing");
	}
	for my $case ([ 'POST', "$accounts/$sample->{account}/token" ], [ 'POST', $accounts ], [ 'POST', $own ])
	{
		my ($method, $path) = @$case;
		my $url = $bridge->url($path);
		my $what = "C5: $shown: $method $path, in the body";
		is_error(http_call($url, body => $body), 401, $login, "$what, without a token");
		is_error(http_call($url, body => $body, token => $path eq $own ? $sample->{bot} : $sample->{viewer}), 403,
			$path eq $own ? qr/^Service accounts cannot/ : $no_admin, "$what, by one who may not");
	}
	is_error(http_call($bridge->url("$accounts/4711/token"), body => $body, token => $sample->{admin}), 404,
		qr/^Could not find the service account with ID "4711"/, "C5: $shown: a body for nobody");
	return;
}

for my $encoding (sort keys %characters)
{
	my $database = lc $encoding;
	my ($has, $lacks) = @{ $characters{$encoding} };
	$node->safe_psql('postgres', "CREATE DATABASE $database ENCODING '$encoding' LOCALE 'C' TEMPLATE template0");
	my ($status, undef, $warning) = $node->psql($database, 'CREATE EXTENSION pat');
	is($status, 0, "E6: the extension goes into $encoding");
	if ($encoding eq 'UTF8') { is($warning, '', '... without a word'); }
	else { like($warning, qr/WARNING:  the encoding of this database is $encoding, not UTF8\nDETAIL:  .*\nHINT:  CREATE DATABASE/, '... with a warning'); }

	my $sample = load_sample($node, $database);
	my $bridge = PatBridge->start($node, database => $database);
	check_order($encoding, $bridge, $sample, $_) for $has, @$lacks;
	my $url = $bridge->url("$accounts/$sample->{empty}/token");

	# Written as it is, and as escapes where the encoding takes those.
	my $made = http_call($url, token => $sample->{admin}, body => bytes(qq({"description":"$has","expiresAt":"2099-01-01T00:00:00Z"})));
	is($made->{status}, 201, "C5: $encoding: a description that it has");
	is(from_json($made->{body})->{description}, $has, '... comes back');
	is(from_json(http_call($url, token => $sample->{admin})->{body})->{pats}[0]{description}, $has, '... in the list, too');
	for my $text (@$lacks)
	{
		my $escape = join '', map { sprintf '\\u%04x', $_ } unpack 'n*', do { require Encode; Encode::encode('UTF-16BE', $text) };
		for my $written (bytes($text), $escape)
		{
			is_error(http_call($url, token => $sample->{admin}, body => qq({"description":"$written","expiresAt":"2099-01-01T00:00:00Z"})),
				400, qr/^The request body holds an escape that the database cannot store\.$/, "C5: $encoding: a description that it lacks");
		}
	}
	is(http_call($bridge->url('/ready'))->{status}, '200', "$encoding: the bridge is as well as before");

	# Many at once share a call, and none of them takes the others along.
	my @runs = map { my $out = ''; [ start_beside([ 'curl', '-s', '-H', "Authorization: $sample->{admin}",
		map { $bridge->url($accounts . '/' . ($_ % 2 ? path_of($lacks->[0] || $has) : $sample->{account}) . '/token') } 1 .. 20 ],
		'>', \$out, '2>', '/dev/null'), \$out ] } 1 .. 4;
	$_->[0]->finish for @runs;
	is_deeply([ map { my $text = ${ $_->[1] }; [ scalar(() = $text =~ /"pats":/g), scalar(() = $text =~ /NotFoundError/g) ] } @runs ],
		[ ([ 10, 10 ]) x 4 ], "C5: $encoding: lists of nobody beside lists of somebody");
	$bridge->stop_ok("$encoding: the bridge ends in order");
}

$node->stop;
done_testing();
