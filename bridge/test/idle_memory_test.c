/*
 * idle_memory_test.c
 *		What of a pool goes back to the kernel: whole pages of zeros inside it, if it is
 *		certain where it lies, and nothing else; and when the allocator's memory does.
 */
#include "idle_memory.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "suites.h"
#include "test.h"

#define PAGES  8
#define WORDS  64
#define MARGIN 48 /* between a page's edge and the pool's */
#define PLACE  17 /* of the word that leads to the pool */

/* The library's connection and its record of a pool, as far as they matter. */
static uintptr_t words[WORDS];
static struct
{
	uintptr_t start;
	size_t size;
} record;

static IdleMemory memory;
static size_t page;
static unsigned char *area; /* PAGES pages, the pool in all but a margin on both sides */
static unsigned char *pool;
static size_t size;

static void
set_up(void)
{
	page = (size_t) sysconf(_SC_PAGESIZE);
	if (area == NULL)
		area = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(area != MAP_FAILED);
	pool = area + MARGIN;
	size = PAGES * page - 2 * MARGIN;
	memset(area, 'x', PAGES * page);
	memset(pool, 0, size);
	record.start = (uintptr_t) pool;
	record.size = size;
	memset(words, 0, sizeof(words));
	words[PLACE] = (uintptr_t) &record;
	memory = (IdleMemory){0};
}

static size_t
give_back(void)
{
	return idle_memory_return(&memory, words, pool, size);
}

static size_t
resident(void)
{
	unsigned char there[PAGES];
	size_t count = 0;

	CHECK(mincore(area, PAGES * page, there) == 0);
	for (size_t i = 0; i < PAGES; i++)
		count += there[i] & 1;
	return count;
}

static bool
is_unharmed(void)
{
	for (size_t i = 0; i < MARGIN; i++)
		if (area[i] != 'x' || pool[size + i] != 'x')
			return false;
	return true;
}

static void
gives_back_whole_pages_inside(void)
{
	set_up();
	CHECK_NUMBER(resident(), PAGES);
	CHECK_NUMBER(give_back(), (PAGES - 2) * page);
	CHECK_NUMBER(resident(), 2);
	for (size_t i = 0; i < size; i++)
		if (pool[i] != 0)
			CHECK(pool[i] == 0);
	CHECK(is_unharmed());
	memset(pool, 'y', size);
	memset(pool, 0, size);
	CHECK_NUMBER(give_back(), (PAGES - 2) * page);
}

static void
gives_back_pages_at_the_edge(void)
{
	set_up();
	memset(area, 0, PAGES * page);
	pool = area;
	size = PAGES * page;
	record.start = (uintptr_t) pool;
	record.size = size;
	CHECK_NUMBER(give_back(), PAGES * page);
	CHECK_NUMBER(resident(), 0);
}

/* Part of the next request may have come. */
static void
keeps_what_is_not_zero(void)
{
	set_up();
	memcpy(pool, "GET /", 5);
	area[2 * page - 1] = 1;
	area[4 * page] = 2;
	CHECK_NUMBER(give_back(), (PAGES - 4) * page);
	CHECK_NUMBER(resident(), 4);
	CHECK(memcmp(pool, "GET /", 5) == 0 && area[2 * page - 1] == 1 && area[4 * page] == 2);
	CHECK(is_unharmed());
	memset(pool, 'z', size);
	CHECK_NUMBER(give_back(), 0);
}

static void
gives_back_no_part_of_a_page(void)
{
	set_up();
	size = record.size = page;
	CHECK_NUMBER(give_back(), 0);
	size = record.size = 2 * page - MARGIN - 1;
	CHECK_NUMBER(give_back(), 0);
	size = record.size = 2 * page - MARGIN;
	CHECK_NUMBER(give_back(), page);
}

/* Else a client could move it, with what it sends before its request line. */
static void
asks_for_the_start_of_the_pool(void)
{
	set_up();
	CHECK_NUMBER(idle_memory_return(&memory, words, pool + page, size), 0);
	CHECK_NUMBER(idle_memory_return(&memory, words, pool + 16, size), 0);
	CHECK_NUMBER(idle_memory_return(&memory, words, NULL, size), 0);
	CHECK(!memory.known);
	CHECK_NUMBER(give_back(), (PAGES - 2) * page);
	CHECK(memory.known);
	memset(pool, 0, size);
	CHECK_NUMBER(idle_memory_return(&memory, words, pool + page, size), 0);
	CHECK_NUMBER(resident(), PAGES);
}

static void
asks_for_the_size_of_the_pool(void)
{
	set_up();
	record.size = size - 1;
	CHECK_NUMBER(give_back(), 0);
	record.size = size + page;
	CHECK_NUMBER(give_back(), 0);
	record.size = size;
	size -= 15; /* the library rounds up */
	CHECK_NUMBER(give_back(), (PAGES - 2) * page);
}

/* Words that are no pointers, or lead to what cannot be read. */
static void
follows_no_word_blindly(void)
{
	set_up();
	words[PLACE] = 0;
	for (unsigned i = 0; i < PLACE; i++)
		words[i] = i;
	words[3] = UINTPTR_MAX - 7;
	words[4] = 4096;
	words[5] = (uintptr_t) area;
	words[6] = (uintptr_t) words;
	CHECK(mprotect(area, page, PROT_NONE) == 0);
	CHECK_NUMBER(give_back(), 0);
	words[PLACE] = (uintptr_t) &record;
	CHECK_NUMBER(give_back(), (PAGES - 2) * page);
	CHECK(mprotect(area, page, PROT_READ | PROT_WRITE) == 0);
}

static void
learns_the_place_once(void)
{
	set_up();
	CHECK_NUMBER(give_back(), (PAGES - 2) * page);
	CHECK(memory.known && memory.word == PLACE);
	memset(pool, 0, size);
	words[PLACE + 1] = words[PLACE];
	words[PLACE] = 0; /* a connection that ends has no pool any more */
	CHECK_NUMBER(give_back(), 0);
	CHECK_NUMBER(resident(), PAGES);
}

/* What it takes for the most of late then: the number itself, if it trims. */
static unsigned
most_after(unsigned most, unsigned connections)
{
	idle_memory_trim(&most, connections);
	return most;
}

static void
trims_when_most_of_many_have_ended(void)
{
	CHECK_NUMBER(most_after(0, 10000), 10000);
	CHECK_NUMBER(most_after(10000, 9000), 10000);
	CHECK_NUMBER(most_after(10000, 5001), 10000);
	CHECK_NUMBER(most_after(10000, 5000), 5000);
	CHECK_NUMBER(most_after(10000, 0), 0);
	CHECK_NUMBER(most_after(128, 0), 0);
	CHECK_NUMBER(most_after(127, 0), 127);
	CHECK_NUMBER(most_after(200, 73), 200);
}

void
test_idle_memory_suite(void)
{
	trims_when_most_of_many_have_ended();
	gives_back_whole_pages_inside();
	gives_back_pages_at_the_edge();
	keeps_what_is_not_zero();
	gives_back_no_part_of_a_page();
	asks_for_the_start_of_the_pool();
	asks_for_the_size_of_the_pool();
	follows_no_word_blindly();
	learns_the_place_once();
}
