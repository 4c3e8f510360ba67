# A stolen token, and what its end does not end: tokens made with it go on, as doc/security.md says,
# and what that document gives to find and end them finds and ends all of them.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;
use PatSession qw(blocks);

my $node = new_cluster('stolen');
my $sample = load_sample($node);
my $document = slurp(source_dir() . '/doc/security.md');
my ($section) = $document =~ /^## After a theft\n(.*?)^## /ms;
my @sql = map { $_->{text} } grep { $_->{language} eq 'sql' } blocks($section);
is(scalar @sql, 3, 'the document looks, shows and ends');

sub outcome
{
	my ($token) = @_;
	my (undef, $output, $error) = $node->psql('postgres', "SELECT username FROM pat_caller('$token')");
	return $error =~ /ERROR:  ([^\n]*)/ ? $1 : $output;
}

# Made through the API until the end of the year 9999, by the given token.
sub mint
{
	my ($function, $description, $token) = @_;
	my $made = from_json($node->safe_psql('postgres',
		"SELECT $function'{\"description\":\"$description\",\"expiresAt\":\"9999-12-31T23:59:59.999Z\"}', '$token')"));
	return @$made{qw(id secret)};
}

# Of a person, deleted and expired; of an administrator.
my $refused = 'You must log in to use Unleash.';
my %end = (
	deleted => "SELECT pat_remove_token(account_id, id::text, NULL, NULL) FROM pat_token WHERE id = %d",
	expired => 'UPDATE pat_token SET expires_at = now() WHERE id = %d');
for my $kind (qw(person administrator))
{
	for my $end (sort keys %end)
	{
		my $role = $kind eq 'person' ? 3 : 1;
		my $account = $node->safe_psql('postgres',
			"SELECT pat_create_account('$kind-$end', root_role => $role, is_service => false)");
		my ($id, $stolen) = split /\|/, $node->safe_psql('postgres', "SELECT id, secret FROM pat_create_token($account, 'stolen')");
		my (undef, $mine) = split /\|/, $node->safe_psql('postgres', "SELECT id, secret FROM pat_create_token($account, 'mine')");
		my %made;
		@made{qw(first first_secret)} = mint('pat_create(', 'first', $stolen);
		@made{qw(second second_secret)} = mint('pat_create(', 'second', $made{first_secret});
		my @made = ($made{first}, $made{second});
		if ($kind eq 'administrator')
		{
			@made{qw(third third_secret)} = mint("pat_create_for_service_account('$sample->{account}', ", "third-$end", $made{second_secret});
			push @made, $made{third};
			$node->safe_psql('postgres',
				"SELECT pat_create_service_account('{\"username\":\"hidden-$end\",\"name\":\"\",\"rootRole\":1}', '$made{second_secret}')");
		}
		# one of those between is gone, which hides nothing
		$node->safe_psql('postgres', "SELECT pat_delete('$made{first}', '$made{second_secret}')");
		@made = grep { $_ != $made{first} } @made;
		$node->safe_psql('postgres', sprintf $end{$end}, $id);
		is(outcome($stolen), $refused, "B7: the stolen token of a $kind, $end, is refused");
		is(outcome($made{second_secret}), "$kind-$end", '... what was made with it goes on');

		my ($look, $show, $remove) = map { s/stolen 7/stolen $id/r } @sql;
		is($node->safe_psql('postgres', "$look SELECT string_agg(id::text, ' ' ORDER BY id) FROM pat_token JOIN made_with_stolen USING (id)") =~ s/.*\n//sr,
			join(' ', @made), '... and is found');
		like($node->safe_psql('postgres', "$look $show"), qr/\Qservice-account-created\E.*hidden-$end/, '... with the accounts')
		  if $kind eq 'administrator';
		$node->safe_psql('postgres', "$look $remove");
		is(outcome($made{"${_}_secret"}), $refused, "... and ended: $_") for map { s/_secret//r } grep { /_secret/ } sort keys %made;
		is(outcome($mine), "$kind-$end", '... while other tokens go on');
	}
}

# A service account's token makes none.
my (undef, undef, $error) = $node->psql('postgres',
	"SELECT pat_create('{\"description\":\"x\",\"expiresAt\":\"9999-12-31T23:59:59.999Z\"}', '$sample->{bot}')");
like($error, qr/ERROR:  Service accounts cannot create tokens of their own\./, 'B7: a service account makes no tokens');

# Deleting the account ends what a person has made for themselves.
my ($own_id, $own) = mint('pat_create(', 'own', $sample->{viewer});
$node->safe_psql('postgres', "SELECT pat_delete_account($sample->{person})");
is(outcome($_), $refused, 'B7: the end of an account is the end of its tokens') for $sample->{viewer}, $own;

$node->stop;
done_testing();
