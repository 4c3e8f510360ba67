/*
 * worker.c
 *		The event loop: accept, run HTTP, pump the lanes, mind the time; and how
 *		it ends without losing a request.
 *
 * Owns its loop, lanes and gates.  Everything runs in the worker's thread but
 * worker_start, _reload, _stop and _join: these leave word in atomic fields and
 * ring by an eventfd.
 *
 * The addresses for monitoring are the first worker's: any worker can tell what
 * all have counted, and a limit that is one worker's is exact.  They have
 * connections of their own, so that clients that take all those of the API do
 * not lock monitoring out.
 */
#include "worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "descriptors.h"
#include "gate.h"
#include "lane.h"
#include "log.h"

/*
 * How long after the order to stop the sockets stay open for the clients whose
 * requests to connect the kernel had answered already: a round trip.
 */
#define SETTLE_US (20 * CLOCK_US_PER_MS)

/* Clients that are silent for this share of the time to drain are idle. */
#define IDLE_SHARE 10

/*
 * Reads are pipelined deeply.  Writes go one at a time on each connection, so
 * that a lost connection leaves one outcome unknown and no more.
 */
#define READ_DEPTH  64
#define WRITE_DEPTH 1

/* An HTTP side speaks TLS with all its clients or with none; the first two are the API's. */
typedef enum GateKind
{
	GATE_PLAIN,
	GATE_TLS,
	GATE_ADMIN,
	GATES
} GateKind;

struct Worker
{
	pthread_t thread;
	Loop loop;
	LoopWatch bell_watch;
	int bell_fd;
	_Atomic(Settings *) pending; /* to go by from now on; NULL: no word */
	atomic_bool told_to_stop;
	Settings *settings; /* in force */
	Settings *first;    /* what its parts were made from: the lanes use its strings */
	bool stopping;
	bool closed; /* the sockets of the API are */
	int64_t close_due;
	int64_t stop_due;
	Lane *read;
	Lane *write;
	HttpShare shares[COUNTERS_SIDES];
	Gate gates[GATES];
};

/* The gates that are there, one after the other. */
static Gate *
next_gate(Worker *worker, Gate *gate)
{
	gate = gate == NULL ? worker->gates : gate + 1;
	while (gate < worker->gates + GATES && gate->http == NULL)
		gate++;
	return gate < worker->gates + GATES ? gate : NULL;
}

#define EACH_GATE(gate, worker) \
	for (Gate *gate = next_gate(worker, NULL); (gate) != NULL; (gate) = next_gate(worker, gate))

/* The gate for monitoring stays open when the others close. */
#define EACH_API_GATE(gate, worker) \
	EACH_GATE(gate, worker)         \
	if ((gate) != &(worker)->gates[GATE_ADMIN])

/* ---- stopping ----------------------------------------------------------- */

/* The gate for monitoring is open until the end: who watches sees the requests finish. */
static void
start_stopping(Worker *worker)
{
	int64_t now = clock_us();

	worker->stopping = true;
	worker->close_due = now + SETTLE_US;
	worker->stop_due = now + worker->settings->options.drain_timeout_ms * CLOCK_US_PER_MS;
	EACH_API_GATE(gate, worker)
	gate_leave_inherited(gate);
	EACH_GATE(gate, worker)
	http_drain(gate->http);
}

/* When the last of the API's clients will have been idle for long enough. */
static int64_t
drained_at(Worker *worker)
{
	int64_t idle_us = worker->settings->options.drain_timeout_ms * CLOCK_US_PER_MS / IDLE_SHARE;
	int64_t last = 0;

	EACH_API_GATE(gate, worker)
	{
		int64_t theirs = http_drained_at(gate->http, idle_us);

		last = theirs > last ? theirs : last;
	}
	return last;
}

/* Judged by a time before the last look at the clients: they may have been busy since. */
static bool
is_over(Worker *worker, int64_t looked)
{
	if (!worker->stopping)
		return false;
	return looked >= worker->stop_due || (worker->closed && looked >= drained_at(worker));
}

