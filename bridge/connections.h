/*
 * connections.h
 *		The phases of a client connection: what can end each, and its time limit.
 *
 * libmicrohttpd's own timeout fires only while no byte is transferred: a client that sends
 * or reads a byte now and then would keep its connection for ever.  Here each phase has a
 * time limit, whatever the client does.  The limits of the phases that libmicrohttpd has to
 * end do not depend on what it notices.
 *
 * Pure code: a FIFO queue for each phase.  All connections of a phase have the same limit,
 * so that the oldest has the first deadline.
 */
#ifndef PAT_BRIDGE_CONNECTIONS_H
#define PAT_BRIDGE_CONNECTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* "No deadline at all": clock.h's CLOCK_NEVER. */
#define CONNECTIONS_NEVER INT64_MAX

/* From CONNECTION_ENDS on, a connection can only go to a later phase. */
typedef enum ConnectionPhase
{
	CONNECTION_SENDS,   /* it sends a request, and before the first one the TLS handshake */
	CONNECTION_CHUNKS,  /* it sends a chunked body; begins anew with each piece of it */
	CONNECTION_IDLE,    /* it is between two requests */
	CONNECTION_RESTS,   /* idle for rest_us or longer: its memory can go back to the kernel */
	CONNECTION_WAITS,   /* it waits for the database; the request has a deadline of its own */
	CONNECTION_TAKES,   /* its client reads the answer */
	CONNECTION_ENDS,    /* libmicrohttpd has been asked to close it */
	CONNECTION_SHUT,    /* asked again, and its socket has been shut down */
	CONNECTION_LINGERS, /* libmicrohttpd has closed it; what the client still sends is dropped */
	CONNECTION_PHASES
} ConnectionPhase;

/* Which time limit a phase has. */
typedef enum ConnectionBound
{
	CONNECTION_BY_CLIENT,  /* --client-timeout */
	CONNECTION_BY_IDLE,    /* --idle-timeout */
	CONNECTION_BY_REQUEST, /* --request-timeout and CONNECTION_MARGIN_US */
	CONNECTION_BY_CHUNK,   /* between two pieces of a body in chunks */
	CONNECTION_BY_LIBRARY, /* for libmicrohttpd to close a connection: CONNECTION_LIBRARY_US */
	CONNECTION_BOUNDS
} ConnectionBound;

/* What is done with a connection at the time limit of its phase. */
typedef enum ConnectionLast
{
	CONNECTION_ANSWER_AND_END, /* 408, if a request had begun; then CONNECTION_ENDS */
	CONNECTION_END,            /* CONNECTION_ENDS */
	CONNECTION_GIVE_UP,        /* 504 without the database; at the second limit CONNECTION_ENDS */
	CONNECTION_SHUT_DOWN,      /* CONNECTION_SHUT */
	CONNECTION_RESTART,        /* libmicrohttpd is restarted, which closes all its connections */
	CONNECTION_CLOSE           /* its descriptor is closed */
} ConnectionLast;

typedef struct ConnectionRule
{
	const char *name;     /* as doc/architecture.md has it */
	const char *ended_by; /* what can end it before the limit */
	ConnectionBound bound;
	ConnectionLast last;
	int64_t evictable_us; /* time in the phase before eviction; CONNECTIONS_NEVER: no eviction */
} ConnectionRule;

extern const ConnectionRule connection_rules[CONNECTION_PHASES];

/* Time after a request's deadline at which it is answered even if the pool has not done so. */
#define CONNECTION_MARGIN_US  INT64_C(5000000)
/* Time for libmicrohttpd to close a connection; its own timeouts are in whole seconds. */
#define CONNECTION_LIBRARY_US INT64_C(4000000)

typedef struct Connection Connection;

/* The neighbours in a queue, or NULL; of a queue, its ends. */
typedef struct ConnectionLink
{
	Connection *next;
	Connection *prev;
} ConnectionLink;

struct Connection
{
	ConnectionLink link; /* in its phase's queue */
	ConnectionPhase phase;
	int64_t since; /* when it entered the phase */

	/* for the owner of the connections only */
	struct Http *http;
	struct MHD_Connection *handle; /* NULL once the library has closed it */
	struct Request *request;       /* the current one, from its request line on, or NULL */
	const char *line;              /* address of the latest request line: idle_memory.h */
	uint64_t peer;                 /* key of the client's address: peers.h */
	int fd;
	bool lingers; /* its client may still be sending when the library closes it */
};

typedef struct Connections
{
	ConnectionLink queues[CONNECTION_PHASES]; /* next: the oldest; prev: the newest */
	int64_t rest_us;
	int64_t bounds_us[CONNECTION_BOUNDS];
} Connections;

/*
 * rest_us: how long a connection is idle before it rests.  bounds_us: for each
 * ConnectionBound; CONNECTION_BY_REQUEST without the margin.
 */
extern void
connections_init(Connections *all, int64_t rest_us, const int64_t bounds_us[CONNECTION_BOUNDS]);

/*
 * Raise the limit of CONNECTION_WAITS to request_us and the margin.  It is never lowered: a
 * request that waits keeps the deadline that it came with.
 */
extern void connections_set_request_time(Connections *all, int64_t request_us);

/* Add a new connection, in CONNECTION_SENDS. */
extern void connections_add(Connections *all, Connection *connection, int64_t now);
extern void connections_remove(Connections *all, Connection *connection);

/*
 * Go on to another phase, or begin the same anew.  From CONNECTION_ENDS on nothing happens
 * unless the phase is a later one.
 */
extern void
connections_enter(Connections *all, Connection *connection, ConnectionPhase phase, int64_t now);

/*
 * A connection past the limit of its phase, or NULL.  The caller has to do what the rule of
 * the phase says; until then the connection stays in the phase.
 */
extern Connection *connections_overdue(const Connections *all, int64_t now);

/* The connection that has been in the phase for the longest, or NULL; and the next younger one. */
extern Connection *connections_oldest(const Connections *all, ConnectionPhase phase);
extern Connection *connections_next(const Connection *connection);

/*
 * Move a connection that has been idle for rest_us to CONNECTION_RESTS and return it, or
 * NULL if there is none.  Its limit still counts from when it became idle.
 */
extern Connection *connections_rest(Connections *all, int64_t now);

/*
 * The connection to evict when there is no room for a new one, or NULL: the oldest one of the
 * first phase that has an evictable one.  Phases in which nothing happens come first.
 */
extern Connection *connections_spare(const Connections *all, int64_t now);

/* When the next limit is reached, or connections_rest is due; or CONNECTIONS_NEVER. */
extern int64_t connections_next_due(const Connections *all);

#endif
