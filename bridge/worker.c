/*
 * worker.c
 *		The event loop: accept, run HTTP, pump the lanes, mind the time.
 *
 * Owns its loop, lanes and HTTP side; the listening sockets belong to main.
 * Everything runs in the worker's thread but worker_start, _stop and _join.
 */
#include "worker.h"

#include <errno.h>
#include <pthread.h>
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

typedef struct Acceptor
{
	Worker *worker;
	LoopWatch watch;
	int fd;
} Acceptor;

struct Worker
{
	pthread_t thread;
	Loop loop;
	LoopWatch stop_watch;
	int stop_fd;
	bool stopping;
	int64_t stop_due;
	int64_t accept_due; /* accept again from then on */
	bool accepting;
	Lane *read;
	Lane *write;
	Http *http;
	unsigned acceptor_count;
	Acceptor acceptors[OPTIONS_MAX_LISTEN];
};

/* ---- accepting ---------------------------------------------------------- */

static void
stop_accepting(Worker *worker)
{
	for (unsigned i = 0; i < worker->acceptor_count; i++)
		loop_unwatch(&worker->loop, &worker->acceptors[i].watch);
	worker->accepting = false;
}

static void
start_accepting(Worker *worker)
{
	worker->accepting = true;
	for (unsigned i = 0; i < worker->acceptor_count; i++)
	{
		Acceptor *acceptor = &worker->acceptors[i];

		if (!loop_watch(&worker->loop, &acceptor->watch, acceptor->fd, EPOLLIN))
			log_event(LOG_ERROR, "cannot watch a listening socket: %s", strerror(errno));
	}
}

/* Out of descriptors or memory: others may free some soon. */
static void
pause_accepting(Worker *worker)
{
	log_event(LOG_WARNING, "cannot accept a connection: %s", strerror(errno));
	worker->accept_due = clock_us() + ACCEPT_PAUSE_US;
	stop_accepting(worker);
}

static bool
is_passing(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == ECONNABORTED;
}

static void
on_connections(void *owner, uint32_t events)
{
	Acceptor *acceptor = owner;
	Worker *worker = acceptor->worker;

	(void) events;
	for (int i = 0; i < ACCEPTS_PER_TURN && http_has_room(worker->http); i++)
	{
		struct sockaddr_storage addr;
		socklen_t size = sizeof(addr);
		int fd = accept4(acceptor->fd, (struct sockaddr *) &addr, &size,
						 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
		{
			if (!is_passing(errno))
				pause_accepting(worker);
			return;
		}
		http_adopt(worker->http, fd, (struct sockaddr *) &addr, size);
	}
}

/* Watch the listening sockets exactly while connections can be taken. */
static void
mind_acceptors(Worker *worker, int64_t now)
{
	bool wanted = !worker->stopping && http_has_room(worker->http) && now >= worker->accept_due;

	if (wanted && !worker->accepting)
		start_accepting(worker);
	else if (!wanted && worker->accepting)
		stop_accepting(worker);
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
	http_drain(worker->http);
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

	due = earlier(due, http_next_due(worker->http));
	if (worker->stopping)
		due = earlier(due, worker->stop_due);
	else if (!worker->accepting && http_has_room(worker->http))
		due = earlier(due, worker->accept_due);
	if (due == CLOCK_NEVER)
		return -1;
	left = due - clock_us();
	return left <= 0 ? 0 : (int) earlier((left + CLOCK_US_PER_MS - 1) / CLOCK_US_PER_MS, 60000);
}

static bool
is_over(const Worker *worker, int64_t now)
{
	return worker->stopping && (http_busy(worker->http) == 0 || now >= worker->stop_due);
}

static void
turn(Worker *worker)
{
	int64_t now;

	loop_turn(&worker->loop, timeout_ms(worker));
	now = clock_us();
	lane_tick(worker->read, now);
	lane_tick(worker->write, now);
	http_run(worker->http);
	lane_pump(worker->read);
	lane_pump(worker->write);
	mind_acceptors(worker, now);
}

static void *
run(void *arg)
{
	Worker *worker = arg;

	while (!is_over(worker, clock_us()))
		turn(worker);
	stop_accepting(worker);
	lane_stop(worker->read);
	lane_stop(worker->write);
	http_run(worker->http);
	return NULL;
}

/* ---- life --------------------------------------------------------------- */

static void
worker_free(Worker *worker)
{
	if (worker->http != NULL)
		http_close(worker->http);
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
open_lane(Worker *worker, const Options *options, bool write)
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
	};

	return lane_open(&worker->loop, &settings);
}

static bool
open_parts(Worker *worker, const Options *options)
{
	HttpSettings settings = {
		.max_connections = (unsigned) ((options->max_connections + options->workers - 1) /
									   options->workers),
		.timeout_us = options->request_timeout_ms * CLOCK_US_PER_MS,
	};

	worker->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->stop_fd < 0 || !loop_open(&worker->loop) ||
		!loop_watch(&worker->loop, &worker->stop_watch, worker->stop_fd, EPOLLIN))
		return false;
	worker->read = settings.read = open_lane(worker, options, false);
	worker->write = settings.write = open_lane(worker, options, true);
	if (worker->read == NULL || worker->write == NULL)
		return false;
	worker->http = http_open(&worker->loop, &settings);
	return worker->http != NULL;
}

Worker *
worker_start(const Options *options, const Listener *listeners, unsigned number)
{
	Worker *worker = calloc(1, sizeof(Worker));

	if (worker == NULL)
		return NULL;
	worker->loop.epoll_fd = worker->stop_fd = -1;
	worker->stop_watch = (LoopWatch) LOOP_WATCH_INIT(on_stop, worker);
	worker->acceptor_count = options->listen_count;
	for (unsigned i = 0; i < options->listen_count; i++)
	{
		Acceptor *acceptor = &worker->acceptors[i];

		acceptor->worker = worker;
		acceptor->fd = listeners[i].fds[number];
		acceptor->watch = (LoopWatch) LOOP_WATCH_INIT(on_connections, acceptor);
	}
	if (open_parts(worker, options) && pthread_create(&worker->thread, NULL, run, worker) == 0)
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
