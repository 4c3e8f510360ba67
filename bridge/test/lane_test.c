/*
 * lane_test.c
 *		Order, bounds, deadlines, and what becomes of calls on lost connections.
 *
 * A program of its own with lane_batch_test.c and lane_alike_test.c: the db room's place is
 * taken by fake_db.c.
 */
#include "lane_probe.h"

#include <string.h>

static void
answers_in_order(void)
{
	open_lane(true, 1, 8, 8);
	CHECK(fake_conns[0]->asynchronous_commit);
	CHECK(!lane_is_up(lane));
	fake_up(0);
	CHECK(lane_is_up(lane));
	for (int i = 0; i < 3; i++)
		CHECK(submit(i) == LANE_ANSWERED);
	CHECK_TEXT(sent(0), "");
	lane_pump(lane, true);
	CHECK_TEXT(sent(0), "012");
	fake_answer(0, 10);
	fake_answer(0, 11);
	CHECK(answered(0, 10) && answered(1, 11) && waits(2));
	close_lane();
	CHECK(ended(2, LANE_STOPPED));
}

static void
respects_depth_and_queue(void)
{
	open_lane(true, 1, 2, 3);
	fake_up(0);
	for (int i = 0; i < 3; i++)
		CHECK(submit(i) == LANE_ANSWERED);
	CHECK(submit(3) == LANE_FULL);
	lane_pump(lane, true);
	CHECK_TEXT(sent(0), "01");
	CHECK(submit(3) == LANE_ANSWERED && submit(4) == LANE_ANSWERED && submit(5) == LANE_FULL);
	fake_answer(0, 1);
	lane_pump(lane, true);
	CHECK_TEXT(sent(0), "012");
	CHECK(waits(5));
	close_lane();
}

static void
spreads_over_connections(void)
{
	open_lane(true, 2, 2, 8);
	fake_up(0);
	fake_up(1);
	for (int i = 0; i < 5; i++)
		CHECK(submit(i) == LANE_ANSWERED);
	lane_pump(lane, true);
	CHECK_TEXT(sent(0), "02");
	CHECK_TEXT(sent(1), "13");
	fake_answer(1, 7);
	CHECK(answered(1, 7));
	lane_pump(lane, true);
	CHECK_TEXT(sent(1), "134");
	close_lane();
}

static void
keeps_deadlines_in_flight_and_queued(void)
{
	open_lane(true, 1, 2, 8);
	CHECK(lane_next_due(lane) == CLOCK_NEVER);
	fake_up(0);
	for (int i = 0; i < 3; i++)
		CHECK(submit(i) == LANE_ANSWERED);
	lane_pump(lane, true);
	CHECK_NUMBER(lane_next_due(lane), 1000);
	lane_tick(lane, 999);
	CHECK(waits(0));
	lane_tick(lane, 1000);
	CHECK(ended(0, LANE_TOO_SLOW) && waits(1));
	lane_tick(lane, 1002);
	CHECK(ended(1, LANE_TOO_SLOW) && ended(2, LANE_TOO_SLOW));
	CHECK_NUMBER(lane_next_due(lane), PATIENCE); /* to cancel what is in flight */
	close_lane();
}

/* The late result of a call nobody waits for must not reach the next one. */
static void
discards_late_results_in_order(void)
{
	open_lane(true, 1, 8, 8);
	fake_up(0);
	for (int i = 0; i < 3; i++)
		CHECK(submit(i) == LANE_ANSWERED);
	lane_pump(lane, true);
	lane_tick(lane, 1000);
	lane_abandon(lane, &probes[1].job);
	lane_abandon(lane, &probes[1].job);
	fake_answer(0, 20);
	fake_answer(0, 21);
	CHECK(ended(0, LANE_TOO_SLOW) && waits(1) && waits(2));
	fake_answer(0, 22);
	CHECK(answered(2, 22));
	lane_abandon(lane, &probes[2].job);
	close_lane();
	CHECK(waits(1));
}

static void
abandons_what_is_queued(void)
{
	open_lane(true, 1, 1, 8);
	fake_up(0);
	for (int i = 0; i < 4; i++)
		CHECK(submit(i) == LANE_ANSWERED);
	lane_pump(lane, true);
	lane_abandon(lane, &probes[2].job);
	lane_abandon(lane, &probes[3].job);
	fake_answer(0, 1);
	lane_pump(lane, true);
	fake_answer(0, 2);
	lane_pump(lane, true);
	CHECK_TEXT(sent(0), "01");
	CHECK(answered(0, 1) && answered(1, 2) && waits(2) && waits(3));
	close_lane();
}

