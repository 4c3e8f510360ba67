/*
 * idle_memory.h
 *		Gives memory of connections without a request, and of those that have ended,
 *		back to the kernel.
 *
 * libmicrohttpd keeps a pool of memory for each connection and wipes all of it
 * after each request.  While a connection waits for its next request, whole pages
 * of zeros lie there; given back they cost nothing, and are zeros again when
 * the library reads or writes them.
 */
#ifndef PAT_BRIDGE_IDLE_MEMORY_H
#define PAT_BRIDGE_IDLE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* What has been found out about the library's connections, all of which are alike. */
typedef struct IdleMemory
{
	bool known;
	unsigned word; /* of a connection, that leads to its pool */
} IdleMemory;

/*
 * Give back what of the connection's pool is whole pages of zeros, and return how
 * many bytes these were.  Line is where its latest request line lay, which need not
 * be there any more; size what the library was told to take for a pool.  Only to
 * be called by the thread that runs the connection.
 *
 * 0 if it is not certain where the pool lies: so for a connection whose latest
 * request had empty lines before it, and for a library of another make.
 */
extern size_t
idle_memory_return(IdleMemory *memory, const void *connection, const void *line, size_t size);

/*
 * Told the number of connections from time to time, gives back what the allocator
 * has free once most of many have ended.  *most is the largest number of late; the
 * caller keeps it, 0 at first.
 */
extern void idle_memory_trim(unsigned *most, unsigned connections);

#endif
