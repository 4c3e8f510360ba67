/*
 * openapi.c
 *		Holds the OpenAPI document.
 *
 * The makefile writes openapi.inc, the bytes of openapi.json as a list of
 * numbers; nothing is read from a file at run time.
 */
#include "openapi.h"

static const unsigned char document[] = {
#include "openapi.inc"
};

const char *
openapi_document(size_t *length)
{
	*length = sizeof(document);
	return (const char *) document;
}
