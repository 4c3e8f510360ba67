/*
 * text_array.c
 *		Writes arrays of text for the server: one dimension, counted from 1.
 *
 * Pure code: no allocation, no I/O.  Lengths stand before the bytes, so that no
 * byte of a text can be taken for anything else.
 */
#include "text_array.h"

#include <stdint.h>
#include <string.h>

#define TEXT_OID 25 /* pg_type.dat; the same in every version */

/* Dimensions, whether there are nulls, type, length, lower bound. */
#define HEADER_WORDS 5

/* In network byte order. */
static char *
put_word(char *dst, uint32_t value)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		*dst++ = (char) (value >> shift & 0xff);
	return dst;
}

static uint32_t
has_nulls(const char *const *texts, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (texts[i] == NULL)
			return 1;
	return 0;
}

size_t
text_array_size(const char *const *texts, unsigned count)
{
	size_t size = (HEADER_WORDS + count) * sizeof(uint32_t);

	for (unsigned i = 0; i < count; i++)
		if (texts[i] != NULL)
			size += strlen(texts[i]);
	return size;
}

static char *
put_text(char *dst, const char *text)
{
	size_t length = text != NULL ? strlen(text) : 0;

	if (text == NULL)
		return put_word(dst, UINT32_MAX); /* -1 */
	dst = put_word(dst, (uint32_t) length);
	memcpy(dst, text, length);
	return dst + length;
}

char *
text_array_write(char *dst, const char *const *texts, unsigned count)
{
	dst = put_word(dst, 1);
	dst = put_word(dst, has_nulls(texts, count));
	dst = put_word(dst, TEXT_OID);
	dst = put_word(dst, count);
	dst = put_word(dst, 1);
	for (unsigned i = 0; i < count; i++)
		dst = put_text(dst, texts[i]);
	return dst;
}
