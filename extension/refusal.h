/*
 * refusal.h
 *		What callers of the API are told when they do not get what they ask for:
 *		the one registry of it.
 *
 * A check returns a refusal, or NULL where nothing is wrong, so that the same
 * checks serve functions that raise and functions that answer.  Raised, it is
 * SQLSTATE PTnnn (nnn = HTTP status, a convention that PostgREST reads too),
 * the message, its name as DETAIL, and where Unleash's message is of no help in SQL,
 * a HINT.
 */
#ifndef PAT_REFUSAL_H
#define PAT_REFUSAL_H

#include "postgres.h"

#include "compat.h"
#include "token_text.h"

/* Most bytes of a caller's identifier that a message repeats. */
#define PAT_ID_ECHO_MAX 100

typedef struct PatRefusal
{
	int status; /* of HTTP, 400 to 599 */
	const char *name;
	const char *message;
	const char *hint; /* for callers in SQL; NULL = none */
} PatRefusal;

/* 401: no credential at all. */
extern const PatRefusal pat_no_credential;

/* 401: a credential that is unknown, expired or otherwise of no use; never says which. */
extern const PatRefusal pat_unauthenticated;

/* 403: the caller is nobody who could have tokens of their own. */
extern const PatRefusal pat_no_user;

/* 403: the caller's role lacks the permission. */
extern const PatRefusal *pat_forbidden(const char *permission);

/* 404: id is the text as the caller gave it. */
extern const PatRefusal *pat_no_service_account(PatSlice id);

/*
 * Raise a refusal; does nothing for NULL.  The failing statement is kept out of
 * the server log: it may hold a token as a literal.
 */
extern void pat_raise_refusal(const PatRefusal *refusal);

#endif /* PAT_REFUSAL_H */
