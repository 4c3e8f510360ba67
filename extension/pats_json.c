/*
 * pats_json.c
 *		Writing tokens as Unleash's patSchema and patsSchema.
 *
 * The hot path: rows go straight from the index scan into one buffer, which
 * becomes the result without a copy.  Order and form of the properties are
 * part of the contract (design: bytes are stable).
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "compat.h"
#include "crypto.h"
#include "json_text.h"
#include "key_file.h"
#include "pats_json.h"

#define JSON_ROOM_AT_FIRST 2048
#define INT_ROOM           12 /* with a sign, and the NUL that is written behind it */
#define TIME_ROOM          (PAT_JSON_TIME_LEN + 2)

/*
 * A text that outgrows this room gets that of a long list at once.  It is copied less often,
 * and memory that is not written costs nothing; and the C library, which keeps twice as much
 * freed memory as the largest piece was that it has got back, then keeps what all of an
 * answer's buffers take, for the next one.
 */
#define SHORT_ROOM (32 * 1024)
#define LONG_ROOM  (512 * 1024)

/* All of a token's JSON but its texts. */
#define TOKEN_ROOM 256

/* Room is made once for many pieces; then each is put at the end. */
#define put_literal(end, literal) \
	(memcpy(end, literal, sizeof(literal) - 1), (end) + sizeof(literal) - 1)

static PatJsonDates dates; /* of this session */

static char *
reserve(StringInfo out, size_t needed)
{
	if (needed >= MaxAllocSize)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a text is too long to be written as JSON"), errhidestmt(true),
						errhidecontext(true)));
	if (out->maxlen >= SHORT_ROOM && out->len + needed >= (size_t) out->maxlen)
		needed = Max(needed, LONG_ROOM);
	enlargeStringInfo(out, (int) needed);
	return out->data + out->len;
}

static void
advance(StringInfo out, const char *end)
{
	out->len = (int) (end - out->data);
}

static inline size_t
escaped_room(size_t len)
{
	return len * PAT_JSON_ESCAPE_MAX + sizeof("null");
}

static inline size_t
text_room(const text *value)
{
	return escaped_room(value == NULL ? 0 : VARSIZE_ANY_EXHDR(value));
}

static char *
put_int(char *end, int32 value)
{
	return end + pat_ltoa(value, end);
}

static char *
put_escaped(char *end, const char *data, size_t len)
{
	*end++ = '"';
	end += pat_json_escape(end, data, len);
	*end++ = '"';
	return end;
}

static char *
put_text(char *end, const text *value)
{
	if (value == NULL)
		return put_literal(end, "null");
	return put_escaped(end, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

static char *
put_time(char *end, bool present, TimestampTz value)
{
	if (!present)
		return put_literal(end, "null");
	*end++ = '"';
	pat_json_time(end, value, &dates);
	end += PAT_JSON_TIME_LEN;
	*end++ = '"';
	return end;
}

void
pat_json_begin(StringInfo out)
{
	initStringInfo(out);
	enlargeStringInfo(out, JSON_ROOM_AT_FIRST);
	out->len = VARHDRSZ;
}

Datum
pat_json_datum(StringInfo out)
{
	SET_VARSIZE(out->data, out->len);
	return PointerGetDatum(out->data);
}

void
pat_append_int(StringInfo out, int32 value)
{
	advance(out, put_int(reserve(out, INT_ROOM), value));
}

void
pat_append_text(StringInfo out, const text *value)
{
	advance(out, put_text(reserve(out, text_room(value)), value));
}

void
pat_append_time(StringInfo out, bool present, TimestampTz value)
{
	advance(out, put_time(reserve(out, TIME_ROOM), present, value));
}

/* The sealed text of a row, if it can be opened; in memory for the caller to wipe and free. */
static char *
open_secret(const PatToken *token, size_t *len)
{
	PatSealedRow row;
	size_t sealed_len;
	char *secret;

	if (token->sealed == NULL || token->hash == NULL ||
		VARSIZE_ANY_EXHDR(token->hash) != PAT_HASH_LEN || !pat_key_file_ready(LOG_SERVER_ONLY))
		return NULL;
	row = (PatSealedRow){token->id, token->account_id, (const uint8 *) VARDATA_ANY(token->hash)};
	sealed_len = VARSIZE_ANY_EXHDR(token->sealed);
	secret = palloc(sealed_len);
	if (pat_unseal(&row, (const uint8 *) VARDATA_ANY(token->sealed), sealed_len, secret))
	{
		*len = sealed_len - PAT_SEAL_OVERHEAD;
		return secret;
	}
	explicit_bzero(secret, sealed_len);
	pfree(secret);
	return NULL;
}

static void
append_secret(StringInfo out, const PatToken *token)
{
	size_t len;
	char *secret = open_secret(token, &len);

	if (secret == NULL)
		return;
	pat_append_literal(out, ",\"secret\":");
	advance(out, put_escaped(reserve(out, escaped_room(len)), secret, len));
	explicit_bzero(secret, len);
	pfree(secret);
}

/* From ,"description" on: what the schemas of one token and of many share. */
static char *
put_properties(char *end, const PatToken *token)
{
	end = put_literal(end, ",\"description\":");
	end = put_text(end, token->description);
	end = put_literal(end, ",\"expiresAt\":");
	end = put_time(end, token->has_expires_at, token->expires_at);
	end = put_literal(end, ",\"userId\":");
	end = put_int(end, token->account_id);
	end = put_literal(end, ",\"createdAt\":");
	end = put_time(end, token->has_created_at, token->created_at);
	end = put_literal(end, ",\"seenAt\":");
	return put_time(end, token->has_seen_at, token->seen_at);
}

static char *
put_id(char *end, const PatToken *token)
{
	end = put_literal(end, "{\"id\":");
	return put_int(end, token->id);
}

/* One room for all of a token; a secret, which few have, makes its own between the parts. */
static void
append_pat(StringInfo out, const PatToken *token)
{
	size_t room = TOKEN_ROOM + text_room(token->description);
	char *end = put_id(reserve(out, room), token);

	if (token->sealed != NULL)
	{
		advance(out, end);
		append_secret(out, token);
		end = reserve(out, room);
	}
	end = put_properties(end, token);
	*end++ = '}';
	advance(out, end);
}

void
pat_append_pat_array(StringInfo out, int32 account_id, PatLatest *latest)
{
	PatTokenScan scan;
	PatToken token;
	int start;

	pat_append_literal(out, "[");
	start = out->len;
	pat_token_scan_begin(&scan, account_id);
	while (pat_token_scan_next(&scan, &token))
	{
		if (out->len > start)
			pat_append_literal(out, ",");
		append_pat(out, &token);
		if (latest != NULL && token.has_seen_at && (!latest->known || token.seen_at > latest->time))
			*latest = (PatLatest){true, token.seen_at};
		CHECK_FOR_INTERRUPTS();
	}
	pat_token_scan_end(&scan);
	pat_append_literal(out, "]");
}

void
pat_append_pats(StringInfo out, int32 account_id)
{
	pat_append_literal(out, "{\"pats\":");
	pat_append_pat_array(out, account_id, NULL);
	pat_append_literal(out, "}");
}

void
pat_append_new_pat(StringInfo out, const PatToken *token, const text *secret)
{
	size_t room = TOKEN_ROOM + text_room(token->description);

	advance(out, put_properties(put_id(reserve(out, room), token), token));
	pat_append_literal(out, ",\"secret\":");
	pat_append_text(out, secret);
	pat_append_literal(out, "}");
}
