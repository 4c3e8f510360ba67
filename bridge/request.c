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

static enum MHD_Result finish(Request *request, bool first);

/*
 * Before 1.0, who expects 100 (Continue) for no body gets it, and what stands behind the
 * request is then taken for its body: such a request is finished in the first call.
 */
static bool
expects_in_vain(const Request *request, const char *version)
{
	const RequestHeaders *headers = &request->headers;

	return MHD_LOSES_ON_EXPECT && headers->expects && !headers->chunked &&
		   headers->content_length == 0 && strcmp(version, MHD_HTTP_VERSION_1_0) != 0;
}

static enum MHD_Result
begin(Request *request, const char *url, const char *method, const char *version)
{
	request_become(request, REQUEST_BODY);
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
	if (request_answers_early(request))
	{
		request->client->lingers = true;
		return reply_queue(request);
	}
	if (request->headers.chunked)
		request_enter(request, CONNECTION_CHUNKS);
	return expects_in_vain(request, version) ? finish(request, true) : MHD_YES;
}

/* ---- the body ----------------------------------------------------------- */

/*
 * Whether all of a body in chunks still comes in time: for libmicrohttpd each piece of it
 * is a new one.
 */
static bool
chunks_are_in_time(Request *request)
{
	const Http *http = request->http;

	if (!request->headers.chunked)
		return true;
	request_enter(request, CONNECTION_CHUNKS);
	return http->now - request->started < http->settings.client_us;
}

/* Answered past libmicrohttpd, which closes the connection. */
static enum MHD_Result
end_in_body(Request *request, StatusCase why)
{
	reply_send_case(request, why);
	return MHD_NO;
}

/* All of it is kept or none: a body that turns out too large is read on, up to a bound. */
static enum MHD_Result
take_body(Request *request, const char *data, size_t size)
{
	const RequestHeaders *headers = &request->headers;
	size_t max = request->http->settings.max_body_size;
	bool wanted = request->outcome == OUTCOME_OPEN && route_takes_body(request->match.route);

	request->body_seen += size;
	if (!chunks_are_in_time(request))
		return end_in_body(request, STATUS_CLIENT_TOO_SLOW);
	if (request->body_seen > HTTP_DRAIN_MAX)
		return end_in_body(request, STATUS_BODY_TOO_LARGE);
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

static bool
is_write(const Request *request)
{
	return request->match.route->lane == ROUTE_WRITE;
}

/* A change that was not sent has not been made; one that was may have been. */
static StatusCase
case_of_end(const Request *request, LaneEnd end)
{
	bool sent = request->job.sent != 0;

	switch (end)
	{
		case LANE_TOO_SLOW:
			if (!is_write(request))
				return STATUS_TOO_SLOW;
			return sent ? STATUS_WRITE_TOO_SLOW : STATUS_WRITE_NOT_SENT;
		case LANE_DOWN:
			return STATUS_DATABASE_AWAY;
		case LANE_UNKNOWN:
			return STATUS_OUTCOME_UNKNOWN;
		case LANE_FULL:
			return STATUS_QUEUE_FULL;
		case LANE_UNREAD:
			return STATUS_MEMORY_FULL;
		case LANE_STOPPED:
			return is_write(request) && sent ? STATUS_OUTCOME_UNKNOWN : STATUS_STOPPING;
		case LANE_LEFT:
		case LANE_ANSWERED:
			break;
	}
	return STATUS_INTERNAL;
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
	bool suspended = request->state == REQUEST_SUSPENDED;

	request_become(request, suspended ? REQUEST_RESUMED : REQUEST_DECIDED);
	request->reply = reply;
	if (reply != NULL)
		request->outcome = OUTCOME_REPLIED;
	else if (end == LANE_LEFT)
		request_become(request, REQUEST_LEFT);
	else
		request_refuse(request, case_of_end(request, end));
	if (suspended)
	{
		answer_before_reading(request, true);
		MHD_resume_connection(request->connection);
	}
	request->http->pending = true;
}

static Lane *
pool_of(const Request *request)
{
	const HttpSettings *settings = &request->http->settings;

	return is_write(request) ? settings->write : settings->read;
}

void
request_give_up(Request *request)
{
	lane_abandon(pool_of(request), &request->job);
	job_done(&request->job, LANE_TOO_SLOW, NULL);
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
	if (lane_submit(pool_of(request), job, &refusal))
		request_become(request, REQUEST_HELD);
	else
		request_refuse(request, case_of_end(request, refusal));
}

/* Who asks reaches one worker, and other clients may reach any. */
static bool
all_are_up(const Request *request, unsigned lane)
{
	const CounterSet *all = request->http->settings.all;

	for (unsigned i = 0; i < all->workers; i++)
		if (counter_get(&all->each[i].lanes[lane].up) == 0)
			return false;
	return true;
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
										all_are_up(request, COUNTERS_READ) &&
										!lane_is_refused(request->http->settings.write));
			break;
		case ROUTE_READY_WRITE:
			tell_readiness(request, lane_is_up(request->http->settings.read) &&
										all_are_up(request, COUNTERS_READ) &&
										lane_is_up(request->http->settings.write) &&
										all_are_up(request, COUNTERS_WRITE));
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

/*
 * Most answers are there within a millisecond or two.  To suspend a connection
 * and to resume it takes two calls of epoll_ctl and a read in vain; to ask takes
 * less, as long as it is not for long.  After its first call libmicrohttpd does not ask.
 */
static enum MHD_Result
wait_for_answer(Request *request, bool first)
{
	if (request->client->phase != CONNECTION_WAITS)
		request_enter(request, CONNECTION_WAITS);
	if (first || request->http->now - request->job.submitted >= HOLD_US)
	{
		request_become(request, REQUEST_SUSPENDED);
		MHD_suspend_connection(request->connection);
	}
	return MHD_YES;
}

/* The request is complete; first: that is known already in the first call. */
static enum MHD_Result
finish(Request *request, bool first)
{
	if (request->state == REQUEST_LEFT)
		return MHD_NO;
	if (request->state == REQUEST_RESUMED)
		answer_before_reading(request, false);
	if (request->state == REQUEST_BODY && request->outcome == OUTCOME_OPEN)
		dispatch(request);
	if (request_waits(request))
		return wait_for_answer(request, first);
	return reply_queue(request);
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
	if (request == NULL || request->client->phase >= CONNECTION_ENDS)
		return MHD_NO;
	request->http->progress |= request->state != REQUEST_HELD;
	if (request->state == REQUEST_HEAD)
		return begin(request, url, method, version);
	if (*size > 0)
	{
		enum MHD_Result result = take_body(request, data, *size);

		*size = 0;
		return result;
	}
	return finish(request, false);
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
	if (request_waits(request))
		lane_abandon(pool_of(request), &request->job);
	if (request->state != REQUEST_HEAD && request->state != REQUEST_ANSWERED)
		request_end(request, &(RequestEnd){0});
	request_become(request, REQUEST_ANSWERED);
	if (request->reply != NULL)
		db_reply_free(request->reply);
	free_secret(request->caller, request->caller != NULL ? strlen(request->caller) : 0);
	free_secret(request->body, request->body_length);
	request->client->request = NULL;
	request_enter(request, CONNECTION_IDLE);
	counter_set(&request->http->counters->requests, --request->http->settings.share->requests);
	request_free(request);
}

/* What libmicrohttpd had of it is gone. */
void
request_lost(Request *request)
{
	void *context = request;

	request->method = request->path = "";
	request_completed(NULL, request->connection, &context, MHD_REQUEST_TERMINATED_WITH_ERROR);
}
