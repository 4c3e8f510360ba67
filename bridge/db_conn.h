/*
 * db_conn.h
 *		The inside of a connection, for the files of the db room only.
 *
 * The one place that includes libpq.  db_conn.c keeps a connection alive, db_hosts.c
 * says where to, db_lookup.c resolves names, db_connect.c connects, db_setup.c prepares the
 * session, db_refusal.c reads what a server says that refuses, db_calls.c sends statements,
 * db_results.c takes their results, db_reply.c says what is in them, db_cancel.c has the
 * server give one up.
 */
#ifndef PAT_BRIDGE_DB_CONN_H
#define PAT_BRIDGE_DB_CONN_H

#include "db.h"

#include <libpq-fe.h>

#include "db_lookup.h"
#include "db_refusal.h"
#include "session.h"

#define DB_MESSAGE_MAX 1024

/* Different troubles of one outage that the log has; further ones are left out of it. */
#define DB_MAX_REPORTS 32

/* Most hosts in a connection string. */
#define DB_MAX_HOSTS 16

/* As the connection string has it; NULL: not given. */
typedef struct DbHost
{
	char *host;
	char *address;
	char *port;
} DbHost;

/* What target_session_attrs of the connection string asks for. */
typedef enum DbWish
{
	DB_WISH_NONE,
	DB_WISH_PREFER_STANDBY,
	DB_WISH_OTHER /* libpq sees to it, host by host */
} DbWish;

typedef struct DbHosts
{
	unsigned count; /* 0: not known yet */
	unsigned next;  /* whose turn it is */
	DbHost list[DB_MAX_HOSTS];
	DbAddresses found; /* what the name of that host stands for; none: not looked up */
	unsigned address;  /* whose turn it is among them */
	DbLookup *lookups[DB_MAX_HOSTS]; /* under way, or over and not used yet */
	bool shuffled;                   /* hosts and addresses are tried in random order */
	DbWish wish;
	bool second_round;  /* no standby was found: any server will do */
	int64_t timeout_us; /* connect_timeout; 0: ours */
} DbHosts;

typedef enum DbPhase
{
	DB_WAITING,    /* for the time of the next attempt */
	DB_LOOKING_UP, /* the name of the host */
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

/* A statement that the server still owes us results of, and a Sync behind them. */
typedef struct DbItem
{
	unsigned char prepares; /* the call whose statement it prepares, CALL_MAX for none */
	bool by_row;            /* a batch: each row is the answer to a call */
	unsigned short calls;
	unsigned short open; /* of these, without an answer so far */
} DbItem;

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
	DbRefusal refused; /* what this round of attempts met, and the last one */
	DbRefusal last_refused;
	uint32_t reported[DB_MAX_REPORTS]; /* what the log has of this outage, as hashes */
	bool was_up;                       /* and was not given up by ourselves since */
	int64_t started;                   /* of this attempt */
	int64_t due;                       /* of the next attempt, or of the end of this one */
	unsigned random;
	DbHosts hosts;

	/* set-up */
	DbStep step;
	int64_t session_timeout_us; /* that it was set up with */
	char schema[SESSION_NAME_MAX];
	char role[SESSION_NAME_MAX];
	bool silent;
	bool silent_on_error;
	int64_t server_timeout_ms; /* statement_timeout as it is, 0: none; asked of a pooled session */
	char refusal[DB_MESSAGE_MAX];  /* why the set-up failed */
	char farewell[DB_MESSAGE_MAX]; /* what the server said when it ended the session */

	/* a ring of what is in flight */
	DbItem items[DB_MAX_DEPTH];
	unsigned first;
	unsigned in_flight;
	bool rows_asked_for;        /* libpq knows that the oldest is read row by row */
	bool prepared[CALL_MAX];    /* sent to be */
	char *statements[CALL_MAX]; /* of a pooled session: SQL that is sent with each call */
	PGresult *held;             /* of the oldest call, until its Sync */
	bool gap;                   /* the last thing read was the end of a result */
	int64_t progress;           /* by the coarse clock */
	int64_t send_us;            /* how long it took to send, of late */
	int64_t renewed;
	const char *renewal; /* why the session is being replaced; NULL: for its time-out */

	/* a cancellation under way: open until its thread is done */
	int cancel_fd;
	LoopWatch cancel_watch;
	unsigned suspects; /* items in flight that it can have hit, counted from the oldest */
};

