/*
 * library_answer.h
 *		Inside the HTTP room: answers that libmicrohttpd gives by itself.
 *
 * What is not well-formed HTTP, or does not fit the memory of a connection,
 * never reaches a handler: the library answers with a page of its own and
 * closes the connection.  Here that page is exchanged for our JSON.
 */
#ifndef PAT_BRIDGE_LIBRARY_ANSWER_H
#define PAT_BRIDGE_LIBRARY_ANSWER_H

#include "mhd.h"

/* MHD_queue_response of the library itself: for our own answers. */
extern enum MHD_Result library_queue_response(struct MHD_Connection *connection, unsigned status,
											  struct MHD_Response *response);

#endif
