# What the bridge makes of request bodies: which it refuses before the database sees them, which the
# database refuses, with the same words in SQL and over HTTP, and that none of them leaves anything
# behind; what a good one creates, under the Location it answers with.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;
use PatBridge;
use PatWire;

my $node = new_cluster('bodies', sealed => 1);
my $sample = load_sample($node);
my $bridge = PatBridge->start($node);
my $admin = $sample->{admin};
my $accounts = '/api/admin/service-account';
my $path = "$accounts/$sample->{account}/token";
my $later = '2099-01-01T00:00:00Z';
my $limit = 102_400;

sub wire { return PatWire->new($bridge->port); }

# All that a request could have changed.
sub contents
{
	return $node->safe_psql('postgres', <<~'SQL');
		SELECT 'account', id, username, name, root_role, deleted_at FROM pat_account ORDER BY id;
		SELECT 'token', id, account_id, description, expires_at FROM pat_token ORDER BY id;
		SELECT 'event', count(*) FROM pat_event;
		SQL
}

my $before = contents();

# ---- refused by the bridge ---------------------------------------------------------------------

my %routes = (
	$path => 'POST', $accounts => 'POST', "$accounts/$sample->{account}" => 'PUT',
	'/api/admin/user/tokens' => 'POST');
my $good = qq({"description":"d","expiresAt":"$later","username":"u","name":"n","rootRole":3});
for my $place (sort keys %routes)
{
	my $method = $routes{$place};
	my $wire = wire();
	my @token = (token => $place =~ /user/ ? $sample->{viewer} : $admin);

	for my $type (undef, '', 'text/plain', 'application/x-www-form-urlencoded', 'application/jsonx',
		'application/json+x', 'application/problem+json', 'text/json', 'application', '*/*',
		'application/json; charset=iso-8859-1', 'application/json; charset=utf-16',
		'application/json, text/plain', 'text/plain; application/json')
	{
		is_refused($wire->call($method, $place, @token, body => $good, type => $type), 415,
			'ContentTypeError', 'The request body must be of the type application/json.',
			"415: $method $place as " . (defined $type ? "\"$type\"" : 'nothing'));
	}
	is_refused($wire->call($method, $place, @token), 400, 'BadDataError',
		'The request needs a JSON body.', '400: no body at all');
	is_refused($wire->call($method, $place, @token, body => ''), 400, 'BadDataError',
		'The request needs a JSON body.', '400: an empty one');
	my $chunks = wire();
	$chunks->send(PatWire::request($method, $place, @token,
			headers => [ 'Content-Type: application/json', 'Transfer-Encoding: chunked' ])
		  . "0\r\n\r\n");
	is_refused($chunks->answer, 400, 'BadDataError', 'The request needs a JSON body.',
		'400: an empty one in chunks');
	for my $bytes ("\0", "$good\0", qq({"description":"a\0b"}), "\xff$good", qq({"name":"\xc3"}),
		qq({"name":"\xed\xa0\x80"}), qq({"name":"\xf8\x88\x80\x80\x80"}))
	{
		is_refused($wire->call($method, $place, @token, body => $bytes), 400, 'BadDataError',
			'The request body is not valid JSON.', '400: ' . ($bytes =~ s/([^ -~])/sprintf '\x%02x', ord $1/ger));
	}
	for my $bytes ('{', '}', '[', 'nonsense', "{'a':1}", '{"a":1,}', '{"a" 1}', "$good $good", "$good,",
		"$good x", '{"a":01}', '{"a":"\\x"}', qq({"a":"line\nend"}), '{"a":NaN}', ' ', "\xef\xbb\xbf$good",
		'{"a":"\\u12"}', '[' x 50_000)
	{
		is_refused($wire->call($method, $place, @token, body => $bytes), 400, 'BadDataError', undef,
			'400: not JSON: ' . substr $bytes =~ s/([^ -~])/sprintf '\x%02x', ord $1/ger, 0, 30);
	}
	ok($wire->goes_on, '... all on one connection');
}
is(contents(), $before, 'none of them left anything behind');

# ---- content codings, two types ----------------------------------------------------------------

