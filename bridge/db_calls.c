/*
 * db_calls.c
 *		Sending statements down the pipeline: one call, or a batch of them.
 *
 * Each statement has a Sync of its own, and so is a transaction.  A batch has its
 * parameters as arrays, which are wiped once libpq has its copy of them: they
 * hold tokens.
 */
#include "db_conn.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "text_array.h"

/* libpq 17 can leave the Sync in its buffer until the flush after all that is sent. */
#ifdef LIBPQ_HAS_SEND_PIPELINE_SYNC
#define send_sync PQsendPipelineSync
#else
#define send_sync PQpipelineSync
#endif

/* Parameters as libpq takes them. */
typedef struct Params
{
	const char *values[CALL_MAX_PARAMS];
	int lengths[CALL_MAX_PARAMS];
	int formats[CALL_MAX_PARAMS];
} Params;

/* How much the latest of the times it took to send counts: a quarter. */
#define SEND_SHARE 4

#define FORMAT_TEXT   0
#define FORMAT_BINARY 1

static void
push_item(DbConn *conn, const Call *call, unsigned count, bool prepares)
{
	DbItem *item = &conn->items[(conn->first + conn->in_flight) % DB_MAX_DEPTH];

	if (conn->in_flight == 0)
		conn->progress = clock_coarse_us();
	item->prepares = prepares ? (unsigned char) call->id : CALL_MAX;
	item->by_row = call_shape_batches(call->shape);
	item->calls = item->open = (unsigned short) count;
	conn->in_flight++;
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

/* Answers are text in either format; in binary the server need not look for their end. */
static int
result_format(const Call *call)
{
	return call->shape == CALL_ANSWER ? FORMAT_BINARY : FORMAT_TEXT;
}

/* Parse, Bind and Execute: the next transaction may find another server behind the pooler. */
static bool
send_unprepared(DbConn *conn, const Call *call, const Params *params)
{
	const char *sql = statement(conn, call);

	return sql != NULL &&
		   PQsendQueryParams(conn->pg, sql, call->nparams, NULL, params->values, params->lengths,
							 params->formats, result_format(call)) == 1;
}

/* Bind and Execute. */
static bool
send_execute(DbConn *conn, const Call *call, const Params *params)
{
	if (conn->settings->pooled)
		return send_unprepared(conn, call, params);
	return PQsendQueryPrepared(conn->pg, call->function, call->nparams, params->values,
							   params->lengths, params->formats, result_format(call)) == 1;
}

static bool
send_one(DbConn *conn, const Call *call, const char *const *request)
{
	Params params = {0};

	for (int i = 0; i < call->nparams; i++)
		params.values[i] = request[i];
	return send_execute(conn, call, &params);
}

/* The parameters that stand at one place in all requests. */
static void
gather(const char **texts, const char *const *const *requests, unsigned count, int param)
{
	for (unsigned i = 0; i < count; i++)
		texts[i] = requests[i][param];
}

static size_t
arrays_size(const Call *call, const char *const *const *requests, unsigned count)
{
	const char *texts[DB_MAX_BATCH];
	size_t size = 0;

	for (int i = 0; i < call->nparams; i++)
	{
		gather(texts, requests, count, i);
		size += text_array_size(texts, count);
	}
	return size;
}

static void
write_arrays(Params *params, char *memory, const Call *call, const char *const *const *requests,
			 unsigned count)
{
	const char *texts[DB_MAX_BATCH];

	for (int i = 0; i < call->nparams; i++)
	{
		char *end;

		gather(texts, requests, count, i);
		end = text_array_write(memory, texts, count);
		params->values[i] = memory;
		params->lengths[i] = (int) (end - memory);
		params->formats[i] = FORMAT_BINARY;
		memory = end;
	}
}

static bool
send_many(DbConn *conn, const Call *call, const char *const *const *requests, unsigned count)
{
	size_t size = arrays_size(call, requests, count);
	char *memory = malloc(size);
	Params params;
	bool sent;

	if (memory == NULL)
		return false;
	write_arrays(&params, memory, call, requests, count);
	sent = send_execute(conn, call, &params);
	explicit_bzero(memory, size);
	free(memory);
	return sent;
}

static bool
send_statement(DbConn *conn, const Call *call, const char *const *const *requests, unsigned count)
{
	bool prepares = !conn->settings->pooled && !conn->prepared[call->id];

	if (prepares && !send_prepare(conn, call))
		return false;
	conn->prepared[call->id] = true;
	push_item(conn, call, count, prepares);
	if (!call_shape_batches(call->shape))
		return send_one(conn, call, requests[0]) && send_sync(conn->pg) == 1;
	return send_many(conn, call, requests, count) && send_sync(conn->pg) == 1 &&
		   db_flush_and_watch(conn);
}

bool
db_send(DbConn *conn, const Call *call, const char *const *const *requests, unsigned count)
{
	int64_t started = clock_us();

	if (!db_send_in_ascii(conn, call, requests, count, send_statement))
	{
		db_lose(conn, db_pg_message(conn));
		return false;
	}
	conn->send_us += (clock_us() - started - conn->send_us) / SEND_SHARE;
	return true;
}

int64_t
db_send_us(const DbConn *conn)
{
	return conn->send_us;
}

void
db_flush(DbConn *conn)
{
	if (conn->in_flight > 0 && !db_flush_and_watch(conn))
		db_lose(conn, db_pg_message(conn));
}
