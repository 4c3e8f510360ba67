/*
 * text_test.c
 *		UTF-8 validation at the borders of RFC 3629, and ISO 8859-1 to UTF-8.
 */
#include "text.h"

#include <string.h>

#include "suites.h"
#include "test.h"

static bool
good(const char *bytes)
{
	return text_is_utf8(bytes, strlen(bytes));
}

static void
accepts_every_length_at_its_borders(void)
{
	CHECK(good(""));
	CHECK(good("abc\x7f"));
	CHECK(good("\xc2\x80"));
	CHECK(good("\xdf\xbf"));
	CHECK(good("\xe0\xa0\x80"));
	CHECK(good("\xed\x9f\xbf"));
	CHECK(good("\xee\x80\x80"));
	CHECK(good("\xef\xbf\xbf"));
	CHECK(good("\xf0\x90\x80\x80"));
	CHECK(good("\xf4\x8f\xbf\xbf"));
}

static void
refuses_what_is_not_utf8(void)
{
	CHECK(!good("\x80"));
	CHECK(!good("\xc0\x80"));
	CHECK(!good("\xc1\xbf"));
	CHECK(!good("\xe0\x9f\xbf"));
	CHECK(!good("\xed\xa0\x80"));
	CHECK(!good("\xf0\x8f\xbf\xbf"));
	CHECK(!good("\xf4\x90\x80\x80"));
	CHECK(!good("\xf5\x80\x80\x80"));
	CHECK(!good("\xff"));
	CHECK(!good("a\xe2\x82"));
	CHECK(!good("\xe2\x82z"));
	CHECK(!good("\xf0\x9f\x98"));
}

/* A sequence cut off by the length, whatever stands behind it. */
static void
minds_the_length(void)
{
	CHECK(!text_is_utf8("\xe2\x82\xac", 2));
	CHECK(text_is_utf8("\xe2\x82\xac", 3));
	CHECK(text_is_utf8("a\0b", 3));
	CHECK(text_has_nul("a\0b", 3));
	CHECK(!text_has_nul("ab", 2));
	CHECK(!text_has_nul(NULL, 0));
}

static void
turns_latin1_into_utf8(void)
{
	char all[256];
	char out[512];
	size_t length;

	for (int i = 0; i < 256; i++)
		all[i] = (char) i;
	length = text_latin1_to_utf8(out, all, sizeof(all));
	CHECK_NUMBER(length, 128 + 2 * 128);
	CHECK(text_is_utf8(out, length));
	CHECK(memcmp(out, all, 128) == 0);
	CHECK(memcmp(out + 128, "\xc2\x80", 2) == 0);
	CHECK(memcmp(out + length - 2, "\xc3\xbf", 2) == 0);
	CHECK(text_has_high_bit(all, 129));
	CHECK(!text_has_high_bit(all, 128));
}

static void
check_ascii(const char *utf8, bool is_json, const char *expected)
{
	char out[64];
	size_t length = text_to_ascii(out, utf8, strlen(utf8), is_json);

	CHECK(length <= TEXT_ASCII_GROWTH * strlen(utf8));
	CHECK_NUMBER(length, strlen(expected));
	CHECK(memcmp(out, expected, strlen(expected)) == 0);
}

/* C5: JSON keeps its meaning; of other text no byte beyond ASCII is left. */
static void
turns_utf8_into_ascii(void)
{
	check_ascii("", true, "");
	check_ascii("{\"a\":\"b\"}", true, "{\"a\":\"b\"}");
	check_ascii("\"\xc2\x80\xc3\xa9\"", true, "\"\\u0080\\u00e9\"");
	check_ascii("\xe2\x82\xac\xef\xbf\xbf", true, "\\u20ac\\uffff");
	check_ascii("\xf0\x9f\x98\x80", true, "\\ud83d\\ude00");
	check_ascii("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", true, "\\ud800\\udc00\\udbff\\udfff");
	check_ascii("1\xe2\x82\xac"
				"2\xf0\x9f\x98\x80",
				false,
				"1\x1A"
				"2\x1A");
	check_ascii("a\xff\xe2", true, "a\x1A\x1A");
}

static const char *
shown(const char *text, size_t length, TextEscape how)
{
	static char room[1024];

	room[text_escape(room, sizeof(room) - 1, text, length, how)] = '\0';
	return room;
}

#define QUOTED(text) shown(text, sizeof(text) - 1, TEXT_QUOTED)
#define PLAIN(text)  shown(text, sizeof(text) - 1, TEXT_PLAIN)

