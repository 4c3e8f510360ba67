/*
 * lane_probe.h
 *		A lane under test, and jobs that remember how they ended.
 *
 * Shared by the lane's tests.  The connections are fake_db.h's.
 */
#ifndef PAT_BRIDGE_TEST_LANE_PROBE_H
#define PAT_BRIDGE_TEST_LANE_PROBE_H

#include "lane.h"

#include "clock.h"
#include "fake_db.h"
#include "test.h"

#define JOBS 16

/* lane_jobs.c asks after a client from then on. */
#define PATIENCE (100 * CLOCK_US_PER_MS)

/* The time that a call has. */
#define LANE_TIME (1000 + 10 * PATIENCE)

typedef struct Probe
{
	LaneJob job;
	int ended; /* how often */
	LaneEnd end;
	int reply;
	bool has_left; /* whoever asked */
} Probe;

/* The calls of the tests: one that raises and so goes alone, and two that answer. */

extern const Call call;
extern const Call batched;
extern const Call batched_too;
extern Probe probes[JOBS];
extern Lane *lane;
extern LaneCounters counters;

extern void open_lane(bool repeatable, unsigned connections, unsigned depth, unsigned max_queue);
extern void open_pooled_lane(bool repeatable, unsigned connections, unsigned depth,
							 unsigned max_queue, bool pooled);
/* For reads, with one connection, and so much memory for answers. */
extern void open_lane_with_memory(size_t max_reply_bytes);
extern void close_lane(void);

/* Whether jobs keep the replies they get, which are then the test's to free. */
extern bool keeps_replies;

/* The reply that a job has kept, for every number there is one after the other; NULL: no more. */
extern DbReply *kept_reply(int number);

/* LANE_ANSWERED stands for "taken in". */
extern LaneEnd submit(int number);
extern LaneEnd submit_until(int number, int64_t deadline);

/* Another call; asking for the same thing as the one with this number, if it makes the same. */
extern void submit_call(int number, const Call *which);
extern void submit_like(int number, const Call *which, int other);

/* With the lane's whole time before it. */
extern LaneEnd submit_late(int number, int64_t submitted);

extern bool ended(int number, LaneEnd end);
extern bool answered(int number, int reply);
extern bool waits(int number);

/* What was sent on a connection, in order, as hexadecimal digits; with a bar between statements. */
extern const char *sent(unsigned conn);
extern const char *batches(unsigned conn);

/* The tests that stand in files of their own. */
extern void test_lane_batches(void);
extern void test_lane_alike(void);
extern void test_lane_long(void);
extern void test_lane_connections(void);

#endif
