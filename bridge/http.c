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
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "request.h"
#include "tls.h"

/* Rounds in one turn: what is pending after that waits for the next turn. */
#define HTTP_MAX_ROUNDS 4

/* How often libmicrohttpd runs at least while requests are held. */
#define HELD_RUN_US CLOCK_US_PER_MS

/*
 * How often while it moves nothing, and nobody is held: during a handshake GnuTLS reads
 * the socket by itself, so that libmicrohttpd always believes that there is more.
 */
#define IDLE_RUN_US (10 * CLOCK_US_PER_MS)

/* Connections that are put to rest in one turn, at ten microseconds each. */
#define HTTP_MAX_RESTS 16

/* Connections that take more memory than this rest sooner. */
#define MUCH_MEMORY (32 * 1024)

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

/* ---- connections -------------------------------------------------------- */

static void
count_traffic(struct MHD_Connection *handle)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(handle, MHD_CONNECTION_INFO_GNUTLS_SESSION);

	if (info != NULL)
		tls_count(info->tls_session);
}

static void
greet(Http *http, struct MHD_Connection *handle, void **context)
{
	Connection *client = calloc(1, sizeof(Connection));
	int fd = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;

	*context = client;
	if (client == NULL)
	{
		(void) shutdown(fd, SHUT_RDWR); /* out of memory: nobody would mind its time */
		return;
	}
	client->http = http;
	client->handle = handle;
	client->fd = fd;
	client->peer = http->arriving;
	http->arriving = 0;
	if (http->settings.tls)
		count_traffic(handle);
	connections_add(&http->connections, client, http->now);
	counter_set(&http->counters->connections, ++http->settings.share->connections);
	counter_add(&http->counters->accepted, 1);
}

static void
take_leave(Http *http, void **context)
{
	Connection *client = *context;

	*context = NULL;
	if (client == NULL)
		return;
	peers_leave(http->settings.peers, client->peer);
	connections_remove(client);
	counter_set(&http->counters->connections, --http->settings.share->connections);
	free(client);
}

static void
on_connection(void *cls, struct MHD_Connection *handle, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		greet(cls, handle, context);
	else
		take_leave(cls, context);
}

/* The library sees it and closes the socket in its next run. */
static void
end_connection(Http *http, Connection *client)
{
	connections_enter(&http->connections, client, CONNECTION_ENDS, http->now);
	(void) shutdown(client->fd, SHUT_RDWR);
	http->pending = true;
}

/* A client that has not got far enough in time; one that sends a request is told so. */
static void
end_overdue(Http *http)
{
	Connection *client;

	while ((client = connections_overdue(&http->connections, http->now)) != NULL)
	{
		if (client->phase == CONNECTION_SENDS && client->request != NULL)
			reply_send_too_slow(client->request);
		end_connection(http, client);
	}
}

/* Who has been idle for a while may stay so for long: without the memory of the last request. */
static void
rest_idle(Http *http)
{
	for (int i = 0; i < HTTP_MAX_RESTS; i++)
	{
		Connection *client = connections_rest(&http->connections, http->now);

		if (client == NULL)
			return;
		idle_memory_return(&http->idle_memory, client->handle, client->line,
						   HTTP_CONNECTION_MEMORY(http->settings.max_header_size));
	}
}

/* ---- the daemon --------------------------------------------------------- */

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
	const HttpSettings *settings = &http->settings;
	struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_PRIORITIES, 0, (void *) TLS_PRIORITIES},
		{MHD_OPTION_HTTPS_CERT_CALLBACK, 0, NULL},
		{MHD_OPTION_END, 0, NULL},
	};
	const struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};

	*(TlsCallback *) &tls[1].ptr_value = tls_certificate_callback();
	return MHD_start_daemon(HTTP_FLAGS | (settings->tls ? MHD_USE_TLS : 0), 0, NULL, NULL,
							request_handle, http, MHD_OPTION_EXTERNAL_LOGGER, on_library_message,
							NULL, MHD_OPTION_URI_LOG_CALLBACK, request_uri_seen, http,
							MHD_OPTION_UNESCAPE_CALLBACK, keep_escaped, NULL,
							MHD_OPTION_NOTIFY_COMPLETED, request_completed, http,
							MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
							MHD_OPTION_CONNECTION_LIMIT, (unsigned) HTTP_CONNECTIONS_MAX,
							MHD_OPTION_CONNECTION_MEMORY_LIMIT,
							HTTP_CONNECTION_MEMORY(settings->max_header_size), MHD_OPTION_ARRAY,
							settings->tls ? tls : none, MHD_OPTIONS_OF_VERSION MHD_OPTION_END);
}

