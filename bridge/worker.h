/*
 * worker.h
 *		One worker: a thread with one event loop that owns everything it uses.
 *
 * Workers share the listening sockets and what is in force, neither of which
 * takes a lock.  The main thread starts them, tells them of other settings and
 * to stop, and waits for them.
 */
#ifndef PAT_BRIDGE_WORKER_H
#define PAT_BRIDGE_WORKER_H

#include <stdbool.h>

#include "listen.h"
#include "settings.h"

typedef struct Worker Worker;

/*
 * NULL, with one sentence in the log, if it cannot be started.  Of each of the
 * listeners the worker uses the descriptor of its number, and closes that one
 * when it stops.
 */
extern Worker *
worker_start(Settings *settings, Listener *listeners, unsigned count, unsigned number);

/* Go by these settings from now on. */
extern void worker_reload(Worker *worker, Settings *settings);

/*
 * Ask for the end: what has connected is served until each client had its last
 * answer or has been silent for a while, at most for --drain-timeout.
 */
extern void worker_stop(Worker *worker);

/* Wait for the end and free everything. */
extern void worker_join(Worker *worker);

#endif
