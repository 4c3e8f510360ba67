# The command line of pat-bridge: help, version, check; what is wrong is named, where it stands, and
# ends with status 2; a value comes from the command line before the environment before the file;
# addresses of all kinds are listened on, several at once.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;
use PatBridge;
use PatWire;

my $binary = PatBridge->binary;
my $directory = PostgreSQL::Test::Utils::tempdir();
delete @ENV{ grep { /^PAT_BRIDGE_/ } keys %ENV };

# run(ENV, ARGUMENT…): { status, out, err } of a run that ends by itself.
sub run
{
	my ($env, @arguments) = @_;
	local %ENV = (%ENV, %$env);
	my ($out, $err) = ('', '');
	IPC::Run::run([ $binary, @arguments ], '<', \undef, '>', \$out, '2>', \$err,
		IPC::Run::timeout(60));
	return { status => $? >> 8, out => $out, err => $err };
}

sub config
{
	my ($text) = @_;
	my $path = "$directory/bridge.conf";
	open(my $file, '>', $path) or die "$path: $!";
	print $file $text;
	close $file or die "$path: $!";
	return $path;
}

# That these arguments are refused with this message and nothing else happens.
sub refused
{
	my ($message, $env, @arguments) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $run = run($env, @arguments);
	my $what = join ' ', @arguments, map { "$_=$env->{$_}" } sort keys %$env;
	is($run->{status}, 2, "exit 2: $what");
	like($run->{err}, $message, '... and says why');
	is(scalar(split /\n/, $run->{err}), 2, '... in a line, and one that points to --help');
	is($run->{out}, '', '... and nothing else');
	return;
}

# ---- help, version, check ----------------------------------------------------------------------

my $help = run({}, '--help');
is($help->{status}, 0, '--help: exit 0');
is($help->{err}, '', '... says nothing else');
my @options = $help->{out} =~ /^ *--([a-z-]+)/mg;
my @with_value = $help->{out} =~ /^ *--([a-z-]+) [A-Z]/mg;
for my $name (qw(listen db workers read-connections write-connections request-timeout
	max-connections max-queue max-response-memory max-connections-per-address max-header-size max-body-size
	client-timeout idle-timeout drain-timeout reuse-port unix-socket-mode unix-socket-group user group
	core-dumps tls-cert tls-key log-format log-level config check version help))
{
	ok((grep { $_ eq $name } @options), "... knows --$name");
}
is(scalar(grep { length > 130 } split /\n/, $help->{out}), 0, '... in lines one can read');
like($help->{out}, qr/^ *--tls-cert .*TCP addresses of --listen speak TLS/m,
	'... and says which addresses speak TLS');
like($help->{out}, qr/^ *--max-connections .*make room/m, '... and who makes room for new clients');
my $version = run({}, '--version');
is($version->{status}, 0, '--version: exit 0');
like($version->{out}, qr/\Apat-bridge \d+\.\d+\S*\n\z/, '... says it');
my $check = run({}, '--check', '--db', 'host=/nowhere');
is($check->{status}, 0, '--check: exit 0, without a server');
is($check->{out}, "the configuration is valid\n", '... says so');
is(run({ PAT_BRIDGE_VERSION => '1' }, '--check', '--db', 'host=/nowhere')->{out}, $check->{out},
	'a flag is no environment variable');

# ---- what is wrong -----------------------------------------------------------------------------

my %wrong = (
	listen => [ 'nowhere', '127.0.0.1', '127.0.0.1:', '127.0.0.1:65536', '127.0.0.1:http', '[::1',
		'unix:', 'unix:relative', 'unix:/' . 'x' x 200, '' ],
	'admin-listen' => [ 'nowhere', '127.0.0.1:65536', 'unix:relative' ],
	db => [ 'nonsense=1', 'postgresql://[', "host='x" ],
	'read-db' => [ 'nonsense=1', 'postgresql://[' ],
	pooler => [ 'session', 'NONE', '' ],
	workers => [ '0', '-1', 'many', '257', '1.5', '99999999999999999999', ' 1', '0x1', '' ],
	'read-connections' => [ '0', '65', 'x' ],
	'write-connections' => [ '0', '65', 'x' ],
	'request-timeout' => [ '0', '9ms', '601s', '10m', '5 s', 's', '-1s', '1e3' ],
	'max-connections' => [ '0', '1000001', 'x' ],
	'max-queue' => [ '0', '1000001', 'x' ],
	'max-response-memory' => [ '0', '1048575', '1099511627777', '1M' ],
	'max-connections-per-address' => [ '-1', '1000001', 'x' ],
	'max-header-size' => [ '1023', '65537', '10k' ],
	'max-body-size' => [ '0', '102401', '100k' ],
	'client-timeout' => [ '0', '99ms', '3601s', '1h' ],
	'idle-timeout' => [ '0', '99ms', '3601s', '1h' ],
	'drain-timeout' => [ '3601s', '-1', '1m' ],
	'reuse-port' => [ 'yes', '1', 'ON' ],
	'core-dumps' => [ 'true' ],
	'server-timing' => [ 'true', '0' ],
	'unix-socket-mode' => [ '0', '66', '0668', '1777', '07777', 'rw', '0x1ff', '-666' ],
	'unix-socket-group' => [ 'a b', 'a:b', '../x' ],
	user => [ 'a b', 'a:b' ],
	group => [ 'a b', 'a/b' ],
	'log-format' => [ 'xml', 'JSON', '' ],
	'log-level' => [ 'loud', 'INFO', '7' ]);
