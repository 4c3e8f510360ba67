/*
 * db_lookup.c
 *		Looks up the names of hosts, each in a thread of its own.
 *
 * getaddrinfo blocks, so the event loop cannot call it.  Thread and loop have a reference each
 * to the look-up; the last to release it frees it.  The thread stores the result and then
 * closes its end of a pipe; the loop reads the result after that.  Nothing waits for a thread,
 * not even the end of the process.
 */
#include "db_lookup.h"

#include <fcntl.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "thread.h"

/* In all workers together: bounds the threads that wait for a resolver that does not answer. */
#define MAX_THREADS 64

struct DbLookup
{
	atomic_uint holders; /* the loop and the thread */
	atomic_bool over;
	int read_fd;  /* the loop's */
	int write_fd; /* the thread's */
	int error;    /* of getaddrinfo */
	DbAddresses addresses;
	char name[];
};

static ThreadLimit threads = {.most = MAX_THREADS};

static void
release(DbLookup *lookup)
{
	if (atomic_fetch_sub(&lookup->holders, 1) == 1)
		free(lookup);
}

static void
add_address(DbAddresses *addresses, const struct addrinfo *info)
{
	char *text = addresses->text[addresses->count];

	if (getnameinfo(info->ai_addr, info->ai_addrlen, text, DB_ADDRESS_SIZE, NULL, 0,
					NI_NUMERICHOST) == 0)
		addresses->count++;
}

static void
resolve(DbLookup *lookup)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;

	lookup->error = getaddrinfo(lookup->name, NULL, &hints, &list);
	if (lookup->error != 0)
		return;
	for (const struct addrinfo *info = list;
		 info != NULL && lookup->addresses.count < DB_MAX_ADDRESSES; info = info->ai_next)
		add_address(&lookup->addresses, info);
	freeaddrinfo(list);
	if (lookup->addresses.count == 0)
		lookup->error = EAI_NONAME;
}

static void *
run(void *arg)
{
	DbLookup *lookup = arg;

	resolve(lookup);
	atomic_store(&lookup->over, true);
	close(lookup->write_fd);
	release(lookup);
	thread_ends(&threads);
	return NULL;
}

DbLookup *
db_lookup_start(const char *name)
{
	size_t size = strlen(name) + 1;
	DbLookup *lookup = calloc(1, sizeof(DbLookup) + size);
	int ends[2];

	if (lookup == NULL)
		return NULL;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
	{
		free(lookup);
		return NULL;
	}
	memcpy(lookup->name, name, size);
	lookup->read_fd = ends[0];
	lookup->write_fd = ends[1];
	atomic_init(&lookup->holders, 2);
	if (thread_start(&threads, run, lookup))
		return lookup;
	close(ends[0]);
	close(ends[1]);
	free(lookup);
	return NULL;
}

const char *
db_lookup_name(const DbLookup *lookup)
{
	return lookup->name;
}

int
db_lookup_fd(const DbLookup *lookup)
{
	return lookup->read_fd;
}

bool
db_lookup_is_over(const DbLookup *lookup)
{
	return atomic_load(&lookup->over);
}

const char *
db_lookup_result(const DbLookup *lookup, DbAddresses *addresses)
{
	if (lookup->error != 0)
		return gai_strerror(lookup->error);
	*addresses = lookup->addresses;
	return NULL;
}

void
db_lookup_leave(DbLookup *lookup)
{
	if (lookup == NULL)
		return;
	close(lookup->read_fd);
	release(lookup);
}

bool
db_lookup_is_needless(const char *host)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST};
	struct addrinfo *list = NULL;

	if (*host == '/' || *host == '@')
		return true;
	if (getaddrinfo(host, NULL, &hints, &list) != 0)
		return false;
	freeaddrinfo(list);
	return true;
}
