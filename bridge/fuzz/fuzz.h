/*
 * fuzz.h
 *		What the fuzz targets share (libFuzzer): the entry point, and how a promise
 *		is asked for.
 *
 * A target aborts where a promise of a header does not hold.  It reads nothing
 * but its input; what it tests sees a copy of exactly the length promised, so
 * that the sanitizers see any byte beyond.
 */
#ifndef PAT_FUZZ_H
#define PAT_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(promise) ((promise) ? (void) 0 : fuzz_broken(#promise))

static inline void
fuzz_broken(const char *promise)
{
	fprintf(stderr, "broken promise: %s\n", promise);
	abort();
}

/* A copy of its own, to be freed. */
static inline char *
fuzz_copy(const void *data, size_t size)
{
	char *copy = malloc(size + (size == 0));

	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}

/* The same as a string, which ends at the first NUL of the data. */
static inline char *
fuzz_string(const void *data, size_t size)
{
	char *copy = malloc(size + 1);

	memcpy(copy, data, size);
	copy[size] = '\0';
	return copy;
}

/* Cut the next line off; the last one has no end. */
static inline char *
fuzz_line(const uint8_t **data, size_t *size)
{
	const uint8_t *end = *size > 0 ? memchr(*data, '\n', *size) : NULL;
	size_t length = end != NULL ? (size_t) (end - *data) : *size;
	char *line = fuzz_string(*data, length);

	*data += length + (end != NULL);
	*size -= length + (end != NULL);
	return line;
}

#endif
