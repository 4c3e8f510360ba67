# What clients of the main route ask and must be answered: the requests for PatLoad, good ones and
# one in twenty that must be refused, with the body that SQL gives for each.
#
#     my $traffic = PatTraffic->new($node, $sample);
#     my $report = PatLoad::run(…, next => sub { $traffic->request },
#         answered => sub { $traffic->check(@_) });
#     is_deeply($traffic->faults, []);
#
# Lists are compared by PatLoad, byte by byte; errors, which carry an id of their own, here.

package PatTraffic;

use strict;
use warnings;

use PatTest;

use constant { BAD_ONE_IN => 20, KEPT_FAULTS => 10 };

my $uuid = qr/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/;

# new(CLASS, NODE, SAMPLE): makes accounts with 1, 10 and 100 tokens besides those of the sample.
sub new
{
	my ($class, $node, $sample) = @_;
	my $admin = $sample->{admin};
	my @accounts = ($sample->{account}, $sample->{empty},
		map { account_with_tokens($node, $_) } 1, 10, 100);
	my @good = map {
		{
			path => "/api/admin/service-account/$_/token", token => $admin, status => 200,
			body => sql_list($node, $_, $admin) }
	} @accounts;
	my $path = $good[0]{path};
	my $wrong = $admin =~ s/(.)$/$1 eq 'a' ? 'b' : 'a'/er;
	my @bad = (
		{ path => $path, status => 401, error => 'AuthenticationRequired' },
		{ path => $path, token => 'user:nobody', status => 401, error => 'AuthenticationRequired' },
		{ path => $path, token => $wrong, status => 401, error => 'AuthenticationRequired' },
		{ path => $path, token => $sample->{viewer}, status => 403, error => 'NoAccessError' },
		{ path => $path =~ s/\d+/abc/r, token => $admin, status => 404, error => 'NotFoundError' },
		# by functions that raise their errors: what shares their connection must not suffer
		{ path => '/api/admin/service-account', token => 'x', status => 401,
			error => 'AuthenticationRequired' },
		{ path => '/api/admin/service-account', token => $sample->{viewer}, status => 403,
			error => 'NoAccessError' });
	return bless { good => \@good, bad => \@bad, count => 0, faults => [], refused => 0 }, $class;
}

sub account_with_tokens
{
	my ($node, $count) = @_;
	my $account = $node->safe_psql('postgres', "SELECT pat_create_account('busy-$count')");
	$node->safe_psql('postgres', <<~"SQL");
		SELECT pat_create_token($account, 'token ' || n, now() + '1 day'::interval)
		FROM generate_series(1, $count) AS n
		SQL
	return $account;
}

sub request
{
	my ($self) = @_;
	my $count = $self->{count}++;
	my $set = $count % BAD_ONE_IN ? $self->{good} : $self->{bad};
	return $set->[ ($count % BAD_ONE_IN ? $count : $count / BAD_ONE_IN) % @$set ];
}

# Whether an answer that is an error has the form of one and says what was asked for.
sub check
{
	my ($self, $request, $status, $headers, $body) = @_;
	return if $status == 200;

	my %of_database = (503 => 'ServiceUnavailableError', 504 => 'TimeoutError');
	my $error = $of_database{$status} || $request->{error};
	my $fault;
	$self->{refused}++ unless $of_database{$status};
	if (!defined $error) { $fault = "a valid request was answered $status"; }
	elsif ($body !~ /\A\{"id":"($uuid)","name":"\Q$error\E","message":("[^"\\]+(?:\\"[^"\\]*)*"),"details":\[\{"message":\g{-1}\}\]\}\z/)
	{
		$fault = "the body of $status";
	}
	elsif (($headers->{'x-request-id'} || '') ne $1) { $fault = 'the id of X-Request-Id'; }
	elsif ($status == 503 && !($headers->{'retry-after'} || '')) { $fault = 'no Retry-After'; }
	push @{ $self->{faults} }, "$fault: $request->{path}: $body"
	  if defined $fault && @{ $self->{faults} } < KEPT_FAULTS;
	return;
}

sub count { return $_[0]{count}; }
sub refused { return $_[0]{refused}; }
sub faults { return $_[0]{faults}; }

1;
