# An HTTP load client: many keep-alive connections in one process, every answer compared.
#
#     my $report = PatLoad::run(
#         port => $bridge->port,
#         connections => 64,
#         next => sub { … return { path, token, status, body, … } or nothing when done … });
#
# Event driven, on select(): no thread, no process, no module beyond Perl's own. Bodies are
# compared byte by byte with the expected ones. It asserts nothing: the caller reads the report.

package PatLoad;

use strict;
use warnings;

use Errno qw(EAGAIN EINPROGRESS EINTR EWOULDBLOCK);
use IO::Select;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_ERROR);
use Time::HiRes ();

use constant {
	CHUNK => 65536,
	KEPT_EXAMPLES => 5,         # of each kind of failure
	RECONNECT_PAUSE => 0.02,    # seconds between tries to connect again
};

# run(…) arguments:
#   port, host        where (127.0.0.1)
#   connections       how many at the same time
#   next              code: the next request, a hash, or nothing when there are no more
#       path, token, method (GET), headers [ 'Name: value' ], content
#       status, body      what must come back; body undef = any
#   tolerate          { 503 => 1 }: statuses that may come instead of the expected one
#   reconnect         true: a lost or refused connection is no failure but counted as lost; the
#                     request is not repeated
#   answered          code called with (request, status, headers, body) after every answer
#   tick              code called in every turn of the loop, at least twenty times a second
#   idle              seconds without a byte or a connection after which the run is given up (60)
#
# Returns { asked, answered, by_status {}, tolerated, lost, connects, wrong_status, wrong_body,
#           broken, given_up, examples [] }. broken counts answers that are not HTTP, and lost
#           connections when reconnect is false.
sub run
{
	my (%argument) = @_;
	my $self = bless {
		host => '127.0.0.1', idle => 60, tolerate => {}, %argument,
		readers => IO::Select->new, writers => IO::Select->new,
		connection => {}, waiting => [], exhausted => 0,
		report => {
			by_status => {}, examples => [],
			map { $_ => 0 } qw(asked answered tolerated lost connects wrong_status wrong_body
			  broken given_up)
		},
	}, __PACKAGE__;
	local $SIG{PIPE} = 'IGNORE';

	$self->open_connection for 1 .. $argument{connections};
	$self->loop;
	return $self->{report};
}

sub loop
{
	my ($self) = @_;
	$self->{moved} = Time::HiRes::time();
	while (%{ $self->{connection} } || @{ $self->{waiting} })
	{
		my ($readable, $writable) =
		  IO::Select->select($self->{readers}, $self->{writers}, undef, 0.05);
		my $now = Time::HiRes::time();

		if ($now - $self->{moved} > $self->{idle})
		{
			$self->{report}{given_up} = 1;
			last;
		}
		$self->on_writable($_) for @{ $writable || [] };
		$self->on_readable($_) for @{ $readable || [] };
		$self->open_waiting($now);
		$self->{tick}->() if $self->{tick};
	}
	return;
}

# ---- connections -----------------------------------------------------------------------------

sub open_connection
{
	my ($self, $request) = @_;
	$request ||= $self->next_request or return;

	my $socket = IO::Socket::INET->new(
		PeerAddr => $self->{host}, PeerPort => $self->{port}, Proto => 'tcp', Blocking => 0);
	return $self->postpone($request) unless $socket;
	$socket->blocking(0);
	$self->{report}{connects}++;
	$self->{connection}{ fileno $socket } =
	  { socket => $socket, request => $request, out => wire($self, $request), in => '' };
	$self->{writers}->add($socket);
	return;
}

sub close_connection
{
	my ($self, $socket) = @_;
	$self->{readers}->remove($socket);
	$self->{writers}->remove($socket);
	my $connection = delete $self->{connection}{ fileno $socket };
	close $socket;
	return $connection->{request};
}

# The server is away: the request was never sent, so it waits for a connection.
sub postpone
{
	my ($self, $request) = @_;
	$self->fault('broken', $request, "connect: $!") unless $self->{reconnect};
	push @{ $self->{waiting} },
	  { at => Time::HiRes::time() + RECONNECT_PAUSE, request => $self->{reconnect} && $request };
	return;
}

sub open_waiting
{
	my ($self, $now) = @_;
	my @due = grep { $_->{at} <= $now } @{ $self->{waiting} };
	return unless @due;
	$self->{waiting} = [ grep { $_->{at} > $now } @{ $self->{waiting} } ];
	$self->open_connection($_->{request} || undef) for @due;
	return;
}

# The connection ended before its answer was complete.
sub connection_lost
{
	my ($self, $socket, $why) = @_;
	my $connection = $self->{connection}{ fileno $socket };
	my $never_sent = $connection->{fresh_error};
	my $request = $self->close_connection($socket);

	return $self->postpone($request) if $never_sent;
	if ($self->{reconnect}) { $self->{report}{lost}++; }
	else { $self->fault('broken', $request, $why); }
	push @{ $self->{waiting} }, { at => Time::HiRes::time() + RECONNECT_PAUSE };
	return;
}

# ---- events ----------------------------------------------------------------------------------

