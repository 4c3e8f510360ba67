# An HTTP client that sends the very bytes it is told to, on one connection, and what every answer
# of the bridge has to look like.
#
#     my $wire = PatWire->new($bridge->port);
#     $wire->send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
#     my $answer = $wire->answer;                     # { status, headers, body, interim }
#     $answer = $wire->call('GET', $path, token => $token);
#     is_refused($answer, 404, 'NotFoundError', $message, 'what is tested');
#
# Every wait ends after SECONDS at the latest, with a failure; nothing here measures time.

package PatWire;

use strict;
use warnings;

use Exporter 'import';
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP ();
use PatTest;
use Test::More;
use Time::HiRes ();

our @EXPORT = qw(is_refused is_json_answer sql_outcome is_as_sql quote_sql);

use constant { SECONDS => 60, CHUNK => 65536 };

my $uuid = qr/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/;

# new(CLASS, WHERE): a port of 127.0.0.1, or the path of a socket.
sub new
{
	my ($class, $where) = @_;
	my $socket = $where =~ m{^/}
	  ? IO::Socket::UNIX->new(Peer => $where)
	  : IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $where, Proto => 'tcp');
	die "cannot connect to $where: $!" unless $socket;
	return bless { socket => $socket, in => '', ended => 0 }, $class;
}

# send(BYTES): as much of them as the server takes; false if it closed before it had all.
sub send
{
	my ($self, $bytes) = @_;
	my $deadline = Time::HiRes::time() + SECONDS;
	my $select = IO::Select->new($self->{socket});
	local $SIG{PIPE} = 'IGNORE';

	$self->{socket}->blocking(0);
	while (length $bytes && Time::HiRes::time() < $deadline)
	{
		$self->read_some(0);    # an early answer must not fill the server's buffer
		next unless $select->can_write(0.1);
		my $sent = syswrite $self->{socket}, $bytes, CHUNK;
		if (defined $sent) { substr($bytes, 0, $sent, ''); }
		elsif (!$!{EAGAIN} && !$!{EINTR}) { last; }
	}
	$self->{socket}->blocking(1);
	return length $bytes == 0;
}

# Reads what is there, waiting at most so many seconds for it; true if something came.
sub read_some
{
	my ($self, $seconds) = @_;
	return 0 if $self->{ended};
	return 0 unless IO::Select->new($self->{socket})->can_read($seconds);
	my $got = sysread $self->{socket}, $self->{in}, CHUNK, length $self->{in};
	$self->{ended} = 1 if defined $got ? $got == 0 : !$!{EAGAIN} && !$!{EINTR};
	return $got ? 1 : 0;
}

# take(CODE): reads until the code finds what it looks for in the buffer, which it may cut.
sub take
{
	my ($self, $code) = @_;
	my $deadline = Time::HiRes::time() + SECONDS;

	while (1)
	{
		my $found = $code->();
		return $found if defined $found;
		return if $self->{ended} || Time::HiRes::time() > $deadline;
		$self->read_some(1);
	}
}

