/*
 * worker.c
 *		The event loop: accept, run HTTP, pump the lanes, mind the time; and how
 *		it ends without losing a request.
 *
 * Owns its loop, lanes and HTTP side; the listening sockets belong to whoever
 * started it, but are closed here.  Everything runs in the worker's thread but
 * worker_start, _reload, _stop and _join: these leave word in atomic fields and
 * ring by an eventfd.
 */
#include "worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
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

/* Connections taken from one socket in one turn; from a shared one, others are to get some. */
#define ACCEPTS_PER_TURN        32
#define SHARED_ACCEPTS_PER_TURN 1

/* How long to leave a socket alone that could not be accepted from. */
#define ACCEPT_PAUSE_US (100 * CLOCK_US_PER_MS)

/*
 * How long after the order to stop the sockets stay open for the clients whose
 * requests to connect the kernel had answered already: a round trip.
 */
#define SETTLE_US (20 * CLOCK_US_PER_MS)

/* Clients that are silent for this share of the time to drain are idle. */
#define IDLE_SHARE 10

/* Connections taken from one socket before it is closed: all that a queue can hold. */
#define LAST_ACCEPTS (2 * LISTEN_BACKLOG)

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
	bool shared;
} Acceptor;

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
	Listener *listeners;
	unsigned number;
	bool stopping;
	bool closed; /* the listening sockets are */
	int64_t close_due;
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

/* Of a shared socket, one waiting worker is woken: the one that has watched for longest. */
static void
watch(Acceptor *acceptor)
{
	if (!loop_watch(&acceptor->worker->loop, &acceptor->watch, acceptor->fd,
					EPOLLIN | EPOLLEXCLUSIVE))
		log_event(LOG_ERROR, "cannot watch a listening socket: %s", strerror(errno));
}

static void
start_accepting(Worker *worker)
{
	worker->accepting = true;
	for (unsigned i = 0; i < worker->acceptor_count; i++)
		if (worker->acceptors[i].fd >= 0)
			watch(&worker->acceptors[i]);
}

/*
 * A shared socket that gave a connection in this turn was left to the others
 * meanwhile; from now on it is theirs first.
 */
