/*
 * db_refusal.c
 *		What a server says that refuses a connection, and how long to wait before the next
 *		attempt.
 *
 * Pure code.  libpq has no other way to tell the SQLSTATE of a refused connection than the
 * text of its message: "… FATAL:  53300: sorry, too many clients already\nLOCATION:  …".
 */
#include "db_refusal.h"

#include <stddef.h>
#include <string.h>

#define SQLSTATE_LENGTH 5
#define BEFORE_SQLSTATE ":  "
#define AFTER_SQLSTATE  ": "
#define LOCATION        "\nLOCATION:  "

#define US_PER_MS INT64_C(1000)

/*
 * Those that pass by themselves, as prefixes: a server that starts or stops, and what a pooler
 * says of any trouble with its own server.
 */
static const char *const passing[] = {"57P", "08"};

static const char *
find_sqlstate(const char *message)
{
	static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	const char *at = message;

	while ((at = strstr(at, BEFORE_SQLSTATE)) != NULL)
	{
		at += strlen(BEFORE_SQLSTATE);
		if (strspn(at, letters) == SQLSTATE_LENGTH &&
			strncmp(at + SQLSTATE_LENGTH, AFTER_SQLSTATE, strlen(AFTER_SQLSTATE)) == 0)
			return at;
	}
	return NULL;
}

DbRefusal
db_refusal_of_sqlstate(const char *sqlstate)
{
	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
		if (strncmp(sqlstate, passing[i], strlen(passing[i])) == 0)
			return DB_UNREACHABLE;
	return strncmp(sqlstate, "53300", SQLSTATE_LENGTH) == 0 ? DB_CROWDED_OUT : DB_REFUSED;
}

/* From the word on to the end of its line. */
static void
cut_locations(char *message)
{
	char *at;

	while ((at = strstr(message, LOCATION)) != NULL)
	{
		const char *end = strchrnul(at + 1, '\n');

		memmove(at, end, strlen(end) + 1);
	}
}

DbRefusal
db_refusal_of(char *message)
{
	DbRefusal refusal = DB_UNREACHABLE;
	const char *sqlstate;

	while ((sqlstate = find_sqlstate(message)) != NULL)
	{
		const char *rest = sqlstate + SQLSTATE_LENGTH + strlen(AFTER_SQLSTATE);
		DbRefusal this_one = db_refusal_of_sqlstate(sqlstate);

		refusal = this_one > refusal ? this_one : refusal;
		memmove(message + (sqlstate - message), rest, strlen(rest) + 1);
	}
	cut_locations(message);
	return refusal;
}

/*
 * A server that is away: soon at first, since most losses are short, then four times a
 * second, so that service is back within a second of its return.  One that refuses: less
 * and less often, since each attempt costs it a process and a line in its log.
 */
static int64_t
step_us(DbRefusal refusal, unsigned failures)
{
	static const int away_ms[] = {5, 20, 60, 120, 250};
	static const int refused_ms[] = {250, 500, 1000, 2000, 4000};
	static const unsigned last = sizeof(away_ms) / sizeof(away_ms[0]) - 1;
	unsigned step = failures < last ? failures : last;

	if (refusal == DB_UNFIT)
		return 750 * US_PER_MS;
	return (refusal == DB_UNREACHABLE ? away_ms : refused_ms)[step] * US_PER_MS;
}

/* A quarter, or of a server that refuses a half, more or less at random: spread over time. */
int64_t
db_refusal_pause_us(DbRefusal refusal, unsigned failures, unsigned random)
{
	int64_t step = step_us(refusal, failures);
	int64_t spread = refusal == DB_UNREACHABLE ? step / 2 : step;

	return step - spread / 2 + (int64_t) (random % 1024) * spread / 1024;
}
