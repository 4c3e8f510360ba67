/*
 * jwt_key.h
 *		The keys that may sign caller tokens: what a key must be, and the
 *		backend's copy of those in force.
 */
#ifndef PAT_JWT_KEY_H
#define PAT_JWT_KEY_H

#include "postgres.h"

#include "jwt_text.h"

typedef struct PatJwtKey
{
	char *kid;
	PatJwtAlgorithm algorithm;
	uint8 *key;
	size_t key_len;
	char *issuer;   /* NULL = any */
	char *audience; /* NULL = none: a token for somebody in particular is not for us */
	char *subject_claim;
} PatJwtKey;

/*
 * The key in force that a header names: by kid; or, where kid is NULL, the
 * only one of that algorithm.  NULL if there is none, more than one, or one of
 * another algorithm.  Valid until the next call.
 */
extern const PatJwtKey *pat_jwt_key_find(const char *kid, PatJwtAlgorithm algorithm);

#endif /* PAT_JWT_KEY_H */
