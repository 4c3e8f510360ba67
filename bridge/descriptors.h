/*
 * descriptors.h
 *		The process's file descriptors: how many there may be, and what they are for.
 */
#ifndef PAT_BRIDGE_DESCRIPTORS_H
#define PAT_BRIDGE_DESCRIPTORS_H

#include <stdbool.h>

#include "options.h"

/*
 * Open /dev/null as each of 0, 1 and 2 that is closed: what is opened later must not get a
 * number that messages are written to.  Before anything else is opened; false if it fails.
 */
extern bool descriptors_fill_standard(void) __attribute__((warn_unused_result));

/* Take as many as the administrator allows, and warn if these are too few for the options. */
extern void descriptors_raise_limit(const Options *options);

/*
 * How many clients can be connected to the API at once, over all workers: --max-connections,
 * or fewer if the descriptors do not suffice for all; at least one for each worker.
 */
extern unsigned descriptors_max_connections(const Options *options);

#endif