static void
watch_again(Worker *worker)
{
	for (unsigned i = 0; i < worker->acceptor_count; i++)
	{
		Acceptor *acceptor = &worker->acceptors[i];

		if (acceptor->shared && acceptor->fd >= 0 && acceptor->watch.fd < 0)
			watch(acceptor);
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

/* False, with errno set, if there is none to be had. */
static bool
accept_one(Acceptor *acceptor)
{
	struct sockaddr_storage addr;
	socklen_t size = sizeof(addr);
	int fd = accept4(acceptor->fd, (struct sockaddr *) &addr, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return false;
	http_adopt(acceptor->worker->http, fd, (struct sockaddr *) &addr, size);
	return true;
}

static void
on_connections(void *owner, uint32_t events)
{
	Acceptor *acceptor = owner;
	Worker *worker = acceptor->worker;
	int most = acceptor->shared ? SHARED_ACCEPTS_PER_TURN : ACCEPTS_PER_TURN;

	(void) events;
	for (int i = 0; i < most && http_has_room(worker->http); i++)
		if (!accept_one(acceptor))
		{
			if (!is_passing(errno))
				pause_accepting(worker);
			return;
		}
	if (acceptor->shared)
		loop_unwatch(&worker->loop, &acceptor->watch);
}

/* Watch the listening sockets exactly while connections can be taken. */
static void
mind_acceptors(Worker *worker, int64_t now)
{
	bool wanted = !worker->closed && http_has_room(worker->http) && now >= worker->accept_due;

	if (wanted && !worker->accepting)
		start_accepting(worker);
	else if (!wanted && worker->accepting)
		stop_accepting(worker);
	else if (wanted)
		watch_again(worker);
}

/* ---- stopping ----------------------------------------------------------- */

static void
close_acceptor(Worker *worker, unsigned i)
{
	loop_unwatch(&worker->loop, &worker->acceptors[i].watch);
	listen_close_one(&worker->listeners[i], worker->number);
	worker->acceptors[i].fd = -1;
}

static void
accept_all(Acceptor *acceptor)
{
	for (int left = LAST_ACCEPTS; left > 0; left--)
		if (!accept_one(acceptor) && errno != EINTR && errno != ECONNABORTED)
			return;
}

/*
 * A socket that another process keeps open is left at once: who waits in its
 * queue is served by the next bridge.  Our own takes its queue along when it is
 * closed, so the queue is emptied first; by now nobody can enter it any more.
 */
static void
stop_listening(Worker *worker)
{
	for (unsigned i = 0; i < worker->acceptor_count; i++)
	{
		loop_unwatch(&worker->loop, &worker->acceptors[i].watch);
		if (worker->acceptors[i].fd >= 0)
			accept_all(&worker->acceptors[i]);
		close_acceptor(worker, i);
	}
	worker->accepting = false;
	worker->closed = true;
}

static void
start_stopping(Worker *worker)
{
	int64_t now = clock_us();

	worker->stopping = true;
	worker->close_due = now + SETTLE_US;
	worker->stop_due = now + worker->settings->options.drain_timeout_ms * CLOCK_US_PER_MS;
	for (unsigned i = 0; i < worker->acceptor_count; i++)
		if (worker->listeners[i].inherited)
			close_acceptor(worker, i);
	http_drain(worker->http);
}

static int64_t
idle_grace_us(const Worker *worker)
{
	return worker->settings->options.drain_timeout_ms * CLOCK_US_PER_MS / IDLE_SHARE;
}

/* Judged by a time before the last look at the clients: they may have been busy since. */
static bool
is_over(const Worker *worker, int64_t looked)
{
	if (!worker->stopping)
		return false;
	return looked >= worker->stop_due ||
		   (worker->closed && looked >= http_drained_at(worker->http, idle_grace_us(worker)));
}

/* ---- orders ------------------------------------------------------------- */

/* A worker's part of the connections, rounded up. */
static unsigned
max_connections(const Options *options)
{
	return (unsigned) ((options->max_connections + options->workers - 1) / options->workers);
}

static void
go_by(Worker *worker, Settings *settings)
{
	const Options *options = &settings->options;
	int64_t timeout_us = options->request_timeout_ms * CLOCK_US_PER_MS;

	lane_set_limits(worker->read, (unsigned) options->max_queue, timeout_us);
	lane_set_limits(worker->write, (unsigned) options->max_queue, timeout_us);
	http_set_limits(worker->http, max_connections(options), timeout_us);
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

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
stopping_due(const Worker *worker)
{
	return earlier(worker->stop_due, worker->closed
										 ? http_drained_at(worker->http, idle_grace_us(worker))
										 : worker->close_due);
}

static int
timeout_ms(Worker *worker)
{
	int64_t due = earlier(lane_next_due(worker->read), lane_next_due(worker->write));
	int64_t left;

	due = earlier(due, http_next_due(worker->http));
	if (worker->stopping)
		due = earlier(due, stopping_due(worker));
	else if (!worker->accepting && http_has_room(worker->http))
		due = earlier(due, worker->accept_due);
	if (due == CLOCK_NEVER)
		return -1;
	left = due - clock_us();
	return left <= 0 ? 0 : (int) earlier((left + CLOCK_US_PER_MS - 1) / CLOCK_US_PER_MS, 60000);
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
	if (worker->stopping && !worker->closed && now >= worker->close_due)
		stop_listening(worker);
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
	if (!worker->closed)
		stop_listening(worker);
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
	if (worker->bell_fd >= 0)
		close(worker->bell_fd);
	if (atomic_load(&worker->pending) != NULL)
		settings_release(atomic_load(&worker->pending));
	settings_release(worker->settings);
	settings_release(worker->first);
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
		.max_connections = max_connections(options),
		.timeout_us = options->request_timeout_ms * CLOCK_US_PER_MS,
	};

	worker->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->bell_fd < 0 || !loop_open(&worker->loop) ||
		!loop_watch(&worker->loop, &worker->bell_watch, worker->bell_fd, EPOLLIN))
		return false;
	worker->read = settings.read = open_lane(worker, options, false);
	worker->write = settings.write = open_lane(worker, options, true);
	if (worker->read == NULL || worker->write == NULL)
		return false;
	worker->http = http_open(&worker->loop, &settings);
	return worker->http != NULL;
}

static void
take_listeners(Worker *worker, Listener *listeners, unsigned count)
{
	worker->listeners = listeners;
	worker->acceptor_count = count;
	for (unsigned i = 0; i < count; i++)
	{
		Acceptor *acceptor = &worker->acceptors[i];

		acceptor->worker = worker;
		acceptor->fd = listeners[i].fds[worker->number];
		acceptor->shared = listeners[i].shared;
		acceptor->watch = (LoopWatch) LOOP_WATCH_INIT(on_connections, acceptor);
	}
}

Worker *
worker_start(Settings *settings, Listener *listeners, unsigned count, unsigned number)
{
	Worker *worker = calloc(1, sizeof(Worker));

	if (worker == NULL)
		return NULL;
	worker->loop.epoll_fd = worker->bell_fd = -1;
	worker->bell_watch = (LoopWatch) LOOP_WATCH_INIT(on_bell, worker);
	worker->settings = settings_hold(settings);
	worker->first = settings_hold(settings);
	worker->number = number;
	take_listeners(worker, listeners, count);
	if (open_parts(worker, &settings->options) &&
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
