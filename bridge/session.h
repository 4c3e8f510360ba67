/*
 * session.h
 *		The SQL a connection speaks: its set-up and its calls.  Pure text.
 *
 * Kept apart from the db room, which knows how to talk but not what to say.
 */
#ifndef PAT_BRIDGE_SESSION_H
#define PAT_BRIDGE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "call.h"

#define SESSION_SQL_MAX     640
#define SESSION_INSPECT_MAX 4096
#define SESSION_TYPES_MAX   64

/* Two quotes and every character of a name doubled, with the terminator. */
#define SESSION_NAME_MAX (2 * 64 + 2)

/* Columns of the answer to session_inspect's statement. */
enum
{
	SESSION_SCHEMA,        /* quoted schema of the extension; null: not installed */
	SESSION_LOGS,          /* log_parameter_max_length */
	SESSION_LOGS_ON_ERROR, /* log_parameter_max_length_on_error */
	SESSION_ROLE,          /* quoted name of the role, for messages */
	SESSION_TIMEOUT,       /* statement_timeout in ms, 0: none */
	SESSION_GRANTEE,       /* the role as a literal, to be granted what it lacks */
	SESSION_MISSING,       /* functions that do not exist, or null */
	SESSION_DENIED,        /* functions that the role may not call, or null */
	SESSION_POWER          /* what the role is or has beyond the API, in words, or null */
};

/*
 * The two settings that keep parameters, and so tokens, out of the server's
 * log.  Only a superuser, or a role that was granted SET on them, may set them.
 */
extern const char *const SESSION_SILENCE;
extern const char *const SESSION_SILENCE_ON_ERROR;

/* What the session is, and whether it can make these calls; SQL holds SESSION_INSPECT_MAX. */
extern void session_inspect(char *sql, const CallSet *calls);

/* Settings every role may make.  SQL must hold SESSION_SQL_MAX bytes. */
extern void session_settings(char *sql, int64_t timeout_ms, bool asynchronous_commit);

/* The statement of a call; schema is quoted already. */
extern void session_call(char *sql, const char *schema, const Call *call);

/* Whether a value of one of the two log settings means that nothing is logged. */
extern bool session_is_silent(const char *value);

#endif
