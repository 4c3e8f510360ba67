/*
 * lane.c
 *		Queue, calls in flight, deadlines, and what a lost connection means.
 *
 * Owns the connections and the lists; the jobs belong to their submitters.
 * Every job that is not over stands in the list of deadlines; besides, it
 * stands either in the queue or in a slot of the connection it was sent on.
 * A slot outlives its job, since results come in the order of the calls.
 */
#include "lane.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"

#define NAME_SIZE 24

/* A connection and the jobs in flight on it: a ring, oldest first. */
typedef struct Flight
{
	DbConn *conn;
	DbSettings settings;
	char name[NAME_SIZE];
	LaneJob *slots[DB_MAX_DEPTH]; /* NULL: nobody waits for this result any more */
	unsigned first;
	unsigned count;
} Flight;

struct Lane
{
	LaneSettings settings;
	LaneJob *queue_head, *queue_tail;
	unsigned queued;
	LaneJob *oldest, *youngest; /* by deadline */
	Flight flights[];           /* settings.connections of them */
};

static void flight_answered(void *owner, unsigned number, DbReply *reply);
static void flight_skipped(void *owner, unsigned number);
static void flight_down(void *owner, unsigned number);

/* ---- the two lists ------------------------------------------------------ */

static void
queue_append(Lane *lane, LaneJob *job)
{
	job->prev = lane->queue_tail;
	job->next = NULL;
	*(job->prev != NULL ? &job->prev->next : &lane->queue_head) = job;
	lane->queue_tail = job;
	job->queued = true;
	lane->queued++;
}

static void
queue_prepend(Lane *lane, LaneJob *job)
{
	job->prev = NULL;
	job->next = lane->queue_head;
	*(job->next != NULL ? &job->next->prev : &lane->queue_tail) = job;
	lane->queue_head = job;
	job->queued = true;
	lane->queued++;
}

static void
queue_remove(Lane *lane, LaneJob *job)
{
	*(job->prev != NULL ? &job->prev->next : &lane->queue_head) = job->next;
	*(job->next != NULL ? &job->next->prev : &lane->queue_tail) = job->prev;
	job->queued = false;
	lane->queued--;
}

static void
deadline_append(Lane *lane, LaneJob *job)
{
	job->older = lane->youngest;
	job->younger = NULL;
	*(job->older != NULL ? &job->older->younger : &lane->oldest) = job;
	lane->youngest = job;
	job->active = true;
}

static void
deadline_remove(Lane *lane, LaneJob *job)
{
	*(job->older != NULL ? &job->older->younger : &lane->oldest) = job->younger;
	*(job->younger != NULL ? &job->younger->older : &lane->youngest) = job->older;
	job->active = false;
}

/* ---- jobs --------------------------------------------------------------- */

/* Take a job out of everything it stands in; a slot stays, empty. */
static void
forget(Lane *lane, LaneJob *job)
{
	if (job->queued)
		queue_remove(lane, job);
	if (job->slot != NULL)
		*job->slot = NULL;
	job->slot = NULL;
	deadline_remove(lane, job);
}

static void
finish(Lane *lane, LaneJob *job, LaneEnd end, DbReply *reply)
{
	forget(lane, job);
	job->done(job, end, reply);
}

void
lane_abandon(Lane *lane, LaneJob *job)
{
	if (job->active)
		forget(lane, job);
}

static void
finish_all_queued(Lane *lane, LaneEnd end)
{
	while (lane->queue_head != NULL)
		finish(lane, lane->queue_head, end, NULL);
}

static bool
has_hope(const Lane *lane)
{
	for (unsigned i = 0; i < lane->settings.connections; i++)
		if (db_has_hope(lane->flights[i].conn))
			return true;
	return false;
}

bool
lane_submit(Lane *lane, LaneJob *job, LaneEnd *refusal)
{
	job->slot = NULL;
	job->active = job->queued = job->resent = false;
	if (!has_hope(lane))
	{
		*refusal = LANE_DOWN;
		return false;
	}
	if (lane->queued >= lane->settings.max_queue)
	{
		*refusal = LANE_FULL;
		return false;
	}
	queue_append(lane, job);
	deadline_append(lane, job);
	return true;
}

/* ---- sending ------------------------------------------------------------ */

