/*
 * timing.c
 *		The value of a Server-Timing header.
 *
 * Pure code: no allocation, no I/O.
 */
#include "timing.h"

#include <string.h>

#define DIGITS_MAX 20

static char *
put(char *out, const char *word)
{
	size_t length = strlen(word);

	memcpy(out, word, length);
	return out + length;
}

/* Microseconds as milliseconds, with all three decimals. */
static char *
put_ms(char *out, int64_t us)
{
	char digits[DIGITS_MAX];
	int count = 0;
	uint64_t rest = us > 0 ? (uint64_t) us : 0;

	for (; rest > 0 || count < 4; rest /= 10)
		digits[count++] = (char) ('0' + rest % 10);
	while (count > 3)
		*out++ = digits[--count];
	*out++ = '.';
	while (count > 0)
		*out++ = digits[--count];
	return out;
}

void
timing_text(char text[TIMING_TEXT_MAX], int64_t queue_us, int64_t database_us)
{
	char *out = put_ms(put(text, "queue;dur="), queue_us);

	if (database_us >= 0)
		out = put_ms(put(out, ", db;dur="), database_us);
	*out = '\0';
}
