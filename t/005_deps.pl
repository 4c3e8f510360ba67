# What is installed for which purpose: .ci/deps on a machine that has nothing, where sudo writes down
# what it is asked for.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;
use Test::More;

my $directory = PostgreSQL::Test::Utils::tempdir();
mkdir "$directory/bin" or die "$directory/bin: $!";
my $top = source_dir();

# Programs that every Debian has; all others are missing. This apt knows no package.
for my $program (qw(bash sh cat cut dirname basename env find grep head id mktemp rm sed sort tail tr))
{
	my ($path) = grep { -x } map { "$_/$program" } split /:/, $ENV{PATH};
	symlink $path, "$directory/bin/$program" or die "$program: $!";
}
for my $program (qw(sudo apt-get apt-cache))
{
	open(my $out, '>', "$directory/bin/$program") or die "$program: $!";
	print $out "#!/bin/sh\necho \"$program \$*\" >>'$directory/asked'\n";
	close $out or die "$program: $!";
	chmod 0755, "$directory/bin/$program";
}

# packages(COMMAND…): what the command would install.
sub packages
{
	my (@command) = @_;
	local %ENV = (PATH => "$directory/bin", PG_CONFIG => 'pg_config');
	my ($output, $errors) = ('', '');
	IPC::Run::run(\@command, '<', \undef, '>', \$output, '2>', \$errors);
	is($?, 0, "@command succeeds") or diag "$output\n$errors";
	my ($packages) = $output =~ /^Installing what is missing \(.*?\): (.*)$/m;
	return { map { $_ => 1 } split / /, $packages // '' };
}

# The purposes of a goal of the makefile, as it hands them on.
sub purposes
{
	my ($goal) = @_;
	my $commands = `make -s -n -C $top $goal`;
	like($commands, qr{/\.ci/deps [a-z ]+$}m, "make $goal installs packages");
	my ($purposes) = $commands =~ m{/\.ci/deps ([a-z ]+)$}m;
	return split / /, $purposes // '';
}

my @for_tests = qw(nginx haproxy pgbouncer slowhttptest mandoc uidmap libipc-run-perl clang-format-14);
my $build = packages('bash', "$top/.ci/deps", purposes('deps'));
my $check = packages('bash', "$top/.ci/deps", purposes('deps-check'));
my $lint = packages('bash', "$top/.ci/deps", 'lint');

is_deeply([ grep { $build->{$_} } @for_tests, 'valgrind', 'clang' ], [], 'E9: make deps installs nothing for tests');
is(scalar(grep { $build->{$_} } qw(gcc libmicrohttpd-dev libjwt-dev libssl-dev curl)), 5,
	'E9: make deps installs what building and running need');
is(scalar(grep { /\Apostgresql-server-dev-/ } keys %$build), 1, '... with the files of PostgreSQL');
# The proxies are looked for where root's programs are, too.
is_deeply([ grep { !$check->{$_} } (grep { !-x "/usr/sbin/$_" } @for_tests), keys %$build ], [], 'E9: make deps-check adds what the tests need');
is_deeply([ grep { $lint->{$_} } qw(nginx haproxy pgbouncer slowhttptest gcc) ], [], 'E9: make lint installs no proxies');

# What README and help say of it.
my ($named) = slurp("$top/README.md") =~ /`make deps` installs.*?On Debian 12 these are\n`([^`]+)`/s;
my $mine = packages('bash', "$top/.ci/deps", 'build', 'run');
is_deeply([ sort grep { !/postgresql/ } split ' ', $named // '' ], [ sort grep { !/postgresql|libc6-dev/ } keys %$mine ],
	'E9: the README names the packages of make deps');
like(`make -s -C $top help`, qr/^deps-check: /m, 'E9: make help has deps-check');

done_testing();
