/*
 * timing_test.c
 *		The value of a Server-Timing header.
 */
#include "timing.h"

#include <string.h>

#include "suites.h"
#include "test.h"

static void
writes_milliseconds(void)
{
	char text[TIMING_TEXT_MAX];

	timing_text(text, 0, 0);
	CHECK_TEXT(text, "queue;dur=0.000, db;dur=0.000");
	timing_text(text, 42, 1500);
	CHECK_TEXT(text, "queue;dur=0.042, db;dur=1.500");
	timing_text(text, 999, 1000);
	CHECK_TEXT(text, "queue;dur=0.999, db;dur=1.000");
	timing_text(text, 600000000, 123456789);
	CHECK_TEXT(text, "queue;dur=600000.000, db;dur=123456.789");
}

static void
leaves_out_what_was_never_sent(void)
{
	char text[TIMING_TEXT_MAX];

	timing_text(text, 10, -1);
	CHECK_TEXT(text, "queue;dur=0.010");
}

static void
fits_whatever_the_times(void)
{
	char text[TIMING_TEXT_MAX];

	timing_text(text, INT64_MAX, INT64_MAX);
	CHECK(strlen(text) < TIMING_TEXT_MAX);
	CHECK_TEXT(text, "queue;dur=9223372036854775.807, db;dur=9223372036854775.807");
	timing_text(text, INT64_MIN, INT64_MIN);
	CHECK_TEXT(text, "queue;dur=0.000");
}

void
test_timing_suite(void)
{
	writes_milliseconds();
	leaves_out_what_was_never_sent();
	fits_whatever_the_times();
}
