/*
 * db_lookup.h
 *		Looking the name of a host up, off the event loop.
 *
 * Each look-up has a thread of its own, which the resolver may hold up for as long as it
 * likes.  The loop watches a descriptor, and leaves a look-up when it has waited for long
 * enough.
 */
#ifndef PAT_BRIDGE_DB_LOOKUP_H
#define PAT_BRIDGE_DB_LOOKUP_H

#include <stdbool.h>

/* Addresses of a name that are tried; further ones are not. */
#define DB_MAX_ADDRESSES 16

/* An IPv6 address with its zone. */
#define DB_ADDRESS_SIZE 64

typedef struct DbAddresses
{
	unsigned count;
	char text[DB_MAX_ADDRESSES][DB_ADDRESS_SIZE]; /* numeric, in the resolver's order */
} DbAddresses;

typedef struct DbLookup DbLookup;

/* Begin one.  NULL: too many are under way, or there is no memory or no thread for it. */
extern DbLookup *db_lookup_start(const char *name);

extern const char *db_lookup_name(const DbLookup *lookup);

/* Readable once the look-up is over. */
extern int db_lookup_fd(const DbLookup *lookup);
extern bool db_lookup_is_over(const DbLookup *lookup);

/* Of one that is over: the addresses and NULL, or why there are none. */
extern const char *db_lookup_result(const DbLookup *lookup, DbAddresses *addresses);

/* Free it; its thread may go on for a while and is not waited for.  NULL is allowed. */
extern void db_lookup_leave(DbLookup *lookup);

/* Whether a host is an address or a path, which takes no look-up. */
extern bool db_lookup_is_needless(const char *host);

#endif
