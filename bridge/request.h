/*
 * request.h
 *		Inside the HTTP room: the state of a worker's HTTP side, and of one
 *		request from its request line until it is completed.
 *
 * Shared by http.c (the daemon), clients.c (connections), request.c (life of a
 * request), request_head.c (its head), request_memory.c (its memory), reply.c
 * (answers), request_end.c (counts and the log) and library_answer.c (the library's
 * own answers); nobody else may include it.
 */
#ifndef PAT_BRIDGE_REQUEST_H
#define PAT_BRIDGE_REQUEST_H

#include "connections.h"
#include "header.h"
#include "http_settings.h"
#include "idle_memory.h"
#include "mhd.h"
#include "raw_head.h"
#include "route.h"
#include "status.h"
#include "uuid.h"

struct Http
{
	HttpSettings settings;
	HttpCounters *counters; /* of this side */
	Loop *loop;
	LoopWatch watch; /* libmicrohttpd's own epoll descriptor */
	struct MHD_Daemon *daemon;
	Connections connections;
	struct Client *looked_at; /* clients that have ended their side: clients.c */
	struct Client *gone;      /* to be freed */
	int64_t chunks_due;       /* when to look at bodies in chunks next */
	bool closing;             /* the daemon is being stopped: nobody lingers */
	bool stuck;               /* libmicrohttpd has kept a connection against all that was done */
	int64_t restart_due;      /* not before then, if the daemon could not be started again */
	IdleMemory idle_memory;
	unsigned most_connections; /* for idle_memory_trim */
	int64_t now;               /* of this turn of the loop */
	PeerKey arriving;          /* of the connection that is being adopted */
	unsigned refused;          /* connections, since the last line about them */
	int64_t refused_logged;
	UuidSource uuids;
	struct Request *spares; /* requests that have ended, for the next ones */
	unsigned spare_count;
	bool pending;    /* libmicrohttpd has something to do */
	bool progress;   /* it has done something but ask for data and answers */
	int64_t vain_us; /* how long the runs took, since the last event, in which it has not */
	int64_t vain_last_us;
	unsigned held;    /* requests in REQUEST_HELD */
	int64_t last_run; /* of it */
	bool draining;
	int64_t last_sign; /* of a client, while draining */

	/* lines about answers of 500 and above: so many in this second */
	int64_t log_second;
	unsigned log_lines;
	unsigned log_suppressed;
};

/* What a request's headers say, as far as the bridge cares. */
typedef struct RequestHeaders
{
	HeaderValue authorization;
	HeaderValue content_type;
	RawHead raw;
	unsigned long long content_length;
	unsigned count;
	unsigned hosts;
	unsigned encodings;
	bool authorized; /* an Authorization header came */
	bool two_credentials;
	bool typed; /* a Content-Type header came */
	bool two_media_types;
	bool coded; /* a Content-Encoding other than identity */
	bool bad_host;
	bool has_length;
	bool chunked;
	bool bad_framing;
	bool bad_line;
	bool expects; /* 100-continue */
	bool last;    /* what follows on the connection is not to be served */
} RequestHeaders;

typedef enum RequestOutcome
{
	OUTCOME_OPEN,    /* nothing decided yet */
	OUTCOME_REFUSED, /* with refusal */
	OUTCOME_OPTIONS,
	OUTCOME_HEALTHY,
	OUTCOME_READY,
	OUTCOME_OPENAPI,
	OUTCOME_METRICS,
	OUTCOME_REPLIED /* with reply */
} RequestOutcome;

/* From the request line to the end; each state may go on to any later one. */
typedef enum RequestState
{
	REQUEST_HEAD,      /* its head is being read */
	REQUEST_BODY,      /* its head has been read, and its body is, if it has one */
	REQUEST_HELD,      /* waits for the database; libmicrohttpd asks in each of its runs */
	REQUEST_SUSPENDED, /* waits for the database; libmicrohttpd leaves its connection alone */
	REQUEST_DECIDED,   /* its outcome is known, libmicrohttpd will ask */
	REQUEST_RESUMED,   /* so, after it was suspended */
	REQUEST_LEFT,      /* its client has left: no answer */
	REQUEST_ANSWERED   /* its answer is on the way */
} RequestState;

