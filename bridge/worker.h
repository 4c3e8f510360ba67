/*
 * worker.h
 *		One worker: a thread with one event loop that owns everything it uses.
 *
 * Workers share the listening sockets, what is in force, and what they count, none
 * of which takes a lock.  The main thread starts them, tells them of other settings
 * and to stop, and waits for them.
 */
#ifndef PAT_BRIDGE_WORKER_H
#define PAT_BRIDGE_WORKER_H

#include <stdbool.h>

#include "counters.h"
#include "listen.h"
#include "peers.h"
#include "settings.h"

typedef struct Worker Worker;

/*
 * What all workers are started with.  Of each listener a worker uses the descriptor
 * of its number, and closes that one when it stops; those for monitoring have
 * one, the first worker's.
 */
typedef struct WorkerSetup
{
	Settings *settings;
	Listener *listeners;
	unsigned listening;
	Listener *admin;
	unsigned monitoring;
	CounterSet *counters;
	Peers *peers; /* NULL: no limit for each address */
} WorkerSetup;

/* Fill in what of the counters follows from the options, and what may change with them. */
extern void worker_describe(CounterSet *counters, const Options *options);
extern void worker_describe_limits(CounterSet *counters, const Options *options);

/* NULL, with one sentence in the log, if it cannot be started. */
extern Worker *worker_start(const WorkerSetup *setup, unsigned number);

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
