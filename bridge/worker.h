/*
 * worker.h
 *		One worker: a thread with one event loop that owns everything it uses.
 *
 * Workers share nothing; each counts for itself, and all may read what the
 * others counted.  The main thread starts them, tells them to stop, and
 * waits for them.
 */
#ifndef PAT_BRIDGE_WORKER_H
#define PAT_BRIDGE_WORKER_H

#include <stdbool.h>

#include "counters.h"
#include "listen.h"
#include "options.h"
#include "peers.h"

typedef struct Worker Worker;

/* What all workers are started with. */
typedef struct WorkerSetup
{
	const Options *options;
	const Listener *listeners; /* options->listen_count of them */
	const Listener *admin;     /* options->admin_listen_count, each open for one worker */
	CounterSet *counters;
	Peers *peers; /* NULL: no limit for each address */
} WorkerSetup;

/* Fill in what of the counters follows from the options. */
extern void worker_describe(CounterSet *counters, const Options *options);

/* NULL, with one sentence in the log, if it cannot be started. */
extern Worker *worker_start(const WorkerSetup *setup, unsigned number);

/* Ask for the end: no more connections; requests under way get a bounded time. */
extern void worker_stop(Worker *worker);

/* Wait for the end and free everything. */
extern void worker_join(Worker *worker);

#endif
