/*
 * listen.c
 *		Opens listening sockets.
 *
 * Owns the descriptors and the socket file until listen_close.  With several
 * workers the port is first bound without SO_REUSEPORT: otherwise a second
 * bridge of the same user would silently take half of the connections.
 */
#include "listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define UNIX_PREFIX "unix:"
#define HOST_MAX    256
#define PORT_MAX    65535

typedef struct HostPort
{
	char host[HOST_MAX]; /* "" for every interface */
	char port[6];
} HostPort;

static bool
is_unix(const char *address)
{
	return strncmp(address, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0;
}

static bool
split_unix(const char *address, char path[108])
{
	const char *given = address + strlen(UNIX_PREFIX);

	if (*given != '/' || strlen(given) >= 108)
		return false;
	strcpy(path, given);
	return true;
}

static bool
port_is_valid(const char *port)
{
	size_t length = strlen(port);

	return length >= 1 && length <= 5 && strspn(port, "0123456789") == length &&
		   atoi(port) <= PORT_MAX;
}

static bool
split_host_port(const char *address, HostPort *parts)
{
	const char *colon = strrchr(address, ':');
	const char *host = address;
	size_t length;

	if (colon == NULL || !port_is_valid(colon + 1))
		return false;
	length = (size_t) (colon - address);
	if (address[0] == '[')
	{
		if (length < 3 || address[length - 1] != ']')
			return false;
		host++;
		length -= 2;
	}
	else if (memchr(address, ':', length) != NULL)
		return false;
	if (length >= HOST_MAX || memchr(host, '/', length) != NULL)
		return false;
	memcpy(parts->host, host, length);
	parts->host[length] = '\0';
	strcpy(parts->port, colon + 1);
	return true;
}

bool
listen_address_is_valid(const char *address)
{
	HostPort parts;
	char path[108];

	return is_unix(address) ? split_unix(address, path) : split_host_port(address, &parts);
}

/* A bound and, if so asked, listening socket; -1 with errno set. */
static int
open_socket(const struct sockaddr *addr, socklen_t size, bool reuse_port, bool start)
{
	int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;
	int error;

	if (fd < 0)
		return -1;
	if (addr->sa_family != AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (addr->sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (reuse_port)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (bind(fd, addr, size) == 0 && (!start || listen(fd, LISTEN_BACKLOG) == 0))
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static void
describe(Listener *listener, const struct sockaddr *addr, socklen_t size)
{
	char host[HOST_MAX];
	char port[8];

	if (getnameinfo(addr, size, host, sizeof(host), port, sizeof(port),
					NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return;
	snprintf(listener->shown, LISTEN_TEXT_MAX, addr->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s",
			 host, port);
}

/*
 * One socket per worker on the same port.  The first tells the port, if the
 * kernel was to choose it.
 */
static bool
open_tcp(Listener *listener, struct sockaddr *addr, socklen_t size)
{
	bool reuse = listener->workers > 1;
	int probe = reuse ? open_socket(addr, size, false, false) : -1;

	if (reuse && probe < 0)
		return false;
	if (probe >= 0)
		close(probe);
	for (unsigned i = 0; i < listener->workers; i++)
	{
		socklen_t actual = size;

		listener->fds[i] = open_socket(addr, size, reuse, true);
		if (listener->fds[i] < 0 || getsockname(listener->fds[i], addr, &actual) != 0)
			return false;
	}
	describe(listener, addr, size);
	return true;
}

static bool
open_tcp_address(Listener *listener, const char *address, char *message, size_t message_size)
{
	struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	HostPort parts;
	int failure;
	bool done;

	if (!split_host_port(address, &parts))
	{
		snprintf(message, message_size, "\"%s\" is not an address", address);
		return false;
	}
	failure = getaddrinfo(parts.host[0] != '\0' ? parts.host : NULL, parts.port, &hints, &found);
	if (failure != 0)
	{
		snprintf(message, message_size, "cannot listen on %s: %s", address, gai_strerror(failure));
		return false;
	}
	done = open_tcp(listener, found->ai_addr, found->ai_addrlen);
	if (!done)
		snprintf(message, message_size, "cannot listen on %s: %s", address, strerror(errno));
	freeaddrinfo(found);
	return done;
}

/* A socket file that refuses connections is left over from a process that died. */
static bool
remove_stale_socket(const struct sockaddr_un *addr)
{
	struct stat about;
	int fd;
	bool stale;

	if (lstat(addr->sun_path, &about) != 0)
		return errno == ENOENT;
	if (!S_ISSOCK(about.st_mode))
	{
		errno = EEXIST;
		return false;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	stale = connect(fd, (const struct sockaddr *) addr, sizeof(*addr)) != 0 &&
			errno == ECONNREFUSED;
	close(fd);
	if (stale)
		return unlink(addr->sun_path) == 0;
	errno = EADDRINUSE;
	return false;
}

static bool
open_unix(Listener *listener, const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	strcpy(addr.sun_path, path);
	if (!remove_stale_socket(&addr))
		return false;
	listener->fds[0] = open_socket((struct sockaddr *) &addr, sizeof(addr), false, true);
	if (listener->fds[0] < 0)
		return false;
	strcpy(listener->unix_path, path);
	for (unsigned i = 1; i < listener->workers; i++)
		if ((listener->fds[i] = dup(listener->fds[0])) < 0)
			return false;
	snprintf(listener->shown, LISTEN_TEXT_MAX, UNIX_PREFIX "%s", path);
	return true;
}

static bool
open_unix_address(Listener *listener, const char *address, char *message, size_t size)
{
	char path[108];

	if (split_unix(address, path) && open_unix(listener, path))
		return true;
	snprintf(message, size, "cannot listen on %s: %s", address, strerror(errno));
	return false;
}

bool
listen_open(Listener *listener, const char *address, unsigned workers, char *message, size_t size)
{
	bool done;

	memset(listener, 0, sizeof(*listener));
	listener->workers = workers;
	listener->local = is_unix(address);
	listener->fds = malloc(workers * sizeof(int));
	if (listener->fds == NULL)
	{
		snprintf(message, size, "out of memory");
		return false;
	}
	for (unsigned i = 0; i < workers; i++)
		listener->fds[i] = -1;
	done = is_unix(address) ? open_unix_address(listener, address, message, size)
							: open_tcp_address(listener, address, message, size);
	if (!done)
		listen_close(listener);
	return done;
}

void
listen_close(Listener *listener)
{
	for (unsigned i = 0; i < listener->workers; i++)
		if (listener->fds != NULL && listener->fds[i] >= 0)
			close(listener->fds[i]);
	free(listener->fds);
	listener->fds = NULL;
	listener->workers = 0;
	if (listener->unix_path[0] != '\0')
		unlink(listener->unix_path);
	listener->unix_path[0] = '\0';
}
