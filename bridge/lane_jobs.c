/*
 * lane_jobs.c
 *		Jobs, deadlines, and what a lost connection means.
 *
 * Owns the connections and the lists; the jobs belong to their submitters.
 */
#include "lane_inside.h"

#include <stdio.h>
#include <stdlib.h>

/* Sooner behind a call that nobody waited for: whatever held that one up holds up the next. */
#define LANE_NEXT_US (10 * CLOCK_US_PER_MS)

/* An answer of so many bytes is a long list: making it outweighs what a statement costs. */
#define LONG_LIST (32 * 1024)

_Static_assert(LANE_UNREAD + 1 == COUNTERS_LANE_ENDS, "each end of a job has its counter");

static void flight_answered(void *owner, unsigned number, DbReply *reply);
static void flight_skipped(void *owner, unsigned number, unsigned count);
static void flight_down(void *owner, unsigned number);

/* ---- jobs --------------------------------------------------------------- */

/* When it ended, and how long it had waited for what. */
static void
note_end(Lane *lane, LaneJob *job)
{
	LaneCounters *counters = lane->settings.counters;
	int64_t sent;

	job->ended = clock_us();
	sent = job->sent != 0 ? job->sent : job->ended;
	counter_add(&counters->queue_us, (uint64_t) (sent - job->submitted));
	counter_add(&counters->database_us, (uint64_t) (job->ended - sent));
}

/* Take a job out of everything it stands in; a slot stays, be it empty. */
static void
forget(Lane *lane, LaneJob *job)
{
	if (job->queued)
		lane_queue_remove(lane, job);
	if (job->slot != NULL)
		lane_slot_remove(job);
	lane_deadline_remove(lane, job);
}

void
lane_finish(Lane *lane, LaneJob *job, LaneEnd end, DbReply *reply)
{
	forget(lane, job);
	note_end(lane, job);
	counter_add(&lane->settings.counters->ended[end], 1);
	job->done(job, end, reply);
}

void
lane_abandon(Lane *lane, LaneJob *job)
{
	if (!job->active)
		return;
	forget(lane, job);
	note_end(lane, job);
	counter_add(&lane->settings.counters->ended[LANE_LEFT], 1);
}

static void
finish_all_queued(Lane *lane, LaneEnd end)
{
	while (lane->queue.head != NULL)
		lane_finish(lane, lane->queue.head, end, NULL);
	while (lane->long_queue.head != NULL)
		lane_finish(lane, lane->long_queue.head, end, NULL);
}

static bool
refuse(Lane *lane, LaneEnd why, LaneEnd *refusal)
{
	counter_add(&lane->settings.counters->ended[why], 1);
	*refusal = why;
	return false;
}

bool
lane_submit(Lane *lane, LaneJob *job, LaneEnd *refusal)
{
	job->slot = NULL;
	job->sent = job->ended = 0;
	job->active = job->queued = job->resent = job->alone = false;
	job->digest = lane->settings.repeatable ? lane_digest(job) : 0;
	job->is_long = lane_expects_long(lane, job);
	if (!lane_has_hope(lane))
		return refuse(lane, LANE_DOWN, refusal);
	if (lane->queue.count + lane->long_queue.count >= lane->settings.max_queue)
		return refuse(lane, LANE_FULL, refusal);
	if (lane_holds_too_much(lane, job))
		return refuse(lane, LANE_UNREAD, refusal);
	lane_queue_append(lane, job);
	lane_deadline_insert(lane, job);
	return true;
}

void
lane_set_limits(Lane *lane, unsigned max_queue, int64_t timeout_us)
{
	lane->settings.max_queue = max_queue;
	lane->settings.timeout_us = timeout_us;
	for (unsigned i = 0; i < lane->settings.connections; i++)
	{
		lane->flights[i].settings.timeout_us = timeout_us;
		db_renew(lane->flights[i].conn);
	}
}

/* ---- sending ------------------------------------------------------------ */

void
lane_pump(Lane *lane, bool quiet)
{
	lane->gathering = false;
	if (lane->queue.head != NULL || lane->long_queue.head != NULL)
		lane_send_queued(lane, quiet, clock_us());
	for (unsigned i = 0; i < lane->settings.connections; i++)
	{
		Flight *flight = &lane->flights[i];

		db_flush(flight->conn);
		flight->closed = lane->settings.pooled && flight->count > 0;
	}
}

