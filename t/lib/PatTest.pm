# What every TAP test of pat starts from: a cluster with the extension, sample accounts, curl.
#
#     use Test::More;
#     use FindBin;
#     use lib "$FindBin::Bin/lib";
#     use PatTest;
#     use PatBridge;
#
#     my $node = new_cluster('main', sealed => 1);
#     my $sample = load_sample($node);
#     my $bridge = PatBridge->start($node);
#     my $answer = http_call($bridge->url("/health"));
#
# A test waits for a condition (wait_until), never for a time. Where a test cannot run at all
# (root, no IPC::Run, no bridge) it is skipped, unless PAT_REQUIRE is set, as `make check` does:
# then that is a failure.

package PatTest;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename qw(dirname);
use JSON::PP ();
use POSIX qw(WNOHANG);
use Test::More;
use Time::HiRes ();

our @EXPORT = qw(new_cluster create_extension load_sample bridge_role http_call wait_until
  sql_list from_json cannot_run slurp source_dir processes_of start_beside);

my $top = dirname(dirname(dirname(abs_path(__FILE__))));

# Ends the whole test file: skipped for a developer, failed under PAT_REQUIRE.
sub cannot_run
{
	my ($reason) = @_;
	die "cannot run here: $reason\n" if $ENV{PAT_REQUIRE};
	plan(skip_all => $reason);
	exit 0;
}

BEGIN
{
	cannot_run('PostgreSQL refuses to run as root') if $> == 0;
	eval {
		require IPC::Run;
		require PostgreSQL::Test::Utils;
		require PostgreSQL::Test::Cluster;
		1;
	} or cannot_run("the modules for TAP tests of PostgreSQL do not load: $@");
}

# The top directory of the source tree.
sub source_dir { return $top; }

# new_cluster(NAME, …): a running PostgreSQL::Test::Cluster with the extension in database postgres.
#   sealed    => 1   sealed storage on, with a random key file
#   settings  => ''  lines for postgresql.conf
#   streaming => 1   may have standbys
#   extension => 0   without the extension
sub new_cluster
{
	my ($name, %option) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(allows_streaming => $option{streaming} ? 1 : 0,
		extra => [ '--encoding', 'UTF8', '--locale', 'C' ]);
	$node->append_conf('postgresql.conf', "timezone = 'UTC'\n");
	$node->append_conf('postgresql.conf', "pat.secret_key_file = '" . key_file($node) . "'\n")
	  if $option{sealed};
	$node->append_conf('postgresql.conf', $option{settings}) if $option{settings};
	$node->start;
	create_extension($node, 'postgres') unless defined $option{extension} && !$option{extension};
	return $node;
}

# A file with 32 random bytes that only its owner may read; made once per node.
sub key_file
{
	my ($node) = @_;
	my $path = $node->basedir . '/secret.key';
	return $path if -e $path;

	open(my $random, '<:raw', '/dev/urandom') or die "/dev/urandom: $!";
	read($random, my $key, 32) == 32 or die "/dev/urandom: short read";
	my $mask = umask 0077;
	open(my $out, '>:raw', $path) or die "$path: $!";
	print $out $key;
	close $out or die "$path: $!";
	umask $mask;
	return $path;
}

# create_extension(NODE, DATABASE, SCHEMA): without SCHEMA where CREATE EXTENSION puts it.
sub create_extension
{
	my ($node, $database, $schema) = @_;
	my $where = $schema ? "SCHEMA $schema" : '';
	$node->safe_psql($database, "CREATE EXTENSION pat $where");
	return;
}

# The role the bridge of a test connects as: it may call the API functions, and nothing it sends
# is logged with its parameters. SCHEMA says where the extension is, if not in the search_path.
sub bridge_role
{
	my ($node, $database, $schema) = @_;
	my $prefix = $schema ? "$schema." : '';
	my $exists = $node->safe_psql($database, "SELECT 1 FROM pg_roles WHERE rolname = 'pat_bridge'");
	$node->safe_psql($database, <<~"SQL") unless $exists;
		CREATE ROLE pat_bridge LOGIN;
		ALTER ROLE pat_bridge SET log_parameter_max_length = 0;
		ALTER ROLE pat_bridge SET log_parameter_max_length_on_error = 0;
		SQL
	$node->safe_psql($database, "SELECT ${prefix}pat_grant_api('pat_bridge')");
	return 'pat_bridge';
}

# load_sample(NODE, DATABASE, SCHEMA): accounts and tokens in a fresh extension. Returns a hash:
#   account   id of the service account deploy-bot; its first token is number 1, the documented
#             example (user:xyzrandomstring, expired), its second is bot
#   bot       a valid token of deploy-bot (a viewer)
#   person    id of a person (a viewer), viewer a valid token of theirs
#   editor    a valid token of a person who is an Editor
#   empty     id of a service account without tokens
#   admin     an admin API token
sub load_sample
{
	my ($node, $database, $schema) = @_;
	$database ||= 'postgres';
	my $path = $schema ? "SET search_path = $schema, pg_catalog;" : '';
	my $row = $node->safe_psql($database, $path . <<~'SQL');
		SELECT pat_create_account('deploy-bot', 'Deploy bot') AS account \gset
		SELECT id AS example FROM pat_create_token(:account, 'documented example',
			expires_at => '2023-04-19T08:15:14.000Z', secret => 'user:xyzrandomstring',
			created_at => '2023-04-19T08:15:14.000Z', seen_at => '2023-04-19T08:15:14.000Z') \gset
		SELECT secret AS bot FROM pat_create_token(:account, 'ci', now() + '1 day') \gset
		SELECT pat_create_account('ada', 'Ada Lovelace', is_service => false) AS person \gset
		SELECT secret AS viewer FROM pat_create_token(:person, 'laptop', now() + '1 day') \gset
		SELECT pat_create_account('grace', 'Grace Hopper', 2, false) AS editor_id \gset
		SELECT secret AS editor FROM pat_create_token(:editor_id, 'laptop', now() + '1 day') \gset
		SELECT pat_create_account('idle-bot', 'Idle bot') AS empty \gset
		SELECT pat_create_admin_token('tests') AS admin \gset
		SELECT :account, :'bot', :person, :'viewer', :'editor', :empty, :'admin';
		SQL
	my %sample;
	@sample{qw(account bot person viewer editor empty admin)} = split /\|/, $row;
	return \%sample;
}

