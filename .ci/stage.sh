# shellcheck shell=bash
# The stage of `make demo` and `make serve`: a throw-away PostgreSQL with the extension, a bridge
# on a free port of 127.0.0.1, and sample accounts and tokens.
#
# Sourced by bash after lib.sh. Owns the directory $work and the two processes it starts, and
# removes them on every way out (strike_stage, called by a trap). The database listens on a Unix
# socket inside $work only.

work=
server_pid=
bridge_pid=

# open_stage SCRIPT ARGUMENT…: packages, private directory, unprivileged user, clean-up.
#   --no-install      install no packages
#   --work DIRECTORY  use this directory, and remove it at the end
open_stage() {
	local script=$1 install=yes
	shift
	while [ $# -gt 0 ]; do
		case $1 in
		--no-install) install=no ;;
		--work) work=$2 && shift ;;
		*) die "unknown argument \"$1\"" ;;
		esac
		shift
	done
	if [ -z "$work" ]; then
		if [ $install = yes ]; then bash "$top/.ci/deps" build run || exit 1; fi
		work=$(mktemp -d /tmp/pat-stage.XXXXXX) || exit 1
		leave_root "$work" "$script"
	fi
	trap strike_stage EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
	trap 'exit 141' PIPE
}

strike_stage() {
	trap '' INT TERM HUP
	end_process "$bridge_pid" TERM
	end_process "$server_pid" INT
	cd / && rm -rf "$work"
}

# end_process PID SIGNAL: asks, waits for a bounded time, then insists.
end_process() {
	[ -n "$1" ] || return 0
	kill -s "$2" "$1" 2>/dev/null || return 0
	poll 10 is_gone "$1" || kill -s KILL "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}

# A child that has ended but was not waited for still answers kill -0: look at its state.
is_gone() { ! kill -0 "$1" 2>/dev/null || ps_state "$1" | grep -q Z; }
ps_state() { sed 's/.*) \(.\).*/\1/' "/proc/$1/stat" 2>/dev/null; }

build_everything() {
	quietly "$work/build.log" install_into "$work/install" || die "building the extension failed"
	quietly "$work/build.log" make -s -C "$top/bridge" -j2 || die "building the bridge failed"
	install_for_closed_server "$work"
}

start_server() {
	local bin db=$work/db
	bin=$(pg_bindir)
	mkdir -m 700 "$work/run"
	quietly "$work/initdb.log" "$bin/initdb" -D "$db" -U postgres -A trust --no-sync \
		--encoding UTF8 --locale C || die "initdb failed"
	head -c 32 /dev/urandom >"$work/secret.key"
	chmod 600 "$work/secret.key"
	{
		say "listen_addresses = ''"
		say "unix_socket_directories = '$work/run'"
		say "fsync = off"
		say "timezone = 'UTC'"
		say "pat.secret_key_file = '$work/secret.key'"
		extension_path_settings "$work/install"
	} >>"$db/postgresql.conf"
	# A group of its own keeps Ctrl-C from the server: strike_stage ends it in order.
	set -m
	"$bin/postgres" -D "$db" </dev/null >"$work/server.log" 2>&1 &
	server_pid=$!
	set +m
	poll 60 server_answers || {
		cat "$work/server.log" >&2
		die "PostgreSQL did not start"
	}
}

server_answers() {
	is_gone "$server_pid" && die "PostgreSQL ended: $(tail -n 5 "$work/server.log")"
	"$(pg_bindir)/pg_isready" -q -h "$work/run"
}

# owner_sql: runs the statements on its standard input as the owner; prints bare values.
owner_sql() {
	"$(pg_bindir)/psql" -XqAt -v ON_ERROR_STOP=1 -h "$work/run" -U postgres -d postgres
}

# The documented example comes first, so that its token is number 1. It has expired long ago:
# it is listed, but nobody can log in with it.
load_samples() {
	# shellcheck disable=SC2034
	IFS='|' read -r account person viewer_token admin_token < <(owner_sql <<-'SQL'
		CREATE EXTENSION pat;
		CREATE ROLE pat_bridge LOGIN;
		SELECT pat_grant_api('pat_bridge') \g /dev/null
		ALTER ROLE pat_bridge SET log_parameter_max_length = 0;
		ALTER ROLE pat_bridge SET log_parameter_max_length_on_error = 0;
		SELECT pat_create_account('deploy-bot', 'Deploy bot') AS account \gset
		SELECT * FROM pat_create_token(:account, 'documented example',
			expires_at => '2023-04-19T08:15:14.000Z', secret => 'user:xyzrandomstring',
			created_at => '2023-04-19T08:15:14.000Z', seen_at => '2023-04-19T08:15:14.000Z')
			\g /dev/null
		SELECT pat_create_account('ada', 'Ada Lovelace', is_service => false) AS person \gset
		SELECT secret AS viewer FROM pat_create_token(:person, 'laptop', now() + '1 day') \gset
		SELECT pat_create_admin_token('demo', expires_at => now() + '1 day') AS admin \gset
		SELECT :account, :person, :'viewer', :'admin';
	SQL
	)
	[ -n "${admin_token:-}" ] || die "loading the sample accounts failed"
}

start_bridge() {
	set -m
	"$top/bridge/pat-bridge" --listen 127.0.0.1:0 \
		--db "host=$work/run user=pat_bridge dbname=postgres" </dev/null >"$work/bridge.log" 2>&1 &
	bridge_pid=$!
	set +m
	poll 20 bridge_listens || {
		cat "$work/bridge.log" >&2
		die "the bridge did not start"
	}
	url=http://127.0.0.1:$port
	poll 20 curl -fs -o /dev/null "$url/ready" || {
		cat "$work/bridge.log" >&2
		die "the bridge did not reach the database"
	}
}

bridge_listens() {
	is_gone "$bridge_pid" && die "the bridge ended: $(tail -n 5 "$work/bridge.log")"
	port=$(sed -n 's/.*listening on 127\.0\.0\.1:\([0-9][0-9]*\).*/\1/p' "$work/bridge.log" |
		head -n 1)
	[ -n "$port" ]
}

set_up_stage() {
	note "Building the extension and the bridge …"
	build_everything
	note "Starting a throw-away PostgreSQL $(pg_major) and the bridge …"
	start_server
	load_samples
	start_bridge
}
