/*
 * http_settings.h
 *		The limits of the HTTP side, and what a worker tells it.
 *
 * Apart from http.h, because the inside of the HTTP room needs it as well.
 */
#ifndef PAT_BRIDGE_HTTP_SETTINGS_H
#define PAT_BRIDGE_HTTP_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "counters.h"
#include "lane.h"
#include "peers.h"

/* URI of a request, in bytes: longer ones are answered 414. */
#define HTTP_URI_MAX                        4096
/* So much of a refused body is read, for the client to see the answer. */
#define HTTP_DRAIN_MAX                      1048576
/* Connections for monitoring, apart from those of the API. */
#define HTTP_ADMIN_CONNECTIONS              64
/* What libmicrohttpd is told; the limit in force is kept by the bridge, and can change. */
#define HTTP_CONNECTIONS_MAX                2000000
/* What a header counts besides its bytes: libmicrohttpd's record of it. */
#define HTTP_HEADER_OVERHEAD                64
/*
 * Memory of a connection with request heads of so many bytes, the overhead of their
 * headers included.  It is wiped for every request, so there is no more than that
 * and the head of the answer need; what does not even fit in here is refused by
 * libmicrohttpd itself (library_answer.h).
 */
#define HTTP_CONNECTION_MEMORY(header_size) ((header_size) + 1536)

typedef struct Http Http;

/* What a worker's Https of one side, with TLS and without it, have together. */
typedef struct HttpShare
{
	unsigned connections;
	unsigned requests; /* begun and not completely answered */
	unsigned max_connections;
} HttpShare;

typedef struct HttpSettings
{
	Lane *read;
	Lane *write;
	HttpShare *share;
	Peers *peers;           /* NULL: no limit for each address */
	bool tls;               /* by the certificate that tls.h has */
	size_t max_header_size; /* request line and headers, overhead included: more is answered 431 */
	size_t max_body_size;   /* more is answered 413 */
	int64_t timeout_us;     /* of a request in the database */
	int64_t idle_us;        /* between two requests of a connection */
	int64_t client_us;      /* for a client to send a request, and to take its answer */
	unsigned serves;        /* bits of RouteKind: all else is 404 here */
	bool server_timing;     /* answers say how long the database took */
	Counters *counters;     /* of this worker */
	CountersSide side;
	const CounterSet *all; /* for /metrics */
} HttpSettings;

#endif
