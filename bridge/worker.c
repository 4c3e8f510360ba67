/*
 * worker.c
 *		The event loop: accept, run HTTP, pump the lanes, mind the time.
 *
 * Owns its loop, lanes and HTTP sides; the listening sockets belong to main.
 * Everything runs in the worker's thread but worker_start, _stop and _join.
 *
 * The addresses for monitoring are the first worker's: any worker can tell what
 * all have counted, and a limit that is one worker's is exact.  They have
 * connections of their own, so that clients that take all those of the API do
 * not lock monitoring out.
 */
#include "worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "http.h"
#include "lane.h"
#include "log.h"
#include "loop.h"

/* Connections taken from one socket in one turn. */
#define ACCEPTS_PER_TURN 32

/* How long to leave a socket alone that could not be accepted from. */
#define ACCEPT_PAUSE_US (100 * CLOCK_US_PER_MS)

/* How long requests under way may take to finish after the order to stop. */
#define STOP_GRACE_US (5 * CLOCK_US_PER_S)

/*
 * Reads are pipelined deeply.  Writes go one at a time on each connection, so
 * that a lost connection leaves one outcome unknown and no more.
 */
#define READ_DEPTH  64
#define WRITE_DEPTH 1

/* How long to leave it alone while there is no room and nobody can be asked to go. */
#define FULL_PAUSE_US (50 * CLOCK_US_PER_MS)

typedef struct Gate Gate;

typedef struct Acceptor
{
	Gate *gate;
	LoopWatch watch;
	int fd;
} Acceptor;

/* An HTTP side and the sockets that lead to it. */
struct Gate
{
	Loop *loop;
	Http *http;         /* NULL: there is no such side here */
	Gate *sibling;      /* whose connections count with ours, or NULL */
	int64_t accept_due; /* accept again from then on */
	bool accepting;
	unsigned acceptor_count;
	Acceptor acceptors[OPTIONS_MAX_LISTEN];
};

struct Worker
{
	pthread_t thread;
	Loop loop;
	LoopWatch stop_watch;
	int stop_fd;
	bool stopping;
	int64_t stop_due;
	Lane *read;
	Lane *write;
	HttpShare api_share; /* of the next two: a side speaks TLS with all clients or with none */
	Gate api;
	Gate secure;
	HttpShare admin_share;
	Gate admin;
};

/* The gates to the API that there are, one after the other. */
#define EACH_API_GATE(worker, gate)                                \
	for (Gate *gate = &(worker)->api; gate != NULL;                \
		 gate = gate == &(worker)->api ? &(worker)->secure : NULL) \
		if (gate->http != NULL)

/* ---- accepting ---------------------------------------------------------- */

static void
stop_accepting(Gate *gate)
{
	for (unsigned i = 0; i < gate->acceptor_count; i++)
		loop_unwatch(gate->loop, &gate->acceptors[i].watch);
	gate->accepting = false;
}

static void
start_accepting(Gate *gate)
{
	gate->accepting = true;
	for (unsigned i = 0; i < gate->acceptor_count; i++)
	{
		Acceptor *acceptor = &gate->acceptors[i];

		if (!loop_watch(gate->loop, &acceptor->watch, acceptor->fd, EPOLLIN))
			log_event(LOG_ERROR, "cannot watch a listening socket: %s", strerror(errno));
	}
}

/* Out of descriptors or memory: others may free some soon. */
static void
pause_accepting(Gate *gate)
{
	log_event(LOG_WARNING, "cannot accept a connection: %s", strerror(errno));
	gate->accept_due = clock_us() + ACCEPT_PAUSE_US;
	stop_accepting(gate);
}

static bool
is_passing(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == ECONNABORTED;
}

/*
 * No room: somebody who keeps a connection without using it has to go.  If all
 * are busy, wait a little; the kernel's queue holds who comes.
 */
static void
make_room(Gate *gate)
{
	Gate *sibling = gate->sibling;

	if (http_make_room(gate->http) ||
		(sibling != NULL && sibling->http != NULL && http_make_room(sibling->http)))
		return;
	gate->accept_due = clock_us() + FULL_PAUSE_US;
	stop_accepting(gate);
}

