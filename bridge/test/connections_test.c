/*
 * connections_test.c
 *		Phases of connections: their bounds, who rests, and who is evicted when room is short.
 */
#include "connections.h"

#include <stddef.h>

#include "suites.h"
#include "test.h"

#define S INT64_C(1000000)

static Connections all;
static Connection a, b, c;

static const int64_t bounds_us[CONNECTION_BOUNDS] = {
	[CONNECTION_BY_CLIENT] = 30 * S,
	[CONNECTION_BY_IDLE] = 60 * S,
	[CONNECTION_BY_REQUEST] = 10 * S,
	[CONNECTION_BY_CHUNK] = 5 * S,
	[CONNECTION_BY_LIBRARY] = CONNECTION_LIBRARY_US,
};

/* Three connections that begin to send at 0, 1 and 2 seconds; 30 s to send, 60 s of idleness. */
static void
set_up(void)
{
	connections_init(&all, 1 * S, bounds_us);
	a = b = c = (Connection){0};
	connections_add(&all, &a, 0);
	connections_add(&all, &b, 1 * S);
	connections_add(&all, &c, 2 * S);
}

static void
has_deadlines(void)
{
	connections_init(&all, 1 * S, bounds_us);
	CHECK_NUMBER(connections_next_due(&all), CONNECTIONS_NEVER);
	CHECK(connections_overdue(&all, 1000 * S) == NULL);
	set_up();
	CHECK_NUMBER(connections_next_due(&all), 30 * S);
	CHECK(connections_overdue(&all, 30 * S - 1) == NULL);
	CHECK(connections_overdue(&all, 30 * S) == &a);
	connections_enter(&all, &a, CONNECTION_ENDS, 30 * S);
	CHECK(connections_overdue(&all, 30 * S) == NULL);
	CHECK_NUMBER(connections_next_due(&all), 31 * S);
}

static void
gives_each_phase_its_time(void)
{
	set_up();
	connections_remove(&all, &b);
	connections_remove(&all, &c);
	connections_enter(&all, &a, CONNECTION_WAITS, 10 * S);
	CHECK_NUMBER(connections_next_due(&all), 20 * S + CONNECTION_MARGIN_US);
	connections_enter(&all, &a, CONNECTION_TAKES, 20 * S);
	CHECK_NUMBER(connections_next_due(&all), 50 * S);
	connections_enter(&all, &a, CONNECTION_IDLE, 21 * S);
	CHECK(connections_rest(&all, 22 * S) == &a);
	CHECK_NUMBER(connections_next_due(&all), 81 * S);
	connections_enter(&all, &a, CONNECTION_SENDS, 70 * S);
	CHECK_NUMBER(connections_next_due(&all), 100 * S);
}

static void
rests_once(void)
{
	set_up();
	CHECK(connections_rest(&all, 25 * S) == NULL);
	connections_enter(&all, &a, CONNECTION_IDLE, 5 * S);
	connections_enter(&all, &b, CONNECTION_IDLE, 6 * S);
	CHECK(connections_next_due(&all) >= 6 * S && connections_next_due(&all) < 7 * S);
	CHECK(connections_rest(&all, 6 * S - 1) == NULL);
	CHECK(connections_rest(&all, 6 * S) == &a);
	CHECK(a.phase == CONNECTION_RESTS);
	CHECK(connections_rest(&all, 6 * S) == NULL);
	CHECK(connections_rest(&all, 8 * S) == &b);
	CHECK(connections_rest(&all, 100 * S) == NULL);
	connections_enter(&all, &a, CONNECTION_SENDS, 10 * S);
	connections_enter(&all, &a, CONNECTION_IDLE, 11 * S);
	CHECK(connections_rest(&all, 12 * S) == &a);
}

/* As soon as its owner has said, who is woken not much later. */
static void
rests_when_told(void)
{
	connections_init(&all, S / 4, bounds_us);
	a = (Connection){0};
	connections_add(&all, &a, 0);
	connections_enter(&all, &a, CONNECTION_IDLE, 5 * S);
	CHECK(connections_next_due(&all) <= 5 * S + S / 2);
	CHECK(connections_rest(&all, 5 * S + S / 4 - 1) == NULL);
	CHECK(connections_rest(&all, 5 * S + S / 4) == &a);
}

/* Its time has gone on since its answer, and it is the first to be done without. */
static void
is_idle_while_it_rests(void)
{
	set_up();
	connections_enter(&all, &b, CONNECTION_IDLE, 5 * S);
	connections_remove(&all, &c);
	CHECK(connections_rest(&all, 20 * S) == &b);
	CHECK(connections_spare(&all, 20 * S) == &b);
	connections_remove(&all, &a);
	CHECK_NUMBER(connections_next_due(&all), 65 * S);
	CHECK(connections_overdue(&all, 65 * S - 1) == NULL);
	CHECK(connections_overdue(&all, 65 * S) == &b);
}

static void
ends_once(void)
{
	set_up();
	connections_enter(&all, &a, CONNECTION_ENDS, 5 * S);
	connections_enter(&all, &a, CONNECTION_IDLE, 6 * S);
	CHECK(a.phase == CONNECTION_ENDS);
	connections_enter(&all, &a, CONNECTION_SHUT, 7 * S);
	connections_enter(&all, &a, CONNECTION_ENDS, 8 * S);
	CHECK(a.phase == CONNECTION_SHUT);
	connections_remove(&all, &a);
	connections_remove(&all, &b);
	connections_remove(&all, &c);
	CHECK_NUMBER(connections_next_due(&all), CONNECTIONS_NEVER);
}

