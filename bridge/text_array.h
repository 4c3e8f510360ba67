/*
 * text_array.h
 *		An array of text in PostgreSQL's binary form, as array_recv reads it.  Pure.
 */
#ifndef PAT_BRIDGE_TEXT_ARRAY_H
#define PAT_BRIDGE_TEXT_ARRAY_H

#include <stddef.h>

/* Bytes of the array of these texts; a NULL is a null element.  At least one text. */
extern size_t text_array_size(const char *const *texts, unsigned count);

/* Write it to dst, which holds text_array_size bytes; returns the end. */
extern char *text_array_write(char *dst, const char *const *texts, unsigned count);

#endif
