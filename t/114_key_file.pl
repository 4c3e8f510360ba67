# The key file of sealed storage: the server's own rule for TLS keys (owner and permissions), a
# warning for whoever sets a file that cannot be used, an error that names the setting in the
# server's log and tells an HTTP client nothing, and the check that the documentation gives.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;
use PatBridge;

my $node = new_cluster('keyfile', settings => "log_statement = none\n");
my $bot = $node->safe_psql('postgres', q{SELECT pat_create_account('bot')});
my $admin = $node->safe_psql('postgres', q{SELECT pat_create_admin_token('root')});

sub make_key_file
{
	my ($name, $content, $mode) = @_;
	my $path = $node->basedir . "/$name";
	open(my $out, '>:raw', $path) or die "$path: $!";
	print $out $content;
	close $out or die "$path: $!";
	chmod $mode, $path or die "$path: $!";
	return $path;
}

# What the documented check says of a file: t, or the error.
sub check_of
{
	my ($path) = @_;
	my (undef, $output, $error) = $node->psql('postgres',
		"SET client_min_messages = error; SET pat.secret_key_file = '$path'; SELECT pat_token_seal(0, 0, 'x') IS NOT NULL");
	return $output . ($error =~ /ERROR:  ([^\n]*)/ ? $1 : '');
}

# ---- owner and permissions -----------------------------------------------------------------------

my $good = make_key_file('good.key', 'g' x 32, 0600);
my %own = (0400 => 't', 0600 => 't', 0700 => 't');
for my $mode (0400, 0600, 0700, 0440, 0640, 0620, 0610, 0604, 0602, 0601, 0660, 0666)
{
	my $path = make_key_file(sprintf('own-%04o', $mode), 'k' x 32, $mode);
	like(check_of($path), $own{$mode} ? qr/\At\z/ : qr/has group or world access/,
		sprintf 'B4: a file of the server\'s user, mode %04o', $mode);
}

# Nobody but root can make files of root's: a library that stands before the C library says of a file
# named as-uid-N-… that user N owns it.
my $shim = build_shim();

sub build_shim
{
	my $source = $node->basedir . '/owner.c';
	my $library = $node->basedir . '/owner.so';
	open(my $out, '>', $source) or die "$source: $!";
	print $out <<~'C';
		#define _GNU_SOURCE
		#include <dlfcn.h>
		#include <stdio.h>
		#include <string.h>
		#include <sys/stat.h>
		#include <unistd.h>

		int
		fstat(int fd, struct stat *st)
		{
			int (*real)(int, struct stat *) = (int (*)(int, struct stat *)) dlsym(RTLD_NEXT, "fstat");
			char link[32], path[4096] = "";
			unsigned uid;
			char *name;
			int result = real(fd, st);

			snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
			if (result == 0 && readlink(link, path, sizeof(path) - 1) > 0 &&
				(name = strstr(path, "/as-uid-")) != NULL && sscanf(name, "/as-uid-%u-", &uid) == 1)
				st->st_uid = uid;
			return result;
		}
		C
	close $out or die "$source: $!";
	my $said = '';
	return $library if IPC::Run::run([ 'cc', '-shared', '-fPIC', '-o', $library, $source, '-ldl' ], '>&', \$said);
	cannot_run("no C compiler that makes a library: $said");
}