static void
sends_reads_once_more_in_their_order(void)
{
	open_lane(true, 1, 2, 8);
	fake_up(0);
	for (int i = 0; i < 4; i++)
		CHECK(submit(i) == LANE_ANSWERED);
	lane_pump(lane, true);
	lane_abandon(lane, &probes[0].job);
	fake_lose(0, true);
	CHECK(waits(1) && waits(2));
	CHECK(submit(4) == LANE_ANSWERED);
	lane_pump(lane, true);
	fake_up(0);
	lane_pump(lane, true);
	CHECK_TEXT(sent(0), "12");
	fake_lose(0, true);
	CHECK(ended(1, LANE_DOWN) && waits(2) && waits(3));
	fake_up(0);
	lane_pump(lane, true);
	CHECK_TEXT(sent(0), "23");
	fake_answer(0, 5);
	CHECK(answered(2, 5) && waits(0));
	close_lane();
}

static void
never_repeats_a_write(void)
{
	open_lane(false, 1, 1, 8);
	CHECK(!fake_conns[0]->asynchronous_commit);
	fake_up(0);
	for (int i = 0; i < 2; i++)
		CHECK(submit(i) == LANE_ANSWERED);
	lane_pump(lane, true);
	fake_lose(0, true);
	CHECK(ended(0, LANE_UNKNOWN) && waits(1));
	fake_up(0);
	lane_pump(lane, true);
	CHECK_TEXT(sent(0), "1");
	fake_answer(0, 9);
	CHECK(answered(1, 9));
	close_lane();
}

static void
fails_fast_without_hope(void)
{
	open_lane(true, 1, 8, 8);
	CHECK(submit(0) == LANE_ANSWERED);
	fake_lose(0, false);
	CHECK(ended(0, LANE_DOWN));
	CHECK(submit(1) == LANE_DOWN && waits(1));
	fake_up(0);
	CHECK(submit(2) == LANE_ANSWERED);
	lane_pump(lane, true);
	CHECK_TEXT(sent(0), "2");
	close_lane();
}

/* One of two connections lost: the other takes over. */
static void
takes_over_on_another_connection(void)
{
	open_lane(true, 2, 4, 8);
	fake_up(0);
	fake_up(1);
	for (int i = 0; i < 4; i++)
		CHECK(submit(i) == LANE_ANSWERED);
	lane_pump(lane, true);
	fake_lose(0, false);
	CHECK(waits(0) && waits(2));
	lane_pump(lane, true);
	CHECK_TEXT(sent(1), "1302");
	for (int i = 0; i < 4; i++)
		fake_answer(1, i);
	CHECK(answered(1, 0) && answered(3, 1) && answered(0, 2) && answered(2, 3));
	close_lane();
}

static void
survives_a_failure_to_send(void)
{
	open_lane(true, 1, 4, 8);
	fake_up(0);
	CHECK(submit(0) == LANE_ANSWERED);
	lane_pump(lane, true);
	CHECK(submit(1) == LANE_ANSWERED);
	fake_conns[0]->breaks_on_send = true;
	lane_pump(lane, true);
	CHECK(waits(0) && waits(1) && !lane_is_up(lane));
	fake_conns[0]->breaks_on_send = false;
	fake_up(0);
	lane_pump(lane, true);
	CHECK_TEXT(sent(0), "01");
	close_lane();
}

/* The ring of slots goes round many times, with holes in it. */
static void
goes_round_and_round(void)
{
	int wrong = 0;

	open_lane(true, 1, 3, 8);
	fake_up(0);
	for (int i = 0; i < 1000; i++)
	{
		Probe *first = &probes[0];
		Probe *second = &probes[1];

		memset(probes, 0, sizeof(probes));
		fake_conns[0]->sent = fake_conns[0]->statements = 0;
		wrong += submit(0) != LANE_ANSWERED || submit(1) != LANE_ANSWERED;
		lane_pump(lane, true);
		if (i % 3 == 0)
			lane_abandon(lane, &first->job);
		fake_answer(0, i);
		fake_answer(0, i + 1);
		wrong += first->ended != (i % 3 != 0) || second->ended != 1 || second->reply != i + 1;
	}
	CHECK_NUMBER(wrong, 0);
	close_lane();
}

