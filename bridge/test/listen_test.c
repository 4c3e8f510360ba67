/*
 * listen_test.c
 *		Addresses, and opening sockets on this machine.
 */
#include "listen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "suites.h"
#include "test.h"

static void
knows_addresses(void)
{
	static const char *const good[] = {"127.0.0.1:4242", "[::1]:80",    "localhost:0",
									   ":4242",          "unix:/tmp/x", "host.example:65535"};
	static const char *const bad[] = {"",         "4242",    "127.0.0.1",     "127.0.0.1:",
									  "::1:80",   "[::1]",   "[]:80",         "a:65536",
									  "a:-1",     "a:1x",    "unix:relative", "unix:",
									  "a:123456", "[::1:80", "http://a:80",   "a/b:80"};
	char long_path[256] = "unix:/";

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK(listen_address_is_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!listen_address_is_valid(bad[i]));
	memset(long_path + 6, 'x', sizeof(long_path) - 7);
	CHECK(!listen_address_is_valid(long_path));
}

/* The kernel chooses one port for all workers, and a second bridge cannot have it. */
static void
opens_a_socket_per_worker(void)
{
	Listener first;
	Listener second;
	char message[256] = "";

	CHECK(listen_open(&first, "127.0.0.1:0", 3, message, sizeof(message)));
	CHECK(strncmp(first.shown, "127.0.0.1:", 10) == 0 && strcmp(first.shown, "127.0.0.1:0") != 0);
	CHECK(first.fds[0] >= 0 && first.fds[1] >= 0 && first.fds[2] >= 0);
	CHECK(!listen_open(&second, first.shown, 3, message, sizeof(message)));
	CHECK(strstr(message, first.shown) != NULL && strstr(message, "in use") != NULL);
	CHECK(!listen_open(&second, first.shown, 1, message, sizeof(message)));
	listen_close(&first);
	CHECK(listen_open(&second, "127.0.0.1:0", 1, message, sizeof(message)));
	listen_close(&second);
}

static void
leave_a_stale_socket(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(addr.sun_path, path);
	CHECK(bind(fd, (struct sockaddr *) &addr, sizeof(addr)) == 0);
	close(fd);
}

static void
minds_socket_files(void)
{
	char dir[] = "/tmp/pat-listen-XXXXXX";
	char address[64];
	char message[256];
	const char *path = address + strlen("unix:");
	Listener first;
	Listener second;
	FILE *file;

	CHECK(mkdtemp(dir) != NULL);
	snprintf(address, sizeof(address), "unix:%s/s", dir);
	leave_a_stale_socket(path);
	CHECK(listen_open(&first, address, 2, message, sizeof(message)));
	CHECK_TEXT(first.shown, address);
	CHECK(!listen_open(&second, address, 1, message, sizeof(message)));
	CHECK(access(path, F_OK) == 0);
	listen_close(&first);
	CHECK(access(path, F_OK) != 0);
	file = fopen(path, "w");
	CHECK(file != NULL && fclose(file) == 0);
	CHECK(!listen_open(&second, address, 1, message, sizeof(message)));
	CHECK(access(path, F_OK) == 0);
	unlink(path);
	rmdir(dir);
}

void
test_listen_suite(void)
{
	knows_addresses();
	opens_a_socket_per_worker();
	minds_socket_files();
}
