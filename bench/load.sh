# shellcheck shell=bash
# Load and measurement: wrk runs, what processes cost, and the file of results.
#
# Every figure is one line in $results: section, case, contender, round, metric, value. report
# makes medians, the table and the chart of it.

results=
hertz=$(getconf CLK_TCK)
round=0

# record SECTION CASE CONTENDER METRIC VALUE
record() {
	[ -n "$5" ] || die "no figure of $3: $1, $2"
	printf '%s\t%s\t%s\t%d\t%s\t%s\n' "$1" "$2" "$3" "$round" "$4" "$5" >>"$results"
}

# Clock ticks that a process has used so far, of its own and for the kernel.
ticks_of() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | awk '{ print $12 + $13 }'; }

# Lines PID TICKS of all backends; backend_ticks FILE: what those of the file have used since.
backends() {
	local pid
	for pid in $(pgrep -P "$server_pid" -f 'postgres: (pat_bridge|postgres) '); do
		say "$pid $(ticks_of "$pid")"
	done
}
backend_ticks() {
	backends | awk 'NR == FNR { before[$1] = $2; next } $1 in before { sum += $2 - before[$1] } END { print sum + 0 }' "$1" -
}

resident_kb() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }

# settled_kb PID: the same once it has been so for two seconds, for the bridge gives memory back a
# while after its clients went idle; after ten seconds as it is.
settled_kb() {
	local now last='' since=$SECONDS end=$((SECONDS + 10))
	while ((SECONDS - since < 3 && SECONDS < end)); do
		now=$(resident_kb "$1")
		[ "$now" = "$last" ] || since=$SECONDS
		last=$now
		sleep 0.2
	done
	say "$last"
}

# write_requests FILE: lines METHOD PATH AUTHORIZATION BODY from the owner's SQL on standard input
write_requests() { owner_sql >"$1"; }

# wrk_run URL CONNECTIONS SECONDS: prints "requests µs failed wrong p50 p90 p99 max"; the
# environment says what to send (load.lua). One process on one core, like the bridge.
wrk_run() {
	BENCH_SINGLE=$(($2 == 1)) wrk -t1 -c"$2" -d"$3s" --timeout 10s --latency \
		-s "$top/bench/load.lua" "$1" 2>>"$work/wrk.err" | sed -n 's/^RESULT //p'
}

# Microseconds of so many ticks for each of so many requests.
per_request() { awk "BEGIN { printf \"%.2f\", $1 * 1e6 / $hertz / $2 }"; }

# load SECTION CASE CONTENDER CONNECTIONS SECONDS: one run against a server, with its figures.
load() {
	local section=$1 case=$2 name=$3 connections=$4 seconds=$5
	local pid=${running[$name]} mine theirs numbers
	only "$name"
	backends >"$work/backends"
	mine=$(ticks_of "$pid")
	read -ra numbers < <(wrk_run "${url_of[$name]}" "$connections" "$seconds")
	mine=$(($(ticks_of "$pid") - mine))
	theirs=$(backend_ticks "$work/backends")
	record_load "$section" "$case" "$name" "${numbers[@]}"
	if [ "${numbers[0]:-0}" -gt 0 ]; then
		record "$section" "$case" "$name" cpu_us "$(per_request "$mine" "${numbers[0]}")"
		record "$section" "$case" "$name" backend_us "$(per_request "$theirs" "${numbers[0]}")"
	fi
	record "$section" "$case" "$name" resident_kb "$(resident_kb "$pid")"
}

# record_load SECTION CASE CONTENDER REQUESTS MICROSECONDS FAILED WRONG P50 P90 P99 MAX
record_load() {
	[ $# = 11 ] || die "wrk said nothing: $(tail -n 3 "$work/wrk.err")"
	record "$1" "$2" "$3" rps "$(awk "BEGIN { printf \"%.1f\", $4 * 1e6 / $5 }")"
	record "$1" "$2" "$3" failed "$6"
	record "$1" "$2" "$3" wrong "$7"
	record "$1" "$2" "$3" p50_us "$8"
	record "$1" "$2" "$3" p90_us "$9"
	record "$1" "$2" "$3" p99_us "${10}"
	record "$1" "$2" "$3" max_us "${11}"
}

# pgbench_run SECTION CASE CONTENDER CALLS-PER-TRANSACTION SCRIPT CLIENTS SECONDS
pgbench_run() {
	local tps
	tps=$("$(pg_bindir)/pgbench" -n -M prepared -c "$6" -j 1 -T "$7" -f "$5" 2>>"$work/pgbench.err" |
		sed -n 's/^tps = \([0-9.]*\).*/\1/p')
	[ -n "$tps" ] || die "pgbench failed: $(tail -n 3 "$work/pgbench.err")"
	record "$1" "$2" "$3" rps "$(awk "BEGIN { print $tps * $4 }")"
}
