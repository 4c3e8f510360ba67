# shellcheck shell=bash
# What is measured, one function a section. Each is called once a round unless it says otherwise,
# so that contenders alternate and a disturbance of the machine meets all of them.

admin='*:*.bench-admin'

# ---- once, before the first round -----------------------------------------------------------

load_data() {
	owner_sql <"$top/bench/data.sql" || die "loading the data failed"
	"$(pg_bindir)/psql" -XqAt -v ON_ERROR_STOP=1 -v module="$work/contender/bench_spi.so" \
		-U postgres -f "$top/bench/contender/contenders.sql" || die "loading the contenders failed"
	owner_sql <"$top/bench/callers.sql" >"$work/callers.log" || die "loading the callers failed"
	owner_sql <<<'VACUUM ANALYZE; CHECKPOINT;'
	if [ -n "$growth" ]; then owner_sql <<<'CREATE DATABASE grown TEMPLATE postgres'; fi
	record setup tokens database count "$(owner_sql <<<'SELECT count(*) FROM pat_token')"
	record setup 'lists compared' database count "$(owner_sql <<<"SELECT bench_check('$admin')")"
}

# The order of accounts is shuffled, the same in every run.
prepare_requests() {
	local tokens
	for tokens in 1 10 1000; do
		write_requests "$work/list_$tokens" <<-SQL
			SELECT format(E'GET\t/api/admin/service-account/%s/token\t$admin\t', id)
			FROM bench_account WHERE tokens = $tokens ORDER BY md5(id::text)
		SQL
		owner_sql >"$work/bodies_$tokens" <<-SQL
			SELECT pat_list_for_service_account(id::text, '$admin')
			FROM bench_account WHERE tokens = $tokens ORDER BY md5(id::text)
		SQL
		head -c -1 < <(head -n 1 "$work/bodies_$tokens") >"$work/body_$tokens"
	done
	# Each account by each of a hundred tokens: no two that wait at the same time are alike.
	write_requests "$work/unlike_1000" <<-SQL
		SELECT format(E'GET\t/api/admin/service-account/%s/token\tuser:bench-other-%s\t', 1001 + n % 20, n / 20)
		FROM generate_series(0, 1999) n ORDER BY md5(n::text)
	SQL
	write_requests "$work/callers" <<-SQL
		SELECT format(E'GET\t/api/admin/service-account/%s/token\tuser:bench-caller-%s\t', n % 1000 + 1, n + 10000)
		FROM generate_series(1, 10000) n ORDER BY md5(n::text)
	SQL
	write_requests "$work/unknown" <<-SQL
		SELECT format(E'GET\t/api/admin/service-account/%s/token\tuser:nobody-%s\t', n % 1000 + 1, n)
		FROM generate_series(1, 10000) n
	SQL
	write_requests "$work/mistyped" <<-SQL
		SELECT format(E'GET\t/api/admin/service-account/%s/token\tuser:%s\t', n % 1000 + 1, rpad(md5(n::text), 49, 'x'))
		FROM generate_series(1, 10000) n
	SQL
	write_pgbench_scripts
}

write_pgbench_scripts() {
	local call i
	# shellcheck disable=SC2016
	printf '%s\n' '\set id random(1, 1000)' \
		"SELECT pat_list_for_service_account(:id::text, '$admin');" >"$work/list_10.sql"
	printf '%s\n' '\set id random(1001, 1020)' \
		"SELECT pat_list_for_service_account(:id::text, '$admin');" >"$work/list_1000.sql"
	say 'SELECT 1;' >"$work/one.sql"
	for call in list_10 one; do
		{
			say '\startpipeline'
			for ((i = 0; i < 50; i++)); do cat "$work/$call.sql"; done
			say '\endpipeline'
		} >"$work/pipeline_$call.sql"
	done
	cat >"$work/create.sql" <<-SQL
		\\set id random(4001, 5000)
		SELECT pat_create_for_service_account(:id::text,
			json_build_object('description', gen_random_uuid(), 'expiresAt', '2098-01-01T00:00:00Z'), '$admin');
	SQL
}

# ---- 1: in the backend ----------------------------------------------------------------------

measure_backend() {
	local tokens name case
	for tokens in 1 10 1000; do
		case="$tokens tokens"
		[ $tokens -gt 1 ] || case='1 token'
		for name in pat_list_for_service_account bench_list_spi bench_list_plpgsql; do
			record backend "$case" "${contender_of[$name]}" us "$(us_per_call $name $tokens)"
		done
	done
}

declare -A contender_of=([pat_list_for_service_account]=pat [bench_list_spi]=spi [bench_list_plpgsql]=plpgsql)