# Files are opened when they are needed, which other tests are about.
is(join(' ', grep { !$wrong{$_} } sort @with_value), 'config log-file tls-cert tls-key',
	'a wrong value of every option but files');
for my $name (sort keys %wrong)
{
	my $variable = 'PAT_BRIDGE_' . uc($name =~ tr/-/_/r);
	for my $value (@{ $wrong{$name} })
	{
		refused(qr/^pat-bridge: option "--$name": /, {}, '--check', "--$name=$value");
		next if $value eq '';
		refused(qr/^pat-bridge: $variable: /, { $variable => $value }, '--check');
		my $file = config("# a comment\n\n  $name = \"$value\"  \n");
		refused(qr/^pat-bridge: \Q$file\E:3: $name: /, {}, '--check', '--config', $file);
	}
}
my $secret = run({}, '--check', '--db', "host=x password='topsecret");
is($secret->{status}, 2, 'exit 2: a broken connection string');
unlike($secret->{err}, qr/topsecret/, '... which is not repeated: it may hold a password');

refused(qr/there is no option "--nonsense"/, {}, '--nonsense');
refused(qr/there is no option "--nonsense"/, {}, '--nonsense=secret');
refused(qr/there is no option "-x"/, {}, '-x');
refused(qr/option "--workers" needs a value/, {}, '--workers');
refused(qr/option "--check" takes no value/, {}, '--check=yes');
refused(qr/there is no argument "serve"/, {}, 'serve');
refused(qr/cannot read "\Q$directory\E\/none"/, {}, '--config', "$directory/none");
refused(qr/cannot read "\Q$directory\E"/, {}, '--config', $directory);
for my $line ('nonsense = 1', 'WORKERS = 1', 'check = 1', 'config = x', '= 1')
{
	my $file = config("workers = 1\n$line\n");
	refused(qr/^pat-bridge: \Q$file\E:2: there is no setting /, {}, '--check', '--config', $file);
}
my $no_equals = config("workers = 1\n\n# x\nworkers 2\n");
refused(qr/^pat-bridge: \Q$no_equals\E:4: "workers" is not followed by = value/, {}, '--check', '--config', $no_equals);
for my $line ('db postgresql://u:topsecret@h/d?sslmode=require', 'db host=h password=topsecret',
	'postgresql://u:topsecret@h/d', 'host=h password=topsecret', '"topsecret"', 'topsecret1 = x', "db\ttopsecret")
{
	my $file = config("$line\n");
	my $run = run({}, '--check', '--config', $file);
	is($run->{status}, 2, 'exit 2: a line that may hold a password');
	like($run->{err}, qr/^pat-bridge: \Q$file\E:1: .*(?:= value|no setting)/, '... is named by its place');
	unlike($run->{err}, qr/topsecret/, '... and not repeated');
}
is(run({ PAT_BRIDGE_NONSENSE => 1, PAT_BRIDGE_PORT => 'tcp://10.0.0.1:4242' }, '--check')->{status}, 0,
	'other variables of the prefix are let be');

# ---- which one counts --------------------------------------------------------------------------

my $node = new_cluster('options');
my $sample = load_sample($node);
my $path = "/api/admin/service-account/$sample->{account}/token";
my $list = sql_list($node, $sample->{account}, $sample->{admin});

