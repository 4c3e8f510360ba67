# shellcheck shell=bash
# What scripts ask of Debian's archive: which mirror this machine uses, where downloads are kept,
# and an apt that reads another release without touching the machine's own configuration.
#
# Sourced by bash after lib.sh. Owns nothing; the caller names the directories.

# The directory where this user keeps what takes long to make. As root it is one that the
# unprivileged user can read: tests hand over to that user.
cache_dir() {
	if [ "$(id -u)" = 0 ]; then
		say /var/cache/pat
	else
		say "${XDG_CACHE_HOME:-$HOME/.cache}/pat"
	fi
}

# The archive that this machine installs Debian's main packages from.
debian_mirror() {
	local codename
	codename=$(. /etc/os-release && say "${VERSION_CODENAME:-}")
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
		awk -v release="${codename:-sid}" '$1 == release && $2 == "main" { print $3; exit }' |
		grep . || die "apt has no source of Debian's main packages, or no lists: run apt-get update"
}

# The keys that Debian's releases are signed with.
debian_keyring() {
	local file
	for file in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
		if [ -e "$file" ]; then
			say "$file"
			return
		fi
	done
	die "Debian's keys are missing: install debian-archive-keyring"
}

# private_apt DIRECTORY COMMAND…: apt-get with nothing but DIRECTORY/sources.list, whose lists and
# downloads stay below DIRECTORY.
private_apt() {
	local dir=$1
	shift
	mkdir -p "$dir/lists/partial" "$dir/archives/partial" "$dir/parts"
	# The directory may be closed to the user that apt hands downloads to. What is downloaded is
	# checked against Debian's signature whoever fetches it.
	apt-get -q -o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts="$dir/parts" \
		-o Dir::State::lists="$dir/lists" -o Dir::Cache::archives="$dir/archives" \
		-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root \
		-o Acquire::Retries=3 "$@"
}
