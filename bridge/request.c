/*
 * request.c
 *		The life of a request: have its head read, collect its body, put it into
 *		a lane, and hand it over to reply.c once its outcome is known.
 *
 * Owns the Request, from the request line until libmicrohttpd reports it
 * completed.  Checks form only; what a caller may do is for the database.
 *
 * libmicrohttpd calls the handler once with the headers, then with each piece
 * of the body, then at the end, again in each of its runs until there is an
 * answer, and after a suspended connection was resumed.  Answering in the first
 * call closes the connection, so that is done only where the rest of the request
 * is not to be read.
 */
#include "request.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "target.h"
#include "text.h"

/* How long a request waits for its answer before its connection is suspended. */
#define HOLD_US (5 * CLOCK_US_PER_MS)

static enum MHD_Result
begin(Request *request, const char *url, const char *method, const char *version)
{
	request->begun = true;
	request->method = method;
	request->client->line = method;
	request->path = route_path(url);
	uuid_next(&request->http->uuids, request->id);
	request_read_head(request, version);
	if (request->outcome == OUTCOME_REFUSED && request_head_is_too_large(request))
	{
		/* Its memory may be full: answer past the library, which closes the connection. */
		reply_send_refusal(request);
		return MHD_NO;
	}
	return request_answers_early(request) ? reply_queue(request) : MHD_YES;
}

/* ---- the body ----------------------------------------------------------- */

/* All of it is kept or none: a body that turns out too large is read on, up to a bound. */
static enum MHD_Result
take_body(Request *request, const char *data, size_t size)
{
	const RequestHeaders *headers = &request->headers;
	size_t max = request->http->settings.max_body_size;
	bool wanted = request->outcome == OUTCOME_OPEN && route_takes_body(request->match.route);

	request->body_seen += size;
	if (request->body_seen > HTTP_DRAIN_MAX)
		return MHD_NO;
	if (request->body_seen > max && request->outcome == OUTCOME_OPEN)
		request_refuse(request, STATUS_BODY_TOO_LARGE);
	else if (wanted)
	{
		size_t room = headers->chunked ? max : (size_t) headers->content_length;

		if (request->body == NULL && (request->body = malloc(room + 1)) == NULL)
			return MHD_NO;
		memcpy(request->body + request->body_length, data, size);
		request->body_length += size;
	}
	return MHD_YES;
}

/* The body becomes a text parameter: terminated, UTF-8, without NUL. */
static bool
body_is_text(Request *request)
{
	if (request->body_length == 0)
	{
		request_refuse(request, STATUS_NO_BODY);
		return false;
	}
	request->body[request->body_length] = '\0';
	if (text_has_nul(request->body, request->body_length) ||
		!text_is_utf8(request->body, request->body_length))
	{
		request_refuse(request, STATUS_BODY_NOT_TEXT);
		return false;
	}
	return true;
}

/* ---- into the lane and out of it ---------------------------------------- */

/*
 * The caller's token as text.  Header values are ISO 8859-1; without this the
 * database would refuse the bytes instead of the token.
 */
static bool
prepare_caller(Request *request)
{
	HeaderValue value = request->headers.authorization;
	size_t length;

	if (!request->headers.authorized || !text_has_high_bit(value.bytes, value.length))
		return true;
	request->caller = malloc(2 * value.length + 1);
	if (request->caller == NULL)
		return false;
	length = text_latin1_to_utf8(request->caller, value.bytes, value.length);
	request->caller[length] = '\0';
	return true;
}

static const char *
parameter(const Request *request, RouteSource source)
{
	switch (source)
	{
		case ROUTE_FROM_PATH_1:
			return request->match.values[0];
		case ROUTE_FROM_PATH_2:
			return request->match.values[1];
		case ROUTE_FROM_BODY:
			return request->body;
		case ROUTE_FROM_CALLER:
			break;
	}
	if (request->caller != NULL)
		return request->caller;
	return request->headers.authorized ? request->headers.authorization.bytes : NULL;
}

