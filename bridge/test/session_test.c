/*
 * session_test.c
 *		The SQL a session is set up with, the statements of calls.
 */
#include "session.h"

#include <string.h>

#include "route.h"
#include "suites.h"
#include "test.h"

static void
sets_both_timeouts(void)
{
	char sql[SESSION_SQL_MAX];

	session_settings(sql, 1500, true);
	CHECK(strstr(sql, "SET statement_timeout = 1500;") != NULL);
	CHECK(strstr(sql, "SET lock_timeout = 1500;") != NULL);
	CHECK(strstr(sql, "SET client_min_messages = warning;") != NULL);
	CHECK(strstr(sql, "SET synchronous_commit = off;") != NULL);
	session_settings(sql, 10, false);
	CHECK(strstr(sql, "statement_timeout = 10;") != NULL);
	CHECK(strstr(sql, "synchronous_commit") == NULL);
}

static void
qualifies_every_call(void)
{
	char sql[SESSION_SQL_MAX];
	char schema[SESSION_NAME_MAX];
	size_t count;
	const Route *rows = route_table(&count);

	session_call(sql, "\"My \"\"schema\"", &rows[0].call);
	CHECK_TEXT(
		sql,
		"SELECT \"My \"\"schema\".pat_answer_list_for_service_account($1::text[], $2::text[])");
	session_call(sql, "s", &rows[1].call);
	CHECK_TEXT(sql, "SELECT made, s.pat_last_caller(), made OPERATOR(pg_catalog.->>) 'id'"
					" FROM s.pat_create_for_service_account($1::text, $2::json, $3::text) AS made");
	session_call(sql, "s", &rows[2].call);
	CHECK_TEXT(sql, "SELECT made, s.pat_last_caller() FROM"
					" s.pat_delete_for_service_account($1::text, $2::text, $3::text) AS made");
	memset(schema, 's', sizeof(schema));
	schema[sizeof(schema) - 1] = '\0';
	for (size_t i = 0; i < count; i++)
	{
		if (rows[i].kind != ROUTE_CALL)
			continue;
		session_call(sql, schema, &rows[i].call);
		CHECK(strlen(sql) < SESSION_SQL_MAX - 1);
		CHECK(strstr(sql, rows[i].call.function) != NULL);
		CHECK((strstr(sql, "'id'") != NULL) == (rows[i].call.shape == CALL_JSON_WITH_ID));
	}
}

static void
knows_silence(void)
{
	CHECK(session_is_silent("0"));
	CHECK(!session_is_silent("-1"));
	CHECK(!session_is_silent("1kB"));
	CHECK(!session_is_silent("00"));
	CHECK(!session_is_silent(""));
	CHECK(!session_is_silent(NULL));
}

/* C9: the inspection asks after every function that the pool calls. */
static void
inspects_every_function(void)
{
	char sql[SESSION_INSPECT_MAX];
	CallSet all = {.count = 0};
	size_t count;
	const Route *rows = route_table(&count);

	for (size_t i = 0; i < count; i++)
		if (rows[i].kind == ROUTE_CALL)
			all.calls[all.count++] = &rows[i].call;
	session_inspect(sql, &all);
	CHECK(strstr(sql, "('pat_create'::pg_catalog.name, 'json, text')") != NULL);
	CHECK(strlen(sql) < SESSION_INSPECT_MAX - 300);
	CHECK(strstr(sql, "ON true") != NULL);
	CHECK(strstr(sql, "(VALUES ('pat_answer_list_for_service_account'::pg_catalog.name, 'text[], "
					  "text[]'), (") != NULL);
	CHECK(strstr(sql, "('pat_last_caller'::pg_catalog.name, ''))") != NULL);
	for (unsigned i = 0; i < all.count; i++)
		CHECK(strstr(sql, all.calls[i]->function) != NULL);
	all.count = 1;
	session_inspect(sql, &all);
	CHECK(strstr(sql, "pat_last_caller") == NULL);
}

void
test_session_suite(void)
{
	sets_both_timeouts();
	qualifies_every_call();
	knows_silence();
	inspects_every_function();
}
