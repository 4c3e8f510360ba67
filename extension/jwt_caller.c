/*
 * jwt_caller.c
 *		Which account does a JSON Web Token speak for?
 *
 * The order is: header, key, signature, and only then the payload.  What a
 * token may do comes from its account's role; no claim but the subject counts.
 * A username may become another account's: by name, a token speaks only for an
 * account that bore the name when it was issued.
 * The system account is nobody's: its name, the same everywhere, must not make
 * an administrator of whom an issuer lets choose it.
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "json_integer.h"
#include "json_object.h"
#include "jwt_caller.h"
#include "jwt_claims.h"
#include "jwt_key.h"
#include "jwt_signature.h"
#include "storage/relations.h"
#include "settings.h"
#include "token_text.h"

PG_FUNCTION_INFO_V1(pat_jwt_account);

static bool
decode_object(PatSlice segment, PatJsonObject *object)
{
	uint8 *json = palloc(PAT_BASE64URL_DECODED_MAX(segment.len));
	int len = pat_base64url_decode(segment, json);

	return len > 0 && pat_json_object_parse((PatSlice){(char *) json, len}, object);
}

/* The key that the header asks for; NULL for a header that we do not serve. */
static const PatJwtKey *
find_key(PatSlice segment)
{
	PatJsonObject header;
	const char *algorithm;
	const char *kid;

	if (!decode_object(segment, &header) || pat_json_member(&header, "crit") != NULL)
		return NULL;
	algorithm = pat_json_string(&header, "alg");
	kid = pat_json_string(&header, "kid");
	if (algorithm == NULL || (kid == NULL && pat_json_member(&header, "kid") != NULL))
		return NULL;
	return pat_jwt_key_find(kid, pat_jwt_algorithm((PatSlice){algorithm, strlen(algorithm)}));
}

/* In the server's encoding; NULL where it has no such text. */
static const char *
server_text(const char *utf8)
{
	if (GetDatabaseEncoding() == PG_UTF8)
		return utf8;
	for (const char *c = utf8; *c != '\0'; c++)
		if (IS_HIGHBIT_SET(*c))
			return NULL;
	return utf8;
}

/* A number by its value, however it is spelled; text as ids are written. */
static bool
subject_id(const PatJsonMember *subject, int32 *id)
{
	PatSlice text = {subject->text, strlen(subject->text)};

	if (subject->type == PAT_JSON_NUMBER)
		return pat_json_number_to_int32(text, id) && *id > 0;
	return pat_parse_id(text.data, text.len, id);
}

/*
 * A number is an id.  Text is an id or a username; if it is the one for one
 * account and the other for another, it names nobody.  That the other has been
 * deleted changes nothing: its tokens must not become the first one's.
 */
static bool
find_subject(const PatJsonMember *subject, PatAccount *account, bool *by_username)
{
	const char *username;
	bool by_id;
	int32 id;

	if (subject == NULL || (subject->type != PAT_JSON_STRING && subject->type != PAT_JSON_NUMBER))
		return false;
	by_id = subject_id(subject, &id) && pat_find_account(id, account, NULL);
	username = subject->type == PAT_JSON_STRING ? server_text(subject->text) : NULL;
	*by_username = !by_id;
	if (by_id)
		return username == NULL || !pat_username_is_of_another(username, id);
	return username != NULL && pat_find_account_by_username(username, account);
}

/*
 * An id is never given twice, so by id iat only has to hold where it is there.
 * It is often cut to a second, within which the account may have been created;
 * a name that was another's before leaves no room for that.
 */
static bool
is_issued_to(const PatJwtTimes *times, const PatAccount *account, bool by_username)
{
	double created = floor(pat_unix_seconds(account->created_at));
	double named = Max(created, pat_unix_seconds(account->username_since));

	if (!by_username)
		return !times->has_issued_at || pat_jwt_is_issued_since(times, created, pat_jwt_leeway);
	return pat_jwt_is_issued_since(times, named, pat_jwt_leeway);
}

static bool
claims_hold(const PatJsonObject *payload, const PatJwtKey *key, TimestampTz now, PatJwtTimes *times)
{
	double seconds = pat_unix_seconds(now);

	return pat_jwt_read_times(payload, times) && times->has_expiry &&
		   pat_jwt_is_current(times, seconds, pat_jwt_leeway) &&
		   pat_jwt_is_issued(times, seconds, pat_jwt_leeway) &&
		   pat_jwt_is_from(payload, key->issuer) && pat_jwt_is_for(payload, key->audience);
}

static bool
find_account(const PatJsonObject *payload, const PatJwtKey *key, const PatJwtTimes *times,
			 PatAccount *account)
{
	bool by_username;

	return find_subject(pat_json_member(payload, key->subject_claim), account, &by_username) &&
		   !account->is_deleted && !account->is_system && is_issued_to(times, account, by_username);
}

bool
pat_jwt_find_account(PatSlice token, const PatJwtSegments *segments, TimestampTz now,
					 PatAccount *account, TimestampTz *expires_at)
{
	uint8 *signature = palloc(PAT_BASE64URL_DECODED_MAX(segments->signature.len));
	const PatJwtKey *key = find_key(segments->header);
	PatJsonObject payload;
	PatJwtTimes times;

	if (key == NULL || pat_base64url_decode(segments->signature, signature) <= 0 ||
		!pat_jwt_signature_fits(token, key->algorithm, key->key, key->key_len) ||
		!decode_object(segments->payload, &payload) || !claims_hold(&payload, key, now, &times) ||
		!find_account(&payload, key, &times, account))
		return false;
	*expires_at = pat_time_of_unix_seconds(times.expiry);
	return true;
}

/* pat_jwt_account(token text, at timestamptz) returns integer: null if it speaks for nobody then */
Datum
pat_jwt_account(PG_FUNCTION_ARGS)
{
	text *arg = PG_GETARG_TEXT_PP(0);
	PatSlice token = {VARDATA_ANY(arg), VARSIZE_ANY_EXHDR(arg)};
	PatJwtSegments segments;
	PatAccount account;
	TimestampTz expires_at;

	pat_relations_use(fcinfo);
	if (token.len > PAT_CREDENTIAL_MAX || !pat_jwt_split(token, &segments) ||
		!pat_jwt_find_account(token, &segments, PG_GETARG_TIMESTAMPTZ(1), &account, &expires_at))
		PG_RETURN_NULL();
	PG_RETURN_INT32(account.id);
}
