/*
 * openapi.h
 *		The OpenAPI document of the API: openapi.json, as it was when the
 *		bridge was built.
 *
 * A route is described there when it is added to the route table; a test
 * compares the two.
 */
#ifndef PAT_BRIDGE_OPENAPI_H
#define PAT_BRIDGE_OPENAPI_H

#include <stddef.h>

/* The document's bytes; lives as long as the process. */
extern const char *openapi_document(size_t *length);

#endif
