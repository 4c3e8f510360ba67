/*
 * idle_memory.c
 *		Where the memory of an idle connection lies, and its return; and that of
 *		connections that have ended.
 *
 * Owns nothing.  A client must not be able to point it elsewhere: a request line lies
 * at the start of the pool unless something was skipped before it, and before 1.0
 * libmicrohttpd skips as much as a client likes, with bytes of its choice.  So
 * the line counts only if the library's own record says that the pool begins there.
 * The record is found by what it says, not by its place, which versions differ
 * in; the kernel reads it, since a word that is no pointer could lead anywhere.
 */
#include "idle_memory.h"

#include <stdint.h>
#ifdef __GLIBC__ /* which a header of it tells */
#include <malloc.h>
#endif
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

/* So many connections must have ended: 2 MB of pools of the usual size. */
#define TRIM_LEAST 128

/* Words at the start of the library's connection that may lead to its pool; there are more. */
#define WORDS 52

/* How the library's record of a pool begins. */
typedef struct Pool
{
	uintptr_t start;
	size_t size; /* what it was told to take, rounded up */
} Pool;

static bool
read_pool(uintptr_t address, Pool *pool)
{
	struct iovec to = {pool, sizeof(Pool)};
	struct iovec from = {(void *) address, sizeof(Pool)};

	return address != 0 && address % sizeof(void *) == 0 &&
		   process_vm_readv(getpid(), &to, 1, &from, 1, 0) == (ssize_t) sizeof(Pool);
}

static bool
find_pool(IdleMemory *memory, const uintptr_t *words, const Pool *wanted, size_t page, Pool *pool)
{
	unsigned first = memory->known ? memory->word : 0;
	unsigned last = memory->known ? memory->word : WORDS - 1;

	for (unsigned i = first; i <= last; i++)
	{
		if (!read_pool(words[i], pool) || pool->start != wanted->start ||
			pool->size < wanted->size || pool->size - wanted->size >= page)
			continue;
		*memory = (IdleMemory){.known = true, .word = i};
		return true;
	}
	return false;
}

static bool
is_zero(const void *page, size_t size)
{
	const uint64_t *words = page;
	uint64_t all = 0;

	for (size_t i = 0; i < size / sizeof(uint64_t); i++)
		all |= words[i];
	return all == 0;
}

/* Bytes that go back, in as few calls as there are runs of zeros. */
static size_t
return_zeros(uintptr_t start, uintptr_t end, size_t page)
{
	size_t returned = 0;
	uintptr_t run = start;

	for (uintptr_t at = start; at <= end; at += page)
	{
		if (at < end && is_zero((const void *) at, page))
			continue;
		if (at > run && madvise((void *) run, at - run, MADV_DONTNEED) == 0)
			returned += at - run;
		run = at + page;
	}
	return returned;
}

size_t
idle_memory_return(IdleMemory *memory, const void *connection, const void *line, size_t size)
{
	size_t page = (size_t) sysconf(_SC_PAGESIZE);
	Pool wanted = {(uintptr_t) line, size};
	Pool pool;
	uintptr_t start;
	uintptr_t end;

	if (line == NULL || !find_pool(memory, connection, &wanted, page, &pool))
		return 0;
	start = (pool.start + page - 1) / page * page;
	end = (pool.start + pool.size) / page * page;
	return start < end ? return_zeros(start, end, page) : 0;
}

/*
 * What a thread frees stays with its arena: glibc gives nothing of it back by itself
 * while anything above is in use.
 */
void
idle_memory_trim(unsigned *most, unsigned connections)
{
	if (connections > *most)
		*most = connections;
	if (*most - connections < TRIM_LEAST || connections > *most / 2)
		return;
	*most = connections;
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}
