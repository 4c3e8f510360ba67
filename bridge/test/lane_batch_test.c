/*
 * lane_batch_test.c
 *		Calls that go together in one statement, and what becomes of them when it fails.
 */
#include "lane_probe.h"

/* The shortest list that counts as long. */
#define LONG_LIST (32 * 1024)

/* So many that wait at the same time, from the first on. */
static void
submit_together(int count)
{
	for (int i = 0; i < count; i++)
		submit_call(i, &batched);
	lane_pump(lane, true);
}

/* What waits goes together, to each connection its share; not so other functions. */
static void
sends_batches(void)
{
	open_lane(true, 2, 8, 8);
	fake_up(0);
	fake_up(1);
	submit_together(5);
	CHECK_TEXT(batches(0), "012");
	CHECK_TEXT(batches(1), "34");
	submit_call(5, &batched);
	submit_call(6, &batched_too);
	submit_call(7, &call);
	fake_answer(1, 13);
	lane_pump(lane, true);
	CHECK(answered(3, 13) && waits(4));
	CHECK_TEXT(batches(1), "34");
	fake_answer(1, 14);
	lane_pump(lane, true);
	CHECK_TEXT(batches(1), "34|5");
	for (int i = 0; i < 3; i++)
		fake_answer(0, 10 + i);
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "012|6|7");
	CHECK_TEXT(batches(1), "34|5");
	close_lane();
}

/* Two sessions that have had eight jobs between them, so that each one's part is four. */
static void
open_with_a_crowd(void)
{
	open_lane(true, 2, 16, 16);
	fake_up(0);
	fake_up(1);
	submit_together(8);
	CHECK_TEXT(batches(0), "0123");
	CHECK_TEXT(batches(1), "4567");
	for (int i = 0; i < 8; i++)
		fake_answer(i < 4 ? 0 : 1, 10 + i);
}

/* The same with one of the sessions at work, on a job of its own. */
static void
open_with_a_crowd_at_work(void)
{
	open_with_a_crowd();
	submit_call(15, &batched);
	lane_pump(lane, false);
	CHECK_TEXT(batches(0), "0123|f");
}

/* Fewer than a session's part wait for more, and the loop does not, until nothing else happens. */
static void
gathers_until_it_is_quiet(void)
{
	open_with_a_crowd_at_work();
	submit_call(8, &batched);
	submit_call(9, &batched);
	lane_pump(lane, false);
	CHECK_TEXT(batches(1), "4567");
	CHECK(lane_next_due(lane) <= clock_us());
	submit_call(10, &batched);
	submit_call(11, &batched);
	lane_pump(lane, false);
	CHECK_TEXT(batches(1), "4567|89ab");
	CHECK_NUMBER(lane_next_due(lane), 1008);
	fake_answer(0, 25);
	submit_call(12, &batched);
	lane_pump(lane, false);
	CHECK_TEXT(batches(0), "0123|f");
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "0123|f|c");
	close_lane();
}

/* Nor does what goes alone wait, or who has waited for long. */
static void
gathers_for_a_moment_only(void)
{
	open_with_a_crowd_at_work();
	submit_call(8, &call);
	lane_pump(lane, false);
	CHECK_TEXT(batches(1), "4567|8");
	fake_answer(1, 18);
	probes[9].job.call = &batched;
	CHECK(submit_late(9, clock_us() - 2 * CLOCK_US_PER_MS) == LANE_ANSWERED);
	lane_pump(lane, false);
	CHECK_TEXT(batches(1), "4567|8|9");
	close_lane();
}

/* What is no more than a session's part goes to one of them, and much more to both. */
static void
shares_out_what_is_enough(void)
{
	open_with_a_crowd();
	for (int i = 8; i < 13; i++)
		submit_call(i, &batched);
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "0123|89abc");
	CHECK_TEXT(batches(1), "4567");
	close_lane();
}

/* The parts follow the crowd: after a while without one, two jobs make use of two sessions. */
static void
forgets_the_crowd(void)
{
	open_with_a_crowd();
	for (int turn = 0; turn < 200; turn++)
	{
		probes[8].ended = 0;
		submit_call(8, &batched);
		lane_pump(lane, true);
		fake_answer(0, 18);
		CHECK(answered(8, 18));
		fake_conns[0]->sent = fake_conns[0]->statements = 0;
	}
	submit_call(9, &batched);
	submit_call(10, &batched);
	lane_pump(lane, false);
	CHECK_TEXT(batches(0), "9");
	CHECK_TEXT(batches(1), "4567|a");
	close_lane();
}

/* Its session runs instead of us, so nothing is lost by sending to it first. */
static void
prefers_who_takes_long_to_send_to(void)
{
	open_lane(true, 2, 8, 8);
	fake_up(0);
	fake_up(1);
	fake_conns[1]->send_us = CLOCK_US_PER_MS;
	submit_together(2);
	CHECK_TEXT(batches(1), "0");
	CHECK_TEXT(batches(0), "1");
	fake_answer(1, 10);
	fake_answer(0, 11);
	submit_call(2, &batched);
	lane_pump(lane, true);
	CHECK_TEXT(batches(1), "0|2");
	submit_call(3, &batched);
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "1|3");
	close_lane();
}

