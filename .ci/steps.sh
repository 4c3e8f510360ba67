# shellcheck shell=bash
# What `make check` and `make check-long` share: steps, each with a log and a count of its tests.
#
# Sourced by bash after lib.sh, by a script that names its steps in $all_steps. Owns the directory
# $work, with the copy of the tree that everything runs in; it is removed on every way out.
#
# Each step counts its tests; a step that fails does not stop the others, and what failed is
# shown. What was skipped is listed at the end with its reason; the last line is always
# "N passed, N failed". A step whose inputs do not exist is absent.

work=
server_bindir=
passed=0
failed=0
skipped=0
# Lines "step<tab>file or name<tab>reason", one for each skip.
skips=

# ---- setting up -----------------------------------------------------------------------------

# open_steps SCRIPT PURPOSES ARGUMENT…: packages for the purposes, a copy of the tree, an
# unprivileged user. Returns in the copy, where --work names the directory that holds it.
open_steps() {
	local script=$1 purposes=$2
	shift 2
	[ -z "${T:-}" ] || [ -n "${ONLY:-}" ] || die "T names tests of the step that ONLY names: ONLY is missing"
	if [ "${1:-}" != --work ]; then move_to_copy "$script" "$purposes" "$@"; fi
	work=$2
	steps=${ONLY:-$all_steps}
	if [ "${3:-}" = lint ]; then steps=$lint_steps; fi
	trap 'cd / && rm -rf "$work"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	trap 'exit 141' PIPE
	check_steps
	# What tests leave in their temporary directories goes with the copy.
	export TMPDIR=$work/tmp
	mkdir -p "$work/log" "$TMPDIR"
	cd "$top" || exit 1
	raise_file_limit
	clang=$(find_clang)
	write_temp_config
	say "pat with $("$PG_CONFIG" --version), as $(id -un)"
}

# Some tests hold more than a thousand connections, and the usual limit is 1024 files.
raise_file_limit() {
	local wanted=20000 most
	most=$(ulimit -Hn)
	if [ "$most" != unlimited ] && [ "$most" -lt $wanted ]; then wanted=$most; fi
	if [ "$(ulimit -Sn)" != unlimited ] && [ "$(ulimit -Sn)" -lt "$wanted" ]; then ulimit -Sn "$wanted"; fi
}

move_to_copy() {
	local script=$1 purposes=$2
	shift 2
	# shellcheck disable=SC2086
	bash "$top/.ci/deps" $purposes || exit 1
	work=$(mktemp -d /tmp/pat-check.XXXXXX) || exit 1
	leave_root "$work" "$script" "$@"
	copy_tree "$work/src"
	exec bash "$work/src/.ci/$script" --work "$work" "$@"
}

check_steps() {
	local step
	for step in $steps; do
		case " $all_steps " in
		*" $step "*) ;;
		*) die "unknown step \"$step\": $all_steps" ;;
		esac
	done
}

wants() { case " $steps " in *" $1 "*) true ;; *) false ;; esac }
exists() { [ -e "$1" ]; }

# ---- counting -------------------------------------------------------------------------------

# count STEP STATUS LOG: adds up the results in the log, and keeps the reasons of skips. Understands
# TAP (but not the bare "ok" by which prove ends a file), files that were skipped as a whole, subtests
# that were, the lines of pg_regress before version 16, "N passed, N failed", and prove's word on a
# file that failed without a failed test. A step that failed without saying so counts as one failure.
count() {
	local step=$1 status=$2 log=$3 good bad skip
	perl "$top/.ci/results" "$step" "$log" >"$log.results"
	read -r good bad skip <"$log.results"
	skips+=$(sed 1d "$log.results")
	skips=${skips:+${skips%$'\n'}$'\n'}
	if [ "$status" != 0 ] && [ "$bad" = 0 ]; then bad=1; fi
	if [ "$status" = 0 ] && [ "$bad" != 0 ]; then status=1; fi
	passed=$((passed + good))
	failed=$((failed + bad))
	skipped=$((skipped + skip))
	printf '%-10s %5d passed %3d failed  %4d s\n' "$step" "$good" "$bad" $((SECONDS - started))
	# Lines "# figure: …" of a log are for the reader of the summary.
	sed -n 's/^ *# figure: /           /p' "$log"
	[ "$status" = 0 ] || show_failure "$step" "$log"
}

