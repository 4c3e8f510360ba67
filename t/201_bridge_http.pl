# The HTTP contract of the bridge, on its main route above all: every answer is what SQL says of the
# same call, byte for byte; every error has the documented body and headers; and what is not HTTP,
# too long or ambiguous is refused without harm to the connection, or ends it with an answer.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;
use PatBridge;
use PatWire;

my $node = new_cluster('http', sealed => 1);
my $sample = load_sample($node);
my $bridge = PatBridge->start($node, options => [ '--workers', '2' ]);
my $accounts = '/api/admin/service-account';
my $path = "$accounts/$sample->{account}/token";
my $admin = $sample->{admin};
my %message = (
	no_token => 'You must log in to use Unleash. Your request had no authorization header, so we '
	  . 'could not authorize you. Try logging in at /auth/simple/login.',
	bad_token => 'You must log in to use Unleash.',
	no_permission => 'You need the "ADMIN" permission to perform this action.',
	no_path => 'The path you were looking for is not available.',
	two_tokens => 'The request has two different Authorization headers.');

sub wire { return PatWire->new($bridge->port); }

sub sql_says
{
	my ($id, $token) = @_;
	return sql_outcome($node,
		'pat_list_for_service_account(' . quote_sql($id) . '::text, ' . quote_sql($token) . ')');
}

# By curl: the list of an account, as its id stands in the path, is what SQL says of the id.
sub list_is
{
	my ($status, $segment, $id, $token, $name) = @_;
	my $answer = http_call($bridge->url("$accounts/$segment/token"),
		defined $token ? (token => $token) : ());
	return is_as_sql($answer, $status, sql_says($id, $token), $name);
}

# ---- the four answers --------------------------------------------------------------------------

