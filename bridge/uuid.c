/*
 * uuid.c
 *		UUID version 4 out of getrandom(2).
 */
#include "uuid.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define UUID_BYTES 16

/* The kernel's generator cannot fail for a request of this size once seeded. */
static void
refill(UuidSource *source)
{
	size_t have = 0;

	while (have < UUID_BUFFER)
	{
		ssize_t got = getrandom(source->bytes + have, UUID_BUFFER - have, 0);

		if (got > 0)
			have += (size_t) got;
		else if (errno != EINTR)
			abort();
	}
	source->left = UUID_BUFFER;
}

void
uuid_next(UuidSource *source, char text[UUID_TEXT_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char *bytes;
	char *out = text;

	if (source->left < UUID_BYTES)
		refill(source);
	bytes = source->bytes + UUID_BUFFER - source->left;
	source->left -= UUID_BYTES;
	bytes[6] = (unsigned char) ((bytes[6] & 0x0F) | 0x40);
	bytes[8] = (unsigned char) ((bytes[8] & 0x3F) | 0x80);
	for (int i = 0; i < UUID_BYTES; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}
