/*
 * gate.c
 *		Accepting connections for an HTTP side, and the end of that.
 *
 * Owns the watches; the listening sockets belong to whoever started the worker,
 * but are closed here.
 */
#include "gate.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "clock.h"
#include "log.h"

/* Connections taken from one socket in one turn; from a shared one, others are to get some. */
#define ACCEPTS_PER_TURN        32
#define SHARED_ACCEPTS_PER_TURN 1

/* Connections taken from one socket before it is closed: all that a queue can hold. */
#define LAST_ACCEPTS (2 * LISTEN_BACKLOG)

/* How long to leave a socket alone that could not be accepted from. */
#define ACCEPT_PAUSE_US (100 * CLOCK_US_PER_MS)

/* How often a failure is logged. */
#define FAILURE_LOG_US (60 * CLOCK_US_PER_S)

/* How long while there is no room and nobody can be asked to go. */
#define FULL_PAUSE_US (50 * CLOCK_US_PER_MS)

static void
stop_accepting(Gate *gate)
{
	for (unsigned i = 0; i < gate->count; i++)
		loop_unwatch(gate->loop, &gate->acceptors[i].watch);
	gate->accepting = false;
}

/* It may last, and be tried ten times a second. */
static void
log_failure(Gate *gate, const char *failed, int error)
{
	int64_t now = clock_us();

	if (now < gate->failure_due)
		return;
	gate->failure_due = now + FAILURE_LOG_US;
	log_event(LOG_WARNING, "cannot %s: %s; not said again for a minute", failed, strerror(error));
}

/* Out of descriptors or memory: others may free some soon. */
static void
pause_accepting(Gate *gate, const char *failed)
{
	log_failure(gate, failed, errno);
	gate->accept_due = clock_us() + ACCEPT_PAUSE_US;
	stop_accepting(gate);
}

/*
 * Watch the sockets that are not watched: all of them at the start; later, shared ones
 * that gave a connection in this turn.  These were left to the others meanwhile, and from
 * now on are theirs first: the worker that has watched for longest is woken.
 */
static void
watch_sockets(Gate *gate)
{
	gate->accepting = true;
	for (unsigned i = 0; i < gate->count; i++)
	{
		Acceptor *acceptor = &gate->acceptors[i];

		if (acceptor->fd >= 0 && acceptor->watch.fd < 0 &&
			!loop_watch(gate->loop, &acceptor->watch, acceptor->fd, EPOLLIN | EPOLLEXCLUSIVE))
		{
			pause_accepting(gate, "watch a listening socket");
			return;
		}
	}
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
	http_adopt(acceptor->gate->http, fd, (struct sockaddr *) &addr, size);
	return true;
}

/* Somebody who keeps a connection without using it has to go; false if all are busy. */
static bool
evict(Gate *gate)
{
	Gate *sibling = gate->sibling;

	return http_make_room(gate->http) ||
		   (sibling != NULL && sibling->http != NULL && http_make_room(sibling->http));
}

/* No room.  If all are busy, wait a little; the kernel's queue holds who comes. */
static void
make_room(Gate *gate)
{
	if (evict(gate))
		return;
	gate->accept_due = clock_us() + FULL_PAUSE_US;
	stop_accepting(gate);
}

/* Without a descriptor for the newcomer there is no room either, whatever the options say. */
static void
accept_failed(Gate *gate, int error)
{
	if ((error == EMFILE || error == ENFILE) && evict(gate))
		log_failure(gate, "accept a connection without ending another", error);
	else if (!is_passing(error))
	{
		errno = error;
		pause_accepting(gate, "accept a connection");
	}
}

static void
on_connections(void *owner, uint32_t events)
{
	Acceptor *acceptor = owner;
	Gate *gate = acceptor->gate;
	bool shared = acceptor->listener->shared;
	int most = shared ? SHARED_ACCEPTS_PER_TURN : ACCEPTS_PER_TURN;

	(void) events;
	if (!http_has_room(gate->http))
		make_room(gate);
	for (int i = 0; i < most && http_has_room(gate->http); i++)
		if (!accept_one(acceptor))
		{
			accept_failed(gate, errno);
			return;
		}
	if (shared)
		loop_unwatch(gate->loop, &acceptor->watch);
}

void
gate_init(Gate *gate, Loop *loop, unsigned worker)
{
	gate->loop = loop;
	gate->worker = worker;
}

void
gate_add(Gate *gate, Listener *listener)
{
	Acceptor *acceptor = &gate->acceptors[gate->count++];

	acceptor->gate = gate;
	acceptor->listener = listener;
	acceptor->fd = listener->fds[gate->worker];
	acceptor->watch = (LoopWatch) LOOP_WATCH_INIT(on_connections, acceptor);
}

void
gate_run(Gate *gate)
{
	http_run(gate->http);
}

void
gate_mind(Gate *gate, int64_t now)
{
	bool wanted = !gate->closed && now >= gate->accept_due;

	if (wanted)
		watch_sockets(gate);
	else if (gate->accepting)
		stop_accepting(gate);
}

int64_t
gate_next_due(Gate *gate)
{
	int64_t due = http_next_due(gate->http);

	if (!gate->closed && !gate->accepting)
		return clock_earlier(gate->accept_due, due);
	return due;
}

/* ---- the end ------------------------------------------------------------ */

static void
close_acceptor(Acceptor *acceptor)
{
	loop_unwatch(acceptor->gate->loop, &acceptor->watch);
	listen_close_one(acceptor->listener, acceptor->gate->worker);
	acceptor->fd = -1;
}

static void
accept_all(Acceptor *acceptor)
{
	for (int left = LAST_ACCEPTS; left > 0; left--)
		if (!accept_one(acceptor) && errno != EINTR && errno != ECONNABORTED)
			return;
}

void
gate_leave_inherited(Gate *gate)
{
	for (unsigned i = 0; i < gate->count; i++)
		if (gate->acceptors[i].listener->inherited)
			close_acceptor(&gate->acceptors[i]);
}

void
gate_close(Gate *gate)
{
	if (gate->closed)
		return;
	for (unsigned i = 0; i < gate->count; i++)
	{
		if (gate->acceptors[i].fd < 0)
			continue;
		loop_unwatch(gate->loop, &gate->acceptors[i].watch);
		accept_all(&gate->acceptors[i]);
		close_acceptor(&gate->acceptors[i]);
	}
	gate->accepting = false;
	gate->closed = true;
}
