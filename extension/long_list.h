/*
 * long_list.h
 *		What a session that makes long lists keeps for the next ones.
 */
#ifndef PAT_LONG_LIST_H
#define PAT_LONG_LIST_H

/*
 * Called with the length of each list, in bytes; the first long one makes the session
 * keep up to 8 MB of freed memory, and have a send buffer of 2 MB if it talks through
 * a Unix socket and net.core.wmem_max is 1 MB or more (less with less).
 */
extern void pat_suit_list(int len);

#endif /* PAT_LONG_LIST_H */