# What authentication costs with each kind of credential.
measure_credentials() {
	local kind calls
	for kind in 'opaque token' 'JWT HS256' 'JWT RS256' 'JWT ES256'; do
		calls=$backend_calls
		[[ $kind == JWT\ [RE]* ]] && calls=$((backend_calls / 20))
		record credentials 'pat_caller' "$kind" us "$(sql_in postgres <<-SQL | tail -n 1
			SELECT bench_caller_microseconds('$kind', 50) \\g /dev/null
			SELECT bench_caller_microseconds('$kind', $calls);
		SQL
		)"
	done
}

# us_per_call FUNCTION TOKENS [DATABASE]: the first call in a session resolves and prepares, so a
# short run comes before the one that counts, and tells how many calls take $backend_us: slow and
# fast contenders are timed for as long.
us_per_call() {
	sql_in "${3:-postgres}" <<-SQL | tail -n 1
		SELECT bench_microseconds('$1', $2, 50, '$admin') \\g /dev/null
		SELECT greatest(50, least(200000, $backend_us / bench_microseconds('$1', $2, 50, '$admin')))::integer AS calls \\gset
		SELECT bench_microseconds('$1', $2, :calls, '$admin');
	SQL
}

# ---- 2: through the wire --------------------------------------------------------------------

measure_wire() {
	pgbench_run wire 'prepared, 8 clients' 'list of 10' 1 "$work/list_10.sql" 8 "$seconds"
	pgbench_run wire 'prepared, 8 clients' 'list of 1000' 1 "$work/list_1000.sql" 8 "$seconds"
	pgbench_run wire 'prepared, 8 clients' 'SELECT 1' 1 "$work/one.sql" 8 "$seconds"
	pgbench_run wire 'pipelined, 2 clients' 'list of 10' 50 "$work/pipeline_list_10.sql" 2 "$seconds"
	pgbench_run wire 'pipelined, 2 clients' 'SELECT 1' 50 "$work/pipeline_one.sql" 2 "$seconds"
}

# ---- 3: HTTP --------------------------------------------------------------------------------

# list CONTENDER TOKENS CONNECTIONS: one cell of the matrix
list() {
	local name=$1 tokens=$2 connections=$3
	local case="$connections connections, $tokens tokens"
	[ "$connections" != 1 ] || case="1 connection, $tokens tokens"
	[ -n "${running[$name]:-}" ] || return 0
	export BENCH_STATUS=200 BENCH_REQUESTS=$work/list_$tokens BENCH_BODIES=$work/bodies_$tokens
	unset BENCH_PATTERN BENCH_FORGET BENCH_ANY_ORDER
	case $name in
	unleash)
		BENCH_REQUESTS=$work/unleash_$tokens BENCH_BODIES=$work/unleash_bodies_$tokens
		# Without an order of its own: a row that was updated, as by its use, comes last.
		export BENCH_FORGET='"seenAt":[^,}]*' BENCH_ANY_ORDER=1
		;;
	limit*) BENCH_BODIES=$work/body_$tokens ;;
	esac
	load http "$case" "$name" "$connections" "$seconds"
}

prepare_unleash() {
	local tokens
	[ -n "${running[unleash]:-}" ] || return 0
	for tokens in 10 1000; do
		printf 'GET\t/api/admin/user/tokens\tuser:bench-%s-1\t\n' $tokens >"$work/unleash_$tokens"
		curl -s "${url_of[unleash]}/api/admin/user/tokens" -H "Authorization: user:bench-$tokens-1" \
			>"$work/unleash_bodies_$tokens"
		[ "$(grep -o '"expiresAt"' "$work/unleash_bodies_$tokens" | wc -l)" = $tokens ] ||
			die "Unleash does not list its tokens: $(head -c 300 "$work/unleash_bodies_$tokens")"
	done
}

start_limits() {
	local tokens
	for tokens in 10 1000; do serve limit_$tokens "$work/contender/http_limit" "$work/body_$tokens"; done
}

# What compiles as it runs, and what connects when it is asked, has done so before it is timed.
warm_up() {
	local name tokens
	for tokens in $warm; do
		for name in bridge node fastify bun unleash; do
			seconds=1 results=/dev/null list "$name" "$tokens" 64
		done
	done
}

# What the load generator's comparing takes from the cores that all share.
measure_uncompared() {
	export BENCH_STATUS=200 BENCH_REQUESTS=$work/list_$1 BENCH_BODIES=$work/bodies_$1
	BENCH_COMPARE=no load http "64 connections, $1 tokens, bodies not compared" bridge 64 "$seconds"
}

