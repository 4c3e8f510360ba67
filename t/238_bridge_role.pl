# What the bridge's role may do: one that lacks EXECUTE on a function that it calls makes it unready, with
# a line that says what to run, and the bridge is ready by itself soon after that was run; one that
# may do more than call has a line that warns. The server's own reason for the end of a session is in
# the log.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;
use PatBridge;
use PatWire;

my $node = new_cluster('main', settings => "max_connections = 40\nrestart_after_crash = on\n");
my $sample = load_sample($node);
my $path = "/api/admin/service-account/$sample->{account}/token";
my $role = PatTest::bridge_role($node, 'postgres');

sub sql { return $node->safe_psql('postgres', @_); }

sub start_bridge
{
	my ($user, %option) = @_;
	my $db = sprintf "host='%s' port=%d user='%s' dbname='%s'", $node->host, $node->port, $user,
	  delete $option{database} || 'postgres';
	return PatBridge->start($node, db => $db, ready => 0, %option,
		options => [ '--workers', '1', @{ $option{options} || [] } ]);
}

sub readiness { return $_[0]->get($_[1] || '/ready')->{status}; }

sub ready_soon_ok
{
	my ($bridge, $name) = @_;
	return ok(wait_until(sub { readiness($bridge) eq '200' }, 'the bridge to be ready'), $name);
}

# How often the log has a line like this.
sub lines { return scalar(() = $_[0]->log =~ /$_[1]/mg); }

# unready_ok(BRIDGE, PATTERN, NAME): it says why, once for each connection, and answers 503.
sub unready_ok
{
	my ($bridge, $pattern, $name) = @_;
	ok(wait_until(sub { $bridge->log =~ $pattern && readiness($bridge) eq '503' }, 'the line in the log'),
		"$name: the log says what to run") or diag($bridge->log);
	is_refused($bridge->get('/ready'), 503, 'ServiceUnavailableError', undef, "$name: not ready");
	is(readiness($bridge, '/ready/write'), '503', "$name: nor for changes");
	is($bridge->get('/health')->{status}, '200', "$name: healthy");
	return;
}

# ---- C9: a role without EXECUTE ------------------------------------------------------------------

sql(q{CREATE ROLE regress_pat_poor LOGIN; ALTER ROLE regress_pat_poor SET log_parameter_max_length = 0;
	ALTER ROLE regress_pat_poor SET log_parameter_max_length_on_error = 0});
my $advice = qr/role regress_pat_poor lacks EXECUTE on functions that the bridge calls; run as the owner of the extension: SELECT (\S+)\.pat_grant_api\('regress_pat_poor'\)/;
my $bridge = start_bridge('regress_pat_poor');
unready_ok($bridge, $advice, 'C9: nothing granted');
is_refused($bridge->get($path, $sample->{admin}), 503, 'ServiceUnavailableError', undef, '... lists: 503, not 500');
my ($statement) = $bridge->log =~ /(SELECT \S+pat_grant_api\('regress_pat_poor'\))/;
sql($statement);
ready_soon_ok($bridge, 'C9: ready after the very statement of the log');
is($bridge->get($path, $sample->{admin})->{status}, '200', '... lists');
is(lines($bridge, qr/"read 1" is not available: role/), 1, '... which the log has once for each connection');

# One function of a pool is enough, of whichever pool.
for my $case ([ 'pat_create(json, text)', 'write', 'pat_create' ],
	[ 'pat_answer_list_for_service_account(text[], text[])', 'read', 'pat_answer_list_for_service_account' ],
	[ 'pat_last_caller()', 'write', 'pat_last_caller' ])
{
	my ($function, $pool, $name) = @$case;
	sql("REVOKE EXECUTE ON FUNCTION $function FROM regress_pat_poor");
	my $other = start_bridge('regress_pat_poor');
	unready_ok($other, qr/"$pool 1" is not available: $advice \(missing: [^)]*\b$name\b/, "C9: without $name");
	is($other->get($path, $sample->{admin})->{status}, $name =~ /answer|caller/ ? '503' : '200',
		'... the other pool serves');
	sql("SELECT pat_grant_api('regress_pat_poor')");
	ready_soon_ok($other, '... ready soon after the grant');
	$other->stop_ok;
}

