/*
 * text_array_test.c
 *		Arrays of text as the server reads them.
 */
#include "text_array.h"

#include <stdint.h>
#include <string.h>

#include "suites.h"
#include "test.h"

#define ROOM 256

/* Whether the array of these texts has just these bytes, and nothing was written behind them. */
static bool
is_written_as(const char *const *texts, unsigned count, const char *bytes, size_t length)
{
	char room[ROOM];

	memset(room, '#', sizeof(room));
	return text_array_size(texts, count) == length &&
		   text_array_write(room, texts, count) == room + length &&
		   memcmp(room, bytes, length) == 0 && room[length] == '#';
}

#define IS_WRITTEN_AS(texts, count, literal) \
	is_written_as(texts, count, literal, sizeof(literal) - 1)

static void
writes_arrays(void)
{
	const char *const two[] = {"12", "abc"};

	CHECK(IS_WRITTEN_AS(two, 2,
						"\0\0\0\1"   /* one dimension */
						"\0\0\0\0"   /* no nulls */
						"\0\0\0\x19" /* of text */
						"\0\0\0\2"   /* so many */
						"\0\0\0\1"   /* counted from one */
						"\0\0\0\2"
						"12"
						"\0\0\0\3"
						"abc"));
}

static void
writes_nulls_and_empty_texts(void)
{
	const char *const texts[] = {NULL, ""};

	CHECK(IS_WRITTEN_AS(texts, 2,
						"\0\0\0\1\0\0\0\1\0\0\0\x19\0\0\0\2\0\0\0\1"
						"\377\377\377\377\0\0\0\0"));
}

/* No byte means anything: quotes, braces and commas are as good as letters. */
static void
quotes_nothing(void)
{
	const char *const text[] = {"{\"\\,NULL}"};

	CHECK(IS_WRITTEN_AS(text, 1,
						"\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\1\0\0\0\1"
						"\0\0\0\x9{\"\\,NULL}"));
}

void
test_text_array_suite(void)
{
	writes_arrays();
	writes_nulls_and_empty_texts();
	quotes_nothing();
}
