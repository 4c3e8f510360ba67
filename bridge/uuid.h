/*
 * uuid.h
 *		Random identifiers for requests: UUID version 4 (RFC 9562).
 *
 * One source per worker: it buffers random bytes of the kernel, so that a
 * request costs no system call, and is not shared between threads.
 */
#ifndef PAT_BRIDGE_UUID_H
#define PAT_BRIDGE_UUID_H

#include <stddef.h>

#define UUID_TEXT_SIZE 37 /* with its terminator */
#define UUID_BUFFER    1024

typedef struct UuidSource
{
	unsigned char bytes[UUID_BUFFER];
	size_t left; /* unused bytes, at the end of the buffer */
} UuidSource;

/* Write a fresh identifier.  A zeroed source is ready for use. */
extern void uuid_next(UuidSource *source, char text[UUID_TEXT_SIZE]);

#endif
