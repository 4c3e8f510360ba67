/*
 * db_connect.c
 *		Bringing a connection up: connect, inspect the session, silence the
 *		server's log, enter pipeline mode.
 *
 * Step by step, as libpq reports progress; whatever fails ends in
 * db_fail_attempt, and another attempt follows.
 */
#include "db_conn.h"

#include <stdio.h>
#include <sys/epoll.h>

#include "clock.h"
#include "log.h"

#define CONNECT_TIMEOUT_US (5 * CLOCK_US_PER_S)

/* A session that is refused stays refused until somebody acts: ask less often. */
#define REFUSED_PAUSE_US (CLOCK_US_PER_S * 3 / 4)

/* ---- setting up --------------------------------------------------------- */

/* The set-up was refused, by the server or by us; conn->refusal says why. */
static void
fail_refused(DbConn *conn)
{
	db_fail_attempt(conn, conn->refusal);
	conn->due = clock_us() + REFUSED_PAUSE_US;
}

static void
take_inspection(DbConn *conn, const PGresult *result)
{
	if (PQgetisnull(result, 0, SESSION_SCHEMA))
	{
		snprintf(
			conn->refusal, DB_MESSAGE_MAX,
			"the extension is not installed in this database; run there: CREATE EXTENSION pat");
		return;
	}
	snprintf(conn->schema, sizeof(conn->schema), "%s", PQgetvalue(result, 0, SESSION_SCHEMA));
	snprintf(conn->role, sizeof(conn->role), "%s", PQgetvalue(result, 0, SESSION_ROLE));
	conn->silent = session_is_silent(PQgetvalue(result, 0, SESSION_LOGS));
	conn->silent_on_error = session_is_silent(PQgetvalue(result, 0, SESSION_LOGS_ON_ERROR));
}

/* Fail closed: without this setting tokens could reach the server's log. */
static void
refuse_loud_log(DbConn *conn)
{
	const char *setting = conn->step == STEP_SILENCE ? "log_parameter_max_length"
													 : "log_parameter_max_length_on_error";

	snprintf(conn->refusal, DB_MESSAGE_MAX,
			 "the server could log tokens, and role %s may not prevent it; run as superuser: "
			 "ALTER ROLE %s SET %s = 0",
			 conn->role, conn->role, setting);
}

static void
take_step_result(DbConn *conn, const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	if (status == PGRES_FATAL_ERROR && conn->step >= STEP_SILENCE &&
		PQstatus(conn->pg) == CONNECTION_OK)
		refuse_loud_log(conn);
	else if (status == PGRES_FATAL_ERROR)
		snprintf(conn->refusal, DB_MESSAGE_MAX, "%s", PQresultErrorMessage(result));
	else if (status == PGRES_TUPLES_OK && conn->step == STEP_INSPECT)
		take_inspection(conn, result);
}

static bool
send_step(DbConn *conn)
{
	char sql[SESSION_SQL_MAX];

	switch (conn->step)
	{
		case STEP_SETTINGS:
			session_settings(sql, conn->settings->timeout_us / CLOCK_US_PER_MS,
							 conn->settings->asynchronous_commit);
			return PQsendQuery(conn->pg, sql) == 1;
		case STEP_INSPECT:
			return PQsendQuery(conn->pg, SESSION_INSPECT) == 1;
		case STEP_SILENCE:
			return PQsendQuery(conn->pg, SESSION_SILENCE) == 1;
		case STEP_SILENCE_ON_ERROR:
			return PQsendQuery(conn->pg, SESSION_SILENCE_ON_ERROR) == 1;
		case STEP_DONE:
			break;
	}
	return PQenterPipelineMode(conn->pg) == 1;
}

/* The step after this one, leaving out what is not needed. */
static DbStep
next_step(const DbConn *conn)
{
	DbStep step = conn->step + 1;

	if (step == STEP_SILENCE && conn->silent)
		step++;
	if (step == STEP_SILENCE_ON_ERROR && conn->silent_on_error)
		step++;
	return step;
}

static void
go_up(DbConn *conn)
{
	conn->phase = DB_UP;
	conn->failures = 0;
	conn->reported[0] = '\0';
	log_event(LOG_NOTICE, "database connection \"%s\" is up", conn->settings->name);
}

static void
start_step(DbConn *conn, DbStep step)
{
	conn->step = step;
	if (!send_step(conn) || !db_flush_and_watch(conn))
		db_fail_attempt(conn, db_pg_message(conn));
	else if (step == STEP_DONE)
		go_up(conn);
}

void
db_continue_setup(DbConn *conn)
{
	bool alive = PQconsumeInput(conn->pg) == 1 && db_flush_and_watch(conn);

	while (!PQisBusy(conn->pg))
	{
		PGresult *result = PQgetResult(conn->pg);

		if (result == NULL)
		{
			if (conn->refusal[0] != '\0')
				fail_refused(conn);
			else if (!alive || PQstatus(conn->pg) == CONNECTION_BAD)
				db_fail_attempt(conn, db_pg_message(conn));
			else
				start_step(conn, next_step(conn));
			return;
		}
		take_step_result(conn, result);
		PQclear(result);
	}
	if (!alive)
		db_fail_attempt(conn, db_pg_message(conn));
}

/* ---- connecting --------------------------------------------------------- */

/* Notices are not for anybody: the session asks for errors only. */
static void
ignore_notice(void *arg, const PGresult *result)
{
	(void) arg;
	(void) result;
}

static void
start_setup(DbConn *conn)
{
	conn->phase = DB_SETTING_UP;
	conn->refusal[0] = '\0';
	if (PQsetnonblocking(conn->pg, 1) != 0)
		db_fail_attempt(conn, db_pg_message(conn));
	else
		start_step(conn, STEP_SETTINGS);
}

void
db_continue_connect(DbConn *conn)
{
	PostgresPollingStatusType state = PQconnectPoll(conn->pg);

	if (state == PGRES_POLLING_OK)
		start_setup(conn);
	else if (state == PGRES_POLLING_FAILED ||
			 !loop_watch(conn->loop, &conn->watch, PQsocket(conn->pg),
						 state == PGRES_POLLING_READING ? EPOLLIN : EPOLLOUT))
		db_fail_attempt(conn, db_pg_message(conn));
}

void
db_start_connect(DbConn *conn, int64_t now)
{
	const char *const keywords[] = {"fallback_application_name", "dbname", "client_encoding", NULL};
	const char *const values[] = {"pat-bridge", conn->settings->conninfo, "UTF8", NULL};

	conn->phase = DB_CONNECTING;
	conn->due = now + CONNECT_TIMEOUT_US;
	conn->pg = PQconnectStartParams(keywords, values, 1);
	if (conn->pg == NULL)
		db_fail_attempt(conn, "out of memory");
	else if (PQstatus(conn->pg) == CONNECTION_BAD)
		db_fail_attempt(conn, db_pg_message(conn));
	else
	{
		PQsetNoticeReceiver(conn->pg, ignore_notice, NULL);
		if (!loop_watch(conn->loop, &conn->watch, PQsocket(conn->pg), EPOLLOUT))
			db_fail_attempt(conn, "the socket cannot be watched");
	}
}
