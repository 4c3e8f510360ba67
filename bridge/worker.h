/*
 * worker.h
 *		One worker: a thread with one event loop that owns everything it uses.
 *
 * Workers share nothing.  The main thread starts them, tells them to stop, and
 * waits for them.
 */
#ifndef PAT_BRIDGE_WORKER_H
#define PAT_BRIDGE_WORKER_H

#include <stdbool.h>

#include "listen.h"
#include "options.h"

typedef struct Worker Worker;

/* NULL, with one sentence in the log, if it cannot be started. */
extern Worker *worker_start(const Options *options, const Listener *listeners, unsigned number);

/* Ask for the end: no more connections; requests under way get a bounded time. */
extern void worker_stop(Worker *worker);

/* Wait for the end and free everything. */
extern void worker_join(Worker *worker);

#endif
