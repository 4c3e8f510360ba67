# The walk of a client through the whole API, with consistent bodies at each step: create an
# account, create two tokens, list, delete one, update, list accounts, delete the account. Over one
# connection, and over sixty-four at the same time. Then the routes of a caller's own tokens.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP ();
use PatTest;
use PatBridge;
use PatWire;

my $walkers = 64;
my $node = new_cluster('walk');
my $sample = load_sample($node);
my $bridge = PatBridge->start($node, options => [ '--workers', '2', '--write-connections', '2' ]);
my $admin = $sample->{admin};
my $accounts = '/api/admin/service-account';
my $later = '2099-12-31T23:59:59.999Z';
my $json = JSON::PP->new->utf8;

# ---- the steps ---------------------------------------------------------------------------------

# Each step: { method, path, body, status } of what to ask, and a check of the answer that returns
# what is wrong with it. A walker holds what the steps before told.
sub create_account
{
	my ($walker) = @_;
	my $name = "walker-$walker->{number}";
	return {
		method => 'POST', path => $accounts, status => 201,
		body => $json->encode({ username => $name, name => "Walker $walker->{number}", rootRole => 3 }),
		check => sub {
			my ($made, $answer) = @_;
			$walker->{account} = $made->{id};
			$walker->{username} = $name;
			return 'Location' if $answer->{headers}{location} ne "$accounts/$made->{id}";
			return 'account' unless is_account($walker, $made, "Walker $walker->{number}", 3);
			return 'tokens' if @{ $made->{tokens} };
			return;
		} };
}

# Whether the object is the walker's account, with that name and role.
sub is_account
{
	my ($walker, $object, $name, $role) = @_;
	return $object->{id} == $walker->{account} && $object->{username} eq $walker->{username}
	  && $object->{name} eq $name && $object->{rootRole} == $role && !defined $object->{seenAt}
	  && $object->{createdAt} =~ /\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\z/
	  && join(',', sort keys %$object) eq
	  'createdAt,id,imageUrl,name,rootRole,seenAt,tokens,username';
}

sub create_token
{
	my ($walker, $description) = @_;
	my $path = "$accounts/$walker->{account}/token";
	return {
		method => 'POST', path => $path, status => 201,
		body => $json->encode({ description => $description, expiresAt => $later }),
		check => sub {
			my ($made, $answer) = @_;
			my $secret = $made->{secret} || '';
			return "secret $secret" unless $secret =~ /\Auser:[0-9A-Za-z]{49}\z/;
			return 'secret seen before' if $walker->{secrets}{$secret}++;
			return 'Location' if $answer->{headers}{location} ne "$path/$made->{id}";
			return 'token' unless $made->{userId} == $walker->{account}
			  && $made->{description} eq $description && $made->{expiresAt} eq $later
			  && !defined $made->{seenAt};
			delete $made->{secret};
			push @{ $walker->{tokens} }, $made;
			return;
		} };
}

sub list_tokens
{
	my ($walker) = @_;
	return {
		method => 'GET', path => "$accounts/$walker->{account}/token", status => 200,
		check => sub {
			my ($list) = @_;
			return same($list, { pats => $walker->{tokens} }) ? () : 'list';
		} };
}

sub delete_token
{
	my ($walker) = @_;
	my $gone = shift @{ $walker->{tokens} };
	return {
		method => 'DELETE', path => "$accounts/$walker->{account}/token/$gone->{id}",
		status => 200, empty => 1 };
}

sub update_account
{
	my ($walker) = @_;
	return {
		method => 'PUT', path => "$accounts/$walker->{account}", status => 200,
		body => $json->encode({ name => 'Renamed', rootRole => 2, unknown => [] }),
		check => sub {
			my ($object) = @_;
			return 'account' unless is_account($walker, $object, 'Renamed', 2);
			return same($object->{tokens}, $walker->{tokens}) ? () : 'tokens';
		} };
}

