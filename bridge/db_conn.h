/*
 * db_conn.h
 *		The inside of a connection, for the files of the db room only.
 *
 * The one place that includes libpq.  db_conn.c keeps a connection alive, db_connect.c
 * brings it up, db_calls.c sends calls and takes their results.
 */
#ifndef PAT_BRIDGE_DB_CONN_H
#define PAT_BRIDGE_DB_CONN_H

#include "db.h"

#include <libpq-fe.h>

#include "session.h"

#define DB_MESSAGE_MAX 512

/* At most one fresh session in this time because of calls that do not fit it. */
#define DB_RENEW_INTERVAL_US (10 * CLOCK_US_PER_S)

typedef enum DbPhase
{
	DB_WAITING, /* for the time of the next attempt */
	DB_CONNECTING,
	DB_SETTING_UP,
	DB_UP,
	DB_DRAINING /* takes no more calls; a fresh session follows */
} DbPhase;

typedef enum DbStep
{
	STEP_SETTINGS,
	STEP_INSPECT,
	STEP_SILENCE,
	STEP_SILENCE_ON_ERROR,
	STEP_DONE
} DbStep;

/* What the server still owes us, in order. */
typedef enum DbItem
{
	ITEM_CALL,        /* a result, and the Sync behind it */
	ITEM_SHARED_CALL, /* a result */
	ITEM_SYNC         /* the Sync of a batch */
} DbItem;

/* At most one Sync for each call. */
#define DB_MAX_ITEMS (2 * DB_MAX_DEPTH)

struct DbConn
{
	Loop *loop;
	LoopWatch watch;
	const DbSettings *settings;
	DbClient client;
	unsigned number;

	PGconn *pg;
	DbPhase phase;
	unsigned failures; /* attempts since the connection was last up */
	int64_t due;       /* of the next attempt, or of the end of this one */
	unsigned random;
	char reported[DB_MESSAGE_MAX]; /* what the log says about this outage */

	/* set-up */
	DbStep step;
	char schema[SESSION_NAME_MAX];
	char role[SESSION_NAME_MAX];
	bool silent;
	bool silent_on_error;
	char refusal[DB_MESSAGE_MAX]; /* why the set-up failed */

	/* a ring of what is in flight, and which statement each call prepares, CALL_MAX for none */
	unsigned char items[DB_MAX_ITEMS];
	unsigned char prepares[DB_MAX_ITEMS];
	unsigned first;
	unsigned in_flight;
	bool batch_is_open;       /* shared calls have been sent since the last Sync */
	bool prepared[CALL_MAX];  /* sent to be */
	bool confirmed[CALL_MAX]; /* the server has said so */
	PGresult *held;           /* of the oldest call, until its Sync */
	bool gap;                 /* the last thing read was the end of a result */
	int64_t progress;
	int64_t renewed;
};

/* ---- db_conn.c ---------------------------------------------------------- */

/* The connection was up and is gone; conn->pg may still say why. */
extern void db_lose(DbConn *conn, const char *message);

/* An attempt to connect, or the set-up after it, has failed. */
extern void db_fail_attempt(DbConn *conn, const char *message);

/* Why libpq's last call failed. */
extern const char *db_pg_message(const DbConn *conn);

/* What is in the buffer goes out now or when the socket takes it. */
extern bool db_flush_and_watch(DbConn *conn);

/* ---- db_connect.c ------------------------------------------------------- */

extern void db_start_connect(DbConn *conn, int64_t now);
extern void db_continue_connect(DbConn *conn);
extern void db_continue_setup(DbConn *conn);

/* ---- db_calls.c --------------------------------------------------------- */

/* Something can be read; hands out what is complete. */
extern void db_take_results(DbConn *conn);

#endif
