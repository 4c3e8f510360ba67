/*
 * header.h
 *		What the bridge reads out of request headers.  Pure.
 *
 * The bridge holds no rule about tokens: it hands the Authorization header to
 * the database as text, and the database decides (and answers 401 itself).
 */
#ifndef PAT_BRIDGE_HEADER_H
#define PAT_BRIDGE_HEADER_H

#include <stdbool.h>
#include <stddef.h>

/* A header value as it came: bytes and length, not necessarily terminated. */
typedef struct HeaderValue
{
	const char *bytes;
	size_t length;
} HeaderValue;

/*
 * Whether a Content-Type names JSON in UTF-8: application/json in any case
 * (RFC 9110, section 8.3.1), with any parameters, a charset parameter being
 * utf-8 (RFC 8259, section 8.1).
 */
extern bool header_is_json(HeaderValue content_type);

/*
 * Whether a Content-Encoding leaves a body as it is: nothing but "identity" in its
 * list, in any case, or an empty list (RFC 9110, section 8.4).
 */
extern bool header_is_identity(HeaderValue content_encoding);

/*
 * Whether a Transfer-Encoding is one this server understands: exactly
 * "chunked" (RFC 9112, section 6.1).  Not so with a blank or tab behind it, which some
 * versions of libmicrohttpd leave there and then take for another coding.
 */
extern bool header_is_chunked(HeaderValue transfer_encoding);

/*
 * Read a Content-Length: digits only.  Returns false for anything else and for
 * a number that does not fit; *length is set on success only.
 */
extern bool header_content_length(HeaderValue value, unsigned long long *length);

extern bool header_same(HeaderValue a, HeaderValue b);

/* Whether these bytes are a token (RFC 9110, section 5.6.2): a header's name, or a method. */
extern bool header_is_token(const char *bytes, size_t length);

/* A header value without the blanks and tabs around it. */
extern HeaderValue header_trim(HeaderValue value);

#endif