/* F6: what a terminal would act on is shown instead. */
static void
shows_control_characters(void)
{
	CHECK_TEXT(QUOTED("a b~"), "a b~");
	CHECK_TEXT(QUOTED("\0\x1b[2J\x1f"), "\\u0000\\u001b[2J\\u001f");
	CHECK_TEXT(QUOTED("\"\\\b\f\n\r\t"), "\\\"\\\\\\b\\f\\n\\r\\t");
	CHECK_TEXT(PLAIN("\"\\\n"), "\"\\\\u000a");
	CHECK_TEXT(QUOTED("\x7f"), "\\u007f");
	CHECK_TEXT(QUOTED("\xc2\x80\xc2\x9b\xc2\x9f"), "\\u0080\\u009b\\u009f");
	CHECK_TEXT(PLAIN("\xc2\x9b"
					 "2J"),
			   "\\u009b2J");
	CHECK_TEXT(QUOTED("\xc2\xa0"), "\xc2\xa0");
}

/* F6: what changes the order of other text, ends lines, or is not seen. */
static void
shows_invisible_characters(void)
{
	CHECK_TEXT(QUOTED("\xe2\x80\xae"
					  "x"),
			   "\\u202ex");
	CHECK_TEXT(QUOTED("\xe2\x80\xaa\xe2\x81\xa6\xe2\x81\xa9"), "\\u202a\\u2066\\u2069");
	CHECK_TEXT(QUOTED("\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c"), "\\u200e\\u200f\\u061c");
	CHECK_TEXT(QUOTED("\xe2\x80\xa8\xe2\x80\xa9"), "\\u2028\\u2029");
	CHECK_TEXT(QUOTED("\xe2\x80\x8b\xef\xbb\xbf\xc2\xad"), "\\u200b\\ufeff\\u00ad");
	CHECK_TEXT(QUOTED("\xf3\xa0\x80\x81"), "\\udb40\\udc01");
	CHECK_TEXT(QUOTED("\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80\xe2\x80\xa7\xe2\x80\xaf"),
			   "\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80\xe2\x80\xa7\xe2\x80\xaf");
}

/* F6: bytes that are no UTF-8, one by one; what stands between them stays. */
static void
shows_bytes_that_are_not_utf8(void)
{
	CHECK_TEXT(QUOTED("\x9b"
					  "2J"),
			   "\\u009b2J");
	CHECK_TEXT(QUOTED("\xff\xc3\xa9\xfe"), "\\u00ff\xc3\xa9\\u00fe");
	CHECK_TEXT(QUOTED("\xc0\x80"), "\\u00c0\\u0080");
	CHECK_TEXT(QUOTED("\xed\xa0\x80"), "\\u00ed\\u00a0\\u0080");
	CHECK_TEXT(QUOTED("\xe2\x80"), "\\u00e2\\u0080");
	CHECK_TEXT(QUOTED("\xc2"), "\\u00c2");
}

/* F6: neither an escape nor a character is cut. */
static void
shows_what_fits(void)
{
	char room[8] = "";

	CHECK_NUMBER(text_escape(room, 5, "\x01", 1, TEXT_QUOTED), 0);
	CHECK_NUMBER(text_escape(room, 6, "\x01", 1, TEXT_QUOTED), 6);
	CHECK_NUMBER(text_escape(room, 7,
							 "a\x01"
							 "b",
							 3, TEXT_QUOTED),
				 7);
	CHECK_NUMBER(text_escape(room, 3, "ab\xc3\xa9", 4, TEXT_QUOTED), 2);
	CHECK_NUMBER(text_escape(room, 1, "\n", 1, TEXT_QUOTED), 0);
	CHECK_NUMBER(text_escape(room, 0, "a", 1, TEXT_QUOTED), 0);
	CHECK_NUMBER(text_whole_length("ab\xc3\xa9", 4, 3), 2);
	CHECK_NUMBER(text_whole_length("ab\xc3\xa9", 4, 4), 4);
	CHECK_NUMBER(text_whole_length("\xf0\x9f\x98\x80", 4, 3), 0);
	CHECK_NUMBER(text_whole_length("\x80\x80\x80\x80\x80", 5, 4), 4);
	CHECK_NUMBER(text_whole_length("abc", 3, 2), 2);
	CHECK_NUMBER(text_whole_length("abc", 3, 0), 0);
}

void
test_text_suite(void)
{
	turns_utf8_into_ascii();
	accepts_every_length_at_its_borders();
	refuses_what_is_not_utf8();
	minds_the_length();
	turns_latin1_into_utf8();
	shows_control_characters();
	shows_invisible_characters();
	shows_bytes_that_are_not_utf8();
	shows_what_fits();
}