/* ---- db_conn.c ---------------------------------------------------------- */

/* The connection was up and is gone; conn->pg may still say why. */
extern void db_lose(DbConn *conn, const char *message);

/* The connection is up: the next outage begins from nothing. */
extern void db_forget_failures(DbConn *conn);

/* The session is given up for another one, which is asked for at once. */
extern void db_replace(DbConn *conn);

/* An attempt to connect, or the set-up after it, has failed. */
extern void db_fail_attempt(DbConn *conn, const char *message, DbRefusal refusal);

/* Keep what the server says if that is its last word in this session. */
extern void db_take_farewell(DbConn *conn, const PGresult *result);

/* FNV-1a; never 0. */
extern uint32_t db_hash(const char *text);

/* Why the connection ended: the server's own words, or why libpq's last call failed. */
extern const char *db_pg_message(const DbConn *conn);

/* What is in the buffer goes out now or when the socket takes it. */
extern bool db_flush_and_watch(DbConn *conn);

/* ---- db_hosts.c --------------------------------------------------------- */

/* Take the connection string apart, if that is not done yet.  NULL, or why it cannot be. */
extern const char *db_hosts_learn(DbConn *conn) __attribute__((warn_unused_result));

/* Whether the host whose turn it is has a name that has to be looked up first. */
extern bool db_hosts_need_lookup(const DbHosts *hosts);

/* The look-up of that name: the one under way, or a new one.  NULL: none can be made. */
extern DbLookup *db_hosts_look_up(DbHosts *hosts);

/* Use the result of a look-up that is over, and end it.  False, with a message: there is none. */
extern bool db_hosts_take_addresses(DbConn *conn, DbLookup *lookup, char message[DB_MESSAGE_MAX])
	__attribute__((warn_unused_result));

/* Begin an attempt at the address whose turn it is.  NULL without memory. */
extern PGconn *db_hosts_start(const DbConn *conn);

/* The attempt has failed: whether there is another address to try before giving up for now. */
extern bool db_hosts_next(DbConn *conn);

/* The connection is up: the next one begins at the first host again. */
extern void db_hosts_rewind(DbHosts *hosts);

/* Until when to wait for the next sign of life in an attempt. */
extern int64_t db_hosts_patience(const DbHosts *hosts, int64_t started, int64_t now);
extern void db_hosts_free(DbHosts *hosts);

/* ---- db_cancel.c -------------------------------------------------------- */

extern void db_cancel_init(DbConn *conn);

/* Whether a call that was cancelled may owe that to us. */
extern bool db_cancel_may_have_hit(const DbConn *conn);

/* Wait for no cancellation any more; the session it was meant for is gone, or it is done. */
extern void db_cancel_forget(DbConn *conn);

/* ---- db_connect.c ------------------------------------------------------- */

extern void db_start_connect(DbConn *conn, int64_t now);
extern void db_continue_lookup(DbConn *conn);
extern void db_continue_connect(DbConn *conn);

/* The server has given a sign of life. */
extern void db_renew_patience(DbConn *conn);

/* ---- db_setup.c --------------------------------------------------------- */

extern void db_start_setup(DbConn *conn);
extern void db_continue_setup(DbConn *conn);

/* ---- db_ascii.c --------------------------------------------------------- */

typedef bool
DbSend(DbConn *conn, const Call *call, const char *const *const *requests, unsigned count);

/* Send, by this function, what the database can take; in ASCII where it lacks characters. */
extern bool db_send_in_ascii(DbConn *conn, const Call *call, const char *const *const *requests,
							 unsigned count, DbSend *send);

/* ---- db_results.c ------------------------------------------------------- */

/* Something can be read; hands out what is complete. */
extern void db_take_results(DbConn *conn);

/* ---- db_reply.c --------------------------------------------------------- */

/* The reply that a result is; the result belongs to it.  NULL without memory. */
extern DbReply *db_reply_of(PGresult *result, LaneCounters *counters);

#endif
