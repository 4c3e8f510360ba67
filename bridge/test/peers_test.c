/*
 * peers_test.c
 *		Connections counted by address: which addresses are one, and that no count is lost.
 */
#include "peers.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "suites.h"
#include "test.h"

#define MANY 2000

static PeerKey
key(const char *text)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(1)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(2)};

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return peers_key((struct sockaddr *) &v4, sizeof(v4));
	CHECK(inet_pton(AF_INET6, text, &v6.sin6_addr) == 1);
	return peers_key((struct sockaddr *) &v6, sizeof(v6));
}

static void
tells_addresses_apart(void)
{
	struct sockaddr_un local = {.sun_family = AF_UNIX};

	CHECK(key("192.0.2.1") != 0 && key("192.0.2.1") == key("192.0.2.1"));
	CHECK(key("192.0.2.1") != key("192.0.2.2"));
	CHECK(key("::ffff:192.0.2.1") == key("192.0.2.1"));
	CHECK(key("2001:db8::1") == key("2001:db8::ffff:1"));
	CHECK(key("2001:db8::1") != key("2001:db8:0:1::1"));
	CHECK(key("::1") != 0 && key("0.0.0.0") != 0);
	CHECK_NUMBER(peers_key((struct sockaddr *) &local, sizeof(local)), 0);
}

static void
counts_up_to_the_limit(void)
{
	Peers *peers = peers_open(8, 2);
	PeerKey one = key("192.0.2.1");

	CHECK(peers_enter(peers, one) && peers_enter(peers, one));
	CHECK(!peers_enter(peers, one));
	CHECK(peers_enter(peers, key("192.0.2.2")));
	peers_leave(peers, one);
	CHECK(peers_enter(peers, one) && !peers_enter(peers, one));
	for (int i = 0; i < 10; i++)
		CHECK(peers_enter(peers, 0));
	peers_close(peers);
	CHECK(peers_enter(NULL, one));
	peers_leave(NULL, one);
	peers_close(NULL);
}

/* Come and go in different orders: gaps in the table must hide nobody. */
static void
loses_no_count(void)
{
	Peers *peers = peers_open(MANY, 1);
	bool good = true;

	for (PeerKey i = 1; i <= MANY; i++)
		good = peers_enter(peers, i) && good;
	for (PeerKey i = 1; i <= MANY; i += 3)
		peers_leave(peers, i);
	for (PeerKey i = 1; i <= MANY; i++)
		good = peers_enter(peers, i) == (i % 3 == 1) && good;
	for (PeerKey i = MANY; i >= 1; i--)
		peers_leave(peers, i);
	for (PeerKey i = 1; i <= MANY; i++)
		good = peers_enter(peers, i) && good;
	CHECK(good);
	peers_close(peers);
}

/* The limit of connections can rise, and does not hold while the bridge is being stopped. */
static void
takes_more_than_it_was_made_for(void)
{
	Peers *peers = peers_open(4, 2);
	bool good = true;

	for (int i = 0; i < 2; i++)
		for (PeerKey peer = 1; peer <= MANY; peer++)
			good = peers_enter(peers, peer) && good;
	for (PeerKey peer = 1; peer <= MANY; peer++)
		good = !peers_enter(peers, peer) && good;
	for (PeerKey peer = 1; peer <= MANY; peer++)
	{
		peers_leave(peers, peer);
		good = peers_enter(peers, peer) && !peers_enter(peers, peer) && good;
	}
	CHECK(good);
	peers_close(peers);
}

void
test_peers_suite(void)
{
	takes_more_than_it_was_made_for();
	tells_addresses_apart();
	counts_up_to_the_limit();
	loses_no_count();
}
