/*
 * lane_long_test.c
 *		Long answers: how many connections they take, and how much memory.
 */
#include "lane_probe.h"

#define LONG  (1024 * 1024)
#define SHORT 100

static const Call of_all = {3, "a", "$1", 1, CALL_JSON_OF_ALL};

/* Submit and send a call, and answer it with so many bytes. */
static void
learn(int number, const Call *which, int like, size_t bytes)
{
	submit_like(number, which, like);
	lane_pump(lane, true);
	fake_answer_of(0, 50 + number, bytes);
	CHECK(answered(number, 50 + number));
}

/* F15: of two connections long calls take one, whatever their order; short ones have the other. */
static void
leaves_a_connection_to_others(void)
{
	open_lane(true, 2, 8, 16);
	fake_up(0);
	fake_up(1);
	for (int i = 0; i < 3; i++)
		submit_call(i, &of_all);
	submit_call(3, &batched);
	submit_call(4, &batched);
	lane_pump(lane, true);
	CHECK_NUMBER(fake_conns[0]->sent + fake_conns[1]->sent, 3);
	CHECK_TEXT(sent(1), "0"); /* one at a time */
	CHECK_TEXT(sent(0), "34");
	fake_answer(0, 13);
	fake_answer(0, 14);
	CHECK(answered(3, 13) && answered(4, 14));
	lane_pump(lane, true);
	CHECK_TEXT(sent(0), "34"); /* left free */
	fake_answer_of(1, 10, LONG);
	lane_pump(lane, true);
	CHECK_NUMBER(fake_conns[0]->sent + fake_conns[1]->sent, 4);
	submit_call(5, &batched);
	lane_pump(lane, true);
	CHECK_NUMBER(fake_conns[0]->sent + fake_conns[1]->sent, 5);
	CHECK(waits(1) && waits(2));
	close_lane();
}

/* F15: with a single connection they take turns by age. */
static void
shares_a_single_connection(void)
{
	open_lane(true, 1, 8, 16);
	fake_up(0);
	CHECK(submit_late(0, 100) == LANE_ANSWERED);
	lane_pump(lane, true);
	fake_answer(0, 1);
	probes[1].job.call = probes[3].job.call = &of_all;
	probes[2].job.call = &batched;
	CHECK(submit_late(1, 200) == LANE_ANSWERED && submit_late(2, 300) == LANE_ANSWERED &&
		  submit_late(3, 400) == LANE_ANSWERED);
	lane_pump(lane, true);
	CHECK_TEXT(sent(0), "01");
	fake_answer(0, 1);
	lane_pump(lane, true);
	CHECK_TEXT(sent(0), "012");
	fake_answer(0, 1);
	lane_pump(lane, true);
	CHECK_TEXT(sent(0), "0123");
	close_lane();
}

/* F15: of two connections that are configured and one that is up, as well. */
static void
uses_the_only_one_that_is_up(void)
{
	open_lane(true, 2, 8, 16);
	fake_up(1);
	submit_call(0, &of_all);
	lane_pump(lane, true);
	CHECK_TEXT(sent(1), "0");
	fake_lose(1, true);
	CHECK(waits(0));
	fake_up(1);
	lane_pump(lane, true);
	CHECK_TEXT(sent(1), "0"); /* once more */
	close_lane();
}

/* F15: any list whose last answer was long is a long one, as long as it stays so. */
static void
learns_what_is_long(void)
{
	open_lane(true, 1, 8, 16);
	fake_up(0);
	learn(0, &batched, 0, LONG);
	submit_like(1, &batched, 0);
	submit_like(2, &batched, 1);
	submit_like(3, &of_all, 0);
	CHECK(probes[1].job.is_long && !probes[2].job.is_long && probes[3].job.is_long);
	lane_pump(lane, true);
	fake_answer_of(0, 10, SHORT);
	lane_pump(lane, true);
	fake_answer_of(0, 11, SHORT);
	lane_pump(lane, true);
	fake_answer_of(0, 12, SHORT);
	CHECK(probes[1].ended + probes[2].ended + probes[3].ended == 3);
	submit_like(4, &batched, 0);
	submit_like(5, &of_all, 0);
	CHECK(!probes[4].job.is_long && !probes[5].job.is_long);
	close_lane();
}