sub list_accounts
{
	my ($walker) = @_;
	return {
		method => 'GET', path => $accounts, status => 200,
		check => sub {
			my ($list) = @_;
			my @mine = grep { $_->{id} == $walker->{account} } @{ $list->{serviceAccounts} };
			my @ids = map { $_->{id} } @{ $list->{serviceAccounts} };
			return 'roles' unless join(',', map { $_->{name} } @{ $list->{rootRoles} }) eq
			  'Admin,Editor,Viewer';
			return 'order' if "@ids" ne join ' ', sort { $a <=> $b } @ids;
			return 'people' if grep { $_ == $sample->{person} } @ids;
			return 'once' unless @mine == 1 && is_account($walker, $mine[0], 'Renamed', 2);
			return same($mine[0]{tokens}, $walker->{tokens}) ? () : 'tokens';
		} };
}

sub delete_account
{
	my ($walker) = @_;
	return {
		method => 'DELETE', path => "$accounts/$walker->{account}", status => 200, empty => 1 };
}

my @steps = (
	\&create_account, sub { create_token($_[0], 'first') }, sub { create_token($_[0], 'second') },
	\&list_tokens, \&delete_token, \&update_account, \&list_accounts, \&delete_account);
my $promised = '201 201 201 200 200 200 200 200';

sub same
{
	my ($a, $b) = @_;
	my $canonical = JSON::PP->new->canonical->allow_nonref;
	return $canonical->encode($a) eq $canonical->encode($b);
}

# ---- walking -----------------------------------------------------------------------------------

sub ask
{
	my ($walker) = @_;
	my $step = $walker->{step} = $steps[ $walker->{at}++ ]->($walker);
	$walker->{wire}->send(PatWire::request($step->{method}, $step->{path}, token => $admin,
			defined $step->{body} ? (body => $step->{body}) : ()));
	return;
}

sub judge
{
	my ($walker) = @_;
	my $step = $walker->{step};
	my $answer = $walker->{wire}->answer($step->{method});
	my $what = "$step->{method} $step->{path}";

	if (!$answer)
	{
		push @{ $walker->{faults} }, "$what: no answer";
		return;
	}
	push @{ $walker->{statuses} }, $answer->{status};
	push @{ $walker->{faults} }, "$what: $answer->{status} $answer->{body}"
	  if $answer->{status} != $step->{status} || ($step->{empty} && $answer->{body} ne '');
	return if $answer->{status} != $step->{status} || !$step->{check};
	my $fault = $step->{check}->($json->decode($answer->{body}), $answer);
	push @{ $walker->{faults} }, "$what: wrong $fault: $answer->{body}" if $fault;
	return;
}

sub new_walker
{
	my ($number) = @_;
	return {
		number => $number, at => 0, tokens => [], secrets => {}, statuses => [], faults => [],
		wire => PatWire->new($bridge->port) };
}

# That the account of a walker is gone, and its tokens with it.
sub is_gone
{
	my ($walker) = @_;
	my @after = map { $walker->{wire}->call('GET', '/api/admin/user/tokens', token => $_)->{status} }
	  sort keys %{ $walker->{secrets} };
	push @after,
	  $walker->{wire}->call('GET', "$accounts/$walker->{account}/token", token => $admin)->{status};
	return "@after" eq '401 401 404';
}

sub events
{
	return map { split /\|/ } split /\n/,
	  $node->safe_psql('postgres', 'SELECT type, count(*) FROM pat_event GROUP BY type');
}

my %events_before = events();
my $alone = new_walker('alone');
for my $step (@steps)
{
	ask($alone);
	judge($alone);
	is(scalar @{ $alone->{faults} }, 0, "$alone->{step}{method} $alone->{step}{path}")
	  or diag($alone->{faults}[-1]);
}
is("@{ $alone->{statuses} }", $promised, 'the walk over one connection');
ok(is_gone($alone), 'its account is gone and its tokens are of no use');

my @walkers = map { new_walker($_) } 1 .. $walkers;
for my $step (@steps)
{
	ask($_) for @walkers;
	judge($_) for @walkers;
}
is(scalar(grep { "@{ $_->{statuses} }" eq $promised } @walkers), $walkers,
	"the walk over $walkers connections at once");
