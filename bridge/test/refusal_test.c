/*
 * refusal_test.c
 *		What a server says that refuses a connection, and the pauses between attempts.
 */
#include "db_refusal.h"

#include <stdio.h>
#include <string.h>

#include "suites.h"
#include "test.h"

static void
reads(const char *message, DbRefusal refusal, const char *for_people)
{
	char text[512];

	snprintf(text, sizeof(text), "%s", message);
	CHECK(db_refusal_of(text) == refusal);
	CHECK_TEXT(text, for_people);
}

/* F16: by its SQLSTATE, in whatever language the server speaks. */
static void
tells_refusals_apart(void)
{
	reads(
		"connection to server on socket \"/s\" failed: FATAL:  53300: sorry, too many clients "
		"already\nLOCATION:  InitProcess, proc.c:353\n",
		DB_CROWDED_OUT,
		"connection to server on socket \"/s\" failed: FATAL:  sorry, too many clients already\n");
	reads("FATAL:  53300: too many connections for role \"x\"\n", DB_CROWDED_OUT,
		  "FATAL:  too many connections for role \"x\"\n");
	reads("FATAL:  28P01: password authentication failed\n", DB_REFUSED,
		  "FATAL:  password authentication failed\n");
	reads("DÉTAIL:  3D000: x\nLOCATION:  a, b.c:1\nmore", DB_REFUSED, "DÉTAIL:  x\nmore");
	reads("FATAL:  57P03: the database system is starting up\n", DB_UNREACHABLE,
		  "FATAL:  the database system is starting up\n");
	reads("FATAL:  08P01: server login has been failing\n", DB_UNREACHABLE,
		  "FATAL:  server login has been failing\n");
	reads("FATAL:  57P03: a\nFATAL:  53300: b\n", DB_CROWDED_OUT, "FATAL:  a\nFATAL:  b\n");
	reads("FATAL:  53300: a\nFATAL:  28000: b\n", DB_CROWDED_OUT, "FATAL:  a\nFATAL:  b\n");
	reads("Connection refused:  x\n", DB_UNREACHABLE, "Connection refused:  x\n");
	reads("server is in hot standby mode\n", DB_UNREACHABLE, "server is in hot standby mode\n");
	reads("", DB_UNREACHABLE, "");
}

/* Service is to be back within a second of the server's return. */
static void
waits_longer_but_never_long(void)
{
	int64_t before = 0;

	for (unsigned failures = 0; failures < 100; failures++)
	{
		int64_t least = db_refusal_pause_us(DB_UNREACHABLE, failures, 0);
		int64_t most = db_refusal_pause_us(DB_UNREACHABLE, failures, 1023);

		CHECK(least > 0 && least >= before && most > least && most < 500000);
		before = least;
	}
	CHECK(db_refusal_pause_us(DB_UNREACHABLE, 0, 1023) < 10000);
	CHECK(db_refusal_pause_us(DB_UNREACHABLE, 0, 4096) ==
		  db_refusal_pause_us(DB_UNREACHABLE, 0, 0));
}

/* F16: a server that refuses is asked less and less often, and not by all at the same time. */
static void
waits_for_those_that_refuse(void)
{
	static const DbRefusal refusals[] = {DB_REFUSED, DB_CROWDED_OUT};

	for (int i = 0; i < 2; i++)
	{
		int64_t total = 0;

		for (unsigned failures = 1; failures <= 4; failures++)
			total += db_refusal_pause_us(refusals[i], failures, 512);
		CHECK(total >= 7000000);
		CHECK(db_refusal_pause_us(refusals[i], 100, 1023) <= 6000000);
		CHECK(db_refusal_pause_us(refusals[i], 100, 1023) >
			  2 * db_refusal_pause_us(refusals[i], 100, 0));
	}
	CHECK(db_refusal_pause_us(DB_UNFIT, 100, 1023) < 1500000);
}

void
test_refusal_suite(void)
{
	tells_refusals_apart();
	waits_longer_but_never_long();
	waits_for_those_that_refuse();
}
