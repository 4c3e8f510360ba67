# Every SQL and shell block of the README runs here, in order, and prints what the README says.
#
# How a document marks its blocks, so that it stays readable:
#   ```sql             runs in psql, one session for the document
#   ```sh              runs in bash, one shell for the document; PGHOST and so on are set. Port
#                      4242 is replaced by a free one, `sudo` and `git clone` are stood in for,
#                      `make install` installs below a private directory, `make demo` runs
#                      without its package step
#   ```text, ```json or ```http right below (at most three lines between): the expected output.
#                      Identifiers, tokens, times, ports and runs of blanks are equal to each
#                      other; "…" or "..." stands for anything in a line, alone for any lines
#   <!-- not run: why -->  before a block: it is only shown
# A block without an expected output must not fail. Other documents below doc/ are run the same
# way if they contain the line <!-- every block runs in a test -->.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use PatBridge;
use PatSession qw(blocks);
use PatTest;
use Test::More;

PatBridge->binary;

sub documents
{
	my $top = source_dir();
	my @others = grep { slurp($_) =~ /^<!-- every block runs in a test -->$/m } glob "$top/doc/*.md";
	return grep { -e } "$top/README.md", sort @others;
}

sub check_block
{
	my ($session, $name, $block) = @_;
	my $what = "$name line $block->{line} ($block->{language})";

	SKIP:
	{
		skip("$what: $block->{skip}", 1) if $block->{skip};
		my $result = $session->run($block);
		if (defined $block->{output})
		{
			ok(PatSession::matches($result->{output}, $block->{output}), "$what prints what it says")
			  or diag("expected:\n", PatSession::normalize($block->{output}),
				"\ngot:\n", PatSession::normalize($result->{output}));
		}
		else
		{
			ok($result->{ok}, "$what runs") or diag($result->{output});
		}
	}
	return;
}

sub check_document
{
	my ($path, $number) = @_;
	my ($name) = $path =~ m{([^/]+)\z};
	my @blocks = grep { $_->{language} =~ /\A(?:sql|sh)\z/ } blocks(slurp($path));
	my $node = new_cluster("readme_$number", extension => 0);
	my $session = PatSession->new($node, PostgreSQL::Test::Cluster::get_free_port(),
		PostgreSQL::Test::Utils::tempdir());

	ok(scalar(@blocks), "$name has blocks");
	check_block($session, $name, $_) for @blocks;
	$session->finish;
	$node->stop;
	return;
}

my @documents = documents();
PatTest::cannot_run('there is no README.md') unless @documents;
check_document($documents[$_], $_) for 0 .. $#documents;
done_testing();
