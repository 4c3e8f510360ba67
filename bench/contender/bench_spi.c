/*
 * bench_spi.c
 *		The list as one writes it in C without looking below SPI: saved plans, kept for
 *		the life of the backend and made once for all parameters, and the JSON put
 *		together by hand.
 *
 * A contender of the benchmark, not part of the product.  It does what
 * pat_list_for_service_account does for an opaque token of an administrator and
 * prints the same bytes; all that is refused is one plain error.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/timestamp.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(bench_list_spi);

enum
{
	COLUMN_ID = 1,
	COLUMN_DESCRIPTION,
	COLUMN_EXPIRES_AT,
	COLUMN_CREATED_AT,
	COLUMN_SEEN_AT
};

static SPIPlanPtr caller_plan;
static SPIPlanPtr seen_plan;
static SPIPlanPtr account_plan;
static SPIPlanPtr tokens_plan;

static void
prepare(SPIPlanPtr *plan, const char *sql, Oid type)
{
	if (*plan != NULL)
		return;
	*plan = SPI_prepare_cursor(sql, 1, &type, CURSOR_OPT_GENERIC_PLAN);
	if (*plan == NULL || SPI_keepplan(*plan) != 0)
		elog(ERROR, "could not prepare: %s", SPI_result_code_string(SPI_result));
}

static void
prepare_all(void)
{
	prepare(&caller_plan,
			"SELECT t.id, t.seen_at IS NULL OR t.seen_at < statement_timestamp() - interval '1 min'"
			" FROM pat_token t JOIN pat_account a ON a.id = t.account_id"
			" WHERE t.secret_hash = sha256($1::bytea) AND a.deleted_at IS NULL"
			" AND (t.expires_at IS NULL OR t.expires_at > statement_timestamp())"
			" AND EXISTS (SELECT FROM pat_role_permission p"
			" WHERE p.role_id = a.root_role AND p.permission = 'ADMIN')",
			BYTEAOID);
	prepare(&seen_plan, "UPDATE pat_token SET seen_at = statement_timestamp() WHERE id = $1",
			INT4OID);
	prepare(&account_plan,
			"SELECT FROM pat_account WHERE id = $1 AND is_service AND deleted_at IS NULL", INT4OID);
	prepare(&tokens_plan,
			"SELECT id, description, expires_at, created_at, seen_at FROM pat_token"
			" WHERE account_id = $1 ORDER BY id",
			INT4OID);
}

static void
execute(SPIPlanPtr plan, Datum argument, bool read_only)
{
	if (SPI_execute_plan(plan, &argument, NULL, read_only, 0) < 0)
		elog(ERROR, "could not execute: %s", SPI_result_code_string(SPI_result));
}

static Datum
column(uint64 row, int number, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number, isnull);
}

static void
authenticate(text *token)
{
	bool isnull;

	execute(caller_plan, PointerGetDatum(token), true);
	if (SPI_processed != 1)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("caller refused")));
	if (DatumGetBool(column(0, 2, &isnull)))
		execute(seen_plan, column(0, 1, &isnull), false);
}

static char *
put_digits(char *out, int number, int digits, char behind)
{
	for (int i = digits - 1; i >= 0; i--, number /= 10)
		out[i] = '0' + number % 10;
	out[digits] = behind;
	return out + digits + 1;
}

static void
append_time(StringInfo out, uint64 row, int number)
{
	char text[32] = "\"";
	char *end = text + 1;
	bool isnull;
	TimestampTz time = DatumGetTimestampTz(column(row, number, &isnull));
	struct pg_tm tm;
	fsec_t fsec;

	if (isnull)
		appendStringInfoString(out, "null");
	else if (timestamp2tm(time, NULL, &tm, &fsec, NULL, NULL) != 0)
		elog(ERROR, "time out of range");
	else
	{
		end = put_digits(end, tm.tm_year, 4, '-');
		end = put_digits(end, tm.tm_mon, 2, '-');
		end = put_digits(end, tm.tm_mday, 2, 'T');
		end = put_digits(end, tm.tm_hour, 2, ':');
		end = put_digits(end, tm.tm_min, 2, ':');
		end = put_digits(end, tm.tm_sec, 2, '.');
		end = put_digits(end, fsec / 1000, 3, 'Z');
		*end++ = '"';
		appendBinaryStringInfo(out, text, end - text);
	}
}

static void
append_token(StringInfo out, uint64 row, int32 account_id)
{
	bool isnull;

	appendStringInfo(out, "%s{\"id\":%d,\"description\":", row == 0 ? "" : ",",
					 DatumGetInt32(column(row, COLUMN_ID, &isnull)));
	escape_json(out, TextDatumGetCString(column(row, COLUMN_DESCRIPTION, &isnull)));
	appendStringInfoString(out, ",\"expiresAt\":");
	append_time(out, row, COLUMN_EXPIRES_AT);
	appendStringInfo(out, ",\"userId\":%d,\"createdAt\":", account_id);
	append_time(out, row, COLUMN_CREATED_AT);
	appendStringInfoString(out, ",\"seenAt\":");
	append_time(out, row, COLUMN_SEEN_AT);
	appendStringInfoChar(out, '}');
}

/* bench_list_spi(id text, caller_token text) returns json */
Datum
bench_list_spi(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	int32 account_id = pg_strtoint32(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	StringInfoData out;
	text *result;

	SPI_connect();
	prepare_all();
	authenticate(PG_GETARG_TEXT_PP(1));
	execute(account_plan, Int32GetDatum(account_id), true);
	if (SPI_processed != 1)
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND), errmsg("no such service account")));
	execute(tokens_plan, Int32GetDatum(account_id), true);

	initStringInfo(&out);
	appendStringInfoString(&out, "{\"pats\":[");
	for (uint64 row = 0; row < SPI_processed; row++)
		append_token(&out, row, account_id);
	appendStringInfoString(&out, "]}");

	MemoryContextSwitchTo(context);
	result = cstring_to_text_with_len(out.data, out.len);
	SPI_finish();
	PG_RETURN_TEXT_P(result);
}