my @faults = map { @{ $_->{faults} } } @walkers;
is(scalar @faults, 0, 'every body is consistent');
diag(join "\n", splice @faults, 0, 5) if @faults;
is(scalar(grep { is_gone($_) } @walkers), $walkers, 'the accounts are gone');
my %ids = map { $_->{account} => 1 } @walkers;
is(scalar keys %ids, $walkers, 'each had an id of its own');
my %events = events();
is_deeply({ map { ($_ => $events{$_} - ($events_before{$_} || 0)) } keys %events },
	{
		'service-account-created' => 65, 'service-account-token-created' => 130,
		'service-account-token-deleted' => 65, 'service-account-updated' => 65,
		'service-account-deleted' => 65,
		map { ($_ => 0) } grep { !/^service-account-/ } keys %events
	},
	'every change stands in the audit trail once');

# The same name for all of them: one gets it.
my @rivals = map { new_walker($_) } 1 .. 16;
$_->{wire}->send(PatWire::request('POST', $accounts, token => $admin,
		body => '{"username":"coveted","name":"n","rootRole":3}'))
  for @rivals;
my @won = sort map { $_->{wire}->answer->{status} } @rivals;
is("@won", join(' ', 201, (409) x 15), 'of sixteen accounts with one username one is created');

# ---- a caller's own tokens ---------------------------------------------------------------------

my $own = '/api/admin/user/tokens';
my $wire = PatWire->new($bridge->port);
my $viewer = $sample->{viewer};

is($wire->call('GET', $own, token => $viewer)->{status}, '200', 'a person lists their tokens');
my $list = $node->safe_psql('postgres', "SELECT pat_list('$viewer')");
is_json_answer($wire->call('GET', $own, token => $viewer), 200, $list, '... which SQL says too');
my $made = $wire->call('POST', $own, token => $viewer,
	body => qq({"description":"phone","expiresAt":"$later"}));
is_json_answer($made, 201, undef, 'a person creates a token');
my $phone = $json->decode($made->{body});
is($made->{headers}{location}, "$own/$phone->{id}", '... Location');
is($phone->{userId}, $sample->{person}, '... of their own');
is($wire->call('GET', $own, token => $phone->{secret})->{status}, '200', '... which works');
my $others = $node->safe_psql('postgres',
	"SELECT min(id) FROM pat_token WHERE account_id <> $sample->{person}");
my $tokens = 'SELECT count(*) FROM pat_token';
my $count = $node->safe_psql('postgres', $tokens);
is_refused($wire->call('DELETE', "$own/$others", token => $viewer), 404, 'NotFoundError', undef,
	'404: somebody else\'s token');
is_refused($wire->call('DELETE', "$own/$_", token => $viewer), 404, 'NotFoundError', undef,
	"404: token $_")
  for 'abc', '-1', '999999', '%31x';
is($node->safe_psql('postgres', $tokens), $count, '... and nothing is deleted');
is($wire->call('DELETE', "$own/$phone->{id}", token => $phone->{secret})->{status}, '200',
	'a token deletes itself');
is_refused($wire->call('GET', $own, token => $phone->{secret}), 401, 'AuthenticationRequired', undef,
	'... and the very next request with it is refused');

my $bot = $sample->{bot};
is($wire->call('GET', $own, token => $bot)->{status}, '200', 'a service account lists its tokens');
is_json_answer($wire->call('GET', $own, token => $bot), 200,
	$node->safe_psql('postgres', "SELECT pat_list('$bot')"), '... which SQL says too');
is_refused($wire->call('POST', $own, token => $bot,
		body => qq({"description":"more","expiresAt":"$later"})),
	403, 'ForbiddenError', 'Service accounts cannot create tokens of their own.',
	'403: but it may not mint');
for my $call ([ 'GET', $own ], [ 'POST', $own ], [ 'DELETE', "$own/1" ])
{
	my ($method, $path) = @$call;
	is_refused($wire->call($method, $path, token => $admin,
			$method eq 'POST' ? (body => qq({"description":"d","expiresAt":"$later"})) : ()),
		403, 'ForbiddenError', 'PATs require an authenticated user.',
		"403: $method with an admin token");
}
is_refused($wire->call('GET', $own), 401, 'AuthenticationRequired', undef, '401: with none');
is($node->safe_psql('postgres', $tokens), $count - 1, 'nothing else has changed');

$bridge->stop_ok;
done_testing();
