/*
 * text.c
 *		UTF-8 validation, the ways from ISO 8859-1 to UTF-8 and from UTF-8 to ASCII, and text
 *		made visible.
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

/* ---- text made visible ------------------------------------------------------ */

/*
 * What changes how other text is shown, or is not shown at all: control characters,
 * and of the format characters (Unicode's category Cf) those without a shape of their own.
 */
static const struct
{
	uint32_t first;
	uint32_t last;
} unsafe[] = {
	{0x0000, 0x001F},   /* C0 */
	{0x007F, 0x009F},   /* DEL, C1 */
	{0x00AD, 0x00AD},   /* soft hyphen */
	{0x034F, 0x034F},   /* combining grapheme joiner */
	{0x061C, 0x061C},   /* Arabic letter mark */
	{0x115F, 0x1160},   /* Hangul fillers */
	{0x17B4, 0x17B5},   /* Khmer vowels without a shape */
	{0x180B, 0x180F},   /* Mongolian variation selectors, vowel separator */
	{0x200B, 0x200F},   /* zero-width characters, left-to-right and right-to-left marks */
	{0x2028, 0x202E},   /* line and paragraph separators, embeddings and overrides */
	{0x2060, 0x206F},   /* word joiner, invisible operators, isolates, deprecated controls */
	{0x3164, 0x3164},   /* Hangul filler */
	{0xFE00, 0xFE0F},   /* variation selectors */
	{0xFEFF, 0xFEFF},   /* byte order mark */
	{0xFFA0, 0xFFA0},   /* halfwidth Hangul filler */
	{0xFFF0, 0xFFFB},   /* interlinear annotation */
	{0xFFFE, 0xFFFF},   /* no characters */
	{0x1D173, 0x1D17A}, /* musical controls */
	{0xE0000, 0xE0FFF}, /* tags, more variation selectors */
};

static bool
is_unsafe(uint32_t character)
{
	for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++)
		if (character >= unsafe[i].first && character <= unsafe[i].last)
			return true;
	return false;
}

/* The character of a well-formed sequence. */
static uint32_t
decode(const unsigned char *p, size_t length)
{
	uint32_t character = length == 1 ? p[0] : p[0] & (0xFFU >> (length + 1));

	for (size_t i = 1; i < length; i++)
		character = character << 6 | (p[i] & 0x3FU);
	return character;
}

static char *
put_unit(char *out, uint32_t unit)
{
	static const char hex[] = "0123456789abcdef";

	*out++ = '\\';
	*out++ = 'u';
	for (int shift = 12; shift >= 0; shift -= 4)
		*out++ = hex[unit >> shift & 0xF];
	return out;
}

/* Of up to two units of UTF-16; returns its length. */
static size_t
put_escaped(char *escaped, uint32_t character)
{
	char *out = escaped;

	if (character > 0xFFFF)
	{
		out = put_unit(out, 0xD7C0 + (character >> 10));
		character = 0xDC00 | (character & 0x3FF);
	}
	return (size_t) (put_unit(out, character) - escaped);
}

/* JSON's short escapes; 0 where there is none. */
static char
short_escape(uint32_t character)
{
	static const char characters[] = "\"\\\b\f\n\r\t";
	static const char letters[] = "\"\\bfnrt";
	const char *place = character == 0 || character > 0x7F ? NULL
														   : strchr(characters, (int) character);

	return place != NULL ? letters[place - characters] : '\0';
}

/* Longest piece: a character's two escaped units. */
#define PIECE_MAX 12

/* One character, or one byte that is none, as it is to be shown; *size is how long that is. */
static size_t
make_piece(char *piece, const unsigned char *p, size_t left, TextEscape how, size_t *size)
{
	size_t length = sequence_length(p, left);
	uint32_t character = length > 0 ? decode(p, length) : p[0];
	char letter = how == TEXT_QUOTED ? short_escape(character) : '\0';

	if (letter != '\0')
	{
		piece[0] = '\\';
		piece[1] = letter;
		*size = 2;
	}
	else if (length == 0 || is_unsafe(character))
		*size = put_escaped(piece, character);
	else
		memcpy(piece, p, *size = length);
	return length > 0 ? length : 1;
}

size_t
text_escape(char *dst, size_t room, const char *bytes, size_t length, TextEscape how)
{
	const unsigned char *p = (const unsigned char *) bytes;
	size_t used = 0;

	while (length > 0)
	{
		char piece[PIECE_MAX];
		size_t size;
		size_t step = make_piece(piece, p, length, how, &size);

		if (size > room - used)
			break;
		memcpy(dst + used, piece, size);
		used += size;
		p += step;
		length -= step;
	}
	return used;
}

size_t
text_whole_length(const char *bytes, size_t length, size_t max)
{
	size_t whole = max;

	if (length <= max)
		return length;
	/* A character has at most three bytes behind its first; more are not UTF-8. */
	while (whole > 0 && max - whole < 3 && is_continuation((unsigned char) bytes[whole]))
		whole--;
	return is_continuation((unsigned char) bytes[whole]) ? max : whole;
}

/* ---- ASCII -------------------------------------------------------------- */

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
			out += put_escaped(out, decode(p, step));
		else
			*out++ = TEXT_SUBSTITUTE;
		step = step > 0 ? step : 1;
		p += step;
		length -= step;
	}
	return (size_t) (out - dst);
}
