# Runs the code blocks of a Markdown file: one psql and one shell for the whole file, so that
# variables and background processes live from block to block, as they do for a reader.
#
# blocks() reads the file; PatSession->new(…)->run($block) gives what a block prints. Which
# blocks run, and how outputs are compared, is said at the head of t/002_readme.pl.

package PatSession;

use strict;
use warnings;

use Exporter 'import';
use PatTest;

our @EXPORT_OK = qw(blocks output_pattern);

my $SECONDS = 120;    # for one block

# The blocks of a Markdown text, in order: { language, text, line, skip, output }.
sub blocks
{
	my ($markdown) = @_;
	my (@blocks, $open, $skip);
	my ($number, $close) = (0, 0);

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
			$open = { language => $1, text => '', line => $number, skip => $skip };
			undef $skip;
		}
		elsif ($line =~ /<!-- not run: (\S.*?) -->/) { $skip = $1; }
	}
	die "line $open->{line}: a block that does not end\n" if $open;
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

# new(CLASS, NODE, PORT, DIRECTORY): the shell starts in DIRECTORY with the environment of the
# node; a bridge that it starts listens on PORT wherever the text says 4242.
sub new
{
	my ($class, $node, $port, $directory) = @_;
	my $self = bless { port => $port, directory => $directory, count => 0 }, $class;
	local %ENV = (
		%ENV, PGHOST => $node->host, PGPORT => $node->port, PGUSER => getpwuid $>,
		PGDATABASE => 'postgres', PGAPPNAME => 'readme', PGTZ => 'UTC', PAT_SOURCE => source_dir(),
		PAT_BRIDGE_LISTEN => "127.0.0.1:$port", HOME => $directory,
		PATH => source_dir() . "/bridge:$ENV{PATH}");

	$self->{sh} = $self->start_shell;
	$self->{sql} = $self->start_program('psql', '-X', '-v', 'VERBOSITY=default');
	return $self;
}

sub start_program
{
	my ($self, @command) = @_;
	my %program = (in => '', out => '');
	$program{handle} = IPC::Run::start(
		\@command, '<', \$program{in}, '>', \$program{out}, '2>&1',
		IPC::Run::timeout($SECONDS * 10));
	return \%program;
}

# Commands that a test cannot do as the text says: what is fetched is the tree under test, root
# is not needed because make installs below a private directory, and packages are there.
sub start_shell
{
	my ($self) = @_;
	my $shell = $self->start_program('bash', '--norc');
	$shell->{in} = <<~'SH';
		cd "$HOME"
		sudo() { "$@"; }
		git() {
			[ "$1" = clone ] || { command git "$@"; return; }
			(. "$PAT_SOURCE/.ci/lib.sh" && copy_tree "$HOME/$(basename "${@: -1}" .git)")
		}
		make() {
			case " $* " in
			*' demo '*) bash "$PAT_SOURCE/.ci/demo" --no-install ;;
			*' install '* | *' install-bridge '*) command make "$@" DESTDIR="$HOME/installed" ;;
			*) command make "$@" ;;
			esac
		}
		curl() {
			local tries=0
			until command curl -s -o /dev/null "http://$PAT_BRIDGE_LISTEN/health"; do
				tries=$((tries + 1))
				if [ "$tries" -gt 400 ]; then break; fi
				sleep 0.05
			done
			command curl -sS "$@"
		}
		trap 'pat_failed=1' ERR
		set -E
		SH
	return $shell;
}

# run(BLOCK): { output, ok }. A block is ok if no command of it failed.
sub run
{
	my ($self, $block) = @_;
	my $text = $block->{text} =~ s/(127\.0\.0\.1|localhost):4242\b/127.0.0.1:$self->{port}/gr;
	my $result = $block->{language} eq 'sql' ? $self->run_sql($text) : $self->run_sh($text);
	$result->{output} =~ s/127\.0\.0\.1:$self->{port}\b/127.0.0.1:4242/g;
	return $result;
}

sub run_sql
{
	my ($self, $text) = @_;
	my $program = $self->{sql};
	my $mark = 'end of block ' . ++$self->{count};

	$program->{in} .= "$text\n\\echo '$mark'\n";
	my $output = $self->wait_for($program, qr/^\Q$mark\E\n/m);
	return { output => $output, ok => $output !~ /^(?:ERROR|FATAL|PANIC|psql): /m };
}

sub run_sh
{
	my ($self, $text) = @_;
	my $program = $self->{sh};
	my $number = ++$self->{count};
	my ($script, $log) = map { "$self->{directory}/.block_$number.$_" } qw(sh log);

	open(my $out, '>', $script) or die "$script: $!";
	print $out $text;
	close $out or die "$script: $!";
	$program->{in} .= "pat_failed=0; . $script </dev/null >$log 2>&1; echo end $number \$pat_failed\n";
	my $answer = $self->wait_for($program, qr/^end $number (\d+)\n/m);
	if ($text =~ /\bpat-bridge\b.*&\s*$/m)
	{
		wait_until(sub { slurp($log) =~ /listening on|error/ }, 'the bridge of the text to listen');
	}
	return { output => slurp($log), ok => $self->{last_mark} =~ /^end \d+ 0$/m ? 1 : 0 };
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

# Ends both programs, and first whatever the shell runs in the background.
sub finish
{
	my ($self) = @_;
	$self->{sh}{in} .= "kill \$(jobs -p) 2>/dev/null; wait; exit\n";
	$self->{sql}{in} .= "\\q\n";
	for my $program (@{$self}{qw(sh sql)})
	{
		IPC::Run::finish($program->{handle});
	}
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
