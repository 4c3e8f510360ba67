/*
 * account_json.c
 *		JSON of accounts and new tokens, for the functions written in SQL.
 *
 * Callable by the extension's owner only: the functions of the API that call
 * these have checked the caller.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "crypto.h"
#include "pats_json.h"
#include "storage/relations.h"
#include "storage/store.h"
#include "token_text.h"

PG_FUNCTION_INFO_V1(pat_service_account_json);
PG_FUNCTION_INFO_V1(pat_new_token_json);
PG_FUNCTION_INFO_V1(pat_count_unexpired_tokens);
PG_FUNCTION_INFO_V1(pat_id);

/* Unleash's picture of an account without e-mail: Gravatar's for the folded name. */
static void
append_image_url(StringInfo out, const PatAccount *account, const PatAccountDetails *details)
{
	char *ident = details->username == NULL ? psprintf("%d", account->id)
											: text_to_cstring(details->username);
	PatSlice folded;
	uint8 hash[PAT_HASH_LEN];

	ident = str_tolower(ident, strlen(ident), DEFAULT_COLLATION_OID);
	folded = pat_trim((PatSlice){ident, strlen(ident)});
	pat_sha256(folded.data, folded.len, hash);
	pat_append_literal(out, "\"https://gravatar.com/avatar/");
	for (int i = 0; i < PAT_HASH_LEN; i++)
		appendStringInfo(out, "%02x", hash[i]);
	pat_append_literal(out, "?s=42&d=retro&r=g\"");
}

static void
append_role(StringInfo out, const PatAccount *account)
{
	if (account->has_role)
		pat_append_int(out, account->root_role);
	else
		pat_append_literal(out, "null");
}

/* pat_service_account_json(account_id integer) returns json: Unleash's serviceAccountSchema */
Datum
pat_service_account_json(PG_FUNCTION_ARGS)
{
	int32 id = PG_GETARG_INT32(0);
	PatAccount account;
	PatAccountDetails details;
	PatLatest seen = {false, 0};
	StringInfoData tokens;
	StringInfoData out;

	pat_relations_use(fcinfo);
	if (!pat_find_account(id, &account, &details))
		PG_RETURN_NULL();
	initStringInfo(&tokens);
	pat_append_pat_array(&tokens, id, &seen);

	pat_json_begin(&out);
	pat_append_literal(&out, "{\"id\":");
	pat_append_int(&out, id);
	pat_append_literal(&out, ",\"name\":");
	pat_append_text(&out, details.name);
	pat_append_literal(&out, ",\"username\":");
	pat_append_text(&out, details.username);
	pat_append_literal(&out, ",\"rootRole\":");
	append_role(&out, &account);
	pat_append_literal(&out, ",\"imageUrl\":");
	append_image_url(&out, &account, &details);
	pat_append_literal(&out, ",\"createdAt\":");
	pat_append_time(&out, details.has_created_at, details.created_at);
	pat_append_literal(&out, ",\"seenAt\":");
	pat_append_time(&out, seen.known, seen.time);
	pat_append_literal(&out, ",\"tokens\":");
	appendBinaryStringInfo(&out, tokens.data, tokens.len);
	pat_append_literal(&out, "}");
	PG_RETURN_DATUM(pat_json_datum(&out));
}

/* pat_new_token_json(token_id integer, secret text) returns json: patSchema with secret */
Datum
pat_new_token_json(PG_FUNCTION_ARGS)
{
	PatToken token;
	StringInfoData out;

	pat_relations_use(fcinfo);
	if (!pat_find_token_by_id(PG_GETARG_INT32(0), &token))
		PG_RETURN_NULL();
	pat_json_begin(&out);
	pat_append_new_pat(&out, &token, PG_GETARG_TEXT_PP(1));
	PG_RETURN_DATUM(pat_json_datum(&out));
}

/*
 * pat_count_unexpired_tokens(account_id integer) returns integer.  Counts all
 * that is committed by now, whatever the transaction's isolation: the caller
 * holds the account's row lock, and a limit must not depend on an old snapshot.
 */
Datum
pat_count_unexpired_tokens(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	PatTokenScan scan;
	PatToken token;
	int32 count = 0;

	pat_relations_use(fcinfo);
	PushActiveSnapshot(GetLatestSnapshot());
	pat_token_scan_begin(&scan, PG_GETARG_INT32(0));
	while (pat_token_scan_next(&scan, &token))
		count += !token.has_expires_at || token.expires_at > now;
	pat_token_scan_end(&scan);
	PopActiveSnapshot();
	PG_RETURN_INT32(count);
}

/* pat_id(id text) returns integer: null unless it is a canonical positive decimal */
Datum
pat_id(PG_FUNCTION_ARGS)
{
	text *id = PG_GETARG_TEXT_PP(0);
	int32 value;

	if (!pat_parse_id(VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id), &value))
		PG_RETURN_NULL();
	PG_RETURN_INT32(value);
}
