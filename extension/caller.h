/*
 * caller.h
 *		Who calls, and may they?
 */
#ifndef PAT_CALLER_H
#define PAT_CALLER_H

#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"

#include "refusal.h"
#include "storage/store.h"

#define PAT_PERMISSION_ADMIN "ADMIN"

/* Of a JWT's caller, the token has an expiry and the id PAT_NO_TOKEN. */
#define PAT_NO_TOKEN 0

/* Of a caller who was not authenticated. */
#define PAT_NO_ACCOUNT 0

typedef struct PatCaller
{
	PatAccount account;
	PatToken token;
} PatCaller;

/* A text argument, NULL if it is null. */
static inline const text *
pat_text_arg(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL : PG_GETARG_TEXT_PP(argno);
}

/*
 * Authenticate the value of an Authorization header; NULL: there is none.
 * Returns NULL, with the caller, if it carries a credential that is known, not
 * expired, and of an account that is alive; its token is then marked as seen.
 * Else the refusal, 401, and a caller with PAT_NO_ACCOUNT.
 *
 * For reading only: judged are the active snapshot and the statement's time.
 */
extern const PatRefusal *pat_authenticate(const text *header, PatCaller *caller);

/* The same caller calls again, in the same statement: it counts, and no more. */
extern void pat_count_again(const PatCaller *caller);

/* 403 unless the caller's role has the permission, or ADMIN. */
extern const PatRefusal *pat_check_permission(const PatCaller *caller, const char *permission);

/* Append the ids of an authenticated caller: "7 12", or "7 -" without a token. */
extern void pat_append_caller(StringInfo out, const PatCaller *caller);

#endif /* PAT_CALLER_H */