show_failure() {
	local step=$1 log=$2 file
	say "---- $step: what failed"
	case $step in
	# Of TAP: a failed test with what it says, and all that is no TAP (a test that died).
	tap | sanitize | threads | soak | stress) perl -ne '$_ =~ /^not ok/ ? ($show = 30) : /^(?:#|$)/ || ($show = 0);
		print if $show-- > 0 || !/^(?:$|#|ok |\d+\.\.\d+|\[|ok$|echo |\S*(?:cc|clang)\S* )/' "$log" |
		tail -n 200 ;;
	style | rooms | doors | docs) perl -ne '$_ =~ /^not ok/ ? ($show = 5) : /^#/ || ($show = 0);
		print if $show-- > 0' "$log" | head -n 150 ;;
	# Not the command lines of a compiler, one of which may be longer than what it found.
	*) grep -vE '^(/\S+/)?(cc|gcc|clang)\S* ' "$log" | tail -n 60 ;;
	esac
	# Perl's last words go to the log of the test.
	sed -n 's/^t\/\(\S*\/\)*\(\S*\)\.pl .*(Wstat.*/tmp_check\/log\/regress_log_\2/p' "$log" | while read -r file; do
		say "last lines of $file:"
		tail -n 8 "$file"
	done
	for file in regression.diffs output_iso/regression.diffs; do
		if [ -s "$file" ]; then head -n 200 "$file"; fi
	done
	rm -f regression.diffs output_iso/regression.diffs
	for file in tmp_check/log/*postmaster.log tmp_check_iso/log/*postmaster.log; do
		if [ -s "$file" ] && grep -qE 'PANIC|terminated by signal|TRAP' "$file"; then
			grep -E -B 2 -A 10 'PANIC|terminated by signal|TRAP' "$file" | head -n 60
		fi
	done
	say "----"
}

# step NAME COMMAND…: runs one step, unless it was not asked for.
step() {
	local name=$1
	shift
	wants "$name" || return 0
	local log=$work/log/$name.log
	started=$SECONDS
	"$@" >"$log" 2>&1 </dev/null
	count "$name" $? "$log"
}

# one NAME COMMAND…: the command as one test of a step, in TAP.
one() {
	local name=$1
	shift
	say "# $*"
	if "$@"; then say "ok - $name"; else say "not ok - $name" && return 1; fi
}

# ---- building -------------------------------------------------------------------------------

strict='-Wall -Wextra -Werror'

build() {
	local status=0
	one 'the extension builds without a warning' \
		make -j2 PG_CFLAGS="$strict" all || status=1
	one 'the extension installs' make install DESTDIR="$work/install" || status=1
	install_for_closed_server "$work"
	if exists bridge/Makefile; then
		one 'the bridge builds without a warning' \
			make -C bridge -j2 CFLAGS="-O2 -g $strict" || status=1
		one 'the bridge installs' make -C bridge install DESTDIR="$work/install" || status=1
	fi
	return $status
}

find_clang() {
	local candidate
	for candidate in clang /usr/bin/clang-[0-9][0-9]; do
		if command -v "$candidate"; then return; fi
	done
}

# ---- servers --------------------------------------------------------------------------------

# A server of the test's own finds the extension below $work/install.
write_temp_config() {
	extension_path_settings "$work/install" >"$work/temp.conf"
	say "fsync = off" >>"$work/temp.conf"
}

# server_tests KIND VARIABLE…: make installcheck with only one kind of tests, against servers
# that the tests start themselves, with the programs in $server_bindir if that is set. What cannot
# run here fails; with PAT_REQUIRE=0 it is skipped.
server_tests() {
	local kind=$1
	shift
	local options="--temp-instance=$top/tmp_$kind --temp-config=$work/temp.conf"
	TEMP_CONFIG=$work/temp.conf PAT_REQUIRE=${PAT_REQUIRE:-1} PG_TEST_TIMEOUT_DEFAULT=180 \
		make installcheck "$@" \
		EXTRA_REGRESS_OPTS="$options ${server_bindir:+--bindir=$server_bindir}" \
		PROVE_FLAGS='-v --merge'
}

# sanitized KIND: the bridge's unit tests, and every test that runs a bridge or those of T, with
# the sanitizers of that kind of build (bridge/Makefile): an error ends the process with a status
# of its own, which no test expects.
sanitized() {
	local kind=$1 copy=$work/sanitized-$1 status=0 tests
	rm -rf "$copy" && mkdir "$copy"
	cp -r bridge extension "$copy"
	make -C "$copy/bridge" clean
	one "the bridge builds with sanitizers: $kind" \
		make -C "$copy/bridge" -j2 SANITIZE="$kind" || return 1
	make -C "$copy/bridge" SANITIZE="$kind" check || status=1
	tests=${T:-$(grep -l 'PatBridge->start' t/*.pl)}
	if [ -n "$tests" ]; then
		export PAT_BRIDGE=$copy/bridge/pat-bridge
		server_tests sanitize REGRESS= ISOLATION= PROVE_TESTS="${tests//$'\n'/ }" || status=1
	fi
	return $status
}

# ---- the end --------------------------------------------------------------------------------

# skip_step NAME REASON: a step that was asked for and cannot run here.
skip_step() {
	wants "$1" || return 0
	skipped=$((skipped + 1))
	skips+=$1$'\t'$'\t'$2$'\n'
}

# A line for each reason, with how many tests of which file or step it is of.
list_skips() {
	say "$skipped skipped:"
	printf %s "$skips" | LC_ALL=C sort | uniq -c |
		awk -F '\t' '{
			split($1, head, " ")
			printf "%5d  %s: %s%s\n", head[1], head[2], ($2 == "" ? "" : $2 ": "), $3
		}'
}

close_steps() {
	if [ "$skipped" -gt 0 ]; then list_skips; fi
	say "$passed passed, $failed failed"
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}
