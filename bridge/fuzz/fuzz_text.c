/*
 * fuzz_text.c
 *		Any bytes, to the questions of text.h.
 */
#include "fuzz.h"

#include "../text.h"

/* The character at p, by the definition: its value, and the shortest form of it. -1: none. */
static int
character(const uint8_t *p, size_t left, size_t *length)
{
	static const int least[] = {0, 0, 0x80, 0x800, 0x10000};
	int value;

	*length = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
	if (*length == 0 || *length > left)
		return -1;
	value = *length == 1 ? p[0] : p[0] & (0xFF >> (*length + 1));
	for (size_t i = 1; i < *length; i++)
	{
		if (p[i] >> 6 != 2)
			return -1;
		value = value << 6 | (p[i] & 0x3F);
	}
	return value < least[*length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)
			   ? -1
			   : value;
}

static bool
is_utf8(const uint8_t *data, size_t size)
{
	for (size_t i = 0, length; i < size; i += length)
		if (character(data + i, size - i, &length) < 0)
			return false;
	return true;
}

/* Text and text are text; cut into two, both are or neither. */
static void
check_halves(const char *text, size_t size)
{
	size_t half = size / 2;
	bool first = text_is_utf8(text, half);
	bool second = text_is_utf8(text + half, size - half);

	if (first)
		MUST(second == text_is_utf8(text, size));
}

static void
check_latin1(const char *text, size_t size)
{
	char *utf8 = malloc(2 * size + (size == 0));
	size_t length = text_latin1_to_utf8(utf8, text, size);
	size_t at = 0;

	MUST(length >= size && length <= 2 * size && text_is_utf8(utf8, length));
	MUST((length > size) == text_has_high_bit(text, size));
	for (size_t i = 0, step; at < length; i++, at += step)
		MUST(character((uint8_t *) utf8 + at, length - at, &step) == (uint8_t) text[i]);
	free(utf8);
}

/* By another way than text.c's: Unicode's own words for what must not reach a terminal. */
static bool
is_control(int c)
{
	return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x61C || c == 0xFEFF || c == 0x200B ||
		   (c >= 0x200E && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
		   (c >= 0x2066 && c <= 0x2069);
}

static bool
starts_escape(const char *text, size_t left)
{
	return left >= 6 && text[0] == '\\' && text[1] == 'u';
}

/*
 * What is shown is UTF-8 without anything that a terminal acts on; between quotes no quote
 * stands alone; and what fits into less room is the beginning of it.
 */
static void
check_escape(const char *text, size_t size, TextEscape how)
{
	char *shown = malloc(6 * size + (size == 0));
	size_t length = text_escape(shown, 6 * size, text, size, how);
	size_t room = size > 0 ? (size_t) (uint8_t) text[0] : 0;
	char *less = malloc(room + (room == 0));
	size_t fitting = text_escape(less, room, text, size, how);

	MUST(length >= size);
	MUST(text_is_utf8(shown, length));
	for (size_t i = 0, step; i < length; i += step)
	{
		MUST(!is_control(character((uint8_t *) shown + i, length - i, &step)));
		MUST(how != TEXT_QUOTED || shown[i] != '"');
		if (how == TEXT_QUOTED && shown[i] == '\\')
		{
			MUST(length - i >= 2 && (starts_escape(shown + i, length - i) ||
									 strchr("\"\\bfnrt", shown[i + 1]) != NULL));
			step = shown[i + 1] == 'u' ? 6 : 2;
		}
	}
	MUST(fitting <= room && fitting <= length && memcmp(less, shown, fitting) == 0);
	MUST(fitting == length || room - fitting < 12);
	MUST(text_is_utf8(less, fitting));
	free(less);
	free(shown);
}

/* What is cut is a beginning, of whole characters if the text is of such. */
static void
check_cut(const char *text, size_t size)
{
	size_t max = size / 2;
	size_t whole = text_whole_length(text, size, max);

	MUST(whole <= max && max - whole <= 3 && text_whole_length(text, max, max) == max);
	if (text_is_utf8(text, size))
		MUST(text_is_utf8(text, whole));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_copy(data, size);
	bool high = false;
	bool nul = false;

	for (size_t i = 0; i < size; i++)
	{
		high = high || data[i] > 0x7F;
		nul = nul || data[i] == 0;
	}
	MUST(text_is_utf8(text, size) == is_utf8(data, size));
	MUST(text_has_high_bit(text, size) == high);
	MUST(text_has_nul(text, size) == nul);
	check_halves(text, size);
	check_latin1(text, size);
	check_escape(text, size, TEXT_QUOTED);
	check_escape(text, size, TEXT_PLAIN);
	check_cut(text, size);
	free(text);
	return 0;
}
