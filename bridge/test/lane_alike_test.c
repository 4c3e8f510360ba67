/*
 * lane_alike_test.c
 *		Reads that ask for the same thing: who shares a call, and what becomes of each.
 */
#include "lane_probe.h"

/* Number 0 is in flight; 1 and 3 wait for the same thing, and 2 for something else. */
static void
open_with_a_pair(void)
{
	open_lane(true, 1, 8, 16);
	fake_up(0);
	submit_call(0, &batched);
	lane_pump(lane, true);
	submit_call(1, &batched);
	submit_call(2, &batched);
	submit_like(3, &batched, 1);
}

static unsigned
joined(void)
{
	return (unsigned) counter_get(&counters.joined);
}

static void
serves_them_by_one_call(void)
{
	open_with_a_pair();
	fake_answer(0, 10);
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "0|12");
	CHECK_NUMBER(counter_get(&counters.in_flight), 2);
	CHECK_NUMBER(counter_get(&counters.queued), 0);
	CHECK_NUMBER(joined(), 1);
	CHECK(probes[3].job.sent == probes[1].job.sent);
	fake_answer(0, 11);
	CHECK(answered(1, 11) && answered(3, 11) && waits(2));
	fake_answer(0, 12);
	CHECK(answered(2, 12));
	CHECK_NUMBER(counter_get(&counters.in_flight), 0);
	CHECK_NUMBER(counter_get(&counters.ended[LANE_ANSWERED]), 4);
	close_lane();
}

/* Its snapshot may be older than a change that the newcomer knows of. */
static void
joins_no_call_in_flight(void)
{
	open_lane(true, 1, 8, 8);
	fake_up(0);
	submit_call(0, &batched);
	lane_pump(lane, true);
	submit_like(1, &batched, 0);
	lane_pump(lane, true);
	CHECK(waits(1));
	fake_answer(0, 10);
	CHECK(answered(0, 10) && waits(1));
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "0|0");
	fake_answer(0, 11);
	CHECK(answered(1, 11));
	CHECK_NUMBER(joined(), 0);
	close_lane();
}

/* The same function, the same number of bytes, and one of them different. */
static void
tells_calls_apart(void)
{
	static const Call two = {1, "g", "$1::text[], $2::text[]", 2, CALL_ANSWER};
	static const char *const callers[] = {"user:12345678-a", "user:12345678-b", NULL, "", NULL};

	open_lane(true, 1, 16, 16);
	fake_up(0);
	for (int i = 0; i < 5; i++)
	{
		probes[i].job.params[1] = callers[i];
		submit_like(i, &two, 0);
	}
	submit_like(5, &batched, 0);
	submit_like(6, &batched_too, 0);
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "0000");
	CHECK_NUMBER(joined(), 1);
	for (int i = 0; i < 4; i++)
		fake_answer(0, 10 + i);
	CHECK(answered(0, 10) && answered(1, 11) && answered(2, 12) && answered(3, 13) &&
		  answered(4, 12));
	CHECK(waits(5) && waits(6));
	close_lane();
}

/* What raises its errors goes alone, and changes are made as often as they are asked for. */
static void
leaves_other_calls_alone(void)
{
	open_lane(false, 1, 8, 8);
	fake_up(0);
	submit_like(0, &call, 0);
	submit_like(1, &call, 0);
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "0|0");
	CHECK_NUMBER(joined(), 0);
	close_lane();
}

/* A connection looks at its share of the queue; who waits for the same behind it joins. */
static void
looks_behind_its_share(void)
{
	open_lane(true, 2, 8, 16);
	fake_up(0);
	fake_up(1);
	for (int i = 0; i < 4; i++)
		submit_call(i, &batched);
	submit_like(4, &batched, 1);
	submit_like(5, &batched, 0);
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "012");
	CHECK_TEXT(batches(1), "3");
	CHECK_NUMBER(joined(), 2);
	fake_answer(0, 10);
	fake_answer(0, 11);
	CHECK(answered(0, 10) && answered(5, 10) && answered(1, 11) && answered(4, 11));
	close_lane();
}

