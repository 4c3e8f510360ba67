/*
 * db_calls.c
 *		Sending calls down the pipeline and taking their results.
 *
 * A call that changes something is over at its Sync, not at its result: the
 * commit, and what can go wrong in it, lies between the two.  Calls that share
 * a transaction change nothing but seen_at; they are over at their result, and
 * one Sync ends the batch.  If one fails, those behind it in the batch are
 * skipped by the server, and reported as such.
 */
#include "db_conn.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"

/* libpq 17 can leave the Sync in its buffer until the flush after a batch. */
#ifdef LIBPQ_HAS_SEND_PIPELINE_SYNC
#define send_sync PQsendPipelineSync
#else
#define send_sync PQpipelineSync
#endif

static void
push_item(DbConn *conn, DbItem item, unsigned char prepares)
{
	unsigned place = (conn->first + conn->in_flight) % DB_MAX_ITEMS;

	if (conn->in_flight == 0)
		conn->progress = clock_coarse_us();
	conn->items[place] = (unsigned char) item;
	conn->prepares[place] = prepares;
	conn->in_flight++;
}

static void
pop_item(DbConn *conn)
{
	conn->first = (conn->first + 1) % DB_MAX_ITEMS;
	conn->in_flight--;
	if (conn->suspects > 0)
		conn->suspects--;
	conn->progress = clock_coarse_us();
}

static bool
close_batch(DbConn *conn)
{
	if (!conn->batch_is_open)
		return true;
	conn->batch_is_open = false;
	push_item(conn, ITEM_SYNC, CALL_MAX);
	return send_sync(conn->pg) == 1;
}

/* Parse, once per session and statement. */
static bool
send_prepare(DbConn *conn, const Call *call)
{
	char sql[SESSION_SQL_MAX];

	session_call(sql, conn->schema, call);
	return PQsendPrepare(conn->pg, call->function, sql, 0, NULL) == 1;
}

/* The SQL of a call, made once per session. */
static const char *
statement(DbConn *conn, const Call *call)
{
	char sql[SESSION_SQL_MAX];

	if (conn->statements[call->id] == NULL)
	{
		session_call(sql, conn->schema, call);
		conn->statements[call->id] = strdup(sql);
	}
	return conn->statements[call->id];
}

/* Parse, Bind and Execute: the next transaction may find another server behind the pooler. */
static bool
send_unprepared(DbConn *conn, const Call *call, const char *const *params)
{
	const char *sql = statement(conn, call);

	return sql != NULL &&
		   PQsendQueryParams(conn->pg, sql, call->nparams, NULL, params, NULL, NULL, 0) == 1;
}

/* Bind and Execute. */
static bool
send_execute(DbConn *conn, const Call *call, const char *const *params)
{
	if (conn->settings->pooled)
		return send_unprepared(conn, call, params);
	return PQsendQueryPrepared(conn->pg, call->function, call->nparams, params, NULL, NULL, 0) == 1;
}

static bool
send_shared(DbConn *conn, const Call *call, const char *const *params)
{
	conn->batch_is_open = true;
	push_item(conn, ITEM_SHARED_CALL, CALL_MAX);
	return send_execute(conn, call, params);
}

static bool
send_alone(DbConn *conn, const Call *call, const char *const *params)
{
	bool prepares = !conn->prepared[call->id];

	if (!close_batch(conn) || (prepares && !conn->settings->pooled && !send_prepare(conn, call)))
		return false;
	conn->prepared[call->id] = true;
	push_item(conn, ITEM_CALL, prepares ? (unsigned char) call->id : CALL_MAX);
	return send_execute(conn, call, params) && send_sync(conn->pg) == 1;
}

/* A statement must be known to be there before calls share: its Parse can fail too. */
bool
db_send(DbConn *conn, const Call *call, const char *const *params)
{
	bool shares = call_shape_shares(call->shape) && conn->confirmed[call->id];

	if (shares ? send_shared(conn, call, params) : send_alone(conn, call, params))
		return true;
	db_lose(conn, db_pg_message(conn));
	return false;
}

void
db_flush(DbConn *conn)
{
	if (conn->in_flight > 0 && (!close_batch(conn) || !db_flush_and_watch(conn)))
		db_lose(conn, db_pg_message(conn));
}

#define UNFIT "the session no longer fits the database and is replaced by a fresh one"
#define POOLED                                                                         \
	"a prepared statement is not what it was, and the session is replaced by a fresh " \
	"one; behind a pooler in transaction mode, use --pooler transaction"
#define READ_ONLY "the server takes no changes; looking for one that does"

/*
 * SQLSTATEs that ask for a fresh session, at most one in so long a time: the
 * extension was dropped, moved or replaced; somebody deallocated the statements;
 * the server is a standby by now, so that changes must go elsewhere.
 */
static const struct
{
	const char *sqlstate;
	int64_t interval_us;
	const char *why;
} renewals[] = {
	{"0A000", 10 * CLOCK_US_PER_S, UNFIT},  {"3F000", 10 * CLOCK_US_PER_S, UNFIT},
	{"42883", 10 * CLOCK_US_PER_S, UNFIT},  {"26000", 10 * CLOCK_US_PER_S, POOLED},
	{"42P05", 10 * CLOCK_US_PER_S, POOLED}, {"25006", CLOCK_US_PER_S, READ_ONLY},
};

