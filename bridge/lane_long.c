/*
 * lane_long.c
 *		Bounds for long answers: how many connections they take, and how much memory.
 *
 * A session is at a long answer for as long as at hundreds of short ones.  So calls whose
 * answer is expected to be long have a queue of their own, go one at a time on a connection,
 * and leave one connection to the others, if there are two.  What is expected of a call is
 * what the same call with the same parameters was answered with last.
 *
 * An answer lies in memory until its client has read it.  Reads whose answer would not fit
 * into the limit are refused, and those that prove too long as they come are dropped.
 */
#include "lane_inside.h"

/* From so many bytes on an answer is long: a list of some 3,000 tokens. */
#define LONG_ANSWER (512 * 1024)

/* A smaller one is never dropped: it costs next to nothing. */
#define SMALL_ANSWER (32 * 1024)

static bool
may_be_long(const LaneJob *job)
{
	return job->call->shape == CALL_JSON_OF_ALL;
}

/* Of the answer to a job, in bytes; 0: a short one. */
static size_t
expected(const Lane *lane, const LaneJob *job)
{
	const LaneLength *length = &lane->lengths[job->digest % LANE_LENGTHS];

	if (job->digest != 0 && length->digest == job->digest)
		return length->bytes;
	return may_be_long(job) ? LONG_ANSWER : 0;
}

bool
lane_expects_long(const Lane *lane, const LaneJob *job)
{
	return expected(lane, job) >= LONG_ANSWER;
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

	return max > 0 && held > 0 && (held >= max || held + expected(lane, job) > max);
}

/* One that comes when nothing else is held is let through, be it larger than the limit. */
bool
lane_is_too_much(const Lane *lane, const DbReply *reply)
{
	size_t bytes = db_reply_bytes(reply);
	uint64_t held = counter_get(&lane->settings.counters->reply_bytes);

	return lane->settings.max_reply_bytes > 0 && bytes > SMALL_ANSWER && held > bytes &&
		   held > lane->settings.max_reply_bytes;
}