static bool
watch_daemon(Http *http)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);

	return info != NULL && loop_watch(http->loop, &http->watch, info->epoll_fd, EPOLLIN);
}

/* How long a connection is idle before it rests. */
static int64_t
rest_us(const HttpSettings *settings)
{
	return HTTP_CONNECTION_MEMORY(settings->max_header_size) > MUCH_MEMORY ? CLOCK_US_PER_S / 4
																		   : CLOCK_US_PER_S;
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
	http->now = clock_us();
	connections_init(&http->connections, rest_us(settings), settings->idle_us, settings->client_us);
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
	request_free_spares(http);
	free(http);
}

bool
http_has_room(const Http *http)
{
	return http->settings.share->connections < http->settings.share->max_connections;
}

bool
http_make_room(Http *http)
{
	Connection *client = connections_spare(&http->connections, http->now);

	if (client == NULL)
		return false;
	end_connection(http, client);
	return true;
}

/* One line a second at most: it may be a flood. */
static void
refuse_connection(Http *http, int fd)
{
	close(fd);
	http->refused++;
	if (http->now - http->refused_logged < CLOCK_US_PER_S)
		return;
	log_event(LOG_NOTICE, "refused %u connections of addresses that have too many", http->refused);
	http->refused_logged = http->now;
	http->refused = 0;
}

void
http_adopt(Http *http, int fd, const struct sockaddr *addr, socklen_t size)
{
	Peers *peers = http->settings.peers;
	PeerKey peer = peers != NULL ? peers_key(addr, size) : 0;

	http->now = clock_us();
	if (!peers_enter(peers, peer))
	{
		refuse_connection(http, fd);
		return;
	}
	http->arriving = peer;
	/* If it fails, libmicrohttpd has closed the socket and said why. */
	(void) MHD_add_connection(http->daemon, fd, addr, size);
	peers_leave(peers, http->arriving); /* 0, unless it failed */
	http->arriving = 0;
	http->pending = true;
}

/* Milliseconds until libmicrohttpd wants to run, or -1. */
static int64_t
daemon_timeout_ms(Http *http)
{
	MHD_UNSIGNED_LONG_LONG timeout;

	return MHD_get_timeout(http->daemon, &timeout) == MHD_YES ? (int64_t) timeout : -1;
}

/*
 * How long libmicrohttpd can be left alone although it says that it has something to do.
 * While requests are held it always has: it asks for their answers.  With TLS it also has
 * during handshakes.  That is worth a run at once only if there was more to do in the last.
 */
static int64_t
pause_us(const Http *http)
{
	if (http->progress)
		return 0;
	if (http->held > 0)
		return HELD_RUN_US;
	return http->settings.tls ? IDLE_RUN_US : 0;
}

/* When libmicrohttpd is to run next, by the clock. */
static int64_t
next_run(Http *http)
{
	int64_t timeout_ms = http->pending ? 0 : daemon_timeout_ms(http);

	if (timeout_ms < 0)
		return CLOCK_NEVER;
	if (timeout_ms == 0 && !http->pending && pause_us(http) > 0)
		return http->last_run + pause_us(http);
	return http->now + timeout_ms * CLOCK_US_PER_MS;
}

/* What has become possible is done at once, not in the next turn. */
static void
run_daemon(Http *http)
{
	for (int round = 0; round < HTTP_MAX_ROUNDS && next_run(http) <= http->now; round++)
	{
		uint64_t moved = tls_moved();

		http->pending = http->progress = false;
		http->last_run = http->now;
		MHD_run(http->daemon);
		http->progress |= tls_moved() != moved;
	}
}

void
http_run(Http *http)
{
	http->now = clock_us();
	end_overdue(http);
	rest_idle(http);
	run_daemon(http);
	idle_memory_trim(&http->most_connections, http->settings.share->connections);
}

int64_t
http_next_due(Http *http)
{
	return clock_earlier(connections_next_due(&http->connections), next_run(http));
}

const char *
http_library_version(void)
{
	return MHD_get_version();
}

bool
http_library_fits(char *message, size_t size)
{
	snprintf(message, size,
			 "this build is for libmicrohttpd " MHD_SERIES ", and version %s would be used: "
			 "build it again",
			 MHD_get_version());
	return mhd_fits(MHD_get_version());
}

void
http_set_limits(Http *http, unsigned max_connections, int64_t timeout_us)
{
	http->settings.share->max_connections = max_connections;
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
	const HttpShare *share = http->settings.share;

	if (share->requests > 0)
		return CLOCK_NEVER;
	return share->connections == 0 ? 0 : http->last_sign + grace_us;
}
