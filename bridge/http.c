/*
 * http.c
 *		Runs a worker's libmicrohttpd daemon: its events, its connections.
 *
 * Owns the daemon.  The daemon has no thread and no listening socket of its
 * own: connections are accepted by the worker and handed in, and the daemon's
 * epoll descriptor is watched by the worker's loop.  (Its internal epoll
 * thread can hang when exactly 128 events are ready.)
 */
#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "clock.h"
#include "log.h"
#include "request.h"

/* Rounds in one turn: what is pending after that waits for the next turn. */
#define HTTP_MAX_ROUNDS 4

#define HTTP_FLAGS                                                                             \
	(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | \
	 MHD_FLAGS_OF_VERSION)

static void
on_ready(void *owner, uint32_t events)
{
	Http *http = owner;

	(void) events;
	http->pending = true;
	if (http->draining)
		http->last_sign = clock_us();
}

static void
on_connection(void *cls, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	Http *http = cls;

	(void) connection;
	*context = http; /* for library_answer.c */
	http->connections += code == MHD_CONNECTION_NOTIFY_STARTED ? 1U : -1U;
	counter_set(&http->counters->connections, http->connections);
	counter_add(&http->counters->accepted, code == MHD_CONNECTION_NOTIFY_STARTED);
}

/* The route table decodes, strictly; libmicrohttpd is to leave the path as it is. */
static size_t
keep_escaped(void *cls, struct MHD_Connection *connection, char *text)
{
	size_t length = 0;

	(void) cls;
	(void) connection;
	while (text[length] != '\0')
		length++;
	return length;
}

static void
on_library_message(void *cls, const char *format, va_list args)
{
	char message[256];

	(void) cls;
	if (!log_enabled(LOG_DEBUG))
		return;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	vsnprintf(message, sizeof(message), format, args);
#pragma GCC diagnostic pop
	log_event(LOG_DEBUG, "libmicrohttpd: %s", message);
}

static struct MHD_Daemon *
start_daemon(Http *http)
{
	return MHD_start_daemon(HTTP_FLAGS, 0, NULL, NULL, request_handle, http,
							MHD_OPTION_EXTERNAL_LOGGER, on_library_message, NULL,
							MHD_OPTION_URI_LOG_CALLBACK, request_uri_seen, http,
							MHD_OPTION_UNESCAPE_CALLBACK, keep_escaped, NULL,
							MHD_OPTION_NOTIFY_COMPLETED, request_completed, http,
							MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
							MHD_OPTION_CONNECTION_LIMIT, (unsigned) HTTP_CONNECTIONS_MAX,
							MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) HTTP_CONNECTION_MEMORY,
							MHD_OPTION_CONNECTION_TIMEOUT, (unsigned) HTTP_IDLE_TIMEOUT_S,
							MHD_OPTIONS_OF_VERSION MHD_OPTION_END);
}

static bool
watch_daemon(Http *http)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);

	return info != NULL && loop_watch(http->loop, &http->watch, info->epoll_fd, EPOLLIN);
}

Http *
http_open(Loop *loop, const HttpSettings *settings)
{
	Http *http = calloc(1, sizeof(Http));

	if (http == NULL)
		return NULL;
	http->settings = *settings;
	http->counters = &settings->counters->sides[settings->side];
	http->loop = loop;
	http->watch = (LoopWatch) LOOP_WATCH_INIT(on_ready, http);
	http->daemon = start_daemon(http);
	if (http->daemon == NULL || !watch_daemon(http))
	{
		http_close(http);
		return NULL;
	}
	return http;
}

void
http_close(Http *http)
{
	loop_unwatch(http->loop, &http->watch);
	if (http->daemon != NULL)
		MHD_stop_daemon(http->daemon);
	free(http);
}

bool
http_has_room(const Http *http)
{
	return http->connections < http->settings.max_connections;
}

void
http_adopt(Http *http, int fd, const struct sockaddr *addr, socklen_t size)
{
	/* If it fails, libmicrohttpd has closed the socket and said why. */
	(void) MHD_add_connection(http->daemon, fd, addr, size);
	http->pending = true;
}

/* Milliseconds until libmicrohttpd wants to run, or -1. */
static int64_t
daemon_timeout_ms(Http *http)
{
	MHD_UNSIGNED_LONG_LONG timeout;

	return MHD_get_timeout(http->daemon, &timeout) == MHD_YES ? (int64_t) timeout : -1;
}

/* Resumed connections are served at once, not in the next turn. */
void
http_run(Http *http)
{
	for (int round = 0; round < HTTP_MAX_ROUNDS; round++)
	{
		if (!http->pending && daemon_timeout_ms(http) != 0)
			return;
		http->pending = false;
		MHD_run(http->daemon);
	}
}

int64_t
http_next_due(Http *http)
{
	int64_t timeout = http->pending ? 0 : daemon_timeout_ms(http);

	return timeout < 0 ? CLOCK_NEVER : clock_us() + timeout * CLOCK_US_PER_MS;
}

const char *
http_library_version(void)
{
	return MHD_get_version();
}

void
http_set_limits(Http *http, unsigned max_connections, int64_t timeout_us)
{
	http->settings.max_connections = max_connections;
	http->settings.timeout_us = timeout_us;
}

void
http_drain(Http *http)
{
	http->draining = true;
	http->last_sign = clock_us();
}

int64_t
http_drained_at(const Http *http, int64_t grace_us)
{
	if (http->requests > 0)
		return CLOCK_NEVER;
	return http->connections == 0 ? 0 : http->last_sign + grace_us;
}
