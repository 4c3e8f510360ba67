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

static const ListenSettings alone = {1, false, {0660, (uid_t) -1, (gid_t) -1}};
static const ListenSettings among_two = {2, false, {0660, (uid_t) -1, (gid_t) -1}};
static const ListenSettings among_three = {3, false, {0660, (uid_t) -1, (gid_t) -1}};
static const ListenSettings beside = {2, true, {0600, (uid_t) -1, (gid_t) -1}};

/* The kernel chooses one port for all workers, and a second bridge cannot have it. */
static void
opens_a_socket_per_worker(void)
{
	Listener first;
	Listener second;
	char message[256] = "";

	CHECK(listen_open(&first, "127.0.0.1:0", &among_three, message, sizeof(message)));
	CHECK(strncmp(first.shown, "127.0.0.1:", 10) == 0 && strcmp(first.shown, "127.0.0.1:0") != 0);
	CHECK(first.fds[0] >= 0 && first.fds[1] >= 0 && first.fds[2] >= 0);
	CHECK(!listen_open(&second, first.shown, &among_three, message, sizeof(message)));
	CHECK(strstr(message, first.shown) != NULL && strstr(message, "in use") != NULL);
	CHECK(!listen_open(&second, first.shown, &alone, message, sizeof(message)));
	listen_close(&first);
	CHECK(listen_open(&second, "127.0.0.1:0", &alone, message, sizeof(message)));
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
	CHECK(listen_open(&first, address, &among_two, message, sizeof(message)));
	CHECK_TEXT(first.shown, address);
	CHECK(!listen_open(&second, address, &alone, message, sizeof(message)));
	CHECK(access(path, F_OK) == 0);
	listen_close(&first);
	CHECK(access(path, F_OK) != 0);
	file = fopen(path, "w");
	CHECK(file != NULL && fclose(file) == 0);
	CHECK(!listen_open(&second, address, &alone, message, sizeof(message)));
	CHECK(access(path, F_OK) == 0);
	unlink(path);
	rmdir(dir);
}

/* Connects; -1 with errno set. */
static int
call(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(addr.sun_path, path);
	if (connect(fd, (struct sockaddr *) &addr, sizeof(addr)) == 0)
		return fd;
	close(fd);
	return -1;
}

static unsigned
mode_of(const char *path)
{
	struct stat about;

	return lstat(path, &about) == 0 ? about.st_mode & 07777 : 0;
}

/* Both listen; with SO_REUSEPORT for TCP, in place of the other for a socket file. */
static void
shares_addresses(void)
{
	char dir[] = "/tmp/pat-listen-XXXXXX";
	char address[64];
	char message[256] = "";
	const char *path = address + strlen("unix:");
	Listener first;
	Listener second;
	int fd;

	CHECK(listen_open(&first, "127.0.0.1:0", &beside, message, sizeof(message)));
	CHECK(listen_open(&second, first.shown, &beside, message, sizeof(message)));
	listen_close(&second);
	CHECK(!listen_open(&second, first.shown, &among_two, message, sizeof(message)));
	listen_close(&first);

	CHECK(mkdtemp(dir) != NULL);
	snprintf(address, sizeof(address), "unix:%s/s", dir);
	CHECK(listen_open(&first, address, &among_two, message, sizeof(message)));
	CHECK_NUMBER(mode_of(path), 0660);
	CHECK(listen_open(&second, address, &beside, message, sizeof(message)));
	CHECK_NUMBER(mode_of(path), 0600);
	fd = call(path);
	CHECK(fd >= 0 && accept(second.fds[1], NULL, NULL) >= 0);
	close(fd);
	listen_withdraw(&first);
	listen_close(&first);
	CHECK(access(path, F_OK) == 0);
	listen_withdraw(&second);
	CHECK(call(path) < 0);
	listen_close(&second);
	CHECK(rmdir(dir) == 0);
}

/* One socket, a descriptor for each worker; it is not ours to remove. */
static void
shares_what_it_inherits(void)
{
	char message[256];
	Listener given;
	Listener taken;

	CHECK(listen_open(&given, "127.0.0.1:0", &alone, message, sizeof(message)));
	CHECK(listen_inherit(&taken, dup(given.fds[0]), 2));
	CHECK_TEXT(taken.shown, given.shown);
	CHECK(taken.inherited && taken.fds[0] >= 0 && taken.fds[1] >= 0);
	listen_withdraw(&taken);
	listen_close(&taken);
	CHECK(!listen_open(&taken, given.shown, &alone, message, sizeof(message)));
	listen_close(&given);
	CHECK(!listen_inherit(&taken, 9999, 2));
}

void
test_listen_suite(void)
{
	knows_addresses();
	opens_a_socket_per_worker();
	minds_socket_files();
	shares_addresses();
	shares_what_it_inherits();
}
