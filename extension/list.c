/*
 * list.c
 *		pat_list_for_service_account, the main job, and pat_list beside it: the
 *		functions that raise.  Those that answer are in answer.c.
 *
 * The order of the checks is the contract: 401, then 403, then 404.  Nothing
 * about the account asked for is read before the caller may know it.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "compat.h"
#include "list.h"
#include "pats_json.h"
#include "storage/relations.h"
#include "storage/store.h"
#include "token_text.h"

#define BIGINT_DIGITS_MAX 20 /* with the sign */

PG_FUNCTION_INFO_V1(pat_list_for_service_account);
PG_FUNCTION_INFO_V1(pat_list_for_service_account_bigint);
PG_FUNCTION_INFO_V1(pat_list);
PG_FUNCTION_INFO_V1(pat_service_account_id);

static const PatRefusal *
find_service_account(PatSlice text, int32 *id)
{
	PatAccount account;

	if (!pat_parse_id(text.data, text.len, id) || !pat_find_account(*id, &account, NULL) ||
		!account.is_service || account.is_deleted)
		return pat_no_service_account(text);
	return NULL;
}

const PatRefusal *
pat_find_service_account(const text *id_text, int32 *id)
{
	PatSlice slice = {"", 0};

	if (id_text != NULL)
		slice = (PatSlice){VARDATA_ANY(id_text), VARSIZE_ANY_EXHDR(id_text)};
	return find_service_account(slice, id);
}

const PatRefusal *
pat_check_has_own(const PatCaller *caller)
{
	return caller->account.is_system ? &pat_no_user : NULL;
}

/* Argument 1: caller_token. */
static void
require_admin(FunctionCallInfo fcinfo)
{
	PatCaller caller;

	pat_relations_use(fcinfo);
	pat_raise_refusal(pat_authenticate(pat_text_arg(fcinfo, 1), &caller));
	pat_raise_refusal(pat_check_permission(&caller, PAT_PERMISSION_ADMIN));
}

static Datum
list_of(int32 account_id)
{
	StringInfoData out;

	pat_json_begin(&out);
	pat_append_pats(&out, account_id);
	return pat_json_datum(&out);
}

/* pat_list_for_service_account(id text, caller_token text) */
Datum
pat_list_for_service_account(PG_FUNCTION_ARGS)
{
	int32 id;

	require_admin(fcinfo);
	pat_raise_refusal(pat_find_service_account(pat_text_arg(fcinfo, 0), &id));
	return list_of(id);
}

/* pat_list_for_service_account(id bigint, caller_token text) */
Datum
pat_list_for_service_account_bigint(PG_FUNCTION_ARGS)
{
	char digits[BIGINT_DIGITS_MAX + 1];
	PatSlice id_text = {digits, 0};
	int32 id;

	if (!PG_ARGISNULL(0))
		id_text.len = pat_lltoa(PG_GETARG_INT64(0), digits);
	require_admin(fcinfo);
	pat_raise_refusal(find_service_account(id_text, &id));
	return list_of(id);
}

/* pat_list(caller_token text): the caller's own tokens. */
Datum
pat_list(PG_FUNCTION_ARGS)
{
	PatCaller caller;

	pat_relations_use(fcinfo);
	pat_raise_refusal(pat_authenticate(pat_text_arg(fcinfo, 0), &caller));
	pat_raise_refusal(pat_check_has_own(&caller));
	return list_of(caller.account.id);
}

/* pat_service_account_id(id text) returns integer: for functions in SQL, after their checks. */
Datum
pat_service_account_id(PG_FUNCTION_ARGS)
{
	int32 id;

	pat_relations_use(fcinfo);
	pat_raise_refusal(pat_find_service_account(pat_text_arg(fcinfo, 0), &id));
	PG_RETURN_INT32(id);
}