/* While the connection is busy more is gathered for it. */
static void
gathers_while_busy(void)
{
	open_lane(true, 1, 6, 8);
	fake_up(0);
	for (int i = 0; i < 4; i++)
	{
		submit_call(i, &batched);
		lane_pump(lane, true);
	}
	CHECK_TEXT(batches(0), "0");
	fake_answer(0, 10);
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "0|123");
	lane_abandon(lane, &probes[2].job);
	submit_call(4, &batched);
	fake_answer(0, 11);
	fake_answer(0, 12);
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "0|123");
	fake_answer(0, 13);
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "0|123|4");
	CHECK(answered(1, 11) && waits(2) && answered(3, 13));
	close_lane();
}

/* A session that makes long lists has its next batch before it runs dry, but not two. */
static void
feeds_who_makes_long_lists(void)
{
	open_lane(true, 1, 6, 8);
	fake_up(0);
	submit_together(4);
	submit_call(4, &batched);
	fake_answer_of(0, 10, LONG_LIST - 1);
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "0123");
	fake_answer_of(0, 11, LONG_LIST);
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "0123|4");
	submit_call(5, &batched);
	submit_call(6, &batched);
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "0123|4");
	fake_answer_of(0, 12, LONG_LIST);
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "0123|4|56");
	CHECK(answered(2, 12) && waits(3));
	close_lane();
}

/* Nor before: what comes while it has enough to do makes the next batch larger. */
static void
lets_who_has_enough_be(void)
{
	open_lane(true, 1, 64, 16);
	fake_up(0);
	submit_together(14);
	submit_call(14, &batched);
	fake_answer_of(0, 10, LONG_LIST);
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "0123456789abcd");
	submit_call(15, &batched);
	fake_answer_of(0, 11, LONG_LIST);
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "0123456789abcd|ef");
	close_lane();
}

/* Nobody is told that a batch failed: each is sent alone, in the old order, before others. */
static void
sends_failed_batches_one_by_one(void)
{
	open_lane(true, 1, 8, 8);
	fake_up(0);
	submit_together(5);
	submit_call(5, &batched);
	submit_call(6, &batched);
	fake_answer(0, 10);
	lane_abandon(lane, &probes[3].job);
	fake_skip(0);
	CHECK(answered(0, 10) && waits(1) && waits(2) && waits(4));
	CHECK_NUMBER(counter_get(&counters.in_flight), 0);
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "01234|1|2|4");
	fake_answer(0, 11);
	fake_answer(0, 12);
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "01234|1|2|4");
	fake_answer(0, 14);
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "01234|1|2|4|56");
	CHECK(answered(1, 11) && answered(2, 12) && answered(4, 14));
	close_lane();
}

static void
never_sends_more_than_a_connection_takes(void)
{
	open_lane(true, 1, 3, 8);
	fake_up(0);
	submit_together(5);
	CHECK_TEXT(batches(0), "012");
	for (int i = 0; i < 3; i++)
		fake_answer(0, 10 + i);
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "012|34");
	close_lane();
}

/* A connection lost in the middle of a batch: the rest is sent once more, together. */
static void
sends_lost_batches_once_more(void)
{
	open_lane(true, 1, 8, 8);
	fake_up(0);
	submit_together(4);
	fake_answer(0, 10);
	fake_lose(0, true);
	fake_up(0);
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "123");
	fake_lose(0, true);
	CHECK(ended(1, LANE_DOWN) && ended(2, LANE_DOWN) && ended(3, LANE_DOWN));
	close_lane();
}

/* Behind a pooler a connection goes idle between batches, so that others get its server. */
static void
sends_batches_through_a_pooler(void)
{
	open_pooled_lane(true, 2, 2, 8, true);
	fake_up(0);
	CHECK(submit(0) == LANE_ANSWERED);
	lane_pump(lane, true);
	CHECK(submit(1) == LANE_ANSWERED);
	lane_pump(lane, true);
	CHECK_TEXT(sent(0), "0");
	fake_up(1);
	lane_pump(lane, true);
	CHECK_TEXT(sent(1), "1");
	for (int i = 2; i < 5; i++)
		CHECK(submit(i) == LANE_ANSWERED);
	lane_pump(lane, true);
	CHECK_TEXT(sent(0), "0");
	fake_answer(0, 10);
	lane_pump(lane, true);
	CHECK_TEXT(sent(0), "023");
	fake_answer(0, 12);
	lane_pump(lane, true);
	CHECK_TEXT(sent(0), "023");
	fake_lose(0, true);
	fake_up(0);
	lane_pump(lane, true);
	CHECK_TEXT(sent(0), "34");
	CHECK_NUMBER(fake_conns[0]->cancels, 0);
	close_lane();
}

void
test_lane_batches(void)
{
	sends_batches();
	gathers_until_it_is_quiet();
	gathers_for_a_moment_only();
	shares_out_what_is_enough();
	forgets_the_crowd();
	prefers_who_takes_long_to_send_to();
	gathers_while_busy();
	feeds_who_makes_long_lists();
	lets_who_has_enough_be();
	sends_failed_batches_one_by_one();
	never_sends_more_than_a_connection_takes();
	sends_lost_batches_once_more();
	sends_batches_through_a_pooler();
}
