/*
 * clients.c
 *		The end of client connections: by time, by the client, and after the last answer.
 *
 * Owns the record of each connection, the watch on its socket and, while it lingers, the
 * socket.  The table of phases is in connections.c; this file carries out what it says.
 *
 * libmicrohttpd does not notice everything: before 1.0 it does not read on while its
 * buffer is full, does not watch a connection that it resumed, and does not see the end
 * of what a client sends if that came together with data.  So the bridge watches each socket
 * for that end itself, and has three ways to make libmicrohttpd close a connection: the
 * shutdown of the socket, which it notices at once if it watches it; a timeout of its own
 * for the connection, which it looks at in each of its runs, whatever the connection's
 * state; and, if neither helps, by stopping the daemon (http.c).
 */
#include "clients.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "tls.h"

/*
 * After this number of runs of libmicrohttpd without a change of a connection, nothing more is
 * expected of it.  One run is not enough: it may send 100 (Continue) and read in the next.
 */
#define LOOKS 4

/* How often bodies in chunks are looked at. */
#define CHUNK_LOOK_US (50 * CLOCK_US_PER_MS)

/* The timeout that makes libmicrohttpd close a connection, in seconds: its shortest. */
#define LIBRARY_TIMEOUT 1U

/* Bytes dropped at once, and how often for one connection in one turn of the loop. */
#define DROP_SIZE  (16 * 1024)
#define DROP_TIMES 64

typedef struct Client
{
	Connection connection; /* first: a connection is turned back into its client */
	LoopWatch watch;       /* for the end of what it sends; while it lingers, for all of it */
	struct Client *next;   /* among those looked at, or gone */
	bool input_ended;      /* the client has ended its side, or all of the connection */
	bool listed;           /* among those looked at */
	unsigned looks;        /* in which nothing had changed */
	size_t unread;         /* at the last of them */
	size_t dropped;
} Client;

static Client *
client_of(Connection *connection)
{
	return (Client *) connection;
}

/* ---- closing ------------------------------------------------------------ */

static void
look_at(Client *client)
{
	Http *http = client->connection.http;

	http->pending = true;
	client->looks = 0;
	if (client->listed)
		return;
	client->listed = true;
	client->next = http->looked_at;
	http->looked_at = client;
}

static void
unlist(Client *client)
{
	Client **place = &client->connection.http->looked_at;

	if (!client->listed)
		return;
	while (*place != client)
		place = &(*place)->next;
	*place = client->next;
	client->listed = false;
}

/* Takes it out of all lists.  It is freed later: an event of this iteration may refer to it. */
static void
forget(Client *client)
{
	Connection *connection = &client->connection;
	Http *http = connection->http;

	unlist(client);
	loop_unwatch(http->loop, &client->watch);
	peers_leave(http->settings.peers, connection->peer);
	connections_remove(&http->connections, connection);
	counter_set(&http->counters->connections, --http->settings.share->connections);
	client->next = http->gone;
	http->gone = client;
}

static void
free_gone(Http *http)
{
	for (Client *next, *client = http->gone; client != NULL; client = next)
	{
		next = client->next;
		free(client);
	}
	http->gone = NULL;
}

static void
close_lingering(Client *client)
{
	int fd = client->connection.fd;

	forget(client);
	close(fd);
}

/* True, at the end of it or at an error. */
static bool
drop_input(int fd, size_t *dropped)
{
	char bytes[DROP_SIZE];

	for (int i = 0; i < DROP_TIMES; i++)
	{
		ssize_t size = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (size <= 0)
			return size == 0 || (errno != EAGAIN && errno != EINTR);
		*dropped += (size_t) size;
	}
	return false;
}

static void
on_lingering(void *owner, uint32_t events)
{
	Client *client = owner;

	(void) events;
	if (drop_input(client->connection.fd, &client->dropped) ||
		client->dropped >= CLIENTS_LINGER_MAX)
		close_lingering(client);
}

static size_t
unread_in_socket(const Connection *connection)
{
	int count = 0;

	return ioctl(connection->fd, FIONREAD, &count) == 0 && count > 0 ? (size_t) count : 0;
}

/*
 * A socket that is closed with something unread in it, or to come, resets the connection,
 * and the client may lose an answer that it has not read yet.
 */
static bool
may_linger(const Client *client)
{
	const Connection *connection = &client->connection;

	if (client->input_ended || connection->http->closing || connection->phase == CONNECTION_SHUT)
		return false;
	return connection->lingers ||
		   (connection->phase != CONNECTION_ENDS && unread_in_socket(connection) > 0);
}

