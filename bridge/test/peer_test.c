/*
 * peer_test.c
 *		Addresses of clients as text.
 */
#include "peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "suites.h"
#include "test.h"

static const char *
shown(int family, const char *address)
{
	static char text[PEER_TEXT_MAX];
	struct sockaddr_in ipv4 = {.sin_family = AF_INET};
	struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};

	if (family == AF_INET)
		CHECK(inet_pton(AF_INET, address, &ipv4.sin_addr) == 1);
	else
		CHECK(inet_pton(AF_INET6, address, &ipv6.sin6_addr) == 1);
	peer_text(text, family == AF_INET ? (struct sockaddr *) &ipv4 : (struct sockaddr *) &ipv6);
	return text;
}

void
test_peer_suite(void)
{
	static const char *const longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	struct sockaddr strange = {.sa_family = AF_UNSPEC};
	char text[PEER_TEXT_MAX];

	CHECK_TEXT(shown(AF_INET, "192.0.2.1"), "192.0.2.1");
	CHECK_TEXT(shown(AF_INET6, "2001:db8::1"), "2001:db8::1");
	CHECK_TEXT(shown(AF_INET6, longest), longest);
	CHECK_TEXT(shown(AF_INET6, "::ffff:192.0.2.1"), "192.0.2.1");
	peer_text(text, (struct sockaddr *) &local);
	CHECK_TEXT(text, "unix");
	peer_text(text, &strange);
	CHECK_TEXT(text, "-");
	peer_text(text, NULL);
	CHECK_TEXT(text, "-");
}
