/*
 * listen.h
 *		Listening sockets: TCP of both families, and Unix-domain ones.
 *
 * An address is "host:port", "[v6]:port", ":port" (every interface) or
 * "unix:/path".  Each worker has TCP sockets of its own on the same port
 * (SO_REUSEPORT), so that the kernel spreads connections; Unix-domain sockets,
 * which cannot do that, are shared.
 */
#ifndef PAT_BRIDGE_LISTEN_H
#define PAT_BRIDGE_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

/* Connections the kernel keeps for us until they are accepted. */
#define LISTEN_BACKLOG  1024
#define LISTEN_TEXT_MAX 300

/* One address, open for all workers. */
typedef struct Listener
{
	int *fds; /* one per worker */
	unsigned workers;
	char shown[LISTEN_TEXT_MAX]; /* the address with the port the kernel gave */
	bool local;                  /* a Unix-domain socket */
	char unix_path[108];         /* to be removed at the end, or "" */
} Listener;

/* Whether this is an address as above.  Looks no name up. */
extern bool listen_address_is_valid(const char *address);

/*
 * Open an address for so many workers.  False, with one sentence in message,
 * if that fails; nothing is open then.  A socket file nobody listens on any
 * more is replaced.
 */
extern bool listen_open(Listener *listener, const char *address, unsigned workers, char *message,
						size_t size) __attribute__((warn_unused_result));

/* Close what is open and remove the socket file. */
extern void listen_close(Listener *listener);

#endif
