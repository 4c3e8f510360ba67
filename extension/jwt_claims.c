/*
 * jwt_claims.c
 *		Do the claims of a JSON Web Token hold?
 *
 * No I/O, no clock, no table.  What is there must be of its type; what has to
 * be there is for the callers to say.
 */
#include "postgres.h"

#include <math.h>

#include "jwt_claims.h"

#define UNIX_EPOCH_SECONDS ((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (double) SECS_PER_DAY)

#define MICROSECOND 1e-6

/* 9999-12-31T23:59:59Z */
#define LAST_UNIX_SECOND 253402300799.0

double
pat_unix_seconds(TimestampTz time)
{
	return (double) time / USECS_PER_SEC + UNIX_EPOCH_SECONDS;
}

TimestampTz
pat_time_of_unix_seconds(double seconds)
{
	return (TimestampTz) ((Min(seconds, LAST_UNIX_SECOND) - UNIX_EPOCH_SECONDS) * USECS_PER_SEC);
}

/* True if the claim is absent, or a number that a double can hold. */
static bool
read_time(const PatJsonObject *payload, const char *name, bool *present, double *value)
{
	const PatJsonMember *member = pat_json_member(payload, name);

	*present = member != NULL;
	if (member == NULL)
		return true;
	if (member->type != PAT_JSON_NUMBER)
		return false;
	*value = strtod(member->text, NULL);
	return isfinite(*value);
}

bool
pat_jwt_read_times(const PatJsonObject *payload, PatJwtTimes *times)
{
	return read_time(payload, "exp", &times->has_expiry, &times->expiry) &&
		   read_time(payload, "nbf", &times->has_not_before, &times->not_before) &&
		   read_time(payload, "iat", &times->has_issued_at, &times->issued_at);
}

bool
pat_jwt_is_current(const PatJwtTimes *times, double now, double leeway)
{
	return (!times->has_not_before || times->not_before <= now + leeway) &&
		   (!times->has_expiry || now - leeway < times->expiry);
}

bool
pat_jwt_is_issued(const PatJwtTimes *times, double now, double leeway)
{
	return !times->has_issued_at || times->issued_at <= ceil(now + leeway);
}

bool
pat_jwt_is_issued_since(const PatJwtTimes *times, double since, double leeway)
{
	return times->has_issued_at && times->issued_at >= since - leeway - MICROSECOND;
}

bool
pat_jwt_is_from(const PatJsonObject *payload, const char *issuer)
{
	const char *claimed = pat_json_string(payload, "iss");

	return issuer == NULL || (claimed != NULL && strcmp(claimed, issuer) == 0);
}

bool
pat_jwt_is_for(const PatJsonObject *payload, const char *audience)
{
	const PatJsonMember *aud = pat_json_member(payload, "aud");
	ListCell *cell;

	if (aud == NULL || audience == NULL)
		return aud == NULL && audience == NULL;
	if (aud->type == PAT_JSON_STRING)
		return strcmp(aud->text, audience) == 0;
	if (aud->type != PAT_JSON_ARRAY)
		return false;
	foreach(cell, aud->strings)
		if (strcmp((char *) lfirst(cell), audience) == 0)
			return true;
	return false;
}
