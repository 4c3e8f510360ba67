# Runs the code blocks of a Markdown file as a reader does: each section, which begins with a heading
# of the second or third level, has a psql and a shell of its own, so that variables live from block
# to block of a section and no longer; background processes live on.
#
# blocks() reads the file; PatSession->new(…)->run($block) gives what a block prints. Which
# blocks run, and how outputs are compared, is said at the head of t/002_readme.pl.
#
# Needs no module of PostgreSQL's tests: dev/new-user runs it on a machine that has none.

package PatSession;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run ();
use Time::HiRes ();

our @EXPORT_OK = qw(blocks output_pattern);

my $SECONDS = 600;    # for one block: some install packages, or build

# The blocks of a Markdown text, in order: { language, text, line, section, skip, only,
# file, input, output }.
sub blocks
{
	my ($markdown) = @_;
	my (@blocks, $open, %mark);
	my ($number, $close, $section) = (0, 0, 0);

	for my $line (split /\n/, $markdown)
	{
		$number++;
		if ($open && $line =~ /^\s*```\s*$/)
		{
			push @blocks, $open unless attach_output($blocks[-1], $open, $close);
			($open, $close) = (undef, $number);
		}
		elsif ($open) { $open->{text} .= "$line\n"; }
		elsif ($line =~ /^\s*```(\w*)\s*$/)
		{
			$open = { language => $1, text => '', line => $number, section => $section, %mark };
			%mark = ();
		}
		elsif ($line =~ /<!-- not run: (\S.*?) -->/) { $mark{skip} = $1; }
		elsif ($line =~ /<!-- only by dev\/new-user: (\S.*?) -->/) { $mark{only} = $1; }
		elsif ($line =~ /<!-- (file|input): (\S.*?) -->/) { $mark{$1} = $2; }
		elsif ($line =~ /^##{1,2} /) { $section = $number; }
	}
	die "line $open->{line}: a block that does not end\n" if $open;
	$_->{section} = 0 for $markdown =~ /^<!-- one session -->$/m ? @blocks : ();
	return @blocks;
}

# A text block right below a block that runs is what that one prints. CLOSE is the line on which
# the last block ended.
sub attach_output
{
	my ($before, $block, $close) = @_;
	return 0 unless $before && $block->{language} =~ /\A(?:text|json|http)\z/;
	return 0 unless $before->{language} =~ /\A(?:sql|sh)\z/ && !exists $before->{output};
	return 0 if $block->{line} - $close > 4;
	$before->{output} = $block->{text};
	return 1;
}

# new(CLASS, …): a reader, with the programs of no section yet.
#   directory  the reader's home, where each shell starts
#   source     the tree under test
#   env        variables of the reader's
#   port       where a bridge listens wherever the text says 4242
#   machine    the root directory of a machine to spoil, where nothing is stood in for: the reader is a
#              user of that machine's, named here too, who has sudo
sub new
{
	my ($class, %option) = @_;
	my $self = bless { %option, count => 0, sections => {}, programs => [] }, $class;
	return $self if $self->{machine};
	$self->{server_home} = "$self->{directory}/server";
	mkdir $self->{server_home};
	# A group that is not the one of the reader's files anyway, where there is such a one.
	$self->{proxy_group} = getgrgid((split / /, $()[-1]);
	$self->{env}{PAT_BRIDGE_LISTEN} = "127.0.0.1:$self->{port}";
	return $self;
}

sub start_program
{
	my ($self, @command) = @_;
	my %program = (in => '', out => '');
	local %ENV = (%ENV, %{ $self->{env} || {} });
	@command = ('chroot', $self->{machine}, 'su', '-', $self->{reader}, '-c', "exec @command") if $self->{machine};
	$program{handle} = IPC::Run::start(
		\@command, '<', \$program{in}, '>', \$program{out}, '2>&1',
		IPC::Run::timeout($SECONDS * 10));
	push @{ $self->{programs} }, \%program;
	return \%program;
}

# The psql or the shell of a block's section.
sub program
{
	my ($self, $block) = @_;
	my $section = $self->{sections}{ $block->{section} } ||= {};
	return $section->{ $block->{language} } ||=
	  $block->{language} eq 'sql'
	  ? $self->start_program('psql', '-X', '-v', 'VERBOSITY=default')
	  : $self->start_shell;
}

# Commands that a test cannot do as the text says: what is fetched is the tree under test, root
# is not needed because make installs below a private directory, and packages are there. The
# reader is the only system user here, so what runs as postgres connects as the server's owner.
my $stand_ins = <<~'SH';
	sudo() {
		case $1 in
		-u | -iu) shift 2 && PGUSER=$PAT_SERVER_OWNER "$@" ;;
		apt-get) : ;;
		*) "$@" ;;
		esac
	}
	git() {
		[ "$1" = clone ] || { command git "$@"; return; }
		(. "$PAT_SOURCE/.ci/lib.sh" && copy_tree "$HOME/${@: -1}")
	}
	make() {
		case " $* " in
		*' demo '*) bash "$PAT_SOURCE/.ci/demo" --no-install ;;
		*' deps '*) : ;;
		*' install '* | *' install-bridge '*) command make "$@" DESTDIR="$HOME/installed" ;;
		*) command make "$@" ;;
		esac
	}
	SH

