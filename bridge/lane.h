/*
 * lane.h
 *		A lane: a bounded queue of calls, and the connections that serve it.
 *
 * What is in the lane has a deadline, kept here.  Reads that wait at the same time
 * and ask for the same thing are served by one call.  A call in flight on a
 * connection that is lost is sent once more if the lane's calls may be
 * repeated (reads), and never otherwise.  A read at which the server has been for
 * some time is cancelled when nobody waits for it any more; a change is not.
 * Knows neither HTTP nor libpq.
 */
#ifndef PAT_BRIDGE_LANE_H
#define PAT_BRIDGE_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "call.h"
#include "counters.h"
#include "db.h"

#define LANE_MAX_CONNECTIONS 64

typedef struct Lane Lane;
typedef struct LaneJob LaneJob;

/* How a job ends. */
typedef enum LaneEnd
{
	LANE_ANSWERED, /* with a reply */
	LANE_TOO_SLOW, /* the deadline has passed; in flight or not */
	LANE_DOWN,     /* no connection; the call has not been made, or was a read */
	LANE_UNKNOWN,  /* the connection was lost with a call that may have been made */
	LANE_LEFT,     /* whoever asked has left */
	LANE_FULL,     /* refused: too many are waiting */
	LANE_STOPPED,  /* the bridge shuts down */
	LANE_UNREAD    /* load shedding: too many answers wait for their clients to read them */
} LaneEnd;

/*
 * One call on its way.  Owned by whoever submits it; the fields up to done are
 * his to fill, and must stay as they are until done is called or the job is
 * abandoned.  done gets the reply to keep (NULL unless LANE_ANSWERED), is called
 * once, and must not call into the lane.  left says whether whoever asked has
 * left; it is asked of jobs that have waited for some time only.
 */
struct LaneJob
{
	const Call *call;
	const char *params[CALL_MAX_PARAMS];
	int64_t submitted; /* now */
	int64_t deadline;
	void (*done)(LaneJob *job, LaneEnd end, DbReply *reply);
	bool (*left)(const LaneJob *job);

	/* the lane's own; the times may be read in done */
	int64_t sent;             /* the last time, or 0: it waits in the queue, to be sent again */
	int64_t ended;            /* or 0 */
	LaneJob **slot;           /* place among those in flight, or NULL */
	LaneJob *prev, *next;     /* neighbours in the queue, or in the slot */
	LaneJob *older, *younger; /* neighbours by deadline */
	uint64_t digest;          /* of what it asks for; 0 of a change */
	bool active;
	bool queued;
	bool resent;
	bool alone;   /* shares no statement: one that it shared has failed */
	bool is_long; /* its answer is expected to be long */
};

typedef struct LaneSettings
{
	const char *name; /* "read", "write" */
	const char *conninfo;
	unsigned connections; /* up to LANE_MAX_CONNECTIONS */
	unsigned depth;       /* calls in flight per connection */
	unsigned max_queue;   /* calls waiting */
	int64_t timeout_us;
	size_t max_reply_bytes; /* answers that are held, before reads are refused; 0: no limit */
	DbTarget target;
	CallSet calls;
	bool repeatable; /* calls may be sent again: reads */
	bool pooled;     /* a pooler hands out servers for a transaction at a time */
	LaneCounters *counters;
} LaneSettings;

extern Lane *lane_open(Loop *loop, const LaneSettings *settings);

/* Ends every job with LANE_STOPPED, then closes the connections. */
extern void lane_close(Lane *lane);

/* End every job, the ones in flight too, with LANE_STOPPED. */
extern void lane_stop(Lane *lane);

/*
 * Take a job in.  Returns true, or false with *refusal set (LANE_FULL or
 * LANE_DOWN, LANE_UNREAD), and then done is not called.  It is quick only if deadlines do not
 * decrease from one job to the next.  Nothing is sent before lane_pump.
 */
extern bool
lane_submit(Lane *lane, LaneJob *job, LaneEnd *refusal) __attribute__((warn_unused_result));

/* Forget a job whose client has left; done is not called.  Harmless when over. */
extern void lane_abandon(Lane *lane, LaneJob *job);

/*
 * Other limits from now on.  Jobs keep their places and deadlines; the sessions
 * are replaced if the time-out is another.
 */
extern void lane_set_limits(Lane *lane, unsigned max_queue, int64_t timeout_us);

/*
 * Send what is to be sent.  Once per turn of the loop; quiet if nothing else had happened in
 * it: then nothing more is to be gathered.
 */
extern void lane_pump(Lane *lane, bool quiet);

/* Whether some connection is up. */
extern bool lane_is_up(const Lane *lane);

/* Whether none is, since each is refused until somebody acts: the log says what to do. */
extern bool lane_is_refused(const Lane *lane);

/* When lane_tick is wanted next, and the tick: deadlines and connections. */
extern int64_t lane_next_due(const Lane *lane);
extern void lane_tick(Lane *lane, int64_t now);

#endif
