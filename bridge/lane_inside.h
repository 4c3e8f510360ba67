/*
 * lane_inside.h
 *		The inside of a lane, for the files of this room only.
 *
 * lane_jobs.c keeps jobs, lane_connections.c says which connections may be made,
 * lane_lists.c keeps the lists that jobs stand in, lane_send.c sends what is queued,
 * lane_long.c keeps long answers within their bounds, lane_alike.c tells which jobs one call
 * can serve.
 *
 * Every job that is not over stands in the list of deadlines; besides, it stands
 * either in the queue or in a slot of the connection it was sent on, where others that
 * are alike may stand, too.  A slot outlives its jobs, since results come in the order of
 * the calls.
 */
#ifndef PAT_BRIDGE_LANE_INSIDE_H
#define PAT_BRIDGE_LANE_INSIDE_H

#include "lane.h"

#include "clock.h"

#define LANE_NAME_SIZE 24

/* From then on it is worth asking whether anybody waits for a call, and how often. */
#define LANE_PATIENCE_US (100 * CLOCK_US_PER_MS)

/* A connection and the calls in flight on it: a ring, oldest first. */
typedef struct Flight
{
	DbConn *conn;
	DbSettings settings;
	char name[LANE_NAME_SIZE];
	LaneJob *slots[DB_MAX_DEPTH]; /* who waits; NULL: nobody any more */
	unsigned first;
	unsigned count;
	bool long_lists; /* the last answer was one, and nothing was sent since */
	bool long_call;  /* it has nothing in flight but a call whose answer is expected to be long */
	bool closed;     /* takes no more until all in flight are over: a pooler wants its server */
	int64_t asked;   /* when we last looked whether anybody waits for the oldest */
} Flight;

/* What one kind of call with certain parameters was answered with last. */
typedef struct LaneLength
{
	uint64_t digest;
	size_t bytes;
} LaneLength;

#define LANE_LENGTHS 256

typedef struct LaneQueue
{
	LaneJob *head, *tail;
	unsigned count;
} LaneQueue;

struct Lane
{
	LaneSettings settings;
	LaneQueue queue;      /* those that expect a short answer */
	LaneQueue long_queue; /* and a long one */
	LaneLength lengths[LANE_LENGTHS];
	bool has_session;           /* some connection is up, or finishes what is in flight */
	bool seeks;                 /* is counted as a pool that seeks its first connection */
	unsigned leader;            /* the connection that is tried while there is none */
	double crowd;               /* as many jobs wait or are in flight at a time, of late */
	bool gathering;             /* some wait for more to go with them */
	LaneJob *oldest, *youngest; /* by deadline */
	int64_t now;                /* of the last tick */
	Flight flights[];           /* settings.connections of them */
};

/* ---- lane_jobs.c -------------------------------------------------------- */

/* The job is over: out of everything it stands in, counted, and told to who submitted it. */
extern void lane_finish(Lane *lane, LaneJob *job, LaneEnd end, DbReply *reply);

/* ---- lane_connections.c ------------------------------------------------- */

/* Bring what the lane knows of its connections up to date. */
extern void lane_look_at_connections(Lane *lane);

/* A connection that was up is lost. */
extern void lane_note_loss(Lane *lane, unsigned number);

/* Whether a connection must not be tried now: others go first. */
extern bool lane_is_held(const Lane *lane, unsigned number);

/* Whether it is worth waiting for a connection. */
extern bool lane_has_hope(const Lane *lane);

/* When a connection wants its tick. */
extern int64_t lane_connection_due(const Lane *lane, unsigned number);

/* No connection is looked for any more. */
extern void lane_leave_connections(Lane *lane);

/* ---- lane_long.c -------------------------------------------------------- */

/* Whether the answer to a job is expected to be long. */
extern bool lane_expects_long(const Lane *lane, const LaneJob *job);

/* Remember how long the answer to a job was. */
extern void lane_note_length(Lane *lane, const LaneJob *job, const DbReply *reply);

/* The idle connection that may take a long call now, or NULL. */
extern Flight *lane_flight_for_long(Lane *lane);

/* Whether answers that wait for their clients leave no memory for the answer to this job. */
extern bool lane_holds_too_much(const Lane *lane, const LaneJob *job);

/* Whether this answer, which has just come, is too much. */
extern bool lane_is_too_much(const Lane *lane, const DbReply *reply);

/* ---- lane_lists.c ------------------------------------------------------- */

extern void lane_queue_append(Lane *lane, LaneJob *job);
extern void lane_queue_prepend(Lane *lane, LaneJob *job);
extern void lane_queue_remove(Lane *lane, LaneJob *job);
extern void lane_deadline_insert(Lane *lane, LaneJob *job);
extern void lane_deadline_remove(Lane *lane, LaneJob *job);

/* The youngest stands first, since the last to be sent again goes to the head of the queue. */
extern void lane_slot_add(LaneJob **slot, LaneJob *job);
extern void lane_slot_remove(LaneJob *job);

/* ---- lane_alike.c ------------------------------------------------------- */

/* A digest of what a job asks for: equal for jobs that are alike. */
extern uint64_t lane_digest(const LaneJob *job);
extern bool lane_is_alike(const LaneJob *a, const LaneJob *b);

/* ---- lane_send.c -------------------------------------------------------- */

/* Send of the queue what connections can take; if quiet, without waiting for more. */
extern void lane_send_queued(Lane *lane, bool quiet, int64_t now);

#endif
