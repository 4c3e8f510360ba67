/*
 * peer.h
 *		The address of a client, as text.
 */
#ifndef PAT_BRIDGE_PEER_H
#define PAT_BRIDGE_PEER_H

#include <sys/socket.h>

/* The longest address of IPv6, with its interface. */
#define PEER_TEXT_MAX 64

/*
 * "127.0.0.1", "2001:db8::1", "unix" for Unix-domain sockets, or "-" where there
 * is no address.  An IPv4 address inside of IPv6 is shown as one of IPv4.
 */
extern void peer_text(char text[PEER_TEXT_MAX], const struct sockaddr *addr);

#endif
