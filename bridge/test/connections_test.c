/*
 * connections_test.c
 *		Phases of connections: their deadlines, who rests, and who is spared when room is short.
 */
#include "connections.h"

#include <stddef.h>

#include "suites.h"
#include "test.h"

#define S INT64_C(1000000)

static Connections all;
static Connection a, b, c;

/* Three connections that begin to send at 0, 1 and 2 seconds; 30 s to send, 60 s of idleness. */
static void
set_up(void)
{
	connections_init(&all, 1 * S, 60 * S, 30 * S);
	a = b = c = (Connection){0};
	connections_add(&all, &a, 0);
	connections_add(&all, &b, 1 * S);
	connections_add(&all, &c, 2 * S);
}

static void
has_deadlines(void)
{
	connections_init(&all, 1 * S, 60 * S, 30 * S);
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
	connections_remove(&b);
	connections_remove(&c);
	connections_enter(&all, &a, CONNECTION_WAITS, 10 * S);
	CHECK_NUMBER(connections_next_due(&all), CONNECTIONS_NEVER);
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
	connections_init(&all, S / 4, 60 * S, 30 * S);
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
	connections_remove(&c);
	CHECK(connections_rest(&all, 20 * S) == &b);
	CHECK(connections_spare(&all, 20 * S) == &b);
	connections_enter(&all, &a, CONNECTION_WAITS, 20 * S);
	CHECK_NUMBER(connections_next_due(&all), 65 * S);
	CHECK(connections_overdue(&all, 65 * S - 1) == NULL);
	CHECK(connections_overdue(&all, 65 * S) == &b);
	connections_enter(&all, &b, CONNECTION_ENDS, 65 * S);
	CHECK_NUMBER(connections_next_due(&all), CONNECTIONS_NEVER);
}

static void
ends_once(void)
{
	set_up();
	connections_enter(&all, &a, CONNECTION_ENDS, 5 * S);
	connections_enter(&all, &a, CONNECTION_IDLE, 6 * S);
	CHECK(a.phase == CONNECTION_ENDS);
	connections_remove(&a);
	connections_remove(&b);
	connections_remove(&c);
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
}