/* ---- what connections report -------------------------------------------- */

/* Forget the slots of the oldest in flight. */
static void
flight_drop(Lane *lane, Flight *flight, unsigned count)
{
	flight->first = (flight->first + count) % DB_MAX_DEPTH;
	flight->count -= count;
	flight->closed = flight->closed && flight->count > 0;
	flight->long_call = flight->long_call && flight->count > 0;
	flight->asked = 0;
	counter_add(&lane->settings.counters->in_flight, -(uint64_t) count);
}

static bool
is_long(const DbReply *reply)
{
	size_t length;

	return db_reply_column(reply, CALL_COLUMN_RESULT, &length) != NULL && length >= LONG_LIST;
}

/* Before all that are queued. */
static void
queue_again(Lane *lane, LaneJob *job)
{
	lane_slot_remove(job);
	job->sent = 0; /* not in effect */
	lane_queue_prepend(lane, job);
}

static void
queue_each_alone(Lane *lane, LaneJob **slot)
{
	while (*slot != NULL)
	{
		(*slot)->alone = true;
		queue_again(lane, *slot);
	}
}

static bool
is_shared(LaneJob *const *slot)
{
	return *slot != NULL && (*slot)->next != NULL;
}

static void
finish_all_in(Lane *lane, LaneJob **slot, DbReply *reply)
{
	bool dropped = lane_is_too_much(lane, reply);

	if (*slot != NULL)
		lane_note_length(lane, *slot, reply);
	while (*slot != NULL)
		lane_finish(lane, *slot, dropped ? LANE_UNREAD : LANE_ANSWERED,
					dropped ? NULL : db_reply_hold(reply));
}

/* What fails for one need not fail for all who share it: it may have been a cancellation. */
static void
flight_answered(void *owner, unsigned number, DbReply *reply)
{
	Lane *lane = owner;
	Flight *flight = &lane->flights[number];
	LaneJob **slot = &flight->slots[flight->first];
	DbError error;

	flight_drop(lane, flight, 1);
	flight->long_lists = is_long(reply);
	if (is_shared(slot) && db_reply_error(reply, &error))
		queue_each_alone(lane, slot);
	finish_all_in(lane, slot, reply);
	db_reply_free(reply);
}

/*
 * Sent again as often as it takes, youngest first, so that they keep their
 * order.  Those that shared a statement are alone from now on: who is at fault
 * gets its error then, and nobody else; the deadline stands.
 */
static void
flight_skipped(void *owner, unsigned number, unsigned count)
{
	Lane *lane = owner;
	Flight *flight = &lane->flights[number];
	bool wanted = flight->slots[flight->first] != NULL;

	for (unsigned i = count; i-- > 0;)
		queue_each_alone(lane, &flight->slots[(flight->first + i) % DB_MAX_DEPTH]);
	flight_drop(lane, flight, count);
	if (!wanted)
		flight->asked = lane->now - LANE_PATIENCE_US + LANE_NEXT_US;
}

/* A call was in flight when its connection was lost. */
static void
job_lost(Lane *lane, LaneJob *job)
{
	if (lane->settings.repeatable && !job->resent)
	{
		job->resent = true;
		counter_add(&lane->settings.counters->resent, 1);
		queue_again(lane, job);
	}
	else
		lane_finish(lane, job, lane->settings.repeatable ? LANE_DOWN : LANE_UNKNOWN, NULL);
}

/* Youngest first, so that those sent again stand in the queue in their old order. */
static void
flight_down(void *owner, unsigned number)
{
	Lane *lane = owner;
	Flight *flight = &lane->flights[number];

	counter_add(&lane->settings.counters->in_flight, -(uint64_t) flight->count);
	while (flight->count > 0)
	{
		LaneJob **slot = &flight->slots[(flight->first + --flight->count) % DB_MAX_DEPTH];

		while (*slot != NULL)
			job_lost(lane, *slot);
	}
	flight->closed = flight->long_call = false;
	flight->asked = 0;
	if (db_has_hope(flight->conn))
		lane_note_loss(lane, number);
	if (!lane_has_hope(lane))
		finish_all_queued(lane, LANE_DOWN);
}

/* ---- calls that nobody waits for ---------------------------------------- */