static int64_t
stopping_due(Worker *worker)
{
	return clock_earlier(worker->stop_due, worker->closed ? drained_at(worker) : worker->close_due);
}

static void
close_api(Worker *worker)
{
	EACH_API_GATE(gate, worker)
	gate_close(gate);
	worker->closed = true;
}

/* ---- orders ------------------------------------------------------------- */

/* A worker's part of the connections, rounded up: each has room for one. */
static unsigned
max_connections(const Options *options)
{
	unsigned workers = (unsigned) options->workers;

	return (descriptors_max_connections(options) + workers - 1) / workers;
}

/* Its part of the memory for answers. */
static size_t
max_response_memory(const Options *options)
{
	return (size_t) ((options->max_response_memory + options->workers - 1) / options->workers);
}

static void
go_by(Worker *worker, Settings *settings)
{
	const Options *options = &settings->options;
	int64_t timeout_us = options->request_timeout_ms * CLOCK_US_PER_MS;

	lane_set_limits(worker->read, (unsigned) options->max_queue, timeout_us);
	lane_set_limits(worker->write, (unsigned) options->max_queue, timeout_us);
	EACH_API_GATE(gate, worker)
	http_set_limits(gate->http, max_connections(options), timeout_us);
	settings_release(worker->settings);
	worker->settings = settings;
}

static void
on_bell(void *owner, uint32_t events)
{
	Worker *worker = owner;
	Settings *pending;
	uint64_t count;

	(void) events;
	if (read(worker->bell_fd, &count, sizeof(count)) != (ssize_t) sizeof(count))
		return;
	pending = atomic_exchange(&worker->pending, NULL);
	if (pending != NULL)
		go_by(worker, pending);
	if (atomic_load(&worker->told_to_stop) && !worker->stopping)
		start_stopping(worker);
}

static void
ring(Worker *worker)
{
	uint64_t one = 1;
	ssize_t written = write(worker->bell_fd, &one, sizeof(one));

	(void) written; /* an eventfd takes a one unless it is full of them */
}

/* ---- the loop ----------------------------------------------------------- */

static int
timeout_ms(Worker *worker)
{
	int64_t due = clock_earlier(lane_next_due(worker->read), lane_next_due(worker->write));
	int64_t left;

	EACH_GATE(gate, worker)
	due = clock_earlier(due, gate_next_due(gate));
	if (worker->stopping)
		due = clock_earlier(due, stopping_due(worker));
	if (due == CLOCK_NEVER)
		return -1;
	left = due - clock_us();
	return left <= 0 ? 0
					 : (int) clock_earlier((left + CLOCK_US_PER_MS - 1) / CLOCK_US_PER_MS, 60000);
}

static void
run_gates(Worker *worker)
{
	EACH_GATE(gate, worker)
	gate_run(gate);
}

static void
turn(Worker *worker)
{
	bool quiet = !loop_turn(&worker->loop, timeout_ms(worker));
	int64_t now = clock_us();

	lane_tick(worker->read, now);
	lane_tick(worker->write, now);
	run_gates(worker);
	lane_pump(worker->read, quiet);
	lane_pump(worker->write, quiet);
	EACH_GATE(gate, worker)
	gate_mind(gate, now);
	if (worker->stopping && !worker->closed && now >= worker->close_due)
		close_api(worker);
}

static void *
run(void *arg)
{
	Worker *worker = arg;
	int64_t looked;

	do
	{
		looked = clock_us();
		turn(worker);
	} while (!is_over(worker, looked));
	EACH_GATE(gate, worker)
	gate_close(gate);
	lane_stop(worker->read);
	lane_stop(worker->write);
	run_gates(worker);
	return NULL;
}

/* ---- life --------------------------------------------------------------- */

