/*
 * seen.h
 *		Writing when a token was last used.
 */
#ifndef PAT_SEEN_H
#define PAT_SEEN_H

#include "storage/store.h"

/*
 * Set seen_at of a token to the time of the statement, if the stored time is
 * older than pat.seen_resolution.  Never waits and never fails the request:
 * nothing is written in a read-only transaction, on a standby, in parallel
 * mode, in a SERIALIZABLE transaction (the write would make it conflict), while
 * another session holds the row or a lock on the table, or when writing is not
 * possible.  A statement that marks a token does so once.
 *
 * What is written stays locked until the caller's transaction ends, the row as the
 * table: whoever holds a transaction open makes the token's revocation wait, and
 * REINDEX.  The bridge's transactions are short; those of a role that sends SQL of
 * its own are what it makes them.
 */
extern void pat_mark_seen(const PatToken *token);

#endif /* PAT_SEEN_H */
