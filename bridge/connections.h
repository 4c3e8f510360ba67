/*
 * connections.h
 *		The phases of a client connection: which there are, who may end each, and the time
 *		after which each ends at the latest.
 *
 * The library times out silence only: a client that sends or takes a byte now
 * and then would hold its connection for ever.  Here each phase of a connection
 * has a bound of its own, however busy the client makes itself, and the bound of the
 * phases that are up to the library does not depend on what it notices.
 *
 * Pure code: a queue for each phase, in the order in which connections entered
 * it, which is that of their deadlines, since all of a phase have the same time.
 */
#ifndef PAT_BRIDGE_CONNECTIONS_H
#define PAT_BRIDGE_CONNECTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* "No deadline at all": clock.h's CLOCK_NEVER. */
#define CONNECTIONS_NEVER INT64_MAX

/* From CONNECTION_ENDS on there is no way back. */
typedef enum ConnectionPhase
{
	CONNECTION_SENDS,   /* its request, and before the first one the TLS handshake */
	CONNECTION_CHUNKS,  /* a body in chunks; begins anew with each piece of it */
	CONNECTION_IDLE,    /* between two requests */
	CONNECTION_RESTS,   /* so for a while: its memory is not needed */
	CONNECTION_WAITS,   /* for the database, which has a deadline of its own */
	CONNECTION_TAKES,   /* its answer */
	CONNECTION_ENDS,    /* the library has been asked to close it */
	CONNECTION_SHUT,    /* so again, and its socket has been shut down */
	CONNECTION_LINGERS, /* the library has closed it; what the client still sends is dropped */
	CONNECTION_PHASES
} ConnectionPhase;

/* Which time bounds a phase. */
typedef enum ConnectionBound
{
	CONNECTION_BY_CLIENT,  /* --client-timeout */
	CONNECTION_BY_IDLE,    /* --idle-timeout */
	CONNECTION_BY_REQUEST, /* --request-timeout and CONNECTION_MARGIN_US */
	CONNECTION_BY_CHUNK,   /* between two pieces of a body in chunks */
	CONNECTION_BY_LIBRARY, /* for the library to close a connection: CONNECTION_LIBRARY_US */
	CONNECTION_BOUNDS
} ConnectionBound;

/* What is done to a connection whose phase has lasted for too long. */
typedef enum ConnectionLast
{
	CONNECTION_ANSWER_AND_END, /* 408, if a request had begun; then CONNECTION_ENDS */
	CONNECTION_END,            /* CONNECTION_ENDS */
	CONNECTION_GIVE_UP,        /* 504 without the database; the second time CONNECTION_ENDS */
	CONNECTION_SHUT_DOWN,      /* CONNECTION_SHUT */
	CONNECTION_RESTART,        /* all of this library's connections are closed by force */
	CONNECTION_CLOSE           /* its descriptor is closed */
} ConnectionLast;

typedef struct ConnectionRule
{
	const char *name;     /* as doc/architecture.md has it */
	const char *ended_by; /* before the bound */
	ConnectionBound bound;
	ConnectionLast last;
	int64_t evictable_us; /* evictable after so long; CONNECTIONS_NEVER: never */
} ConnectionRule;

extern const ConnectionRule connection_rules[CONNECTION_PHASES];

/* How long after its deadline a request is given up without the database's word. */
#define CONNECTION_MARGIN_US  INT64_C(5000000)
/* How long the library has to close a connection; its own clock counts whole seconds. */
#define CONNECTION_LIBRARY_US INT64_C(4000000)

typedef struct Connection Connection;

/* Place in a list that its owner keeps, or NULLs. */
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

	/* the owner's */
	struct Http *http;
	struct MHD_Connection *handle; /* NULL once the library has closed it */
	struct Request *request;       /* under way, from its request line on, or NULL */
	const char *line;              /* where the latest request line lay: idle_memory.h */
	uint64_t peer;                 /* who it belongs to: peers.h */
	int fd;
	bool lingers; /* its client may still be sending when the library closes it */
};

typedef struct Connections
{
	ConnectionLink queues[CONNECTION_PHASES]; /* first and last of each */
	int64_t rest_us;
	int64_t bounds_us[CONNECTION_BOUNDS];
} Connections;

/*
 * rest_us: how long a connection is idle before it rests.  bounds_us: for each
 * ConnectionBound; CONNECTION_BY_REQUEST without the margin.
 */
extern void
connections_init(Connections *all, int64_t rest_us, const int64_t bounds_us[CONNECTION_BOUNDS]);

/* Requests to come have so long; those that wait keep what they had, if that is more. */
extern void connections_set_request_time(Connections *all, int64_t request_us);

/* A new connection sends. */
extern void connections_add(Connections *all, Connection *connection, int64_t now);
extern void connections_remove(Connections *all, Connection *connection);

/* Go on to another phase, or begin the same anew; no way leads back from CONNECTION_ENDS. */
extern void
connections_enter(Connections *all, Connection *connection, ConnectionPhase phase, int64_t now);

/* One whose time is over, or NULL.  It stays where it is: do what its phase's rule says. */
extern Connection *connections_overdue(const Connections *all, int64_t now);

/* The one that has been in the phase for the longest, or NULL; and the next one. */
extern Connection *connections_oldest(const Connections *all, ConnectionPhase phase);
extern Connection *connections_next(const Connection *connection);

/*
 * One that has been idle for rest_us, or NULL.  From now on it rests, until it is
 * told to enter another phase; its time goes on.
 */
extern Connection *connections_rest(Connections *all, int64_t now);

/*
 * One that can be done without when there is no room for a new one, or NULL: that has
 * been longest in a phase that makes it evictable; those that do nothing come first.
 */
extern Connection *connections_spare(const Connections *all, int64_t now);

/* When the next one will be overdue, or should long have been put to rest; or CONNECTIONS_NEVER. */
extern int64_t connections_next_due(const Connections *all);

#endif
