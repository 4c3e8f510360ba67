/*
 * counters.c
 *		The memory of the counters, their sums, and the counting of a request.
 *
 * Most statuses never occur on most routes: the memory is the kernel's zero
 * pages until something is counted there.
 */
#include "counters.h"

#include <sys/mman.h>

const int64_t counters_bucket_us[COUNTERS_BUCKETS] = {500,     1000,    2500,    5000,    10000,
													  25000,   50000,   100000,  250000,  500000,
													  1000000, 2500000, 5000000, 10000000};

static size_t
size_of_set(unsigned workers)
{
	return sizeof(CounterSet) + workers * sizeof(Counters);
}

CounterSet *
counters_open(unsigned workers)
{
	CounterSet *set = mmap(NULL, size_of_set(workers), PROT_READ | PROT_WRITE,
						   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (set == MAP_FAILED)
		return NULL;
	set->workers = workers;
	return set;
}

void
counters_close(CounterSet *set)
{
	if (set != NULL)
		munmap(set, size_of_set(set->workers));
}

uint64_t
counters_sum(const CounterSet *set, size_t offset)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < set->workers; i++)
		sum += counter_get((const Counter *) ((const char *) &set->each[i] + offset));
	return sum;
}

/* What is no status of HTTP's counts as none. */
static size_t
place_of_status(int status)
{
	int place = status - COUNTERS_FIRST_STATUS + 1;

	return place > 0 && place < COUNTERS_STATUSES ? (size_t) place : 0;
}

static size_t
bucket_of(int64_t duration_us)
{
	size_t bucket = 0;

	while (bucket < COUNTERS_BUCKETS && duration_us > counters_bucket_us[bucket])
		bucket++;
	return bucket;
}

void
counters_request(Counters *counters, const Route *route, int status, int64_t duration_us,
				 size_t body_bytes)
{
	RouteCounters *mine =
		&counters->routes[route != NULL ? route_number(route) : COUNTERS_NO_ROUTE];

	counter_add(&mine->statuses[place_of_status(status)], 1);
	counter_add(&mine->durations[bucket_of(duration_us)], 1);
	counter_add(&mine->duration_us, (uint64_t) duration_us);
	counter_add(&mine->body_bytes, body_bytes);
}
