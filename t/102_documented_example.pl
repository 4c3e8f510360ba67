# The documented example of the route, value for value: a token stored with the id, the secret and
# the three times of Unleash's example is listed with exactly these, whatever the session's settings.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;

my $node = new_cluster('example', sealed => 1);
my $time = '2023-04-19T08:15:14.000Z';
my $secret = 'user:xyzrandomstring';

my ($account, $admin) = split /\|/, $node->safe_psql('postgres', <<~"SQL");
	SELECT pat_create_account('example-bot') AS account \\gset
	SELECT id AS token FROM pat_create_token(:account, 'string', '$time', '$secret', '$time', '$time') \\gset
	SELECT :account, pat_create_admin_token('root');
	SQL

my $expected = qq({"pats":[{"id":1,"secret":"$secret","description":"string","expiresAt":"$time",)
  . qq("userId":$account,"createdAt":"$time","seenAt":"$time"}]});

is(sql_list($node, $account, $admin), $expected, 'the list, byte for byte');
is_deeply(
	from_json(sql_list($node, $account, $admin)),
	{
		pats => [
			{
				id => 1, secret => $secret, description => 'string', userId => $account + 0,
				expiresAt => $time, createdAt => $time, seenAt => $time,
			}
		]
	},
	'the list, value for value');

# What a session may set must not show.
for my $setting ("timezone = 'Asia/Kathmandu'", "datestyle = 'German, DMY'", 'intervalstyle = iso_8601',
	"client_encoding = 'LATIN1'", "bytea_output = 'escape'", 'standard_conforming_strings = off',
	"search_path = ''")
{
	my $prefix = $setting =~ /search_path/ ? 'public.' : '';
	is($node->safe_psql('postgres',
			"SET $setting; SELECT ${prefix}pat_list_for_service_account($account, '$admin')"),
		$expected, "the same with $setting");
}

# The example's token has expired: it is listed and of no other use.
my ($status, undef, $error) =
  $node->psql('postgres', "SELECT pat_list_for_service_account('$account', '$secret')");
isnt($status, 0, 'the expired token authenticates nobody');
like($error, qr/^psql:<stdin>:1: ERROR:  You must log in to use Unleash\.$/m, '... and is told so');
is(sql_list($node, $account, $admin), $expected, 'the refused use did not change the list');

$node->restart;
is(sql_list($node, $account, $admin), $expected, 'the same after a restart');

# Without the key nothing but the secret goes away.
$node->append_conf('postgresql.conf', "pat.secret_key_file = ''");
$node->reload;
(my $bare = $expected) =~ s/,"secret":"[^"]*"//;
ok($node->poll_query_until('postgres', q{SELECT current_setting('pat.secret_key_file') = ''}),
	'the setting is off');
is(sql_list($node, $account, $admin), $bare, 'with sealed storage off: no property "secret"');

$node->stop;
done_testing();
