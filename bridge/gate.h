/*
 * gate.h
 *		An HTTP side of a worker and the listening sockets that lead to it.
 *
 * A worker has several: what they serve and how many they let in differs, the
 * loop that runs them is the same.
 */
#ifndef PAT_BRIDGE_GATE_H
#define PAT_BRIDGE_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "http.h"
#include "listen.h"
#include "loop.h"
#include "options.h"

typedef struct Gate Gate;

typedef struct Acceptor
{
	Gate *gate;
	Listener *listener;
	LoopWatch watch;
	int fd; /* -1: closed */
} Acceptor;

struct Gate
{
	Loop *loop;
	Http *http;          /* the worker's to open; NULL: there is no such side here */
	Gate *sibling;       /* whose connections count with ours, or NULL */
	unsigned worker;     /* whose descriptors these are */
	int64_t accept_due;  /* accept again from then on */
	int64_t failure_due; /* say again from then on that it fails */
	bool accepting;
	bool closed; /* the listening sockets are */
	unsigned count;
	Acceptor acceptors[OPTIONS_MAX_LISTEN];
};

extern void gate_init(Gate *gate, Loop *loop, unsigned worker);

/*
 * Let one more address lead here.  Of the listener the gate uses the descriptor of
 * its worker, and closes that one when it is closed itself.
 */
extern void gate_add(Gate *gate, Listener *listener);

/* Run HTTP, and watch the sockets unless they have to be left alone for a while; once a turn. */
extern void gate_run(Gate *gate);
extern void gate_mind(Gate *gate, int64_t now);

/* When the gate wants a turn of the loop even if nothing happens. */
extern int64_t gate_next_due(Gate *gate);

/*
 * Leave the sockets that another process keeps open: who waits in their queues is
 * served by the next bridge.
 */
extern void gate_leave_inherited(Gate *gate);

/*
 * Close the others.  They take their queues along, so these are emptied first; by
 * now nobody can enter them any more.
 */
extern void gate_close(Gate *gate);

#endif