/* libmicrohttpd closes the socket in a moment: go on with one descriptor of it. */
static bool
linger(Client *client)
{
	Connection *connection = &client->connection;
	Http *http = connection->http;
	int fd = fcntl(connection->fd, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return false;
	(void) shutdown(fd, SHUT_WR); /* with TLS, libmicrohttpd has ended that only */
	unlist(client);
	loop_unwatch(http->loop, &client->watch);
	connection->fd = fd;
	connection->handle = NULL;
	client->watch = (LoopWatch) LOOP_WATCH_INIT(on_lingering, client);
	if (!loop_watch(http->loop, &client->watch, fd, EPOLLIN))
	{
		close(fd);
		return false;
	}
	connections_enter(&http->connections, connection, CONNECTION_LINGERS, http->now);
	return true;
}

/* ---- what libmicrohttpd reports ----------------------------------------- */

static void
on_input_end(void *owner, uint32_t events)
{
	Client *client = owner;

	(void) events;
	client->input_ended = true;
	look_at(client);
}

static void
count_traffic(struct MHD_Connection *handle)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(handle, MHD_CONNECTION_INFO_GNUTLS_SESSION);

	if (info != NULL)
		tls_count(info->tls_session);
}

static void
ask_to_close(struct MHD_Connection *handle)
{
	(void) MHD_set_connection_option(handle, MHD_CONNECTION_OPTION_TIMEOUT, LIBRARY_TIMEOUT);
}

/* Without the watch, which the kernel may refuse, the timeouts still hold. */
static void
begin(Http *http, struct MHD_Connection *handle, void **context)
{
	Client *client = calloc(1, sizeof(Client));
	int fd = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;

	*context = client;
	if (client == NULL)
	{
		(void) shutdown(fd, SHUT_RDWR);
		ask_to_close(handle);
		return;
	}
	client->connection.http = http;
	client->connection.handle = handle;
	client->connection.fd = fd;
	client->connection.peer = http->arriving;
	http->arriving = 0;
	if (http->settings.tls)
		count_traffic(handle);
	client->watch = (LoopWatch) LOOP_WATCH_INIT(on_input_end, client);
	(void) !loop_watch(http->loop, &client->watch, fd, EPOLLRDHUP | EPOLLET);
	connections_add(&http->connections, &client->connection, http->now);
	counter_set(&http->counters->connections, ++http->settings.share->connections);
	counter_add(&http->counters->accepted, 1);
}

static void
end(void **context)
{
	Client *client = *context;

	*context = NULL;
	if (client != NULL && client->connection.request != NULL)
		request_lost(client->connection.request);
	if (client != NULL && !(may_linger(client) && linger(client)))
		forget(client);
}

void
clients_notified(void *cls, struct MHD_Connection *handle, void **context,
				 enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		begin(cls, handle, context);
	else
		end(context);
}

/* ---- phases ------------------------------------------------------------- */

static bool
is_up_to_client(ConnectionPhase phase)
{
	return phase == CONNECTION_SENDS || phase == CONNECTION_CHUNKS || phase == CONNECTION_IDLE ||
		   phase == CONNECTION_RESTS;
}

void
request_enter(Request *request, ConnectionPhase phase)
{
	Http *http = request->http;
	Client *client = client_of(request->client);

	connections_enter(&http->connections, request->client, phase, http->now);
	client->looks = 0;
	if (client->input_ended && is_up_to_client(phase))
		look_at(client);
}

/*
 * With an answer on its way to the client the socket is open for what it still sends, until
 * libmicrohttpd has closed its side.
 */
void
clients_end(Http *http, Connection *connection)
{
	if (connection->phase == CONNECTION_LINGERS)
	{
		close_lingering(client_of(connection));
		return;
	}
	connections_enter(&http->connections, connection, CONNECTION_ENDS, http->now);
	if (!connection->lingers)
		(void) shutdown(connection->fd, SHUT_RDWR);
	else if (!http->settings.tls)
		(void) shutdown(connection->fd, SHUT_WR);
	ask_to_close(connection->handle);
	http->pending = true;
}

/* libmicrohttpd has not closed it yet, perhaps because the client goes on sending. */
static void
shut_down(Http *http, Connection *connection)
{
	connections_enter(&http->connections, connection, CONNECTION_SHUT, http->now);
	(void) shutdown(connection->fd, SHUT_RDWR);
	ask_to_close(connection->handle);
	http->pending = true;
}

static void
answer_and_end(Http *http, Connection *connection)
{
	if (connection->request != NULL && connection->request->state <= REQUEST_BODY)
		reply_send_case(connection->request, STATUS_CLIENT_TOO_SLOW);
	clients_end(http, connection);
}

