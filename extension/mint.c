/*
 * mint.c
 *		The primitives that SQL functions make tokens of: new text, its hash,
 *		its sealed form.
 *
 * Callable by the extension's owner only.  Nothing here touches a table.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "compat.h"
#include "crypto.h"
#include "jwt_text.h"
#include "key_file.h"
#include "token_text.h"

PG_FUNCTION_INFO_V1(pat_new_token_text);
PG_FUNCTION_INFO_V1(pat_token_hash);
PG_FUNCTION_INFO_V1(pat_token_seal);
PG_FUNCTION_INFO_V1(pat_token_is_usable);

/* pat_new_token_text(is_admin_token boolean) returns text */
Datum
pat_new_token_text(PG_FUNCTION_ARGS)
{
	const char *prefix = PG_GETARG_BOOL(0) ? PAT_TOKEN_PREFIX_ADMIN : PAT_TOKEN_PREFIX_USER;
	uint8 random[PAT_TOKEN_RANDOM_BYTES];
	text *token = palloc(VARHDRSZ + PAT_TOKEN_OWN_MAX);

	if (!pg_strong_random(random, sizeof(random)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate a token")));
	SET_VARSIZE(token, VARHDRSZ + pat_token_write(VARDATA(token), prefix, random));
	explicit_bzero(random, sizeof(random));
	PG_RETURN_TEXT_P(token);
}

/* pat_token_hash(token text) returns bytea */
Datum
pat_token_hash(PG_FUNCTION_ARGS)
{
	text *token = PG_GETARG_TEXT_PP(0);
	bytea *hash = palloc(VARHDRSZ + PAT_HASH_LEN);

	SET_VARSIZE(hash, VARHDRSZ + PAT_HASH_LEN);
	pat_sha256(VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token), (uint8 *) VARDATA(hash));
	PG_RETURN_BYTEA_P(hash);
}

/*
 * pat_token_seal(token_id integer, account_id integer, token text) returns
 * bytea, null where sealed storage is off
 */
Datum
pat_token_seal(PG_FUNCTION_ARGS)
{
	text *token = PG_GETARG_TEXT_PP(2);
	size_t len = VARSIZE_ANY_EXHDR(token);
	uint8 hash[PAT_HASH_LEN];
	PatSealedRow row = {PG_GETARG_INT32(0), PG_GETARG_INT32(1), hash};
	bytea *sealed;

	if (!pat_key_file_ready(ERROR))
		PG_RETURN_NULL();
	pat_sha256(VARDATA_ANY(token), len, hash);
	sealed = palloc(VARHDRSZ + len + PAT_SEAL_OVERHEAD);
	SET_VARSIZE(sealed, VARHDRSZ + len + PAT_SEAL_OVERHEAD);
	pat_seal(&row, VARDATA_ANY(token), len, (uint8 *) VARDATA(sealed));
	PG_RETURN_BYTEA_P(sealed);
}

/*
 * pat_token_is_usable(token text) returns boolean: would this text, sent as a
 * credential, be looked up as it stands?
 */
Datum
pat_token_is_usable(PG_FUNCTION_ARGS)
{
	text *token = PG_GETARG_TEXT_PP(0);
	PatSlice whole = {VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token)};
	PatJwtSegments segments;

	PG_RETURN_BOOL(pat_token_is_sendable(whole) && !pat_jwt_split(whole, &segments));
}