# headers behind the type that PatWire gives
sub with_headers
{
	my ($method, $place, @headers) = @_;
	return wire()->call($method, $place, token => $place =~ /user/ ? $sample->{viewer} : $admin,
		body => $good, headers => \@headers);
}

my $coded = 'The request body must come without a Content-Encoding, or with identity.';
for my $place (sort keys %routes)
{
	for my $codings (['gzip'], ['GZip'], ['x-gzip'], ['deflate'], ['br'], ['zstd'], ['compress'], ['*'], ['utf-8'],
		[ 'identity, gzip' ], ['gzip,identity'], [', gzip'], [ 'identity', 'gzip' ], [ 'gzip', 'identity' ],
		[ '', 'br' ], ['identity;q=1'], ['identity gzip'], ["\tgzip "], ["\xff"])
	{
		my $name = join ' and ', map { s/([^ -~])/sprintf '\x%02x', ord $1/ger } @$codings;
		my $answer = with_headers($routes{$place}, $place, map { "Content-Encoding: $_" } @$codings);
		is_refused($answer, 415, 'ContentTypeError', $coded, "C6: $routes{$place} $place as $name: 415");
		is($answer->{headers}{'accept-encoding'}, 'identity', '... and says what is taken');
	}
	my $typed = wire()->call($routes{$place}, $place, token => $admin, body => $good, type => 'text/plain',
		headers => ['Content-Encoding: gzip']);
	is_refused($typed, 415, 'ContentTypeError', undef, 'C6: another type besides');
	ok(!exists $typed->{headers}{'accept-encoding'},
		'... where the coding is not the reason, Accept-Encoding says nothing');
	is_refused(wire()->call($routes{$place}, $place, headers => ['Content-Encoding: gzip'], body => $good),
		415, 'ContentTypeError', $coded, 'C6: before 401, as all that is wrong with the form');
	is_refused(
		with_headers($routes{$place}, $place, 'Content-Type: text/plain'), 400, 'BadDataError',
		'The request has two different Content-Type headers.', "F10: $routes{$place} $place with two types");
	is_refused(
		wire()->call($routes{$place}, $place, body => $good, type => 'text/plain',
			headers => ['Content-Type: application/json']), 400, 'BadDataError',
		'The request has two different Content-Type headers.', 'F10: ... the other way round');
	is_refused(with_headers($routes{$place}, $place, 'Content-Type:'), 400, 'BadDataError', undef,
		'F10: ... one of them empty');
}
is(contents(), $before, 'none of them left anything behind');
for my $headers ([ 'Content-Encoding: identity' ], ['Content-Encoding: IDENTITY '], ['Content-Encoding:'],
	[ 'Content-Encoding: identity', 'Content-Encoding: identity' ], ['Content-Encoding: identity,, identity'],
	['Content-Type: application/json'], ["Content-Type:application/json\t"],
	[ 'Content-Type: application/json', 'Content-Type:  application/json ' ])
{
	my $made = wire()->call('POST', $path, token => $admin, headers => $headers,
		body => qq({"description":"coded","expiresAt":"$later"}));
	is($made->{status}, '201', 'C6, F10: 201: ' . join ' and ', @$headers);
	is(wire()->call('DELETE', $made->{headers}{location}, token => $admin)->{status}, '200', '... and away');
}
is(wire()->call('DELETE', "$path/999999", token => $admin, body => 'x', headers => ['Content-Encoding: gzip'])
	->{status}, '404', 'C6: a coding of a body that is not wanted is ignored, as the body is');
$before = contents();

# ---- stricter than Unleash: doc/unleash.md ------------------------------------------------------

for my $pair (
	[ '7', "\"$later\"" ], [ 'true', "\"$later\"" ], [ '"d"', '"2099-01-01 00:00:00Z"' ],
	[ '"d"', '"2099-01-01T00:00:00+0200"' ], [ '"d"', '"2099-01-01"' ], [ '"d"', '4070908800000' ])
{
	my $strict = qq({"description":$pair->[0],"expiresAt":$pair->[1]});
	for my $place ($path, '/api/admin/user/tokens')
	{
		is_refused(
			wire()->call('POST', $place, token => $place =~ /user/ ? $sample->{viewer} : $admin, body => $strict),
			400, 'BadDataError', undef, "D5: POST $place of $strict: 400");
	}
}