/* The running call is cancelled if its client has left, not before it has run for some time. */
static void
cancels_what_nobody_waits_for(void)
{
	open_lane(true, 1, 8, 8);
	fake_up(0);
	for (int i = 0; i < 3; i++)
		CHECK(submit_late(i, 0) == LANE_ANSWERED);
	fake_conns[0]->oldest_since = 5;
	lane_pump(lane, true);
	CHECK_NUMBER(lane_next_due(lane), PATIENCE + 5);
	probes[0].has_left = probes[2].has_left = true;
	lane_tick(lane, PATIENCE + 4);
	CHECK(waits(0) && fake_conns[0]->cancels == 0);
	lane_tick(lane, PATIENCE + 5);
	CHECK(ended(0, LANE_LEFT) && waits(1) && waits(2));
	CHECK_NUMBER(fake_conns[0]->cancels, 1);
	CHECK_NUMBER(lane_next_due(lane), 2 * PATIENCE + 5);
	lane_tick(lane, 2 * PATIENCE + 4);
	CHECK_NUMBER(fake_conns[0]->cancels, 1);
	lane_tick(lane, 2 * PATIENCE + 5);
	CHECK_NUMBER(fake_conns[0]->cancels, 2);
	fake_conns[0]->oldest_since = 3 * PATIENCE;
	fake_skip(0);
	CHECK_NUMBER(lane_next_due(lane), 2 * PATIENCE + 5 + PATIENCE / 10);
	lane_tick(lane, 3 * PATIENCE);
	CHECK(waits(1));
	CHECK_NUMBER(lane_next_due(lane), 4 * PATIENCE);
	lane_tick(lane, 4 * PATIENCE);
	CHECK(waits(1));
	CHECK_NUMBER(fake_conns[0]->cancels, 2);
	fake_answer(0, 11);
	CHECK(answered(1, 11) && waits(2));
	close_lane();
}

/* The signal hit another call than the one that was meant: nobody sees an error. */
static void
sends_again_what_was_hit_by_mistake(void)
{
	open_lane(true, 1, 8, 8);
	fake_up(0);
	for (int i = 0; i < 2; i++)
		CHECK(submit_late(i, 0) == LANE_ANSWERED);
	lane_pump(lane, true);
	probes[0].has_left = true;
	lane_tick(lane, PATIENCE);
	CHECK_NUMBER(fake_conns[0]->cancels, 1);
	fake_answer(0, 10);
	fake_skip(0);
	CHECK(ended(0, LANE_LEFT) && waits(1));
	lane_pump(lane, true);
	CHECK_TEXT(sent(0), "011");
	fake_answer(0, 11);
	CHECK(answered(1, 11));
	close_lane();
}

static void
cancels_after_the_deadline(void)
{
	open_lane(true, 1, 8, 8);
	fake_up(0);
	CHECK(submit(0) == LANE_ANSWERED);
	lane_pump(lane, true);
	lane_tick(lane, PATIENCE);
	CHECK(ended(0, LANE_TOO_SLOW));
	CHECK_NUMBER(fake_conns[0]->cancels, 1);
	close_lane();
}

static void
never_cancels_a_write(void)
{
	open_lane(false, 1, 1, 8);
	fake_up(0);
	CHECK(submit_late(0, 0) == LANE_ANSWERED);
	lane_pump(lane, true);
	probes[0].has_left = true;
	lane_tick(lane, 5 * PATIENCE);
	CHECK(waits(0));
	lane_tick(lane, 100 * PATIENCE);
	CHECK(ended(0, LANE_TOO_SLOW));
	CHECK_NUMBER(fake_conns[0]->cancels, 0);
	close_lane();
}

/* What waited in the queue until its client had left is not sent at all, changes neither. */
static void
sends_nothing_for_those_who_left(void)
{
	open_lane(false, 1, 1, 8);
	for (int i = 0; i < 4; i++)
		CHECK(submit_late(i, 0) == LANE_ANSWERED);
	probes[0].has_left = probes[1].has_left = probes[3].has_left = true;
	lane_tick(lane, PATIENCE);
	fake_up(0);
	lane_pump(lane, true);
	CHECK(ended(0, LANE_LEFT) && ended(1, LANE_LEFT) && waits(2) && waits(3));
	CHECK_TEXT(sent(0), "2");
	fake_answer(0, 12);
	lane_pump(lane, true);
	CHECK(answered(2, 12) && ended(3, LANE_LEFT));
	CHECK_TEXT(sent(0), "2");
	close_lane();
}

static unsigned
count_of(LaneEnd end)
{
	return (unsigned) counter_get(&counters.ended[end]);
}

