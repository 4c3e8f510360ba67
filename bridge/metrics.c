/*
 * metrics.c
 *		Writes the counters down in Prometheus's text format, 0.0.4.
 *
 * Values of labels come from tables of ours (routes, lanes, ends) and from
 * versions of libraries; nothing that a client sent comes in here.  A histogram
 * is read once and added up from what was read, so that its buckets, its count
 * and each other agree whatever happens meanwhile.
 */
#include "metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "log.h"
#include "version.h"

#define FIRST_ROOM 16384

/* A text that grows; after a failure it stays as it is. */
typedef struct Text
{
	char *data;
	size_t room;
	size_t used;
	bool failed;
} Text;

typedef struct Family
{
	const char *name;
	const char *type;
	const char *help;
	size_t offset;  /* of the counter, in the struct of the family's kind */
	double divisor; /* 0: 1 */
} Family;

#define MICRO 1e6

#define LANE(field) offsetof(LaneCounters, field)
#define SIDE(field) offsetof(HttpCounters, field)

static const char *const lane_names[] = {"read", "write"};
static const char *const side_names[] = {"api", "admin"};
static const char *const method_names[] = {"GET", "POST", "PUT", "DELETE"};

/* In the order of LaneEnd. */
static const char *const end_names[COUNTERS_LANE_ENDS] = {"answered", "deadline",   "unavailable",
														  "unknown",  "abandoned",  "queue_full",
														  "stopped",  "memory_full"};

/* One sample for each lane. */
static const Family lane_families[] = {
	{"pat_bridge_lane_queued_calls", "gauge", "Calls that wait for a database connection.",
	 LANE(queued), 0},
	{"pat_bridge_lane_calls_in_flight", "gauge", "Calls sent to the database and not answered yet.",
	 LANE(in_flight), 0},
	{"pat_bridge_lane_connections_up", "gauge", "Database connections that take calls.", LANE(up),
	 0},
	{"pat_bridge_lane_response_bytes", "gauge",
	 "Memory of the database's answers that clients have not taken yet.", LANE(reply_bytes), 0},
	{"pat_bridge_lane_calls_resent_total", "counter",
	 "Reads sent once more because their connection was lost.", LANE(resent), 0},
	{"pat_bridge_lane_calls_joined_total", "counter",
	 "Reads served by a call that another request had waited for, too.", LANE(joined), 0},
	{"pat_bridge_lane_queue_seconds_total", "counter",
	 "Time that calls waited for a database connection.", LANE(queue_us), MICRO},
	{"pat_bridge_lane_database_seconds_total", "counter",
	 "Time between sending calls and their answers.", LANE(database_us), MICRO},
	{"pat_bridge_lane_reconnects_total", "counter",
	 "Database connections that came up again after a loss.", LANE(reconnects), 0},
	{"pat_bridge_lane_connections_lost_total", "counter",
	 "Database connections that were up and were lost.", LANE(losses), 0},
	{"pat_bridge_lane_connect_failures_total", "counter",
	 "Attempts to connect to the database that failed.", LANE(failures), 0},
};

/* One sample for each side that listens. */
static const Family side_families[] = {
	{"pat_bridge_requests_in_flight", "gauge", "Requests begun and not completely answered.",
	 SIDE(requests), 0},
	{"pat_bridge_client_connections", "gauge", "Open connections of clients.", SIDE(connections),
	 0},
	{"pat_bridge_client_connections_accepted_total", "counter", "Connections of clients taken.",
	 SIDE(accepted), 0},
	{"pat_bridge_http_library_restarts_total", "counter",
	 "Times that libmicrohttpd was started again to end a connection.", SIDE(restarts), 0},
};

