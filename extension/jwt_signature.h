/*
 * jwt_signature.h
 *		Does a key's holder stand behind a JSON Web Token?  The one door to
 *		libjwt.
 */
#ifndef PAT_JWT_SIGNATURE_H
#define PAT_JWT_SIGNATURE_H

#include "postgres.h"

#include "jwt_text.h"

/*
 * True if the token, which pat_jwt_split took, is signed with this algorithm
 * and this key (HMAC: the secret; else a public key in PEM form).
 */
extern bool
pat_jwt_signature_fits(PatSlice token, PatJwtAlgorithm algorithm, const void *key, size_t key_len);

#endif /* PAT_JWT_SIGNATURE_H */
