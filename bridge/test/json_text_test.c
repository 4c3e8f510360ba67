/*
 * json_text_test.c
 *		Date-times of every day that can be written, against the C library's
 *		calendar; and escaping, of every byte at every place in a word.
 */
#include "../../extension/json_text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "suites.h"
#include "test.h"

#define DAYS_BEFORE_2000 730119
#define DAYS_FROM_2000   2921940
#define UNIX_TIME_2000   INT64_C(946684800)
#define S_PER_DAY        INT64_C(86400)
#define US_PER_S         INT64_C(1000000)

/* Plain text around the byte: more than two words of the escaper's. */
#define AROUND 19

static PatJsonDates dates;

static bool
is_written_as(int64_t seconds, int64_t rest_us)
{
	char written[PAT_JSON_TIME_LEN + 1] = "";
	char expected[64];
	time_t unix_time = seconds + UNIX_TIME_2000;
	struct tm tm;

	pat_json_time(written, seconds * US_PER_S + rest_us, &dates);
	gmtime_r(&unix_time, &tm);
	snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
			 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int) (rest_us / 1000));
	return strcmp(written, expected) == 0;
}

static void
writes_every_day(void)
{
	int wrong = 0;

	for (int64_t day = -DAYS_BEFORE_2000; day < DAYS_FROM_2000; day++)
		wrong += !is_written_as(day * S_PER_DAY + (day & 0xffff), 987654);
	CHECK_NUMBER(wrong, 0);
}

static void
writes_every_second_of_a_day(void)
{
	int wrong = 0;

	for (int64_t second = 0; second < S_PER_DAY; second++)
		wrong += !is_written_as(-S_PER_DAY + second, second % 1000 * 1000 + 999);
	CHECK_NUMBER(wrong, 0);
}

/* What was written before does not show: far and near, one place and another. */
static void
remembers_the_right_dates(void)
{
	uint32_t random = 1;
	int wrong = 0;

	for (int i = 0; i < 1000000; i++)
	{
		int64_t day;

		random = random * 1664525 + 1013904223;
		day = random >> 8 & 0xff;
		wrong += !is_written_as((i % 3 == 0 ? day * PAT_JSON_DATES : day) * S_PER_DAY, 0);
	}
	CHECK_NUMBER(wrong, 0);
}

static void
stays_within_the_years(void)
{
	char written[PAT_JSON_TIME_LEN + 1] = "";

	pat_json_time(written, INT64_MIN, &dates);
	CHECK_TEXT(written, "0001-01-01T00:00:00.000Z");
	pat_json_time(written, INT64_MAX, &dates);
	CHECK_TEXT(written, "9999-12-31T23:59:59.999Z");
}

/* What RFC 8259 asks for one byte. */
static void
expect(char *expected, unsigned char c)
{
	static const char letters[] = "\bb\ff\nn\rr\tt\"\"\\\\";

	for (const char *pair = letters; *pair != '\0'; pair += 2)
		if ((unsigned char) *pair == c)
		{
			sprintf(expected, "\\%c", pair[1]);
			return;
		}
	sprintf(expected, c < 0x20 ? "\\u%04x" : "%c", c);
}

static bool
is_escaped(unsigned char c, size_t before)
{
	char text[AROUND];
	char escaped[AROUND * PAT_JSON_ESCAPE_MAX];
	char expected[8] = "";
	size_t width;
	size_t length;

	memset(text, 'x', sizeof(text));
	text[before] = (char) c;
	length = pat_json_escape(escaped, text, sizeof(text));
	expect(expected, c);
	width = c == 0 ? 6 : strlen(expected);
	return length == AROUND - 1 + width && memcmp(escaped, text, before) == 0 &&
		   memcmp(escaped + before, expected, width) == 0 &&
		   memcmp(escaped + before + width, text + before + 1, AROUND - 1 - before) == 0;
}

static void
escapes_every_byte_at_every_place(void)
{
	int wrong = 0;

	for (int c = 0; c < 256; c++)
		for (size_t before = 0; before < AROUND; before++)
			wrong += !is_escaped((unsigned char) c, before);
	CHECK_NUMBER(wrong, 0);
}

void
test_json_text_suite(void)
{
	writes_every_day();
	writes_every_second_of_a_day();
	remembers_the_right_dates();
	stays_within_the_years();
	escapes_every_byte_at_every_place();
}
