/*
 * clock.h
 *		The bridge's one idea of time: microseconds on the monotonic clock.
 *
 * Deadlines, back-off and durations use it; the wall clock appears in log
 * lines only, so that a step of the system's time never moves a deadline.
 */
#ifndef PAT_BRIDGE_CLOCK_H
#define PAT_BRIDGE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLOCK_US_PER_MS INT64_C(1000)
#define CLOCK_US_PER_S  INT64_C(1000000)

/* "No deadline at all": later than anything. */
#define CLOCK_NEVER INT64_MAX

static inline int64_t
clock_earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static inline int64_t
clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t) ts.tv_sec * CLOCK_US_PER_S + ts.tv_nsec / 1000;
}

/*
 * The same clock as of the last tick of the kernel, some milliseconds ago: for
 * bounds of seconds, at a fraction of the price.
 */
static inline int64_t
clock_coarse_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (int64_t) ts.tv_sec * CLOCK_US_PER_S + ts.tv_nsec / 1000;
}

#endif
