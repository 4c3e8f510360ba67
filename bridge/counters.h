/*
 * counters.h
 *		What the workers count, for /metrics.
 *
 * Each worker has counters of its own and is the only one that writes them, with
 * plain loads and stores: no lock, no locked instruction, nothing allocated.
 * Whoever is asked for /metrics adds up those of all workers.
 */
#ifndef PAT_BRIDGE_COUNTERS_H
#define PAT_BRIDGE_COUNTERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "route.h"

typedef _Atomic uint64_t Counter;

/* One for each row of the route table, and one for requests that no row takes. */
#define COUNTERS_ROUTES   (ROUTE_MAX + 1)
#define COUNTERS_NO_ROUTE ROUTE_MAX

/* Status 0 (the client left), then 200 to 599. */
#define COUNTERS_STATUSES     401
#define COUNTERS_FIRST_STATUS 200

/* Upper ends of the histogram's buckets, in microseconds; one more bucket has the rest. */
#define COUNTERS_BUCKETS 14
extern const int64_t counters_bucket_us[COUNTERS_BUCKETS];

/* As many as there are ways for a job to end (lane.h). */
#define COUNTERS_LANE_ENDS 8

typedef struct RouteCounters
{
	Counter durations[COUNTERS_BUCKETS + 1]; /* how many fell into each bucket */
	Counter duration_us;                     /* sum */
	Counter body_bytes;
	Counter statuses[COUNTERS_STATUSES];
} RouteCounters;

/* Of one lane; its connections to the database count here, too. */
typedef struct LaneCounters
{
	Counter queued;      /* gauge */
	Counter in_flight;   /* gauge */
	Counter up;          /* gauge */
	Counter reply_bytes; /* gauge: memory of answers, until their clients have taken them */
	Counter ended[COUNTERS_LANE_ENDS];
	Counter resent;
	Counter joined;      /* served by the call of another */
	Counter queue_us;    /* waited before they were sent, all calls together */
	Counter database_us; /* waited for the database */
	Counter reconnects;
	Counter losses;
	Counter failures; /* attempts to connect */
} LaneCounters;

/* Of one HTTP side: that of the API, or the one for monitoring. */
typedef struct HttpCounters
{
	Counter connections; /* gauge */
	Counter requests;    /* gauge: begun and not completely answered */
	Counter accepted;
	Counter restarts; /* of the library, to be rid of a connection */
} HttpCounters;

typedef enum CountersSide
{
	COUNTERS_API,
	COUNTERS_ADMIN,
	COUNTERS_SIDES
} CountersSide;

typedef enum CountersLane
{
	COUNTERS_READ,
	COUNTERS_WRITE,
	COUNTERS_LANES
} CountersLane;

/* Of one worker; apart from those of others, for the processor's caches. */
typedef struct __attribute__((aligned(128))) Counters
{
	HttpCounters sides[COUNTERS_SIDES];
	LaneCounters lanes[COUNTERS_LANES];
	Counter log_suppressed;
	RouteCounters routes[COUNTERS_ROUTES];
} Counters;

/* Those of all workers, and what hardly changes. */
typedef struct CounterSet
{
	double started; /* seconds since the epoch */
	char http_library[16];
	char db_library[16];
	uint64_t lane_connections[COUNTERS_LANES]; /* configured, of all workers */
	uint64_t max_response_memory;              /* configured, of all workers */
	Counter connection_limits[COUNTERS_SIDES]; /* 0: there is no such side */
	unsigned workers;
	Counters each[];
} CounterSet;

/* NULL without memory. */
extern CounterSet *counters_open(unsigned workers);
extern void counters_close(CounterSet *set);

/* The sum over all workers of the counter at this offset in Counters. */
extern uint64_t counters_sum(const CounterSet *set, size_t offset);

/*
 * A request has been answered, with so many bytes of body, or its client has
 * left (status 0).  route may be NULL.
 */
extern void counters_request(Counters *counters, const Route *route, int status,
							 int64_t duration_us, size_t body_bytes);

/* By the worker that owns it only. */
static inline void
counter_set(Counter *counter, uint64_t value)
{
	atomic_store_explicit(counter, value, memory_order_relaxed);
}

static inline uint64_t
counter_get(const Counter *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static inline void
counter_add(Counter *counter, uint64_t number)
{
	counter_set(counter, counter_get(counter) + number);
}

#endif
