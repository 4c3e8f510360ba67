/*
 * answer.c
 *		The lists of list.c by functions that answer where those raise, for one
 *		request or for many at once.
 *
 * An answer is text: a line with the status, the name of a refusal, and the ids
 * of the caller once he is known ("200 7 12", "401 AuthenticationRequired",
 * "404 NotFoundError 7 12"; "-" for the token of a JWT), and behind it the JSON
 * or the message.  Since no request fails another one, the bridge puts all that
 * wait for a connection into one statement: what a statement costs is paid once.
 *
 * All requests of a statement are answered by one snapshot, at one time.  So who
 * sends the same header as the request before is the same caller, and is not
 * looked up again.  The scans that one request opens serve the next.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "caller.h"
#include "crypto.h"
#include "list.h"
#include "pats_json.h"
#include "refusal.h"
#include "storage/relations.h"
#include "stat.h"

PG_FUNCTION_INFO_V1(pat_answer_list_for_service_account);
PG_FUNCTION_INFO_V1(pat_answer_list);
PG_FUNCTION_INFO_V1(pat_answer_lists_for_service_account);
PG_FUNCTION_INFO_V1(pat_answer_lists);

/* Who asked before, and passed; the header is NULL if nobody did. */
typedef struct Known
{
	const text *header;
	PatCaller caller;
} Known;

/* An array of text, taken apart. */
typedef struct Texts
{
	int count;
	Datum *values;
	bool *nulls;
} Texts;

/* The requests of one statement; ids is empty where the callers ask for their own. */
typedef struct Batch
{
	Texts ids;
	Texts headers;
	Known known;
	PatOpenScans scans;
} Batch;

typedef const PatRefusal *(*CheckCaller)(const PatCaller *caller);

static const PatRefusal *
check_admin(const PatCaller *caller)
{
	return pat_check_permission(caller, PAT_PERMISSION_ADMIN);
}

static bool
is_known(const Known *known, const text *header)
{
	return known->header != NULL && header != NULL &&
		   VARSIZE_ANY_EXHDR(header) == VARSIZE_ANY_EXHDR(known->header) &&
		   pat_equal_bytes(VARDATA_ANY(header), VARDATA_ANY(known->header),
						   VARSIZE_ANY_EXHDR(header));
}

/* known->caller is the caller afterwards, refused or not. */
static const PatRefusal *
find_caller(const text *header, CheckCaller check, Known *known)
{
	const PatRefusal *refusal;

	if (is_known(known, header))
	{
		pat_count_again(&known->caller);
		return NULL;
	}
	refusal = pat_authenticate(header, &known->caller);
	if (refusal == NULL)
		refusal = check(&known->caller);
	known->header = refusal == NULL ? header : NULL;
	return refusal;
}

static Datum
answer(const PatRefusal *refusal, const PatCaller *caller, int32 account_id)
{
	StringInfoData out;

	pat_json_begin(&out);
	if (refusal != NULL)
	{
		pat_count_refusal(refusal->status);
		appendStringInfo(&out, "%d %s", refusal->status, refusal->name);
	}
	else
		pat_append_literal(&out, "200");
	if (caller->account.id != PAT_NO_ACCOUNT)
	{
		appendStringInfoCharMacro(&out, ' ');
		pat_append_caller(&out, caller);
	}
	appendStringInfoCharMacro(&out, '\n');
	if (refusal != NULL)
		appendStringInfoString(&out, refusal->message);
	else
		pat_append_pats(&out, account_id);
	return pat_json_datum(&out);
}

static Datum
answer_for_service_account(const text *id_text, const text *header, Known *known)
{
	const PatRefusal *refusal = find_caller(header, check_admin, known);
	int32 id = 0;

	if (refusal == NULL)
		refusal = pat_find_service_account(id_text, &id);
	return answer(refusal, &known->caller, id);
}

static Datum
answer_own(const text *header, Known *known)
{
	const PatRefusal *refusal = find_caller(header, pat_check_has_own, known);

	return answer(refusal, &known->caller, known->caller.account.id);
}

/* ---- one request -------------------------------------------------------- */

/* pat_answer_list_for_service_account(id text, caller_token text) */
Datum
pat_answer_list_for_service_account(PG_FUNCTION_ARGS)
{
	Known nobody = {.header = NULL};

	pat_relations_use(fcinfo);
	return answer_for_service_account(pat_text_arg(fcinfo, 0), pat_text_arg(fcinfo, 1), &nobody);
}

