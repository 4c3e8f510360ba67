/*
 * lane_long.c
 *		Limits for long answers: how many connections they occupy, and how much memory.
 *
 * A long answer takes a session as much time as hundreds of short ones.  So calls whose answer
 * is expected to be long have a queue of their own and are sent one at a time on a connection.
 * If two or more connections are up, one of them gets none of these calls.  The expected length
 * is that of the last answer to the same call with the same parameters.
 *
 * An answer is kept in memory until its client has read it.  A read is refused if its expected
 * answer would exceed the limit, and an answer is dropped if it exceeds the limit when it has
 * arrived.
 */
#include "lane_inside.h"

/* An answer of this many bytes or more is long: a list of about 3,000 tokens. */
#define LONG_ANSWER (512 * 1024)

/* An answer of up to this many bytes is never dropped: it takes little memory. */
#define SMALL_ANSWER (32 * 1024)

static bool
may_be_long(const LaneJob *job)
{
	return job->call->shape == CALL_JSON_OF_ALL;
}

/* The expected length of the answer to a job, in bytes; 0: nothing is known, but it is short. */
static size_t
expected_bytes(const Lane *lane, const LaneJob *job)
{
	const LaneLength *length = &lane->lengths[job->digest % LANE_LENGTHS];

	if (job->digest != 0 && length->digest == job->digest)
		return length->bytes;
	return may_be_long(job) ? LONG_ANSWER : 0;
}

bool
lane_expects_long(const Lane *lane, const LaneJob *job)
{
	return expected_bytes(lane, job) >= LONG_ANSWER;
}

void
lane_note_length(Lane *lane, const LaneJob *job, const DbReply *reply)
{
	LaneLength *length = &lane->lengths[job->digest % LANE_LENGTHS];
	size_t bytes = db_reply_bytes(reply);

	if (job->digest == 0)
		return;
	if (bytes >= LONG_ANSWER || may_be_long(job) || length->digest == job->digest)
		*length = (LaneLength){job->digest, bytes};
}

Flight *
lane_flight_for_long(Lane *lane)
{
	Flight *idle = NULL;
	unsigned up = 0;
	unsigned left = 0;

	for (unsigned i = 0; i < lane->settings.connections; i++)
	{
		Flight *flight = &lane->flights[i];

		if (!db_is_up(flight->conn))
			continue;
		up++;
		left += !flight->long_call;
		if (flight->count == 0 && !flight->closed)
			idle = flight;
	}
	return up == 1 || left > 1 ? idle : NULL;
}

bool
lane_holds_too_much(const Lane *lane, const LaneJob *job)
{
	uint64_t held = counter_get(&lane->settings.counters->reply_bytes);
	uint64_t max = lane->settings.max_reply_bytes;

	return max > 0 && held > 0 && (held >= max || held + expected_bytes(lane, job) > max);
}

/* An answer that alone exceeds the limit passes if no other answer is in memory. */
bool
lane_is_too_much(const Lane *lane, const DbReply *reply)
{
	size_t bytes = db_reply_bytes(reply);
	uint64_t held = counter_get(&lane->settings.counters->reply_bytes);

	return lane->settings.max_reply_bytes > 0 && bytes > SMALL_ANSWER && held > bytes &&
		   held > lane->settings.max_reply_bytes;
}
