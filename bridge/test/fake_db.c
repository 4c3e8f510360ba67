/*
 * fake_db.c
 *		See fake_db.h.
 */
#include "fake_db.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"

DbConn *fake_conns[FAKE_MAX_CONNECTIONS];
unsigned fake_open;
unsigned fake_replies;

DbConn *
db_open(Loop *loop, const DbSettings *settings, const DbClient *client, unsigned number)
{
	DbConn *conn = calloc(1, sizeof(DbConn));

	(void) loop;
	conn->client = *client;
	conn->number = number;
	conn->hope = true;
	conn->asynchronous_commit = settings->asynchronous_commit;
	conn->counters = settings->counters;
	fake_conns[number] = conn;
	fake_open++;
	return conn;
}

void
db_close(DbConn *conn)
{
	fake_conns[conn->number] = NULL;
	fake_open--;
	free(conn);
}

void
db_renew(DbConn *conn)
{
	conn->renewals++;
}

bool
db_is_up(const DbConn *conn)
{
	return conn->up;
}

bool
db_has_hope(const DbConn *conn)
{
	return conn->hope;
}

bool
db_is_waiting(const DbConn *conn)
{
	return !conn->up;
}

bool
db_is_crowded_out(const DbConn *conn)
{
	return conn->crowded_out;
}

bool
db_is_refused(const DbConn *conn)
{
	return conn->refused;
}

bool
db_send(DbConn *conn, const Call *call, const char *const *const *requests, unsigned count)
{
	(void) call;
	if (conn->breaks_on_send)
	{
		fake_lose(conn->number, true);
		return false;
	}
	conn->in_flight_of[conn->statements] = count;
	conn->first_of[conn->statements++] = conn->sent;
	for (unsigned i = 0; i < count; i++)
		conn->first_params[conn->sent++] = requests[i][0];
	conn->in_flight += count;
	return true;
}

/* The oldest statement in flight, or NULL. */
static unsigned *
oldest(DbConn *conn)
{
	for (unsigned i = 0; i < conn->statements; i++)
		if (conn->in_flight_of[i] > 0)
			return &conn->in_flight_of[i];
	return NULL;
}

int64_t
db_oldest_since(const DbConn *conn)
{
	return conn->in_flight > 0 ? conn->oldest_since : CLOCK_NEVER;
}

int64_t
db_send_us(const DbConn *conn)
{
	return conn->send_us;
}

void
db_cancel(DbConn *conn)
{
	conn->cancels++;
}

void
db_flush(DbConn *conn)
{
	(void) conn;
}

int64_t
db_next_due(const DbConn *conn)
{
	(void) conn;
	return CLOCK_NEVER;
}

void
db_tick(DbConn *conn, int64_t now)
{
	(void) now;
	conn->ticks++;
}

bool
db_reply_error(const DbReply *reply, DbError *error)
{
	*error = (DbError){0};
	return reply->failed;
}

/* Nobody who is tested with these replies reads what they say. */
const char *
db_reply_column(const DbReply *reply, int column, size_t *length)
{
	*length = reply->length;
	return column == CALL_COLUMN_RESULT ? "" : NULL;
}

size_t
db_reply_bytes(const DbReply *reply)
{
	return reply->length;
}

DbReply *
db_reply_hold(DbReply *reply)
{
	reply->holders++;
	return reply;
}

void
db_reply_free(DbReply *reply)
{
	if (--reply->holders > 0)
		return;
	fake_replies--;
	counter_add(&reply->counters->reply_bytes, -(uint64_t) reply->length);
	free(reply);
}

void
fake_up(unsigned number)
{
	fake_conns[number]->up = fake_conns[number]->hope = true;
	fake_conns[number]->sent = fake_conns[number]->in_flight = fake_conns[number]->statements = 0;
}

static void
answer(unsigned number, DbReply content)
{
	DbConn *conn = fake_conns[number];
	DbReply *reply = malloc(sizeof(DbReply));

	*reply = content;
	reply->holders = 1;
	reply->counters = conn->counters;
	counter_add(&conn->counters->reply_bytes, reply->length);
	fake_replies++;
	conn->in_flight--;
	--*oldest(conn);
	conn->client.answered(conn->client.owner, number, reply);
}

void
fake_answer(unsigned number, int reply_number)
{
	fake_answer_of(number, reply_number, 0);
}

void
fake_answer_of(unsigned number, int reply_number, size_t length)
{
	answer(number, (DbReply){.number = reply_number, .length = length});
}

void
fake_fail(unsigned number)
{
	answer(number, (DbReply){.failed = true});
}

void
fake_skip(unsigned number)
{
	DbConn *conn = fake_conns[number];
	unsigned *open = oldest(conn);
	unsigned count = *open;

	*open = 0;
	conn->in_flight -= count;
	conn->client.skipped(conn->client.owner, number, count);
}

void
fake_lose(unsigned number, bool hope)
{
	DbConn *conn = fake_conns[number];

	conn->up = false;
	conn->hope = hope;
	conn->client.down(conn->client.owner, number);
}
