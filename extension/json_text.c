/*
 * json_text.c
 *		Pure writers of JSON fragments, escaped text and date-times, and a reader
 *		of escapes.
 *
 * Owns nothing, allocates nothing, asks nobody.  The escaper looks at eight
 * bytes at a time and copies runs of plain ones at once, since almost all text
 * is plain.
 */
#include "json_text.h"

#include <stdbool.h>
#include <string.h>

#define US_PER_DAY INT64_C(86400000000)

/* Days from 0000-03-01 to 2000-01-01 in the proleptic Gregorian calendar. */
#define DAYS_TO_2000 730425

/* 0001-01-01T00:00:00.000Z and 9999-12-31T23:59:59.999Z from 2000-01-01. */
#define FIRST_US (INT64_C(-730119) * US_PER_DAY)
#define LAST_US  (INT64_C(2921940) * US_PER_DAY - 1)

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

#define EVERY_BYTE(c) (UINT64_C(0x0101010101010101) * (c))

/* Whether eight bytes are all plain: the classic tests for a zero byte and one below 0x20. */
static inline bool
is_plain_word(const char *src)
{
	uint64_t word;
	uint64_t quote;
	uint64_t backslash;

	memcpy(&word, src, sizeof(word));
	quote = word ^ EVERY_BYTE('"');
	backslash = word ^ EVERY_BYTE('\\');
	return ((((word - EVERY_BYTE(0x20)) & ~word) | ((quote - EVERY_BYTE(1)) & ~quote) |
			 ((backslash - EVERY_BYTE(1)) & ~backslash)) &
			EVERY_BYTE(0x80)) == 0;
}

/* Where the plain bytes from src on end. */
static inline const char *
end_of_plain(const char *src, const char *end)
{
	while (end - src >= 8 && is_plain_word(src))
		src += 8;
	while (src < end && is_plain((unsigned char) *src))
		src++;
	return src;
}

size_t
pat_json_escape(char *dst, const char *src, size_t len)
{
	char *out = dst;
	const char *end = src + len;

	while (src < end)
	{
		const char *run = src;

		src = end_of_plain(src, end);
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

/*
 * Days since 0000-03-01 to year, month and day, by multiplications only: Neri and
 * Schneider, "Euclidean affine functions and their application to calendar
 * algorithms", 2023.  Years are counted from March, so that the leap day comes
 * last, in centuries of 146097 / 4 days.
 */
static inline void
put_date(char *dst, uint32_t days)
{
	uint32_t in_centuries = 4 * days + 3;
	uint32_t century = in_centuries / 146097;
	uint32_t in_years = in_centuries % 146097 | 3;
	uint64_t years = UINT64_C(2939745) * in_years;
	uint32_t day_of_year = (uint32_t) years / 2939745 / 4;
	uint32_t in_months = 2141 * day_of_year + 197913;
	bool next_year = day_of_year >= 306; /* January and February */
	uint32_t year_of_century = (uint32_t) (years >> 32) + next_year;
	uint32_t wraps = year_of_century == 100;

	put_two(dst, century + wraps);
	put_two(dst + 2, wraps ? 0 : year_of_century);
	put_two(dst + 5, (in_months >> 16) - (next_year ? 12 : 0));
	put_two(dst + 8, (in_months & 0xffff) / 2141 + 1);
}

static inline void
put_time_of_day(char *dst, uint32_t milliseconds)
{
	uint32_t seconds = milliseconds / 1000;
	uint32_t minutes = seconds / 60;
	uint32_t rest = milliseconds % 1000;

	put_two(dst, minutes / 60);
	put_two(dst + 3, minutes % 60);
	put_two(dst + 6, seconds % 60);
	put_two(dst + 9, rest / 10);
	dst[11] = (char) ('0' + rest % 10);
}

static const char *
date_text(PatJsonDates *dates, uint32_t day)
{
	size_t place = day % PAT_JSON_DATES;
	char *text = dates->lately[place].text;

	if (dates->lately[place].day != day)
	{
		memcpy(text, "0000-00-00", PAT_JSON_DATE_LEN);
		put_date(text, day);
		dates->lately[place].day = day;
	}
	return text;
}

void
pat_json_time(char *dst, int64_t microseconds, PatJsonDates *dates)
{
	uint64_t since_year_0;
	uint32_t day;

	if (microseconds < FIRST_US)
		microseconds = FIRST_US;
	if (microseconds > LAST_US)
		microseconds = LAST_US;
	since_year_0 = (uint64_t) (microseconds + DAYS_TO_2000 * US_PER_DAY);
	day = (uint32_t) (since_year_0 / US_PER_DAY);

	memcpy(dst, date_text(dates, day), PAT_JSON_DATE_LEN);
	memcpy(dst + PAT_JSON_DATE_LEN, "T00:00:00.000Z", PAT_JSON_TIME_LEN - PAT_JSON_DATE_LEN);
	put_time_of_day(dst + 11, (uint32_t) ((since_year_0 - day * (uint64_t) US_PER_DAY) / 1000));
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