/* pat_answer_list(caller_token text) */
Datum
pat_answer_list(PG_FUNCTION_ARGS)
{
	Known nobody = {.header = NULL};

	pat_relations_use(fcinfo);
	return answer_own(pat_text_arg(fcinfo, 0), &nobody);
}

/* ---- many requests ------------------------------------------------------ */

static Texts
texts_arg(FunctionCallInfo fcinfo, int argno)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(argno);
	Texts texts;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("an array of requests must have one dimension"), errhidestmt(true),
						errhidecontext(true)));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &texts.values, &texts.nulls,
					  &texts.count);
	return texts;
}

static const text *
text_at(const Texts *texts, uint64 n)
{
	return texts->nulls[n] ? NULL : DatumGetTextPP(texts->values[n]);
}

static void
close_scans(Datum batch)
{
	pat_scans_close(&((Batch *) DatumGetPointer(batch))->scans);
}

static ExprContext *
statement_of(FunctionCallInfo fcinfo)
{
	return ((ReturnSetInfo *) fcinfo->resultinfo)->econtext;
}

/* In memory that lasts for the whole statement, and so do the arrays. */
static void
begin_batch(FunctionCallInfo fcinfo, FuncCallContext *context)
{
	MemoryContext caller_context = MemoryContextSwitchTo(context->multi_call_memory_ctx);
	Batch *batch = palloc0(sizeof(Batch));
	int last = PG_NARGS() - 1;

	batch->headers = texts_arg(fcinfo, last);
	if (last > 0)
		batch->ids = texts_arg(fcinfo, 0);
	if (last > 0 && batch->ids.count != batch->headers.count)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("there are %d ids and %d caller tokens", batch->ids.count,
							   batch->headers.count),
						errhidestmt(true), errhidecontext(true)));
	batch->scans.memory = CurrentMemoryContext;
	batch->scans.owner = CurrentResourceOwner;
	context->user_fctx = batch;
	context->max_calls = (uint64) batch->headers.count;
	MemoryContextSwitchTo(caller_context);
	/* For a statement that ends before all requests are answered, as by LIMIT. */
	RegisterExprContextCallback(statement_of(fcinfo), close_scans, PointerGetDatum(batch));
}

static void
end_batch(FunctionCallInfo fcinfo, Batch *batch)
{
	UnregisterExprContextCallback(statement_of(fcinfo), close_scans, PointerGetDatum(batch));
	close_scans(PointerGetDatum(batch));
}

typedef Datum (*AnswerNth)(Batch *batch, uint64 n);

static Datum
answer_keeping_scans(Batch *batch, uint64 n, AnswerNth answer_nth)
{
	volatile Datum row;

	pat_scans_keep(&batch->scans);
	PG_TRY();
	{
		row = answer_nth(batch, n);
	}
	PG_FINALLY();
	{
		pat_scans_keep(NULL);
	}
	PG_END_TRY();
	return row;
}

static Datum
answer_next(FunctionCallInfo fcinfo, AnswerNth answer_nth)
{
	FuncCallContext *context;
	Datum row;

	if (SRF_IS_FIRSTCALL())
	{
		pat_relations_use(fcinfo);
		begin_batch(fcinfo, SRF_FIRSTCALL_INIT());
	}
	context = SRF_PERCALL_SETUP();
	if (context->call_cntr >= context->max_calls)
	{
		end_batch(fcinfo, context->user_fctx);
		SRF_RETURN_DONE(context);
	}
	row = answer_keeping_scans(context->user_fctx, context->call_cntr, answer_nth);
	SRF_RETURN_NEXT(context, row);
}

static Datum
nth_for_service_account(Batch *batch, uint64 n)
{
	return answer_for_service_account(text_at(&batch->ids, n), text_at(&batch->headers, n),
									  &batch->known);
}

static Datum
nth_own(Batch *batch, uint64 n)
{
	return answer_own(text_at(&batch->headers, n), &batch->known);
}

/* pat_answer_list_for_service_account(ids text[], caller_tokens text[]) */
Datum
pat_answer_lists_for_service_account(PG_FUNCTION_ARGS)
{
	return answer_next(fcinfo, nth_for_service_account);
}

/* pat_answer_list(caller_tokens text[]) */
Datum
pat_answer_lists(PG_FUNCTION_ARGS)
{
	return answer_next(fcinfo, nth_own);
}
