/*
 * text.h
 *		Pure questions about bytes that claim to be text, and how to show them.
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

typedef enum TextEscape
{
	TEXT_QUOTED, /* for between quotes: the inside of a JSON string */
	TEXT_PLAIN   /* the same, but quotes and backslashes stay as they are */
} TextEscape;

/*
 * Write text so that a terminal, an editor or a reader of lines shows what is there:
 * control characters (C0, DEL, C1), line and paragraph separators, bidirectional controls
 * and invisible characters become \uXXXX, and so does each byte that is not UTF-8.  The
 * result is UTF-8.  Writes at most room bytes to dst, no terminator, and only whole
 * characters and escapes; returns how many bytes it wrote.
 */
extern size_t text_escape(char *dst, size_t room, const char *bytes, size_t length, TextEscape how);

/* The most of length, at most max, that does not end within a character. */
extern size_t text_whole_length(const char *bytes, size_t length, size_t max);

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
