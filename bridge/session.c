/*
 * session.c
 *		SQL text for setting up a session and for calling functions.
 *
 * Pure code.  Everything is qualified: no search_path is relied upon.
 */
#include "session.h"

#include <stdio.h>
#include <string.h>

/*
 * A function is told by its name and the types of its arguments: others of the same name may be
 * nobody's business.  Without USAGE on the schema no function in it can be called, whatever is
 * granted on it.
 */
static const char inspect_head[] = "WITH call (name, types) AS (VALUES ";

static const char inspect_tail[] =
	"), it AS ("
	"SELECT e.oid, e.extowner, n.oid AS schema, n.nspname,"
	" pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS usable"
	" FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace"
	" WHERE e.extname = 'pat'), "
	"function AS ("
	"SELECT call.name, p.oid IS NOT NULL AS is_there,"
	" it.usable AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE') AS may_call"
	" FROM call CROSS JOIN it LEFT JOIN pg_catalog.pg_proc p"
	" ON p.pronamespace = it.schema AND p.proname = call.name"
	" AND pg_catalog.oidvectortypes(p.proargtypes) = call.types) "
	"SELECT pg_catalog.quote_ident(it.nspname),"
	" pg_catalog.current_setting('log_parameter_max_length'),"
	" pg_catalog.current_setting('log_parameter_max_length_on_error'),"
	" pg_catalog.quote_ident(current_user),"
	" (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'statement_timeout'),"
	" pg_catalog.quote_literal(current_user),"
	" (SELECT pg_catalog.string_agg(name, ', ') FROM function WHERE NOT is_there),"
	" (SELECT pg_catalog.string_agg(name, ', ') FROM function WHERE is_there AND NOT may_call),"
	" CASE WHEN (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)"
	" THEN 'is a superuser'"
	" WHEN pg_catalog.pg_has_role(it.extowner, 'MEMBER')"
	" THEN 'owns the extension, or is a member of the role that does'"
	" WHEN EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.oid = d.objid"
	" WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = it.oid"
	" AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'e'"
	" AND c.relkind = 'r' AND (pg_catalog.pg_has_role(c.relowner, 'MEMBER')"
	" OR pg_catalog.has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')))"
	" THEN 'has privileges on tables of the extension' END"
	" FROM (VALUES (1)) AS one (row) LEFT JOIN it ON true";

const char *const SESSION_SILENCE = "SET log_parameter_max_length = 0";
const char *const SESSION_SILENCE_ON_ERROR = "SET log_parameter_max_length_on_error = 0";

/* The types in "$1::text, $2::json". */
static void
types_of(char types[SESSION_TYPES_MAX], const char *arguments)
{
	size_t used = 0;

	while (*arguments != '\0' && used < SESSION_TYPES_MAX - 1)
	{
		if (*arguments == '$')
			arguments += strcspn(arguments, ":") + 2;
		types[used++] = *arguments++;
	}
	types[used] = '\0';
}

/* One row of the list; returns where the next one goes. */
static size_t
add_call(char *sql, size_t at, const char *function, const char *arguments)
{
	char types[SESSION_TYPES_MAX];
	int length;

	types_of(types, arguments);
	length = snprintf(sql + at, SESSION_INSPECT_MAX - at, "%s('%s'::pg_catalog.name, '%s')",
					  at > sizeof(inspect_head) - 1 ? ", " : "", function, types);
	return at + (size_t) length;
}

void
session_inspect(char *sql, const CallSet *calls)
{
	size_t at = (size_t) snprintf(sql, SESSION_INSPECT_MAX, "%s", inspect_head);
	bool asks_for_caller = false;

	for (unsigned i = 0; i < calls->count; i++)
	{
		const Call *call = calls->calls[i];

		at = add_call(sql, at, call->function, call->arguments);
		asks_for_caller |= call->shape != CALL_ANSWER;
	}
	if (asks_for_caller || calls->count == 0)
		at = add_call(sql, at, "pat_last_caller", "");
	snprintf(sql + at, SESSION_INSPECT_MAX - at, "%s", inspect_tail);
}

void
session_settings(char *sql, int64_t timeout_ms, bool asynchronous_commit)
{
	long long ms = (long long) timeout_ms;

	snprintf(sql, SESSION_SQL_MAX,
			 "SET client_min_messages = warning;"
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