sub on_writable
{
	my ($self, $socket) = @_;
	my $connection = $self->{connection}{ fileno $socket } or return;

	if (!$connection->{connected})
	{
		my $error = unpack 'i', getsockopt($socket, SOL_SOCKET, SO_ERROR);
		if ($error)
		{
			$connection->{fresh_error} = 1;
			return $self->connection_lost($socket, "connect: error $error");
		}
		$connection->{connected} = 1;
		$self->{moved} = Time::HiRes::time();
		$self->{readers}->add($socket);
	}
	my $sent = syswrite $socket, $connection->{out};
	if (!defined $sent)
	{
		return if $!{EAGAIN} || $!{EINTR} || $!{EWOULDBLOCK};
		return $self->connection_lost($socket, "write: $!");
	}
	substr($connection->{out}, 0, $sent, '');
	$self->{writers}->remove($socket) if $connection->{out} eq '';
	return;
}

sub on_readable
{
	my ($self, $socket) = @_;
	my $connection = $self->{connection}{ fileno $socket } or return;

	my $got = sysread $socket, $connection->{in}, CHUNK, length $connection->{in};
	if (!defined $got)
	{
		return if $!{EAGAIN} || $!{EINTR} || $!{EWOULDBLOCK};
		return $self->connection_lost($socket, "read: $!");
	}
	return $self->connection_lost($socket, 'the server closed the connection') if $got == 0;

	$self->{moved} = Time::HiRes::time();
	my $answer = take_answer($connection);
	return unless $answer;
	if ($answer->{error})
	{
		my $request = $self->close_connection($socket);
		$self->fault('broken', $request, $answer->{error});
		return $self->open_connection;
	}
	$self->judge($connection->{request}, $answer);
	$self->go_on($socket, $connection, $answer);
	return;
}

# The next request on the same connection, or on a new one when the server closes this one.
sub go_on
{
	my ($self, $socket, $connection, $answer) = @_;

	if (($answer->{headers}{connection} || '') =~ /\bclose\b/i)
	{
		$self->close_connection($socket);
		return $self->open_connection;
	}
	my $request = $self->next_request;
	if (!$request)
	{
		$self->close_connection($socket);
		return;
	}
	$connection->{request} = $request;
	$connection->{out} = wire($self, $request);
	$self->{writers}->add($socket);
	$self->on_writable($socket);
	return;
}

sub next_request
{
	my ($self) = @_;
	return if $self->{exhausted};
	my $request = $self->{next}->();
	if ($request) { $self->{report}{asked}++; }
	else { $self->{exhausted} = 1; }
	return $request;
}

# ---- HTTP ------------------------------------------------------------------------------------

sub wire
{
	my ($self, $request) = @_;
	my $content = $request->{content};
	my @lines = (($request->{method} || 'GET') . " $request->{path} HTTP/1.1",
		"Host: $self->{host}:$self->{port}", @{ $request->{headers} || [] });

	push @lines, "Authorization: $request->{token}" if defined $request->{token};
	push @lines, 'Content-Type: application/json', 'Content-Length: ' . length $content
	  if defined $content;
	return join("\r\n", @lines, '', '') . (defined $content ? $content : '');
}

# Takes one whole answer off the front of what has arrived; nothing while it is incomplete.
sub take_answer
{
	my ($connection) = @_;
	my $end = index $connection->{in}, "\r\n\r\n";
	return if $end < 0;

	my ($status_line, @lines) = split /\r\n/, substr($connection->{in}, 0, $end);
	my ($status) = $status_line =~ m{\AHTTP/1\.1 (\d\d\d)\b}
	  or return { error => "no HTTP status line: $status_line" };
	my %headers = map { /\A([^:]+):\s*(.*)\z/ ? (lc $1 => $2) : () } @lines;
	my $length = $headers{'content-length'};
	my $bodiless = $status eq '204' || $status eq '304'
	  || ($connection->{request}{method} || '') eq 'HEAD';

	$length = 0 if $bodiless;
	return { error => "neither a length nor the lack of one: $status_line" }
	  unless defined $length && $length =~ /\A\d+\z/;
	return if length($connection->{in}) < $end + 4 + $length;

	my $body = substr $connection->{in}, $end + 4, $length;
	substr($connection->{in}, 0, $end + 4 + $length, '');
	return { error => 'more bytes than one answer' } if length $connection->{in};
	return { status => $status, headers => \%headers, body => $body };
}

# ---- the report ------------------------------------------------------------------------------

sub judge
{
	my ($self, $request, $answer) = @_;
	my $report = $self->{report};

	$report->{answered}++;
	$report->{by_status}{ $answer->{status} }++;
	if ($answer->{status} ne $request->{status})
	{
		if ($self->{tolerate}{ $answer->{status} }) { $report->{tolerated}++; }
		else { $self->fault('wrong_status', $request, "$answer->{status} $answer->{body}"); }
	}
	elsif (defined $request->{body} && $answer->{body} ne $request->{body})
	{
		$self->fault('wrong_body', $request, $answer->{body});
	}
	$self->{answered}->($request, $answer->{status}, $answer->{headers}, $answer->{body})
	  if $self->{answered};
	return;
}

sub fault
{
	my ($self, $kind, $request, $what) = @_;
	my $report = $self->{report};

	push @{ $report->{examples} },
	  "$kind: " . ($request->{method} || 'GET') . " $request->{path}: " . substr($what, 0, 300)
	  if ++$report->{$kind} <= KEPT_EXAMPLES;
	return;
}

1;
