/*
 * caller.c
 *		Who calls, and may they?  The only place where a credential is accepted.
 *
 * Owns nothing.  A token's text is hashed where it lies and never copied.
 * All that is wrong with a token has one answer, so that nobody can tell an
 * expired token from a made-up one.  Of the last caller the ids are kept, until
 * the transaction ends: the bridge asks for them, to log them.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "caller.h"
#include "jwt_caller.h"
#include "jwt_text.h"
#include "storage/relations.h"
#include "seen.h"
#include "stat.h"
#include "token_text.h"

/* Columns of pat_caller's row. */
enum
{
	CALLER_ACCOUNT_ID,
	CALLER_USERNAME,
	CALLER_IS_SERVICE,
	CALLER_PERMISSIONS,
	CALLER_TOKEN_ID,
	CALLER_EXPIRES_AT,
	CALLER_COLUMNS
};

/* Whom this transaction authenticated last. */
static struct
{
	LocalTransactionId transaction;
	int32 account_id;
	int32 token_id;
} last;

static bool
is_expired(const PatToken *token, TimestampTz now)
{
	return token->has_expires_at && token->expires_at <= now;
}

/* What is wrong with a credential: the count of such refusals. */
#define NOTHING_WRONG PAT_COUNTS

static PatCount
find_by_token(PatSlice credential, TimestampTz now, PatCaller *caller, PatAccountDetails *details)
{
	uint8 hash[PAT_HASH_LEN];

	if (pat_token_is_mistyped(credential))
		return PAT_MALFORMED_TOKEN;
	pat_sha256(credential.data, credential.len, hash);
	if (!pat_find_token_by_hash(hash, &caller->token))
		return PAT_UNKNOWN_TOKEN;
	if (is_expired(&caller->token, now))
		return PAT_EXPIRED_TOKEN;
	if (!pat_find_account(caller->token.account_id, &caller->account, details) ||
		caller->account.is_deleted)
		return PAT_DELETED_ACCOUNT;
	return NOTHING_WRONG;
}

static PatCount
find_by_jwt(PatSlice credential, const PatJwtSegments *segments, TimestampTz now, PatCaller *caller,
			PatAccountDetails *details)
{
	pat_count(PAT_JWT_CALLS);
	caller->token = (PatToken){.id = PAT_NO_TOKEN, .has_expires_at = true};
	if (!pat_jwt_find_account(credential, segments, now, &caller->account,
							  &caller->token.expires_at))
		return PAT_UNUSABLE_JWT;
	if (details != NULL)
		pat_find_account(caller->account.id, &caller->account, details);
	return NOTHING_WRONG;
}

static PatCount
find_by_credential(PatSlice credential, TimestampTz now, PatCaller *caller,
				   PatAccountDetails *details)
{
	PatJwtSegments segments;

	if (credential.len > PAT_CREDENTIAL_MAX)
		return PAT_MALFORMED_TOKEN;
	return pat_jwt_split(credential, &segments)
			   ? find_by_jwt(credential, &segments, now, caller, details)
			   : find_by_token(credential, now, caller, details);
}

/* What was found of somebody who is refused is forgotten. */
static void
note_caller(PatCaller *caller, bool found)
{
	if (!found)
		caller->account.id = PAT_NO_ACCOUNT;
	last.transaction = pat_local_transaction();
	last.account_id = caller->account.id;
	last.token_id = found ? caller->token.id : PAT_NO_TOKEN;
}

/* Does not note the use of the token.  details may be NULL. */
static const PatRefusal *
authenticate_at(TimestampTz now, const text *header, PatCaller *caller, PatAccountDetails *details)
{
	PatSlice credential = {NULL, 0};
	PatCount wrong;

	pat_count(PAT_CALLS);
	if (header != NULL)
		credential = pat_credential(VARDATA_ANY(header), VARSIZE_ANY_EXHDR(header));
	wrong = credential.len > 0 ? find_by_credential(credential, now, caller, details)
							   : PAT_MISSING_TOKEN;
	note_caller(caller, wrong == NOTHING_WRONG);
	if (wrong != NOTHING_WRONG)
	{
		pat_count(wrong);
		return credential.len == 0 ? &pat_no_credential : &pat_unauthenticated;
	}
	return NULL;
}