typedef struct Request
{
	LaneJob job; /* first: a job is turned back into its request */
	Http *http;
	struct MHD_Connection *connection;
	Connection *client; /* the same, as connections.h knows it */
	int64_t started;
	char id[UUID_TEXT_SIZE];
	const char *method; /* libmicrohttpd's, as is path */
	const char *path;
	const char *uri; /* the whole request target, as it came */
	size_t uri_length;
	bool bad_uri; /* it has a blank, a control character or a fragment in it */
	RouteMatch match;
	RequestHeaders headers;
	RequestOutcome outcome;
	StatusCase refusal;
	DbReply *reply;
	char *caller; /* the Authorization header as text, if it had to be re-encoded */
	char *body;
	size_t body_length;
	size_t body_seen; /* kept or not */
	RequestState state;
	struct Request *next_spare;
} Request;

/* Whether it is in a pool. */
static inline bool
request_waits(const Request *request)
{
	return request->state == REQUEST_HELD || request->state == REQUEST_SUSPENDED;
}

/* The only place that changes the state. */
static inline void
request_become(Request *request, RequestState state)
{
	request->http->held += (state == REQUEST_HELD ? 1U : 0U);
	request->http->held -= (request->state == REQUEST_HELD ? 1U : 0U);
	request->state = state;
}

static inline void
request_refuse(Request *request, StatusCase why)
{
	request->outcome = OUTCOME_REFUSED;
	request->refusal = why;
}

/*
 * A request with nothing in it but http, or NULL without memory; its end, when all that
 * it owns is freed; and the end of what was kept (request_memory.c).
 */
extern Request *request_new(Http *http);
extern void request_free(Request *request);
extern void request_free_spares(Http *http);

/* Read the head, and refuse the request or find its route (request_head.c). */
extern void request_read_head(Request *request, const char *version);

/* Whether the memory of the connection may be full of it. */
extern bool request_head_is_too_large(Request *request);

/*
 * Whether to answer now and close: the end of the request cannot be told, or is
 * too far away, or its body has not been sent yet and will not be wanted.
 */
extern bool request_answers_early(const Request *request);

/* Callbacks of libmicrohttpd, in request.c. */
extern void *request_uri_seen(void *cls, const char *uri, struct MHD_Connection *connection);
extern enum MHD_Result
request_handle(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
			   const char *version, const char *data, size_t *size, void **context);
extern void request_completed(void *cls, struct MHD_Connection *connection, void **context,
							  enum MHD_RequestTerminationCode code);

/* libmicrohttpd has closed the connection without a word about the request on it. */
extern void request_lost(Request *request);

/* How a request ended: what is noted of it. */
typedef struct RequestEnd
{
	int status;        /* 0: the client left before there was an answer */
	const char *error; /* its name, or NULL */
	size_t body_bytes;
	StatusCaller caller;
} RequestEnd;

/* Count the request, and write its line into the log (request_end.c). */
extern void request_end(const Request *request, const RequestEnd *end);

/*
 * Whether a line about an answer of 500 and above may be written: bounded, since
 * an outage under load must not become a flood of lines (request_end.c).
 */
extern bool request_may_log_error(Http *http);

/* The client's connection goes on to another phase of its life (clients.c). */
extern void request_enter(Request *request, ConnectionPhase phase);

/* The deadline has passed long ago, and the pool has not said so: do without it. */
extern void request_give_up(Request *request);

/* Queue the answer to a request whose outcome is known, and log it (reply.c). */
extern enum MHD_Result reply_queue(Request *request);

/*
 * The answer to a request that libmicrohttpd refuses with this status, logged;
 * NULL if the bridge has none (reply.c).
 */
extern struct MHD_Response *
reply_for_library(Http *http, struct MHD_Connection *connection, unsigned status);

/*
 * The same, written to the connection right away, headers and all; to be
 * followed by closing it (reply.c).
 */
extern void reply_send_for_library(Connection *client, unsigned status);

/*
 * So for a request whose outcome is known and whose head leaves libmicrohttpd no
 * memory to answer; to be followed by closing the connection (reply.c).
 */
extern void reply_send_refusal(Request *request);

/* So for a request that is refused before all of it has been read (reply.c). */
extern void reply_send_case(Request *request, StatusCase why);

#endif
