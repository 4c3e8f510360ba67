# Every SQL and shell block of the README runs here, in order, and prints what the README says: as a
# user who has no role yet, on a server that lets users in as Debian's does (peer), with each section in
# a shell and a psql of its own. What it leaves behind is looked at afterwards.
#
# How a document marks its blocks, so that it stays readable:
#   ```sql             runs in psql, as it starts without arguments
#   ```sh              runs in bash. Port 4242 is replaced by a free one, /var/lib/postgresql by a
#                      private directory, `sudo` and `git clone` are stood in for, `make install`
#                      installs below a private directory, `make demo` runs without its package
#                      step, what installs packages does nothing
#   ```text, ```json or ```http right below (at most three lines between): the expected output.
#                      Identifiers, tokens, times, ports and runs of blanks are equal to each
#                      other; "…" or "..." stands for anything in a line, alone for any lines
#   <!-- not run: why -->  before a block: it is only shown
#   <!-- only by dev/new-user: why -->  before a block: it runs on a machine that is made for it
#   <!-- one session -->   anywhere: one psql and one shell for the whole document, which says so
# A block without an expected output must not fail. Other documents below doc/ are run the same
# way if they contain the line <!-- every block runs in a test -->: their readers have done what
# "Getting started" begins with.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use PatBridge;
use PatDebian;
use PatSession qw(blocks);
use PatTest;
use Test::More;

PatBridge->binary;
my $readme = slurp(source_dir() . '/README.md');

sub runnable { return grep { $_->{language} =~ /\A(?:sql|sh)\z/ } blocks($_[0]); }

sub documents
{
	my $top = source_dir();
	my @others = grep { slurp($_) =~ /^<!-- every block runs in a test -->$/m } glob "$top/doc/*.md";
	return ("$top/README.md", sort @others);
}

