/*
 * db_cancel.c
 *		Asking the server to give up the call that it works on.
 *
 * PQcancel connects and waits, so a thread of its own does that: short-lived,
 * few at a time, and all that it shares with the loop is a pipe whose end it
 * closes when the server has sent the signal.  The signal hits whatever the
 * server is at by then, which may be another call than the one meant: until the
 * last call is over that could have been hit, a cancelled call counts as not
 * made (db_results.c), and is sent again if somebody waits for it.
 */
#include "db_conn.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "thread.h"

#define MAX_THREADS  16
#define MESSAGE_SIZE 256

/* What a thread owns. */
typedef struct Order
{
	PGcancel *cancel;
	int fd; /* closed when it is done */
} Order;

/* In all workers together: a network that swallows everything must not breed threads. */
static ThreadLimit threads = {.most = MAX_THREADS};

static void
end_order(Order *order)
{
	PQfreeCancel(order->cancel);
	close(order->fd);
	free(order);
}

static void *
run(void *arg)
{
	Order *order = arg;
	char message[MESSAGE_SIZE];

	/* Whether it was heard shows in what becomes of the call. */
	(void) PQcancel(order->cancel, message, sizeof(message));
	end_order(order);
	thread_ends(&threads);
	return NULL;
}

/* The thread is done: the calls in flight by now are the last that can have been hit. */
static void
on_done(void *owner, uint32_t events)
{
	DbConn *conn = owner;

	(void) events;
	db_cancel_forget(conn);
	conn->suspects = conn->in_flight;
}

void
db_cancel_init(DbConn *conn)
{
	conn->cancel_fd = -1;
	conn->cancel_watch = (LoopWatch) LOOP_WATCH_INIT(on_done, conn);
}

void
db_cancel_forget(DbConn *conn)
{
	loop_unwatch(conn->loop, &conn->cancel_watch);
	if (conn->cancel_fd >= 0)
		close(conn->cancel_fd);
	conn->cancel_fd = -1;
	conn->suspects = 0;
}

static bool
send_order(DbConn *conn, int fd)
{
	Order *order = malloc(sizeof(Order));

	if (order == NULL)
	{
		close(fd);
		return false;
	}
	order->fd = fd;
	order->cancel = PQgetCancel(conn->pg);
	if (order->cancel != NULL && thread_start(&threads, run, order))
		return true;
	end_order(order);
	return false;
}

void
db_cancel(DbConn *conn)
{
	int ends[2];

	if (conn->phase < DB_UP || conn->in_flight == 0 || conn->cancel_fd >= 0 ||
		pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return;
	conn->cancel_fd = ends[0];
	if (!loop_watch(conn->loop, &conn->cancel_watch, ends[0], EPOLLIN))
	{
		close(ends[1]);
		db_cancel_forget(conn);
	}
	else if (!send_order(conn, ends[1]))
		db_cancel_forget(conn);
	else
		log_event(LOG_DEBUG, "database connection \"%s\": a call nobody waits for is cancelled",
				  conn->settings->name);
}

bool
db_cancel_may_have_hit(const DbConn *conn)
{
	return conn->cancel_fd >= 0 || conn->suspects > 0;
}

int64_t
db_oldest_since(const DbConn *conn)
{
	return conn->in_flight > 0 ? conn->progress : CLOCK_NEVER;
}
