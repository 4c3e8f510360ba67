/*
 * metrics_test.c
 *		Counters of several workers, added up and written down.  The form as a
 *		whole is for t/211_bridge_metrics.pl.
 */
#include "metrics.h"

#include <stdlib.h>
#include <string.h>

#include "lane.h"
#include "suites.h"
#include "test.h"

#define LIST     "method=\"GET\",route=\"/api/admin/service-account/:id/token\""
#define DURATION "pat_bridge_request_duration_seconds"

static CounterSet *set;

/* Whether the text holds the line. */
static bool
has_line(const char *text, const char *line)
{
	size_t length = strlen(line);

	for (const char *p = text; (p = strstr(p, line)) != NULL; p++)
		if ((p == text || p[-1] == '\n') && p[length] == '\n')
			return true;
	return false;
}

static bool
says(const char *line)
{
	size_t length = 0;
	char *text = metrics_text(set, &length);
	bool found = text != NULL && strlen(text) == length && has_line(text, line);

	free(text);
	return found;
}

static const Route *
list_route(void)
{
	size_t count;

	return &route_table(&count)[0];
}

static void
adds_up_all_workers(void)
{
	counters_request(&set->each[0], list_route(), 200, 400, 100);
	counters_request(&set->each[1], list_route(), 200, 600, 50);
	counters_request(&set->each[1], list_route(), 404, 20000000, 1);
	CHECK(says("pat_bridge_requests_total{" LIST ",status=\"200\"} 2"));
	CHECK(says("pat_bridge_requests_total{" LIST ",status=\"404\"} 1"));
	CHECK(says("pat_bridge_response_body_bytes_total{" LIST "} 151"));
	CHECK(says(DURATION "_bucket{" LIST ",le=\"0.0005\"} 1"));
	CHECK(says(DURATION "_bucket{" LIST ",le=\"0.001\"} 2"));
	CHECK(says(DURATION "_bucket{" LIST ",le=\"10\"} 2"));
	CHECK(says(DURATION "_bucket{" LIST ",le=\"+Inf\"} 3"));
	CHECK(says(DURATION "_sum{" LIST "} 20.001"));
	CHECK(says(DURATION "_count{" LIST "} 3"));
	CHECK(says("pat_bridge_workers 2"));
}

/* A duration that is just the bound of a bucket belongs to it. */
static void
takes_bounds_in(void)
{
	size_t count;
	const Route *route = &route_table(&count)[1];

	for (size_t i = 0; i < COUNTERS_BUCKETS; i++)
		counters_request(&set->each[0], route, 201, counters_bucket_us[i], 0);
	for (size_t i = 0; i < COUNTERS_BUCKETS; i++)
		CHECK_NUMBER(counter_get(&set->each[0].routes[1].durations[i]), 1);
	CHECK_NUMBER(counter_get(&set->each[0].routes[1].durations[COUNTERS_BUCKETS]), 0);
}

static void
has_a_place_for_what_no_row_takes(void)
{
	counters_request(&set->each[0], NULL, 404, 1, 7);
	counters_request(&set->each[0], NULL, 0, 1, 0);
	counters_request(&set->each[0], NULL, 200, 1, 0);
	counters_request(&set->each[0], NULL, 599, 1, 0);
	counters_request(&set->each[0], NULL, 600, 1, 0);
	counters_request(&set->each[0], NULL, -5, 1, 0);
	CHECK(says("pat_bridge_requests_total{method=\"none\",route=\"none\",status=\"0\"} 3"));
	CHECK(says("pat_bridge_requests_total{method=\"none\",route=\"none\",status=\"200\"} 1"));
	CHECK(says("pat_bridge_requests_total{method=\"none\",route=\"none\",status=\"404\"} 1"));
	CHECK(says("pat_bridge_requests_total{method=\"none\",route=\"none\",status=\"599\"} 1"));
	CHECK(says("pat_bridge_response_body_bytes_total{method=\"none\",route=\"none\"} 7"));
}

static void
tells_lanes_and_listeners_apart(void)
{
	counter_add(&set->each[0].lanes[COUNTERS_READ].queued, 3);
	counter_add(&set->each[1].lanes[COUNTERS_READ].queued, 2);
	counter_add(&set->each[1].lanes[COUNTERS_WRITE].ended[LANE_FULL], 9);
	counter_add(&set->each[1].lanes[COUNTERS_WRITE].queue_us, 1500000);
	counter_set(&set->each[0].sides[COUNTERS_API].connections, 64);
	CHECK(says("pat_bridge_lane_queued_calls{lane=\"read\"} 5"));
	CHECK(says("pat_bridge_lane_queued_calls{lane=\"write\"} 0"));
	CHECK(says("pat_bridge_lane_calls_total{lane=\"write\",outcome=\"queue_full\"} 9"));
	CHECK(says("pat_bridge_lane_queue_seconds_total{lane=\"write\"} 1.5"));
	CHECK(says("pat_bridge_client_connections{listener=\"api\"} 64"));
	CHECK(!says("pat_bridge_client_connections{listener=\"admin\"} 0"));
	set->connection_limits[COUNTERS_ADMIN] = 64;
	CHECK(says("pat_bridge_client_connections{listener=\"admin\"} 0"));
}

void
test_metrics_suite(void)
{
	set = counters_open(2);
	CHECK(set != NULL);
	if (set == NULL)
		return;
	set->connection_limits[COUNTERS_API] = 4096;
	adds_up_all_workers();
	takes_bounds_in();
	has_a_place_for_what_no_row_takes();
	tells_lanes_and_listeners_apart();
	counters_close(set);
}
