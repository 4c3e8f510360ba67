/*
 * loop.c
 *		A thin cover of epoll(7), level-triggered.
 *
 * Owns the epoll descriptor and nothing else.
 */
#include "loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

bool
loop_open(Loop *loop)
{
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return loop->epoll_fd >= 0;
}

void
loop_close(Loop *loop)
{
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	loop->epoll_fd = -1;
}

/* Add or change, whichever the kernel's idea of this descriptor asks for. */
static bool
set_events(Loop *loop, LoopWatch *watch, int fd, uint32_t events, bool known)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};
	int first = known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	int second = known ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

	if (epoll_ctl(loop->epoll_fd, first, fd, &event) == 0)
		return true;
	return (errno == ENOENT || errno == EEXIST) &&
		   epoll_ctl(loop->epoll_fd, second, fd, &event) == 0;
}

bool
loop_watch(Loop *loop, LoopWatch *watch, int fd, uint32_t events)
{
	if (watch->fd != fd)
		loop_unwatch(loop, watch);
	if (!set_events(loop, watch, fd, events, watch->fd == fd))
	{
		watch->fd = -1;
		return false;
	}
	watch->fd = fd;
	watch->events = events;
	return true;
}

void
loop_unwatch(Loop *loop, LoopWatch *watch)
{
	if (watch->fd >= 0)
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	watch->fd = -1;
	watch->events = 0;
}

bool
loop_turn(Loop *loop, int timeout_ms)
{
	struct epoll_event events[LOOP_MAX_EVENTS];
	int count = epoll_wait(loop->epoll_fd, events, LOOP_MAX_EVENTS, timeout_ms);

	for (int i = 0; i < count; i++)
	{
		LoopWatch *watch = events[i].data.ptr;

		/* An earlier callback of this turn may have ended the watch. */
		if (watch->fd >= 0)
			watch->ready(watch->owner, events[i].events);
	}
	return count > 0;
}
