/*
 * connections.c
 *		The table of a connection's phases, and a queue of connections for each.
 *
 * Pure code: the caller passes the time, and ends the connections.
 */
#include "connections.h"

#include <stddef.h>

#define MS INT64_C(1000)

/* The loop wakes up so much later than rest_us, to put several connections to rest at once. */
#define REST_LATER (250 * MS)

const ConnectionRule connection_rules[CONNECTION_PHASES] = {
	[CONNECTION_SENDS] = {"sends", "client, eviction", CONNECTION_BY_CLIENT,
						  CONNECTION_ANSWER_AND_END, 1000 * MS},
	[CONNECTION_CHUNKS] = {"sends chunks", "client, eviction", CONNECTION_BY_CHUNK,
						   CONNECTION_ANSWER_AND_END, 1000 * MS},
	[CONNECTION_IDLE] = {"idle", "client, eviction", CONNECTION_BY_IDLE, CONNECTION_END, 1000 * MS},
	[CONNECTION_RESTS] = {"rests", "client, eviction", CONNECTION_BY_IDLE, CONNECTION_END,
						  1000 * MS},
	[CONNECTION_WAITS] = {"waits", "client, database, deadline", CONNECTION_BY_REQUEST,
						  CONNECTION_GIVE_UP, CONNECTIONS_NEVER},
	[CONNECTION_TAKES] = {"takes", "client, eviction", CONNECTION_BY_CLIENT, CONNECTION_END,
						  5000 * MS},
	[CONNECTION_ENDS] = {"ends", "library", CONNECTION_BY_LIBRARY, CONNECTION_SHUT_DOWN,
						 CONNECTIONS_NEVER},
	[CONNECTION_SHUT] = {"shut", "library", CONNECTION_BY_LIBRARY, CONNECTION_RESTART,
						 CONNECTIONS_NEVER},
	[CONNECTION_LINGERS] = {"lingers", "client, eviction", CONNECTION_BY_CLIENT, CONNECTION_CLOSE,
							1000 * MS},
};

/* The phases in the order of eviction. */
static const ConnectionPhase evicted_first[] = {CONNECTION_LINGERS, CONNECTION_RESTS,
												CONNECTION_IDLE,    CONNECTION_SENDS,
												CONNECTION_CHUNKS,  CONNECTION_TAKES};

void
connections_init(Connections *all, int64_t rest_us, const int64_t bounds_us[CONNECTION_BOUNDS])
{
	for (int i = 0; i < CONNECTION_PHASES; i++)
		all->queues[i] = (ConnectionLink){NULL, NULL};
	for (int i = 0; i < CONNECTION_BOUNDS; i++)
		all->bounds_us[i] = bounds_us[i];
	all->bounds_us[CONNECTION_BY_REQUEST] += CONNECTION_MARGIN_US;
	all->rest_us = rest_us;
}

void
connections_set_request_time(Connections *all, int64_t request_us)
{
	int64_t *bound_us = &all->bounds_us[CONNECTION_BY_REQUEST];

	if (*bound_us < request_us + CONNECTION_MARGIN_US)
		*bound_us = request_us + CONNECTION_MARGIN_US;
}

static void
insert(Connections *all, Connection *connection, ConnectionPhase phase, int64_t since)
{
	ConnectionLink *queue = &all->queues[phase];

	connection->phase = phase;
	connection->since = since;
	connection->link = (ConnectionLink){.next = NULL, .prev = queue->prev};
	*(queue->prev != NULL ? &queue->prev->link.next : &queue->next) = connection;
	queue->prev = connection;
}

void
connections_add(Connections *all, Connection *connection, int64_t now)
{
	insert(all, connection, CONNECTION_SENDS, now);
}

void
connections_remove(Connections *all, Connection *connection)
{
	ConnectionLink *queue = &all->queues[connection->phase];
	ConnectionLink *link = &connection->link;

	*(link->prev != NULL ? &link->prev->link.next : &queue->next) = link->next;
	*(link->next != NULL ? &link->next->link.prev : &queue->prev) = link->prev;
}

void
connections_enter(Connections *all, Connection *connection, ConnectionPhase phase, int64_t now)
{
	if (connection->phase >= CONNECTION_ENDS && phase <= connection->phase)
		return;
	connections_remove(all, connection);
	insert(all, connection, phase, now);
}

Connection *
connections_oldest(const Connections *all, ConnectionPhase phase)
{
	return all->queues[phase].next;
}

Connection *
connections_next(const Connection *connection)
{
	return connection->link.next;
}

static int64_t
bound_us(const Connections *all, ConnectionPhase phase)
{
	return all->bounds_us[connection_rules[phase].bound];
}

Connection *
connections_overdue(const Connections *all, int64_t now)
{
	for (int phase = 0; phase < CONNECTION_PHASES; phase++)
	{
		Connection *first = connections_oldest(all, phase);

		if (first != NULL && now - first->since >= bound_us(all, phase))
			return first;
	}
	return NULL;
}

Connection *
connections_rest(Connections *all, int64_t now)
{
	Connection *first = connections_oldest(all, CONNECTION_IDLE);

	if (first == NULL || now - first->since < all->rest_us)
		return NULL;
	connections_remove(all, first);
	insert(all, first, CONNECTION_RESTS, first->since);
	return first;
}

Connection *
connections_spare(const Connections *all, int64_t now)
{
	for (size_t i = 0; i < sizeof(evicted_first) / sizeof(evicted_first[0]); i++)
	{
		Connection *first = connections_oldest(all, evicted_first[i]);

		if (first != NULL && now - first->since >= connection_rules[first->phase].evictable_us)
			return first;
	}
	return NULL;
}

int64_t
connections_next_due(const Connections *all)
{
	const Connection *idle = connections_oldest(all, CONNECTION_IDLE);
	int64_t due = idle != NULL ? idle->since + all->rest_us + REST_LATER : CONNECTIONS_NEVER;

	for (int phase = 0; phase < CONNECTION_PHASES; phase++)
	{
		const Connection *first = connections_oldest(all, phase);

		if (first != NULL && first->since + bound_us(all, phase) < due)
			due = first->since + bound_us(all, phase);
	}
	return due;
}
