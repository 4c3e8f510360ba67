/*
 * text.c
 *		UTF-8 validation, the way from ISO 8859-1 to UTF-8, and from UTF-8 to ASCII.
 *
 * Pure code: reads the bytes it is given, writes where it is told, and does
 * nothing else, so that it can be tested and fuzzed alone.
 */
#include "text.h"

#include <stdint.h>
#include <string.h>

static bool
is_continuation(unsigned char byte)
{
	return (byte & 0xC0) == 0x80;
}

/* Length of the well-formed sequence at p, or 0 (RFC 3629, section 4). */
static size_t
sequence_length(const unsigned char *p, size_t left)
{
	unsigned char low = 0x80;
	unsigned char high = 0xBF;
	size_t length;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xC2 || p[0] > 0xF4)
		return 0;
	length = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
	if (left < length)
		return 0;
	if (p[0] == 0xE0)
		low = 0xA0;
	else if (p[0] == 0xED)
		high = 0x9F;
	else if (p[0] == 0xF0)
		low = 0x90;
	else if (p[0] == 0xF4)
		high = 0x8F;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if (!is_continuation(p[i]))
			return 0;
	return length;
}

bool
text_is_utf8(const char *bytes, size_t length)
{
	const unsigned char *p = (const unsigned char *) bytes;

	while (length > 0)
	{
		size_t step = sequence_length(p, length);

		if (step == 0)
			return false;
		p += step;
		length -= step;
	}
	return true;
}

bool
text_has_nul(const char *bytes, size_t length)
{
	return length > 0 && memchr(bytes, '\0', length) != NULL;
}

bool
text_has_high_bit(const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if ((unsigned char) bytes[i] >= 0x80)
			return true;
	return false;
}

size_t
text_latin1_to_utf8(char *dst, const char *bytes, size_t length)
{
	char *out = dst;

	for (size_t i = 0; i < length; i++)
	{
		unsigned char byte = (unsigned char) bytes[i];

		if (byte < 0x80)
			*out++ = (char) byte;
		else
		{
			*out++ = (char) (0xC0 | (byte >> 6));
			*out++ = (char) (0x80 | (byte & 0x3F));
		}
	}
	return (size_t) (out - dst);
}

/* The character at p, of a sequence of this length. */
static uint32_t
character_at(const unsigned char *p, size_t length)
{
	static const unsigned char lead_bits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
	uint32_t character = p[0] & lead_bits[length];

	for (size_t i = 1; i < length; i++)
		character = character << 6 | (p[i] & 0x3F);
	return character;
}

static char *
put_unit(char *dst, uint32_t unit)
{
	static const char digits[] = "0123456789abcdef";

	*dst++ = '\\';
	*dst++ = 'u';
	for (int shift = 12; shift >= 0; shift -= 4)
		*dst++ = digits[unit >> shift & 0xF];
	return dst;
}

/* RFC 8259, section 7: beyond 16 bits a pair of surrogates. */
static char *
put_escape(char *dst, uint32_t character)
{
	if (character < 0x10000)
		return put_unit(dst, character);
	character -= 0x10000;
	dst = put_unit(dst, 0xD800 | character >> 10);
	return put_unit(dst, 0xDC00 | (character & 0x3FF));
}

size_t
text_to_ascii(char *dst, const char *utf8, size_t length, bool is_json)
{
	const unsigned char *p = (const unsigned char *) utf8;
	char *out = dst;

	while (length > 0)
	{
		size_t step = sequence_length(p, length);

		if (step == 1)
			*out++ = (char) *p;
		else if (is_json && step > 1)
			out = put_escape(out, character_at(p, step));
		else
			*out++ = TEXT_SUBSTITUTE;
		step = step > 0 ? step : 1;
		p += step;
		length -= step;
	}
	return (size_t) (out - dst);
}
