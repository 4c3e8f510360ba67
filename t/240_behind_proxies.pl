# nginx and haproxy in front of the bridge, with the very configurations that doc/operations.md shows:
# lists are what SQL says, errors pass as they are, connections to the bridge are kept, rates are
# limited, nginx sends nothing twice, and haproxy takes a bridge that has lost its database out of its
# rotation.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::UNIX;
use PatBridge;
use PatTest;
use PatWire;
use POSIX ();
use Test::More;

$ENV{PATH} .= ':/usr/sbin';
my $document = slurp(source_dir() . '/doc/operations.md');
my $directory = PostgreSQL::Test::Utils::tempdir_short();
my $node = new_cluster('proxied');
my $sample = load_sample($node);
my $path = "/api/admin/service-account/$sample->{account}/token";
my $list;

# The block of the document in that language.
sub shown
{
	my ($language) = @_;
	my ($text) = $document =~ /^```\Q$language\E\n(.*?)^```$/ms or die "no $language in the document";
	return $text;
}

# Skips for a developer, fails under make check, which installs them.
sub skip_without
{
	my ($program) = @_;
	return if grep { -x "$_/$program" } split /:/, $ENV{PATH};
	die "there is no $program" if $ENV{PAT_REQUIRE};
	skip("there is no $program", 1);
}

sub free_port { return PostgreSQL::Test::Cluster::get_free_port(); }

sub write_file
{
	my ($name, $text) = @_;
	open(my $out, '>', "$directory/$name") or die "$directory/$name: $!";
	print $out $text;
	close $out or die "$directory/$name: $!";
	return "$directory/$name";
}

# A proxy in the foreground; ends with the returned handle.
sub start_proxy
{
	my ($url, @command) = @_;
	my $log = "$directory/proxy.log";
	my $proxy = start_beside(\@command, '<', \undef, '>>', $log, '2>>', $log);
	wait_until(sub { http_call($url)->{status} ne '000' }, "$command[0] to listen")
	  or die slurp($log);
	return $proxy;
}

sub end_proxy
{
	my ($proxy, $signal) = @_;
	$proxy->signal($signal);
	$proxy->finish;
	return;
}

sub lists_ok
{
	my ($url, $name) = @_;
	is_json_answer(http_call("$url$path", token => $sample->{admin}), 200, $list, "$name: a list");
	is_refused(http_call("$url$path"), 401, 'AuthenticationRequired', undef, "$name: 401");
	is_refused(http_call("$url$path", token => $sample->{bot}), 403, 'NoAccessError', undef,
		"$name: 403");
	is_refused(http_call("$url/api/admin/service-account/abc/token", token => $sample->{admin}), 404,
		'NotFoundError', undef, "$name: 404");
	my $made = http_call("$url$path", token => $sample->{admin},
		body => qq({"description":"by $name","expiresAt":"2099-01-01T00:00:00Z"}));
	is($made->{status}, 201, "$name: a new token");
	like($made->{headers}{location}, qr{\A\Q$path\E/\d+\z}, '... with its place');
	is(http_call("$url$made->{headers}{location}", method => 'DELETE', token => $sample->{admin})
		  ->{status}, 200, '... deleted again');
	return;
}

# The first use of a token writes its seen_at; from then on lists stay as they are.
$node->safe_psql('postgres', "SELECT pat_caller('$sample->{$_}')") for qw(admin bot);
$list = sql_list($node, $sample->{account}, $sample->{admin});

# ---- nginx -------------------------------------------------------------------------------------

sub nginx_conf
{
	my ($socket, $port) = @_;
	my $http = shown('nginx');
	$http =~ s/unix:\/run\/pat-bridge\/http/unix:$socket/ or die 'no socket in the block';
	$http =~ s/127\.0\.0\.1:8080/127.0.0.1:$port/ or die 'no address in the block';
	return <<~"CONF";
		daemon off;
		worker_processes 1;
		pid $directory/nginx.pid;
		error_log stderr;
		events { worker_connections 256; }
		http {
		access_log $directory/access.log;
		client_body_temp_path $directory/body;
		proxy_temp_path $directory/proxy;
		fastcgi_temp_path $directory/fastcgi;
		uwsgi_temp_path $directory/uwsgi;
		scgi_temp_path $directory/scgi;
		$http
		}
		CONF
}