/*
 * Only reads: a change goes on, whoever has left.  Not through a pooler: what
 * the cancellation hits would depend on what the server does for others by then.
 */
static bool
may_cancel(const Lane *lane)
{
	return lane->settings.repeatable && !lane->settings.pooled;
}

/* When to look whether anybody waits for the oldest call in flight. */
static int64_t
next_look(const Lane *lane, const Flight *flight)
{
	int64_t since;

	if (!may_cancel(lane) || flight->count == 0)
		return CLOCK_NEVER;
	since = flight->asked != 0 ? flight->asked : db_oldest_since(flight->conn);
	return since == CLOCK_NEVER ? CLOCK_NEVER : since + LANE_PATIENCE_US;
}

/*
 * The oldest is the one at which the server is.  It is asked again and again as
 * long as it runs, since a cancellation can come too early or get lost.
 */
static void
look_after_oldest(Lane *lane, Flight *flight)
{
	LaneJob **slot = &flight->slots[flight->first];
	LaneJob *next;

	flight->asked = lane->now;
	for (LaneJob *job = *slot; job != NULL; job = next)
	{
		next = job->next;
		if (job->left(job))
			lane_finish(lane, job, LANE_LEFT, NULL);
	}
	if (*slot == NULL)
		db_cancel(flight->conn);
}

/* ---- time --------------------------------------------------------------- */

int64_t
lane_next_due(const Lane *lane)
{
	int64_t due = lane->oldest != NULL ? lane->oldest->deadline : CLOCK_NEVER;

	if (lane->gathering)
		return lane->now;
	for (unsigned i = 0; i < lane->settings.connections; i++)
	{
		const Flight *flight = &lane->flights[i];

		due = clock_earlier(due, lane_connection_due(lane, i));
		due = clock_earlier(due, next_look(lane, flight));
	}
	return due;
}

void
lane_tick(Lane *lane, int64_t now)
{
	lane->now = now;
	while (lane->oldest != NULL && lane->oldest->deadline <= now)
		lane_finish(lane, lane->oldest, LANE_TOO_SLOW, NULL);
	lane_look_at_connections(lane);
	for (unsigned i = 0; i < lane->settings.connections; i++)
	{
		Flight *flight = &lane->flights[i];

		if (next_look(lane, flight) <= now)
			look_after_oldest(lane, flight);
		if (!lane_is_held(lane, i))
			db_tick(flight->conn, now);
	}
}

/* ---- life --------------------------------------------------------------- */

static bool
flight_open(Lane *lane, Loop *loop, unsigned number)
{
	Flight *flight = &lane->flights[number];
	DbClient client = {lane, flight_answered, flight_skipped, flight_down};

	snprintf(flight->name, sizeof(flight->name), "%s %u", lane->settings.name, number + 1);
	flight->settings.name = flight->name;
	flight->settings.conninfo = lane->settings.conninfo;
	flight->settings.timeout_us = lane->settings.timeout_us;
	flight->settings.depth = lane->settings.depth < DB_MAX_DEPTH ? lane->settings.depth
																 : DB_MAX_DEPTH;
	flight->settings.asynchronous_commit = lane->settings.repeatable;
	flight->settings.target = lane->settings.target;
	flight->settings.calls = &lane->settings.calls;
	flight->settings.pooled = lane->settings.pooled;
	flight->settings.counters = lane->settings.counters;
	flight->conn = db_open(loop, &flight->settings, &client, number);
	return flight->conn != NULL;
}

Lane *
lane_open(Loop *loop, const LaneSettings *settings)
{
	Lane *lane = calloc(1, sizeof(Lane) + settings->connections * sizeof(Flight));

	if (lane == NULL)
		return NULL;
	lane->settings = *settings;
	for (unsigned i = 0; i < settings->connections; i++)
		if (!flight_open(lane, loop, i))
		{
			lane_close(lane);
			return NULL;
		}
	lane_look_at_connections(lane);
	return lane;
}

void
lane_stop(Lane *lane)
{
	while (lane->oldest != NULL)
		lane_finish(lane, lane->oldest, LANE_STOPPED, NULL);
}

void
lane_close(Lane *lane)
{
	lane_stop(lane);
	lane_leave_connections(lane);
	for (unsigned i = 0; i < lane->settings.connections; i++)
		if (lane->flights[i].conn != NULL)
			db_close(lane->flights[i].conn);
	free(lane);
}
