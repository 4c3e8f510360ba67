/*
 * db_conn.c
 *		The life of a connection: opened, lost, tried again, closed.
 *
 * Owns the PGconn and the results not yet handed out.  Never blocks.  Must not log
 * conninfo, parameters, or the text of results.
 */
#include "db_conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "clock.h"
#include "log.h"

/*
 * The server ends every statement by itself after its time-out.  If nothing
 * at all has come for this much longer, it or the network is gone.
 */
#define STUCK_GRACE_US (2 * CLOCK_US_PER_S)

/* ---- losing and failing ------------------------------------------------- */

uint32_t
db_hash(const char *text)
{
	uint32_t sum = 2166136261U;

	for (; *text != '\0'; text++)
		sum = (sum ^ (unsigned char) *text) * 16777619U;
	return sum != 0 ? sum : 1;
}

/* Each trouble of an outage once, not at every attempt. */
static bool
is_reported(DbConn *conn, uint32_t sum)
{
	for (unsigned i = 0; i < DB_MAX_REPORTS; i++)
	{
		if (conn->reported[i] == sum)
			return true;
		if (conn->reported[i] != 0)
			continue;
		conn->reported[i] = sum;
		return false;
	}
	return true;
}

static void
report(DbConn *conn, const char *what, const char *message)
{
	if (!is_reported(conn, db_hash(message)))
		log_event(LOG_WARNING, "database connection \"%s\" %s: %s", conn->settings->name, what,
				  message);
}

/* Drop the session with all that belongs to it. */
static void
discard_session(DbConn *conn)
{
	loop_unwatch(conn->loop, &conn->watch);
	db_cancel_forget(conn);
	PQclear(conn->held);
	conn->held = NULL;
	PQfinish(conn->pg);
	conn->pg = NULL;
	conn->in_flight = conn->first = 0;
	conn->rows_asked_for = false;
	conn->renewal = NULL;
	conn->farewell[0] = '\0';
	memset(conn->prepared, 0, sizeof(conn->prepared));
	for (unsigned i = 0; i < CALL_MAX; i++)
	{
		free(conn->statements[i]);
		conn->statements[i] = NULL;
	}
	conn->phase = DB_WAITING;
}

/* As far off as what the round of attempts met asks for; a new round begins with it. */
static void
schedule_attempt(DbConn *conn)
{
	conn->random = conn->random * 1103515245U + 12345U;
	conn->due = clock_us() + db_refusal_pause_us(conn->refused, conn->failures, conn->random >> 16);
	conn->last_refused = conn->refused;
	conn->refused = DB_UNREACHABLE;
}

const char *
db_pg_message(const DbConn *conn)
{
	const char *message = conn->farewell[0] != '\0' ? conn->farewell : PQerrorMessage(conn->pg);

	return message != NULL && *message != '\0' ? message : "the server closed the connection";
}

void
db_lose(DbConn *conn, const char *message)
{
	report(conn, "lost", message);
	counter_add(&conn->settings->counters->losses, 1);
	counter_add(&conn->settings->counters->up, -UINT64_C(1));
	discard_session(conn);
	schedule_attempt(conn);
	conn->client.down(conn->client.owner, conn->number);
}

void
db_replace(DbConn *conn)
{
	log_event(LOG_NOTICE, "database connection \"%s\" is replaced: its time-out has changed",
			  conn->settings->name);
	counter_add(&conn->settings->counters->up, -UINT64_C(1));
	discard_session(conn);
	conn->was_up = false;
	conn->due = clock_us();
	conn->client.down(conn->client.owner, conn->number);
}

void
db_renew(DbConn *conn)
{
	if (conn->phase != DB_UP || conn->session_timeout_us == conn->settings->timeout_us)
		return;
	conn->phase = DB_DRAINING;
	if (conn->in_flight == 0)
		db_replace(conn);
}

void
db_forget_failures(DbConn *conn)
{
	conn->failures = 0;
	conn->refused = conn->last_refused = DB_UNREACHABLE;
	memset(conn->reported, 0, sizeof(conn->reported));
	db_hosts_rewind(&conn->hosts);
}

void
db_fail_attempt(DbConn *conn, const char *message, DbRefusal refusal)
{
	report(conn, "is not available", message);
	counter_add(&conn->settings->counters->failures, 1);
	conn->refused = refusal > conn->refused ? refusal : conn->refused;
	discard_session(conn);
	if (db_hosts_next(conn))
		conn->due = clock_us();
	else
	{
		conn->failures++;
		schedule_attempt(conn);
	}
	conn->client.down(conn->client.owner, conn->number);
}

