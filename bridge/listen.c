/*
 * listen.c
 *		Opens listening sockets.
 *
 * Owns the descriptors and the socket files until listen_close.  With several
 * workers the port is first bound without SO_REUSEPORT, unless another bridge is
 * welcome: otherwise a second one of the same user would silently take half of
 * the connections.
 */
#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
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
split_unix(const char *address, char path[SOCKET_FILE_PATH_MAX])
{
	const char *given = address + strlen(UNIX_PREFIX);

	if (*given != '/' || strlen(given) >= SOCKET_FILE_PATH_MAX)
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
	char path[SOCKET_FILE_PATH_MAX];

	return is_unix(address) ? split_unix(address, path) : split_host_port(address, &parts);
}

static int
close_keeping_errno(int fd)
{
	int error = errno;

	if (fd >= 0)
		close(fd);
	errno = error;
	return -1;
}

/* A bound TCP socket; -1 with errno set. */
static int
bind_socket(const struct sockaddr *addr, socklen_t size, bool reuse_port)
{
	int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (addr->sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (reuse_port)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	return bind(fd, addr, size) == 0 ? fd : close_keeping_errno(fd);
}

static int
open_socket(const struct sockaddr *addr, socklen_t size, bool reuse_port)
{
	int fd = bind_socket(addr, size, reuse_port);

	return fd < 0 || listen(fd, LISTEN_BACKLOG) == 0 ? fd : close_keeping_errno(fd);
}

/* One socket for all workers; each has a descriptor of its own. */
static bool
share(Listener *listener, int fd)
{
	listener->shared = listener->workers > 1;
	listener->fds[0] = fd;
	for (unsigned i = 1; i < listener->workers; i++)
		if ((listener->fds[i] = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0)
			return false;
	return true;
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
open_tcp(Listener *listener, struct sockaddr *addr, socklen_t size, bool welcome)
{
	bool reuse = listener->workers > 1 || welcome;
	int probe = reuse && !welcome ? bind_socket(addr, size, false) : -1;

	if (reuse && !welcome && probe < 0)
		return false;
	if (probe >= 0)
		close(probe);
	for (unsigned i = 0; i < listener->workers; i++)
	{
		socklen_t actual = size;

		listener->fds[i] = open_socket(addr, size, reuse);
		if (listener->fds[i] < 0 || getsockname(listener->fds[i], addr, &actual) != 0)
			return false;
	}
	describe(listener, addr, size);
	return true;
}

static bool
open_tcp_address(Listener *listener, const char *address, bool reuse_port, char *message,
				 size_t message_size)
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
	done = open_tcp(listener, found->ai_addr, found->ai_addrlen, reuse_port);
	if (!done)
		snprintf(message, message_size, "cannot listen on %s: %s", address, strerror(errno));
	freeaddrinfo(found);
	return done;
}

static bool
open_unix(Listener *listener, const char *path, const ListenSettings *settings)
{
	int fd = socket_file_open(&listener->file, path, &settings->files, settings->reuse_port);

	if (fd < 0)
		return false;
	snprintf(listener->shown, LISTEN_TEXT_MAX, UNIX_PREFIX "%s", path);
	return share(listener, fd);
}

static bool
open_unix_address(Listener *listener, const char *address, const ListenSettings *settings,
				  char *message, size_t size)
{
	char path[SOCKET_FILE_PATH_MAX];

	if (split_unix(address, path) && open_unix(listener, path, settings))
		return true;
	snprintf(message, size, "cannot listen on %s: %s", address, strerror(errno));
	return false;
}

static bool
start(Listener *listener, unsigned workers)
{
	memset(listener, 0, sizeof(*listener));
	listener->workers = workers;
	listener->fds = malloc(workers * sizeof(int));
	for (unsigned i = 0; listener->fds != NULL && i < workers; i++)
		listener->fds[i] = -1;
	return listener->fds != NULL;
}

bool
listen_open(Listener *listener, const char *address, const ListenSettings *settings, char *message,
			size_t size)
{
	bool done;

	if (!start(listener, settings->workers))
	{
		snprintf(message, size, "out of memory");
		return false;
	}
	listener->local = is_unix(address);
	done = listener->local
			   ? open_unix_address(listener, address, settings, message, size)
			   : open_tcp_address(listener, address, settings->reuse_port, message, size);
	if (!done)
		listen_close(listener);
	return done;
}

/* ---- sockets that another process has opened ---------------------------- */

static void
describe_inherited(Listener *listener, int fd)
{
	struct sockaddr_storage addr = {0};
	socklen_t size = sizeof(addr);

	snprintf(listener->shown, LISTEN_TEXT_MAX, "descriptor %d", fd);
	if (getsockname(fd, (struct sockaddr *) &addr, &size) != 0)
		return;
	listener->local = addr.ss_family == AF_UNIX;
	if (listener->local)
		snprintf(listener->shown, LISTEN_TEXT_MAX, UNIX_PREFIX "%s",
				 ((struct sockaddr_un *) &addr)->sun_path);
	else
		describe(listener, (struct sockaddr *) &addr, size);
}

bool
listen_inherit(Listener *listener, int fd, unsigned workers)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || !start(listener, workers))
		return false;
	listener->inherited = true;
	describe_inherited(listener, fd);
	if (share(listener, fd))
		return true;
	listen_close(listener);
	return false;
}

/* ---- the end ------------------------------------------------------------ */

/* Whether the kernel gives what waits at a closing socket to others on the port (5.14 on). */
static bool
kernel_migrates(void)
{
	char set = '0';
	int fd = open("/proc/sys/net/ipv4/tcp_migrate_req", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd >= 0 ? read(fd, &set, 1) : 0;

	if (fd >= 0)
		close(fd);
	return got == 1 && set == '1';
}

/*
 * Drops packets with SYN and without ACK.  What the filter sees starts at the
 * TCP header, of which the flags are byte 13.  Some kernels keep filters for
 * those with CAP_NET_ADMIN; then whoever connects between the last accept and
 * the close is reset.
 */
static void
drop_requests_to_connect(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),          BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1), BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, 0xFFFFFFFF),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	(void) setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

void
listen_withdraw(Listener *listener)
{
	bool is_tcp = listener->file.path[0] == '\0';

	if (listener->inherited)
		return;
	socket_file_remove(&listener->file);
	if (!is_tcp || kernel_migrates())
		return;
	for (unsigned i = 0; i < listener->workers; i++)
		drop_requests_to_connect(listener->fds[i]);
}

void
listen_close_one(Listener *listener, unsigned worker)
{
	if (listener->fds[worker] >= 0)
		close(listener->fds[worker]);
	listener->fds[worker] = -1;
}

void
listen_close(Listener *listener)
{
	for (unsigned i = 0; listener->fds != NULL && i < listener->workers; i++)
		listen_close_one(listener, i);
	free(listener->fds);
	listener->fds = NULL;
	listener->workers = 0;
	socket_file_remove(&listener->file);
}
