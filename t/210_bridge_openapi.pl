# The OpenAPI document: the bridge serves the file it was built with; the document and the route
# table say the same in both directions; every operation of it is asked, and every answer it
# promises is had from a running bridge, with headers and a body that fit what it says.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP ();
use PatTest;
use PatBridge;
use PatSchema;
use PatWire;

my $node = new_cluster('openapi', settings => "pat.max_tokens_per_account = 4\n");
my $sample = load_sample($node);
my $bridge = PatBridge->start($node);
my $json = JSON::PP->new->utf8->allow_nonref;
my $file = slurp(source_dir() . '/bridge/openapi.json');
my $document = $json->decode($file);
my $schema = PatSchema->new($document);
my @methods = qw(get head post put patch delete options trace);
my $later = '2099-12-31T23:59:59Z';

# ---- the document is served --------------------------------------------------------------------

my $place = '/docs/openapi.json';
is_json_answer($bridge->get($place), 200, $file, 'the bridge serves the file it was built with');
is_json_answer($bridge->get("$place/"), 200, $file, '... with a slash at the end');
is_json_answer($bridge->get($place, 'user:nobody'), 200, $file, '... whatever the token');
my $head = http_call($bridge->url($place), method => 'HEAD');
is("$head->{status} $head->{headers}{'content-length'} $head->{body}",
	'200 ' . length($file) . ' ', 'HEAD answers without it');
is_refused(http_call($bridge->url($place), method => 'POST', body => '{}'), 405,
	'MethodNotAllowedError', undef, '405: POST');
my ($version) = split /\n/, `@{[ PatBridge->binary ]} --version`;
is("pat-bridge $document->{info}{version}", $version, 'its version is that of the bridge');

# ---- the document in itself --------------------------------------------------------------------

# Operations by their ids: { method, path, status => success, spec }.
my %operations;
for my $path (sort keys %{ $document->{paths} })
{
	for my $method (grep { $document->{paths}{$path}{$_} } @methods)
	{
		my $spec = $document->{paths}{$path}{$method};
		my $id = $spec->{operationId};
		ok(!$operations{$id}, "$id is the id of one operation");
		my @success = grep { /\A2/ } keys %{ $spec->{responses} };
		is(scalar @success, 1, "$id has one status of success");
		$operations{$id} = {
			id => $id, method => uc $method, path => $path, status => $success[0], spec => $spec };
		is(join(' ', sort map { $schema->resolve($_)->{name} } @{ $spec->{parameters} || [] }),
			join(' ', sort $path =~ /\{(\w+)\}/g), "$id declares the parameters of its path");
	}
}
ok($operations{$_}, "the operation $_ is there")
  for qw(getServiceAccounts createServiceAccount updateServiceAccount deleteServiceAccount
  getServiceAccountTokens createServiceAccountToken deleteServiceAccountToken getPats createPat
  deletePat);

# Each { schema, example, examples } below the object, wherever it is.
sub media
{
	my ($object) = @_;
	return map { media($_) } @$object if ref $object eq 'ARRAY';
	return unless ref $object eq 'HASH';
	my @here = map { $object->{content}{$_} } sort keys %{ $object->{content} || {} };
	return (@here, map { media($object->{$_}) } sort keys %$object);
}

my ($examples, @misfits) = (0);
for my $medium (media($document))
{
	my @values = map { $schema->resolve($_)->{value} } values %{ $medium->{examples} || {} };
	push @values, $medium->{example} if exists $medium->{example};
	$examples += @values;
	push @misfits, map { $schema->faults($medium->{schema}, $_, $json->encode($_)) } @values;
}
cmp_ok($examples, '>', 20, 'the document has examples');
is_deeply(\@misfits, [], '... which fit their schemas');

# ---- the document and the route table ----------------------------------------------------------

