/*
 * timing.h
 *		The value of a Server-Timing header.  Pure.
 */
#ifndef PAT_BRIDGE_TIMING_H
#define PAT_BRIDGE_TIMING_H

#include <stddef.h>
#include <stdint.h>

#define TIMING_TEXT_MAX 80

/*
 * "queue;dur=0.042, db;dur=1.500", in milliseconds as the W3C's Server Timing
 * asks, of times in microseconds; without db if that is negative, for what
 * was never sent.  Written by hand, since every answer carries it.
 */
extern void timing_text(char text[TIMING_TEXT_MAX], int64_t queue_us, int64_t database_us);

#endif
