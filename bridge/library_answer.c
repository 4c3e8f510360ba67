/*
 * library_answer.c
 *		Stands between libmicrohttpd and its own error pages.
 *
 * The library queues its pages through its public MHD_queue_response, and a
 * program may define a function of that name: the dynamic linker takes the
 * program's.  Ours is called by the library only, since the bridge's own answers
 * go to the library's function directly.  With a library that does not go
 * through the dynamic linker for this, its page goes out, with the same status.
 */
#include "library_answer.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "request.h"

typedef enum MHD_Result (*QueueFunction)(struct MHD_Connection *, unsigned, struct MHD_Response *);

static QueueFunction library_function;

__attribute__((constructor)) static void
find_library_function(void)
{
	*(void **) &library_function = dlsym(RTLD_NEXT, "MHD_queue_response");
	if (library_function == NULL)
		abort();
}

enum MHD_Result
library_queue_response(struct MHD_Connection *connection, unsigned status,
					   struct MHD_Response *response)
{
	return library_function(connection, status, response);
}

static Connection *
client_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info != NULL ? info->socket_context : NULL;
}

/*
 * Before 1.0 the library forgets that it has refused a request if that was for
 * its Content-Length or its cookies: it would send the head of the answer twice.
 * Then the headers have been read, and no chunk is the reason.
 */
static bool
would_answer_twice(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	return MHD_ANSWERS_TWICE && info != NULL && info->header_size > 0 &&
		   MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
									   MHD_HTTP_HEADER_TRANSFER_ENCODING) == NULL;
}

/* From 1.0 on it would not answer at all: see mhd.h. */
static bool
would_refuse_twice(const Connection *client, unsigned status)
{
	const Request *request = client->request;

	return MHD_REFUSES_TWICE && status == MHD_HTTP_CONTENT_TOO_LARGE && request != NULL &&
		   request->state == REQUEST_BODY && request->headers.chunked;
}

/* Without the library, which closes the connection when it is refused its own answer. */
static enum MHD_Result
answer_without_library(Connection *client, unsigned status)
{
	reply_send_for_library(client, status);
	if (client->request != NULL)
		request_become(client->request, REQUEST_ANSWERED);
	return MHD_NO;
}

enum MHD_Result
MHD_queue_response(struct MHD_Connection *connection, unsigned status,
				   struct MHD_Response *response)
{
	Connection *client = client_of(connection);
	struct MHD_Response *ours;
	enum MHD_Result result;

	if (client != NULL && client->phase >= CONNECTION_ENDS)
		return MHD_NO; /* it has had its answer */
	if (client != NULL)
		client->lingers = true;
	if (client != NULL && (would_answer_twice(connection) || would_refuse_twice(client, status)))
		return answer_without_library(client, status);
	ours = client != NULL ? reply_for_library(client->http, connection, status) : NULL;
	if (ours != NULL && client->request != NULL)
		request_become(client->request,
					   REQUEST_ANSWERED); /* in the middle of its body: counted, and logged */
	if (ours == NULL)
		return library_function(connection, status, response);
	result = library_function(connection, status, ours);
	MHD_destroy_response(ours);
	return result;
}