# ---- what is ignored must still be well-formed --------------------------------------------------

my %valid = (
	$accounts => '"username":"u","name":"n","rootRole":3', "$accounts/$sample->{account}" => '"rootRole":3',
	$path => qq("description":"d","expiresAt":"$later"),
	'/api/admin/user/tokens' => qq("description":"d","expiresAt":"$later"));
my $openapi = wire()->call('GET', '/docs/openapi.json')->{body};
is(scalar(() = $openapi =~ /Other properties are ignored, but .*?\\\\ud800/g), 3,
	'D4: the schemas of bodies say that other properties must be well-formed');
for my $place (sort keys %valid)
{
	for my $other ('"x":"\ud800"', '"x":"\udc00\ud800"', '"x":"\u0000"', '"x":{"y":["\ud800"]}', '"\ud800":1',
		'"x":1,"x":2')
	{
		is_refused(
			wire()->call($routes{$place}, $place, token => $place =~ /user/ ? $sample->{viewer} : $admin,
				body => "{$other,$valid{$place}}"), 400, 'BadDataError', undef, "D4: $place with $other: 400");
	}
}
is(contents(), $before, 'none of them left anything behind');

# ---- sizes -------------------------------------------------------------------------------------

# A body of exactly that size, as a token or with blanks around it.
sub body_of
{
	my ($size, $description) = @_;
	my $text = qq({"description":"$description","expiresAt":"$later"});
	return $text . ' ' x ($size - length $text);
}

my $large = wire();
for my $size ($limit + 1, $limit * 3, 1_000_000)
{
	is_refused($large->call('POST', $path, token => $admin, body => body_of($size, 'large')), 413,
		'PayloadTooLargeError', 'The request body is too large.', "413: $size bytes");
	ok($large->goes_on, '... and the connection goes on');
}
my $huge = wire();
$huge->send("POST $path HTTP/1.1\r\nHost: x\r\nAuthorization: $admin\r\n"
	  . "Content-Type: application/json\r\nContent-Length: 1000000000000\r\n\r\n{");
is_refused($huge->answer, 413, 'PayloadTooLargeError', undef, '413: a terabyte, at once');
ok($huge->is_closed, '... and the connection ends');
$huge = wire();
$huge->send("POST $path HTTP/1.1\r\nHost: x\r\nAuthorization: $admin\r\nExpect: 100-continue\r\n"
	  . 'Content-Type: application/json' . "\r\nContent-Length: " . ($limit + 1) . "\r\n\r\n");
my $unasked = $huge->answer;
is_refused($unasked, 413, 'PayloadTooLargeError', undef, '413: instead of 100 Continue');
is_deeply($unasked->{interim}, [], '... with no 100 before');

# In chunks the size shows only by counting.
sub chunked
{
	my ($wire, $bytes, $size) = @_;
	$wire->send(PatWire::request('POST', $path, token => $admin,
			headers => [ 'Content-Type: application/json', 'Transfer-Encoding: chunked' ]));
	while (length $bytes)
	{
		my $chunk = substr $bytes, 0, $size, '';
		$wire->send(sprintf "%x\r\n%s\r\n", length $chunk, $chunk) or return;
	}
	$wire->send("0\r\n\r\n");
	return $wire->answer;
}

is_refused(chunked(wire(), body_of($limit + 1, 'large'), 1000), 413, 'PayloadTooLargeError', undef,
	'413: counted, in chunks');
my $endless = wire();
my $cut = chunked($endless, body_of(4_000_000, 'large'), 60_000);
ok(!$cut || $cut->{status} eq '413', 'a body of 4 MB in chunks is not taken');
$endless->send('x' x 100) for 1 .. 100;
ok($endless->is_closed, '... but cut off');
ok(wire()->goes_on, '... and the bridge goes on');
is(contents(), $before, 'none of them left anything behind');

