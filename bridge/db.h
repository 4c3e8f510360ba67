/*
 * db.h
 *		One connection to PostgreSQL, in pipeline mode, that keeps itself up.
 *
 * The only room that knows libpq.  A connection connects, sets its session up,
 * takes calls while it is up, hands out their results in the order of the
 * calls, and when it is lost says so once and tries again by itself.  It never
 * decides what becomes of a request: that is the lane's business.
 */
#ifndef PAT_BRIDGE_DB_H
#define PAT_BRIDGE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "call.h"
#include "counters.h"
#include "loop.h"

typedef struct DbConn DbConn;

/* The result of one call.  Whoever gets or holds one frees it; the last to do so ends it. */
typedef struct DbReply DbReply;

/* Which of several servers will do, unless the connection string says more. */
typedef enum DbTarget
{
	DB_ANY_SERVER,
	DB_PRIMARY,      /* what it has is what was committed last */
	DB_TAKES_CHANGES /* a primary that is not read-only */
} DbTarget;

typedef struct DbSettings
{
	const char *name;         /* for the log: "read 1" */
	const char *conninfo;     /* connection string or URI; may hold a password */
	int64_t timeout_us;       /* statement and lock timeout */
	unsigned depth;           /* most calls in flight, up to DB_MAX_DEPTH */
	bool asynchronous_commit; /* the lane writes nothing but seen_at */
	DbTarget target;
	const CallSet *calls; /* what the role has to have EXECUTE on */
	bool pooled;          /* a pooler hands out servers for a transaction at a time */
	LaneCounters *counters;
} DbSettings;

#define DB_MAX_DEPTH 128
/* Most requests in one statement: more would be no faster, and wait longer behind long lists. */
#define DB_MAX_BATCH 24

/* Whom a connection tells.  None of these may send, tick or close. */
typedef struct DbClient
{
	void *owner;
	/* A call is over; results come in the order of the calls.  NULL: no memory for this one. */
	void (*answered)(void *owner, unsigned conn, DbReply *reply);
	/* So many of the oldest calls were not made: their batch failed, or db_cancel hit it. */
	void (*skipped)(void *owner, unsigned conn, unsigned count);
	/* The connection was lost, with all calls in flight, or could not be made. */
	void (*down)(void *owner, unsigned conn);
} DbClient;

/* An error as SQL raised it; the strings live as long as the reply. */
typedef struct DbError
{
	const char *sqlstate;
	const char *message;
	const char *detail;
} DbError;

/* number is handed back in the callbacks.  NULL without memory. */
extern DbConn *
db_open(Loop *loop, const DbSettings *settings, const DbClient *client, unsigned number);
extern void db_close(DbConn *conn);

/* Whether a call can be sent now. */
extern bool db_is_up(const DbConn *conn);

/*
 * Whether it is worth waiting: up, or down only just now and not yet tried
 * again without success.
 */
extern bool db_has_hope(const DbConn *conn);

/* Whether nothing goes on: the connection is down, and waits for the time of its next attempt. */
extern bool db_is_waiting(const DbConn *conn);

/* Whether the last attempt failed because the server has no connection left. */
extern bool db_is_crowded_out(const DbConn *conn);

/* Whether the last attempt was refused by the set-up: somebody has to act first. */
extern bool db_is_refused(const DbConn *conn);

/*
 * Send a statement: one call, or, if its shape batches, up to DB_MAX_BATCH; each
 * of requests has the parameters of one.  A statement is a transaction of its
 * own.  One that has failed for a batch tells nothing of any single call: those
 * without an answer are reported as skipped, and each should then be sent alone.
 * The parameters are copied.  False: nothing was sent, the connection is lost and
 * client->down has been called.
 */
extern bool db_send(DbConn *conn, const Call *call, const char *const *const *requests,
					unsigned count) __attribute__((warn_unused_result));

/*
 * How long db_send takes, of late, in microseconds: a session on our own processor starts at
 * once, and we go on when it is done.
 */
extern int64_t db_send_us(const DbConn *conn);

/* Since when the server has been at the oldest call in flight; CLOCK_NEVER if there is none. */
extern int64_t db_oldest_since(const DbConn *conn);

/*
 * Ask the server to give up the oldest call, which nobody waits for.  Returns at
 * once and promises nothing; any call that it hits is reported as skipped, so
 * it is for calls that may be made again.
 */
extern void db_cancel(DbConn *conn);

/* Push out what is still buffered, after db_send. */
extern void db_flush(DbConn *conn);

/*
 * The settings' time-out has changed: replace the session, as soon as what is
 * in flight is over, by one that knows the new one.
 */
extern void db_renew(DbConn *conn);

/* When db_tick is wanted next, and the tick: time-outs and new attempts. */
extern int64_t db_next_due(const DbConn *conn);
extern void db_tick(DbConn *conn, int64_t now);

/* Whether the call failed, and how. */
extern bool db_reply_error(const DbReply *reply, DbError *error);

/* A column of the only row, NULL if it is null or missing. */
extern const char *db_reply_column(const DbReply *reply, int column, size_t *length);

/* The memory that the reply takes as long as anybody holds it.  0 for NULL. */
extern size_t db_reply_bytes(const DbReply *reply);

/* One more holds the reply, which is returned; NULL for none. */
extern DbReply *db_reply_hold(DbReply *reply);
extern void db_reply_free(DbReply *reply);

/* The version of libpq, as "15.14". */
extern void db_library_version(char *text, size_t size);

/* Whether this is a well-formed connection string or URI.  Connects to nothing. */
extern bool db_conninfo_is_valid(const char *conninfo);

#endif
