/*
 * http.h
 *		The HTTP side of one worker: connections in, answers out.
 *
 * Wraps one libmicrohttpd daemon that is driven by the worker's loop.  A
 * request becomes a job of a lane and is suspended until the job ends.
 */
#ifndef PAT_BRIDGE_HTTP_H
#define PAT_BRIDGE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "http_settings.h"
#include "loop.h"

/* NULL if libmicrohttpd refuses, or without memory. */
extern Http *http_open(Loop *loop, const HttpSettings *settings);

/* The lanes must have been stopped before: no request may be waiting. */
extern void http_close(Http *http);

/* Whether another connection may be adopted. */
extern bool http_has_room(const Http *http);

/*
 * Ask the client that can best be done without to go, if any; there is room once
 * http_run has ended its connection.
 */
extern bool http_make_room(Http *http);

/* Serve an accepted, non-blocking socket, and own it from now on. */
extern void http_adopt(Http *http, int fd, const struct sockaddr *addr, socklen_t size);

/* Do what there is to do, once per turn of the loop. */
extern void http_run(Http *http);

/* When http_run is wanted next even if nothing happens. */
extern int64_t http_next_due(Http *http);

/* Other limits from now on; connections and requests that are there stay. */
extern void http_set_limits(Http *http, unsigned max_connections, int64_t timeout_us);

/* From now on every answer is the last of its connection. */
extern void http_drain(Http *http);

/* The version of libmicrohttpd that runs. */
extern const char *http_library_version(void);

/* False, with one sentence, if this build is for other versions of it. */
extern bool http_library_fits(char *message, size_t size) __attribute__((warn_unused_result));

/*
 * When nothing is left to wait for, if nothing happens any more: now if there is
 * no connection, grace_us after the last sign of a client if none has a request
 * under way, else never.  Once http_drain was called.
 */
extern int64_t http_drained_at(const Http *http, int64_t grace_us);

#endif
