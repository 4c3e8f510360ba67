/*
 * listen.h
 *		Listening sockets: TCP of both families, and Unix-domain ones.
 *
 * An address is "host:port", "[v6]:port", ":port" (every interface) or
 * "unix:/path".  Each worker has TCP sockets of its own on the same port
 * (SO_REUSEPORT), so that the kernel spreads connections; Unix-domain sockets,
 * which cannot do that, and sockets that another process has opened for us are
 * shared.
 */
#ifndef PAT_BRIDGE_LISTEN_H
#define PAT_BRIDGE_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

#include "socket_file.h"

/* Connections the kernel keeps for us until they are accepted. */
#define LISTEN_BACKLOG  1024
#define LISTEN_TEXT_MAX 300

typedef struct ListenSettings
{
	unsigned workers;
	bool reuse_port; /* another bridge may listen on the same address */
	SocketFileSettings files;
} ListenSettings;

/* One address, open for all workers. */
typedef struct Listener
{
	int *fds; /* one per worker; -1: closed */
	unsigned workers;
	bool shared;                 /* one socket for all workers */
	bool inherited;              /* open elsewhere as well, and stays so */
	char shown[LISTEN_TEXT_MAX]; /* the address with the port the kernel gave */
	bool local;                  /* a Unix-domain socket */
	SocketFile file;             /* to be removed at the end */
} Listener;

/* Whether this is an address as above.  Looks no name up. */
extern bool listen_address_is_valid(const char *address);

/*
 * Open an address for all workers.  False, with one sentence in message, if
 * that fails; nothing is open then.  A socket file nobody listens on any more
 * is replaced; with reuse_port, one that is in use as well, at once and for
 * whoever connects from then on.
 */
extern bool listen_open(Listener *listener, const char *address, const ListenSettings *settings,
						char *message, size_t size) __attribute__((warn_unused_result));

/* Share a listening socket that came open.  False, with errno set, without descriptors. */
extern bool
listen_inherit(Listener *listener, int fd, unsigned workers) __attribute__((warn_unused_result));

/*
 * Let no new connection come: the socket file goes away, and packets that ask
 * for a TCP connection are dropped, so that the client's kernel asks again a
 * second later and finds whoever listens then.  Connections that have begun can
 * still be accepted.  Where the kernel hands such connections on by itself
 * (net.ipv4.tcp_migrate_req), nothing is dropped.  Leaves an inherited socket
 * alone.
 */
extern void listen_withdraw(Listener *listener);

/* Close one worker's socket; the kernel resets what has not been accepted from it. */
extern void listen_close_one(Listener *listener, unsigned worker);

/* Close what is open and remove the socket file. */
extern void listen_close(Listener *listener);

#endif
