/*
 * error_body.h
 *		The JSON every error is answered with.  Pure but for its allocation.
 */
#ifndef PAT_BRIDGE_ERROR_BODY_H
#define PAT_BRIDGE_ERROR_BODY_H

#include <stddef.h>

#include "status.h"

/* Most bytes of the body of an error of status_of_case; a unit test holds it to that. */
#define ERROR_BODY_CASE_MAX 768

/*
 * {"id":"...","name":"...","message":"...","details":[{"message":"..."}]}, the same
 * message twice, as a string that the caller frees, its length in *length.  NULL if
 * there is no memory.
 */
extern char *error_body(const char *id, const StatusError *error, size_t *length);

#endif
