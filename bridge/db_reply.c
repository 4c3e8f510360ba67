/*
 * db_reply.c
 *		What a result says, and who holds it.
 *
 * A reply lies in the memory of its result, and ends with that.  All who hold it are in
 * one thread; what it takes is counted until the last of them frees it.
 */
#include "db_conn.h"

struct DbReply
{
	PGresult *result;
	LaneCounters *counters;
	size_t bytes;
	unsigned holders;
};

DbReply *
db_reply_of(PGresult *result, LaneCounters *counters)
{
	DbReply *reply = PQresultAlloc(result, sizeof(DbReply));

	if (reply == NULL)
	{
		PQclear(result);
		return NULL;
	}
	*reply = (DbReply){result, counters, PQresultMemorySize(result), 1};
	counter_add(&counters->reply_bytes, reply->bytes);
	return reply;
}

size_t
db_reply_bytes(const DbReply *reply)
{
	return reply != NULL ? reply->bytes : 0;
}

DbReply *
db_reply_hold(DbReply *reply)
{
	if (reply != NULL)
		reply->holders++;
	return reply;
}

void
db_reply_free(DbReply *reply)
{
	if (reply == NULL || --reply->holders > 0)
		return;
	counter_add(&reply->counters->reply_bytes, -(uint64_t) reply->bytes);
	PQclear(reply->result);
}

bool
db_reply_error(const DbReply *reply, DbError *error)
{
	const PGresult *result = reply != NULL ? reply->result : NULL;

	if (result == NULL || PQresultStatus(result) != PGRES_FATAL_ERROR)
		return false;
	error->sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	error->message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	error->detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
	return true;
}

const char *
db_reply_column(const DbReply *reply, int column, size_t *length)
{
	const PGresult *result = reply != NULL ? reply->result : NULL;

	if (PQntuples(result) != 1 || column >= PQnfields(result) || PQgetisnull(result, 0, column))
		return NULL;
	*length = (size_t) PQgetlength(result, 0, column);
	return PQgetvalue(result, 0, column);
}
