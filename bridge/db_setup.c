/*
 * db_setup.c
 *		Sets a session up: inspects it, keeps tokens out of the server's log, enters pipeline mode.
 *
 * The result of a step starts the next one.  A session is refused if tokens could reach the
 * server's log, or if its role lacks EXECUTE on a function that the bridge calls.
 */
#include "db_conn.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "log.h"

/* The number of different warnings about roles that a process logs, remembered by their hashes. */
#define MAX_WARNED 8

/* ---- what the inspection shows ------------------------------------------ */

static void refuse(DbConn *conn, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The bridge refuses the session, for a reason that lasts until an administrator acts. */
static void
refuse(DbConn *conn, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(conn->refusal, DB_MESSAGE_MAX, format, args);
	va_end(args);
	conn->refused = DB_UNFIT;
}

static const char *
column(const PGresult *result, int number)
{
	return PQgetisnull(result, 0, number) ? NULL : PQgetvalue(result, 0, number);
}

static atomic_uint warned[MAX_WARNED];

/* True if the process has not logged this text yet, and has room to remember it. */
static bool
is_new(const char *text)
{
	unsigned sum = db_hash(text);

	for (unsigned i = 0; i < MAX_WARNED; i++)
	{
		unsigned there = 0;

		if (atomic_compare_exchange_strong(&warned[i], &there, sum))
			return true;
		if (there == sum)
			return false;
	}
	return false;
}

/* An attacker who takes over a bridge has all privileges of its role. */
static void
warn_of_power(const DbConn *conn, const char *power)
{
	char message[DB_MESSAGE_MAX];

	if (power == NULL)
		return;
	snprintf(message, sizeof(message),
			 "the database role %s %s: give the bridge a role that has been granted the API and "
			 "nothing else, by SELECT %s.pat_grant_api(…)",
			 conn->role, power, conn->schema);
	if (is_new(message))
		log_event(LOG_WARNING, "%s", message);
}

static void
check_functions(DbConn *conn, const PGresult *result)
{
	const char *missing = column(result, SESSION_MISSING);
	const char *denied = column(result, SESSION_DENIED);

	if (missing != NULL)
		refuse(conn,
			   "the extension is older than the bridge; run in this database: ALTER EXTENSION pat "
			   "UPDATE (missing: %.300s)",
			   missing);
	else if (denied != NULL)
		refuse(conn,
			   "role %s lacks EXECUTE on functions that the bridge calls; run as the owner of "
			   "the extension: SELECT %s.pat_grant_api(%s) (missing: %.300s)",
			   conn->role, conn->schema, PQgetvalue(result, 0, SESSION_GRANTEE), denied);
}

static void
take_inspection(DbConn *conn, const PGresult *result)
{
	const char *schema = column(result, SESSION_SCHEMA);

	if (schema == NULL)
	{
		refuse(conn,
			   "the extension is not installed in this database; run there: CREATE EXTENSION pat");
		return;
	}
	snprintf(conn->schema, sizeof(conn->schema), "%s", schema);
	snprintf(conn->role, sizeof(conn->role), "%s", PQgetvalue(result, 0, SESSION_ROLE));
	conn->silent = session_is_silent(PQgetvalue(result, 0, SESSION_LOGS));
	conn->silent_on_error = session_is_silent(PQgetvalue(result, 0, SESSION_LOGS_ON_ERROR));
	conn->server_timeout_ms = strtoll(PQgetvalue(result, 0, SESSION_TIMEOUT), NULL, 10);
	warn_of_power(conn, column(result, SESSION_POWER));
	check_functions(conn, result);
}

/* ---- steps -------------------------------------------------------------- */

/* Fail closed: without this setting tokens could reach the server's log. */
static void
refuse_loud_log(DbConn *conn)
{
	const char *setting = conn->step == STEP_SILENCE ? "log_parameter_max_length"
													 : "log_parameter_max_length_on_error";

	refuse(conn,
		   "the server could log tokens, and role %s may not prevent it; run as superuser: "
		   "ALTER ROLE %s SET %s = 0",
		   conn->role, conn->role, setting);
}

/* The server raised an error, or is shutting down. */
static void
take_refusal(DbConn *conn, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	snprintf(conn->refusal, DB_MESSAGE_MAX, "%s", PQresultErrorMessage(result));
	if (sqlstate != NULL)
		conn->refused = db_refusal_of_sqlstate(sqlstate);
}

static void
take_step_result(DbConn *conn, const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	if (status == PGRES_FATAL_ERROR && conn->step >= STEP_SILENCE &&
		PQstatus(conn->pg) == CONNECTION_OK)
		refuse_loud_log(conn);
	else if (status == PGRES_FATAL_ERROR)
		take_refusal(conn, result);
	else if (status == PGRES_TUPLES_OK && conn->step == STEP_INSPECT)
		take_inspection(conn, result);
}

/*
 * Behind a pooler, SET would change a server connection that other clients get next, so
 * these must be settings of the role.
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
	char sql[SESSION_INSPECT_MAX];

	switch (conn->step)
	{
		case STEP_SETTINGS:
			session_settings(sql, conn->settings->timeout_us / CLOCK_US_PER_MS,
							 conn->settings->asynchronous_commit);
			return PQsendQuery(conn->pg, sql) == 1;
		case STEP_INSPECT:
			session_inspect(sql, conn->settings->calls);
			return PQsendQuery(conn->pg, sql) == 1;
		case STEP_SILENCE:
			return PQsendQuery(conn->pg, SESSION_SILENCE) == 1;
		case STEP_SILENCE_ON_ERROR:
			return PQsendQuery(conn->pg, SESSION_SILENCE_ON_ERROR) == 1;
		case STEP_DONE:
			break;
	}
	return PQenterPipelineMode(conn->pg) == 1;
}

/* The next step that is needed. */
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

/* The bridge gives a statement up after --request-timeout; the server should end it, too. */
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
	db_forget_failures(conn);
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
		db_fail_attempt(conn, conn->refusal, conn->refused);
	}
	else if (!send_step(conn) || !db_flush_and_watch(conn))
		db_fail_attempt(conn, db_pg_message(conn), DB_UNREACHABLE);
	else if (step == STEP_DONE)
		go_up(conn);
}

void
db_continue_setup(DbConn *conn)
{
	bool alive = PQconsumeInput(conn->pg) == 1 && db_flush_and_watch(conn);

	db_renew_patience(conn);
	while (!PQisBusy(conn->pg))
	{
		PGresult *result = PQgetResult(conn->pg);

		if (result == NULL)
		{
			if (conn->refusal[0] != '\0')
				db_fail_attempt(conn, conn->refusal, conn->refused);
			else if (!alive || PQstatus(conn->pg) == CONNECTION_BAD)
				db_fail_attempt(conn, db_pg_message(conn), DB_UNREACHABLE);
			else
				start_step(conn, next_step(conn));
			return;
		}
		take_step_result(conn, result);
		PQclear(result);
	}
	if (!alive)
		db_fail_attempt(conn, db_pg_message(conn), DB_UNREACHABLE);
}

void
db_start_setup(DbConn *conn)
{
	conn->phase = DB_SETTING_UP;
	conn->refusal[0] = '\0';
	conn->session_timeout_us = conn->settings->timeout_us;
	PQsetErrorVerbosity(conn->pg, PQERRORS_DEFAULT);
	if (PQsetnonblocking(conn->pg, 1) != 0)
		db_fail_attempt(conn, db_pg_message(conn), DB_UNREACHABLE);
	else
		start_step(conn, conn->settings->pooled ? STEP_INSPECT : STEP_SETTINGS);
}
