/*
 * request_memory.c
 *		The memory of requests: of those that have ended some is kept for the next.
 */
#include "request.h"

#include <stdlib.h>
#include <string.h>

/* About as many as end in one turn of the loop. */
#define SPARES_MAX 64

Request *
request_new(Http *http)
{
	Request *request = http->spares;

	if (request == NULL)
		request = calloc(1, sizeof(Request));
	else
	{
		http->spares = request->next_spare;
		http->spare_count--;
		memset(request, 0, sizeof(Request));
	}
	if (request != NULL)
		request->http = http;
	return request;
}

void
request_free(Request *request)
{
	Http *http = request->http;

	if (http->spare_count == SPARES_MAX)
	{
		free(request);
		return;
	}
	request->next_spare = http->spares;
	http->spares = request;
	http->spare_count++;
}

void
request_free_spares(Http *http)
{
	for (Request *next, *request = http->spares; request != NULL; request = next)
	{
		next = request->next_spare;
		free(request);
	}
	http->spares = NULL;
}
