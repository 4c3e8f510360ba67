/*
 * connections.h
 *		What each client connection is waiting for, since when, and until when.
 *
 * The library times out silence only: a client that sends or takes a byte now
 * and then would hold its connection for ever.  Here each phase of a connection
 * has a bound of its own, however busy the client makes itself.
 *
 * Pure code: a queue for each phase, in the order in which connections entered
 * it, which is that of their deadlines, since all of a phase have the same time.
 */
#ifndef PAT_BRIDGE_CONNECTIONS_H
#define PAT_BRIDGE_CONNECTIONS_H

#include <stdint.h>

/* "No deadline at all": clock.h's CLOCK_NEVER. */
#define CONNECTIONS_NEVER INT64_MAX

typedef enum ConnectionPhase
{
	CONNECTION_SENDS, /* its request, and before the first one the TLS handshake */
	CONNECTION_IDLE,  /* between two requests */
	CONNECTION_RESTS, /* so for a while: its memory is not needed */
	CONNECTION_TAKES, /* its answer */
	CONNECTION_WAITS, /* for the database, which has a deadline of its own */
	CONNECTION_ENDS,  /* it was told to end */
	CONNECTION_PHASES
} ConnectionPhase;

typedef struct Connection
{
	struct Connection *next;
	struct Connection *prev;
	ConnectionPhase phase;
	int64_t since; /* when it entered the phase */

	/* the owner's */
	struct Http *http;
	struct MHD_Connection *handle;
	struct Request *request; /* under way, from its request line on, or NULL */
	const char *line;        /* where the latest request line lay: idle_memory.h */
	uint64_t peer;           /* who it belongs to: peers.h */
	int fd;
} Connection;

typedef struct Connections
{
	Connection queues[CONNECTION_PHASES]; /* heads of rings */
	int64_t rest_us;
	int64_t times_us[CONNECTION_PHASES];
} Connections;

/*
 * rest_us: how long a connection is idle before it rests.
 * client_us: the longest time to send a request, and to take an answer.
 */
extern void connections_init(Connections *all, int64_t rest_us, int64_t idle_us, int64_t client_us);

/* A new connection sends. */
extern void connections_add(Connections *all, Connection *connection, int64_t now);
extern void connections_remove(Connection *connection);

/* Go on to another phase; CONNECTION_ENDS is the last. */
extern void
connections_enter(Connections *all, Connection *connection, ConnectionPhase phase, int64_t now);

/* One whose time is over, or NULL.  It stays where it is: move it to CONNECTION_ENDS. */
extern Connection *connections_overdue(Connections *all, int64_t now);

/*
 * One that has been idle for rest_us, or NULL.  From now on it rests, until it is
 * told to enter another phase; its time goes on.
 */
extern Connection *connections_rest(Connections *all, int64_t now);

/*
 * One that can be done without when there is no room for a new one, or NULL:
 * that has been idle, or sending, or taking its answer for the longest, in this
 * order of preference, and not just for a moment.
 */
extern Connection *connections_spare(Connections *all, int64_t now);

/* When the next one will be overdue, or should long have been put to rest; or CONNECTIONS_NEVER. */
extern int64_t connections_next_due(const Connections *all);

#endif
