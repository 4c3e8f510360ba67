/*
 * lane_probe.c
 *		See lane_probe.h.
 */
#include "lane_probe.h"

#include <string.h>

const Call call = {0, "f", "$1", 1, CALL_JSON};
const Call batched = {1, "g", "$1::text[]", 1, CALL_ANSWER};
const Call batched_too = {2, "h", "$1::text[]", 1, CALL_ANSWER};
static const char *const names[JOBS] = {"0", "1", "2", "3", "4", "5", "6", "7",
										"8", "9", "a", "b", "c", "d", "e", "f"};
Probe probes[JOBS];
Lane *lane;
LaneCounters counters;
bool keeps_replies;
static DbReply *kept[JOBS];
static int kept_count;

static void
probe_done(LaneJob *job, LaneEnd end, DbReply *reply)
{
	Probe *probe = (Probe *) job;

	probe->ended++;
	probe->end = end;
	if (reply != NULL)
	{
		probe->reply = reply->number;
		if (keeps_replies)
			kept[kept_count++] = reply;
		else
			db_reply_free(reply);
	}
}

static bool
probe_left(const LaneJob *job)
{
	return ((const Probe *) job)->has_left;
}

DbReply *
kept_reply(int number)
{
	return number < kept_count ? kept[number] : NULL;
}

static void
open_with(const LaneSettings *settings)
{
	memset(probes, 0, sizeof(probes));
	memset(&counters, 0, sizeof(counters));
	kept_count = 0;
	lane = lane_open(NULL, settings);
	CHECK(lane != NULL && fake_open == settings->connections);
}

void
open_pooled_lane(bool repeatable, unsigned connections, unsigned depth, unsigned max_queue,
				 bool pooled)
{
	LaneSettings settings = {.name = "test",
							 .conninfo = "",
							 .connections = connections,
							 .depth = depth,
							 .max_queue = max_queue,
							 .timeout_us = LANE_TIME,
							 .repeatable = repeatable,
							 .pooled = pooled,
							 .counters = &counters};

	open_with(&settings);
}

void
open_lane_with_memory(size_t max_reply_bytes)
{
	LaneSettings settings = {.name = "test",
							 .conninfo = "",
							 .connections = 1,
							 .depth = 8,
							 .max_queue = 8,
							 .timeout_us = LANE_TIME,
							 .max_reply_bytes = max_reply_bytes,
							 .repeatable = true,
							 .counters = &counters};

	open_with(&settings);
}

void
open_lane(bool repeatable, unsigned connections, unsigned depth, unsigned max_queue)
{
	open_pooled_lane(repeatable, connections, depth, max_queue, false);
}

void
close_lane(void)
{
	lane_close(lane);
	CHECK_NUMBER(fake_open, 0);
	CHECK_NUMBER(fake_replies, 0);
	CHECK_NUMBER(counter_get(&counters.queued), 0);
}

static LaneEnd
submit_between(int number, int64_t submitted, int64_t deadline)
{
	Probe *probe = &probes[number];
	LaneEnd refusal = LANE_ANSWERED;

	/* Twice in a list, a job would make a circle of it. */
	CHECK(!probe->job.active);
	if (probe->job.active)
		return LANE_STOPPED;
	if (probe->job.call == NULL)
		probe->job.call = &call;
	if (probe->job.params[0] == NULL)
		probe->job.params[0] = names[number];
	probe->job.submitted = submitted;
	probe->job.deadline = deadline;
	probe->job.done = probe_done;
	probe->job.left = probe_left;
	CHECK(lane_submit(lane, &probe->job, &refusal) == (refusal == LANE_ANSWERED));
	return refusal;
}

LaneEnd
submit_until(int number, int64_t deadline)
{
	return submit_between(number, clock_us(), deadline);
}

LaneEnd
submit(int number)
{
	return submit_until(number, 1000 + number);
}

void
submit_like(int number, const Call *which, int other)
{
	probes[number].job.call = which;
	probes[number].job.params[0] = names[other];
	CHECK(submit(number) == LANE_ANSWERED);
}

void
submit_call(int number, const Call *which)
{
	submit_like(number, which, number);
}

LaneEnd
submit_late(int number, int64_t submitted)
{
	return submit_between(number, submitted, submitted + LANE_TIME);
}

bool
ended(int number, LaneEnd end)
{
	return probes[number].ended == 1 && probes[number].end == end;
}

bool
answered(int number, int reply)
{
	return ended(number, LANE_ANSWERED) && probes[number].reply == reply;
}

bool
waits(int number)
{
	return probes[number].ended == 0;
}

const char *
sent(unsigned conn)
{
	static char word[FAKE_MAX_CALLS + 1];

	word[0] = '\0';
	for (unsigned i = 0; i < fake_conns[conn]->sent; i++)
		strcat(word, fake_conns[conn]->first_params[i]);
	return word;
}

const char *
batches(unsigned conn)
{
	static char word[2 * FAKE_MAX_CALLS + 1];
	const DbConn *fake = fake_conns[conn];

	word[0] = '\0';
	for (unsigned i = 0, statement = 0; i < fake->sent; i++)
	{
		if (statement < fake->statements && fake->first_of[statement] == i && statement++ > 0)
			strcat(word, "|");
		strcat(word, fake->first_params[i]);
	}
	return word;
}
