/*
 * thread.c
 *		Detached threads, at most so many of a kind as its limit says.
 *
 * Owns nothing but the count in the limit.
 */
#include "thread.h"

#include <pthread.h>

/* What they call needs little: PQcancel, getaddrinfo. */
#define STACK_SIZE (256 * 1024)

static bool
start_detached(void *(*run)(void *), void *arg)
{
	pthread_attr_t attributes;
	pthread_t thread;
	bool good;

	if (pthread_attr_init(&attributes) != 0)
		return false;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	good = pthread_create(&thread, &attributes, run, arg) == 0;
	pthread_attr_destroy(&attributes);
	return good;
}

bool
thread_start(ThreadLimit *limit, void *(*run)(void *), void *arg)
{
	if (atomic_fetch_add(&limit->running, 1) < limit->most && start_detached(run, arg))
		return true;
	thread_ends(limit);
	return false;
}

void
thread_ends(ThreadLimit *limit)
{
	atomic_fetch_sub(&limit->running, 1);
}