static void
note_use(const PatCaller *caller)
{
	if (caller->token.id != PAT_NO_TOKEN)
		pat_mark_seen(&caller->token);
}

static const PatRefusal *
authenticate(const text *header, PatCaller *caller, PatAccountDetails *details)
{
	const PatRefusal *refusal = authenticate_at(GetCurrentStatementStartTimestamp(), header, caller,
												details);

	if (refusal == NULL)
		note_use(caller);
	return refusal;
}

const PatRefusal *
pat_authenticate(const text *header, PatCaller *caller)
{
	return authenticate(header, caller, NULL);
}

void
pat_count_again(const PatCaller *caller)
{
	pat_count(PAT_CALLS);
	if (caller->token.id == PAT_NO_TOKEN)
		pat_count(PAT_JWT_CALLS);
}

const PatRefusal *
pat_check_permission(const PatCaller *caller, const char *permission)
{
	int32 role = caller->account.root_role;

	if (!caller->account.has_role)
		return pat_forbidden(permission);
	if (pat_role_has_permission(role, PAT_PERMISSION_ADMIN))
		return NULL;
	if (strcmp(permission, PAT_PERMISSION_ADMIN) != 0 && pat_role_has_permission(role, permission))
		return NULL;
	return pat_forbidden(permission);
}

static void
append_ids(StringInfo out, int32 account_id, int32 token_id)
{
	char digits[24];
	int length = pat_ltoa(account_id, digits);

	digits[length++] = ' ';
	if (token_id == PAT_NO_TOKEN)
		digits[length++] = '-';
	else
		length += pat_ltoa(token_id, digits + length);
	appendBinaryStringInfo(out, digits, length);
}

void
pat_append_caller(StringInfo out, const PatCaller *caller)
{
	append_ids(out, caller->account.id, caller->token.id);
}

/* pat_last_caller(): the ids of whom this transaction authenticated last, or NULL. */
PG_FUNCTION_INFO_V1(pat_last_caller);

Datum
pat_last_caller(PG_FUNCTION_ARGS)
{
	StringInfoData out;

	if (last.transaction != pat_local_transaction() || last.account_id == PAT_NO_ACCOUNT)
		PG_RETURN_NULL();
	initStringInfo(&out);
	append_ids(&out, last.account_id, last.token_id);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}

/* Columns of pat_authorize's row. */
enum
{
	AUTHORIZED_ACCOUNT_ID,
	AUTHORIZED_TOKEN_ID,
	AUTHORIZED_IS_SERVICE,
	AUTHORIZED_IS_SYSTEM,
	AUTHORIZED_COLUMNS
};

static TupleDesc
result_row(FunctionCallInfo fcinfo)
{
	TupleDesc desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "function must return a row");
	return BlessTupleDesc(desc);
}

/* Without a role: none. */
static ArrayType *
permissions_of(const PatAccount *account)
{
	return account->has_role ? pat_role_permissions(account->root_role)
							 : construct_empty_array(TEXTOID);
}

/* pat_caller(caller_token text): a row that tells other SQL who calls. */
PG_FUNCTION_INFO_V1(pat_caller);

