# make demo, without its package step: it shows what it promises, checks its own answers, leaves
# neither a process nor a file behind; and it fails when an answer is not the expected one.

use strict;
use warnings;

use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/lib";
use PatBridge;
use PatTest;
use Test::More;

PatBridge->binary;

# Runs the demo with a directory of our own for what it makes, so that we see what it leaves.
sub demo
{
	my (%env) = @_;
	my $work = PostgreSQL::Test::Utils::tempdir_short();
	local %ENV = (%ENV, %env);
	my ($output, $errors) = ('', '');
	IPC::Run::run([ 'bash', source_dir() . '/.ci/demo', '--work', $work ],
		'<', \undef, '>', \$output, '2>', \$errors);
	return { status => $?, output => $output, errors => $errors, work => $work };
}

my $demo = demo();
is($demo->{status}, 0, 'the demo succeeds') or diag "$demo->{output}\n$demo->{errors}";
for my $status (200, 401, 403, 404)
{
	like($demo->{output}, qr/^HTTP\/1\.1 $status /m, "it shows a $status");
}
like($demo->{output}, qr/^\$ curl -i http:\S+\/token -H "Authorization: \$ADMIN"$/m,
	'it prints the command before the answer');
like(
	$demo->{output},
	qr/^\{"pats":\[\{"id":1,"secret":"user:xyzrandomstring".*"seenAt":"2023-04-19T08:15:14\.000Z"/m,
	'it shows the documented example');
my @lists = $demo->{output} =~ /^(\{"pats":.*)$/mg;
is(scalar @lists, 2, 'the list is shown twice');
is($lists[0], $lists[1], 'psql shows the same bytes as curl');
unlike($demo->{output}, qr/"expiresAt":null|pat_create_admin_token\('\w+'\)/, 'D2: each token of it has an end');
ok(!-e $demo->{work}, 'nothing is left of its directory');
is_deeply([ processes_of($demo->{work}) ], [], 'none of its processes is left');

# A curl that forgets the header: the 200 becomes a 401, and the demo must notice.
my $bin = tempdir(CLEANUP => 1);
open(my $fake, '>', "$bin/curl") or die "$bin/curl: $!";
print $fake <<~'SH';
	#!/usr/bin/env bash
	args=()
	while [ $# -gt 0 ]; do
		if [ "$1" = -H ]; then shift 2; else args+=("$1") && shift; fi
	done
	PATH=${PATH#*:} exec curl "${args[@]}"
	SH
close $fake;
chmod 0755, "$bin/curl";

$demo = demo(PATH => "$bin:$ENV{PATH}");
is($demo->{status} >> 8, 1, 'a wrong answer fails the demo');
like($demo->{errors}, qr/^\^\^\^ expected status 200$/m, 'and it says which');
ok(!-e $demo->{work}, 'it cleans up then, too');

# No PostgreSQL to start: an error, and nothing left.
open($fake, '>', "$bin/pg_config") or die "$bin/pg_config: $!";
print $fake <<~"SH";
	#!/bin/sh
	[ "\$1" != --bindir ] || { echo $bin; exit; }
	PATH=\${PATH#*:} exec pg_config "\$@"
	SH
close $fake;
chmod 0755, "$bin/pg_config";
$demo = demo(PATH => "$bin:$ENV{PATH}", PG_CONFIG => "$bin/pg_config");
isnt($demo->{status}, 0, 'without a server the demo fails');
ok(!-e $demo->{work}, 'and cleans up');

done_testing();
