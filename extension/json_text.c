/*
 * json_text.c
 *		Pure writers of JSON fragments, escaped text and date-times, and a reader
 *		of escapes.
 *
 * Owns nothing, allocates nothing, asks nobody.  The escaper copies runs of
 * plain bytes at once, since almost all text is plain.
 */
#include "json_text.h"

#include <stdbool.h>
#include <string.h>

#define MILLISECONDS_PER_DAY INT64_C(86400000)

/* Days from 0000-03-01 to 2000-01-01 in the proleptic Gregorian calendar. */
#define DAYS_TO_2000 INT64_C(730425)

/* 0001-01-01T00:00:00.000Z and 9999-12-31T23:59:59.999Z from 2000-01-01. */
#define FIRST_MILLISECOND (INT64_C(-730119) * MILLISECONDS_PER_DAY)
#define LAST_MILLISECOND  (INT64_C(2921940) * MILLISECONDS_PER_DAY - 1)

static inline bool
is_plain(unsigned char c)
{
	return c >= 0x20 && c != '"' && c != '\\';
}

/* The letter of a two-byte escape, or 0 where only \u00XX will do. */
static char
short_escape(unsigned char c)
{
	switch (c)
	{
		case '"':
		case '\\':
			return (char) c;
		case '\b':
			return 'b';
		case '\f':
			return 'f';
		case '\n':
			return 'n';
		case '\r':
			return 'r';
		case '\t':
			return 't';
		default:
			return 0;
	}
}

static char *
escape_byte(char *dst, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char letter = short_escape(c);

	*dst++ = '\\';
	if (letter != 0)
	{
		*dst++ = letter;
		return dst;
	}
	memcpy(dst, "u00", 3);
	dst[3] = hex[c >> 4];
	dst[4] = hex[c & 0x0f];
	return dst + 5;
}

size_t
pat_json_escape(char *dst, const char *src, size_t len)
{
	char *out = dst;
	const char *end = src + len;

	while (src < end)
	{
		const char *run = src;

		while (src < end && is_plain((unsigned char) *src))
			src++;
		memcpy(out, run, (size_t) (src - run));
		out += src - run;
		if (src < end)
			out = escape_byte(out, (unsigned char) *src++);
	}
	return (size_t) (out - dst);
}

/* A number below 100. */
static inline void
put_two(char *dst, unsigned int value)
{
	static const char digits[] = "00010203040506070809101112131415161718192021222324"
								 "25262728293031323334353637383940414243444546474849"
								 "50515253545556575859606162636465666768697071727374"
								 "75767778798081828384858687888990919293949596979899";

	memcpy(dst, digits + 2 * value, 2);
}

static int64_t
floor_divide(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/*
 * Days since 0000-03-01 to year, month and day: years are counted from March,
 * so that the leap day comes last, in eras of 400 years (146097 days).
 */
static void
put_date(char *dst, unsigned int days)
{
	unsigned int era = days / 146097;
	unsigned int day_of_era = days % 146097;
	unsigned int year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
								day_of_era / 146096) /
							   365;
	unsigned int day_of_year = day_of_era -
							   (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	unsigned int month_from_march = (5 * day_of_year + 2) / 153;
	unsigned int day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
	unsigned int month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
	unsigned int year = era * 400 + year_of_era + (month <= 2);

	put_two(dst, year / 100);
	put_two(dst + 2, year % 100);
	put_two(dst + 5, month);
	put_two(dst + 8, day);
}

void
pat_json_time(char *dst, int64_t microseconds)
{
	int64_t milliseconds = floor_divide(microseconds, 1000);
	int64_t days;
	unsigned int rest;

	if (milliseconds < FIRST_MILLISECOND)
		milliseconds = FIRST_MILLISECOND;
	if (milliseconds > LAST_MILLISECOND)
		milliseconds = LAST_MILLISECOND;
	days = floor_divide(milliseconds, MILLISECONDS_PER_DAY);
	rest = (unsigned int) (milliseconds - days * MILLISECONDS_PER_DAY);

	memcpy(dst, "0000-00-00T00:00:00.000Z", PAT_JSON_TIME_LEN);
	put_date(dst, (unsigned int) (days + DAYS_TO_2000));
	put_two(dst + 11, rest / 3600000);
	put_two(dst + 14, rest / 60000 % 60);
	put_two(dst + 17, rest / 1000 % 60);
	put_two(dst + 20, rest % 1000 / 10);
	dst[22] = (char) ('0' + rest % 10);
}

/* Of one \uXXXX, or PAT_JSON_NO_ESCAPE. */
static int32_t
escaped_unit(const char *json, size_t len, size_t at)
{
	int32_t unit = 0;

	if (len < 6 || at > len - 6 || json[at] != '\\' || json[at + 1] != 'u')
		return PAT_JSON_NO_ESCAPE;
	for (size_t i = at + 2; i < at + 6; i++)
	{
		char letter = (char) (json[i] | 0x20);

		if (json[i] >= '0' && json[i] <= '9')
			unit = unit << 4 | (json[i] - '0');
		else if (letter >= 'a' && letter <= 'f')
			unit = unit << 4 | (letter - 'a' + 10);
		else
			return PAT_JSON_NO_ESCAPE;
	}
	return unit;
}

int32_t
pat_json_escaped_character(const char *json, size_t len, size_t at, size_t *escape_len)
{
	int32_t unit = escaped_unit(json, len, at);
	int32_t low;

	*escape_len = 6;
	if (unit < 0xd800 || unit > 0xdfff)
		return unit;
	low = unit <= 0xdbff ? escaped_unit(json, len, at + 6) : PAT_JSON_NO_ESCAPE;
	if (low < 0xdc00 || low > 0xdfff)
		return PAT_JSON_HALF_PAIR;
	*escape_len = 12;
	return 0x10000 + ((unit & 0x3ff) << 10 | (low & 0x3ff));
}
