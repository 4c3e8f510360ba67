/*
 * json_text.h
 *		Pure writers of JSON fragments, escaped text and date-times, and a reader
 *		of escapes.
 *
 * No I/O, no clock, no allocation and nothing of PostgreSQL: the caller brings
 * the buffer.  Compiled into the extension and into the bridge.
 */
#ifndef PAT_JSON_TEXT_H
#define PAT_JSON_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Most bytes that one byte of text becomes ("\u001f"). */
#define PAT_JSON_ESCAPE_MAX 6

/* Bytes of a date-time, without quotes: 2023-04-19T08:15:14.000Z */
#define PAT_JSON_TIME_LEN 24

/*
 * Write len bytes of text, escaped as RFC 8259 section 7 asks, without the
 * surrounding quotes.  dst holds PAT_JSON_ESCAPE_MAX * len bytes; returns the
 * bytes written.  Bytes from 0x80 up are copied as they are.
 */
extern size_t pat_json_escape(char *dst, const char *src, size_t len);

/*
 * Dates that were written lately, by their last bits: most times of a list fall on
 * few days, and the date is the dearer half of a time.  All zero to begin with.
 */
#define PAT_JSON_DATES    64
#define PAT_JSON_DATE_LEN 10

typedef struct PatJsonDates
{
	struct
	{
		uint32_t day; /* 0: none, since that day is never written */
		char text[PAT_JSON_DATE_LEN];
	} lately[PAT_JSON_DATES];
} PatJsonDates;

/*
 * Write the PAT_JSON_TIME_LEN bytes of an RFC 3339 date-time in UTC.  The time
 * is in microseconds since 2000-01-01 00:00 UTC (PostgreSQL's TimestampTz) and
 * is cut to milliseconds.  Times outside the years 1 to 9999, infinities
 * included, become the nearest date-time inside, so that no reader fails.
 */
extern void pat_json_time(char *dst, int64_t microseconds, PatJsonDates *dates);

#define PAT_JSON_NO_ESCAPE (-1)
#define PAT_JSON_HALF_PAIR (-2)

/*
 * The character of \uXXXX at this place, or of two of them that are a pair of
 * surrogates, with the bytes that it takes: 6 or 12.  PAT_JSON_NO_ESCAPE where
 * there is none, PAT_JSON_HALF_PAIR for a surrogate that stands alone.
 */
extern int32_t
pat_json_escaped_character(const char *json, size_t len, size_t at, size_t *escape_len);

#endif /* PAT_JSON_TEXT_H */
