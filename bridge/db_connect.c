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
#include <stdlib.h>
#include <sys/epoll.h>

#include "clock.h"
#include "log.h"

/* A session that is refused stays refused until somebody acts: ask less often. */
#define REFUSED_PAUSE_US (CLOCK_US_PER_S * 3 / 4)

/* ---- setting up --------------------------------------------------------- */

/* The set-up was refused, by the server or by us; conn->refusal says why. */
static void
fail_refused(DbConn *conn)
{
	unsigned failures = conn->failures;

	db_fail_attempt(conn, conn->refusal);
	if (conn->failures > failures)
		conn->due = clock_us() + REFUSED_PAUSE_US;
}

/* The server has given a sign of life. */
static void
renew_patience(DbConn *conn)
{
	conn->due = db_hosts_patience(&conn->hosts, conn->started, clock_us());
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
	conn->server_timeout_ms = strtoll(PQgetvalue(result, 0, SESSION_TIMEOUT), NULL, 10);
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

/*
 * What is set in a pooled session would stay with a server, not with us, so the
 * role must bring its settings along.
 */
static bool
must_be_silent_already(const DbConn *conn)
{
	return conn->settings->pooled &&
		   (conn->step == STEP_SILENCE || conn->step == STEP_SILENCE_ON_ERROR);
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

/* The bridge gives up after its own time; the server should, too. */
static void
warn_of_long_statements(const DbConn *conn)
{
	long long ms = conn->settings->timeout_us / CLOCK_US_PER_MS;

	if (conn->server_timeout_ms == 0 || conn->server_timeout_ms > ms)
		log_event(LOG_WARNING,
				  "database connection \"%s\": statements may run longer than requests; run as "
				  "superuser: ALTER ROLE %s SET statement_timeout = %lld",
				  conn->settings->name, conn->role, ms);
}

static void
go_up(DbConn *conn)
{
	conn->phase = DB_UP;
	conn->failures = 0;
	db_hosts_rewind(&conn->hosts);
	counter_add(&conn->settings->counters->up, 1);
	counter_add(&conn->settings->counters->reconnects, conn->was_up);
	conn->was_up = true;
	log_event(LOG_NOTICE, "database connection \"%s\" is up", conn->settings->name);
	if (conn->settings->pooled)
		warn_of_long_statements(conn);
	db_renew(conn);
}

static void
start_step(DbConn *conn, DbStep step)
{
	conn->step = step;
	if (must_be_silent_already(conn))
	{
		refuse_loud_log(conn);
		fail_refused(conn);
	}
	else if (!send_step(conn) || !db_flush_and_watch(conn))
		db_fail_attempt(conn, db_pg_message(conn));
	else if (step == STEP_DONE)
		go_up(conn);
}

void
db_continue_setup(DbConn *conn)
{
	bool alive = PQconsumeInput(conn->pg) == 1 && db_flush_and_watch(conn);

	renew_patience(conn);
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
	conn->session_timeout_us = conn->settings->timeout_us;
	if (PQsetnonblocking(conn->pg, 1) != 0)
		db_fail_attempt(conn, db_pg_message(conn));
	else
		start_step(conn, conn->settings->pooled ? STEP_INSPECT : STEP_SETTINGS);
}

void
db_continue_connect(DbConn *conn)
{
	PostgresPollingStatusType state = PQconnectPoll(conn->pg);

	renew_patience(conn);
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
	conn->phase = DB_CONNECTING;
	conn->started = now;
	conn->pg = db_hosts_start(conn);
	renew_patience(conn);
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