static StatusCase
case_of_end(LaneEnd end, bool write)
{
	switch (end)
	{
		case LANE_TOO_SLOW:
			return write ? STATUS_WRITE_TOO_SLOW : STATUS_TOO_SLOW;
		case LANE_DOWN:
			return STATUS_DATABASE_AWAY;
		case LANE_UNKNOWN:
			return STATUS_OUTCOME_UNKNOWN;
		case LANE_FULL:
			return STATUS_QUEUE_FULL;
		case LANE_UNREAD:
			return STATUS_MEMORY_FULL;
		case LANE_STOPPED:
			return STATUS_STOPPING;
		case LANE_LEFT:
		case LANE_ANSWERED:
			break;
	}
	return STATUS_INTERNAL;
}

static bool
is_write(const Request *request)
{
	return request->match.route->lane == ROUTE_WRITE;
}

/*
 * libmicrohttpd reads from a resumed connection before it asks for the answer, and
 * gives both up if the client sends no more.  Connections with a time of their own
 * are looked at before any is read from: so this one gets one until it is answered.
 */
static void
answer_before_reading(const Request *request, bool first)
{
	(void) MHD_set_connection_option(request->connection, MHD_CONNECTION_OPTION_TIMEOUT,
									 first ? 3600U : 0U);
}

static void
job_done(LaneJob *job, LaneEnd end, DbReply *reply)
{
	Request *request = (Request *) job;

	request->waiting = false;
	request->reply = reply;
	if (reply != NULL)
		request->outcome = OUTCOME_REPLIED;
	else if (end == LANE_LEFT)
		request->left = true;
	else
		request_refuse(request, case_of_end(end, is_write(request)));
	if (request->suspended)
	{
		answer_before_reading(request, true);
		MHD_resume_connection(request->connection);
	}
	request->http->pending = true;
}

/*
 * Whether the client has closed its side.  libmicrohttpd does not look at
 * connections that are suspended.
 */
static bool
client_left(const LaneJob *job)
{
	const Request *request = (const Request *) job;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct pollfd poll_fd = {.fd = info != NULL ? info->connect_fd : -1, .events = POLLRDHUP};

	return poll(&poll_fd, 1, 0) == 1;
}

static void
submit(Request *request)
{
	const HttpSettings *settings = &request->http->settings;
	const Route *route = request->match.route;
	LaneJob *job = &request->job;
	LaneEnd refusal;

	if (!prepare_caller(request))
	{
		request_refuse(request, STATUS_INTERNAL);
		return;
	}
	job->call = &route->call;
	for (int i = 0; i < route->call.nparams; i++)
		job->params[i] = parameter(request, route->sources[i]);
	job->submitted = clock_us();
	job->deadline = job->submitted + settings->timeout_us;
	job->done = job_done;
	job->left = client_left;
	if (lane_submit(is_write(request) ? settings->write : settings->read, job, &refusal))
		request->waiting = true;
	else
		request_refuse(request, case_of_end(refusal, is_write(request)));
}

static void
tell_readiness(Request *request, bool ready)
{
	if (ready)
		request->outcome = OUTCOME_READY;
	else
		request_refuse(request, STATUS_DATABASE_AWAY);
}

/* The request is complete: answer it here, or let the database do so. */
static void
dispatch(Request *request)
{
	switch (request->match.route->kind)
	{
		case ROUTE_HEALTH:
			request->outcome = OUTCOME_HEALTHY;
			break;
		case ROUTE_READY:
			tell_readiness(request, lane_is_up(request->http->settings.read) &&
										!lane_is_refused(request->http->settings.write));
			break;
		case ROUTE_READY_WRITE:
			tell_readiness(request, lane_is_up(request->http->settings.read) &&
										lane_is_up(request->http->settings.write));
			break;
		case ROUTE_METRICS:
			request->outcome = OUTCOME_METRICS;
			break;
		case ROUTE_OPENAPI:
			request->outcome = OUTCOME_OPENAPI;
			break;
		case ROUTE_CALL:
			if (!route_takes_body(request->match.route) || body_is_text(request))
				submit(request);
			break;
	}
}

