/*
 * connections.c
 *		Queues of connections, by what they wait for.
 *
 * Pure code: told the time by its caller, and ends no connection itself.
 */
#include "connections.h"

#include <stddef.h>

#define MS INT64_C(1000)

/* How much later than it might a connection rests: some wait for others, to go together. */
#define REST_LATER (250 * MS)

/* Phases that are up to the client, in the order of preference, and how long in one makes spare. */
static const struct
{
	ConnectionPhase phase;
	int64_t after_us;
} phases[] = {
	{CONNECTION_RESTS, 1000 * MS},
	{CONNECTION_IDLE, 1000 * MS},
	{CONNECTION_SENDS, 1000 * MS},
	{CONNECTION_TAKES, 5000 * MS},
};

#define PHASES (sizeof(phases) / sizeof(phases[0]))

void
connections_init(Connections *all, int64_t rest_us, int64_t idle_us, int64_t client_us)
{
	for (int i = 0; i < CONNECTION_PHASES; i++)
	{
		all->queues[i].next = all->queues[i].prev = &all->queues[i];
		all->times_us[i] = CONNECTIONS_NEVER;
	}
	all->rest_us = rest_us;
	all->times_us[CONNECTION_IDLE] = all->times_us[CONNECTION_RESTS] = idle_us;
	all->times_us[CONNECTION_SENDS] = all->times_us[CONNECTION_TAKES] = client_us;
}

static void
insert(Connections *all, Connection *connection, ConnectionPhase phase, int64_t since)
{
	Connection *head = &all->queues[phase];

	connection->phase = phase;
	connection->since = since;
	connection->next = head;
	connection->prev = head->prev;
	head->prev->next = connection;
	head->prev = connection;
}

void
connections_add(Connections *all, Connection *connection, int64_t now)
{
	insert(all, connection, CONNECTION_SENDS, now);
}

void
connections_remove(Connection *connection)
{
	connection->prev->next = connection->next;
	connection->next->prev = connection->prev;
}

void
connections_enter(Connections *all, Connection *connection, ConnectionPhase phase, int64_t now)
{
	if (connection->phase == CONNECTION_ENDS)
		return;
	connections_remove(connection);
	insert(all, connection, phase, now);
}

/* The one that has been in the phase for the longest, or NULL. */
static Connection *
oldest(const Connections *all, ConnectionPhase phase)
{
	Connection *first = all->queues[phase].next;

	return first != &all->queues[phase] ? first : NULL;
}

Connection *
connections_overdue(Connections *all, int64_t now)
{
	for (size_t i = 0; i < PHASES; i++)
	{
		Connection *first = oldest(all, phases[i].phase);

		if (first != NULL && now - first->since >= all->times_us[phases[i].phase])
			return first;
	}
	return NULL;
}

Connection *
connections_rest(Connections *all, int64_t now)
{
	Connection *first = oldest(all, CONNECTION_IDLE);

	if (first == NULL || now - first->since < all->rest_us)
		return NULL;
	connections_remove(first);
	insert(all, first, CONNECTION_RESTS, first->since);
	return first;
}

Connection *
connections_spare(Connections *all, int64_t now)
{
	for (size_t i = 0; i < PHASES; i++)
	{
		Connection *first = oldest(all, phases[i].phase);

		if (first != NULL && now - first->since >= phases[i].after_us)
			return first;
	}
	return NULL;
}

int64_t
connections_next_due(const Connections *all)
{
	const Connection *idle = oldest(all, CONNECTION_IDLE);
	int64_t due = idle != NULL ? idle->since + all->rest_us + REST_LATER : CONNECTIONS_NEVER;

	for (size_t i = 0; i < PHASES; i++)
	{
		const Connection *first = oldest(all, phases[i].phase);

		if (first != NULL && first->since + all->times_us[phases[i].phase] < due)
			due = first->since + all->times_us[phases[i].phase];
	}
	return due;
}
