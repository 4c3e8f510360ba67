# The extension's tables, replicated logically to another database with the extension, by the very
# statements of doc/operations.md: nothing collides with the rows that both have from the start, and
# after the switch the target goes on where the source stopped.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;
use PatBridge;

my ($section) = slurp(source_dir() . '/doc/operations.md') =~ /^## Logical replication\n(.*?)^## /ms;
my ($publish, $subscribe, $switch) = $section =~ /^```sql\n(.*?)^```$/msg;
ok($switch, 'the documentation has three steps');

my $settings = "wal_level = logical\nmax_wal_senders = 10\nmax_replication_slots = 10\n";
my $source = new_cluster('source', settings => $settings);
my $target = new_cluster('target', settings => $settings, extension => 0);
cannot_run('row filters came with PostgreSQL 15') if $source->safe_psql('postgres', 'SHOW server_version_num') < 150000;

# What there is before, of every table; a role of one's own, a custom permission of a shipped role.
my $sample = load_sample($source);
$source->safe_psql('postgres', <<~'SQL');
	INSERT INTO pat_role (name) VALUES ('Auditor');
	INSERT INTO pat_role_permission SELECT id, 'READ_EVENT' FROM pat_role WHERE name = 'Auditor';
	INSERT INTO pat_role_permission VALUES (2, 'READ_TOKEN'), (1, 'EXTRA');
	SELECT pat_add_jwt_key('k1', 'HS256', repeat('k', 32));
	INSERT INTO pat_import VALUES ('unleash', 'token', 1, now(), 1);
	SQL
$source->safe_psql('postgres', $publish);
my $conninfo = $source->connstr('postgres') =~ s/'//gr;
(my $connect = $subscribe) =~ s/CONNECTION '[^']*'/CONNECTION '$conninfo'/;
$target->safe_psql('postgres', $connect);
$target->wait_for_subscription_sync($source, 'pat') if $target->can('wait_for_subscription_sync');
$target->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_subscription_rel WHERE srsubstate NOT IN ('r', 's')");

my @tables = ('pat_role', 'pat_role_permission', 'pat_account', 'pat_token', 'pat_jwt_key', 'pat_event', 'pat_import');

sub contents
{
	my ($node) = @_;
	# the system account of each was made with its extension
	return join "\n", map { "$_: " . $node->safe_psql('postgres',
			"SELECT * FROM $_ t WHERE t::text NOT LIKE '(-1337,unleash_system_user,%' ORDER BY t::text COLLATE \"C\"") } @tables;
}

sub is_replicated
{
	my ($name) = @_;
	$source->wait_for_catchup('pat');
	is(contents($target), contents($source), $name);
	return;
}

is_replicated('C8: what there was before');

# Every kind of change.
$source->safe_psql('postgres', <<~"SQL");
	SELECT pat_create_account('late', root_role => 2);
	SELECT pat_create_for_service_account('$sample->{empty}', '{"description":"late","expiresAt":"2099-01-01T00:00:00Z"}', '$sample->{admin}');
	SELECT pat_update_service_account('$sample->{account}', '{"rootRole":2}', '$sample->{admin}');
	UPDATE pat_role SET description = 'changed' WHERE name = 'Auditor';
	DELETE FROM pat_role_permission WHERE permission = 'READ_TOKEN';
	SELECT pat_expire_token(id) FROM pat_token WHERE description = 'laptop';
	SELECT pat_delete_token(id) FROM pat_token WHERE description = 'documented example';
	SELECT pat_list_for_service_account('$sample->{account}', '$sample->{admin}');
	SQL
is_replicated('C8: changes of every kind');
my $list = sql_list($source, $sample->{account}, $sample->{admin});
is(sql_list($target, $sample->{account}, $sample->{admin}), $list, 'C8: the list of the target is that of the source');

# Sessions of the target see that a key came and went.
my $jwt = $source->safe_psql('postgres', q{SELECT pat_jwt_sign(json_build_object('sub', 'deploy-bot', 'iat', extract(epoch FROM now())::bigint, 'exp', 4102444800), repeat('k', 32))});
my $session = $target->background_psql('postgres', on_error_stop => 0);
like($session->query("SELECT pat_list('$jwt')"), qr/"pats"/, 'C8: a key that was replicated counts');
$source->safe_psql('postgres', q{SELECT pat_retire_jwt_key('k1')});
$source->wait_for_catchup('pat');
$session->query("SELECT pat_list('$jwt')");
like($session->{stderr}, qr/You must log in/, '... until it is retired at the source');
$session->quit;

# ---- the switch ----------------------------------------------------------------------------------

my ($drop, $advance) = $switch =~ /\A(DROP[^;]*;)(.*)\z/s;
is_replicated('C8: the target has caught up');
$target->safe_psql('postgres', $drop);
my $create = qq(SELECT pat_create_for_service_account('$sample->{empty}', '{"description":"%s","expiresAt":"2099-01-01T00:00:00Z"}', '$sample->{admin}'));
my ($status, undef, $error) = $target->psql('postgres', sprintf $create, 'forgotten');
like($error, qr/ERROR:  the sequence of table "pat_(?:token|event)" lags behind its rows: id \d+ is taken\nHINT:  Advance it: SELECT setval\(/,
	'C8, C2: where the sequences were forgotten, the error says so');
unlike($error, qr/already exists/, '... and nothing else');
my $bridge = PatBridge->start($target);
my $answer = http_call($bridge->url("/api/admin/service-account/$sample->{empty}/token"), token => $sample->{admin},
	body => '{"description":"never used","expiresAt":"2099-01-01T00:00:00Z"}');
is($answer->{status}, '500', 'C2: over HTTP that is no 409');
like($answer->{body}, qr/"name":"InternalError"/, '... and the client learns nothing of the cause');
like($bridge->log, qr/lags behind its rows/, '... but the log has it');
$bridge->stop_ok('the bridge ends in order');
$target->safe_psql('postgres', $advance);
for my $name ('one', 'two')
{
	like($target->safe_psql('postgres', sprintf $create, $name), qr/"description":"$name"/, "C8: the target goes on: $name");
}
$target->safe_psql('postgres', q{
	SELECT pat_create_account('there'); SELECT pat_add_jwt_key('k2', 'HS256', repeat('l', 32)); INSERT INTO pat_role (name) VALUES ('New')});
is($target->safe_psql('postgres', 'SELECT count(*) FROM pat_role'), 5, '... with roles, too');

my $log = slurp($target->logfile);
unlike($log, qr/duplicate key/, 'C8: nothing collided');
is(() = $log =~ /ERROR: /g, () = $log =~ /ERROR:  (?:You must log in|the sequence of table)/g, '... and no other error was logged');

# An empty database can be switched, too.
$target->safe_psql('postgres', "DROP EXTENSION pat; CREATE EXTENSION pat; $advance");
is($target->safe_psql('postgres', q{SELECT pat_create_account('first') > 0}), 't', 'C8: the sequences of an empty database');

$source->stop;
$target->stop;
done_testing();