# The bridge and pgbench in short turns, for the bound between them: both meet the same machine
# then, which runs of different sections, minutes apart, do not. Records the means of a round.
measure_in_turn() {
	take_turns '10 tokens' 10 "$work/list_10"
	take_turns '1000 tokens' 1000 "$work/list_1000"
	take_turns '1000 tokens, none alike' 1000 "$work/unlike_1000"
}

# take_turns CASE TOKENS REQUESTS: the other one begins each time
take_turns() {
	local turn
	: >"$work/turns"
	for ((turn = round; turn < round + turns; turn++)); do
		if ((turn % 2)); then
			pgbench_turn "$2"
			bridge_turn "$2" "$3"
		else
			bridge_turn "$2" "$3"
			pgbench_turn "$2"
		fi
	done
	record turns "$1" pgbench rps "$(sum_of_turns pgbench rps "$turns")"
	record turns "$1" bridge rps "$(sum_of_turns bridge rps "$turns")"
	record turns "$1" bridge wrong "$(sum_of_turns bridge wrong 1)"
	record turns "$1" bridge failed "$(sum_of_turns bridge failed 1)"
}

pgbench_turn() { results=$work/turns pgbench_run turns '' pgbench 1 "$work/list_$1.sql" 8 "$turn_seconds"; }
bridge_turn() { results=$work/turns seconds=$turn_seconds list_as turns '' "$2" "$1"; }

# sum_of_turns CONTENDER METRIC DIVISOR
sum_of_turns() {
	awk -F '\t' -v contender="$1" -v metric="$2" -v divisor="$3" \
		'$3 == contender && $5 == metric { sum += $6 } END { printf "%.1f", sum / divisor }' "$work/turns"
}

