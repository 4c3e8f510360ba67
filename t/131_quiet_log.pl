# What the server logs of a seen_at or a key file that it cannot use, or of requests that do not fit
# together, holds no token: neither the statement, in which it may be a literal, nor the context, in
# which it may be a parameter. And what a caller sets before the extension's library is loaded does
# not count.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;

my $node = new_cluster('quiet', sealed => 1, settings => "pat.seen_resolution = 0\nlog_statement = none\n");
$node->safe_psql('postgres', 'CREATE ROLE regress_pat_api LOGIN');
$node->safe_psql('postgres', q{SELECT pat_grant_api('regress_pat_api')});
my $bot = $node->safe_psql('postgres', q{SELECT pat_create_account('bot')});
my $person = $node->safe_psql('postgres', q{SELECT pat_create_account('ada', is_service => false)});
my $admin = $node->safe_psql('postgres', q{SELECT pat_create_admin_token('root')});
my $own = $node->safe_psql('postgres', "SELECT secret FROM pat_create_token($person, 'own')");
$node->safe_psql('postgres', "SELECT count(*) FROM pat_create_token($bot, 'sealed')");

# Runs a call as the role of the API; returns its output and what was logged meanwhile.
sub call_and_log
{
	my ($sql) = @_;
	my $before = -s $node->logfile;
	my (undef, $output, $error) = $node->psql('postgres', $sql, extra_params => [ '-U', 'regress_pat_api' ]);
	return ($output, substr(slurp($node->logfile), $before), $error);
}

# ---- seen_at cannot be written -----------------------------------------------------------------

$node->safe_psql('postgres', <<~'SQL');
	CREATE FUNCTION refuse(timestamptz) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$
	BEGIN
		IF $1 IS NOT NULL THEN RAISE EXCEPTION 'no room'; END IF;
		RETURN true;
	END $$;
	CREATE INDEX refusing ON pat_token (refuse(seen_at));
	SQL
for my $sql ("SELECT pat_list_for_service_account('$bot', '$admin')",
	"DO \$\$ BEGIN PERFORM pat_list_for_service_account('$bot', '$admin'); END \$\$")
{
	my ($output, $log, $error) = call_and_log($sql);
	is($error, '', 'a list goes on without its seen_at');
	like($log, qr/LOG:  could not write the last-seen time of token \d+: no room/, '... which is logged');
	unlike($log, qr/\Q$admin\E|STATEMENT:|CONTEXT:/, '... without statement and context');
}
is($node->safe_psql('postgres', "SELECT pat_caller('$admin') \\g /dev/null\nSELECT seen_written, seen_failed FROM pat_stat"),
	'0|1', 'a use that could not be written is counted');
$node->safe_psql('postgres', 'DROP INDEX refusing');

# ---- cancelled while seen_at is written --------------------------------------------------------

$node->safe_psql('postgres', <<~'SQL');
	CREATE FUNCTION cancel_me(timestamptz) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$
	BEGIN
		IF $1 IS NOT NULL THEN
			PERFORM pg_cancel_backend(pg_backend_pid());
			PERFORM pg_sleep(60);
		END IF;
		RETURN true;
	END $$;
	CREATE INDEX cancelling ON pat_token (cancel_me(seen_at));
	SQL
my ($cancelled, $cancelled_log, $cancelled_error) =
  call_and_log("\\set VERBOSITY sqlstate\nSELECT pat_list_for_service_account('$bot', '$admin')");
is($cancelled, '', 'a list that is cancelled while its seen_at is written');
like($cancelled_error, qr/ERROR:  57014$/, '... stays cancelled');
unlike($cancelled_log, qr/could not write the last-seen time/, '... which is no failure to log');
$node->safe_psql('postgres', 'DROP INDEX cancelling');

# ---- many requests, badly asked for ------------------------------------------------------------

for my $sql ("SELECT pat_answer_list_for_service_account('{$bot,$bot}'::text[], '{$admin}'::text[])",
	"SELECT pat_answer_list('{{$admin},{$own}}'::text[])")
{
	my (undef, $log, $error) = call_and_log($sql);
	like($error, qr/there are 2 ids and 1 caller tokens|must have one dimension/, 'arrays that do not fit');
	like($log, qr/ERROR:  /, '... are logged');
	unlike($log, qr/\Q$admin\E|STATEMENT:|CONTEXT:/, '... without statement and context');
}

# ---- sealed storage cannot be opened -----------------------------------------------------------

my $key = $node->safe_psql('postgres', 'SHOW pat.secret_key_file');
chmod 0644, $key or die "$key: $!";
my ($output, $log) = call_and_log("SELECT pat_list_for_service_account('$bot', '$admin')");
like($output, qr/"description":"sealed"/, 'a list goes on without secrets');
like($log, qr/secret key file .* has group or world access/, '... which is logged');
unlike($log, qr/\Q$admin\E|STATEMENT:|CONTEXT:/, '... without statement and context');
chmod 0600, $key or die "$key: $!";

# ---- a text that is too long ---------------------------------------------------------------------

# None is that the extension has stored: the owner may have taken away what bounds it.
$node->safe_psql('postgres', <<~'SQL');
	ALTER TABLE pat_token DROP CONSTRAINT pat_token_description_check,
		DROP CONSTRAINT pat_token_account_id_description_key;
	UPDATE pat_token SET description = repeat('x', 180000000) WHERE description = 'sealed';
	SQL
for my $sql ("SELECT pat_list_for_service_account('$bot', '$admin')",
	"DO \$\$ BEGIN PERFORM pat_list_for_service_account('$bot', '$admin'); END \$\$")
{
	(undef, $log, my $error) = call_and_log($sql);
	like($error, qr/a text is too long to be written as JSON/, 'a description of 180 MB is not listed');
	like($log, qr/ERROR:  a text is too long/, '... which is logged');
	unlike($log, qr/\Q$admin\E|STATEMENT:|CONTEXT:/, '... without statement and context');
}
$node->safe_psql('postgres', q{UPDATE pat_token SET description = 'sealed' WHERE length(description) > 255});

# ---- settings of the caller's ------------------------------------------------------------------

$node->append_conf('postgresql.conf', "pat.max_tokens_per_account = 1\n");
$node->reload;
my $create = "SELECT pat_create('{\"description\":\"more\",\"expiresAt\":\"2099-01-01T00:00:00Z\"}', '$own')";
my $error;
(undef, undef, $error) = call_and_log("SET pat.max_tokens_per_account = 0; $create");
like($error, qr/Too many PATs \(1\) already exist/, 'a setting made before the library is loaded does not count');
(undef, undef, $error) = call_and_log("SET pat.jwt_leeway = 60; SELECT pat_caller('$own'); SHOW pat.jwt_leeway");
like($error, qr/permission denied to set parameter "pat.jwt_leeway"/, '... and is said not to');

$node->stop;
done_testing();
