# shellcheck shell=bash
# Shell functions shared by the scripts behind `make check`, `make demo` and `make serve`.
#
# Sourced by bash. Owns: how to talk to the user, to find PostgreSQL, to leave root, to copy the
# tree, to build and install into a private directory. Starts no server (see cluster.sh).

# The caller's make is no business of the builds started from here.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PG_CONFIG=${PG_CONFIG:-pg_config}
export PG_CONFIG
export LC_ALL=C.UTF-8

say() { printf '%s\n' "$*"; }
note() { printf '%s\n' "$*" >&2; }
die() {
	note "$(basename "$0"): $*"
	exit 1
}

# poll SECONDS COMMAND…: repeats the command until it succeeds; fails when the time is over.
poll() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < deadline)) || return 1
		sleep 0.05
	done
}

# quietly LOGFILE COMMAND…: the output goes to the log, and to the user only when it fails.
quietly() {
	local log=$1
	shift
	"$@" >"$log" 2>&1 || {
		tail -n 60 "$log" >&2
		return 1
	}
}

# The clang-format whose layout is the project's, if it is here.
layout_tool() {
	local tool
	for tool in clang-format-14 clang-format; do
		if "$tool" --version 2>/dev/null | grep -q 'version 14\.'; then
			say "$tool"
			return
		fi
	done
	return 1
}

pg_bindir() { "$PG_CONFIG" --bindir 2>/dev/null; }

pg_major() { "$PG_CONFIG" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/'; }

# server_has SETTING: does this PostgreSQL know the setting?
server_has() {
	"$(pg_bindir)/postgres" --describe-config 2>/dev/null | cut -f1 | grep -qx "$1"
}

# PostgreSQL refuses to run as root: root hands over to this user.
unprivileged_user() {
	local user
	for user in postgres nobody; do
		getent passwd "$user" >/dev/null && say "$user" && return
	done
	die "found neither the user postgres nor nobody to run as"
}

# copy_tree DIRECTORY: the files that belong to the project, without anything built.
copy_tree() {
	mkdir -p "$1"
	if [ -e "$top/.git" ] && type -P git >/dev/null; then
		git -C "$top" -c safe.directory='*' ls-files -z -co --exclude-standard |
			(cd "$top" && while IFS= read -r -d '' f; do
				if [ -e "$f" ]; then printf '%s\0' "$f"; fi
			done) | tar -C "$top" --null -T - -cf - | tar -C "$1" -xf -
	else
		tar -C "$top" --exclude=./.git --exclude='*.o' --exclude='*.bc' --exclude='*.so' \
			--exclude='*.d' --exclude=./bridge/pat-bridge --exclude=./bridge/build \
			--exclude=./tmp_check --exclude=./tmp_check_iso --exclude=./output_iso \
			--exclude=./results -cf - . | tar -C "$1" -xf -
	fi
}

# leave_root WORK SCRIPT ARGUMENT…: as root, goes on with a copy of the tree as an unprivileged
# user, who owns WORK and so can remove it. Does not return then; returns at once otherwise.
leave_root() {
	[ "$(id -u)" = 0 ] || return 0
	local work=$1 script=$2 user
	shift 2
	user=$(unprivileged_user) || exit 1
	copy_tree "$work/src"
	top=$work/src install_for_closed_server "$work"
	chown -R "$user" "$work"
	cd "$work/src" || exit 1
	exec setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups -- \
		env -i PATH="$PATH" HOME="$work" TERM="${TERM:-dumb}" LC_ALL="$LC_ALL" \
		PG_CONFIG="$PG_CONFIG" CI="${CI:-}" ONLY="${ONLY:-}" T="${T:-}" \
		PAT_REQUIRE="${PAT_REQUIRE:-}" PAT_UNLEASH_SERVER="${PAT_UNLEASH_SERVER:-}" \
		PAT_UNLEASH_NODE="${PAT_UNLEASH_NODE:-}" \
		FUZZ_SECONDS="${FUZZ_SECONDS:-}" SOAK_REQUESTS="${SOAK_REQUESTS:-}" \
		STRESS_SECONDS="${STRESS_SECONDS:-}" \
		bash "$work/src/.ci/$script" --work "$work" "$@"
}

# install_into DIRECTORY [MAKE-ARGUMENT…]: builds the extension and installs it below DIRECTORY,
# where a server finds it by the setting that extension_path_settings prints.
install_into() {
	local dest=$1
	shift
	make -s -C "$top" -j2 "$@" all && make -s -C "$top" "$@" install DESTDIR="$dest"
}

# extension_path_settings DIRECTORY: lines for postgresql.conf; nothing when this server can only
# load extensions from its own directories.
extension_path_settings() {
	local dest=$1
	if server_has extension_destdir; then
		say "extension_destdir = '$dest'"
	elif server_has extension_control_path; then
		say "extension_control_path = '$dest$("$PG_CONFIG" --sharedir):\$system'"
		say "dynamic_library_path = '$dest$("$PG_CONFIG" --pkglibdir):\$libdir'"
	fi
}

# A server that loads extensions only from its own directories needs pat installed there, which
# takes root, once for each WORK directory.
install_for_closed_server() {
	local work=$1 asked=
	if [ -n "$(extension_path_settings "$work")" ] || [ -e "$work/installed" ]; then return; fi
	[ "$(id -u)" = 0 ] || asked=sudo
	note "This server loads extensions from its own directories only: installing pat there."
	# shellcheck disable=SC2024
	$asked make -C "$top" PG_CONFIG="$PG_CONFIG" install >"$work/install.log" 2>&1 ||
		die "installing failed: $(tail -n 3 "$work/install.log")"
	touch "$work/installed"
}
