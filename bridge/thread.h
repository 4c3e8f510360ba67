/*
 * thread.h
 *		Detached threads for calls that block and cannot be made from the event loop.
 */
#ifndef PAT_BRIDGE_THREAD_H
#define PAT_BRIDGE_THREAD_H

#include <stdatomic.h>
#include <stdbool.h>

/* Threads of one kind, in all workers together: a bound for peers that never answer. */
typedef struct ThreadLimit
{
	atomic_uint running;
	unsigned most;
} ThreadLimit;

/*
 * Starts run(arg) in a thread that nobody waits for; run calls thread_ends as its last act.
 * False at the limit, or without memory or threads.
 */
extern bool thread_start(ThreadLimit *limit, void *(*run)(void *), void *arg)
	__attribute__((warn_unused_result));

extern void thread_ends(ThreadLimit *limit);

#endif
