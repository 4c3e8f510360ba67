/*
 * peers.h
 *		How many connections each client address has, over all workers.
 *
 * For --max-connections-per-address.  An IPv4 address counts by itself, an IPv6
 * address by its first 64 bits, since one client has all addresses behind them;
 * Unix-domain clients do not count.
 *
 * Shared by the workers, under a lock that is taken when a connection opens and
 * when it closes, and only if there is a limit.
 */
#ifndef PAT_BRIDGE_PEERS_H
#define PAT_BRIDGE_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

typedef struct Peers Peers;

/* Who a connection belongs to; 0: nobody who counts. */
typedef uint64_t PeerKey;

/*
 * For about so many connections in all, more being possible, and at most so many, one or
 * more, for each address; NULL without memory.
 */
extern Peers *peers_open(size_t connections, unsigned per_address);
extern void peers_close(Peers *peers);

/* The key of an address. */
extern PeerKey peers_key(const struct sockaddr *addr, socklen_t size);

/* Count one more; false, and not counted, if the address has all it may have, or without memory. */
extern bool peers_enter(Peers *peers, PeerKey key) __attribute__((warn_unused_result));

/* Count one less, of those that peers_enter has taken. */
extern void peers_leave(Peers *peers, PeerKey key);

#endif
