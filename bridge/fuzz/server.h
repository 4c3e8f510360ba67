/*
 * server.h
 *		The backend that there is not.
 */
#ifndef PAT_FUZZ_SERVER_H
#define PAT_FUZZ_SERVER_H

/* Free all that was allocated. */
extern void server_forget(void);

/* PG_UTF8, or one that no escape is turned into. */
extern void server_set_encoding(int encoding);

#endif