# A bridge that the reader has just started may not listen yet.
my $patience = <<~'SH';
	curl() {
		local tries=0
		until command curl -s -o /dev/null "http://${PAT_BRIDGE_LISTEN:-127.0.0.1:4242}/health"; do
			tries=$((tries + 1))
			if [ "$tries" -gt 400 ]; then break; fi
			sleep 0.05
		done
		command curl -sS "$@"
	}
	trap 'pat_failed=1' ERR
	set -E
	umask 022
	SH

sub start_shell
{
	my ($self) = @_;
	my $shell = $self->start_program('bash', '--norc');
	$shell->{in} = "cd \"\$HOME\"\n" . ($self->{machine} ? '' : $stand_ins) . $patience;
	return $shell;
}

# run(BLOCK): { output, ok }. A block is ok if no command of it failed.
sub run
{
	my ($self, $block) = @_;
	my $text = $block->{text};
	$text =~ s/(127\.0\.0\.1|localhost):4242\b/127.0.0.1:$self->{port}/g unless $self->{machine};
	$text =~ s{/var/lib/postgresql/|/etc/pgbouncer/}{$self->{server_home}/}g unless $self->{machine};
	$text =~ s{/run/pat-bridge\b}{$self->{directory}/run}g unless $self->{machine};
	$text =~ s{\bwww-data\b}{$self->{proxy_group}}g unless $self->{machine};
	my $program = $self->program($block);
	my $result = eval {
		$block->{language} eq 'sql'
		  ? $self->run_sql($program, $text)
		  : $self->run_sh($program, $text, $block->{input});
	};
	if (!$result)
	{
		# A psql that cannot connect, a block that does not end: the next block has a program of its own.
		delete $self->{sections}{ $block->{section} }{ $block->{language} };
		$result = { output => $@, ok => 0 };
	}
	$result->{output} =~ s/127\.0\.0\.1:$self->{port}\b/127.0.0.1:4242/g unless $self->{machine};
	return $result;
}

sub run_sql
{
	my ($self, $program, $text) = @_;
	my $mark = 'end of block ' . ++$self->{count};

	$program->{in} .= "$text\n\\echo '$mark'\n";
	my $output = $self->wait_for($program, qr/^\Q$mark\E\n/m);
	return { output => $output, ok => $output !~ /^(?:ERROR|FATAL|PANIC|psql): /m };
}