void
db_take_farewell(DbConn *conn, const PGresult *result)
{
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	bool is_last = severity != NULL &&
				   (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);

	/* Of a crash in another session the server warns, and ends this one, too. */
	if (is_last || (severity != NULL && sqlstate != NULL && strncmp(sqlstate, "57P", 3) == 0))
		snprintf(conn->farewell, DB_MESSAGE_MAX, "%s:  %s", severity,
				 PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
}

bool
db_flush_and_watch(DbConn *conn)
{
	int rest = PQflush(conn->pg);
	uint32_t events = EPOLLIN | (rest == 1 ? EPOLLOUT : 0);

	if (rest < 0)
		return false;
	return (conn->watch.events == events && conn->watch.fd == PQsocket(conn->pg)) ||
		   loop_watch(conn->loop, &conn->watch, PQsocket(conn->pg), events);
}

/* ---- events ------------------------------------------------------------- */

static void
on_ready(void *owner, uint32_t events)
{
	DbConn *conn = owner;

	(void) events;
	switch (conn->phase)
	{
		case DB_LOOKING_UP:
			db_continue_lookup(conn);
			break;
		case DB_CONNECTING:
			db_continue_connect(conn);
			break;
		case DB_SETTING_UP:
			db_continue_setup(conn);
			break;
		case DB_UP:
		case DB_DRAINING:
			db_take_results(conn);
			break;
		case DB_WAITING:
			break;
	}
}

int64_t
db_next_due(const DbConn *conn)
{
	if (conn->phase < DB_UP)
		return conn->due;
	if (conn->in_flight > 0)
		return conn->progress + conn->settings->timeout_us + STUCK_GRACE_US;
	return CLOCK_NEVER;
}

/* The resolver or the server has not answered in time. */
static void
time_out_attempt(DbConn *conn)
{
	char message[DB_MESSAGE_MAX] = "the server does not answer";

	if (conn->phase == DB_LOOKING_UP)
		snprintf(message, sizeof(message), "the look-up of the host name \"%.255s\" does not end",
				 conn->hosts.list[conn->hosts.next].host);
	db_fail_attempt(conn, message, DB_UNREACHABLE);
}

void
db_tick(DbConn *conn, int64_t now)
{
	if (now < db_next_due(conn))
		return;
	if (conn->phase == DB_WAITING)
		db_start_connect(conn, now);
	else if (conn->phase >= DB_UP)
		db_lose(conn, "the server does not answer");
	else
		time_out_attempt(conn);
}

bool
db_is_up(const DbConn *conn)
{
	return conn->phase == DB_UP;
}

bool
db_has_hope(const DbConn *conn)
{
	return conn->failures == 0;
}

bool
db_is_waiting(const DbConn *conn)
{
	return conn->phase == DB_WAITING;
}

bool
db_is_crowded_out(const DbConn *conn)
{
	return conn->last_refused == DB_CROWDED_OUT;
}

bool
db_is_refused(const DbConn *conn)
{
	return conn->last_refused == DB_UNFIT;
}

/* ---- life --------------------------------------------------------------- */

DbConn *
db_open(Loop *loop, const DbSettings *settings, const DbClient *client, unsigned number)
{
	DbConn *conn = calloc(1, sizeof(DbConn));

	if (conn == NULL)
		return NULL;
	conn->loop = loop;
	conn->watch = (LoopWatch) LOOP_WATCH_INIT(on_ready, conn);
	conn->settings = settings;
	conn->client = *client;
	conn->number = number;
	conn->due = clock_us();
	conn->random = (unsigned) conn->due ^ number;
	db_cancel_init(conn);
	return conn;
}

void
db_close(DbConn *conn)
{
	discard_session(conn);
	db_hosts_free(&conn->hosts);
	free(conn);
}

void
db_library_version(char *text, size_t size)
{
	snprintf(text, size, "%d.%d", PQlibVersion() / 10000, PQlibVersion() % 10000);
}

/* A word without '=' is a database's name, as psql takes it. */
bool
db_conninfo_is_valid(const char *conninfo)
{
	PQconninfoOption *options;

	if (strchr(conninfo, '=') == NULL && strstr(conninfo, "://") == NULL)
		return true;
	options = PQconninfoParse(conninfo, NULL);
	PQconninfoFree(options);
	return options != NULL;
}