static void
consider_fresh_session(DbConn *conn, const char *sqlstate)
{
	int64_t now = clock_us();

	for (size_t i = 0; i < sizeof(renewals) / sizeof(renewals[0]); i++)
	{
		if (strcmp(sqlstate, renewals[i].sqlstate) != 0 || conn->phase != DB_UP ||
			(conn->renewed != 0 && now - conn->renewed < renewals[i].interval_us))
			continue;
		conn->renewed = now;
		conn->renewal = renewals[i].why;
		conn->phase = DB_DRAINING;
	}
}

/* A call that our cancellation hit, be it the one that was meant or not: it can be made again. */
static bool
was_cancelled_by_us(const DbConn *conn, const char *sqlstate)
{
	return strcmp(sqlstate, "57014") == 0 && db_cancel_may_have_hit(conn);
}

/* Hand the result of the oldest call out. */
static void
end_call(DbConn *conn, PGresult *result)
{
	unsigned char prepares = conn->prepares[conn->first];
	bool cancelled = false;

	if (PQresultStatus(result) == PGRES_FATAL_ERROR)
	{
		const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

		if (prepares < CALL_MAX)
			conn->prepared[prepares] = false;
		if (sqlstate != NULL)
		{
			consider_fresh_session(conn, sqlstate);
			cancelled = was_cancelled_by_us(conn, sqlstate);
		}
	}
	pop_item(conn);
	if (!cancelled)
		conn->client.answered(conn->client.owner, conn->number, (DbReply *) result);
	else
	{
		PQclear(result);
		conn->client.skipped(conn->client.owner, conn->number);
	}
}

/* False for a Sync that nobody waits for: we are out of step. */
static bool
take_sync(DbConn *conn)
{
	PGresult *result = conn->held;

	if (conn->items[conn->first] == ITEM_SYNC)
	{
		pop_item(conn);
		return true;
	}
	if (conn->items[conn->first] != ITEM_CALL || result == NULL)
		return false;
	conn->held = NULL;
	end_call(conn, result);
	return true;
}

/* A backend that says FATAL is about to go; what it answers is no answer. */
static bool
is_farewell(const DbConn *conn, const PGresult *result)
{
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

	return PQstatus(conn->pg) == CONNECTION_BAD || severity == NULL ||
		   strcmp(severity, "ERROR") != 0;
}

/*
 * A result that ends a shared call; of another one, it is kept until the Sync,
 * where an error outweighs rows that came before it.  Consumes the result.
 */
static bool
take_call_result(DbConn *conn, PGresult *result)
{
	switch (conn->items[conn->first])
	{
		case ITEM_SHARED_CALL:
			end_call(conn, result);
			return true;
		case ITEM_CALL:
			PQclear(conn->held);
			conn->held = result;
			return true;
		default:
			PQclear(result);
			return false;
	}
}

/* The statement is there, whatever becomes of the call. */
static void
take_preparation(DbConn *conn)
{
	unsigned char prepares = conn->prepares[conn->first];

	if (prepares < CALL_MAX)
		conn->confirmed[prepares] = true;
	conn->prepares[conn->first] = CALL_MAX;
}

/* A call that shared, behind one that failed; of another, only a part was skipped. */
static void
take_skipped(DbConn *conn)
{
	if (conn->items[conn->first] != ITEM_SHARED_CALL)
		return;
	pop_item(conn);
	conn->client.skipped(conn->client.owner, conn->number);
}

/*
 * Take what PQgetResult returned.  False if that shows the connection to be
 * lost: libpq then returns fewer results than there were calls, and NULL for
 * ever after, so two NULLs running are the end.
 */
static bool
take_result(DbConn *conn, PGresult *result)
{
	bool gap = conn->gap;

	conn->gap = result == NULL;
	if (result == NULL)
		return !gap && PQstatus(conn->pg) == CONNECTION_OK;
	switch (PQresultStatus(result))
	{
		case PGRES_PIPELINE_SYNC:
			PQclear(result);
			return take_sync(conn);
		case PGRES_TUPLES_OK:
			take_preparation(conn);
			return take_call_result(conn, result);
		case PGRES_COMMAND_OK:
			take_preparation(conn);
			PQclear(result);
			return true;
		case PGRES_PIPELINE_ABORTED:
			take_skipped(conn);
			PQclear(result);
			return true;
		case PGRES_FATAL_ERROR:
			if (is_farewell(conn, result))
				break;
			return take_call_result(conn, result);
		default:
			break;
	}
	PQclear(result);
	return false;
}

void
db_take_results(DbConn *conn)
{
	bool alive = PQconsumeInput(conn->pg) == 1;
	bool in_step = true;

	while (!PQisBusy(conn->pg) && conn->in_flight > 0 && in_step)
		in_step = take_result(conn, PQgetResult(conn->pg));
	if (!alive || !in_step || PQstatus(conn->pg) == CONNECTION_BAD || !db_flush_and_watch(conn))
		db_lose(conn, db_pg_message(conn));
	else if (conn->phase != DB_DRAINING || conn->in_flight > 0)
		return;
	else if (conn->session_timeout_us != conn->settings->timeout_us)
		db_replace(conn);
	else
		db_lose(conn, conn->renewal);
}
