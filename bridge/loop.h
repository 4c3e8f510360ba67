/*
 * loop.h
 *		A worker's epoll set: who watches which descriptor.
 *
 * A watch lives inside its owner's struct and says whom to call.  Callbacks
 * may be called without need (an event that was overtaken), so they must bear
 * a descriptor that is not ready.  Not shared between threads.
 */
#ifndef PAT_BRIDGE_LOOP_H
#define PAT_BRIDGE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/* Most events taken from the kernel in one turn. */
#define LOOP_MAX_EVENTS 64

typedef struct LoopWatch
{
	int fd;          /* -1: not watching */
	uint32_t events; /* EPOLLIN, EPOLLOUT */
	void (*ready)(void *owner, uint32_t events);
	void *owner;
} LoopWatch;

typedef struct Loop
{
	int epoll_fd;
} Loop;

/* A watch that watches nothing yet. */
#define LOOP_WATCH_INIT(callback, whose)                \
	{                                                   \
		.fd = -1, .ready = (callback), .owner = (whose) \
	}

extern bool loop_open(Loop *loop) __attribute__((warn_unused_result));
extern void loop_close(Loop *loop);

/*
 * Watch fd for events, instead of whatever the watch watched before.  The
 * descriptor may be a new one of the same number (libpq does that).  False,
 * with errno set, if the kernel refuses; nothing is watched then.
 */
extern bool loop_watch(Loop *loop, LoopWatch *watch, int fd, uint32_t events)
	__attribute__((warn_unused_result));

/* Stop watching.  Allowed before and after the descriptor was closed. */
extern void loop_unwatch(Loop *loop, LoopWatch *watch);

/* Wait at most timeout_ms (-1: for ever) and call whoever is ready.  False: nobody was. */
extern bool loop_turn(Loop *loop, int timeout_ms);

#endif