/* Every job is counted once, however it ends; gauges follow queue and slots. */
static void
counts_what_becomes_of_calls(void)
{
	open_lane(true, 1, 2, 3);
	CHECK(submit(0) == LANE_ANSWERED && submit(1) == LANE_ANSWERED && submit(2) == LANE_ANSWERED);
	CHECK(submit(3) == LANE_FULL);
	CHECK_NUMBER(counter_get(&counters.queued), 3);
	fake_up(0);
	lane_pump(lane, true);
	CHECK_NUMBER(counter_get(&counters.queued), 1);
	CHECK_NUMBER(counter_get(&counters.in_flight), 2);
	fake_answer(0, 1);
	lane_abandon(lane, &probes[2].job);
	CHECK_NUMBER(counter_get(&counters.in_flight), 1);
	fake_lose(0, true);
	CHECK_NUMBER(counter_get(&counters.in_flight), 0);
	CHECK_NUMBER(counter_get(&counters.resent), 1);
	fake_up(0);
	lane_pump(lane, true);
	fake_lose(0, false);
	CHECK(submit(4) == LANE_DOWN);
	fake_up(0);
	CHECK(submit(5) == LANE_ANSWERED);
	lane_tick(lane, 5000);
	CHECK(submit(6) == LANE_ANSWERED);
	close_lane();
	CHECK_NUMBER(count_of(LANE_ANSWERED), 1);
	CHECK_NUMBER(count_of(LANE_FULL), 1);
	CHECK_NUMBER(count_of(LANE_DOWN), 2);
	CHECK_NUMBER(count_of(LANE_TOO_SLOW), 1);
	CHECK_NUMBER(count_of(LANE_STOPPED), 1);
	CHECK_NUMBER(count_of(LANE_UNKNOWN), 0);
	CHECK_NUMBER(count_of(LANE_LEFT), 1);
}

/* When a call was sent and when it ended can be read in done. */
static void
keeps_the_times_of_calls(void)
{
	int64_t before = clock_us();

	open_lane(true, 1, 1, 8);
	fake_up(0);
	CHECK(submit(0) == LANE_ANSWERED && submit(1) == LANE_ANSWERED);
	lane_pump(lane, true);
	CHECK(probes[0].job.sent >= before && probes[0].job.ended == 0 && probes[1].job.sent == 0);
	fake_answer(0, 1);
	CHECK(probes[0].job.ended >= probes[0].job.sent);
	lane_tick(lane, 5000);
	CHECK(probes[1].job.sent == 0 && probes[1].job.ended >= before);

	close_lane();
}
/* A time-out that gets shorter holds for new jobs at once, behind older ones or not. */
static void
takes_other_limits(void)
{
	open_lane(true, 2, 1, 8);
	CHECK(submit_until(0, 5000) == LANE_ANSWERED);
	CHECK(submit_until(1, 6000) == LANE_ANSWERED);
	lane_set_limits(lane, 3, 100);
	CHECK(fake_conns[0]->renewals == 1 && fake_conns[1]->renewals == 1);
	CHECK(submit_until(2, 2000) == LANE_ANSWERED);
	CHECK(submit_until(3, 2000) == LANE_FULL);
	CHECK_NUMBER(lane_next_due(lane), 2000);
	lane_tick(lane, 2000);
	CHECK(ended(2, LANE_TOO_SLOW) && waits(0) && waits(1));
	CHECK(submit_until(4, 5500) == LANE_ANSWERED);
	lane_tick(lane, 5000);
	CHECK(ended(0, LANE_TOO_SLOW) && waits(1) && waits(4));
	lane_tick(lane, 5500);
	CHECK(ended(4, LANE_TOO_SLOW) && waits(1));
	lane_tick(lane, 6000);
	CHECK(ended(1, LANE_TOO_SLOW));
	close_lane();
}

int
main(void)
{
	counts_what_becomes_of_calls();
	keeps_the_times_of_calls();
	answers_in_order();
	respects_depth_and_queue();
	spreads_over_connections();
	keeps_deadlines_in_flight_and_queued();
	discards_late_results_in_order();
	abandons_what_is_queued();
	sends_reads_once_more_in_their_order();
	never_repeats_a_write();
	fails_fast_without_hope();
	takes_over_on_another_connection();
	survives_a_failure_to_send();
	goes_round_and_round();
	cancels_what_nobody_waits_for();
	sends_again_what_was_hit_by_mistake();
	cancels_after_the_deadline();
	never_cancels_a_write();
	sends_nothing_for_those_who_left();
	takes_other_limits();
	test_lane_batches();
	test_lane_long();
	test_lane_connections();
	test_lane_alike();
	return test_finish();
}