# Whether a bridge started so logs JSON.
sub format_is
{
	my ($wanted, $name, %option) = @_;
	my $bridge = PatBridge->start($node, %option);
	is($bridge->log =~ /^\{"time"/ ? 'json' : 'text', $wanted, $name);
	return $bridge->stop_ok;
}

my $json_file = config("log-format = json  \nrequest-timeout=5s\n");
format_is('text', 'the default');
format_is('json', 'the file', options => [ '--config', $json_file ]);
format_is('text', 'the environment before the file', options => [ '--config', $json_file ],
	env => { PAT_BRIDGE_LOG_FORMAT => 'text' });
format_is('json', 'the environment', env => { PAT_BRIDGE_LOG_FORMAT => 'json' });
format_is('text', 'an empty variable is none', env => { PAT_BRIDGE_LOG_FORMAT => '' });
format_is('text', 'the command line before the environment', options => [ '--log-format', 'text' ],
	env => { PAT_BRIDGE_LOG_FORMAT => 'json' });
format_is('json', 'the file by the environment', env => { PAT_BRIDGE_CONFIG => $json_file });
format_is('json', 'the last one on the command line',
	options => [ '--log-format', 'text', '--log-format=json' ]);

# libpq's own variables say what --db does not.
my $user = PatTest::bridge_role($node, 'postgres');
my $by_libpq = PatBridge->start($node, db => '',
	env => { PGHOST => $node->host, PGPORT => $node->port, PGUSER => $user, PGDATABASE => 'postgres' });
is_json_answer($by_libpq->get($path, $sample->{admin}), 200, $list, 'PG* variables');
$by_libpq->stop_ok;
my $host = $node->host =~ s{([^A-Za-z0-9])}{sprintf '%%%02X', ord $1}ger;
my $by_uri = PatBridge->start($node,
	db => "postgresql://$user\@$host:" . $node->port . '/postgres?application_name=mine');
is_json_answer($by_uri->get($path, $sample->{admin}), 200, $list, 'a URI');
is($node->safe_psql('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'mine'}),
	't', '... with all it says');
$by_uri->stop_ok;

# ---- addresses ---------------------------------------------------------------------------------

my $socket = "$directory/bridge.sock";
my $bridge = PatBridge->start($node, listen => '127.0.0.1:0',
	options => [ '--listen', "unix:$socket", '--listen', 'localhost:0', '--workers', '2' ]);
# The name may be an address of IPv6.
my @places;
ok(wait_until(sub { @places = $bridge->log =~ /listening on ((?!unix:)\S+)$/mg; @places == 2 }, 'both'),
	'two ports, chosen by the system');
my @ports = map { /:(\d+)\z/ } @places;
isnt($ports[0], $ports[1], '... not the same');
is(scalar(grep { $_ == 0 } @ports), 0, '... and told');
ok(wait_until(sub { $bridge->log =~ qr/listening on unix:\Q$socket\E$/m }, 'the socket'),
	'a socket is told as well');
is(http_call("http://$_$path", token => $sample->{admin})->{body}, $list, "curl to $_") for @places;
for my $where ((map { /^\[/ ? () : /:(\d+)\z/ } @places), $socket)
{
	for my $connection (1 .. 4)
	{
		my $wire = PatWire->new($where);
		is_json_answer($wire->call('GET', $path, token => $sample->{admin}), 200, $list,
			"served on $where") for 1, 2;
	}
}
is(http_call('http://x' . $path, token => $sample->{admin}, args => [ '--unix-socket', $socket ])->{body},
	$list, 'curl --unix-socket');
$bridge->stop_ok;
ok(!-e $socket, 'the socket is removed at the end');

# What a killed bridge leaves is no obstacle; a socket in use, or a port, is.
$bridge = PatBridge->start($node, options => [ '--listen', "unix:$socket" ]);
$bridge->stop('KILL');
ok(-S $socket, 'a killed bridge leaves its socket');
$bridge = PatBridge->start($node, options => [ '--listen', "unix:$socket" ]);
ok(PatWire->new($socket)->goes_on, '... which the next one takes over');
for my $taken ("unix:$socket", '127.0.0.1:' . $bridge->port)
{
	my $second = run({}, '--listen', $taken, '--db', 'host=/nowhere');
	is($second->{status}, 1, "exit 1: $taken is taken");
	like($second->{err}, qr/\Q$taken\E.*in use/, '... and says so');
}
ok(PatWire->new($socket)->goes_on, '... and the first goes on');
my $precious = config("precious\n");
my $over = run({}, '--listen', "unix:$precious", '--db', 'host=/nowhere');
is($over->{status}, 1, 'exit 1: a file that is no socket');
is(slurp($precious), "precious\n", '... which is left as it is');
is(run({}, '--listen', "unix:$directory/none/x", '--db', 'host=/nowhere')->{status}, 1,
	'exit 1: a directory that does not exist');
$bridge->stop_ok;

done_testing();
