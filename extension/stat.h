/*
 * stat.h
 *		Counts of what callers asked for and what they got: the view pat_stat.
 *
 * Counting is one atomic addition, and no lock.  In shared memory, where the
 * library is preloaded, a count is of all sessions of the database; else each
 * session has counts of its own.
 */
#ifndef PAT_STAT_H
#define PAT_STAT_H

/* In the order of the columns of pat_stat_counters. */
typedef enum PatCount
{
	PAT_CALLS,     /* of functions that take a caller_token */
	PAT_JWT_CALLS, /* of these, with a JSON Web Token */

	/* Refused with 401, which the caller cannot tell from each other. */
	PAT_MISSING_TOKEN,
	PAT_MALFORMED_TOKEN, /* longer than any, or with a wrong checksum */
	PAT_UNKNOWN_TOKEN,
	PAT_EXPIRED_TOKEN,
	PAT_DELETED_ACCOUNT,
	PAT_UNUSABLE_JWT,

	/* Refused otherwise. */
	PAT_BAD_DATA,  /* 400 */
	PAT_FORBIDDEN, /* 403 */
	PAT_NOT_FOUND, /* 404 */
	PAT_CONFLICT,  /* 409 */
	PAT_TOO_LARGE, /* 413 */

	/* Uses of a token whose seen_at was due. */
	PAT_SEEN_WRITTEN,
	PAT_SEEN_SKIPPED, /* may not write here, or another session was in the way */
	PAT_SEEN_FAILED,  /* could not, which was logged */

	PAT_COUNTS
} PatCount;

/* While the module loads: asks for shared memory if the server is just starting. */
extern void pat_stat_init(void);

extern void pat_count(PatCount what);

/* A refusal by its status, 400 to 599; 401 is counted where its reason is known. */
extern void pat_count_refusal(int status);

#endif /* PAT_STAT_H */
