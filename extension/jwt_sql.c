/*
 * jwt_sql.c
 *		pat_jwt_sign and pat_jwt_verify: pgjwt's API for those who mint and read
 *		tokens in SQL with a secret of their own.
 *
 * Byte for byte what pgjwt signs; what it lets through by mistake, this does
 * not.  Touches no table and no key of pat_jwt_key.
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "crypto.h"
#include "json_object.h"
#include "jwt_claims.h"
#include "jwt_text.h"

PG_FUNCTION_INFO_V1(pat_jwt_sign);
PG_FUNCTION_INFO_V1(pat_jwt_read);

static PatSlice
text_slice(const text *value)
{
	return (PatSlice){VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

/* In UTF-8, as pgjwt signs it. */
static PatSlice
utf8_slice(const text *value)
{
	PatSlice s = text_slice(value);
	char *utf8 = pg_server_to_any(s.data, (int) s.len, PG_UTF8);

	return utf8 == s.data ? s : (PatSlice){utf8, strlen(utf8)};
}

static PatJwtAlgorithm
hmac_algorithm(const text *name)
{
	PatJwtAlgorithm algorithm = pat_jwt_algorithm(text_slice(name));

	if (algorithm == PAT_JWT_NO_ALGORITHM || pat_jwt_family(algorithm) != PAT_JWT_HMAC)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("algorithm must be HS256, HS384 or HS512"), errhidestmt(true),
						errhidecontext(true)));
	return algorithm;
}

static char *
append_base64url(char *dst, const void *src, size_t len)
{
	pat_base64url_encode(src, len, dst);
	return dst + PAT_BASE64URL_LEN(len);
}

/* What pat_jwt_read cannot take for a payload is not signed. */
static void
check_payload(PatSlice payload, size_t token_len)
{
	PatJsonObject object;
	PatJwtTimes times;

	if (token_len > PAT_CREDENTIAL_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a JSON Web Token of %zu bytes is too long", token_len),
						errdetail("The limit is %d bytes.", PAT_CREDENTIAL_MAX), errhidestmt(true),
						errhidecontext(true)));
	if (!pat_json_object_parse(payload, &object))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("payload must be a JSON object that can be read as claims"),
			 errdetail("It has at most %d members, no name twice, is nested at most %d deep, and "
					   "each of its escapes stands for a character.",
					   PAT_JSON_MEMBERS_MAX, PAT_JWT_DEPTH_MAX),
			 errhidestmt(true), errhidecontext(true)));
	if (!pat_jwt_read_times(&object, &times))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("claims \"exp\", \"nbf\" and \"iat\" must be numbers"),
						errhidestmt(true), errhidecontext(true)));
}

/* pat_jwt_sign(payload json, secret text, algorithm text) returns text */
Datum
pat_jwt_sign(PG_FUNCTION_ARGS)
{
	PatSlice payload = utf8_slice(PG_GETARG_TEXT_PP(0));
	PatSlice secret = utf8_slice(PG_GETARG_TEXT_PP(1));
	PatJwtAlgorithm algorithm = hmac_algorithm(PG_GETARG_TEXT_PP(2));
	size_t mac_len = pat_jwt_hash_bits(algorithm) / 8;
	size_t token_len;
	char *header;
	uint8 mac[PAT_HMAC_MAX];
	text *token;
	char *end;

	header = psprintf("{\"alg\":\"%s\",\"typ\":\"JWT\"}", pat_jwt_algorithm_name(algorithm));
	token_len = PAT_BASE64URL_LEN(strlen(header)) + PAT_BASE64URL_LEN(payload.len) +
				PAT_BASE64URL_LEN(mac_len) + 2;
	check_payload(payload, token_len);
	token = palloc(VARHDRSZ + token_len);
	end = append_base64url(VARDATA(token), header, strlen(header));
	*end++ = '.';
	end = append_base64url(end, payload.data, payload.len);
	pat_hmac(pat_jwt_hash_bits(algorithm), secret.data, secret.len, VARDATA(token),
			 end - VARDATA(token), mac);
	*end++ = '.';
	end = append_base64url(end, mac, mac_len);
	SET_VARSIZE(token, end - (char *) token);
	PG_RETURN_TEXT_P(token);
}

/* The segment as JSON text and as an object; NULL where it is none. */
static text *
read_segment(PatSlice segment, PatJsonObject *object)
{
	uint8 *json = palloc(PAT_BASE64URL_DECODED_MAX(segment.len));
	int len = pat_base64url_decode(segment, json);
	char *server_text;

	if (len <= 0 || !pat_json_object_parse((PatSlice){(char *) json, len}, object))
		return NULL;
	server_text = pat_utf8_to_server(pnstrdup((char *) json, len), len);
	return server_text == NULL ? NULL : cstring_to_text(server_text);
}

static bool
hmac_fits(const PatJwtSegments *segments, PatSlice secret, PatJwtAlgorithm algorithm)
{
	uint8 *given = palloc(PAT_BASE64URL_DECODED_MAX(segments->signature.len));
	int mac_len = pat_jwt_hash_bits(algorithm) / 8;
	uint8 mac[PAT_HMAC_MAX];

	if (pat_base64url_decode(segments->signature, given) != mac_len)
		return false;
	pat_hmac(pat_jwt_hash_bits(algorithm), secret.data, secret.len, segments->signed_part.data,
			 segments->signed_part.len, mac);
	return pat_equal_bytes(given, mac, mac_len);
}

static bool
header_names(const PatJsonObject *header, PatJwtAlgorithm algorithm)
{
	const char *alg = pat_json_string(header, "alg");

	return alg != NULL && strcmp(alg, pat_jwt_algorithm_name(algorithm)) == 0 &&
		   pat_json_member(header, "crit") == NULL;
}

static bool
is_current(const PatJsonObject *payload)
{
	double now = pat_unix_seconds(GetCurrentStatementStartTimestamp());
	PatJwtTimes times;

	return pat_jwt_read_times(payload, &times) && pat_jwt_is_current(&times, now, 0);
}

/*
 * pat_jwt_read(token text, secret text, algorithm text), OUT header json,
 * payload json, valid boolean: whatever is wrong with the token makes valid
 * false, and what cannot be read null.
 */
Datum
pat_jwt_read(PG_FUNCTION_ARGS)
{
	PatSlice token = text_slice(PG_GETARG_TEXT_PP(0));
	PatSlice secret = utf8_slice(PG_GETARG_TEXT_PP(1));
	PatJwtAlgorithm algorithm = hmac_algorithm(PG_GETARG_TEXT_PP(2));
	PatJwtSegments segments;
	PatJsonObject header;
	PatJsonObject payload;
	text *header_text = NULL;
	text *payload_text = NULL;
	TupleDesc desc;
	Datum values[3];
	bool nulls[3] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "pat_jwt_read must return a row");
	if (token.len <= PAT_CREDENTIAL_MAX && pat_jwt_split(token, &segments))
	{
		header_text = read_segment(segments.header, &header);
		payload_text = read_segment(segments.payload, &payload);
	}
	values[0] = PointerGetDatum(header_text);
	nulls[0] = header_text == NULL;
	values[1] = PointerGetDatum(payload_text);
	nulls[1] = payload_text == NULL;
	values[2] = BoolGetDatum(header_text != NULL && payload_text != NULL &&
							 header_names(&header, algorithm) &&
							 hmac_fits(&segments, secret, algorithm) && is_current(&payload));
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}
