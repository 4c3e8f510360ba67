/*
 * refusal.c
 *		What callers of the API are told when they do not get what they ask for,
 *		and the function that raises what is found in SQL.
 *
 * Owns nothing; what has to be built lies in the current memory context.
 */
#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "refusal.h"
#include "stat.h"

#define SQLSTATE_OF_STATUS(hundreds, tens, ones) \
	MAKE_SQLSTATE('P', 'T', '0' + (hundreds), '0' + (tens), '0' + (ones))

const PatRefusal pat_no_credential = {
	401, "AuthenticationRequired",
	"You must log in to use Unleash. Your request had no authorization header, so we could not "
	"authorize you. Try logging in at /auth/simple/login.",
	"Pass a token in the argument caller_token, with or without the word Bearer in front of it."};

/* One hint for all that can be wrong. */
const PatRefusal pat_unauthenticated = {
	401, "AuthenticationRequired", "You must log in to use Unleash.",
	"Pass in the argument caller_token a token that exists, has not expired, and belongs to an "
	"account that is not deleted."};

const PatRefusal pat_no_user = {403, "ForbiddenError", "PATs require an authenticated user.", NULL};

static const PatRefusal *
make_refusal(int status, const char *name, const char *message)
{
	PatRefusal *refusal = palloc(sizeof(PatRefusal));

	*refusal = (PatRefusal){status, name, message, NULL};
	return refusal;
}

const PatRefusal *
pat_forbidden(const char *permission)
{
	return make_refusal(403, "NoAccessError",
						psprintf("You need the \"%s\" permission to perform this action.",
								 permission));
}

const PatRefusal *
pat_no_service_account(PatSlice id)
{
	int shown = pg_mbcliplen(id.data, (int) id.len, PAT_ID_ECHO_MAX);

	return make_refusal(404, "NotFoundError",
						psprintf("Could not find the service account with ID \"%.*s%s\".", shown,
								 id.data, shown < (int) id.len ? "..." : ""));
}

/*
 * Without the context stack: callers get message and DETAIL and nothing else,
 * whether the refusal was found in C or in PL/pgSQL.
 */
void
pat_raise_refusal(const PatRefusal *refusal)
{
	int status;

	if (refusal == NULL)
		return;
	status = refusal->status;
	pat_count_refusal(status);
	error_context_stack = NULL;
	ereport(ERROR,
			(errcode(SQLSTATE_OF_STATUS(status / 100, status / 10 % 10, status % 10)),
			 errmsg_internal("%s", refusal->message), errdetail_internal("%s", refusal->name),
			 refusal->hint != NULL ? errhint("%s", refusal->hint) : 0, errhidestmt(true)));
}

/*
 * pat_raise(status integer, name text, message text): for the functions that
 * are written in SQL, so that their errors hide the statement too.
 */
PG_FUNCTION_INFO_V1(pat_raise);

Datum
pat_raise(PG_FUNCTION_ARGS)
{
	int status = PG_GETARG_INT32(0);

	if (status < 400 || status > 599)
		elog(ERROR, "status %d is not an error", status);
	pat_raise_refusal(make_refusal(status, text_to_cstring(PG_GETARG_TEXT_PP(1)),
								   text_to_cstring(PG_GETARG_TEXT_PP(2))));
	PG_RETURN_VOID();
}