sub run_sh
{
	my ($self, $program, $text, $input) = @_;
	my $number = ++$self->{count};
	my ($script, $typed, $log) = map { "$self->{directory}/.block_$number.$_" } qw(sh in log);
	my ($in_script, $in_typed, $in_log) = map { s/\A\Q@{[$self->{machine} || '']}\E//r } $script, $typed, $log;

	spew($script, $text);
	spew($typed, defined $input ? "$input\n" : '');
	$program->{in} .= "pat_failed=0; . $in_script <$in_typed >$in_log 2>&1; echo end $number \$pat_failed\n";
	$self->wait_for($program, qr/^end $number (\d+)\n/m);
	wait_for_bridge($log) if $text =~ /\bpat-bridge\b.*&\s*$/m;
	return { output => slurp($log), ok => $self->{last_mark} =~ /^end \d+ 0$/m ? 1 : 0 };
}

# What a bridge that a text starts in the background logs at first.
sub wait_for_bridge
{
	my ($log) = @_;
	for (1 .. 3000)
	{
		return if slurp($log) =~ /listening on|error/;
		Time::HiRes::sleep(0.02);
	}
	die "the bridge of the text does not listen:\n" . slurp($log);
}

sub spew
{
	my ($path, $text) = @_;
	open(my $out, '>', $path) or die "$path: $!";
	print $out $text;
	close $out or die "$path: $!";
	return;
}

sub slurp
{
	my ($path) = @_;
	open(my $in, '<:raw', $path) or die "$path: $!";
	local $/;
	my $text = <$in>;
	return defined $text ? $text : '';
}

# What the program prints before the mark.
sub wait_for
{
	my ($self, $program, $mark) = @_;
	my $deadline = time + $SECONDS;

	while ($program->{out} !~ $mark)
	{
		die "a block did not end; so far:\n$program->{out}" if time > $deadline;
		die "the session ended:\n$program->{out}" unless $program->{handle}->pumpable;
		$program->{handle}->pump_nb;
		Time::HiRes::sleep(0.01);
	}
	$program->{out} =~ s/\A(.*?)($mark)//s;
	$self->{last_mark} = $2;
	return $1;
}

# Ends all programs, and first whatever the shells run in the background.
sub finish
{
	my ($self) = @_;
	for my $section (values %{ $self->{sections} })
	{
		$section->{sh}{in} .= "kill \$(jobs -p) 2>/dev/null; wait; exit\n" if $section->{sh};
		$section->{sql}{in} .= "\\q\n" if $section->{sql};
	}
	# One that has ended before, or does not end now, is no reason to leave the others.
	eval { IPC::Run::finish($_->{handle}) } for @{ $self->{programs} };
	return;
}

# What differs from run to run, in one form on both sides.
sub normalize
{
	my ($text) = @_;
	$text =~ s/\r//g;
	$text =~ s/\e\[[0-9;]*m//g;
	$text =~ s/\b[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b/UUID/g;
	$text =~ s/(user:|\*:\*\.)[0-9A-Za-z]{49}\b/$1TOKEN/g;
	$text =~ s/(user:|\*:\*\.)[0-9A-Za-z]*(?:…|\.\.\.)/$1TOKEN/g;
	$text =~ s/\b(?!2023-04-19T08:15:14\.000Z)\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00)?/TIME/g;
	$text =~ s/\b\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT/DATE/g;
	$text =~ s/\bdur=\d+\.\d{3}\b/dur=MS/g;
	$text =~ s/127\.0\.0\.1:\d+/127.0.0.1:PORT/g;
	$text =~ s/-{2,}/--/g;
	$text =~ s/[ \t]+/ /g;
	$text =~ s/ ?\n ?/\n/g;
	$text =~ s/\A\s+|\s+\z//g;
	return $text;
}

# output_pattern(EXPECTED): what the normalized output must match. "…" or "..." stands for
# anything within a line; alone on a line, for any lines.
sub output_pattern
{
	my ($expected) = @_;
	my @lines = map { /\A(?:…|\.\.\.)\z/ ? '(?:[^\n]*\n)*?' : quote_line($_) . '\n' }
	  split /\n/, normalize($expected);
	return '\A' . join('', @lines) . '\z';
}

sub quote_line
{
	my ($line) = @_;
	return join '[^\n]*', map { quotemeta } split /…|\.\.\./, $line, -1;
}

sub matches
{
	my ($output, $expected) = @_;
	my $pattern = output_pattern($expected);
	return (normalize($output) . "\n") =~ /$pattern/;
}

1;