sub check_block
{
	my ($session, $name, $block) = @_;
	my $what = "$name line $block->{line} ($block->{language})";
	my $why = $block->{skip} || $block->{only};

	SKIP:
	{
		skip("$what is not run: $why", 1) if $why;
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

# ---- what a document leaves behind -------------------------------------------------------------

# Files below the reader's home, or the server's, but the copy of the tree and our own.
sub files_left
{
	my ($home) = @_;
	my @files;
	my @open = ($home);
	while (defined(my $directory = shift @open))
	{
		for my $path (glob("$directory/*"), glob("$directory/.[a-z]*"))
		{
			next if $path =~ m{\A\Q$home\E/(?:pat|installed|\.block_[^/]*)\z};
			if (-d $path) { push @open, $path; }
			else { push @files, $path; }
		}
	}
	return @files;
}

sub check_files
{
	my ($name, $home) = @_;
	my @open = grep { -f && (stat)[2] & 077 } files_left($home);
	is("@open", '', "B8: $name: no file that a block writes can be read by others");
	return;
}

# Each token got an end when it was made, also those that have been deleted since.
sub check_tokens
{
	my ($name, $session) = @_;
	my $query = "SELECT count(*) AS endless FROM pat_event WHERE type ~ '(token|pat)-created\$' AND data ->> 'expiresAt' IS NULL;\n";
	my $result = $session->run({ language => 'sql', section => 'afterwards', text => $query });
	like($result->{output}, qr/^\s*0\n\(1 row\)/m, "D2: $name: no token without an end") or diag($result->{output});
	return;
}

# The document's sample is no token here, and it says so; now it is one.
sub check_leak
{
	my ($session, $block) = @_;
	my $make = "SELECT id FROM pat_create_token(pat_create_account('leaky'), 'leaked', now() + '1 day', '$block->{input}');\n";
	$session->run({ language => 'sql', section => 'afterwards', text => $make });
	my $result = $session->run($block);
	like($result->{output}, qr/^token\|\d+\|of account\|\d+\|last used\|\nended:\|1$/m,
		'E11: the end of a leaked token is told, with whose it was');
	like($session->run($block)->{output}, qr/\Aended:\|0$/m, 'E11: ... and that there was none to end');
	return;
}

# The proxy's group may connect to the socket that the bridge of the text has made.
sub check_socket
{
	my ($session) = @_;
	my ($directory, $socket) = map { [ stat "$session->{directory}/run$_" ] } '', '/http';
	is($directory->[2] & 07777, 02750, 'E7: the directory of the socket is for the bridge and its proxy');
	is(getgrgid($directory->[5]), $session->{proxy_group}, '... whose group it has');
	is($socket->[2] & 0777, 0660, 'E7: the socket may be used by its group');
	is($socket->[5], $directory->[5], '... which is the directory\'s');
	return;
}

# What the README's own lines let in, and nobody else: the server judges by the system user.
sub check_users
{
	my ($session, $me) = @_;
	my $ask = sub {
		my ($command) = @_;
		return $session->run({ language => 'sh', section => 'afterwards', text => "$command\n" })->{output};
	};
	is($ask->(q{psql -XAtc 'SELECT current_user, current_database()'}), "$me|$me\n",
		'E2: psql without arguments reaches a database of the reader\'s own');
	is($ask->(qq{psql -XAtc 'SELECT current_user' -U pat_bridge $me}), "pat_bridge\n",
		'E1: what the reader starts gets in as pat_bridge');
	like($ask->(qq{psql -XAtc 'SELECT current_user' -U app $me}), qr/Peer authentication failed/,
		'... but as no other role');
	is($ask->(q{psql -XAtc "SELECT sys_name FROM pg_ident_file_mappings WHERE map_name = 'pat-bridge' AND error IS NULL" | sort | xargs}),
		join(' ', sort 'pat-bridge', $me) . "\n", 'E1: the map has the reader and the unit\'s user');
	is($ask->('psql -XAtc "SHOW server_encoding"'), "UTF8\n", 'E6: the database is in UTF-8');
	like($ask->(q{psql -XAtc "SELECT obj_description('pat_create_account(text,text,integer,boolean)'::regprocedure)"}),
		qr/Terraform/, 'D3: pat_create_account warns of accounts without a role');
	return;
}

# ---- one document ------------------------------------------------------------------------------

# What readers of the other documents have done: a role, a database, and the lines that let the
# bridge in.
sub get_started
{
	my ($session) = @_;
	my @begin = grep { $_->{text} =~ /createuser|SHOW (?:hba|ident)_file/ } runnable($readme);
	is(scalar(@begin), 3, 'the README has the steps that others go on from');
	check_block($session, 'README.md', { %$_, section => 'before' }) for @begin;
	return;
}

sub check_document
{
	my ($path, $number) = @_;
	my ($name) = $path =~ m{([^/]+)\z};
	my @blocks = runnable(slurp($path));
	my $server = PatDebian->new("readme_$number");
	my $home = PostgreSQL::Test::Utils::tempdir();
	my $session = PatSession->new(
		directory => $home, source => source_dir(), port => PostgreSQL::Test::Cluster::get_free_port(),
		env => $server->reader($home));

	ok(scalar(@blocks), "$name has blocks");
	get_started($session) if $name ne 'README.md';
	check_block($session, $name, $_) for @blocks;
	check_leak($session, grep { $_->{input} } @blocks) if $name eq 'operations.md';
	check_socket($session) if $name eq 'operations.md';
	check_tokens($name, $session) if $name =~ /\A(?:README|operations)\.md\z/;
	check_users($session, scalar getpwuid $>) if $name eq 'README.md';
	check_files($name, $home);
	$session->finish;
	$server->stop;
	return;
}

# ---- texts alone -------------------------------------------------------------------------------

# psql's variables that the blocks of a section use and do not set.
sub strange_variables
{
	my (@blocks) = @_;
	my (%known, %strange);
	for my $text (map { $_->{text} } grep { $_->{language} eq 'sql' || $_->{text} =~ /<<'SQL'/ } @blocks)
	{
		$known{$_} = 1 for $text =~ /\bAS (\w+)(?=[^;]*\\gset)/g, $text =~ /^\\set (\w+)/mg, $text =~ /-v (\w+)=/g;
		$strange{$_} = 1 for grep { defined && !$known{$_} } $text =~ /(?<![:\w"])(?::'(\w+)'|:([a-z]\w*))/g;
	}
	return sort keys %strange;
}

for my $path (source_dir() . '/README.md', glob(source_dir() . '/doc/*.md'))
{
	my ($name) = $path =~ m{([^/]+)\z};
	my $text = slurp($path);
	my %section;
	push @{ $section{ $_->{section} } }, $_ for runnable($text);
	my @strange = map { strange_variables(@{ $section{$_} }) } sort { $a <=> $b } keys %section;
	is("@strange", '', "E3: $name: no section needs a psql variable of another");
	# The demo prints its commands, with tokens of a database that goes at its end.
	$text =~ s/^```text\n.*?^```$//msg;
	unlike($text, qr/curl [^`\n]*Authorization/,
		"B8: $name: no command shows a token in the list of processes");
}

my @documents = documents();
check_document($documents[$_], $_) for 0 .. $#documents;
done_testing();
