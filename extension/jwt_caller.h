/*
 * jwt_caller.h
 *		Which account does a JSON Web Token speak for?
 */
#ifndef PAT_JWT_CALLER_H
#define PAT_JWT_CALLER_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "jwt_text.h"
#include "storage/store.h"

/*
 * Check a token that pat_jwt_split took, at the given time: header, key,
 * signature, claims, account.  True, with the living account and the time of
 * expiry, only if nothing is wrong; what is wrong is not told.
 */
extern bool pat_jwt_find_account(PatSlice token, const PatJwtSegments *segments, TimestampTz now,
								 PatAccount *account, TimestampTz *expires_at);

#endif /* PAT_JWT_CALLER_H */