static void
on_connections(void *owner, uint32_t events)
{
	Acceptor *acceptor = owner;
	Gate *gate = acceptor->gate;

	(void) events;
	if (!http_has_room(gate->http))
		make_room(gate);
	for (int i = 0; i < ACCEPTS_PER_TURN && http_has_room(gate->http); i++)
	{
		struct sockaddr_storage addr;
		socklen_t size = sizeof(addr);
		int fd = accept4(acceptor->fd, (struct sockaddr *) &addr, &size,
						 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
		{
			if (!is_passing(errno))
				pause_accepting(gate);
			return;
		}
		http_adopt(gate->http, fd, (struct sockaddr *) &addr, size);
	}
}

/* Watch the listening sockets unless told to leave them alone. */
static void
mind_gate(Gate *gate, bool open, int64_t now)
{
	bool wanted = open && now >= gate->accept_due;

	if (wanted && !gate->accepting)
		start_accepting(gate);
	else if (!wanted && gate->accepting)
		stop_accepting(gate);
}

/* When the gate wants a turn of the loop even if nothing happens. */
static int64_t
gate_next_due(Gate *gate, bool open)
{
	int64_t due = http_next_due(gate->http);

	if (open && !gate->accepting)
		return gate->accept_due < due ? gate->accept_due : due;
	return due;
}

/* ---- the loop ----------------------------------------------------------- */

static void
on_stop(void *owner, uint32_t events)
{
	Worker *worker = owner;
	uint64_t count;

	(void) events;
	if (read(worker->stop_fd, &count, sizeof(count)) != (ssize_t) sizeof(count))
		return;
	worker->stopping = true;
	worker->stop_due = clock_us() + STOP_GRACE_US;
	EACH_API_GATE(worker, gate)
	http_drain(gate->http);
	if (worker->admin.http != NULL)
		http_drain(worker->admin.http);
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int
timeout_ms(Worker *worker)
{
	int64_t due = earlier(lane_next_due(worker->read), lane_next_due(worker->write));
	int64_t left;

	EACH_API_GATE(worker, gate)
	due = earlier(due, gate_next_due(gate, !worker->stopping));
	if (worker->admin.http != NULL)
		due = earlier(due, gate_next_due(&worker->admin, true));
	if (worker->stopping)
		due = earlier(due, worker->stop_due);
	if (due == CLOCK_NEVER)
		return -1;
	left = due - clock_us();
	return left <= 0 ? 0 : (int) earlier((left + CLOCK_US_PER_MS - 1) / CLOCK_US_PER_MS, 60000);
}

static bool
is_over(const Worker *worker, int64_t now)
{
	return worker->stopping && (worker->api_share.requests == 0 || now >= worker->stop_due);
}

/* Open until the end: who watches sees the requests under way finish. */
static void
turn_admin(Worker *worker, int64_t now)
{
	http_run(worker->admin.http);
	mind_gate(&worker->admin, true, now);
}

static void
turn(Worker *worker)
{
	int64_t now;

	loop_turn(&worker->loop, timeout_ms(worker));
	now = clock_us();
	lane_tick(worker->read, now);
	lane_tick(worker->write, now);
	EACH_API_GATE(worker, gate)
	http_run(gate->http);
	lane_pump(worker->read);
	lane_pump(worker->write);
	EACH_API_GATE(worker, gate)
	mind_gate(gate, !worker->stopping, now);
	if (worker->admin.http != NULL)
		turn_admin(worker, now);
}

static void *
run(void *arg)
{
	Worker *worker = arg;

	while (!is_over(worker, clock_us()))
		turn(worker);
	stop_accepting(&worker->api);
	stop_accepting(&worker->secure);
	stop_accepting(&worker->admin);
	lane_stop(worker->read);
	lane_stop(worker->write);
	EACH_API_GATE(worker, gate)
	http_run(gate->http);
	return NULL;
}

/* ---- life --------------------------------------------------------------- */

static void
worker_free(Worker *worker)
{
	EACH_API_GATE(worker, gate)
	http_close(gate->http);
	if (worker->admin.http != NULL)
		http_close(worker->admin.http);
	if (worker->read != NULL)
		lane_close(worker->read);
	if (worker->write != NULL)
		lane_close(worker->write);
	loop_close(&worker->loop);
	if (worker->stop_fd >= 0)
		close(worker->stop_fd);
	free(worker);
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

/* Rounded up: each worker has room for one. */
static unsigned
connections_per_worker(const Options *options)
{
	return (unsigned) ((options->max_connections + options->workers - 1) / options->workers);
}

static bool
open_api(Worker *worker, HttpSettings settings, const Options *options)
{
	worker->api_share.max_connections = connections_per_worker(options);
	settings.share = &worker->api_share;
	settings.serves = options->admin_listen_count > 0 ? ROUTE_ALL & ~ROUTE_BIT(ROUTE_METRICS)
													  : ROUTE_ALL;
	settings.side = COUNTERS_API;
	if (worker->api.acceptor_count > 0)
		worker->api.http = http_open(&worker->loop, &settings);
	settings.tls = true;
	if (worker->secure.acceptor_count > 0)
		worker->secure.http = http_open(&worker->loop, &settings);
	return (worker->api.acceptor_count == 0 || worker->api.http != NULL) &&
		   (worker->secure.acceptor_count == 0 || worker->secure.http != NULL);
}

static bool
open_admin(Worker *worker, HttpSettings settings)
{
	worker->admin_share.max_connections = HTTP_ADMIN_CONNECTIONS;
	settings.share = &worker->admin_share;
	settings.peers = NULL;
	settings.serves = ROUTE_FOR_MONITORS;
	settings.side = COUNTERS_ADMIN;
	worker->admin.http = http_open(&worker->loop, &settings);
	return worker->admin.http != NULL;
}

static bool
open_parts(Worker *worker, const WorkerSetup *setup, unsigned number)
{
	const Options *options = setup->options;
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

	worker->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->stop_fd < 0 || !loop_open(&worker->loop) ||
		!loop_watch(&worker->loop, &worker->stop_watch, worker->stop_fd, EPOLLIN) ||
		!open_lanes(worker, options, settings.counters))
		return false;
	settings.read = worker->read;
	settings.write = worker->write;
	return open_api(worker, settings, options) &&
		   (worker->admin.acceptor_count == 0 || open_admin(worker, settings));
}

static void
add_acceptor(Worker *worker, Gate *gate, int fd)
{
	Acceptor *acceptor = &gate->acceptors[gate->acceptor_count++];

	gate->loop = &worker->loop;
	acceptor->gate = gate;
	acceptor->fd = fd;
	acceptor->watch = (LoopWatch) LOOP_WATCH_INIT(on_connections, acceptor);
}

/* With a certificate TCP speaks TLS; Unix-domain sockets never do, nor do those for monitors. */
static void
fill_gates(Worker *worker, const WorkerSetup *setup, unsigned number)
{
	const Options *options = setup->options;

	worker->api.sibling = &worker->secure;
	worker->secure.sibling = &worker->api;
	for (unsigned i = 0; i < options->listen_count; i++)
	{
		bool tls = options->tls_cert != NULL && !setup->listeners[i].local;

		add_acceptor(worker, tls ? &worker->secure : &worker->api, setup->listeners[i].fds[number]);
	}
	for (unsigned i = 0; number == 0 && i < options->admin_listen_count; i++)
		add_acceptor(worker, &worker->admin, setup->admin[i].fds[number]);
}

void
worker_describe(CounterSet *counters, const Options *options)
{
	uint64_t workers = (uint64_t) options->workers;

	snprintf(counters->http_library, sizeof(counters->http_library), "%s", http_library_version());
	db_library_version(counters->db_library, sizeof(counters->db_library));
	counters->lane_connections[COUNTERS_READ] = workers * (uint64_t) options->read_connections;
	counters->lane_connections[COUNTERS_WRITE] = workers * (uint64_t) options->write_connections;
	counters->connection_limits[COUNTERS_API] = workers * connections_per_worker(options);
	if (options->admin_listen_count > 0)
		counters->connection_limits[COUNTERS_ADMIN] = HTTP_ADMIN_CONNECTIONS;
}

Worker *
worker_start(const WorkerSetup *setup, unsigned number)
{
	Worker *worker = calloc(1, sizeof(Worker));

	if (worker == NULL)
		return NULL;
	worker->loop.epoll_fd = worker->stop_fd = -1;
	worker->stop_watch = (LoopWatch) LOOP_WATCH_INIT(on_stop, worker);
	fill_gates(worker, setup, number);
	if (open_parts(worker, setup, number) &&
		pthread_create(&worker->thread, NULL, run, worker) == 0)
		return worker;
	log_event(LOG_ERROR, "cannot start worker %u", number + 1);
	worker_free(worker);
	return NULL;
}

void
worker_stop(Worker *worker)
{
	uint64_t one = 1;
	ssize_t written = write(worker->stop_fd, &one, sizeof(one));

	(void) written; /* an eventfd takes a one unless it is full of them */
}

void
worker_join(Worker *worker)
{
	pthread_join(worker->thread, NULL);
	worker_free(worker);
}
