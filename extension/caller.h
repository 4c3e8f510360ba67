/*
 * caller.h
 *		Who calls, and may they?
 */
#ifndef PAT_CALLER_H
#define PAT_CALLER_H

#include "postgres.h"

#include "fmgr.h"

#include "refusal.h"
#include "store.h"

#define PAT_PERMISSION_ADMIN "ADMIN"

/* Of a JWT's caller, the token has an expiry and the id PAT_NO_TOKEN. */
#define PAT_NO_TOKEN 0

typedef struct PatCaller
{
	PatAccount account;
	PatToken token;
} PatCaller;

/*
 * Authenticate argument argno of an SQL function, the value of an
 * Authorization header.  NULL, with the caller, if it carries a credential that
 * is known, not expired, and of an account that is alive; its token is then
 * marked as seen.  Else the refusal: 401.
 */
extern const PatRefusal *pat_authenticate(FunctionCallInfo fcinfo, int argno, PatCaller *caller);

/* 403 unless the caller's role has the permission, or ADMIN. */
extern const PatRefusal *pat_check_permission(const PatCaller *caller, const char *permission);

#endif /* PAT_CALLER_H */