static void add(Text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool
make_room(Text *text, size_t more)
{
	size_t room = text->room > 0 ? text->room : FIRST_ROOM;
	char *data;

	while (room - text->used <= more)
		room *= 2;
	if (room == text->room)
		return true;
	data = realloc(text->data, room);
	if (data == NULL)
		return false;
	text->data = data;
	text->room = room;
	return true;
}

static void
add(Text *text, const char *format, ...)
{
	va_list args;
	va_list again;
	int length;

	if (text->failed)
		return;
	va_start(args, format);
	va_copy(again, args);
	length = vsnprintf(NULL, 0, format, args);
	if (length < 0 || !make_room(text, (size_t) length))
		text->failed = true;
	else
		text->used += (size_t) vsnprintf(text->data + text->used, (size_t) length + 1, format,
										 again);
	va_end(again);
	va_end(args);
}

static void
add_head(Text *text, const char *name, const char *type, const char *help)
{
	add(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A family of one sample without labels. */
static void
add_single(Text *text, const char *name, const char *type, const char *help, double value)
{
	add_head(text, name, type, help);
	add(text, "%s %.15g\n", name, value);
}

/* ---- routes ------------------------------------------------------------- */

static size_t
route_offset(size_t number, size_t field)
{
	return offsetof(Counters, routes) + number * sizeof(RouteCounters) + field;
}

static size_t
status_offset(size_t number, size_t place)
{
	return route_offset(number, offsetof(RouteCounters, statuses) + place * sizeof(Counter));
}

/* Rows of the table, then what no row takes. */
static size_t
next_route(size_t number)
{
	size_t rows;

	route_table(&rows);
	return number + 1 < rows || number == COUNTERS_NO_ROUTE ? number + 1 : COUNTERS_NO_ROUTE;
}

static void
add_route_labels(Text *text, size_t number)
{
	size_t rows;
	const Route *table = route_table(&rows);

	if (number < rows)
		add(text, "method=\"%s\",route=\"%s\"", method_names[table[number].method],
			table[number].pattern);
	else
		add(text, "method=\"none\",route=\"none\"");
}

static void
add_requests(Text *text, const CounterSet *set)
{
	static const char name[] = "pat_bridge_requests_total";

	add_head(text, name, "counter", "Requests answered; status 0: the client left before.");
	for (size_t route = 0; route < COUNTERS_ROUTES; route = next_route(route))
		for (size_t place = 0; place < COUNTERS_STATUSES; place++)
		{
			uint64_t count = counters_sum(set, status_offset(route, place));

			if (count == 0)
				continue;
			add(text, "%s{", name);
			add_route_labels(text, route);
			add(text, ",status=\"%zu\"} %" PRIu64 "\n",
				place > 0 ? place - 1 + COUNTERS_FIRST_STATUS : 0, count);
		}
}

static void
add_bucket(Text *text, size_t route, const char *bound, uint64_t count)
{
	add(text, "pat_bridge_request_duration_seconds_bucket{");
	add_route_labels(text, route);
	add(text, ",le=\"%s\"} %" PRIu64 "\n", bound, count);
}

static void
add_duration(Text *text, const CounterSet *set, size_t route)
{
	char bound[24];
	uint64_t count = 0;

	for (size_t i = 0; i <= COUNTERS_BUCKETS; i++)
	{
		count += counters_sum(set, route_offset(route, offsetof(RouteCounters, durations) +
														   i * sizeof(Counter)));
		if (i < COUNTERS_BUCKETS)
			snprintf(bound, sizeof(bound), "%g", (double) counters_bucket_us[i] / MICRO);
		add_bucket(text, route, i < COUNTERS_BUCKETS ? bound : "+Inf", count);
	}
	add(text, "pat_bridge_request_duration_seconds_sum{");
	add_route_labels(text, route);
	add(text, "} %.15g\n",
		(double) counters_sum(set, route_offset(route, offsetof(RouteCounters, duration_us))) /
			MICRO);
	add(text, "pat_bridge_request_duration_seconds_count{");
	add_route_labels(text, route);
	add(text, "} %" PRIu64 "\n", count);
}

static void
add_durations(Text *text, const CounterSet *set)
{
	add_head(text, "pat_bridge_request_duration_seconds", "histogram",
			 "Time from a request's first line until its answer was ready.");
	for (size_t route = 0; route < COUNTERS_ROUTES; route = next_route(route))
		add_duration(text, set, route);
}

static void
add_bytes(Text *text, const CounterSet *set)
{
	static const char name[] = "pat_bridge_response_body_bytes_total";

	add_head(text, name, "counter", "Bytes of the bodies of answers.");
	for (size_t route = 0; route < COUNTERS_ROUTES; route = next_route(route))
	{
		add(text, "%s{", name);
		add_route_labels(text, route);
		add(text, "} %" PRIu64 "\n",
			counters_sum(set, route_offset(route, offsetof(RouteCounters, body_bytes))));
	}
}

/* ---- lanes and sides ---------------------------------------------------- */

static size_t
lane_offset(unsigned lane, size_t field)
{
	return offsetof(Counters, lanes) + lane * sizeof(LaneCounters) + field;
}

static size_t
side_offset(unsigned side, size_t field)
{
	return offsetof(Counters, sides) + side * sizeof(HttpCounters) + field;
}

static double
value_of(const Family *family, uint64_t sum)
{
	return family->divisor > 0 ? (double) sum / family->divisor : (double) sum;
}

static void
add_lane_family(Text *text, const CounterSet *set, const Family *family)
{
	add_head(text, family->name, family->type, family->help);
	for (unsigned lane = 0; lane < COUNTERS_LANES; lane++)
		add(text, "%s{lane=\"%s\"} %.15g\n", family->name, lane_names[lane],
			value_of(family, counters_sum(set, lane_offset(lane, family->offset))));
}

static void
add_side_family(Text *text, const CounterSet *set, const Family *family)
{
	add_head(text, family->name, family->type, family->help);
	for (unsigned side = 0; side < COUNTERS_SIDES; side++)
		if (set->connection_limits[side] > 0)
			add(text, "%s{listener=\"%s\"} %.15g\n", family->name, side_names[side],
				value_of(family, counters_sum(set, side_offset(side, family->offset))));
}

static void
add_calls(Text *text, const CounterSet *set)
{
	static const char name[] = "pat_bridge_lane_calls_total";

	add_head(text, name, "counter", "Calls of SQL functions by what became of them.");
	for (unsigned lane = 0; lane < COUNTERS_LANES; lane++)
		for (unsigned end = 0; end < COUNTERS_LANE_ENDS; end++)
			add(text, "%s{lane=\"%s\",outcome=\"%s\"} %" PRIu64 "\n", name, lane_names[lane],
				end_names[end],
				counters_sum(set, lane_offset(lane, LANE(ended) + end * sizeof(Counter))));
}

/* ---- what is configured, and the process -------------------------------- */

static void
add_configured(Text *text, const CounterSet *set)
{
	add_head(text, "pat_bridge_build_info", "gauge",
			 "Versions of the bridge and of the libraries it runs with; always 1.");
	add(text, "pat_bridge_build_info{version=\"%s\",libmicrohttpd=\"%s\",libpq=\"%s\"} 1\n",
		PAT_BRIDGE_VERSION, set->http_library, set->db_library);
	add_single(text, "pat_bridge_workers", "gauge", "Event loops.", set->workers);
	add_head(text, "pat_bridge_client_connections_limit", "gauge",
			 "Most connections of clients at a time.");
	for (unsigned side = 0; side < COUNTERS_SIDES; side++)
		if (set->connection_limits[side] > 0)
			add(text, "pat_bridge_client_connections_limit{listener=\"%s\"} %" PRIu64 "\n",
				side_names[side], set->connection_limits[side]);
	add_single(text, "pat_bridge_response_memory_limit_bytes", "gauge",
			   "Memory of answers from which on reads are refused.",
			   (double) set->max_response_memory);
	add_head(text, "pat_bridge_lane_connections", "gauge", "Database connections configured.");
	for (unsigned lane = 0; lane < COUNTERS_LANES; lane++)
		add(text, "pat_bridge_lane_connections{lane=\"%s\"} %" PRIu64 "\n", lane_names[lane],
			set->lane_connections[lane]);
}

static double
seconds_of(struct timeval time)
{
	return (double) time.tv_sec + (double) time.tv_usec / MICRO;
}

static double
resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long long pages = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%*u %llu", &pages) != 1)
		pages = 0;
	fclose(file);
	return (double) pages * (double) sysconf(_SC_PAGESIZE);
}

/* By the names that Prometheus's own client libraries give them. */
static void
add_process(Text *text, const CounterSet *set)
{
	struct rusage usage = {0};

	getrusage(RUSAGE_SELF, &usage);
	add_single(text, "process_start_time_seconds", "gauge",
			   "Start of the process, in seconds since the epoch.", set->started);
	add_single(text, "process_cpu_seconds_total", "counter",
			   "Processor time used, the kernel's for it included.",
			   seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
	add_single(text, "process_resident_memory_bytes", "gauge", "Memory in use.", resident_bytes());
}

char *
metrics_text(const CounterSet *set, size_t *length)
{
	Text text = {0};

	add_configured(&text, set);
	add_requests(&text, set);
	add_durations(&text, set);
	add_bytes(&text, set);
	for (size_t i = 0; i < sizeof(side_families) / sizeof(side_families[0]); i++)
		add_side_family(&text, set, &side_families[i]);
	for (size_t i = 0; i < sizeof(lane_families) / sizeof(lane_families[0]); i++)
		add_lane_family(&text, set, &lane_families[i]);
	add_calls(&text, set);
	add_single(&text, "pat_bridge_log_lines_suppressed_total", "counter",
			   "Lines about answers of 500 to 504 left out of the log.",
			   (double) counters_sum(set, offsetof(Counters, log_suppressed)));
	add_single(&text, "pat_bridge_log_lines_lost_total", "counter",
			   "Lines that could not be written to the log.", (double) log_lost());
	add_process(&text, set);
	if (text.failed)
	{
		free(text.data);
		return NULL;
	}
	*length = text.used;
	return text.data;
}