is($large->call('POST', $path, token => $admin, body => body_of($limit, 'just fits'))->{status}, '201',
	'201: a body of exactly 100 kB');
is(chunked(wire(), body_of($limit, 'just fits, in chunks'), 7777)->{status}, '201', '... in chunks');
$before = contents();

# ---- refused by the database, with the same words ----------------------------------------------

# For both, that the status is this one, and the rest is what SQL says.
sub both_refuse
{
	my ($status, $body, $name) = @_;
	my $sql = sql_outcome($node, "pat_create_for_service_account('$sample->{account}', "
		  . quote_sql($body) . "::json, '$admin')");
	my $answer = http_call($bridge->url($path), token => $admin, body => $body);
	is_as_sql($answer, $status, $sql, "$status: $name");
	return $answer;
}

for (
	[ 'not an object: a list', '[]' ], [ 'not an object: a text', '"x"' ],
	[ 'not an object: a number', '1' ], [ 'not an object: null', 'null' ],
	[ 'nothing in it', '{}' ],
	[ 'no description', qq({"expiresAt":"$later"}) ],
	[ 'no date', '{"description":"d"}' ],
	[ 'description of another type', qq({"description":1,"expiresAt":"$later"}) ],
	[ 'description null', qq({"description":null,"expiresAt":"$later"}) ],
	[ 'description empty', qq({"description":"","expiresAt":"$later"}) ],
	[ 'a date of another type', '{"description":"d","expiresAt":4070908800}' ],
	[ 'a date that is none', '{"description":"d","expiresAt":"tomorrow"}' ],
	[ 'infinity', '{"description":"d","expiresAt":"infinity"}' ],
	[ 'a date without offset', '{"description":"d","expiresAt":"2099-01-01T00:00:00"}' ],
	[ 'the 30th of February', '{"description":"d","expiresAt":"2099-02-30T00:00:00Z"}' ],
	[ 'a date gone by', '{"description":"d","expiresAt":"2023-04-19T08:15:14.000Z"}' ],
	[ 'a property given twice', qq({"description":"a","description":"b","expiresAt":"$later"}) ],
	[ 'a property given twice, once escaped',
		qq({"description":"a","descriptio\\u006e":"b","expiresAt":"$later"}) ],
	[ 'an unknown property given twice', qq({"x":1,"x":2,"description":"a","expiresAt":"$later"}) ],
	[ 'an escaped NUL', qq({"description":"a\\u0000b","expiresAt":"$later"}) ],
	[ 'half a surrogate pair', qq({"description":"a\\ud800b","expiresAt":"$later"}) ])
{
	my ($name, $body) = @$_;
	both_refuse(400, $body, $name);
}
like(both_refuse(409, qq({"description":"ci","expiresAt":"$later"}), 'a description that is taken')->{body},
	qr/"name":"NameExistsError","message":"PAT description already exists\."/, '... in these words');
is(from_json(both_refuse(400, qq({"description":"","expiresAt":"$later"}), 'again')->{body})->{message},
	'PAT description cannot be empty.', '... the words for an empty description');
is(from_json(both_refuse(400, '{"description":"d","expiresAt":"2023-04-19T08:15:14Z"}', 'again')->{body})
	->{message}, 'The expiry date should be in future.', '... and for a date gone by');

# Who may, before what: 401, 403, 404 do not depend on the body.
for my $body ('[]', '{}', '{"description":""}', $good)
{
	my %option = (body => $body);
	is_refused(http_call($bridge->url($path), %option), 401, 'AuthenticationRequired', undef,
		"401 before the body is judged: $body");
	is_refused(http_call($bridge->url($path), token => $sample->{viewer}, %option), 403,
		'NoAccessError', undef, '... 403');
	is_refused(http_call($bridge->url("$accounts/abc/token"), token => $admin, %option), 404,
		'NotFoundError', undef, '... 404');
}
for my $body ('{"username":"a","name":"n"}', '{"username":"a","name":"n","rootRole":99}',
	'{"username":"a","name":"n","rootRole":"3"}', '{"username":"a","name":"n","rootRole":3.5}',
	'{"username":"","name":"n","rootRole":3}', '{"username":1,"name":"n","rootRole":3}')
{
	my $sql = sql_outcome($node,
		'pat_create_service_account(' . quote_sql($body) . "::json, '$admin')");
	is_as_sql(http_call($bridge->url($accounts), token => $admin, body => $body), 400, $sql,
		"400: account $body");
}
is_refused(
	http_call($bridge->url($accounts), token => $admin,
		body => '{"username":"deploy-bot","name":"n","rootRole":3}'),
	409, 'NameExistsError', undef, '409: a username that is taken');
