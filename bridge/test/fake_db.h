/*
 * fake_db.h
 *		A database connection that does what a test says, behind db.h's door.
 *
 * Takes the place of the db room in the lane's tests, so that losses, deadlines and
 * orders can be produced one by one, without a server and without waiting.
 */
#ifndef PAT_BRIDGE_TEST_FAKE_DB_H
#define PAT_BRIDGE_TEST_FAKE_DB_H

#include "db.h"

#define FAKE_MAX_CONNECTIONS 4
#define FAKE_MAX_CALLS       256

struct DbConn
{
	DbClient client;
	unsigned number;
	bool up;
	bool hope;
	bool crowded_out;
	bool refused;
	bool breaks_on_send;
	unsigned ticks;
	LaneCounters *counters;
	bool asynchronous_commit;
	unsigned renewals;
	unsigned sent; /* calls since the connection came up */
	unsigned in_flight;
	unsigned statements;                   /* since then */
	unsigned in_flight_of[FAKE_MAX_CALLS]; /* statement: calls in flight */
	unsigned first_of[FAKE_MAX_CALLS];     /* its first call */
	int64_t send_us;
	int64_t oldest_since;
	unsigned cancels;
	const char *first_params[FAKE_MAX_CALLS]; /* first parameter of each of them */
};

struct DbReply
{
	int number;
	size_t length;
	bool failed;
	unsigned holders;
	LaneCounters *counters;
};

/* The connections, by number. */
extern DbConn *fake_conns[FAKE_MAX_CONNECTIONS];
extern unsigned fake_open;
extern unsigned fake_replies; /* alive */

extern void fake_up(unsigned number);
/* Answer the oldest call in flight with a reply of this number. */
extern void fake_answer(unsigned number, int reply);
/* The same with a reply of so many bytes. */
extern void fake_answer_of(unsigned number, int reply, size_t length);
/* Raise an error for the oldest call in flight. */
extern void fake_fail(unsigned number);
/* Skip the open calls of the oldest statement in flight, because it failed or was cancelled. */
extern void fake_skip(unsigned number);
/* Lose the connection; hope says whether it is worth waiting for. */
extern void fake_lose(unsigned number, bool hope);

#endif
