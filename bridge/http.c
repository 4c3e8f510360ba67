/*
 * http.c
 *		Runs a worker's libmicrohttpd daemon: its events, its start and its stop.
 *
 * Owns the daemon; its connections are clients.c's.  The daemon has no thread and no
 * listening socket of its own: connections are accepted by the worker and handed in, and
 * the daemon's epoll descriptor is watched by the worker's loop.  (Its internal epoll
 * thread can hang when exactly 128 events are ready.)
 */
#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clients.h"
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

/*
 * Time that runs which call nothing of the bridge may take together: a large head is read in
 * several.  After that each is followed by a pause, a multiple of the time that it took.
 */
#define VAIN_MOST_US (2 * CLOCK_US_PER_MS)
#define VAIN_SHARE   20

/* Between two attempts to start the daemon again. */
#define RESTART_PAUSE_US CLOCK_US_PER_S

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
	http->vain_us = 0;
	if (http->draining)
		http->last_sign = clock_us();
}

/* ---- connections -------------------------------------------------------- */

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
							MHD_OPTION_NOTIFY_CONNECTION, clients_notified, http,
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
	const int64_t bounds_us[CONNECTION_BOUNDS] = {
		[CONNECTION_BY_CLIENT] = settings->client_us,
		[CONNECTION_BY_IDLE] = settings->idle_us,
		[CONNECTION_BY_REQUEST] = settings->timeout_us,
		[CONNECTION_BY_CHUNK] = clock_earlier(settings->client_us, CLIENTS_CHUNK_US),
		[CONNECTION_BY_LIBRARY] = CONNECTION_LIBRARY_US,
	};
	Http *http = calloc(1, sizeof(Http));

	if (http == NULL)
		return NULL;
	http->settings = *settings;
	http->counters = &settings->counters->sides[settings->side];
	http->loop = loop;
	http->now = clock_us();
	connections_init(&http->connections, rest_us(settings), bounds_us);
	http->watch = (LoopWatch) LOOP_WATCH_INIT(on_ready, http);
	http->daemon = start_daemon(http);
	if (http->daemon == NULL || !watch_daemon(http))
	{
		http_close(http);
		return NULL;
	}
	return http;
}

static void
stop_daemon(Http *http)
{
	loop_unwatch(http->loop, &http->watch);
	http->closing = true;
	if (http->daemon != NULL)
		MHD_stop_daemon(http->daemon);
	http->closing = false;
	http->daemon = NULL;
}

/*
 * The last resort against a connection that libmicrohttpd does not let go of: it ends with
 * all others of this daemon.
 */
static void
restart_daemon(Http *http)
{
	if (http->now < http->restart_due)
		return;
	if (http->daemon != NULL)
	{
		log_event(LOG_ERROR,
				  "libmicrohttpd does not close a connection: all %u of this worker's "
				  "listeners are closed",
				  http->settings.share->connections);
		counter_add(&http->counters->restarts, 1);
		clients_resume_all(http);
	}
	stop_daemon(http);
	http->daemon = start_daemon(http);
	http->pending = true;
	http->stuck = http->daemon == NULL || !watch_daemon(http);
	http->restart_due = http->stuck ? http->now + RESTART_PAUSE_US : 0;
}

void
http_close(Http *http)
{
	stop_daemon(http);
	clients_close_all(http);
	request_free_spares(http);
	free(http);
}

bool
http_has_room(const Http *http)
{
	return http->daemon != NULL &&
		   http->settings.share->connections < http->settings.share->max_connections;
}

bool
http_make_room(Http *http)
{
	Connection *client = connections_spare(&http->connections, http->now);

	if (client == NULL)
		return false;
	clients_end(http, client);
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
	if (http->daemon == NULL)
	{
		close(fd); /* it is being started again, and the sockets are about to close */
		return;
	}
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
 * during handshakes, and without TLS while its buffer is full of what it makes nothing of.
 * That is worth a run at once only if there was more to do in the last.
 */
static int64_t
pause_us(const Http *http)
{
	if (http->progress)
		return 0;
	if (http->vain_us > VAIN_MOST_US)
		return IDLE_RUN_US + VAIN_SHARE * http->vain_last_us;
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

static void
note_vain_run(Http *http)
{
	int64_t now = clock_us();

	http->vain_last_us = now - http->now;
	http->vain_us = http->progress ? 0 : http->vain_us + http->vain_last_us;
	http->now = now;
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
		note_vain_run(http);
	}
}

void
http_run(Http *http)
{
	http->now = clock_us();
	clients_end_overdue(http);
	if (http->stuck)
		restart_daemon(http);
	if (http->daemon == NULL)
		return;
	rest_idle(http);
	run_daemon(http);
	clients_look(http);
	idle_memory_trim(&http->most_connections, http->settings.share->connections);
}

int64_t
http_next_due(Http *http)
{
	int64_t due = clients_next_look(http);

	if (http->daemon == NULL)
		return http->restart_due;
	return clock_earlier(due,
						 clock_earlier(connections_next_due(&http->connections), next_run(http)));
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
	connections_set_request_time(&http->connections, timeout_us);
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