list_is(200, $sample->{account}, $sample->{account}, $admin, '200: the list');
like(http_call($bridge->url($path), token => $admin)->{body},
	qr/^\{"pats":\[\{"id":1,"secret":"user:xyzrandomstring","description":"documented example",/,
	'... which holds the documented example');
list_is(200, $sample->{empty}, $sample->{empty}, $admin, '200: an account without tokens');
list_is(401, $sample->{account}, $sample->{account}, undef, '401: no token');
list_is(403, $sample->{account}, $sample->{account}, $sample->{viewer}, '403: a viewer');
list_is(403, $sample->{account}, $sample->{account}, $sample->{bot}, '403: the account itself');
list_is(403, $sample->{account}, $sample->{account}, $sample->{editor}, '403: an editor');
list_is(404, 12345, 12345, $admin, '404: no such account');
is_refused(http_call($bridge->url("$accounts/12345/token"), token => $admin), 404, 'NotFoundError',
	'Could not find the service account with ID "12345".', '... with the id in the message');
is_refused($bridge->get($path), 401, 'AuthenticationRequired', $message{no_token}, '... 401');
is_refused($bridge->get($path, $sample->{viewer}), 403, 'NoAccessError', $message{no_permission},
	'... 403');
list_is(401, 'abc', 'abc', 'user:nobody', '401 goes before 404');
list_is(403, 'abc', 'abc', $sample->{viewer}, '403 goes before 404');

# ---- ids ---------------------------------------------------------------------------------------

my $gone = $node->safe_psql('postgres', "SELECT pat_create_account('gone-bot')");
my $gone_token = $node->safe_psql('postgres', "SELECT secret FROM pat_create_token($gone, 'ci')");
$node->safe_psql('postgres', "SELECT pat_delete_service_account('$gone', '$admin')");

sub percent { return join '', map { sprintf '%%%02x', ord } split //, $_[0]; }

my $digits = percent($sample->{account});
list_is(200, $digits, $sample->{account}, $admin, "200: the id written $digits");
list_is(200, uc $digits, $sample->{account}, $admin, '... in capitals');
my @strange = (
	[ 'abc', 'abc' ], [ '-1', '-1' ], [ '0', '0' ], [ '1.0', '1.0' ], [ '%201', ' 1' ],
	[ '1%20', '1 ' ], [ '%2B1', '+1' ], [ '+1', '+1' ], [ '01', '01' ], [ '1e0', '1e0' ],
	[ '0x1', '0x1' ], [ '2147483648', '2147483648' ], [ '4294967297', '4294967297' ],
	[ '99999999999999999999', '99999999999999999999' ],
	[ '18446744073709551617', '18446744073709551617' ], [ '1%2F2', '1/2' ], [ '%2E%2E', '..' ],
	[ '1%0A', "1\n" ], [ '%7F', "\x7f" ], [ '%27%20OR%201=1--', q{' OR 1=1--} ],
	[ '%22%5C', '"\\' ], [ '%D9%A1', "\xd9\xa1" ], [ '%F0%9F%98%80', "\xf0\x9f\x98\x80" ],
	[ '%25', '%' ], [ '$1', '$1' ], [ 'NULL', 'NULL' ], [ ('7' x 255) x 2 ]);
for (@strange)
{
	my ($segment, $id) = @$_;
	my $shown = length $segment > 30 ? length($segment) . ' digits' : $segment;
	if ($id =~ /\n/)
	{
		is_refused(http_call($bridge->url("$accounts/$segment/token"), token => $admin),
			404, 'NotFoundError', "Could not find the service account with ID \"$id\".",
			"404: the id $shown");
		next;
	}
	list_is(404, $segment, $id, $admin, "404: the id $shown");
}
is_refused(http_call($bridge->url("$accounts/" . '7' x 256 . '/token'), token => $admin), 414,
	'UriTooLongError', undef, '414: an id of 256 digits');
list_is(404, '', '', $admin, '404: an empty id');
list_is(404, $sample->{person}, $sample->{person}, $admin, '404: the id of a person');
list_is(404, $gone, $gone, $admin, '404: the id of a deleted account');
my $system = $node->safe_psql('postgres', 'SELECT min(id) FROM pat_account WHERE is_system');
list_is(404, $system, $system, $admin, '404: the id of the system account');

# ---- tokens ------------------------------------------------------------------------------------

my $expired = $node->safe_psql('postgres',
	"SELECT secret FROM pat_create_token($sample->{person}, 'old', now() - interval '1 s')");
my $wrong_sum = $admin =~ s/(.)$/$1 eq 'a' ? 'b' : 'a'/er;
my $account = $sample->{account};
for (
	[ 'an expired token', $expired ],
	[ 'a deleted account\'s', $gone_token ],
	[ 'our shape, wrong checksum', $wrong_sum ],
	[ 'of another shape', '*:*.my-admin-token' ],
	[ 'cut', substr $admin, 0, -1 ],
	[ 'with a character more', "${admin}x" ],
	[ 'in other letters', uc $admin ],
	[ 'in quotes', qq{"$admin"} ],
	[ 'Basic', "Basic $admin" ],
	[ 'Bearer twice', "Bearer Bearer $admin" ],
	[ 'Bearer run together', "Bearer$admin" ],
	[ 'Bearer and a wrong one', "Bearer $wrong_sum" ],
	[ 'a comma and the token', "x, $admin" ],
	[ 'shell and SQL', q{'; DROP TABLE pat_token; --} ],
	[ '8 kB', 'x' x 8192 ],
	[ 'more than 8 kB', 'user:' . 'x' x 9000 ])
{
	my ($what, $token) = @$_;
	list_is(401, $account, $account, $token, "401: $what");
	is_refused($bridge->get($path, $token), 401, 'AuthenticationRequired', $message{bad_token},
		'... always the same');
}
for my $good ("Bearer $admin", "bearer $admin", "BEARER $admin", "bEaReR   $admin", "  $admin\t")
{
	list_is(200, $account, $account, $good, '200: the token as "'
		  . ($good =~ s/\Q$admin\E/…/r) . '"');
}

# What curl would not send: exact bytes.
sub token_line
{
	my (@lines) = @_;
	return join "\r\n", "GET $path HTTP/1.1", 'Host: x', @lines, '', '';
}

my $list = sql_says($account, $admin)->{body};
for (
	[ 'an empty header', 'Authorization:' ],
	[ 'a blank header', "Authorization: \t " ],
	[ 'Bearer alone', 'Authorization: Bearer' ],
	[ 'Bearer and blanks', 'Authorization: BEARER   ' ])
{
	my ($what, $line) = @$_;
	my $wire = wire();
	$wire->send(token_line($line));
	is_refused($wire->answer, 401, 'AuthenticationRequired', $message{no_token}, "401: $what");
	ok($wire->goes_on, '... and the connection goes on');
}
for (
	[ 'bytes that are not UTF-8', "user:\xff\xfe\x80" ],
	[ 'a good token and a stray byte', "$admin\xc3" ],
	[ 'ISO 8859-1 text', "user:\xe4\xf6\xfc" ],
	[ 'UTF-8 text', "user:\xc3\xa4\xf0\x9f\x98\x80" ],
	[ 'a no-break space around the token', "\xa0$admin" ],
	[ 'a control character', "user:\x01\x7f" ])
{
	my ($what, $token) = @$_;
	my $wire = wire();
	$wire->send(token_line("Authorization: $token"));
	is_refused($wire->answer, 401, 'AuthenticationRequired', $message{bad_token}, "401: $what");
	ok($wire->goes_on, '... and the connection goes on');
}

# A NUL must not end the token early: RFC 9110, section 5.5, asks to refuse it.
for (
	[ 'after a good token', "Authorization: $admin\0" ],
	[ 'and garbage after a good token', "Authorization: $admin\0garbage" ],
	[ 'before a good token', "Authorization: \0$admin" ],
	[ 'in another header', "X-Other: a\0b", "Authorization: $admin" ],
	[ 'in another header, after it', "Authorization: $admin", "X-Other: a\0b" ],
	[ 'in a header\'s name', "Authori\0zation: $admin" ])
{
	my ($what, @lines) = @$_;
	my $wire = wire();
	$wire->send(token_line(@lines));
	is_refused($wire->answer, 400, 'BadDataError', undef, "400: a NUL $what");
}

# ---- two headers -------------------------------------------------------------------------------

for my $second ($sample->{viewer}, "Bearer $admin", '', 'x')
{
	my $wire = wire();
	$wire->send(token_line("Authorization: $admin", "Authorization: $second"));
	is_refused($wire->answer, 400, 'BadDataError', $message{two_tokens},
		'400: two different Authorization headers');
	$wire->send(token_line("Authorization: $second", "Authorization: $admin"));
	is_refused($wire->answer, 400, 'BadDataError', $message{two_tokens}, '... the other way round');
	ok($wire->goes_on, '... and the connection goes on');
}
my $twice = wire();
$twice->send(token_line("Authorization: $admin", "AUTHORIZATION: $admin"));
is_json_answer($twice->answer, 200, $list, '200: the same header twice says nothing new');

# ---- paths -------------------------------------------------------------------------------------

for my $none ('/', '//', '/api', '/api/admin', '/api/admin/service-accounts', "$accounts/1/tokens",
	"$path/1/2", '/API/ADMIN/SERVICE-ACCOUNT', "/x$path", '/health/x',
	"$accounts/1/../1/token", '/health%2F', '/healthy')
{
	is_refused(http_call($bridge->url($none), token => $admin), 404, 'NotFoundError',
		$message{no_path}, "404: the path $none");
}
for my $broken ('/%', '/%4', '/%zz', '/%4g', "$accounts/%/token", "$accounts/1%/token",
	"$accounts/%00/token", "$accounts/1%00/token", "$accounts/%FF/token", "$accounts/%C0%AF/token",
	"$accounts/%ED%A0%80/token", "$accounts/%F4%90%80%80/token", "$accounts/%C3/token")
{
	is_refused(http_call($bridge->url($broken), token => $admin), 400, 'BadDataError',
		'The path holds a malformed percent-encoding or is not UTF-8 text.', "400: the path $broken");
}
is_json_answer(http_call($bridge->url("$path/"), token => $admin), 200, $list,
	'200: with a slash at the end');
is_json_answer(http_call($bridge->url("$path?a=b&c=%zz"), token => $admin), 200, $list,
	'200: with a query, which says nothing');
is_json_answer(http_call($bridge->url($path =~ s/token/%74oken/r), token => $admin), 200, $list,
	'200: with an escaped letter');
for (
	[ 'a raw NUL in it', "GET /health\0 HTTP/1.1" ],
	[ 'a raw NUL and more', "GET /health\0x HTTP/1.1" ],
	[ 'a raw NUL inside', "GET /hea\0lth HTTP/1.1" ],
	[ 'a raw byte that is not ASCII', "GET $accounts/\xff/token HTTP/1.1" ],
	[ 'a raw control character', "GET $accounts/\x01/token HTTP/1.1" ])
{
	my ($what, $line) = @$_;
	my $wire = wire();
	$wire->send("$line\r\nHost: x\r\nAuthorization: $admin\r\n\r\n");
	my $answer = $wire->answer;

	# libmicrohttpd 1.0 closes the connection at a NUL without asking anybody.
	pass("closed: a path with $what"), next if !defined $answer && $line =~ /\0/;
	is_refused($answer, 400, 'BadDataError', undef, "400: a path with $what");
}
my $absolute = wire();
$absolute->send("GET http://example.org$path HTTP/1.1\r\nHost: x\r\nAuthorization: $admin\r\n\r\n");
is_json_answer($absolute->answer, 200, $list, '200: a target in absolute form');

# ---- methods -----------------------------------------------------------------------------------

my %allowed = (
	$path => 'GET, HEAD, POST, OPTIONS',
	"$path/1" => 'DELETE, OPTIONS',
	$accounts => 'GET, HEAD, POST, OPTIONS',
	"$accounts/1" => 'PUT, DELETE, OPTIONS',
	'/api/admin/user/tokens' => 'GET, HEAD, POST, OPTIONS',
	'/api/admin/user/tokens/1' => 'DELETE, OPTIONS',
	'/health' => 'GET, HEAD, OPTIONS',
	'/ready' => 'GET, HEAD, OPTIONS',
	'/docs/openapi.json' => 'GET, HEAD, OPTIONS');
for my $place (sort keys %allowed)
{
	my %takes = map { $_ => 1 } split /, /, $allowed{$place};
	my $wire = wire();
	my $answer = $wire->call('OPTIONS', $place);
	is($answer->{status}, '204', "OPTIONS $place");
	is($answer->{headers}{allow}, $allowed{$place}, '... says what is allowed');
	is($answer->{headers}{'cache-control'}, 'no-store', '... and is not to be kept, like all answers');
	for my $method (grep { !$takes{$_} } qw(GET POST PUT DELETE PATCH TRACE BREW get))
	{
		$answer = $wire->call($method, $place, token => $admin);
		is_refused($answer, 405, 'MethodNotAllowedError', undef, "405: $method $place");
		is($answer->{headers}{allow}, $allowed{$place}, '... and says what is allowed');
	}
}
is(wire()->call('OPTIONS', '*')->{status}, '204', 'OPTIONS *');
is_refused(wire()->call('OPTIONS', '/nowhere'), 404, 'NotFoundError', $message{no_path},
	'OPTIONS of an unknown path');

# HEAD: everything but the body.
sub head_is_as_get
{
	my ($status, $where, $token) = @_;
	my $wire = wire();
	my %get = %{ $wire->call('GET', $where, token => $token) };
	my %head = %{ $wire->call('HEAD', $where, token => $token) };
	is($head{status}, $status, "HEAD $where: $status");
	is($head{headers}{'content-length'}, length $get{body}, '... says how long the body is');
	for my $headers ($get{headers}, $head{headers})
	{
		delete @{$headers}{qw(date x-request-id)};
		$headers->{'server-timing'} =~ s/[\d.]+/TIME/g if $headers->{'server-timing'};
	}
	is_deeply($head{headers}, $get{headers}, '... and the other headers');
	ok($wire->goes_on, '... and sends no body');
	return;
}
head_is_as_get(200, $path, $admin);
head_is_as_get(200, '/health');
head_is_as_get(200, '/ready');
head_is_as_get(401, $path);
head_is_as_get(403, $path, $sample->{viewer});
head_is_as_get(404, "$accounts/12345/token", $admin);
head_is_as_get(404, '/nowhere');

# ---- sizes -------------------------------------------------------------------------------------

my $long = wire();
is_refused($long->call('GET', '/' . 'a' x 4096), 414, 'UriTooLongError', undef, '414: 4,097 bytes');
ok($long->goes_on, '... and the connection goes on');
is_refused($long->call('GET', "$accounts/" . '7' x 2000 . '/token', token => $admin), 414,
	'UriTooLongError', undef, '414: an id of 2,000 digits');
is_refused($long->call('GET', '/' . '/' x 4095), 404, 'NotFoundError', undef, '404: 4,096 bytes');
is_refused($long->call('GET', "$path?" . 'a' x 4096, token => $admin), 414, 'UriTooLongError', undef,
	'414: a long query');
ok($long->goes_on, '... and the connection goes on');
for my $size (20_000, 40_000, 1_000_000)
{
	my $wire = wire();
	is_refused($wire->call('GET', '/' . 'a' x $size), 414, 'UriTooLongError', undef,
		"414: $size bytes");
}
# Each of the three headers counts 64 bytes more than it has.
my $room = 10_240 - 3 * 64
  - length PatWire::request('GET', $path, token => $admin, headers => ['X-Long: ']);
is_json_answer($long->call('GET', $path, token => $admin, headers => [ 'X-Long: ' . 'a' x $room ]),
	200, $list, '200: a head of 10,240 bytes');
is_refused(
	$long->call('GET', $path, token => $admin, headers => [ 'X-Long: ' . 'a' x ($room + 1) ]),
	431, 'HeadersTooLargeError', undef, '431: 10,241 bytes');
is(wire()->call('GET', $path, token => 'x' x 8_192, headers => [ map { "X-$_: " . 'a' x 48 } 1 .. 14 ])
	  ->{status}, 401, 'a token of the longest kind among fifteen other headers');
is(wire()->call('GET', $path, token => $admin, headers => [ map { "X-$_: y" } 100 .. 227 ])->{status},
	200, '200: 130 short headers');
is_refused(wire()->call('GET', $path, token => $admin, headers => [ map { "X-$_: y" } 100 .. 239 ]),
	431, 'HeadersTooLargeError', undef, '431: 142 of them');
for (
	[ 'a 1 MB token', "Authorization: Bearer " . 'x' x 1_000_000 ],
	[ 'a 1 MB header of another kind', 'X-Long: ' . 'a' x 1_000_000 ],
	[ '20,000 headers', map { "X-$_: $_" } 1 .. 20_000 ],
	[ 'a name of 40 kB', 'x' x 40_000 . ': y' ],
	[ 'cookies of 12 kB', 'Cookie: ' . join '; ', map { "c$_=" . 'v' x 90 } 1 .. 120 ])
{
	my ($what, @lines) = @$_;
	my $wire = wire();
	$wire->send(token_line(@lines, $what =~ /token/ ? () : "Authorization: $admin"));
	my $answer = $wire->answer;
	is_refused($answer, 431, 'HeadersTooLargeError', undef, "431: $what");
	ok($wire->is_closed, '... and the connection ends');
}

# ---- framing -----------------------------------------------------------------------------------

my $post = "POST $accounts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
  . "Authorization: $admin\r\n";
my $count = 'SELECT count(*) FROM pat_account';
my $accounts_before = $node->safe_psql('postgres', $count);
my $body = '{"username":"smuggled","name":"x","rootRole":3}';
my $length = length $body;
for (
	[ 400, 'a length that is no number', "Content-Length: x\r\n\r\n$body" ],
	[ 400, 'a negative length', "Content-Length: -1\r\n\r\n$body" ],
	[ 400, 'a length with a sign', "Content-Length: +$length\r\n\r\n$body" ],
	[ 400, 'a length and more', "Content-Length: $length, $length\r\n\r\n$body" ],
	[ 400, 'an empty length', "Content-Length:\r\n\r\n$body" ],
	[ 413, 'a length beyond all numbers', 'Content-Length: ' . '9' x 40 . "\r\n\r\n$body" ],
	[ 400, 'two lengths', "Content-Length: $length\r\nContent-Length: 3\r\n\r\n$body" ],
	[ 400, 'a length and chunks',
		"Transfer-Encoding: chunked\r\nContent-Length: $length\r\n\r\n0\r\n\r\n$body" ],
	[ 400, 'chunks and a length',
		"Content-Length: $length\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n$body" ],
	[ 400, 'an unknown coding', "Transfer-Encoding: gzip\r\n\r\n$body" ],
	[ 400, 'two codings', "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n$body" ],
	[ 400, 'chunks twice',
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n$body" ],
	[ 400, 'a blank before the colon', "Content-Length : $length\r\n\r\n$body" ],
	[ 400, 'a blank in a name', "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n$body" ],
	[ 400, 'a header folded over two lines', "X: a\r\n b\r\nContent-Length: $length\r\n\r\n$body" ],
	[ 400, 'a line without a colon', "nonsense\r\nContent-Length: $length\r\n\r\n$body" ],
	[ 400, 'a chunk size that is no number', "Transfer-Encoding: chunked\r\n\r\nxy\r\n$body" ],
	[ 400, 'a chunk that is longer than it says',
		"Transfer-Encoding: chunked\r\n\r\n2\r\n$body\r\n0\r\n\r\n" ],
	[ 413, 'a chunk size beyond all numbers',
		"Transfer-Encoding: chunked\r\n\r\n" . 'f' x 40 . "\r\n$body" ])
{
	my ($status, $what, $rest) = @$_;
	my $wire = wire();
	$wire->send($post . $rest);
	is_refused($wire->answer, $status, $status == 400 ? 'BadDataError' : 'PayloadTooLargeError',
		undef, "$status: $what");
	ok($wire->is_closed, '... and nothing that follows is taken for a request');
}
is($node->safe_psql('postgres', $count), $accounts_before, 'none of them reached the database');

for (
	[ 'no Host', "GET /health HTTP/1.1\r\n\r\n" ],
	[ 'two Hosts', "GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" ],
	[ 'no version', "GET /health\r\n\r\n" ],
	[ 'another protocol', "GET /health FTP/1.1\r\nHost: x\r\n\r\n" ])
{
	my ($what, $bytes) = @$_;
	my $wire = wire();
	$wire->send($bytes);
	is_refused($wire->answer, 400, 'BadDataError', undef, "400: $what");
}
my $two = wire();
$two->send("GET /health HTTP/2.0\r\nHost: x\r\n\r\n");
is_refused($two->answer, 505, 'HttpVersionError', undef, '505: HTTP/2.0 over HTTP/1.1');
ok($two->is_closed, '... and the connection ends');
for my $noise ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "\0" x 1000, "\r\n" x 1000,
	join('', map { chr } 0 .. 255) x 8)
{
	my $wire = wire();
	$wire->send($noise);
	$wire->close;
}
ok(wire()->goes_on, 'noise and a closed connection do no harm');

# ---- request lines, hosts, blanks around values --------------------------------------------------

# Exact bytes, and the status that they are answered with.
sub answers_with
{
	my ($fault, $what, $bytes, $status) = @_;
	my $wire = wire();
	$wire->send($bytes);
	my $answer = $wire->answer;
	return is_json_answer($answer, 200, '{"health":"GOOD"}', "$fault: $what: 200") if $status eq '200';
	return is_refused($answer, $status, 'BadDataError', undef, "$fault: $what: $status");
}

# Where libmicrohttpd finds no method in the line, it closes the connection and asks nobody for an
# answer, unless a version to come gives one. Nothing behind that line may be served.
sub ends_unanswered
{
	my ($what, $line) = @_;
	my $wire = wire();
	$wire->send("$line\r\nHost: x\r\n\r\n" . PatWire::request('GET', '/health'));
	my $answer = $wire->answer;
	is_refused($answer, 400, 'BadDataError', undef, "F9: $what: 400") if $answer;
	return ok($wire->is_closed, "F9: $what: the connection ends");
}

my $modern = $bridge->is_modern;
for (
	[ 'a carriage return before the method', "\rGET /health HTTP/1.1" ],
	[ 'a control character in the method', "GE\x01T /health HTTP/1.1" ],
	[ 'DEL in the method', "GE\x7fT /health HTTP/1.1" ],
	[ 'a byte above ASCII in the method', "G\xc9T /health HTTP/1.1" ],
	[ 'a delimiter in the method', 'G(T /health HTTP/1.1' ],
	[ 'a colon in the method', 'GET: /health HTTP/1.1' ],
	[ 'quotes in the method', '"GET" /health HTTP/1.1' ],
	[ 'a tab behind the method', "GET\t/health HTTP/1.1" ],
	[ 'a tab within the method', "G\tT /health HTTP/1.1" ],
	[ 'two blanks before the target', 'GET  /health HTTP/1.1' ],
	[ 'two blanks behind the target', 'GET /health  HTTP/1.1' ],
	[ 'a blank in the query', 'GET /health?a b HTTP/1.1' ],
	[ 'a blank at the start of the query', 'GET /health? b HTTP/1.1' ],
	[ 'a blank in the path', 'GET /heal th HTTP/1.1' ],
	[ 'a tab in the query', "GET /health?a\tb HTTP/1.1" ],
	[ 'a tab in the path', "GET /heal\tth HTTP/1.1" ],
	[ 'a carriage return in the query', "GET /health?\rb HTTP/1.1" ],
	[ 'a control character in the query', "GET /health?\x01 HTTP/1.1" ],
	[ 'a control character right behind the question mark, alone', "GET /health?\x1f HTTP/1.1" ],
	[ 'DEL in the query', "GET /health?\x7f HTTP/1.1" ],
	[ 'a fragment', 'GET /health#x HTTP/1.1' ],
	[ 'a fragment behind a query', 'GET /health?a#x HTTP/1.1' ],
	[ 'a path without a slash', 'GET health HTTP/1.1' ],
	[ '"*" for GET', 'GET * HTTP/1.1' ],
	[ 'a host for GET', 'GET x:80 HTTP/1.1' ],
	[ 'no target', 'GET HTTP/1.1' ],
	[ 'a blank for a target', 'GET  HTTP/1.1' ],
	[ 'no version', 'GET /health' ],
	[ 'no version, and a blank', 'GET /health ' ],
	[ 'the version in small letters', 'GET /health http/1.1' ],
	[ 'a version of two digits', 'GET /health HTTP/1.10' ],
	[ 'a version without its second part', 'GET /health HTTP/1' ],
	[ 'a blank behind the version', 'GET /health HTTP/1.1 ' ],
	[ 'a tab behind the version', "GET /health HTTP/1.1\t" ],
	[ 'a tab before the version', "GET /health\tHTTP/1.1" ],
	[ 'more behind the version', 'GET /health HTTP/1.1 x' ])
{
	my ($what, $line) = @$_;
	if ($modern && $line =~ /\A(?:\r|\S*\t)/) { ends_unanswered($what, $line); }
	else { answers_with('F9', $what, "$line\r\nHost: x\r\n\r\n", 400); }
}
answers_with('F9', 'HTTP/1.2 without Host', "GET /health HTTP/1.2\r\n\r\n", 400);
answers_with('F9', 'HTTP/1.9 without Host', "GET /health HTTP/1.9\r\n\r\n", 400);
answers_with('F9', 'HTTP/1.2 with Host', "GET /health HTTP/1.2\r\nHost: x\r\n\r\n", 200);
answers_with('F9', 'bytes above ASCII in a query', "GET /health?\xff HTTP/1.1\r\nHost: x\r\n\r\n", 200);

ends_unanswered($_->[0], $_->[1])
  for [ 'a blank before the method', ' GET /health HTTP/1.1' ],
  [ 'two of them', '  GET /health HTTP/1.1' ], [ 'a method alone', 'GET' ],
  [ 'a line without a blank', 'GET/health' ], [ 'a control character alone', "\x01" ];

for (
	[ 'a b', 400 ], [ 'a/b', 400 ], [ 'u@a', 400 ], [ 'u:p@a', 400 ], [ 'a, b', 400 ], [ "\xff", 400 ],
	[ "\xc3\xa9", 400 ], [ 'a?b', 400 ], [ 'a#b', 400 ], [ 'a\\b', 400 ], [ 'a"b', 400 ], [ '<a>', 400 ],
	[ "a\x01", 400 ], [ "a\x7f", 400 ], [ "a\tb", 400 ], [ 'http://a', 400 ], [ ':80', 400 ], [ 'a:x', 400 ],
	[ 'a:-1', 400 ], [ 'a:80:80', 400 ], [ '%zz', 400 ], [ '%4', 400 ], [ '::1', 400 ], [ '[::1', 400 ],
	[ '[::1]x', 400 ], [ '[1:2]', 400 ], [ '[127.0.0.1]', 400 ], [ '[]', 400 ],
	[ '', 200 ], [ 'a', 200 ], [ 'a:80', 200 ], [ 'a:', 200 ], [ 'a.example.', 200 ], [ 'a_b', 200 ],
	[ '%41', 200 ], [ '127.0.0.1:4242', 200 ], [ '[::1]', 200 ], [ '[::1]:4242', 200 ],
	[ '[::ffff:127.0.0.1]', 200 ], [ "  a\t ", 200 ])
{
	my ($host, $status) = @$_;
	my $shown = $host =~ s/([^ -~])/sprintf '\x%02x', ord $1/ger;
	answers_with('F8', "the Host \"$shown\"", "GET /health HTTP/1.1\r\nHost: $host\r\n\r\n", $status);
	next unless $status == 400;
	answers_with('F8', '... in HTTP/1.0', "GET /health HTTP/1.0\r\nHost: $host\r\n\r\n", 400);
	next if $host =~ m{[\s/?#]|\A\z};
	answers_with('F8', '... in a target',
		"GET http://$host/health HTTP/1.1\r\nHost: x\r\n\r\n", 400);
}
for (
	[ 'http://h/health', 'h', 200 ], [ 'https://[::1]:80/health', 'x', 200 ], [ 'HTTP://h/health?x', '', 200 ],
	[ 'http:///health', 'x', 400 ], [ 'http://:80/health', 'x', 400 ], [ 'http://u@h/health', 'x', 400 ],
	[ 'http:/health', 'x', 400 ], [ 'http://h/health', 'a b', 400 ])
{
	my ($target, $host, $status) = @$_;
	answers_with('F8', "the target $target with the Host \"$host\"",
		"GET $target HTTP/1.1\r\nHost: $host\r\n\r\n", $status);
}
answers_with('F8', 'an absolute target without a Host', "GET http://h/health HTTP/1.1\r\n\r\n", 400);

# Errors of every origin have their details: is_refused looks for them.
for (
	[ 'of the database', "GET $path HTTP/1.1\r\nHost: x\r\n\r\n", 401, 'AuthenticationRequired' ],
	[ 'with quotes in its message', "GET $accounts/%22%5C/token HTTP/1.1\r\nHost: x\r\nAuthorization: $admin\r\n\r\n",
		404, 'NotFoundError' ],
	[ 'of the bridge', "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 404, 'NotFoundError' ],
	[ 'of the library, before the headers', "GET /health HTTP/2.0\r\n\r\n", 505, 'HttpVersionError' ],
	[ 'of the library, past it', "GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400, 'BadDataError' ],
	[ 'of the bridge, past the library', "GET /health HTTP/1.1\r\nHost: x\r\nX: " . 'x' x 13_000 . "\r\n\r\n",
		431, 'HeadersTooLargeError' ],
	[ 'of the library, for a target that is too long', 'GET /' . 'x' x 40_000 . " HTTP/1.1\r\n\r\n", 414, 'UriTooLongError' ])
{
	my ($what, $bytes, $status, $name) = @$_;
	my $wire = wire();
	$wire->send($bytes);
	is_refused($wire->answer, $status, $name, undef, "D1: an error $what has details");
}

# An answer to HEAD has no body, past the library neither, where the bridge knows the method.
for (
	[ 'of its path', "HEAD /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404 ],
	[ 'of its form', "HEAD /health HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n", 400 ],
	[ 'of its headers', "HEAD /health HTTP/1.1\r\nHost: x\r\nX: " . 'x' x 9_900 . "\r\nY: " . 'y' x 400 . "\r\n\r\n", 431 ],
	[ 'it has too many headers', "HEAD /health HTTP/1.1\r\nHost: x\r\n" . "X: a\r\n" x 300 . "\r\n", 431 ],
	$modern ? () : [ 'of a chunk-size line without an end',
		"HEAD /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" . '0' x 12_000, 400 ])
{
	my ($what, $bytes, $status) = @$_;
	my $wire = wire();
	$wire->send($bytes);
	my $answer = $wire->answer('HEAD');
	is($answer ? $answer->{status} : 'none', $status, "D1: HEAD that is refused because $what");
	cmp_ok($answer ? $answer->{headers}{'content-length'} : 0, '>', 0, '... has the length that GET has');
	ok($wire->is_closed, 'D1: ... and no body');
}

# Blanks and tabs around a value are no part of it (RFC 9110, section 5.5).
for my $blanks (' ', "\t", " \t ")
{
	my $wire = wire();
	$wire->send(token_line("Authorization:$blanks$admin$blanks", "Authorization: $admin"));
	is_json_answer($wire->answer, 200, $list, 'F10: blanks around one of two equal Authorization headers');
	for (
		[ 'Content-Length', "Content-Length: 2$blanks\r\n\r\n{}" ],
		[ 'Transfer-Encoding', "Transfer-Encoding: chunked$blanks\r\n\r\n2\r\n{}\r\n0\r\n\r\n" ])
	{
		my ($header, $rest) = @$_;
		$wire = wire();
		$wire->send("GET $path HTTP/1.1\r\nHost: x\r\nAuthorization: $admin\r\n$rest");
		my $answer = $wire->answer;

		# Before 1.0 libmicrohttpd takes the blank for a part of both.
		if ($modern) { is_json_answer($answer, 200, $list, "F10: a blank behind $header"); }
		else { is_refused($answer, 400, 'BadDataError', undef, "F10: a blank behind $header: 400"); }
		ok($wire->is_closed, 'F10: ... and the connection ends') unless $modern;
	}
	$wire = wire();
	$wire->send("GET /health HTTP/1.1\r\nHost:${blanks}x$blanks\r\nX: y$blanks\r\n\r\n");
	is_json_answer($wire->answer, 200, '{"health":"GOOD"}', 'F10: ... and behind others');
}

# ---- HTTP/1.0, keep-alive, pipelining ----------------------------------------------------------

my $old = wire();
$old->send("GET $path HTTP/1.0\r\nAuthorization: $admin\r\n\r\n");
is_json_answer($old->answer, 200, $list, 'HTTP/1.0, without Host');
ok($old->is_closed, '... ends the connection');
$old = wire();
$old->send("GET $path HTTP/1.0\r\nConnection: keep-alive\r\nAuthorization: $admin\r\n\r\n") for 1, 2;
is_json_answer($old->answer, 200, $list, 'HTTP/1.0 with keep-alive') for 1, 2;
my $closing = wire();
is_json_answer($closing->call('GET', $path, token => $admin, headers => ['Connection: close']), 200,
	$list, 'Connection: close');
ok($closing->is_closed, '... ends the connection');

my $alive = wire();
for my $round (1 .. 20)
{
	is_json_answer($alive->call('GET', $path, token => $admin), 200, $list, "round $round: 200");
	is_refused($alive->call('GET', $path), 401, 'AuthenticationRequired', undef, '... 401');
	is_refused($alive->call('GET', $path, token => $sample->{viewer}), 403, 'NoAccessError', undef,
		'... 403');
	is_refused($alive->call('GET', "$accounts/abc/token", token => $admin), 404, 'NotFoundError',
		undef, '... 404 on the same connection');
}

# Many requests in one write are answered one by one, in their order, and so when they arrive one
# byte at a time.
my @order = (1 .. 100);
my $pipelined = join '',
  map { PatWire::request('GET', "$accounts/no-$_/token", token => $admin) } @order;
my $pipe = wire();
ok($pipe->send($pipelined), 'a hundred requests at once');
my @ids = map { my $answer = $pipe->answer; $answer && $answer->{body} =~ /no-(\d+)/ ? $1 : '-' } @order;
is_deeply(\@ids, \@order, '... are answered in their order');
my $drip = wire();
$drip->send($_) for split //, PatWire::request('GET', $path, token => $admin) x 2;
is_json_answer($drip->answer, 200, $list, 'byte by byte') for 1, 2;
my $mixed = wire();
$mixed->send(PatWire::request('GET', $path, token => $admin)
	  . PatWire::request('GET', '/nowhere')
	  . PatWire::request('GET', '/health')
	  . PatWire::request('HEAD', $path, token => $admin)
	  . PatWire::request('GET', $path));
is_deeply([ map { $mixed->answer($_)->{status} } qw(GET GET GET HEAD GET) ], [ 200, 404, 200, 200, 401 ],
	'different requests in one write');

# A request with a body that nobody asked for: it is read over, not taken for the next request.
my $extra = wire();
$extra->send("GET $path HTTP/1.1\r\nHost: x\r\nAuthorization: $admin\r\nContent-Length: 30\r\n\r\n"
	  . "GET /nowhere HTTP/1.1\r\n\r\n12345");
is_json_answer($extra->answer, 200, $list, 'a GET with a body');
ok($extra->goes_on, '... and the connection goes on');

# ---- Expect and chunks -------------------------------------------------------------------------

sub new_account { return qq({"username":"$_[0]","name":"n","rootRole":3}); }

my $expect = wire();
my $first = new_account('expected');
$expect->send($post . "Expect: 100-continue\r\nContent-Length: " . length($first) . "\r\n\r\n");
my $head = $expect->take_head;
like($head, qr{^HTTP/1\.1 100 }, 'Expect: 100-continue is answered before the body comes');
$expect->send($first);
is($expect->answer->{status}, '201', '... and then the request is');
$expect = wire();
$expect->send("POST $accounts HTTP/1.1\r\nHost: x\r\nAuthorization: $admin\r\n"
	  . "Expect: 100-continue\r\nContent-Length: 10\r\n\r\n");
my $refused = $expect->answer;
is_refused($refused, 415, 'ContentTypeError', undef, 'a body that is not wanted is not asked for');
is_deeply($refused->{interim}, [], '... with no 100 before');
ok($expect->is_closed, '... and the connection ends');

my $chunks = wire();
my $second = new_account('chunked');
$chunks->send($post . "Transfer-Encoding: chunked\r\n\r\n");
$chunks->send(join '', map { "1\r\n$_\r\n" } split //, $second);
$chunks->send("0\r\nX-Trailer: 1\r\n\r\n");
my $made = $chunks->answer;
is($made->{status}, '201', 'a body in chunks of one byte');
is(from_json($made->{body})->{username}, 'chunked', '... has arrived');
ok($bridge->is_modern ? $chunks->goes_on : $chunks->is_closed, '... and the connection goes on, or ends');

# ---- a database of another encoding --------------------------------------------------------------

$node->safe_psql('postgres', "CREATE DATABASE latin1 ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
create_extension($node, 'latin1');
$node->safe_psql('latin1', <<~'SQL');
	SELECT pat_create_admin_token('root', '*:*.latin1-root');
	SELECT pat_create_token(pat_create_account('bot'), E'caf\xe9');
	SQL
my $latin1 = PatBridge->start($node, database => 'latin1');
my $bot = $node->safe_psql('latin1', "SELECT id FROM pat_account WHERE username = 'bot'");
my $heard = http_call($latin1->url("$accounts/$bot/token"), token => '*:*.latin1-root');
is($heard->{status}, '200', 'a database of another encoding');
is(from_json($heard->{body})->{pats}[0]{description}, "caf\x{e9}", '... is heard in UTF-8');
$latin1->stop_ok;

# ---- without an account ------------------------------------------------------------------------

is_json_answer($bridge->get('/health'), 200, '{"health":"GOOD"}', 'health');
is_json_answer($bridge->get('/ready'), 200, '{"ready":true}', 'ready');
my $openapi = $bridge->get('/docs/openapi.json');
is_json_answer($openapi, 200, undef, 'the description of the API');
like(from_json($openapi->{body})->{openapi}, qr/^3\./, '... is OpenAPI 3');
my %seen;
$seen{ $bridge->get('/health')->{headers}{'x-request-id'} }++ for 1 .. 50;
is(scalar keys %seen, 50, 'every request has an id of its own');

$bridge->stop_ok;
done_testing();