/* A statement that fails tells none of them: each is sent alone, and they join no more. */
static void
sends_each_alone_after_a_failure(void)
{
	open_with_a_pair();
	fake_answer(0, 10);
	lane_pump(lane, true);
	fake_skip(0);
	CHECK(waits(1) && waits(2) && waits(3));
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "0|12|1|1|2");
	for (int i = 0; i < 3; i++)
		fake_answer(0, 11 + i);
	CHECK(answered(1, 11) && answered(3, 12) && answered(2, 13));
	CHECK_NUMBER(joined(), 1);
	close_lane();
}

/* Nor does an error, be it that of the only call of a statement; who is alone is told. */
static void
sends_each_alone_after_an_error(void)
{
	open_lane(true, 1, 8, 8);
	fake_up(0);
	for (int i = 0; i < 3; i++)
		submit_like(i, &batched, 0);
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "0");
	fake_fail(0);
	CHECK(waits(0) && waits(1) && waits(2));
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "0|0|0|0");
	fake_fail(0);
	CHECK(ended(0, LANE_ANSWERED) && waits(1));
	fake_answer(0, 11);
	fake_answer(0, 12);
	CHECK(answered(1, 11) && answered(2, 12));
	close_lane();
}

static void
sends_all_once_more_after_a_loss(void)
{
	open_with_a_pair();
	fake_answer(0, 10);
	lane_pump(lane, true);
	fake_lose(0, true);
	CHECK_NUMBER(counter_get(&counters.resent), 3);
	fake_up(0);
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "12");
	CHECK_NUMBER(counter_get(&counters.in_flight), 2);
	fake_lose(0, true);
	CHECK(ended(1, LANE_DOWN) && ended(2, LANE_DOWN) && ended(3, LANE_DOWN));
	close_lane();
}

/* Whoever leaves, or whose time is over, leaves the others what they wait for. */
static void
each_may_leave(void)
{
	open_with_a_pair();
	submit_like(4, &batched, 1);
	fake_answer(0, 10);
	lane_pump(lane, true);
	lane_abandon(lane, &probes[1].job);
	lane_tick(lane, 1003);
	CHECK(waits(1) && ended(2, LANE_TOO_SLOW) && ended(3, LANE_TOO_SLOW) && waits(4));
	fake_answer(0, 11);
	CHECK(answered(4, 11));
	fake_answer(0, 12);
	close_lane();
}

/* Cancelled when the last has left, and not before. */
static void
cancels_for_the_last(void)
{
	open_lane(true, 1, 8, 8);
	fake_up(0);
	CHECK(submit_late(0, 1000) == LANE_ANSWERED);
	lane_pump(lane, true);
	for (int i = 1; i < 3; i++)
	{
		probes[i].job.call = &batched;
		probes[i].job.params[0] = "1";
		CHECK(submit_late(i, 1000) == LANE_ANSWERED);
	}
	fake_conns[0]->oldest_since = 1000;
	fake_answer(0, 10);
	lane_pump(lane, true);
	CHECK_TEXT(batches(0), "0|1");
	probes[1].has_left = true;
	lane_tick(lane, 1000 + PATIENCE);
	CHECK(ended(1, LANE_LEFT) && waits(2));
	CHECK_NUMBER(fake_conns[0]->cancels, 0);
	probes[2].has_left = true;
	lane_tick(lane, 1000 + 2 * PATIENCE);
	CHECK(ended(2, LANE_LEFT));
	CHECK_NUMBER(fake_conns[0]->cancels, 1);
	close_lane();
}

void
test_lane_alike(void)
{
	serves_them_by_one_call();
	joins_no_call_in_flight();
	tells_calls_apart();
	leaves_other_calls_alone();
	looks_behind_its_share();
	sends_each_alone_after_a_failure();
	sends_each_alone_after_an_error();
	sends_all_once_more_after_a_loss();
	each_may_leave();
	cancels_for_the_last();
}
