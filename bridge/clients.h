/*
 * clients.h
 *		Inside the HTTP room: the client connections of one libmicrohttpd daemon, from
 *		the moment it reports them until their sockets are closed.
 */
#ifndef PAT_BRIDGE_CLIENTS_H
#define PAT_BRIDGE_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "request.h"

/* Bytes of a refused request that are dropped after its connection was closed. */
#define CLIENTS_LINGER_MAX (16 * 1024 * 1024)

/* Longest pause between two pieces of a body in chunks, unless --client-timeout is shorter. */
#define CLIENTS_CHUNK_US INT64_C(5000000)

/* MHD_NotifyConnectionCallback; cls is the Http. */
extern void clients_notified(void *cls, struct MHD_Connection *handle, void **context,
							 enum MHD_ConnectionNotificationCode code);

/* Do what the table of phases says about connections whose time is over. */
extern void clients_end_overdue(Http *http);

/* Begin to end one; CONNECTION_LINGERS: end it. */
extern void clients_end(Http *http, Connection *connection);

/*
 * After libmicrohttpd has run: end the connections that nothing more can come from, and
 * those that it will never read on from; free what has ended.
 */
extern void clients_look(Http *http);

/* When clients_look is wanted next; CLOCK_NEVER if nothing happens before. */
extern int64_t clients_next_look(const Http *http);

/* Before the daemon is stopped: no connection may be suspended. */
extern void clients_resume_all(Http *http);

/* After that: those that linger, too, are closed. */
extern void clients_close_all(Http *http);

#endif
