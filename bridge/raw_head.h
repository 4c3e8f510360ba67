/*
 * raw_head.h
 *		Finds what libmicrohttpd before 1.0 hides in the head of a request.
 *
 * Its strings end at the first NUL that the client sent, of a header folded over
 * several lines only the first is left, and a line may end with a line feed alone.
 * But they all lie in the buffer that the head was read into: in their order, with
 * nothing but separators between them, unless something was cut off.
 *
 * Pure code.  From 1.0 on the library refuses all this by itself, at the level of
 * strictness that http.c asks of it.
 */
#ifndef PAT_BRIDGE_RAW_HEAD_H
#define PAT_BRIDGE_RAW_HEAD_H

#include <stdbool.h>
#include <stddef.h>

/*
 * NULs that the library puts in the place of a space or colon, and of a line end.
 * In the place of a line feed alone it puts one, by which that is found: it ends a
 * line to some and not to others.
 */
#define RAW_HEAD_MARK     1
#define RAW_HEAD_LINE_END 2

typedef struct RawHead
{
	const char *start;
	const char *at; /* everything before has been accounted for */
	bool whole;     /* nothing but separators so far between the parts */
} RawHead;

extern void raw_head_start(RawHead *head, const char *start);

/*
 * The next part: method, URI, version, then name and value of each header.
 * nuls: how many NULs the library makes of the separators before it.
 */
extern void raw_head_part(RawHead *head, const char *part, size_t length, unsigned nuls);

/* Whether all of the head, of that size, is in the parts; after the last one. */
extern bool raw_head_is_whole(RawHead *head, size_t size);

#endif