sub take_head
{
	my ($self) = @_;
	return $self->take(
		sub { return $self->{in} =~ s/\A(.*?)\r\n\r\n//s ? $1 : undef; });
}

# answer(METHOD): the next whole answer, without a body if it is one to HEAD; nothing if the
# server closes before. Interim answers (1xx) are listed in interim.
sub answer
{
	my ($self, $method) = @_;
	my @interim;

	while (defined(my $head = $self->take_head))
	{
		my ($first, @lines) = split /\r\n/, $head;
		my ($version, $status) = $first =~ m{\A(HTTP/1\.[01]) (\d\d\d)\b}
		  or die "not an answer: $first";
		push(@interim, $status), next if $status =~ /^1/;
		my %answer = (
			status => $status, version => $version, interim => \@interim, head => $head,
			headers => headers_of(@lines));
		$answer{body} = $self->take_body($method, \%answer);
		return defined $answer{body} ? \%answer : undef;
	}
	return;
}

sub headers_of
{
	my (@lines) = @_;
	my %headers;
	for my $line (@lines)
	{
		my ($name, $value) = split /:\s*/, $line, 2;
		$name = lc $name;
		$headers{$name} = exists $headers{$name} ? "$headers{$name}, $value" : $value;
	}
	return \%headers;
}

sub take_body
{
	my ($self, $method, $answer) = @_;
	my $length = $answer->{headers}{'content-length'};

	return '' if ($method || '') eq 'HEAD' || $answer->{status} eq '204';
	if (!defined $length)
	{
		$self->take(sub { return });    # until the end
		return delete($self->{in}) . ($self->{in} = '');
	}
	return $self->take(
		sub { return length $self->{in} < $length ? undef : substr $self->{in}, 0, $length, ''; });
}

# Whether the server closes the connection, with nothing more said on it.
sub is_closed
{
	my ($self) = @_;
	$self->take(sub { return length $self->{in} ? 1 : undef });
	return $self->{ended} && $self->{in} eq '';
}

# Whether the connection goes on: the next request on it gets its answer.
sub goes_on
{
	my ($self) = @_;
	my $answer = $self->call('GET', '/health');
	return $answer && $answer->{status} eq '200' && $answer->{body} eq '{"health":"GOOD"}';
}

# request(METHOD, PATH, …): the bytes of a well-formed request.
#   token; headers [ 'Name: value' ]; body (Content-Type: application/json unless type is given;
#   type undef: none)
sub request
{
	my ($method, $path, %option) = @_;
	my @lines = ("$method $path HTTP/1.1", 'Host: 127.0.0.1', @{ $option{headers} || [] });

	push @lines, "Authorization: $option{token}" if defined $option{token};
	if (defined $option{body})
	{
		my $type = exists $option{type} ? $option{type} : 'application/json';
		push @lines, "Content-Type: $type" if defined $type;
		push @lines, 'Content-Length: ' . length $option{body};
	}
	return join("\r\n", @lines, '', '') . (defined $option{body} ? $option{body} : '');
}

sub call
{
	my ($self, $method, $path, %option) = @_;
	$self->send(request($method, $path, %option));
	return $self->answer($method);
}

sub close
{
	my ($self) = @_;
	return close $self->{socket};
}

# ---- what an answer must look like -------------------------------------------------------------

# The headers that every answer with a body carries.
sub json_header_faults
{
	my ($answer) = @_;
	my $headers = $answer->{headers};
	my %wanted = (
		'content-type' => 'application/json; charset=utf-8',
		'cache-control' => 'no-store',
		'x-content-type-options' => 'nosniff');
	my @faults;

	for my $name (sort keys %wanted)
	{
		my $value = defined $headers->{$name} ? $headers->{$name} : 'none';
		push @faults, "$name: $value" unless $value eq $wanted{$name};
	}
	push @faults, 'no X-Request-Id' unless ($headers->{'x-request-id'} || '') =~ /\A$uuid\z/;
	return @faults;
}

# is_json_answer(ANSWER, STATUS, BODY, NAME): the status, these very bytes, and all headers.
sub is_json_answer
{
	my ($answer, $status, $body, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @faults = $answer ? json_header_faults($answer) : ('no answer');

	push @faults, "status $answer->{status}" if $answer && $answer->{status} ne $status;
	push @faults, "body $answer->{body}" if $answer && defined $body && $answer->{body} ne $body;
	return report($name, \@faults, $status, $body);
}

# is_refused(ANSWER, STATUS, NAME, MESSAGE, TEST): an error of exactly the documented form.
# MESSAGE may be a pattern, or undef.
sub is_refused
{
	my ($answer, $status, $error, $message, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @faults = $answer ? json_header_faults($answer) : ('no answer');
	return report($name, \@faults, $status, $error) unless $answer;

	my $headers = $answer->{headers};
	push @faults, "status $answer->{status}" if $answer->{status} ne $status;
	push @faults, body_faults($answer, $error, $message);
	push @faults, 'no WWW-Authenticate: Bearer'
	  if $status == 401 && ($headers->{'www-authenticate'} || '') ne 'Bearer';
	push @faults, 'no Retry-After'
	  if $status == 503 && ($headers->{'retry-after'} || '') !~ /\A[1-9]\d*\z/;
	return report($name, \@faults, $status, "$error: " . (defined $message ? $message : '…'));
}

sub body_faults
{
	my ($answer, $error, $message) = @_;
	my $body = $answer->{body};
	my $parsed = eval { JSON::PP->new->utf8->decode($body) };
	return ("body is no JSON object: $body") unless ref $parsed eq 'HASH';

	my @faults;
	push @faults, "not id, name, message, details: $body"
	  unless $body =~ /\A\{"id":"$uuid","name":"[A-Za-z]+","message":(".+"),"details":\[\{"message":\1\}\]\}\z/s
	  && keys %$parsed == 4;
	push @faults, 'the id is not that of X-Request-Id'
	  unless ($parsed->{id} || '') eq ($answer->{headers}{'x-request-id'} || '-');
	push @faults, "name of $body" unless ($parsed->{name} || '') eq $error;
	push @faults, "message of $body"
	  if defined $message
	  && (ref $message ? $parsed->{message} !~ $message : $parsed->{message} ne $message);
	return @faults;
}

sub report
{
	my ($name, $faults, @wanted) = @_;
	my $good = ok(!@$faults, $name);
	diag('wanted ' . join(' ', grep { defined } @wanted)) unless $good;
	diag("found $_") for @$faults;
	return $good;
}

# ---- what SQL says -----------------------------------------------------------------------------

sub quote_sql
{
	my ($text) = @_;
	return 'NULL' unless defined $text;
	return q{'} . ($text =~ s/'/''/gr) . q{'};
}

# sql_outcome(NODE, CALL): { status => 200, body } or { status, name, message } of SELECT CALL.
sub sql_outcome
{
	my ($node, $call) = @_;
	my ($status, $out, $err) = $node->psql('postgres', "SELECT $call",
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return { status => 200, body => $out } if $status == 0;
	my ($http, $message) = $err =~ /ERROR:  PT(\d\d\d): (.*)\n/ or die "not of the API: $err";
	my ($name) = $err =~ /^DETAIL:  (.*)$/m or die "no name: $err";
	utf8::decode($message);
	return { status => $http, name => $name, message => $message };
}

# is_as_sql(ANSWER, STATUS, OUTCOME, NAME): the status is this one, and the answer is what SQL says.
sub is_as_sql
{
	my ($answer, $status, $outcome, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return report($name, ["SQL says $outcome->{status}"], $status) if $outcome->{status} != $status;
	return is_json_answer($answer, $status, $outcome->{body}, $name) if $status == 200;
	return is_refused($answer, $status, $outcome->{name}, $outcome->{message}, $name);
}

1;