/* The least busy connection that can take a call, or NULL. */
static Flight *
flight_with_room(Lane *lane)
{
	Flight *best = NULL;

	for (unsigned i = 0; i < lane->settings.connections; i++)
	{
		Flight *flight = &lane->flights[i];

		if (flight->count < flight->settings.depth && db_is_up(flight->conn) &&
			(best == NULL || flight->count < best->count))
			best = flight;
	}
	return best;
}

/* A job that could not be sent stays at the head of the queue, if it is kept at all. */
static void
send_first(Lane *lane, Flight *flight)
{
	LaneJob *job = lane->queue_head;

	if (!db_send(flight->conn, job->call, job->params))
		return;
	queue_remove(lane, job);
	job->slot = &flight->slots[(flight->first + flight->count++) % DB_MAX_DEPTH];
	*job->slot = job;
}

void
lane_pump(Lane *lane)
{
	Flight *flight;

	while (lane->queue_head != NULL && (flight = flight_with_room(lane)) != NULL)
		send_first(lane, flight);
	for (unsigned i = 0; i < lane->settings.connections; i++)
		db_flush(lane->flights[i].conn);
}

/* ---- what connections report -------------------------------------------- */

/* The oldest job in flight, out of its slot; NULL if it was abandoned. */
static LaneJob *
flight_pop(Flight *flight)
{
	LaneJob *job = flight->slots[flight->first];

	flight->first = (flight->first + 1) % DB_MAX_DEPTH;
	flight->count--;
	return job;
}

static void
flight_answered(void *owner, unsigned number, DbReply *reply)
{
	Lane *lane = owner;
	LaneJob *job = flight_pop(&lane->flights[number]);

	if (job != NULL)
		finish(lane, job, LANE_ANSWERED, reply);
	else
		db_reply_free(reply);
}

/*
 * Sent again as often as it takes: whoever failed has had its answer, so that
 * each round is shorter by one, and the deadline stands.
 */
static void
flight_skipped(void *owner, unsigned number)
{
	Lane *lane = owner;
	LaneJob *job = flight_pop(&lane->flights[number]);

	if (job == NULL)
		return;
	job->slot = NULL;
	queue_prepend(lane, job);
}

/* A call was in flight when its connection was lost. */
static void
job_lost(Lane *lane, LaneJob *job)
{
	if (lane->settings.repeatable && !job->resent)
	{
		job->slot = NULL;
		job->resent = true;
		queue_prepend(lane, job);
	}
	else
		finish(lane, job, lane->settings.repeatable ? LANE_DOWN : LANE_UNKNOWN, NULL);
}

/* Youngest first, so that those sent again stand in the queue in their old order. */
static void
flight_down(void *owner, unsigned number)
{
	Lane *lane = owner;
	Flight *flight = &lane->flights[number];

	while (flight->count > 0)
	{
		LaneJob *job = flight->slots[(flight->first + --flight->count) % DB_MAX_DEPTH];

		if (job != NULL)
			job_lost(lane, job);
	}
	if (!has_hope(lane))
		finish_all_queued(lane, LANE_DOWN);
}

/* ---- time --------------------------------------------------------------- */

int64_t
lane_next_due(const Lane *lane)
{
	int64_t due = lane->oldest != NULL ? lane->oldest->deadline : CLOCK_NEVER;

	for (unsigned i = 0; i < lane->settings.connections; i++)
	{
		int64_t theirs = db_next_due(lane->flights[i].conn);

		due = theirs < due ? theirs : due;
	}
	return due;
}

void
lane_tick(Lane *lane, int64_t now)
{
	while (lane->oldest != NULL && lane->oldest->deadline <= now)
		finish(lane, lane->oldest, LANE_TOO_SLOW, NULL);
	for (unsigned i = 0; i < lane->settings.connections; i++)
		db_tick(lane->flights[i].conn, now);
}

bool
lane_is_up(const Lane *lane)
{
	for (unsigned i = 0; i < lane->settings.connections; i++)
		if (db_is_up(lane->flights[i].conn))
			return true;
	return false;
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
	return lane;
}

void
lane_stop(Lane *lane)
{
	while (lane->oldest != NULL)
		finish(lane, lane->oldest, LANE_STOPPED, NULL);
}

void
lane_close(Lane *lane)
{
	lane_stop(lane);
	for (unsigned i = 0; i < lane->settings.connections; i++)
		if (lane->flights[i].conn != NULL)
			db_close(lane->flights[i].conn);
	free(lane);
}
