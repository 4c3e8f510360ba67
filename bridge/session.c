/*
 * session.c
 *		SQL text for setting up a session and for calling functions, and the
 *		back-off between attempts to connect.
 *
 * Pure code.  Everything is qualified: no search_path is relied upon.
 */
#include "session.h"

#include <stdio.h>
#include <string.h>

const char *const SESSION_INSPECT =
	"SELECT pg_catalog.quote_ident(n.nspname),"
	" pg_catalog.current_setting('log_parameter_max_length'),"
	" pg_catalog.current_setting('log_parameter_max_length_on_error'),"
	" pg_catalog.quote_ident(session_user),"
	" (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'statement_timeout')"
	" FROM (VALUES (1)) AS one (row)"
	" LEFT JOIN pg_catalog.pg_extension e ON e.extname = 'pat'"
	" LEFT JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace";

const char *const SESSION_SILENCE = "SET log_parameter_max_length = 0";
const char *const SESSION_SILENCE_ON_ERROR = "SET log_parameter_max_length_on_error = 0";

void
session_settings(char *sql, int64_t timeout_ms, bool asynchronous_commit)
{
	long long ms = (long long) timeout_ms;

	snprintf(sql, SESSION_SQL_MAX,
			 "SET client_min_messages = error;"
			 " SET statement_timeout = %lld;"
			 " SET lock_timeout = %lld;"
			 " SET jit = off;"
			 "%s"
			 " SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings"
			 " WHERE name = 'idle_session_timeout'",
			 ms, ms, asynchronous_commit ? " SET synchronous_commit = off;" : "");
}

void
session_call(char *sql, const char *schema, const Call *call)
{
	const char *id = call->shape == CALL_JSON_WITH_ID ? ", made OPERATOR(pg_catalog.->>) 'id'" : "";

	if (call->shape == CALL_ANSWER)
		snprintf(sql, SESSION_SQL_MAX, "SELECT %s.%s(%s)", schema, call->function, call->arguments);
	else
		snprintf(sql, SESSION_SQL_MAX, "SELECT made, %s.pat_last_caller()%s FROM %s.%s(%s) AS made",
				 schema, id, schema, call->function, call->arguments);
}

bool
session_is_silent(const char *value)
{
	return value != NULL && strcmp(value, "0") == 0;
}

/*
 * Soon at first, since most losses are short, then four times a second, so that
 * service is back within a second of the server's return.  Up to a quarter more or
 * less, at random: the connections of many workers do not knock together.
 */
int64_t
session_backoff_us(unsigned failures, unsigned random)
{
	static const int steps_ms[] = {5, 20, 60, 120, 250};
	static const unsigned last = sizeof(steps_ms) / sizeof(steps_ms[0]) - 1;
	int64_t step = steps_ms[failures < last ? failures : last] * INT64_C(1000);

	return step - step / 4 + (int64_t) (random % 1024) * (step / 2) / 1024;
}
