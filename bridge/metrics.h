/*
 * metrics.h
 *		What /metrics answers: the counters in Prometheus's text format, 0.0.4.
 */
#ifndef PAT_BRIDGE_METRICS_H
#define PAT_BRIDGE_METRICS_H

#include <stddef.h>

#include "counters.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* A string the caller frees, its length in *length; NULL without memory. */
extern char *metrics_text(const CounterSet *set, size_t *length);

#endif
