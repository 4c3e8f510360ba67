/*
 * peer.c
 *		The address of a client, as text.  Asks no name service.
 */
#include "peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static const void *
ipv4_inside(const struct in6_addr *addr)
{
	return IN6_IS_ADDR_V4MAPPED(addr) ? addr->s6_addr + 12 : NULL;
}

void
peer_text(char text[PEER_TEXT_MAX], const struct sockaddr *addr)
{
	const void *ipv4 = NULL;
	const void *ipv6 = NULL;

	strcpy(text, "-");
	if (addr == NULL)
		return;
	if (addr->sa_family == AF_UNIX)
		strcpy(text, "unix");
	else if (addr->sa_family == AF_INET)
		ipv4 = &((const struct sockaddr_in *) addr)->sin_addr;
	else if (addr->sa_family == AF_INET6)
	{
		ipv6 = &((const struct sockaddr_in6 *) addr)->sin6_addr;
		ipv4 = ipv4_inside(ipv6);
	}
	if (ipv4 != NULL)
		inet_ntop(AF_INET, ipv4, text, PEER_TEXT_MAX);
	else if (ipv6 != NULL)
		inet_ntop(AF_INET6, ipv6, text, PEER_TEXT_MAX);
}