static void
spares_who_is_busy(void)
{
	set_up();
	CHECK(connections_spare(&all, 1 * S - 1) == NULL);
	CHECK(connections_spare(&all, 1 * S) == &a);
	connections_enter(&all, &b, CONNECTION_IDLE, 5 * S);
	connections_enter(&all, &c, CONNECTION_WAITS, 5 * S);
	CHECK(connections_spare(&all, 5 * S) == &a);
	CHECK(connections_spare(&all, 6 * S) == &b);
	connections_enter(&all, &b, CONNECTION_TAKES, 7 * S);
	connections_enter(&all, &a, CONNECTION_WAITS, 7 * S);
	CHECK(connections_spare(&all, 11 * S) == NULL);
	CHECK(connections_spare(&all, 12 * S) == &b);
}

/* ---- F1: no phase of a connection without a bound of last resort --------- */

/* The phase that the rule's last resort leads to; CONNECTION_PHASES: the connection is gone. */
static ConnectionPhase
phase_after(ConnectionLast last)
{
	switch (last)
	{
		case CONNECTION_ANSWER_AND_END:
		case CONNECTION_END:
		case CONNECTION_GIVE_UP: /* the second time */
			return CONNECTION_ENDS;
		case CONNECTION_SHUT_DOWN:
			return CONNECTION_SHUT;
		case CONNECTION_RESTART:
		case CONNECTION_CLOSE:
			break;
	}
	return CONNECTION_PHASES;
}

/* Nothing happens but time, and neither client nor library nor database does a thing. */
static void
ends_from(ConnectionPhase phase)
{
	int64_t now = 0;
	int steps = 0;

	connections_init(&all, 1 * S, bounds_us);
	a = (Connection){0};
	connections_add(&all, &a, now);
	connections_enter(&all, &a, phase, now);
	while (phase != CONNECTION_PHASES && steps++ < CONNECTION_PHASES)
	{
		int64_t due = now + all.bounds_us[connection_rules[phase].bound];

		CHECK(due > now && due - now <= 60 * S);
		CHECK(connections_next_due(&all) <= due);
		CHECK(connections_overdue(&all, due - 1) == NULL);
		CHECK(connections_overdue(&all, due) == &a);
		now = due;
		phase = phase_after(connection_rules[phase].last);
		if (phase != CONNECTION_PHASES)
			connections_enter(&all, &a, phase, now);
	}
	CHECK_NUMBER(phase, CONNECTION_PHASES);
	CHECK(now <= 60 * S + 2 * CONNECTION_LIBRARY_US);
}

/* F1: whatever phase a connection is in, and whoever does nothing about it, it ends. */
static void
f1_every_phase_has_a_bound(void)
{
	for (int phase = 0; phase < CONNECTION_PHASES; phase++)
	{
		CHECK(connection_rules[phase].name != NULL && connection_rules[phase].ended_by != NULL);
		CHECK(connection_rules[phase].evictable_us > 0);
		ends_from(phase);
	}
}

/* F1: a connection that waits for the database has the request's deadline and a margin. */
static void
f1_waiting_has_the_latest_deadline(void)
{
	set_up();
	connections_enter(&all, &a, CONNECTION_WAITS, 0);
	connections_set_request_time(&all, 2 * S);
	CHECK(connections_overdue(&all, 10 * S + CONNECTION_MARGIN_US - 1) == NULL);
	CHECK(connections_overdue(&all, 10 * S + CONNECTION_MARGIN_US) == &a);
	connections_set_request_time(&all, 20 * S);
	CHECK(connections_overdue(&all, 20 * S + CONNECTION_MARGIN_US - 1) == NULL);
	CHECK(connections_overdue(&all, 20 * S + CONNECTION_MARGIN_US) == &a);
}

/* F2: pieces of a body do not make its phase longer than from one to the next. */
static void
f2_chunks_begin_anew(void)
{
	set_up();
	connections_enter(&all, &a, CONNECTION_CHUNKS, 1 * S);
	connections_enter(&all, &b, CONNECTION_CHUNKS, 2 * S);
	connections_enter(&all, &a, CONNECTION_CHUNKS, 3 * S);
	CHECK(connections_oldest(&all, CONNECTION_CHUNKS) == &b);
	CHECK(connections_next(&b) == &a && connections_next(&a) == NULL);
	CHECK(connections_overdue(&all, 7 * S) == &b);
}

/* F11: who lingers is the first to be done without. */
static void
f11_lingering_is_evictable(void)
{
	set_up();
	connections_enter(&all, &a, CONNECTION_IDLE, 2 * S);
	connections_enter(&all, &b, CONNECTION_ENDS, 2 * S);
	connections_enter(&all, &b, CONNECTION_LINGERS, 3 * S);
	CHECK(connections_spare(&all, 4 * S) == &b);
}

void
test_connections_suite(void)
{
	has_deadlines();
	gives_each_phase_its_time();
	rests_once();
	rests_when_told();
	is_idle_while_it_rests();
	ends_once();
	spares_who_is_busy();
	f1_every_phase_has_a_bound();
	f1_waiting_has_the_latest_deadline();
	f2_chunks_begin_anew();
	f11_lingering_is_evictable();
}
