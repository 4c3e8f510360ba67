/*
 * fuzz_jwt_text.c
 *		Any bytes, to the reader of a JSON Web Token's outside and to the writers
 *		of JSON.
 *
 * What it tests writes to memory of exactly the size that jwt_text.h and
 * json_text.h promise.
 */
#include "fuzz.h"

#include "../../extension/json_text.h"
#include "../../extension/jwt_text.h"

static bool
same(PatSlice a, PatSlice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* What decodes has one spelling: encoding gives the very characters. */
static void
check_decode(PatSlice text)
{
	uint8_t *bytes = malloc(PAT_BASE64URL_DECODED_MAX(text.len));
	int len = pat_base64url_decode(text, bytes);

	MUST(len >= -1 && len <= (int) PAT_BASE64URL_DECODED_MAX(text.len));
	if (len >= 0)
	{
		char *again = malloc(PAT_BASE64URL_LEN(len) + 1);

		pat_base64url_encode(bytes, len, again);
		MUST(same((PatSlice){again, PAT_BASE64URL_LEN(len)}, text));
		free(again);
	}
	free(bytes);
}

/* All bytes can be encoded, and come back. */
static void
check_encode(PatSlice bytes)
{
	size_t len = PAT_BASE64URL_LEN(bytes.len);
	char *text = malloc(len + (len == 0));
	uint8_t *again = malloc(PAT_BASE64URL_DECODED_MAX(len));
	int again_len;

	pat_base64url_encode((const uint8_t *) bytes.data, bytes.len, text);
	again_len = pat_base64url_decode((PatSlice){text, len}, again);
	MUST(again_len == (int) bytes.len);
	MUST(same((PatSlice){(char *) again, again_len}, bytes));
	free(again);
	free(text);
}

/* Three segments that lie side by side and fill the token. */
static void
check_split(PatSlice token)
{
	PatJwtSegments s;

	if (!pat_jwt_split(token, &s))
		return;
	MUST(s.header.data == token.data && s.header.len > 0);
	MUST(s.payload.data == s.header.data + s.header.len + 1 && s.payload.len > 0);
	MUST(s.signature.data == s.payload.data + s.payload.len + 1 && s.signature.len > 0);
	MUST(s.signature.data + s.signature.len == token.data + token.len);
	MUST(s.signed_part.data == token.data);
	MUST(s.signed_part.len + 1 + s.signature.len == token.len);
	MUST(memchr(s.header.data, '.', s.header.len) == NULL);
	MUST(memchr(s.payload.data, '.', s.payload.len) == NULL);
	MUST(memchr(s.signature.data, '.', s.signature.len) == NULL);
	check_decode(s.header);
	check_decode(s.payload);
	check_decode(s.signature);
}

static void
check_algorithm(PatSlice name)
{
	PatJwtAlgorithm algorithm = pat_jwt_algorithm(name);
	const char *written;
	int bits;

	if (algorithm == PAT_JWT_NO_ALGORITHM)
		return;
	written = pat_jwt_algorithm_name(algorithm);
	bits = pat_jwt_hash_bits(algorithm);
	MUST(same((PatSlice){written, strlen(written)}, name));
	MUST(bits == 256 || bits == 384 || bits == 512);
	MUST("HRE"[pat_jwt_family(algorithm)] == written[0]);
}

/* More brackets than are allowed are too many before anything; taking one away deepens nothing. */
static void
check_shallow(PatSlice json)
{
	size_t len = json.len + PAT_JWT_DEPTH_MAX + 1;
	char *deeper = malloc(len);

	memset(deeper, '[', PAT_JWT_DEPTH_MAX + 1);
	memcpy(deeper + PAT_JWT_DEPTH_MAX + 1, json.data, json.len);
	MUST(!pat_json_is_shallow((PatSlice){deeper, len}));
	if (pat_json_is_shallow((PatSlice){deeper + PAT_JWT_DEPTH_MAX, json.len + 1}))
		MUST(pat_json_is_shallow(json));
	free(deeper);
}

/* Escaped text holds no bare quote and no control character. */
static void
check_escape(PatSlice text)
{
	char *escaped = malloc(text.len * PAT_JSON_ESCAPE_MAX + 1);
	size_t len = pat_json_escape(escaped, text.data, text.len);

	MUST(len >= text.len && len <= text.len * PAT_JSON_ESCAPE_MAX);
	for (size_t i = 0; i < len; i++)
	{
		MUST((uint8_t) escaped[i] >= ' ' && escaped[i] != '"');
		if (escaped[i] == '\\')
			i++;
	}
	free(escaped);
}

static void
check_time(PatSlice text)
{
	static PatJsonDates dates;
	char time[PAT_JSON_TIME_LEN];
	int64_t microseconds = 0;

	memcpy(&microseconds, text.data, text.len < 8 ? text.len : 8);
	pat_json_time(time, microseconds, &dates);
	MUST(time[4] == '-' && time[10] == 'T' && time[19] == '.' && time[23] == 'Z');
	MUST(memcmp(time, "0001-", 5) >= 0 && memcmp(time, "9999-12-31T23:59:59.999Z", 24) <= 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = fuzz_copy(data, size);
	PatSlice text = {copy, size};

	check_decode(text);
	check_encode(text);
	check_split(text);
	check_algorithm(text);
	check_shallow(text);
	check_escape(text);
	check_time(text);
	free(copy);
	return 0;
}