# Rows "METHOD path status" of the table, after the preprocessor has put its strings together.
sub rows_of_table
{
	my $top = source_dir();
	my $code = `cc -E -P -I$top/bridge -I$top/extension $top/bridge/route.c`;
	my ($table) = $code =~ /Route routes\[\] = \{(.*?)\n\};/s or die 'no route table';
	$table =~ s/"\s*"//g;
	my @rows;
	for my $row ($table =~ /(ROUTE_(?:GET|POST|PUT|DELETE)\s*,\s*[^{}]*)/g)
	{
		my ($method) = $row =~ /\AROUTE_(\w+)/;
		my ($path) = $row =~ /"([^"]*)"/;
		my ($status) = $row =~ /\b([1-5]\d\d)\b/;
		push @rows, join ' ', $method, $path =~ s/:(\w+)/{$1}/gr, $status;
	}
	return sort @rows;
}

my @rows = rows_of_table();
cmp_ok(scalar @rows, '>', 10, 'the route table was read');
is_deeply([ sort map { "$_->{method} $_->{path} $_->{status}" } values %operations ], \@rows,
	'the document has the routes of the table, and no others');
for my $path (sort keys %{ $document->{paths} })
{
	my $answer = http_call($bridge->url($path =~ s/\{\w+\}/1/gr), method => 'OPTIONS');
	my %allowed = map { lc $_ => 1 } split /, /, $answer->{headers}{allow};
	delete @allowed{qw(head options)};
	is(join(' ', sort keys %allowed),
		join(' ', sort grep { $document->{paths}{$path}{$_} } @methods), "the bridge allows it: $path");
}

# ---- what an answer must be --------------------------------------------------------------------

my %had;    # statuses by operation

# The path of an operation with the values of its parameters.
sub path_of
{
	my ($operation, $values) = @_;
	return $operation->{path}
	  =~ s/\{(\w+)\}/exists $values->{$1} ? $values->{$1} : die "$operation->{id} needs $1"/ger;
}

sub header_faults
{
	my ($response, $answer) = @_;
	my @faults;
	for my $name (sort keys %{ $response->{headers} || {} })
	{
		my $value = $answer->{headers}{ lc $name };
		my $wanted = $schema->resolve($response->{headers}{$name})->{schema};
		if (!defined $value)
		{
			my $required = $response->{headers}{$name}{required};
			push @faults, "no header $name" unless defined $required && !$required;
			next;
		}
		$value += 0 if $wanted->{type} eq 'integer' && $value =~ /\A\d+\z/;
		push @faults, $schema->faults($wanted, $value, $name);
	}
	return @faults;
}

# The body as the type of its media says.
sub decoded
{
	my ($answer) = @_;
	my $is_json = ($answer->{headers}{'content-type'} || '') =~ /\Aapplication\/json/;
	return $is_json ? $json->decode($answer->{body}) : $answer->{body};
}

