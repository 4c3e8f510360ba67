# shellcheck shell=bash
# The programs that a benchmark runs besides the project's own, and the Debian packages that have
# them. Sourced after .ci/lib.sh; runs as the user who called make, before root is left.

declare -A package_of=([wrk]=wrk [pgrep]=procps [npm]=npm [node]=nodejs [pgbench]=postgresql-contrib [perl]=perl)

# install_tools PROGRAM…: installs the packages of those that are missing. Without wrk there is
# nothing to measure; what else cannot be installed is reported, and goes without.
install_tools() {
	local program package missing=() asked=
	bash "$top/.ci/deps" build run || exit 1
	for program; do
		if [ "$program" = perl ]; then
			perl -MJSON::PP -e 1 2>/dev/null && continue
		elif command -v "$program" >/dev/null || [ -x "$(pg_bindir)/$program" ]; then
			continue
		fi
		missing+=("${package_of[$program]}")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	note "Installing ${missing[*]} …"
	[ "$(id -u)" = 0 ] || asked=sudo
	$asked apt-get -q update >"$work/apt.log" 2>&1
	for package in "${missing[@]}"; do
		DEBIAN_FRONTEND=noninteractive $asked apt-get -q -y install --no-install-recommends "$package" \
			>>"$work/apt.log" 2>&1 || note "$package could not be installed"
	done
	command -v wrk >/dev/null || die "there is no wrk: $(tail -n 3 "$work/apt.log")"
}
