/*
 * jwt_claims.h
 *		Do the claims of a JSON Web Token hold?  Pure: the clock is an argument.
 */
#ifndef PAT_JWT_CLAIMS_H
#define PAT_JWT_CLAIMS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "json_object.h"

/* Seconds since 1970-01-01 00:00 UTC, as RFC 7519's NumericDate. */
typedef struct PatJwtTimes
{
	bool has_not_before;
	double not_before;
	bool has_expiry;
	double expiry;
	bool has_issued_at;
	double issued_at;
} PatJwtTimes;

extern double pat_unix_seconds(TimestampTz time);

/* Cut to the end of the year 9999, which is as late as we show. */
extern TimestampTz pat_time_of_unix_seconds(double seconds);

/* False where exp, nbf or iat is there but no finite number. */
extern bool pat_jwt_read_times(const PatJsonObject *payload, PatJwtTimes *times);

/* not_before <= now < expiry, each by leeway seconds more (RFC 7519 sections 4.1.4, 4.1.5). */
extern bool pat_jwt_is_current(const PatJwtTimes *times, double now, double leeway);

/*
 * Of a token that was not issued later than now: issued_at is absent, or reached
 * by leeway seconds more.  A time of issue in whole seconds may be rounded up.
 */
extern bool pat_jwt_is_issued(const PatJwtTimes *times, double now, double leeway);

/* since <= issued_at, by leeway seconds less; a microsecond is as exact as a double is. */
extern bool pat_jwt_is_issued_since(const PatJwtTimes *times, double since, double leeway);

/* iss equals; anything if issuer is NULL. */
extern bool pat_jwt_is_from(const PatJsonObject *payload, const char *issuer);

/* aud is or holds audience; if audience is NULL, there is no aud (RFC 7519 section 4.1.3). */
extern bool pat_jwt_is_for(const PatJsonObject *payload, const char *audience);

#endif /* PAT_JWT_CLAIMS_H */
