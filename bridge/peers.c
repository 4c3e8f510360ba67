/*
 * peers.c
 *		A table of client addresses with their numbers of connections.
 *
 * Owns the table: open addressing, at most half full, and moved to one of twice the
 * size when it is to get fuller, since the limit of connections can change and does not
 * hold while the bridge is being stopped.  Slots are found by a hash with a random key, so
 * that nobody can choose addresses that meet.
 */
#include "peers.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Bytes of a key; 0000::/8 is reserved, so that those of no IPv6 network are like these. */
typedef unsigned char KeyBytes[sizeof(PeerKey)];

typedef struct Peer
{
	PeerKey key; /* 0: free */
	unsigned count;
} Peer;

struct Peers
{
	pthread_mutex_t lock;
	unsigned per_address;
	uint64_t seed;
	size_t used; /* slots */
	size_t mask; /* size of the table, a power of two, less one */
	Peer *table;
};

static size_t
table_size(size_t connections)
{
	size_t size = 16;

	while (size < 2 * connections)
		size *= 2;
	return size;
}

Peers *
peers_open(size_t connections, unsigned per_address)
{
	size_t size = table_size(connections);
	Peers *peers = calloc(1, sizeof(Peers));

	if (peers == NULL)
		return NULL;
	peers->table = calloc(size, sizeof(Peer));
	if (peers->table == NULL ||
		getrandom(&peers->seed, sizeof(peers->seed), 0) != (ssize_t) sizeof(peers->seed) ||
		pthread_mutex_init(&peers->lock, NULL) != 0)
	{
		free(peers->table);
		free(peers);
		return NULL;
	}
	peers->per_address = per_address;
	peers->mask = size - 1;
	return peers;
}

void
peers_close(Peers *peers)
{
	if (peers == NULL)
		return;
	pthread_mutex_destroy(&peers->lock);
	free(peers->table);
	free(peers);
}

static PeerKey
key_of_bytes(const KeyBytes bytes)
{
	PeerKey key;

	memcpy(&key, bytes, sizeof(key));
	return key;
}

static PeerKey
key_of_v4(const unsigned char *addr)
{
	KeyBytes bytes = {0, 0xff, 0xff, 0xff, addr[0], addr[1], addr[2], addr[3]};

	return key_of_bytes(bytes);
}

static PeerKey
key_of_v6(const struct in6_addr *addr)
{
	static const KeyBytes zeros = {0};
	static const KeyBytes local = {0, 0, 0, 0, 0, 0, 0, 1}; /* ::1 and the like: 0 is nobody */

	if (IN6_IS_ADDR_V4MAPPED(addr))
		return key_of_v4(addr->s6_addr + 12);
	return key_of_bytes(memcmp(addr, zeros, sizeof(zeros)) == 0 ? local : addr->s6_addr);
}

PeerKey
peers_key(const struct sockaddr *addr, socklen_t size)
{
	if (addr->sa_family == AF_INET && size >= sizeof(struct sockaddr_in))
		return key_of_v4((const void *) &((const struct sockaddr_in *) addr)->sin_addr);
	if (addr->sa_family == AF_INET6 && size >= sizeof(struct sockaddr_in6))
		return key_of_v6(&((const struct sockaddr_in6 *) addr)->sin6_addr);
	return 0;
}

/* The multiply-and-shift of splitmix64 over key and seed. */
static size_t
home(const Peers *peers, PeerKey key)
{
	uint64_t hash = key ^ peers->seed;

	hash = (hash ^ (hash >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	hash = (hash ^ (hash >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (size_t) (hash ^ (hash >> 31)) & peers->mask;
}

/* Where the key stands, or would stand. */
static size_t
find(const Peers *peers, PeerKey key)
{
	size_t at = home(peers, key);

	while (peers->table[at].key != 0 && peers->table[at].key != key)
		at = (at + 1) & peers->mask;
	return at;
}

/* Close the gap, for find to go on behind it. */
static void
forget(Peers *peers, size_t gap)
{
	size_t at = gap;

	for (;;)
	{
		at = (at + 1) & peers->mask;
		if (peers->table[at].key == 0)
			break;
		if (((at - home(peers, peers->table[at].key)) & peers->mask) >= ((at - gap) & peers->mask))
		{
			peers->table[gap] = peers->table[at];
			gap = at;
		}
	}
	peers->table[gap] = (Peer){0};
	peers->used--;
}

/* Move to a table of twice the size; false without memory. */
static bool
grow(Peers *peers)
{
	size_t size = peers->mask + 1;
	Peer *old = peers->table;
	Peer *table = calloc(2 * size, sizeof(Peer));

	if (table == NULL)
		return false;
	peers->table = table;
	peers->mask = 2 * size - 1;
	for (size_t i = 0; i < size; i++)
		if (old[i].key != 0)
			table[find(peers, old[i].key)] = old[i];
	free(old);
	return true;
}

/* The peer's place, new or not; NULL without memory. */
static Peer *
take_place(Peers *peers, PeerKey key)
{
	size_t at = find(peers, key);

	if (peers->table[at].key == key)
		return &peers->table[at];
	if (2 * (peers->used + 1) > peers->mask + 1)
	{
		if (!grow(peers))
			return NULL;
		at = find(peers, key);
	}
	peers->used++;
	peers->table[at].key = key;
	return &peers->table[at];
}

bool
peers_enter(Peers *peers, PeerKey key)
{
	bool room;
	Peer *peer;

	if (peers == NULL || key == 0)
		return true;
	pthread_mutex_lock(&peers->lock);
	peer = take_place(peers, key);
	room = peer != NULL && peer->count < peers->per_address;
	if (room)
		peer->count++;
	pthread_mutex_unlock(&peers->lock);
	return room;
}

void
peers_leave(Peers *peers, PeerKey key)
{
	size_t at;

	if (peers == NULL || key == 0)
		return;
	pthread_mutex_lock(&peers->lock);
	at = find(peers, key);
	if (peers->table[at].count > 0 && --peers->table[at].count == 0)
		forget(peers, at);
	pthread_mutex_unlock(&peers->lock);
}