# sql_list(NODE, ID, TOKEN, DATABASE): the list as SQL gives it, the very bytes.
sub sql_list
{
	my ($node, $id, $token, $database) = @_;
	return $node->safe_psql($database || 'postgres',
		"SELECT pat_list_for_service_account('$id', '$token')");
}

sub from_json
{
	my ($text) = @_;
	return JSON::PP->new->utf8->decode($text);
}

# http_call(URL, …): one request by the real curl. Returns {status, headers, body, raw}; header
# names in lower case, repeated ones joined by ", ". Status 000 means that there was no answer.
#   token   => the Authorization header's value
#   method  => GET unless there is a body (then POST)
#   headers => [ 'Name: value', … ]
#   body    => text; Content-Type: application/json unless a header says otherwise
#   args    => further arguments of curl
sub http_call
{
	my ($url, %option) = @_;
	my @headers = @{ $option{headers} || [] };
	my @command = ('curl', '-s', '-i', '--max-time', '60', '--path-as-is', '-g');

	push @headers, "Authorization: $option{token}" if defined $option{token};
	push @headers, 'Content-Type: application/json'
	  if defined $option{body} && !grep { /^Content-Type[:;]/i } @headers;
	push @headers, 'Expect:' if defined $option{body};
	push @command, '--data-binary', '@-' if defined $option{body};
	push @command, '-X', $option{method} if $option{method} && $option{method} ne 'HEAD';
	push @command, '-I' if ($option{method} || '') eq 'HEAD';
	push @command, map { ('-H', $_) } @headers;
	push @command, @{ $option{args} || [] }, $url;

	my $input = defined $option{body} ? $option{body} : '';
	my ($output, $errors) = ('', '');
	IPC::Run::run(\@command, '<', \$input, '>', \$output, '2>', \$errors);
	return parse_answer($output);
}

sub parse_answer
{
	my ($raw) = @_;
	my %answer = (status => '000', headers => {}, body => '', raw => $raw);

	$raw =~ s/\AHTTP\/1\.[01] 1\d\d .*?\r\n\r\n//s;
	my ($head, $body) = split /\r\n\r\n/, $raw, 2;
	return \%answer unless defined $head && $head =~ s/\AHTTP\/1\.[01] (\d\d\d)[^\r\n]*(?:\r\n)?//;
	$answer{status} = $1;
	for my $line (split /\r\n/, $head)
	{
		my ($name, $value) = split /:\s*/, $line, 2;
		$name = lc $name;
		$answer{headers}{$name} =
		  exists $answer{headers}{$name} ? "$answer{headers}{$name}, $value" : $value;
	}
	$answer{body} = defined $body ? $body : '';
	return \%answer;
}

# wait_until(CODE, WHAT, SECONDS): polls until the code returns true, at most 60 seconds or
# SECONDS; returns what it returned, or fails the test and returns nothing.
sub wait_until
{
	my ($code, $what, $seconds) = @_;
	my $deadline = Time::HiRes::time() + ($seconds || 60);

	while (1)
	{
		my $result = $code->();
		return $result if $result;
		last if Time::HiRes::time() > $deadline;
		Time::HiRes::sleep(0.02);
	}
	fail("waited for $what");
	return;
}

sub slurp
{
	my ($path) = @_;
	open(my $in, '<:raw', $path) or die "$path: $!";
	local $/;
	my $text = <$in>;
	return defined $text ? $text : '';
}

# Processes that were started with a path below the directory.
sub processes_of
{
	my ($directory) = @_;
	return grep { (eval { slurp("/proc/$_/cmdline") } || '') =~ /\Q$directory\E/ }
	  map { m{(\d+)\z} } glob '/proc/[0-9]*';
}

my @beside;

# start_beside(…): IPC::Run::start, whose process ends with the test at the latest, also when that
# dies: asked first, for it may have processes and files of its own.
sub start_beside
{
	my (@arguments) = @_;
	my $run = IPC::Run::start(@arguments);
	push @beside, $run;
	return $run;
}

sub end_process
{
	my ($pid) = @_;
	kill 'TERM', $pid;
	for (1 .. 500)
	{
		return if waitpid($pid, WNOHANG) != 0;
		Time::HiRes::sleep(0.02);
	}
	kill 'KILL', $pid;
	return waitpid $pid, 0;
}

END
{
	my $status = $?;
	end_process($_->{PID}) for grep { !defined $_->{RESULT} } map { @{ $_->{KIDS} } } @beside;
	$? = $status;
}

1;