# The names, each round from another one on.
rotated() {
	local skipped=$(((round - 1) % $#))
	say "${@:skipped + 1}" "${@:1:skipped}"
}

measure_http() {
	local connections tokens name
	for tokens in 10 1000; do
		for connections in $http_connections; do
			for name in $(rotated bridge node fastify bun unleash limit_$tokens); do
				list "$name" $tokens "$connections"
			done
		done
		measure_uncompared $tokens
	done
}

# ---- 4: scale -------------------------------------------------------------------------------

# Good tokens, and what a flood of others costs. An answer to the latter carries a fresh id.
measure_refusals() {
	local kind
	unset BENCH_BODIES BENCH_FORGET
	export BENCH_STATUS=401
	export BENCH_PATTERN='^{"id":"%x+%-%x+%-4%x+%-%x+%-%x+","name":"AuthenticationRequired","message":"You must log in to use Unleash%.","details":%[{"message":"You must log in to use Unleash%."}%]}$'
	for kind in unknown mistyped; do
		BENCH_REQUESTS=$work/$kind load refusals "64 connections, $kind tokens" bridge 64 "$seconds"
	done
	list_as refusals 'good tokens' "$work/list_10"
}

# list_as SECTION CASE REQUESTS [TOKENS]: lists of 10 tokens at 64 connections through the bridge
list_as() {
	export BENCH_STATUS=200 BENCH_BODIES=$work/bodies_${4:-10} BENCH_REQUESTS=$3
	unset BENCH_PATTERN BENCH_FORGET BENCH_ANY_ORDER
	load "$1" "64 connections, $2" bridge 64 "$seconds"
}

measure_callers() {
	owner_sql <<<"UPDATE pat_token SET seen_at = '2025-01-01' WHERE account_id > 10000 AND account_id <= 20000; VACUUM pat_token;"
	list_as callers '10000 callers, each due once' "$work/callers"
	list_as callers '10000 callers, none due' "$work/callers"
	set_server 'pat.seen_resolution = 0'
	list_as callers '10000 callers, every request due' "$work/callers"
	set_server 'pat.seen_resolution = DEFAULT'
	owner_sql <<<'VACUUM pat_token'
}

measure_idle() {
	local count=10000 files
	files=$(ulimit -n)
	if [ "$files" != unlimited ] && [ "$files" -lt $((count + 500)) ]; then
		note "Only $files files may be open: no $count idle connections."
		return
	fi
	hold_idle bridge $count
	list_as idle 'without them' "$work/list_10"
	serve small "$top/bridge/pat-bridge" --listen 127.0.0.1:0 --max-connections 12000 \
		--max-header-size 2560 --db "host=$work/run user=pat_bridge dbname=postgres" || return 0
	poll 20 curl -fs -o /dev/null "${url_of[small]}/ready" && hold_idle small $count
	end_served small
}

# hold_idle SERVER COUNT: what so many connections that have had an answer each take, and for the
# bridge what they do to lists.
hold_idle() {
	local before after holder answer
	before=$(resident_kb "${running[$1]}")
	coproc HOLDER { exec perl "$top/bench/idle.pl" "${url_of[$1]##*:}" "$2" \
		/api/admin/service-account/1/token "$admin" 2>&1; }
	holder=$HOLDER_PID
	read -r -t 120 answer <&"${HOLDER[0]}" || answer=
	[ "$answer" = ready ] || die "idle connections: $answer"
	if [ "$1" = bridge ]; then list_as idle "beside $2 idle" "$work/list_10"; fi
	after=$(settled_kb "${running[$1]}")
	record idle "$2 idle connections" "$1" more_kb $((after - before))
	end_process "$holder" TERM
}

# Grows the table of a second database, and times the same lists in both in turn. Not a part of
# the rounds.
measure_growth() {
	local size
	for size in $growth; do
		note "Growing a table to $size tokens …"
		sql_in grown <<<"CALL bench_grow(${size%M}000000); VACUUM ANALYZE pat_token, pat_account; CHECKPOINT;" ||
			die "growing the table failed"
		record growth "$size tokens in the table" database count "$(sql_in grown <<<'SELECT count(*) FROM pat_token')"
		for round in 1 2 3; do
			growth_round "$size" small postgres
			growth_round "$size" grown grown
		done
	done
}

growth_round() {
	local case="$1 tokens in the table"
	record growth "$case" "$2" us "$(us_per_call pat_list_for_service_account 10 "$3")"
	PGDATABASE=$3 pgbench_run growth "$case" "$2" 1 "$work/list_10.sql" 8 "$seconds"
}

# ---- 5: writes ------------------------------------------------------------------------------

# Requests that create COUNT tokens, with descriptions of this round and case.
write_creations() {
	write_requests "$1" <<-SQL
		SELECT format(E'POST\t/api/admin/service-account/%s/token\t$admin\t{"description":"$3 %s","expiresAt":"2098-01-01T00:00:00Z"}',
			4001 + n % 1000, n)
		FROM generate_series(1, $2) n
	SQL
}

# Tokens for deleting, and the requests that delete each once.
write_deletions() {
	write_requests "$1" <<-SQL
		WITH made AS (
			INSERT INTO pat_token (account_id, description, secret_hash)
			SELECT 4001 + n % 1000, 'delete $3 ' || n, sha256(('user:delete $3 ' || n)::bytea)
			FROM generate_series(1, $2) n RETURNING id, account_id)
		SELECT format(E'DELETE\t/api/admin/service-account/%s/token/%s\t$admin\t', account_id, id) FROM made
	SQL
}

measure_writes() {
	local count=$((seconds * 8000))
	set_server 'pat.max_tokens_per_account = 0'
	unset BENCH_BODIES BENCH_FORGET
	write_creations "$work/create" $count "create $round"
	BENCH_STATUS=201 BENCH_PATTERN='^{"id":%d+,"description":"create ' BENCH_REQUESTS=$work/create \
		load writes 'create, 8 connections' bridge 8 "$seconds"
	write_deletions "$work/delete" $count "$round"
	BENCH_STATUS=200 BENCH_PATTERN='^$' BENCH_REQUESTS=$work/delete \
		load writes 'delete, 8 connections' bridge 8 "$seconds"
	pgbench_run writes 'create, 1 client' pgbench 1 "$work/create.sql" 1 "$seconds"
	pgbench_run writes 'create, 8 clients' pgbench 1 "$work/create.sql" 8 "$seconds"
	list_as writes 'lists alone' "$work/list_10"
	measure_lists_beside_writes $count
	set_server 'pat.max_tokens_per_account = DEFAULT'
	owner_sql <<<'DELETE FROM pat_token WHERE account_id BETWEEN 4001 AND 5000; VACUUM pat_token;'
}

measure_lists_beside_writes() {
	local writer
	write_creations "$work/create" "$1" "beside $round"
	(
		trap - EXIT
		export BENCH_STATUS=201 BENCH_PATTERN='^{"id":%d+,"description":"beside ' BENCH_REQUESTS=$work/create
		unset BENCH_BODIES
		wrk_run "${url_of[bridge]}" 8 $((seconds + 1)) >"$work/beside"
	) &
	writer=$!
	list_as writes 'lists beside writes' "$work/list_10"
	wait $writer
	# shellcheck disable=SC2046
	record_load writes 'create beside lists, 8 connections' bridge $(cat "$work/beside")
}