static void
worker_free(Worker *worker)
{
	EACH_GATE(gate, worker)
	http_close(gate->http);
	if (worker->read != NULL)
		lane_close(worker->read);
	if (worker->write != NULL)
		lane_close(worker->write);
	loop_close(&worker->loop);
	if (worker->bell_fd >= 0)
		close(worker->bell_fd);
	if (atomic_load(&worker->pending) != NULL)
		settings_release(atomic_load(&worker->pending));
	settings_release(worker->settings);
	settings_release(worker->first);
	free(worker);
}

/* What the connections of one kind are for. */
static CallSet
calls_of(RouteLane which)
{
	CallSet set = {.count = 0};
	size_t rows;
	const Route *table = route_table(&rows);

	for (size_t i = 0; i < rows; i++)
		if (table[i].kind == ROUTE_CALL && table[i].lane == which)
			set.calls[set.count++] = &table[i].call;
	return set;
}

/* Reads come from the primary, unless --read-db names servers for them. */
static DbTarget
target_of(const Options *options, bool write)
{
	if (write)
		return DB_TAKES_CHANGES;
	return options->read_db == NULL ? DB_PRIMARY : DB_ANY_SERVER;
}

static Lane *
open_lane(Worker *worker, const Options *options, Counters *counters, bool write)
{
	LaneSettings settings = {
		.name = write ? "write" : "read",
		.conninfo = write || options->read_db == NULL ? options->db : options->read_db,
		.connections = (unsigned) (write ? options->write_connections : options->read_connections),
		.depth = write ? WRITE_DEPTH : READ_DEPTH,
		.max_queue = (unsigned) options->max_queue,
		.timeout_us = options->request_timeout_ms * CLOCK_US_PER_MS,
		.max_reply_bytes = write ? 0 : max_response_memory(options),
		.target = target_of(options, write),
		.calls = calls_of(write ? ROUTE_WRITE : ROUTE_READ),
		.repeatable = !write,
		.pooled = options->pooler == OPTIONS_POOLER_TRANSACTION,
		.counters = &counters->lanes[write ? COUNTERS_WRITE : COUNTERS_READ],
	};

	return lane_open(&worker->loop, &settings);
}

static bool
open_lanes(Worker *worker, const Options *options, Counters *counters)
{
	worker->read = open_lane(worker, options, counters, false);
	worker->write = open_lane(worker, options, counters, true);
	return worker->read != NULL && worker->write != NULL;
}

/* The HTTP side of a gate, if addresses lead there. */
static bool
open_gate(Worker *worker, GateKind kind, HttpSettings settings, unsigned connections)
{
	Gate *gate = &worker->gates[kind];

	settings.share = &worker->shares[settings.side];
	settings.share->max_connections = connections;
	settings.tls = kind == GATE_TLS;
	if (gate->count == 0)
		return true;
	gate->http = http_open(&worker->loop, &settings);
	return gate->http != NULL;
}

static bool
open_api(Worker *worker, HttpSettings settings, const Options *options)
{
	unsigned connections = max_connections(options);

	settings.side = COUNTERS_API;
	settings.serves = options->admin_listen_count > 0 ? ROUTE_ALL & ~ROUTE_BIT(ROUTE_METRICS)
													  : ROUTE_ALL;
	return open_gate(worker, GATE_PLAIN, settings, connections) &&
		   open_gate(worker, GATE_TLS, settings, connections);
}

static bool
open_admin(Worker *worker, HttpSettings settings)
{
	settings.side = COUNTERS_ADMIN;
	settings.serves = ROUTE_FOR_MONITORS;
	settings.peers = NULL;
	return open_gate(worker, GATE_ADMIN, settings, HTTP_ADMIN_CONNECTIONS);
}

