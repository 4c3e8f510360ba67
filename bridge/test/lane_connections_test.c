/*
 * lane_connections_test.c
 *		F16: which connections are tried, and in which order.
 */
#include "lane_probe.h"

/* How often the connections of the lane under test have had their tick, as digits. */
static const char *
ticks(void)
{
	static char word[FAKE_MAX_CONNECTIONS + 1];
	unsigned i;

	for (i = 0; i < fake_open; i++)
		word[i] = (char) ('0' + fake_conns[i]->ticks);
	word[i] = '\0';
	return word;
}

/* Without a connection one is tried at a time; with one, all others. */
static void
tries_a_leader_first(void)
{
	open_lane(true, 3, 1, 8);
	lane_tick(lane, 1);
	CHECK_TEXT(ticks(), "100");
	fake_lose(0, false); /* an attempt has failed */
	lane_tick(lane, 2);
	CHECK_TEXT(ticks(), "200");
	CHECK(submit(0) == LANE_DOWN); /* the others that wait for it are no hope */
	fake_up(0);
	lane_tick(lane, 3);
	CHECK_TEXT(ticks(), "311");
	close_lane();
}

/* The last that was up leads, since its attempt comes at once. */
static void
leads_with_the_last_that_was_up(void)
{
	open_lane(true, 2, 1, 8);
	fake_up(0);
	fake_up(1);
	lane_tick(lane, 1);
	fake_lose(0, false);
	lane_tick(lane, 2);
	CHECK_TEXT(ticks(), "22");
	fake_lose(1, true);
	CHECK(submit(0) == LANE_ANSWERED);
	lane_tick(lane, 3);
	CHECK_TEXT(ticks(), "23");
	close_lane();
}

/* A pool that finds the server full keeps the second connections of others back. */
static void
leaves_room_to_other_pools(void)
{
	LaneSettings settings = {.name = "other",
							 .conninfo = "",
							 .connections = 1,
							 .depth = 1,
							 .max_queue = 1,
							 .counters = &counters};
	Lane *other;
	DbConn *first;

	open_lane(true, 2, 1, 8);
	fake_up(0);
	lane_tick(lane, 1);
	CHECK_TEXT(ticks(), "11");
	first = fake_conns[0];
	other = lane_open(NULL, &settings); /* takes the place of number 0 in fake_conns */
	CHECK(other != NULL);
	lane_tick(lane, 2); /* the other has not tried yet */
	CHECK_NUMBER(fake_conns[1]->ticks, 1);
	CHECK(lane_next_due(lane) < CLOCK_NEVER); /* looks again */
	fake_conns[0]->crowded_out = true;
	fake_lose(0, false);
	lane_tick(other, 3);
	lane_tick(lane, 3);
	CHECK_NUMBER(fake_conns[1]->ticks, 1);
	fake_conns[0]->crowded_out = false; /* refused for another reason: holds nobody up */
	lane_tick(other, 4);
	lane_tick(lane, 4);
	CHECK_NUMBER(fake_conns[1]->ticks, 2);
	fake_conns[0]->refused = true;
	CHECK(lane_is_refused(other) && !lane_is_refused(lane));
	lane_close(other);
	fake_conns[0] = first;
	close_lane();
}

void
test_lane_connections(void)
{
	tries_a_leader_first();
	leads_with_the_last_that_was_up();
	leaves_room_to_other_pools();
}