SKIP:
{
	skip_without('nginx');
	my ($socket, $port) = ("$directory/http", free_port());
	my $bridge = PatBridge->start($node,
		options => [ '--listen', "unix:$socket", '--log-level', 'info' ]);
	my $url = "http://127.0.0.1:$port";
	my $proxy = start_proxy($url, 'nginx', '-p', $directory, '-c',
		write_file('nginx.conf', nginx_conf($socket, $port)), '-e', 'stderr');

	lists_ok($url, 'nginx');
	is(http_call("$url/metrics")->{body} =~ /nginx/ ? 404 : 0, 404, 'nginx: nothing but the API');
	is(http_call("$url$path", token => $sample->{admin}, body => 'x' x 102_401)->{status}, 413,
		'nginx: a body of more than 100 kB');
	my %status;
	# From an address that has asked for nothing yet.
	my $flood = `for i in \$(seq 300); do echo url = "$url$path"; echo output = /dev/null; done |
		curl -s --interface 127.0.0.2 -K - --parallel --parallel-max 64 -H 'Authorization: $sample->{admin}' -w '%{http_code}\\n'`;
	$status{$_}++ for split /\n/, $flood;
	cmp_ok($status{200} || 0, '>=', 100, 'nginx: a burst of a hundred is served');
	cmp_ok($status{429} || 0, '>', 0, '... and what is beyond is refused');
	is(($status{200} || 0) + ($status{429} || 0), 300, '... with nothing else');
	unlike(slurp("$directory/access.log"), qr/\Q$sample->{admin}\E/, 'nginx: no token in its log');
	end_proxy($proxy, 'QUIT');
	$bridge->stop_ok;
}

# Stands in for the bridge: what is asked of it and ends in /drop has its method written down, and
# no answer but the end of the connection. All else is answered, and the connection kept.
sub serve_drops
{
	my ($socket, $said) = @_;
	my $listener = IO::Socket::UNIX->new(Local => $socket, Listen => 5) or die "$socket: $!";
	my $pid = fork;
	die "fork: $!" unless defined $pid;
	return $pid if $pid;
	alarm 300;    # nobody else ends it if the test dies
	open(my $out, '>>', $said) or POSIX::_exit(1);
	$out->autoflush;
	while (my $client = $listener->accept)
	{
		local $/ = "\r\n\r\n";
		while (my $head = <$client>)
		{
			my ($method, $what) = $head =~ m{\A(\w+) \S*/(\w+) } or last;
			if ($what eq 'drop') { print $out "$method "; last; }
			print $client "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
		}
	}
	POSIX::_exit(0);
}

SKIP:
{
	skip_without('nginx');
	my ($socket, $port, $said) = ("$directory/drops", free_port(), "$directory/said");
	my $pid = serve_drops($socket, $said);
	my $url = "http://127.0.0.1:$port";
	my $proxy = start_proxy($url, 'nginx', '-p', $directory, '-c',
		write_file('nginx.conf', nginx_conf($socket, $port)), '-e', 'stderr');
	my @methods = qw(GET PUT DELETE POST);
	my %status;

	for my $method (@methods)
	{
		is(http_call("$url/api/admin/keep")->{status}, 200, "nginx: a connection is kept, for $method");
		$status{$method} = http_call("$url/api/admin/drop", method => $method)->{status};
	}
	is_deeply(\%status, { map { ($_ => 502) } @methods }, 'nginx: a request whose connection is lost is 502');
	is(slurp($said), join('', map { "$_ " } @methods), '... and has been sent once');
	end_proxy($proxy, 'QUIT');
	kill 'KILL', $pid;
	waitpid $pid, 0;
}

# ---- haproxy -----------------------------------------------------------------------------------

SKIP:
{
	skip_without('haproxy');
	my @bridges = map { PatBridge->start($node) } 1 .. 2;
	my $port = free_port();
	my $conf = shown('haproxy');
	my @ports = map { $_->port } @bridges;
	for ([ 8080, $port ], [ 4242, $ports[0] ], [ 4243, $ports[1] ])
	{
		my ($shown, $here) = @$_;
		$conf =~ s/127\.0\.0\.1:$shown\b/127.0.0.1:$here/ or die "no port $shown in the block";
	}
	my $url = "http://127.0.0.1:$port";
	my $proxy = start_proxy("$url/health", 'haproxy', '-db', '-f', write_file('haproxy.cfg', $conf));

	lists_ok($url, 'haproxy');
	$bridges[0]->stop_ok('haproxy: one bridge ends');
	my @answers = map { http_call("$url$path", token => $sample->{admin}) } 1 .. 20;
	is(scalar(grep { $_->{status} ne '200' || $_->{body} ne $list } @answers), 0,
		'... and every list comes from the other');
	$node->stop('fast');
	ok(wait_until(
			sub { my $a = http_call("$url$path", token => $sample->{admin});
				$a->{status} eq '503' && $a->{body} =~ /No server is available/ },
			'haproxy to see that no bridge is ready'),
		'haproxy: without a database no bridge is asked');
	$node->start;
	ok(wait_until(sub { http_call("$url$path", token => $sample->{admin})->{status} eq '200' },
			'lists through haproxy'),
		'... and asked again when it is back');
	end_proxy($proxy, 'TERM');
	$bridges[1]->stop_ok;
}

done_testing();