$node->stop;
{
	local $ENV{LD_PRELOAD} = $shim;
	$node->start;
}
my %expected = (
	0 => { 0400 => 1, 0440 => 1, 0600 => 1, 0640 => 1, 0700 => 1, 0740 => 1,
		map { $_ => qr/has group or world access/ } 0660, 0620, 0650, 0610, 0644, 0642, 0641, 0604, 0666 },
	65534 => { map { $_ => qr/must be owned by the server's user or root/ } 0400, 0600, 0640, 0644 });
for my $uid (sort keys %expected)
{
	for my $mode (sort keys %{ $expected{$uid} })
	{
		my $message = $expected{$uid}{$mode};
		my $path = make_key_file(sprintf('as-uid-%d-%04o', $uid, $mode), 'k' x 32, $mode);
		like(check_of($path), ref $message ? $message : qr/\At\z/, sprintf 'B4: a file of user %d, mode %04o', $uid, $mode);
	}
}
my $linked = make_key_file('as-uid-0-linked', 'k' x 32, 0660);
symlink($linked, $node->basedir . '/link') or die $!;
like(check_of($node->basedir . '/link'), qr/has group or world access/, 'B4: a link is what it leads to');
$node->restart;

# ---- what is no file of 32 bytes -----------------------------------------------------------------

mkdir $node->basedir . '/directory' or die $!;
IPC::Run::run([ 'mkfifo', '-m', '600', $node->basedir . '/fifo' ]) or die 'mkfifo';
symlink($node->basedir . '/nowhere', $node->basedir . '/dangling') or die $!;
symlink($node->basedir . '/loop', $node->basedir . '/loop') or die $!;
my %unfit = (
	$node->basedir . '/nowhere' => qr/could not open secret key file ".*": No such file/,
	$node->basedir . '/dangling' => qr/could not open secret key file ".*": No such file/,
	$node->basedir . '/loop' => qr/could not open secret key file ".*": Too many levels/,
	"$good/below" => qr/could not open secret key file ".*": Not a directory/,
	'/' . 'x' x 300 => qr/could not open secret key file ".*": File name too long/,
	$node->basedir . '/directory' => qr/is not a regular file/,
	$node->basedir . '/fifo' => qr/is not a regular file/,
	'/dev/null' => qr/is not a regular file/,
	'/dev/zero' => qr/is not a regular file/,
	make_key_file('empty', '', 0600) => qr/does not hold exactly 32 bytes/,
	make_key_file('31', 'k' x 31, 0600) => qr/does not hold exactly 32 bytes/,
	make_key_file('33', 'k' x 33, 0600) => qr/does not hold exactly 32 bytes/,
	make_key_file('long', 'k' x 1000000, 0600) => qr/does not hold exactly 32 bytes/,
	make_key_file('open', 'k' x 32, 0644) => qr/has group or world access/,
	make_key_file('closed', 'k' x 32, 0000) => qr/could not open secret key file ".*": Permission denied/);
like(check_of($_), $unfit{$_}, 'B4: ' . substr($_, 0, 60)) for sort keys %unfit;
is(check_of($good), 't', 'B4: the control');
is(check_of(''), 'f', 'E4: the documented check says f where sealed storage is off');

# ---- setting it ----------------------------------------------------------------------------------

# Output, errors, and what was logged meanwhile.
sub run_and_log
{
	my ($sql, @params) = @_;
	my $before = -s $node->logfile;
	my (undef, $output, $error) = $node->psql('postgres', $sql, extra_params => \@params);
	return ($output, $error, substr(slurp($node->logfile), $before));
}

sub count { my ($text, $pattern) = @_; my $n = () = $text =~ /$pattern/g; return $n; }

my $load = "SELECT pat_token_is_usable('x') \\g /dev/null\n";
my $names_setting = qr/HINT:  The setting "pat\.secret_key_file" must name a file of 32 bytes/;
for my $path (sort keys %unfit)
{
	my ($output, $error, $log) = run_and_log("$load ALTER SYSTEM SET pat.secret_key_file = '$path'");
	my $name = substr($path, 0, 60);
	like($error, qr/WARNING:  .*$unfit{$path}.*\n$names_setting/, "E4: ALTER SYSTEM warns: $name");
	is(count("$error$log", qr/WARNING:/) . count($error, qr/ERROR/), '20', '... once, here and in the log');
	unlike("$error$log", qr/k{31}|STATEMENT/, '... without the key or the statement');
}
like(slurp($node->data_dir . '/postgresql.auto.conf'), qr/^pat\.secret_key_file = /m, '... and sets it');
my $missing = $node->basedir . '/nowhere';
my @statements = (
	"SET pat.secret_key_file = '%s'", "SET LOCAL pat.secret_key_file = '%s'",
	"SELECT set_config('pat.secret_key_file', '%s', false) \\g /dev/null\n",
	"ALTER SYSTEM SET pat.secret_key_file = '%s'", "ALTER ROLE ALL SET pat.secret_key_file = '%s'",
	"ALTER DATABASE postgres SET pat.secret_key_file = '%s'");
for my $statement (@statements)
{
	my (undef, $error) = run_and_log("$load BEGIN; " . sprintf($statement, $missing) . '; ROLLBACK')
	  unless $statement =~ /SYSTEM/;
	(undef, $error) = run_and_log($load . sprintf($statement, $missing)) if $statement =~ /SYSTEM/;
	is(count($error, qr/WARNING:  could not open secret key file/), 1, 'E4: one warning: ' . $statement =~ s/'%s'.*//sr);
	(undef, $error) = run_and_log($load . ($statement =~ /SYSTEM/ ? '' : 'BEGIN;') . sprintf($statement, $good)
		  . ($statement =~ /SYSTEM/ ? '' : '; ROLLBACK'));
	is($error, '', '... and none for a file that can be used');
	(undef, $error) = run_and_log($load . ($statement =~ /SYSTEM/ ? '' : 'BEGIN;') . sprintf($statement, '')
		  . ($statement =~ /SYSTEM/ ? '' : '; ROLLBACK'));
	is($error, '', '... or for none');
}
my (undef, $by_reset) = run_and_log("$load SET pat.secret_key_file = '$good'; RESET pat.secret_key_file; ALTER SYSTEM RESET pat.secret_key_file");
is($by_reset, '', 'E4: taking the setting back warns of nothing');
$node->safe_psql('postgres', 'CREATE ROLE regress_pat_api LOGIN');
$node->safe_psql('postgres', q{SELECT pat_grant_api('regress_pat_api')});
my $load_by_api = "SELECT pat_last_caller() \\g /dev/null\n";
my (undef, $by_other) = run_and_log("${load_by_api}SET pat.secret_key_file = '$missing'; ALTER ROLE regress_pat_api SET pat.secret_key_file = '$missing'",
	'-U', 'regress_pat_api');
unlike($by_other, qr/WARNING|could not open/, 'E4: who may not set it learns nothing of a file');
like($by_other, qr/ERROR:  permission denied to set parameter/, '... but that');
SKIP:
{
	skip 'before 15 nobody but superusers can be let set it', 1 if $node->safe_psql('postgres', 'SHOW server_version_num') < 150000;
	$node->safe_psql('postgres', 'CREATE ROLE regress_pat_setter LOGIN');
	$node->safe_psql('postgres', "$load GRANT SET ON PARAMETER pat.secret_key_file TO regress_pat_setter; SELECT pat_grant_api('regress_pat_setter')");
	my (undef, $told) = run_and_log("${load_by_api}SET pat.secret_key_file = '$missing'; SET pat.secret_key_file = '$linked'", '-U', 'regress_pat_setter');
	is(count($told, qr/WARNING:  the key file of sealed storage cannot be used/), 2, '... nor who may set it, but not see it');
	unlike($told, qr/No such file|world access/, '... of what is wrong with the file');
}

# ---- a file that cannot be used, from the configuration --------------------------------------------

$node->safe_psql('postgres', "SET pat.secret_key_file = '$good'; SELECT count(*) FROM pat_create_token($bot, 'sealed')");
my $holder = $node->background_psql('postgres');
$holder->query_safe(q{BEGIN; SELECT pat_token_is_usable('x')});
my $before = -s $node->logfile;
$node->append_conf('postgresql.conf', "pat.secret_key_file = '$missing'");
$node->reload;
ok($node->poll_query_until('postgres', q{SELECT pat_token_is_usable('x') AND current_setting('pat.secret_key_file') <> ''}),
	'the server has read its configuration');
is($holder->query(q{SELECT current_setting('pat.secret_key_file')}), $missing, '... the session in a transaction too');
$holder->quit;
is($holder->{stderr}, '', 'E4: a reload warns no session');
is(count(substr(slurp($node->logfile), $before), qr/WARNING/), 0, '... and nobody else');
my (undef, $error, $log) = run_and_log("SELECT pat_list_for_service_account($bot, '$admin')", '-U', 'regress_pat_api');
is($error, '', 'E4: nor does the first call of a session');
like($log, qr/LOG:  could not open secret key file ".*": No such file.*\n.*$names_setting/, '... which the log reports, with the setting');
my $debug = $node->safe_psql('postgres', q{SELECT name FROM pg_settings WHERE name IN ('debug_parallel_query', 'force_parallel_mode')});
my ($plan, $parallel) = run_and_log(<<~"SQL");
	SET client_min_messages = error; $load
	SET pat.secret_key_file = '$missing';
	RESET client_min_messages; SET $debug = on;
	SELECT pat_token_is_usable(repeat('x', n)) FROM generate_series(1, 3) AS n;
	SQL
is("$plan$parallel", "t\nt\nt", 'E4: nor do parallel workers');

my $create = "SELECT pat_create_for_service_account('$bot', '{\"description\":\"x\",\"expiresAt\":\"2099-01-01T00:00:00Z\"}', '$admin')";
(undef, $error, $log) = run_and_log($create, '-U', 'regress_pat_api');
like($log, qr/ERROR:  the key file of sealed storage cannot be used\n.*DETAIL:  could not open secret key file ".*": No such file.*\n.*$names_setting/,
	'E4: creating a token names the setting in the log');
unlike($error, qr/nowhere|No such file/, '... where a caller in SQL is not told the path');
like($error, qr/ERROR:  the key file of sealed storage cannot be used\n$names_setting/, '... but what to ask for');
unlike($log, qr/\Q$admin\E/, '... and no token');
my $bridge = PatBridge->start($node);
$before = -s $node->logfile;
my $answer = http_call($bridge->url("/api/admin/service-account/$bot/token"), token => $admin,
	body => '{"description":"x","expiresAt":"2099-01-01T00:00:00Z"}');
is($answer->{status}, 500, 'E4: over HTTP it is a 500');
unlike($answer->{raw}, qr/secret.key|key.file|nowhere|No such file/i, '... whose body and headers tell nothing of its cause');
like(substr(slurp($node->logfile), $before), $names_setting, '... and the log of the server names the setting');
is($bridge->get("/api/admin/service-account/$bot/token", $admin)->{status}, 200, '... while lists go on');

# The file may come later: every session finds it.
is($bridge->get("/api/admin/service-account/$bot/token", $admin)->{body} =~ tr/{// . ' ' . ($answer->{body} =~ /secret/ ? 1 : 0),
	'2 0', '... without their secrets');
make_key_file('nowhere', 'g' x 32, 0600);
is($node->safe_psql('postgres', q{SELECT pat_token_seal(0, 0, 'x') IS NOT NULL}), 't', 'E4: a file that came later is used');
$answer = http_call($bridge->url("/api/admin/service-account/$bot/token"), token => $admin,
	body => '{"description":"x","expiresAt":"2099-01-01T00:00:00Z"}');
is($answer->{status}, 201, '... by sessions that failed before, too');
my $pats = from_json($bridge->get("/api/admin/service-account/$bot/token", $admin)->{body})->{pats};
is(scalar(grep { exists $_->{secret} } @$pats), 2, '... and by those that list');
is($pats->[1]{secret}, from_json($answer->{body})->{secret}, '... the very text');
$bridge->stop_ok;

$node->stop;
done_testing();
