/*
 * lane_send.c
 *		Sending what is queued: which jobs go together, on which connection, and when.
 *
 * A statement costs its session as much as six short lists, waking it included, so large
 * batches are cheap.  The largest that keep all sessions busy are made of the crowd, all
 * who wait for an answer, shared out among the sessions.  Less is sent when nothing else
 * is to be done.
 *
 * A job joins a call that serves another only if both waited when it was sent.  One
 * that came later may know of a change that the call does not see.
 */
#include "lane_inside.h"

/* Long lists in flight that keep a session busy until the next batch reaches it. */
#define BUSY_ENOUGH (DB_MAX_BATCH / 2)

/* Of each statement's difference to the crowd so far, so much counts. */
#define CROWD_SHARE (1.0 / 64)

/* For so long at most a job waits for others while a connection is free. */
#define GATHER_US (2 * CLOCK_US_PER_MS)

/* So many in the queue are asked whether they wait for what has just been sent. */
#define LOOKED_AT 128

/* Whether a job may go in one statement with others. */
static bool
shares(const LaneJob *job)
{
	return call_shape_batches(job->call->shape) && !job->alone;
}

/*
 * Whether a connection can take a batch, by what it has in flight.  An idle one can:
 * what comes while all are busy waits, and makes the next batch larger.  A session that
 * makes long lists gets its next batch before it runs dry: it would be idle for long
 * while we pass on what it has made.
 */
static bool
can_take_batch(const Flight *flight)
{
	return flight->count == 0 || (flight->long_lists && flight->count <= BUSY_ENOUGH);
}

/* A long call that waits for longer than the first of the queue gets the next idle connection. */
static bool
long_call_is_first(const Lane *lane)
{
	return lane->long_queue.head != NULL &&
		   (lane->queue.head == NULL ||
			lane->long_queue.head->submitted <= lane->queue.head->submitted);
}

/* Whether a connection can take the first of the queue. */
static bool
has_room(const Lane *lane, const Flight *flight)
{
	return flight->count < flight->settings.depth && !flight->long_call &&
		   (!shares(lane->queue.head) || can_take_batch(flight)) && !flight->closed &&
		   (flight->count == 0 || !long_call_is_first(lane)) && db_is_up(flight->conn);
}

/*
 * The less busy one, and of two idle ones that which takes longer to send to: its session
 * runs on our processor, and so before us.  What comes meanwhile is for the other one.
 */
static bool
is_better(const Flight *flight, const Flight *other)
{
	return flight->count < other->count ||
		   (flight->count == other->count && db_send_us(flight->conn) > db_send_us(other->conn));
}

/* The best connection that can take the first of the queue, or NULL; and how many can. */
static Flight *
flight_with_room(Lane *lane, unsigned *able)
{
	Flight *best = NULL;

	*able = 0;
	for (unsigned i = 0; i < lane->settings.connections; i++)
	{
		Flight *flight = &lane->flights[i];

		if (!has_room(lane, flight))
			continue;
		++*able;
		if (best == NULL || is_better(flight, best))
			best = flight;
	}
	return best;
}

/* Whether it is in vain to send a job; asked of those that had to wait. */
static bool
is_in_vain(const Lane *lane, const LaneJob *job)
{
	return lane->now - job->submitted >= LANE_PATIENCE_US && job->left(job);
}

/* Whether a job can go in one statement with the one before it in the queue. */
static bool
can_share(const LaneJob *first, const LaneJob *job)
{
	return shares(first) && shares(job) && job->call == first->call;
}

/* Whether one answer may serve both, if they ask for the same thing. */
static bool
can_join(const LaneJob *first, const LaneJob *job)
{
	return job->call == first->call && first->digest != 0 && !first->alone && !job->alone;
}

/* The job among these that is like another one, or NULL. */
static LaneJob *
find_alike(LaneJob *const *jobs, unsigned count, const LaneJob *job)
{
	for (unsigned i = 0; i < count; i++)
		if (lane_is_alike(jobs[i], job))
			return jobs[i];
	return NULL;
}

/*
 * Those of the first so many in the queue that go together, all different and at most
 * DB_MAX_BATCH; they stay where they are.
 */
static unsigned
gather(Lane *lane, LaneJob **jobs, unsigned looked_at)
{
	LaneJob *next;
	unsigned count = 0;

	for (LaneJob *job = lane->queue.head; job != NULL && looked_at > 0 && count < DB_MAX_BATCH;
		 job = next, looked_at--)
	{
		next = job->next;
		if (is_in_vain(lane, job))
			lane_finish(lane, job, LANE_LEFT, NULL);
		else if (count > 0 && !can_share(jobs[0], job))
			break;
		else if (find_alike(jobs, count, job) == NULL)
			jobs[count++] = job;
	}
	return count;
}

