/*
 * http_settings.h
 *		The limits of the HTTP side, and what a worker tells it.
 *
 * Apart from http.h, because the inside of the HTTP room needs it as well.
 */
#ifndef PAT_BRIDGE_HTTP_SETTINGS_H
#define PAT_BRIDGE_HTTP_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "counters.h"
#include "lane.h"

/* Request line, in bytes: longer ones are answered 414. */
#define HTTP_URI_MAX           4096
/* Request line and headers together: more is answered 431. */
#define HTTP_HEADERS_MAX       12288
/* Request body: more is answered 413. */
#define HTTP_BODY_MAX          102400
/* So much of a refused body is read, for the client to see the answer. */
#define HTTP_DRAIN_MAX         1048576
/*
 * Memory of a connection.  It is wiped for every request, so it is not larger
 * than the limits above need; what does not even fit in here is refused by
 * libmicrohttpd itself (library_answer.h).
 */
#define HTTP_CONNECTION_MEMORY 20480
/* Connections for monitoring, apart from those of the API. */
#define HTTP_ADMIN_CONNECTIONS 64
/* What libmicrohttpd is told; the limit in force is kept by the bridge, and can change. */
#define HTTP_CONNECTIONS_MAX   2000000
/* An idle connection is closed after this. */
#define HTTP_IDLE_TIMEOUT_S    60

typedef struct Http Http;

typedef struct HttpSettings
{
	Lane *read;
	Lane *write;
	unsigned max_connections; /* of this worker */
	int64_t timeout_us;       /* of a request in the database */
	unsigned serves;          /* bits of RouteKind: all else is 404 here */
	bool server_timing;       /* answers say how long the database took */
	Counters *counters;       /* of this worker */
	CountersSide side;
	const CounterSet *all; /* for /metrics */
} HttpSettings;

#endif