# Noticed while it runs, by the first call that is not permitted.
sql('REVOKE EXECUTE ON FUNCTION pat_delete(text, text) FROM regress_pat_poor');
http_call($bridge->url('/api/admin/user/tokens/1'), method => 'DELETE', token => $sample->{viewer});
unready_ok($bridge, qr/"write 1" is not available: $advice/, 'C9: revoked while it runs');
is($bridge->get($path, $sample->{admin})->{status}, '200', '... lists go on');
sql("SELECT pat_grant_api('regress_pat_poor')");
ready_soon_ok($bridge, '... ready soon after the grant');
ok(wait_until(sub { readiness($bridge, '/ready/write') eq '200' }, 'the write pool'), '... for changes, too');
$bridge->stop_ok;

# USAGE on the schema, which no search_path has; its name has to be quoted.
$node->safe_psql('postgres', 'CREATE DATABASE away');
$node->safe_psql('away', q{CREATE SCHEMA "the Place"});
PatTest::create_extension($node, 'away', '"the Place"');
$node->safe_psql('away', q{SELECT "the Place".pat_grant_api('regress_pat_poor');
	REVOKE USAGE ON SCHEMA "the Place" FROM regress_pat_poor});
$bridge = start_bridge('regress_pat_poor', database => 'away');
unready_ok($bridge, $advice =~ s/\\S\+/"the Place"/r, 'C9: no USAGE on the schema');
$node->safe_psql('away', q{SELECT "the Place".pat_grant_api('regress_pat_poor')});
ready_soon_ok($bridge, '... ready soon after the grant');
$bridge->stop_ok;

# No extension at all.
$node->safe_psql('postgres', 'CREATE DATABASE bare');
$bridge = start_bridge('regress_pat_poor', database => 'bare');
unready_ok($bridge, qr/the extension is not installed in this database; run there: CREATE EXTENSION pat/,
	'C9: no extension');
$node->safe_psql('bare', 'CREATE EXTENSION pat');
unready_ok($bridge, $advice, 'C9: then nothing granted');
$node->safe_psql('bare', q{SELECT pat_grant_api('regress_pat_poor')});
ready_soon_ok($bridge, '... ready soon after the grant');
$node->safe_psql('bare', 'DROP EXTENSION pat');
$bridge->get($path, $sample->{admin});
ok(wait_until(sub { readiness($bridge) eq '503' }, 'not ready'), 'C9: dropped while it runs: not ready');
$bridge->stop_ok;

# ---- B6: a role that may do more -----------------------------------------------------------------

sql(q{CREATE ROLE regress_pat_super LOGIN SUPERUSER; CREATE ROLE regress_pat_owner LOGIN;
	CREATE ROLE regress_pat_member LOGIN IN ROLE regress_pat_owner;
	CREATE ROLE regress_pat_idle LOGIN NOINHERIT IN ROLE regress_pat_owner;
	CREATE ROLE regress_pat_reader LOGIN; CREATE ROLE regress_pat_all LOGIN IN ROLE pg_read_all_data;
	GRANT SELECT ON pat_token TO regress_pat_reader});
# Who creates an extension owns it for good.
$node->safe_psql('postgres', 'CREATE DATABASE owned OWNER regress_pat_owner');
$node->safe_psql('owned', q{ALTER ROLE regress_pat_owner SUPERUSER; SET ROLE regress_pat_owner;
	CREATE EXTENSION pat; RESET ROLE; ALTER ROLE regress_pat_owner NOSUPERUSER});
