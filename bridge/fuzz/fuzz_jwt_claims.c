/*
 * fuzz_jwt_claims.c
 *		Any bytes as the payload of a JSON Web Token: reading the object, by the
 *		server's own parser, and asking it for claims.
 */
#include "postgres.h"

#include <math.h>

#include "mb/pg_wchar.h"

#include "fuzz.h"

#include "../../extension/json_object.h"
#include "../../extension/jwt_claims.h"
#include "../../extension/jwt_text.h"
#include "server.h"

#define NOW 1700000000.0

static bool
is_text(const char *text)
{
	int len = (int) strlen(text);

	return pg_encoding_verifymbstr(PG_UTF8, text, len) == len;
}

/* Each member can be found by its name, so no name is there twice. */
static void
check_members(const PatJsonObject *object)
{
	MUST(object->n_members >= 0 && object->n_members <= PAT_JSON_MEMBERS_MAX);
	for (int i = 0; i < object->n_members; i++)
	{
		const PatJsonMember *member = &object->members[i];
		ListCell *cell;

		MUST(pat_json_member(object, member->name) == member && is_text(member->name));
		if (member->type == PAT_JSON_STRING || member->type == PAT_JSON_NUMBER)
			MUST(is_text(member->text));
		MUST((pat_json_string(object, member->name) != NULL) == (member->type == PAT_JSON_STRING));
		MUST(member->strings == NIL || member->type == PAT_JSON_ARRAY);
		foreach(cell, member->strings)
			MUST(is_text(lfirst(cell)));
	}
}

/* Times are numbers; what holds without leeway holds with it; a token ends. */
static void
check_times(const PatJsonObject *object)
{
	PatJwtTimes times;

	if (!pat_jwt_read_times(object, &times))
		return;
	MUST(!times.has_expiry || isfinite(times.expiry));
	MUST(!times.has_not_before || isfinite(times.not_before));
	if (!pat_jwt_is_current(&times, NOW, 0))
		return;
	MUST(pat_jwt_is_current(&times, NOW, 60));
	if (times.has_expiry)
	{
		MUST(!pat_jwt_is_current(&times, times.expiry, 0));
		MUST(pat_unix_seconds(pat_time_of_unix_seconds(times.expiry)) <= 253402300799.0);
		MUST(pat_unix_seconds(pat_time_of_unix_seconds(times.expiry)) > NOW - 1);
	}
}

/* B1: none is issued both before and after a time, or without saying when. */
static void
check_issue(const PatJsonObject *object)
{
	PatJwtTimes times;

	if (!pat_jwt_read_times(object, &times))
		return;
	if (!times.has_issued_at)
	{
		MUST(pat_jwt_is_issued(&times, NOW, 0) && !pat_jwt_is_issued_since(&times, -1e308, 60));
		return;
	}
	MUST(isfinite(times.issued_at) && pat_json_member(object, "iat")->type == PAT_JSON_NUMBER);
	MUST(pat_jwt_is_issued(&times, NOW, 0) == (times.issued_at <= NOW));
	MUST(!pat_jwt_is_issued(&times, NOW, 0) || pat_jwt_is_issued(&times, NOW, 60));
	MUST(pat_jwt_is_issued(&times, NOW, 0) || pat_jwt_is_issued_since(&times, NOW, 0));
	MUST(!pat_jwt_is_issued_since(&times, NOW, 0) || pat_jwt_is_issued_since(&times, NOW, 60));
	MUST(pat_jwt_is_issued_since(&times, times.issued_at, 0));
}

static void
check_parties(const PatJsonObject *object)
{
	const char *issuer = pat_json_string(object, "iss");
	const char *audience = pat_json_string(object, "aud");

	MUST(pat_jwt_is_from(object, NULL));
	MUST(pat_jwt_is_for(object, NULL) == (pat_json_member(object, "aud") == NULL));
	if (issuer != NULL)
		MUST(pat_jwt_is_from(object, issuer));
	else
		MUST(!pat_jwt_is_from(object, ""));
	if (audience != NULL)
		MUST(pat_jwt_is_for(object, audience));
}

static void
check(PatSlice json, int encoding)
{
	PatJsonObject object;

	server_set_encoding(encoding);
	if (pat_json_object_parse(json, &object))
	{
		MUST(json.len > 0 && memchr(json.data, '\0', json.len) == NULL);
		MUST(pat_json_is_shallow(json));
		check_members(&object);
		check_times(&object);
		check_issue(&object);
		check_parties(&object);
	}
	server_forget();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = fuzz_copy(data, size);

	check((PatSlice){copy, size}, PG_UTF8);
	check((PatSlice){copy, size}, PG_LATIN1);
	free(copy);
	return 0;
}