static bool
open_parts(Worker *worker, const WorkerSetup *setup, unsigned number)
{
	const Options *options = &setup->settings->options;
	HttpSettings settings = {
		.peers = setup->peers,
		.max_header_size = (size_t) options->max_header_size,
		.max_body_size = (size_t) options->max_body_size,
		.timeout_us = options->request_timeout_ms * CLOCK_US_PER_MS,
		.idle_us = options->idle_timeout_ms * CLOCK_US_PER_MS,
		.client_us = options->client_timeout_ms * CLOCK_US_PER_MS,
		.server_timing = options->server_timing,
		.counters = &setup->counters->each[number],
		.all = setup->counters,
	};

	worker->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->bell_fd < 0 || !loop_open(&worker->loop) ||
		!loop_watch(&worker->loop, &worker->bell_watch, worker->bell_fd, EPOLLIN) ||
		!open_lanes(worker, options, settings.counters))
		return false;
	settings.read = worker->read;
	settings.write = worker->write;
	return open_api(worker, settings, options) && open_admin(worker, settings);
}

/* With a certificate TCP speaks TLS; Unix-domain sockets never do, nor do those for monitors. */
static void
take_listeners(Worker *worker, const WorkerSetup *setup, unsigned number)
{
	bool has_certificate = setup->settings->options.tls_cert != NULL;

	for (unsigned i = 0; i < GATES; i++)
		gate_init(&worker->gates[i], &worker->loop, number);
	worker->gates[GATE_PLAIN].sibling = &worker->gates[GATE_TLS];
	worker->gates[GATE_TLS].sibling = &worker->gates[GATE_PLAIN];
	for (unsigned i = 0; i < setup->listening; i++)
	{
		bool tls = has_certificate && !setup->listeners[i].local;

		gate_add(&worker->gates[tls ? GATE_TLS : GATE_PLAIN], &setup->listeners[i]);
	}
	for (unsigned i = 0; number == 0 && i < setup->monitoring; i++)
		gate_add(&worker->gates[GATE_ADMIN], &setup->admin[i]);
}

void
worker_describe_limits(CounterSet *counters, const Options *options)
{
	counter_set(&counters->connection_limits[COUNTERS_API],
				(uint64_t) options->workers * max_connections(options));
}

void
worker_describe(CounterSet *counters, const Options *options)
{
	uint64_t workers = (uint64_t) options->workers;

	snprintf(counters->http_library, sizeof(counters->http_library), "%s", http_library_version());
	db_library_version(counters->db_library, sizeof(counters->db_library));
	counters->lane_connections[COUNTERS_READ] = workers * (uint64_t) options->read_connections;
	counters->lane_connections[COUNTERS_WRITE] = workers * (uint64_t) options->write_connections;
	counters->max_response_memory = workers * max_response_memory(options);
	worker_describe_limits(counters, options);
	if (options->admin_listen_count > 0)
		counter_set(&counters->connection_limits[COUNTERS_ADMIN], HTTP_ADMIN_CONNECTIONS);
}

Worker *
worker_start(const WorkerSetup *setup, unsigned number)
{
	Worker *worker = calloc(1, sizeof(Worker));

	if (worker == NULL)
		return NULL;
	worker->loop.epoll_fd = worker->bell_fd = -1;
	worker->bell_watch = (LoopWatch) LOOP_WATCH_INIT(on_bell, worker);
	worker->settings = settings_hold(setup->settings);
	worker->first = settings_hold(setup->settings);
	take_listeners(worker, setup, number);
	if (open_parts(worker, setup, number) &&
		pthread_create(&worker->thread, NULL, run, worker) == 0)
		return worker;
	log_event(LOG_ERROR, "cannot start worker %u", number + 1);
	worker_free(worker);
	return NULL;
}

/* A worker that has not come to look yet finds the later ones only. */
void
worker_reload(Worker *worker, Settings *settings)
{
	Settings *overtaken = atomic_exchange(&worker->pending, settings_hold(settings));

	if (overtaken != NULL)
		settings_release(overtaken);
	ring(worker);
}

void
worker_stop(Worker *worker)
{
	atomic_store(&worker->told_to_stop, true);
	ring(worker);
}

void
worker_join(Worker *worker)
{
	pthread_join(worker->thread, NULL);
	worker_free(worker);
}