for my $user (qw(super owner member idle reader all))
{
	sql("ALTER ROLE regress_pat_$user SET $_ = 0")
	  for qw(log_parameter_max_length log_parameter_max_length_on_error);
	$node->safe_psql($_, "SELECT pat_grant_api('regress_pat_$user')") for qw(postgres owned);
}
for my $case (
	[ super => 'postgres', qr/is a superuser/ ],
	[ owner => 'owned', qr/owns the extension/ ],
	[ member => 'owned', qr/owns the extension, or is a member/ ],
	[ idle => 'owned', qr/owns the extension, or is a member/ ],
	[ reader => 'postgres', qr/has privileges on tables/ ],
	[ all => 'postgres', qr/has privileges on tables/ ])
{
	my ($user, $database, $reason) = @$case;
	my $powerful = start_bridge("regress_pat_$user", database => $database,
		options => [ '--workers', '2', '--read-connections', '2' ]);
	ok(wait_until(sub { $powerful->log =~ /"read 2" is up.*"read 2" is up/s }, 'all connections'),
		"B6: $user: all connections");
	is(lines($powerful, qr/warning the database role regress_pat_$user $reason\b[^:]*: give the bridge/), 1,
		'... one line warns');
	is(lines($powerful, qr/give the bridge a role/), 1, '... and no other');
	$powerful->stop_ok;
}
my $weak = start_bridge('pat_bridge');
ready_soon_ok($weak, 'B6: the documented role');
unlike($weak->log, qr/warning/, '... no line warns');
$weak->stop_ok;
my $both = start_bridge('pat_bridge',
	options => [ '--read-db', sprintf "host='%s' port=%d user=regress_pat_super dbname=postgres",
		$node->host, $node->port ]);
ready_soon_ok($both, 'B6: a superuser in --read-db');
is(lines($both, qr/warning the database role regress_pat_super is a superuser/), 1, '... one line warns');
$both->stop_ok;

# ---- F19: why a session ended --------------------------------------------------------------------

$bridge = start_bridge('pat_bridge');
ok(wait_until(sub { readiness($bridge, '/ready/write') eq '200' }, 'both pools'), 'F19: both pools');
my $terminate = q{SELECT count(pg_terminate_backend(pid, 60000)) FROM pg_stat_activity WHERE usename = 'pat_bridge'};
is(sql($terminate), 2, '... two sessions are ended');
for my $name ('read 1', 'write 1')
{
	ok(
		wait_until(
			sub { $bridge->log =~ /"$name" lost: FATAL:  terminating connection due to administrator command/ },
			'the line'),
		"F19: $name: the log has the server's own reason") or diag($bridge->log);
}
unlike($bridge->log, qr/lost: server closed the connection/, '... and nothing else');

# With a call under way.
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; LOCK TABLE pat_token IN ACCESS EXCLUSIVE MODE');
ok(wait_until(sub { readiness($bridge, '/ready/write') eq '200' }, 'both pools'), '... up again');
my $wire = PatWire->new($bridge->port);
$wire->send("DELETE $path/999 HTTP/1.1\r\nHost: x\r\nAuthorization: $sample->{admin}\r\n\r\n");
ok(wait_until(
	sub { sql(q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'pat_bridge' AND wait_event_type = 'Lock'}) },
	'the call'), '... with a call under way');
sql($terminate);
is_refused($wire->answer, 503, 'ServiceUnavailableError', undef, '... 503');
is(lines($bridge, qr/"write 1" lost: FATAL:  terminating connection due to administrator command\s*$/m), 2,
	'... with the reason, and nothing of the call') or diag($bridge->log);
$holder->quit;

# A restart, and the crash of another session.
$node->restart;
ok(wait_until(sub { readiness($bridge) eq '200' }, 'lists'), 'F19: a restart');
my $backend = sql(q{SELECT pid FROM pg_stat_activity WHERE usename = 'pat_bridge' LIMIT 1});
my $victim = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $victim->query('SELECT pg_backend_pid()');
kill 'KILL', $pid;
ok(wait_until(
	sub { $bridge->log =~ /lost: WARNING:  terminating connection because of crash of another server process/ },
	'the line'), 'F19: the crash of another session') or diag($bridge->log);
eval { $victim->quit };
ok(wait_until(sub { readiness($bridge) eq '200' }, 'lists'), '... lists again');
$bridge->stop_ok;

$node->stop;
done_testing();