# A test: the answer is what the document says of this status of the operation.
sub fits
{
	my ($operation, $answer, $status, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $response = $schema->resolve($operation->{spec}{responses}{$status} || {});
	my @faults = $answer->{status} eq $status ? () : ("status $answer->{status}");
	my $content = $response->{content};

	push @faults, 'not in the document' unless $response->{description};
	push @faults, header_faults($response, $answer);
	push @faults, 'a body' if !$content && $answer->{body} ne '';
	if ($content)
	{
		my ($type) = split /;/, $answer->{headers}{'content-type'} || 'none';
		my $medium = $content->{$type} || {};
		my $value = eval { decoded($answer) };
		push @faults, $medium->{schema} ? $schema->faults($medium->{schema}, $value) : "type $type";
	}
	$had{ $operation->{id} }{$status} = 1;
	is_deeply(\@faults, [], $name || "$status: $operation->{id}") or diag($answer->{body});
	return;
}

# A well-formed request of the operation, and that its answer fits; returns the body, decoded.
#   values of the path's parameters; token; body (fits the request's schema, or is not checked)
sub succeeds
{
	my ($id, %option) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $operation = $operations{$id};
	my $asked = $operation->{spec}{requestBody};
	my %body = $option{body} ? (body => $json->encode($option{body})) : ();

	die "$id takes a body" if $asked && !$option{body};
	is_deeply([ $schema->faults($asked->{content}{'application/json'}{schema}, $option{body}) ], [],
		"$id: the request fits its schema") if $asked;
	my $answer = http_call($bridge->url(path_of($operation, $option{values} || {})),
		method => $operation->{method}, token => $option{token}, %body);
	fits($operation, $answer, $operation->{status});
	return $answer->{body} eq '' ? undef : decoded($answer);
}

# ---- every operation ---------------------------------------------------------------------------

my %token = (token => $sample->{admin});
my %own = (token => $sample->{viewer});
my %names = (username => 'walker', name => 'Walker', rootRole => 3);
my %pat = (description => 'first', expiresAt => $later);

wait_until(sub { http_call($bridge->url('/ready/write'))->{status} eq '200' }, 'connections for changes');
succeeds($_) for qw(getHealth getReady getReadyWrite getMetrics getOpenApi);
my $account = succeeds('createServiceAccount', %token, body => \%names);
my %at = (values => { id => $account->{id} });
my $first = succeeds('createServiceAccountToken', %token, %at, body => \%pat);
ok($first->{secret}, 'the answer that creates a token has its secret');
succeeds('createServiceAccountToken', %token, %at, body => { %pat, description => 'second' });
is(scalar @{ succeeds('getServiceAccountTokens', %token, %at)->{pats} }, 2, 'two tokens are listed');
succeeds('getServiceAccountTokens', %token, values => { id => $sample->{empty} });
succeeds('getServiceAccountTokens', %token, values => { id => $sample->{account} });
succeeds('getServiceAccounts', token => "Bearer $sample->{admin}");
succeeds('getPats', token => $first->{secret});
is(succeeds('updateServiceAccount', %token, %at, body => { rootRole => 2 })->{rootRole}, 2,
	'the account is changed');
succeeds('updateServiceAccount', %token, %at, body => {});
succeeds('deleteServiceAccountToken', %token,
	values => { id => $account->{id}, tokenId => $first->{id} });
succeeds('deleteServiceAccount', %token, %at);
my $own = succeeds('createPat', %own, body => \%pat);
ok($own->{secret}, 'the answer that creates a token has its secret');
succeeds('getPats', %own);
succeeds('deletePat', %own, values => { id => $own->{id} });

# What only SQL creates: an account with neither name nor role, a token that never expires.
my $bare = $node->safe_psql('postgres', 'SELECT pat_create_account(NULL, NULL, NULL)');
$node->safe_psql('postgres', "SELECT pat_create_token($bare, 'for ever', seen_at => now())");
succeeds('getServiceAccounts', %token);
succeeds('getServiceAccountTokens', %token, values => { id => $bare });

# ---- every error -------------------------------------------------------------------------------

my $known = $sample->{account};
my %values_of = (
	deletePat => { id => 999_999 },
	deleteServiceAccountToken => { id => $known, tokenId => 999_999 });
my %body_of = (
	createServiceAccount => { %names, username => 'deploy-bot' },
	updateServiceAccount => { name => 'Deploy bot' },
	createServiceAccountToken => { %pat, description => 'ci' },
	createPat => { %pat, description => 'laptop' });

# One request on a connection of its own, well-formed but for what is asked for. Without a body of
# its own it carries one that is taken for granted where the operation takes any.
sub ask
{
	my ($operation, %option) = @_;
	my $on = delete $option{bridge} || $bridge;
	my $values = delete $option{values} || $values_of{ $operation->{id} } || { id => $known };
	my $path = path_of($operation, $values) . (delete $option{query} || '');
	my $body = $body_of{ $operation->{id} };

	$option{token} = token_of($operation) unless exists $option{token};
	$option{body} = $json->encode($body) if $body && !exists $option{body};
	return PatWire->new($on->port)->call($operation->{method}, $path, %option)
	  || { status => 'none', headers => {}, body => '' };
}

sub token_of { return $_[0]{path} =~ /user/ ? $sample->{viewer} : $sample->{admin}; }

my %provoke = (
	400 => sub { ask($_[0], headers => ['Authorization: another']) },
	401 => sub { ask($_[0], token => 'user:nobody') },
	403 => sub { ask($_[0], token => $sample->{ $_[0]{path} =~ /user/ ? 'admin' : 'viewer' }) },
	404 => sub { ask($_[0], $_[0]{id} eq 'deletePat' ? () : (values => { id => 'x', tokenId => 1 })) },
	409 => sub { ask($_[0]) },
	413 => sub {
		ask($_[0], body => undef,
			headers => [ 'Content-Length: 102401', 'Expect: 100-continue', 'Content-Type: application/json' ]);
	},
	414 => sub { ask($_[0], query => '?' . 'x' x 5000) },
	415 => sub { ask($_[0], type => 'text/plain') },
	431 => sub { ask($_[0], headers => [ 'X-Long: ' . 'x' x 13_000 ]) });

# A person who is deleted between two locks of one request is no test's to time.
my %rare = ('createPat 404' => 1);
my @operations = map { $operations{$_} } sort keys %operations;
for my $operation (@operations)
{
	fits($operation, $provoke{$_}->($operation), $_)
	  for grep { $operation->{spec}{responses}{$_} && !$rare{"$operation->{id} $_"} } sort keys %provoke;
	next unless $body_of{ $operation->{id} };
	fits($operation, ask($operation, body => $_), 400, "400: $operation->{id} of $_")
	  for '', '{', '[]', '{"name":1,"description":1}';
}

# 415 for a content coding: its header says what is taken.
for my $operation (grep { $_->{spec}{responses}{415} } @operations)
{
	my $coded = ask($operation, headers => ['Content-Encoding: gzip']);
	fits($operation, $coded, 415, "C6: 415: $operation->{id}");
	is($coded->{headers}{'accept-encoding'}, 'identity', 'C6: ... with Accept-Encoding');
}

# Every error above has been compared with the schema; what it must have of details is this.
my $error_schema = $document->{components}{schemas}{errorSchema};
is_deeply([ sort @{ $error_schema->{required} } ], [qw(details id message name)],
	'D1: an error has details');
is_deeply($error_schema->{properties}{details}{items}{required}, ['message'], 'D1: ... with a message');

# The other kinds of 403.
my $limited = ask($operations{createServiceAccountToken}, body => $json->encode(\%pat));
fits($operations{createServiceAccountToken}, $limited, 201);
for my $number (1 .. 3)
{
	$limited = ask($operations{createServiceAccountToken},
		body => $json->encode({ %pat, description => "number $number" }));
}
fits($operations{createServiceAccountToken}, $limited, 403, '403: too many tokens');
like($limited->{body}, qr/OperationDeniedError/, '... by its name');
fits($operations{createPat}, ask($operations{createPat}, token => $sample->{bot}), 403,
	'403: a service account asks for a token');

sub calls { return grep { $_->{spec}{responses}{500} } @operations; }

# 500: the extension's tables are not what they should be.
$node->safe_psql('postgres', 'ALTER TABLE pat_token RENAME TO pat_token_lost');
fits($_, ask($_), 500) for calls();
$node->safe_psql('postgres', 'ALTER TABLE pat_token_lost RENAME TO pat_token');

# 504: somebody holds a lock for longer than a bridge waits.
my $hasty = PatBridge->start($node, options => [ '--request-timeout', '300ms' ]);
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; LOCK TABLE pat_token, pat_account IN ACCESS EXCLUSIVE MODE');
fits($_, ask($_, bridge => $hasty), 504) for calls();
$holder->query_safe('ROLLBACK');
$holder->quit;
$hasty->stop_ok;

# 503: there is no database. The first requests may still find out.
$node->stop('immediate');
my $ready = $operations{getReady};
wait_until(sub { ask($ready)->{status} eq '503' }, 'the bridge to miss the database');
for my $operation (grep { $_->{spec}{responses}{503} } @operations)
{
	fits($operation, ask($operation), 503);
}

# ---- nothing was left out ----------------------------------------------------------------------

my @left = grep { !$rare{$_} }
  map { my $o = $_; map { $had{ $o->{id} }{$_} ? () : "$o->{id} $_" } sort keys %{ $o->{spec}{responses} } }
  @operations;
is_deeply(\@left, [], 'every answer that the document promises has been seen');

$bridge->stop_ok;
done_testing();