Datum
pat_caller(PG_FUNCTION_ARGS)
{
	PatCaller caller;
	PatAccountDetails details = {0};
	TupleDesc desc;
	Datum values[CALLER_COLUMNS];
	bool nulls[CALLER_COLUMNS] = {false};

	pat_relations_use(fcinfo);
	desc = result_row(fcinfo);
	pat_raise_refusal(authenticate(pat_text_arg(fcinfo, 0), &caller, &details));

	values[CALLER_ACCOUNT_ID] = Int32GetDatum(caller.account.id);
	values[CALLER_USERNAME] = PointerGetDatum(details.username);
	nulls[CALLER_USERNAME] = details.username == NULL;
	values[CALLER_IS_SERVICE] = BoolGetDatum(caller.account.is_service);
	values[CALLER_PERMISSIONS] = PointerGetDatum(permissions_of(&caller.account));
	values[CALLER_TOKEN_ID] = Int32GetDatum(caller.token.id);
	nulls[CALLER_TOKEN_ID] = caller.token.id == PAT_NO_TOKEN;
	values[CALLER_EXPIRES_AT] = TimestampTzGetDatum(caller.token.expires_at);
	nulls[CALLER_EXPIRES_AT] = !caller.token.has_expires_at;
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

static Datum
authorized_row(TupleDesc desc, const PatCaller *caller)
{
	Datum values[AUTHORIZED_COLUMNS];
	bool nulls[AUTHORIZED_COLUMNS] = {false};

	values[AUTHORIZED_ACCOUNT_ID] = Int32GetDatum(caller->account.id);
	values[AUTHORIZED_TOKEN_ID] = Int32GetDatum(caller->token.id);
	nulls[AUTHORIZED_TOKEN_ID] = caller->token.id == PAT_NO_TOKEN;
	values[AUTHORIZED_IS_SERVICE] = BoolGetDatum(caller->account.is_service);
	values[AUTHORIZED_IS_SYSTEM] = BoolGetDatum(caller->account.is_system);
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

/* By what is committed now, which is the active snapshot, and by the clock. */
static void
require_permission(FunctionCallInfo fcinfo, PatCaller *caller)
{
	pat_raise_refusal(
		authenticate_at(GetCurrentTimestamp(), pat_text_arg(fcinfo, 0), caller, NULL));
	if (!PG_ARGISNULL(1))
		pat_raise_refusal(pat_check_permission(caller, text_to_cstring(PG_GETARG_TEXT_PP(1))));
}

/*
 * pat_authorize(credential text, permission text): the first act of the functions of the
 * API that change something and are written in SQL.  A null permission asks for none.
 *
 * A transaction could otherwise keep a token alive by its snapshot, and a statement by
 * its start, and go on minting with it after its revocation or its end.  The locks come
 * before all else, and the use of the token is noted at the end of the call, when it
 * waits for nothing any more (storage/relations.c gives the order of locks).
 */
PG_FUNCTION_INFO_V1(pat_authorize);

Datum
pat_authorize(PG_FUNCTION_ARGS)
{
	TupleDesc desc = result_row(fcinfo);
	PatCaller caller;

	pat_relations_use_for_change(fcinfo);
	PushActiveSnapshot(GetLatestSnapshot());
	require_permission(fcinfo, &caller);
	PopActiveSnapshot();
	PG_RETURN_DATUM(authorized_row(desc, &caller));
}

/*
 * pat_authorize_read(credential text, permission text): the same for functions in SQL
 * that only read.  Waits for no lock, and notes the use of the token.
 */
PG_FUNCTION_INFO_V1(pat_authorize_read);

Datum
pat_authorize_read(PG_FUNCTION_ARGS)
{
	TupleDesc desc = result_row(fcinfo);
	PatCaller caller;

	pat_relations_use(fcinfo);
	PushActiveSnapshot(GetLatestSnapshot());
	require_permission(fcinfo, &caller);
	note_use(&caller);
	PopActiveSnapshot();
	PG_RETURN_DATUM(authorized_row(desc, &caller));
}

/* pat_begin_change() returns void: the locks of pat_authorize for functions of the owner's. */
PG_FUNCTION_INFO_V1(pat_begin_change);

Datum
pat_begin_change(PG_FUNCTION_ARGS)
{
	pat_relations_use_for_change(fcinfo);
	PG_RETURN_VOID();
}

/* pat_token_used(token_id integer) returns void: at the end of a change, by its caller's token */
PG_FUNCTION_INFO_V1(pat_token_used);

Datum
pat_token_used(PG_FUNCTION_ARGS)
{
	PatToken token;

	pat_relations_use(fcinfo);
	PushActiveSnapshot(GetLatestSnapshot());
	if (pat_find_token_by_id(PG_GETARG_INT32(0), &token))
		pat_mark_seen(&token);
	PopActiveSnapshot();
	PG_RETURN_VOID();
}
