# How make check counts, and what it says of skips at its end: sample logs of each kind that steps.sh
# understands go through its own functions.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use PatTest;
use Test::More;

my $directory = PostgreSQL::Test::Utils::tempdir();

sub log_file
{
	my ($name, $text) = @_;
	open(my $out, '>', "$directory/$name") or die "$directory/$name: $!";
	print $out $text;
	close $out or die "$directory/$name: $!";
	return "$directory/$name";
}

# run(SCRIPT): what bash prints with the functions of steps.sh at hand.
sub run
{
	my ($script) = @_;
	my $top = source_dir();
	my ($output, $errors) = ('', '');
	my $begin = qq(set -u; . "$top/.ci/lib.sh"; . "$top/.ci/steps.sh"; work=$directory; started=\$SECONDS; steps='tap clang'; );
	IPC::Run::run([ 'bash', '-c', $begin . $script ], '<', \undef, '>', \$output, '2>', \$errors);
	is($errors, '', 'bash does not complain');
	return $output;
}

# count_of(STATUS, LOG): what the end says after one step with this log.
sub count_of
{
	my ($status, $text) = @_;
	my $log = log_file('sample', $text);
	my $output = run("count tap $status $log; close_steps");
	my ($end) = $output =~ /\A(?:tap .*\n)((?:(?!----).*\n)*)/;
	return $output =~ /^---- tap/m ? ($output =~ /((?:^\d+ skipped:\n(?: .*\n)*)?^\d+ passed, \d+ failed\n)\z/m)[0] : $end;
}

my $verbose = <<'LOG';
t/101_one.pl ..
ok 1 - fine
ok 2 # skip there is no nginx
ok 3 # skip there is no nginx
not ok 4 - later # TODO & SKIP not yet
    ok 1 # skip in a subtest
    ok 2 - in a subtest
ok 5 - a subtest
1..5
ok
t/102_two.pl ..
1..0 # SKIP no Unleash here
skipped: no Unleash here
t/103_three.pl .. ok 1 - on the line of the file
1..1
ok
All tests successful.
LOG
is(count_of(0, $verbose), <<'END', 'E10: skips of tests, of subtests and of files, with reasons and counts');
5 skipped:
    1  tap: t/101_one.pl: in a subtest
    1  tap: t/101_one.pl: not yet
    2  tap: t/101_one.pl: there is no nginx
    1  tap: t/102_two.pl: no Unleash here
2 passed, 0 failed
END

is(count_of(0, <<'LOG'), <<'END', 'E10: files that prove sums up');
t/101_one.pl .. ok
t/102_two.pl .. skipped: no Unleash here
t/103_three.pl .. skipped: (no reason given)
1 passed, 0 failed
LOG
2 skipped:
    1  tap: t/102_two.pl: no Unleash here
    1  tap: t/103_three.pl: (no reason given)
1 passed, 0 failed
END

is(count_of(0, <<'LOG'), <<'END', 'E10: a file that skips all without a reason');
t/101_one.pl ..
1..0
t/102_two.pl ..
ok 1 - fine # SKIP
LOG
2 skipped:
    1  tap: t/101_one.pl: no reason given
    1  tap: t/102_two.pl: no reason given
0 passed, 0 failed
END

is(count_of(0, <<'LOG'), <<'END', 'E10: steps of pg_regress, before version 16 and since');
test install                      ... ok           12 ms
test large                        ... skipped (ignored)
ok 1         - list                                       40 ms
ok 2         - icu # SKIP server built without ICU
LOG
2 skipped:
    1  tap: icu: server built without ICU
    1  tap: large: (ignored)
2 passed, 0 failed
END

is(count_of(0, "ok 1 - fine\n"), "1 passed, 0 failed\n", 'E10: nothing skipped, nothing said of it');
is(count_of(1, "ok 1 - fine\nnot ok 2 - bad # SKIP\nnot ok 3 - wrong\n"), <<'END', 'E10: a failure is no skip');
1 skipped:
    1  tap: bad: no reason given
1 passed, 1 failed
END
is(count_of(2, "make: *** no rule\n"), "0 passed, 1 failed\n", 'a step that failed without a word is a failure');

my $log = log_file('sample', "ok 1 # skip so\n");
my $other = log_file('other', "ok 1 # skip so\nok 2 - fine\n");
is(run("count tap 0 $log; count tap 0 $other; skip_step clang 'there is no clang'; skip_step docs 'not asked for'; close_steps")
	  =~ s/\A(?:tap .*\n)+//r, <<'END', 'E10: skips of all steps are at the end, the last line is the count');
3 skipped:
    1  clang: there is no clang
    2  tap: so
1 passed, 0 failed
END

done_testing();
