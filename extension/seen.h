/*
 * seen.h
 *		Writing when a token was last used.
 */
#ifndef PAT_SEEN_H
#define PAT_SEEN_H

#include "store.h"

/*
 * Set seen_at of a token to the time of the statement, if the stored time is
 * older than pat.seen_resolution.  Never waits and never fails the request:
 * nothing is written in a read-only transaction, on a standby, in parallel
 * mode, in a SERIALIZABLE transaction (the write would make it conflict), while
 * another session holds the row or a lock on the table, or when writing is not
 * possible.
 */
extern void pat_mark_seen(const PatToken *token);

#endif /* PAT_SEEN_H */
