/*
 * jwt_text.h
 *		Pure reading of a JSON Web Token's outside: segments, base64url,
 *		names of algorithms.
 *
 * No I/O, no clock, no allocation, nothing of PostgreSQL.  Strict where RFC
 * 7515 is: a token that this file takes has exactly one spelling.
 */
#ifndef PAT_JWT_TEXT_H
#define PAT_JWT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "token_text.h"

/* Nesting of JSON in header and payload; deeper is refused before parsing. */
#define PAT_JWT_DEPTH_MAX 32

typedef enum PatJwtAlgorithm
{
	PAT_JWT_HS256,
	PAT_JWT_HS384,
	PAT_JWT_HS512,
	PAT_JWT_RS256,
	PAT_JWT_RS384,
	PAT_JWT_RS512,
	PAT_JWT_ES256,
	PAT_JWT_ES384,
	PAT_JWT_ES512,
	PAT_JWT_NO_ALGORITHM
} PatJwtAlgorithm;

typedef enum PatJwtFamily
{
	PAT_JWT_HMAC,
	PAT_JWT_RSA,
	PAT_JWT_ECDSA
} PatJwtFamily;

typedef struct PatJwtSegments
{
	PatSlice header;
	PatSlice payload;
	PatSlice signature;
	PatSlice signed_part; /* header, dot, payload */
} PatJwtSegments;

/* Case matters (RFC 7515 section 4.1.1); PAT_JWT_NO_ALGORITHM for all else, "none" included. */
extern PatJwtAlgorithm pat_jwt_algorithm(PatSlice name);
extern const char *pat_jwt_algorithm_name(PatJwtAlgorithm algorithm);
extern PatJwtFamily pat_jwt_family(PatJwtAlgorithm algorithm);

/* Bits of the algorithm's hash: 256, 384 or 512. */
extern int pat_jwt_hash_bits(PatJwtAlgorithm algorithm);

/*
 * Three non-empty segments of base64url characters between two dots?  Only
 * such text is taken for a JWT; all other credentials are looked up by hash.
 */
extern bool pat_jwt_split(PatSlice token, PatJwtSegments *segments);

/* Bytes that decoding len characters gives, at most. */
#define PAT_BASE64URL_DECODED_MAX(len) ((len) / 4 * 3 + 2)

/*
 * Decode base64url without padding (RFC 4648 section 5); returns the bytes
 * written, or -1 for any other character, for padding, for a length that no
 * encoding has, or for stray bits behind the last byte.
 */
extern int pat_base64url_decode(PatSlice text, uint8_t *dst);

/* Characters that encoding len bytes gives. */
#define PAT_BASE64URL_LEN(len) (((len) *4 + 2) / 3)

extern void pat_base64url_encode(const uint8_t *src, size_t len, char *dst);

/* Is the nesting of this JSON text, valid or not, within PAT_JWT_DEPTH_MAX? */
extern bool pat_json_is_shallow(PatSlice json);

#endif /* PAT_JWT_TEXT_H */
