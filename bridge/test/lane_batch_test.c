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
	lane_pump(lane);
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
	lane_pump(lane);
	CHECK(answered(3, 13) && waits(4));
	CHECK_TEXT(batches(1), "34");
	fake_answer(1, 14);
	lane_pump(lane);
	CHECK_TEXT(batches(1), "34|5");
	for (int i = 0; i < 3; i++)
		fake_answer(0, 10 + i);
	lane_pump(lane);
	CHECK_TEXT(batches(0), "012|6|7");
	CHECK_TEXT(batches(1), "34|5");
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
		lane_pump(lane);
	}
	CHECK_TEXT(batches(0), "0");
	fake_answer(0, 10);
	lane_pump(lane);
	CHECK_TEXT(batches(0), "0|123");
	lane_abandon(lane, &probes[2].job);
	submit_call(4, &batched);
	fake_answer(0, 11);
	fake_answer(0, 12);
	lane_pump(lane);
	CHECK_TEXT(batches(0), "0|123");
	fake_answer(0, 13);
	lane_pump(lane);
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
	lane_pump(lane);
	CHECK_TEXT(batches(0), "0123");
	fake_answer_of(0, 11, LONG_LIST);
	lane_pump(lane);
	CHECK_TEXT(batches(0), "0123|4");
	submit_call(5, &batched);
	submit_call(6, &batched);
	lane_pump(lane);
	CHECK_TEXT(batches(0), "0123|4");
	fake_answer_of(0, 12, LONG_LIST);
	lane_pump(lane);
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
	lane_pump(lane);
	CHECK_TEXT(batches(0), "0123456789abcd");
	submit_call(15, &batched);
	fake_answer_of(0, 11, LONG_LIST);
	lane_pump(lane);
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
	lane_pump(lane);
	CHECK_TEXT(batches(0), "01234|1|2|4");
	fake_answer(0, 11);
	fake_answer(0, 12);
	lane_pump(lane);
	CHECK_TEXT(batches(0), "01234|1|2|4");
	fake_answer(0, 14);
	lane_pump(lane);
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
	lane_pump(lane);
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
	lane_pump(lane);
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
	lane_pump(lane);
	CHECK(submit(1) == LANE_ANSWERED);
	lane_pump(lane);
	CHECK_TEXT(sent(0), "0");
	fake_up(1);
	lane_pump(lane);
	CHECK_TEXT(sent(1), "1");
	for (int i = 2; i < 5; i++)
		CHECK(submit(i) == LANE_ANSWERED);
	lane_pump(lane);
	CHECK_TEXT(sent(0), "0");
	fake_answer(0, 10);
	lane_pump(lane);
	CHECK_TEXT(sent(0), "023");
	fake_answer(0, 12);
	lane_pump(lane);
	CHECK_TEXT(sent(0), "023");
	fake_lose(0, true);
	fake_up(0);
	lane_pump(lane);
	CHECK_TEXT(sent(0), "34");
	CHECK_NUMBER(fake_conns[0]->cancels, 0);
	close_lane();
}

void
test_lane_batches(void)
{
	sends_batches();
	gathers_while_busy();
	feeds_who_makes_long_lists();
	lets_who_has_enough_be();
	sends_failed_batches_one_by_one();
	never_sends_more_than_a_connection_takes();
	sends_lost_batches_once_more();
	sends_batches_through_a_pooler();
}
