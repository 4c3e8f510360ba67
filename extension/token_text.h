/*
 * token_text.h
 *		Pure reading and writing of token text and of the value that carries it.
 *
 * A token of our own shape is a prefix, 43 base62 characters of randomness and
 * 6 base62 characters that hold the CRC-32 of all that precedes them.  The
 * checksum lets a mistyped or made-up token be refused before any table is
 * touched; it is no secret.
 */
#ifndef PAT_TOKEN_TEXT_H
#define PAT_TOKEN_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAT_TOKEN_PREFIX_USER  "user:"
#define PAT_TOKEN_PREFIX_ADMIN "*:*."

#define PAT_TOKEN_RANDOM_BYTES 32
#define PAT_TOKEN_RANDOM_LEN   43 /* base62 digits of 256 bits */
#define PAT_TOKEN_CHECKSUM_LEN 6
#define PAT_TOKEN_PREFIX_MAX   5

/* Longest text that pat_token_write writes, without a terminator. */
#define PAT_TOKEN_OWN_MAX (PAT_TOKEN_PREFIX_MAX + PAT_TOKEN_RANDOM_LEN + PAT_TOKEN_CHECKSUM_LEN)

/* Longest credential looked at; also the usual limit of a header line. */
#define PAT_CREDENTIAL_MAX 8192

typedef struct PatSlice
{
	const char *data;
	size_t len;
} PatSlice;

/* Without the blanks (ASCII white space) at both ends. */
extern PatSlice pat_trim(PatSlice s);

/*
 * What an Authorization value carries: surrounding blanks and an optional
 * "Bearer" (any case, RFC 9110 section 11.1) are taken off.  "Bearer" alone
 * carries nothing.
 */
extern PatSlice pat_credential(const char *value, size_t len);

/* Has our own shape, but a checksum that does not fit. */
extern bool pat_token_is_mistyped(PatSlice token);

/*
 * Would this text, sent as a credential, be looked up as it stands?  Visible
 * ASCII only, not too long, no mistyped token of our own shape.
 */
extern bool pat_token_is_sendable(PatSlice token);

/*
 * Write a token of our own shape into dst, which holds PAT_TOKEN_OWN_MAX
 * bytes; returns its length.
 */
extern size_t
pat_token_write(char *dst, const char *prefix, const uint8_t random[PAT_TOKEN_RANDOM_BYTES]);

/*
 * Canonical decimal integer from 1 to 2^31 - 1: digits only, no leading zero.
 */
extern bool pat_parse_id(const char *text, size_t len, int32_t *id);

#endif /* PAT_TOKEN_TEXT_H */