static void
take_off(Lane *lane, LaneJob **slot, LaneJob *job, int64_t now)
{
	lane_queue_remove(lane, job);
	lane_slot_add(slot, job);
	job->sent = now;
}

/* Whoever waits for what has just been sent waits for that. */
static void
join(Lane *lane, const LaneQueue *queue, LaneJob *const *jobs, unsigned count, int64_t now)
{
	LaneJob *next;
	unsigned looked_at = 0;

	for (LaneJob *job = queue->head; job != NULL && looked_at < LOOKED_AT && can_join(jobs[0], job);
		 job = next, looked_at++)
	{
		LaneJob *alike = find_alike(jobs, count, job);

		next = job->next;
		if (alike == NULL)
			continue;
		take_off(lane, alike->slot, job, now);
		counter_add(&lane->settings.counters->joined, 1);
	}
}

/*
 * Send jobs of a queue, and have others of it join them.  Those that could not be sent stay at
 * the head of the queue, if they are kept at all.
 */
static bool
send_jobs(Lane *lane, Flight *flight, const LaneQueue *queue, LaneJob *const *jobs, unsigned count)
{
	const char *const *requests[DB_MAX_BATCH];
	int64_t now = clock_us();

	for (unsigned i = 0; i < count; i++)
		requests[i] = jobs[i]->params;
	if (count == 0 || !db_send(flight->conn, jobs[0]->call, requests, count))
		return false;
	for (unsigned i = 0; i < count; i++)
		take_off(lane, &flight->slots[(flight->first + flight->count++) % DB_MAX_DEPTH], jobs[i],
				 now);
	counter_add(&lane->settings.counters->in_flight, count);
	join(lane, queue, jobs, count, now);
	flight->long_lists = false;
	return true;
}

static void
send_first(Lane *lane, Flight *flight, unsigned looked_at)
{
	LaneJob *jobs[DB_MAX_BATCH];
	unsigned count = gather(lane, jobs, looked_at);

	(void) send_jobs(lane, flight, &lane->queue, jobs, count);
}

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Short calls: a long one has its connection for itself. */
static unsigned
in_flight(const Lane *lane)
{
	unsigned count = 0;

	for (unsigned i = 0; i < lane->settings.connections; i++)
		count += lane->flights[i].long_call ? 0 : lane->flights[i].count;
	return count;
}

/* It grows at once, and shrinks slowly: half of it are often on their way to or from a client. */
static void
note_crowd(Lane *lane)
{
	double present = lane->queue.count + in_flight(lane);

	if (present > lane->crowd)
		lane->crowd = present;
	else
		lane->crowd += (present - lane->crowd) * CROWD_SHARE;
}

/* What a connection's batch would have if all of the crowd were there. */
static unsigned
portion(const Lane *lane)
{
	unsigned even = (unsigned) (lane->crowd / lane->settings.connections + 0.5);

	return least(even > 0 ? even : 1, DB_MAX_BATCH);
}

/* Whether to wait for others to go with those in the queue; not while all sessions are idle. */
static bool
should_gather(const Lane *lane, int64_t now)
{
	return shares(lane->queue.head) && lane->queue.count < portion(lane) && in_flight(lane) > 0 &&
		   now - lane->queue.head->submitted < GATHER_US;
}

/* What waits is shared out evenly, if it is enough for several of those that can take some. */
static unsigned
share_of(const Lane *lane, unsigned able)
{
	unsigned nearest = (lane->queue.count + portion(lane) / 2) / portion(lane);
	unsigned batches = least(nearest > 0 ? nearest : 1, able);

	return (lane->queue.count + batches - 1) / batches;
}

/* One at a time on a connection that has nothing else to do, as long as one is left to others. */
static void
send_long(Lane *lane)
{
	Flight *flight;

	while (long_call_is_first(lane) && (flight = lane_flight_for_long(lane)) != NULL)
	{
		LaneJob *job = lane->long_queue.head;

		if (is_in_vain(lane, job))
			lane_finish(lane, job, LANE_LEFT, NULL);
		else if (lane_holds_too_much(lane, job))
			lane_finish(lane, job, LANE_UNREAD, NULL);
		else if (send_jobs(lane, flight, &lane->long_queue, &job, 1))
			flight->long_call = true;
	}
}

/* Short calls, as batches. */
static void
send_short(Lane *lane, bool quiet, int64_t now)
{
	Flight *flight;
	unsigned able;

	while (lane->queue.head != NULL && (flight = flight_with_room(lane, &able)) != NULL)
	{
		lane->gathering = !quiet && should_gather(lane, now);
		if (lane->gathering)
			return;
		note_crowd(lane);
		send_first(lane, flight,
				   least(share_of(lane, able), flight->settings.depth - flight->count));
	}
}

void
lane_send_queued(Lane *lane, bool quiet, int64_t now)
{
	send_long(lane);
	send_short(lane, quiet, now);
	send_long(lane); /* what the short ones have left */
}
