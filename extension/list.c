/*
 * list.c
 *		pat_list_for_service_account, the main job, and pat_list beside it; each
 *		as a function that raises and as one that answers.
 *
 * The order of the checks is the contract: 401, then 403, then 404.  Nothing
 * about the account asked for is read before the caller may know it.
 *
 * A function that answers returns text: a line with the status, the name of a
 * refusal, and the ids of the caller once he is known ("200 7 12",
 * "401 AuthenticationRequired", "404 NotFoundError 7 12"; "-" for the token of
 * a JWT), and behind it the JSON or the message.  Since it does not fail,
 * calls of it can share a transaction, and a flood of bad tokens neither aborts
 * any nor fills the server log.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "caller.h"
#include "compat.h"
#include "pats_json.h"
#include "refusal.h"
#include "relations.h"
#include "stat.h"
#include "store.h"
#include "token_text.h"

#define BIGINT_DIGITS_MAX 20 /* with the sign */

PG_FUNCTION_INFO_V1(pat_list_for_service_account);
PG_FUNCTION_INFO_V1(pat_list_for_service_account_bigint);
PG_FUNCTION_INFO_V1(pat_answer_list_for_service_account);
PG_FUNCTION_INFO_V1(pat_list);
PG_FUNCTION_INFO_V1(pat_answer_list);
PG_FUNCTION_INFO_V1(pat_service_account_id);

static PatSlice
text_arg(FunctionCallInfo fcinfo, int argno)
{
	text *value;

	if (PG_ARGISNULL(argno))
		return (PatSlice){"", 0};
	value = PG_GETARG_TEXT_PP(argno);
	return (PatSlice){VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

/* The id as a number; 404 unless a living service account has it. */
static const PatRefusal *
find_service_account(PatSlice text, int32 *id)
{
	PatAccount account;

	if (!pat_parse_id(text.data, text.len, id) || !pat_find_account(*id, &account, NULL) ||
		!account.is_service || account.is_deleted)
		return pat_no_service_account(text);
	return NULL;
}

static const PatRefusal *
check_admin(FunctionCallInfo fcinfo, int argno, PatCaller *caller)
{
	const PatRefusal *refusal = pat_authenticate(fcinfo, argno, caller);

	return refusal != NULL ? refusal : pat_check_permission(caller, PAT_PERMISSION_ADMIN);
}

/* Arguments: whatever names the account, caller_token. */
static const PatRefusal *
check_list_for_service_account(FunctionCallInfo fcinfo, PatSlice id_text, PatCaller *caller,
							   int32 *id)
{
	const PatRefusal *refusal = check_admin(fcinfo, 1, caller);

	return refusal != NULL ? refusal : find_service_account(id_text, id);
}

/* Arguments: caller_token. */
static const PatRefusal *
check_list(FunctionCallInfo fcinfo, PatCaller *caller)
{
	const PatRefusal *refusal = pat_authenticate(fcinfo, 0, caller);

	return refusal == NULL && caller->account.is_system ? &pat_no_user : refusal;
}

static Datum
list_or_raise(const PatRefusal *refusal, int32 account_id)
{
	StringInfoData out;

	pat_raise_refusal(refusal);
	pat_json_begin(&out);
	pat_append_pats(&out, account_id);
	return pat_json_datum(&out);
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

Datum
pat_list_for_service_account(PG_FUNCTION_ARGS)
{
	PatCaller caller;
	int32 id = 0;
	const PatRefusal *refusal = check_list_for_service_account(fcinfo, text_arg(fcinfo, 0), &caller,
															   &id);

	return list_or_raise(refusal, id);
}

Datum
pat_list_for_service_account_bigint(PG_FUNCTION_ARGS)
{
	char digits[BIGINT_DIGITS_MAX + 1];
	PatSlice id_text = {digits, 0};
	const PatRefusal *refusal;
	PatCaller caller;
	int32 id = 0;

	if (!PG_ARGISNULL(0))
		id_text.len = pat_lltoa(PG_GETARG_INT64(0), digits);
	refusal = check_list_for_service_account(fcinfo, id_text, &caller, &id);
	return list_or_raise(refusal, id);
}

Datum
pat_answer_list_for_service_account(PG_FUNCTION_ARGS)
{
	PatCaller caller;
	int32 id = 0;
	const PatRefusal *refusal = check_list_for_service_account(fcinfo, text_arg(fcinfo, 0), &caller,
															   &id);

	return answer(refusal, &caller, id);
}

/* pat_list(caller_token text): the caller's own tokens. */
Datum
pat_list(PG_FUNCTION_ARGS)
{
	PatCaller caller;
	const PatRefusal *refusal = check_list(fcinfo, &caller);

	return list_or_raise(refusal, caller.account.id);
}

Datum
pat_answer_list(PG_FUNCTION_ARGS)
{
	PatCaller caller;
	const PatRefusal *refusal = check_list(fcinfo, &caller);

	return answer(refusal, &caller, caller.account.id);
}

/* pat_service_account_id(id text) returns integer: for functions in SQL, after their checks. */
Datum
pat_service_account_id(PG_FUNCTION_ARGS)
{
	int32 id;

	pat_relations_use(fcinfo);
	pat_raise_refusal(find_service_account(text_arg(fcinfo, 0), &id));
	PG_RETURN_INT32(id);
}