is(contents(), $before, 'none of them left anything behind');

# ---- created -----------------------------------------------------------------------------------

my @texts = (
	'plain', 'quote " backslash \\ slash /', "tab \t and line \n end", "\x{1}\x{1f}\x{7f}",
	"\x{e4}\x{f6}\x{fc} \x{4e2d}\x{6587} \x{1f600}", "'; DROP TABLE pat_token; --", '<script>&amp;',
	'\\u0041', "a\x{2028}b", '%41', '{"a":1}');
my $json = JSON::PP->new->utf8->allow_nonref;
for my $type ('application/json', 'Application/JSON', 'application/json;charset=utf-8',
	'application/json; charset=UTF-8', 'application/json; charset="utf-8"',
	'application/json ; x=y')
{
	my $text = shift @texts;
	create_and_delete($text, $type);
}
create_and_delete($_, 'application/json') for @texts;

# A token whose Location is true: listed by its collection, deleted under its own name.
sub create_and_delete
{
	my ($description, $type) = @_;
	my $wire = wire();
	my $body = '{"ignored":[{}],"id":77,"secret":"user:mine","expiresAt":"2099-01-01T02:00:00.123+02:00",'
	  . '"description":' . $json->encode($description) . '}';
	my $answer = $wire->call('POST', $path, token => $admin, body => $body, type => $type);
	is_json_answer($answer, 201, undef, "201: $type, " . $json->encode($description));
	my $made = from_json($answer->{body});
	is($made->{description}, $description, '... the description came through');
	is($made->{expiresAt}, '2099-01-01T00:00:00.123Z', '... the date is in UTC');
	like($made->{secret}, qr/\Auser:[0-9A-Za-z]{49}\z/, '... the secret is not the client\'s');
	like($answer->{body}, qr/"secret":"[^"]+"\}\z/, '... and stands last');
	is($answer->{headers}{location}, "$path/$made->{id}", '... Location');

	my $collection = $answer->{headers}{location} =~ s{/[^/]*\z}{}r;
	my $listed = from_json($wire->call('GET', $collection, token => $admin)->{body})->{pats}[-1];
	is_deeply($listed, $made, '... GET of the collection lists it');
	my $deleted = $wire->call('DELETE', $answer->{headers}{location}, token => $admin);
	is($deleted->{status}, '200', '... DELETE of the Location');
	is($deleted->{body}, '', '... has no body');
	is($deleted->{headers}{'content-length'}, '0', '... and says so');
	ok(!exists $deleted->{headers}{'content-type'}, '... nor a type of it');
	is($deleted->{headers}{'cache-control'}, 'no-store', '... and is not to be kept, like all answers');
	is_refused($wire->call('DELETE', $answer->{headers}{location}, token => $admin), 404,
		'NotFoundError', undef, '... and is gone');
	return;
}

# A Location under a path that came escaped or with a slash at its end is a path that works.
my $escaped = "$accounts/%3" . join('%3', split //, $sample->{account}) . '/token/';
my $answer = wire()->call('POST', $escaped, token => $admin,
	body => qq({"description":"escaped","expiresAt":"$later"}));
is($answer->{status}, '201', "201: POST $escaped");
is(wire()->call('DELETE', $answer->{headers}{location}, token => $admin)->{status}, '200',
	'... and its Location works');

# A body on a DELETE is read over.
my $delete = wire();
is_refused($delete->call('DELETE', "$path/999999", token => $admin, body => '{}'), 404,
	'NotFoundError', undef, 'DELETE with a body');
ok($delete->goes_on, '... and the connection goes on');

$bridge->stop_ok;
done_testing();
