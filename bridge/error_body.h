/*
 * error_body.h
 *		The JSON every error is answered with.  Pure but for its allocation.
 */
#ifndef PAT_BRIDGE_ERROR_BODY_H
#define PAT_BRIDGE_ERROR_BODY_H

#include <stddef.h>

#include "status.h"

/*
 * {"id":"...","name":"...","message":"..."} as a string the caller frees, its
 * length in *length.  NULL if there is no memory.
 */
extern char *error_body(const char *id, const StatusError *error, size_t *length);

#endif