/* F14: whoever waits for the same long answer shares it. */
static void
shares_one_long_answer(void)
{
	open_lane(true, 1, 8, 16);
	fake_up(0);
	submit_call(0, &of_all);
	lane_pump(lane, true);
	for (int i = 1; i < 5; i++)
		submit_like(i, &of_all, 1);
	fake_answer_of(0, 10, LONG);
	lane_pump(lane, true);
	CHECK_TEXT(sent(0), "01");
	CHECK_NUMBER(counter_get(&counters.joined), 3);
	fake_answer_of(0, 11, LONG);
	for (int i = 1; i < 5; i++)
		CHECK(answered(i, 11));
	close_lane();
}

/* F14: from the limit on reads are refused, until clients have taken what they were waiting for. */
static void
sheds_load_beyond_the_limit(void)
{
	DbReply *kept;

	open_lane_with_memory(2 * LONG);
	fake_up(0);
	keeps_replies = true;
	submit_call(0, &batched);
	submit_call(1, &batched);
	submit_call(2, &batched);
	submit_call(3, &batched);
	lane_pump(lane, true);
	fake_answer_of(0, 10, LONG);
	CHECK(submit(5) == LANE_ANSWERED);
	fake_answer_of(0, 11, LONG);
	CHECK(answered(0, 10) && answered(1, 11));
	CHECK_NUMBER(counter_get(&counters.reply_bytes), 2 * LONG);
	CHECK(submit(6) == LANE_UNREAD);
	CHECK_NUMBER(counter_get(&counters.ended[LANE_UNREAD]), 1);
	fake_answer_of(0, 12, LONG); /* on its way already: dropped */
	CHECK(ended(2, LANE_UNREAD));
	fake_answer_of(0, 13, SHORT); /* a short one is not worth it */
	CHECK(answered(3, 13));
	CHECK_NUMBER(counter_get(&counters.reply_bytes), 2 * LONG + SHORT);
	for (int i = 0; (kept = kept_reply(i)) != NULL; i++)
		db_reply_free(kept);
	keeps_replies = false;
	CHECK_NUMBER(counter_get(&counters.reply_bytes), 0);
	CHECK(submit(6) == LANE_ANSWERED);
	close_lane();
}

/* F14: and so are those that are known not to fit, before the database makes them. */
static void
refuses_what_will_not_fit(void)
{
	open_lane_with_memory(3 * LONG);
	fake_up(0);
	learn(0, &batched, 0, 2 * LONG);
	keeps_replies = true;
	submit_call(1, &batched);
	lane_pump(lane, true);
	fake_answer_of(0, 10, 2 * LONG);
	keeps_replies = false;
	CHECK(answered(1, 10));
	probes[2].job.call = &batched;
	probes[2].job.params[0] = probes[0].job.params[0];
	CHECK(submit(2) == LANE_UNREAD);
	CHECK(submit(3) == LANE_ANSWERED);
	db_reply_free(kept_reply(0));
	CHECK(submit(2) == LANE_ANSWERED);
	close_lane();
}

/* F14: an answer larger than the limit is let through when nothing else is held. */
static void
lets_a_single_one_through(void)
{
	open_lane_with_memory(SHORT);
	fake_up(0);
	submit_call(0, &batched);
	lane_pump(lane, true);
	fake_answer_of(0, 10, LONG);
	CHECK(answered(0, 10));
	close_lane();
}

/* A change is answered whatever is held: it has been made. */
static void
answers_changes_in_any_case(void)
{
	open_lane(false, 1, 1, 8);
	fake_up(0);
	counter_set(&counters.reply_bytes, 1000 * (uint64_t) LONG);
	CHECK(submit(0) == LANE_ANSWERED);
	lane_pump(lane, true);
	fake_answer_of(0, 10, LONG);
	CHECK(answered(0, 10));
	close_lane();
}

void
test_lane_long(void)
{
	leaves_a_connection_to_others();
	shares_a_single_connection();
	uses_the_only_one_that_is_up();
	learns_what_is_long();
	shares_one_long_answer();
	sheds_load_beyond_the_limit();
	refuses_what_will_not_fit();
	lets_a_single_one_through();
	answers_changes_in_any_case();
}
