/*
 * db_lookup.h
 *		Looks up the names of hosts without blocking the event loop.
 *
 * Each look-up has a thread of its own, which waits for the resolver for as long as that
 * takes.  The event loop watches a descriptor; the caller may leave a look-up at any time.
 */
#ifndef PAT_BRIDGE_DB_LOOKUP_H
#define PAT_BRIDGE_DB_LOOKUP_H

#include <stdbool.h>

/* The number of addresses of a name that are tried. */
#define DB_MAX_ADDRESSES 16

/* Bytes of a numeric IPv6 address with its zone and the terminator. */
#define DB_ADDRESS_SIZE 64

typedef struct DbAddresses
{
	unsigned count;
	char text[DB_MAX_ADDRESSES][DB_ADDRESS_SIZE]; /* numeric, in the resolver's order */
} DbAddresses;

typedef struct DbLookup DbLookup;

/* Start a look-up.  NULL: too many are running, or there is no memory, pipe or thread for it. */
extern DbLookup *db_lookup_start(const char *name);

extern const char *db_lookup_name(const DbLookup *lookup);

/* Readable once the look-up is over. */
extern int db_lookup_fd(const DbLookup *lookup);
extern bool db_lookup_is_over(const DbLookup *lookup);

/* After its end: writes the addresses and returns NULL, or returns why there are none. */
extern const char *db_lookup_result(const DbLookup *lookup, DbAddresses *addresses);

/* Free it; its thread may go on for a while and is not waited for.  NULL is allowed. */
extern void db_lookup_leave(DbLookup *lookup);

/* Whether a host is an address or a path, which takes no look-up. */
extern bool db_lookup_is_needless(const char *host);

#endif