/* Whether libmicrohttpd is to ask in each of its runs if the answer is there. */
static void
hold(Request *request, bool held)
{
	if (request->held == held)
		return;
	request->held = held;
	request->http->held += held ? 1U : -1U;
}

/*
 * Most answers are there within a millisecond or two.  To suspend a connection
 * and to resume it takes two calls of epoll_ctl and a read in vain; to ask takes
 * less, as long as it is not for long.
 */
static enum MHD_Result
wait_for_answer(Request *request)
{
	if (request->client->phase != CONNECTION_WAITS)
		request_enter(request, CONNECTION_WAITS);
	hold(request, request->http->now - request->job.submitted < HOLD_US);
	if (!request->held)
	{
		request->suspended = true;
		MHD_suspend_connection(request->connection);
	}
	return MHD_YES;
}

static enum MHD_Result
finish(Request *request)
{
	if (request->left)
		return MHD_NO;
	if (request->suspended)
		answer_before_reading(request, false);
	if (request->outcome == OUTCOME_OPEN && !request->waiting)
		dispatch(request);
	if (request->waiting)
		return wait_for_answer(request);
	hold(request, false);
	return reply_queue(request);
}

void
request_enter(Request *request, ConnectionPhase phase)
{
	connections_enter(&request->http->connections, request->client, phase, request->http->now);
}

/* ---- libmicrohttpd's callbacks ------------------------------------------ */

/*
 * Nobody reads the query, but libmicrohttpd would split it into a list.  It is in
 * the library's buffer, which is writable, and has been measured already.
 */
static void
hide_query(const char *uri)
{
	char *query = MHD_LOSES_ON_QUERY ? strchr(uri, '?') : NULL;

	if (query != NULL)
		query[1] = '\0';
}

void *
request_uri_seen(void *cls, const char *uri, struct MHD_Connection *connection)
{
	Http *http = cls;
	Connection *client =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
	Request *request = client != NULL ? request_new(http) : NULL;

	if (request == NULL)
		return NULL;
	request->connection = connection;
	request->client = client;
	client->request = request;
	if (client->phase == CONNECTION_IDLE || client->phase == CONNECTION_RESTS)
		request_enter(request, CONNECTION_SENDS);
	request->started = clock_us();
	request->uri = uri != NULL ? uri : "";
	request->uri_length = strlen(request->uri);
	request->bad_uri = !target_is_clean((HeaderValue){request->uri, request->uri_length});
	if (uri != NULL)
		hide_query(uri);
	counter_set(&http->counters->requests, ++http->settings.share->requests);
	http->progress = true;
	return request;
}

enum MHD_Result
request_handle(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
			   const char *version, const char *data, size_t *size, void **context)
{
	Request *request = *context;

	(void) cls;
	(void) connection;
	if (request == NULL)
		return MHD_NO;
	request->http->progress |= !request->held || !request->waiting;
	if (!request->begun)
		return begin(request, url, method, version);
	if (*size > 0)
	{
		enum MHD_Result result = take_body(request, data, *size);

		*size = 0;
		return result;
	}
	return finish(request);
}

static void
free_secret(char *text, size_t length)
{
	if (text != NULL)
		explicit_bzero(text, length);
	free(text);
}

void
request_completed(void *cls, struct MHD_Connection *connection, void **context,
				  enum MHD_RequestTerminationCode code)
{
	Request *request = *context;

	(void) cls;
	(void) connection;
	(void) code;
	if (request == NULL)
		return;
	*context = NULL;
	request->http->progress = true;
	hold(request, false);
	if (request->waiting)
	{
		const HttpSettings *settings = &request->http->settings;

		lane_abandon(is_write(request) ? settings->write : settings->read, &request->job);
	}
	if (request->begun && !request->answered)
		request_end(request, &(RequestEnd){0});
	if (request->reply != NULL)
		db_reply_free(request->reply);
	free_secret(request->caller, request->caller != NULL ? strlen(request->caller) : 0);
	free_secret(request->body, request->body_length);
	request->client->request = NULL;
	request_enter(request, CONNECTION_IDLE);
	counter_set(&request->http->counters->requests, --request->http->settings.share->requests);
	request_free(request);
}
