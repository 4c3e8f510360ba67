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

void
test_text_suite(void)
{
	turns_utf8_into_ascii();
	accepts_every_length_at_its_borders();
	refuses_what_is_not_utf8();
	minds_the_length();
	turns_latin1_into_utf8();
}
