/*
 * text.h
 *		Pure questions about bytes that claim to be text.
 *
 * The database is told client_encoding = UTF8, so whatever reaches it as a
 * parameter has been through here.  No allocation, no I/O.
 */
#ifndef PAT_BRIDGE_TEXT_H
#define PAT_BRIDGE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether these bytes are well-formed UTF-8 as RFC 3629 has it: no overlong
 * form, no surrogate, nothing above U+10FFFF.  A NUL byte counts as text; who
 * cannot carry one asks text_has_nul as well.
 */
extern bool text_is_utf8(const char *bytes, size_t length);

extern bool text_has_nul(const char *bytes, size_t length);

/* Whether any byte is above 0x7F. */
extern bool text_has_high_bit(const char *bytes, size_t length);

/*
 * Re-encode ISO 8859-1 as UTF-8.  Writes at most 2 * length bytes to dst, adds
 * no terminator, returns how many it wrote.
 */
extern size_t text_latin1_to_utf8(char *dst, const char *bytes, size_t length);

/* Stands for a character beyond ASCII; no id and no token holds it. */
#define TEXT_SUBSTITUTE '\x1A'

/* Most bytes that text_to_ascii makes of one. */
#define TEXT_ASCII_GROWTH 3

/*
 * UTF-8 in ASCII: of JSON the same text, by escapes; of other text the ASCII characters, and
 * TEXT_SUBSTITUTE for each other one.  Writes at most TEXT_ASCII_GROWTH * length bytes to
 * dst, adds no terminator, returns how many it wrote.
 */
extern size_t text_to_ascii(char *dst, const char *utf8, size_t length, bool is_json);

#endif