static void
give_up(Http *http, Connection *connection)
{
	Request *request = connection->request;

	if (request == NULL || !request_waits(request))
	{
		clients_end(http, connection);
		return;
	}
	log_event(LOG_ERROR, "request %s: not answered after its deadline; ending it with status 504",
			  request->id);
	connections_enter(&http->connections, connection, CONNECTION_WAITS, http->now);
	request_give_up(request);
}

static void
end_phase(Http *http, Connection *connection)
{
	switch (connection_rules[connection->phase].last)
	{
		case CONNECTION_ANSWER_AND_END:
			answer_and_end(http, connection);
			break;
		case CONNECTION_END:
		case CONNECTION_CLOSE:
			clients_end(http, connection);
			break;
		case CONNECTION_GIVE_UP:
			give_up(http, connection);
			break;
		case CONNECTION_SHUT_DOWN:
			shut_down(http, connection);
			break;
		case CONNECTION_RESTART:
			http->stuck = true;
			break;
	}
}

void
clients_end_overdue(Http *http)
{
	Connection *connection;

	while (!http->stuck &&
		   (connection = connections_overdue(&http->connections, http->now)) != NULL)
		end_phase(http, connection);
}

/* ---- looking ------------------------------------------------------------ */

/* Bytes that have come and that libmicrohttpd has not read. */
static size_t
unread(const Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection->handle, MHD_CONNECTION_INFO_GNUTLS_SESSION);

	return unread_in_socket(connection) + (info != NULL ? tls_unread(info->tls_session) : 0);
}

/* Nothing more comes: what libmicrohttpd has not made a request of by now will never be one. */
static void
look_at_ended(Http *http, Client *client)
{
	Connection *connection = &client->connection;
	size_t rest = unread(connection);

	if (rest != client->unread)
		client->looks = 0;
	client->unread = rest;
	if (++client->looks < LOOKS)
	{
		http->pending = true;
		return;
	}
	unlist(client);
	clients_end(http, connection);
}

static void
look_at_all_ended(Http *http)
{
	for (Client *next, *client = http->looked_at; client != NULL; client = next)
	{
		next = client->next;
		if (is_up_to_client(client->connection.phase))
			look_at_ended(http, client);
		else
			unlist(client);
	}
}

/* Drops unread input: to close a socket with any would reset it, and could lose the answer. */
static void
refuse_chunks(Http *http, Connection *connection)
{
	size_t dropped = 0;

	if (connection->request != NULL && connection->request->state == REQUEST_BODY)
		reply_send_case(connection->request, STATUS_BAD_FRAMING);
	(void) drop_input(connection->fd, &dropped);
	connection->lingers = false;
	clients_end(http, connection);
}

/*
 * If input is still unread each time, although libmicrohttpd has just run, the client has
 * filled its buffer with a line that has no end.
 */
static void
look_at_chunks(Http *http)
{
	Connection *next;

	if (!MHD_STALLS_ON_CHUNKS || http->now < http->chunks_due)
		return;
	http->chunks_due = http->now + CHUNK_LOOK_US;
	for (Connection *connection = connections_oldest(&http->connections, CONNECTION_CHUNKS);
		 connection != NULL && http->now - connection->since >= CHUNK_LOOK_US; connection = next)
	{
		Client *client = client_of(connection);

		next = connections_next(connection);
		if (client->listed)
			continue;
		client->looks = unread(connection) > 0 ? client->looks + 1 : 0;
		if (client->looks >= LOOKS)
			refuse_chunks(http, connection);
	}
}

void
clients_look(Http *http)
{
	look_at_all_ended(http);
	look_at_chunks(http);
	free_gone(http);
}

int64_t
clients_next_look(const Http *http)
{
	const Connection *first = connections_oldest(&http->connections, CONNECTION_CHUNKS);
	int64_t due = first != NULL ? first->since + CHUNK_LOOK_US : CLOCK_NEVER;

	if (!MHD_STALLS_ON_CHUNKS || first == NULL)
		return CLOCK_NEVER;
	return due > http->chunks_due ? due : http->chunks_due;
}

/* ---- all at once -------------------------------------------------------- */

void
clients_resume_all(Http *http)
{
	Connection *connection = connections_oldest(&http->connections, CONNECTION_WAITS);

	for (; connection != NULL; connection = connections_next(connection))
		if (connection->request != NULL && connection->request->state == REQUEST_SUSPENDED)
			MHD_resume_connection(connection->handle);
}

void
clients_close_all(Http *http)
{
	Connection *connection;

	while ((connection = connections_oldest(&http->connections, CONNECTION_LINGERS)) != NULL)
		close_lingering(client_of(connection));
	free_gone(http);
}
