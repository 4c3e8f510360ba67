/*
 * db_results.c
 *		Taking the results of statements, in their order.
 *
 * A call that may change something is over at its Sync, not at its result: the
 * commit, and what can go wrong in it, lies between the two.  Batches change
 * nothing but seen_at; each of their calls is over at its row.
 */
#include "db_conn.h"

#include <string.h>

#include "clock.h"

#define UNFIT "the session no longer fits the database and is replaced by a fresh one"
#define POOLED                                                                         \
	"a prepared statement is not what it was, and the session is replaced by a fresh " \
	"one; behind a pooler in transaction mode, use --pooler transaction"
#define DENIED    "a call was not permitted; looking at what the role may do"
#define READ_ONLY "the server takes no changes; looking for one that does"

/*
 * SQLSTATEs that ask for a fresh session, at most one in so long a time: the
 * extension was dropped, moved or replaced; the role may no longer call its functions, which
 * the set-up finds out; somebody deallocated the statements;
 * the server is a standby by now, so that changes must go elsewhere.
 */
static const struct
{
	const char *sqlstate;
	int64_t interval_us;
	const char *why;
} renewals[] = {
	{"0A000", 10 * CLOCK_US_PER_S, UNFIT},  {"3F000", 10 * CLOCK_US_PER_S, UNFIT},
	{"42883", 10 * CLOCK_US_PER_S, UNFIT},  {"42501", 5 * CLOCK_US_PER_S, DENIED},
	{"26000", 10 * CLOCK_US_PER_S, POOLED}, {"42P05", 10 * CLOCK_US_PER_S, POOLED},
	{"25006", CLOCK_US_PER_S, READ_ONLY},
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

static DbItem *
oldest(DbConn *conn)
{
	return &conn->items[conn->first];
}

static void
pop_item(DbConn *conn)
{
	conn->first = (conn->first + 1) % DB_MAX_DEPTH;
	conn->in_flight--;
	conn->rows_asked_for = false;
	if (conn->suspects > 0)
		conn->suspects--;
	conn->progress = clock_coarse_us();
}

/* Hand the result of the oldest open call out. */
static void
answer_oldest(DbConn *conn, PGresult *result)
{
	oldest(conn)->open--;
	conn->progress = clock_coarse_us();
	conn->client.answered(conn->client.owner, conn->number,
						  db_reply_of(result, conn->settings->counters));
}

static void
skip_open(DbConn *conn)
{
	unsigned open = oldest(conn)->open;

	oldest(conn)->open = 0;
	conn->client.skipped(conn->client.owner, conn->number, open);
}

/* What an error says of the session; whether it may be our own doing. */
static bool
take_error(DbConn *conn, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	if (oldest(conn)->prepares < CALL_MAX)
		conn->prepared[oldest(conn)->prepares] = false;
	if (sqlstate == NULL)
		return false;
	consider_fresh_session(conn, sqlstate);
	return was_cancelled_by_us(conn, sqlstate);
}

/* The result that ends a statement.  An error is told to a call only if it was the only one. */
static void
end_statement(DbConn *conn, PGresult *result)
{
	const DbItem *item = oldest(conn);
	bool cancelled = PQresultStatus(result) == PGRES_FATAL_ERROR && take_error(conn, result);

	if (item->open == 1 && item->calls == 1 && !cancelled)
	{
		answer_oldest(conn, result);
		return;
	}
	PQclear(result);
	if (item->open > 0)
		skip_open(conn);
}

/* False for a Sync that nobody waits for: we are out of step. */
static bool
take_sync(DbConn *conn)
{
	PGresult *result = conn->held;

	conn->held = NULL;
	if (result != NULL)
		end_statement(conn, result);
	if (oldest(conn)->open > 0)
		return false;
	pop_item(conn);
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
 * The end of a batch; of another call the result is kept until the Sync, where
 * an error outweighs rows that came before it.  Consumes the result.
 */
static bool
take_end(DbConn *conn, PGresult *result)
{
	if (oldest(conn)->by_row)
		end_statement(conn, result);
	else
	{
		PQclear(conn->held);
		conn->held = result;
	}
	return true;
}

/* The answer to one call of a batch.  False for a row too many. */
static bool
take_row(DbConn *conn, PGresult *result)
{
	if (!oldest(conn)->by_row || oldest(conn)->open == 0)
	{
		PQclear(result);
		return false;
	}
	answer_oldest(conn, result);
	return true;
}

/* The statement is there, whatever becomes of the call. */
static void
take_preparation(DbConn *conn)
{
	oldest(conn)->prepares = CALL_MAX;
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
		case PGRES_SINGLE_TUPLE:
			return take_row(conn, result);
		case PGRES_TUPLES_OK:
			return take_end(conn, result);
		case PGRES_COMMAND_OK:
			take_preparation(conn);
			PQclear(result);
			return true;
		case PGRES_PIPELINE_ABORTED: /* the statement, behind its Parse that failed */
			PQclear(result);
			return true;
		case PGRES_FATAL_ERROR:
			if (is_farewell(conn, result))
			{
				db_take_farewell(conn, result);
				break;
			}
			return take_end(conn, result);
		default:
			break;
	}
	PQclear(result);
	return false;
}

/* Rows are handed out as they come: libpq has to know before it looks at the first. */
static void
ask_for_rows(DbConn *conn)
{
	if (oldest(conn)->by_row && !conn->rows_asked_for)
		conn->rows_asked_for = PQsetSingleRowMode(conn->pg) == 1;
}

static bool
has_result(DbConn *conn)
{
	if (conn->in_flight == 0)
		return false;
	ask_for_rows(conn);
	return !PQisBusy(conn->pg);
}

/*
 * Nothing is in flight, and yet something has come: libpq looks at it once it knows that it is
 * idle, and calls it a notice.
 */
static void
take_unasked(DbConn *conn)
{
	PQclear(PQgetResult(conn->pg));
	(void) PQisBusy(conn->pg);
}

void
db_take_results(DbConn *conn)
{
	bool alive = PQconsumeInput(conn->pg) == 1;
	bool in_step = true;

	if (conn->in_flight == 0)
		take_unasked(conn);
	while (in_step && has_result(conn))
		in_step = take_result(conn, PQgetResult(conn->pg));
	if (!alive || !in_step || PQstatus(conn->pg) == CONNECTION_BAD || !db_flush_and_watch(conn))
		db_lose(conn, db_pg_message(conn));
	else if (conn->phase != DB_DRAINING || conn->in_flight > 0)
		return;
	else if (conn->renewal != NULL)
		db_lose(conn, conn->renewal);
	else /* db_renew wanted it, and the time-outs may agree again by now */
		db_replace(conn);
}
