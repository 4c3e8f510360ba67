/*
 * request.c
 *		The life of a request: read its headers, collect its body, put it into
 *		a lane, and hand it over to reply.c once its outcome is known.
 *
 * Owns the Request, from the request line until libmicrohttpd reports it
 * completed.  Checks form only; what a caller may do is for the database.
 *
 * libmicrohttpd calls the handler once with the headers, then with each piece
 * of the body, then at the end, and again after a suspended connection was
 * resumed.  Answering in the first call closes the connection, so that is
 * done only where the rest of the request is not to be read.
 */
#include "request.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "text.h"

/* ---- headers ------------------------------------------------------------ */

static bool
key_is(const char *key, size_t length, const char *name)
{
	return strlen(name) == length && strncasecmp(key, name, length) == 0;
}

static void
take_authorization(RequestHeaders *headers, HeaderValue value)
{
	if (!headers->authorized)
		headers->authorization = value;
	else if (!header_same(headers->authorization, value))
		headers->two_credentials = true;
	headers->authorized = true;
}

static void
take_content_length(RequestHeaders *headers, HeaderValue value)
{
	unsigned long long length;

	if (!header_content_length(value, &length) ||
		(headers->has_length && length != headers->content_length))
		headers->bad_framing = true;
	else
		headers->content_length = length;
	headers->has_length = true;
}

static void
take_transfer_encoding(RequestHeaders *headers, HeaderValue value)
{
	headers->encodings++;
	headers->chunked = header_is_chunked(value);
	if (!headers->chunked || headers->encodings > 1)
		headers->bad_framing = true;
}

/* The library copies it, and makes a list of it: as much as so many headers. */
static unsigned
weight_of_cookies(HeaderValue value)
{
	unsigned weight = 1 + (unsigned) (value.length / 64);

	for (size_t i = 0; i < value.length; i++)
		if (value.bytes[i] == ';')
			weight++;
	return weight;
}

static enum MHD_Result
take_header(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_length,
			const char *bytes, size_t length)
{
	RequestHeaders *headers = cls;
	HeaderValue value = {bytes != NULL ? bytes : "", length};

	(void) kind;
	headers->count++;
	raw_head_part(&headers->raw, key, key_length, RAW_HEAD_LINE_END);
	raw_head_part(&headers->raw, value.bytes, value.length, RAW_HEAD_MARK);
	if (!header_name_is_token(key, key_length) || memchr(value.bytes, '\r', value.length) != NULL)
		headers->bad_line = true;
	if (key_is(key, key_length, MHD_HTTP_HEADER_AUTHORIZATION))
		take_authorization(headers, value);
	else if (key_is(key, key_length, MHD_HTTP_HEADER_CONTENT_TYPE))
		headers->content_type = value;
	else if (key_is(key, key_length, MHD_HTTP_HEADER_CONTENT_LENGTH))
		take_content_length(headers, value);
	else if (key_is(key, key_length, MHD_HTTP_HEADER_TRANSFER_ENCODING))
		take_transfer_encoding(headers, value);
	else if (key_is(key, key_length, MHD_HTTP_HEADER_HOST))
		headers->hosts++;
	else if (key_is(key, key_length, MHD_HTTP_HEADER_EXPECT))
		headers->expects = true;
	else if (key_is(key, key_length, MHD_HTTP_HEADER_COOKIE))
		headers->count += weight_of_cookies(value);
	return MHD_YES;
}

static size_t
headers_size(Request *request)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	return info != NULL ? info->header_size : 0;
}

static void
read_headers(Request *request, const char *version)
{
	RequestHeaders *headers = &request->headers;
	RawHead *raw = &headers->raw;

	raw_head_start(raw, request->method);
	raw_head_part(raw, request->method, strlen(request->method), 0);
	raw_head_part(raw, request->uri, request->uri_length, RAW_HEAD_MARK);
	raw_head_part(raw, version, strlen(version), RAW_HEAD_MARK);
	MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, take_header, headers);
	if (memchr(request->uri, '\r', request->uri_length) != NULL)
		headers->bad_line = true;
	if (headers->chunked && headers->has_length)
		headers->bad_framing = true; /* RFC 9112, section 6.3: an attempt at smuggling */
}

/*
 * Whether something of the head is hidden, a name is none (RFC 9110, section 5.1), or
 * a carriage return stands alone (RFC 9112, section 2.2).
 */
static bool
is_malformed(Request *request)
{
	RequestHeaders *headers = &request->headers;

	return headers->bad_line ||
		   (MHD_HIDES_BYTES && !raw_head_is_whole(&headers->raw, headers_size(request)));
}

/* ---- deciding ----------------------------------------------------------- */

static void
refuse(Request *request, StatusCase why)
{
	request->outcome = OUTCOME_REFUSED;
	request->refusal = why;
}

static bool
has_body(const RequestHeaders *headers)
{
	return headers->chunked || headers->content_length > 0;
}

static bool
head_is_too_large(Request *request)
{
	size_t max = request->http->settings.max_header_size;

	return headers_size(request) > max || request->headers.count > HTTP_HEADER_COUNT(max);
}

/* What is wrong with the request as such, before anybody asks where it goes. */
static bool
refuse_form(Request *request, const char *version)
{
	const RequestHeaders *headers = &request->headers;
	bool needs_host = strcmp(version, MHD_HTTP_VERSION_1_1) == 0;

	if (request->uri_length > HTTP_URI_MAX)
		refuse(request, STATUS_URI_TOO_LONG);
	else if (head_is_too_large(request))
		refuse(request, STATUS_HEADERS_TOO_LARGE);
	else if (is_malformed(request))
		refuse(request, STATUS_MALFORMED);
	else if (headers->bad_framing)
		refuse(request, STATUS_BAD_FRAMING);
	else if (headers->hosts > 1 || (needs_host && headers->hosts == 0))
		refuse(request, STATUS_NO_HOST);
	else if (headers->content_length > request->http->settings.max_body_size)
		refuse(request, STATUS_BODY_TOO_LARGE);
	return request->outcome == OUTCOME_REFUSED;
}

/* What is served elsewhere is not found here. */
static bool
refuse_kind(Request *request)
{
	if (ROUTE_BIT(request->match.route->kind) & request->http->settings.serves)
		return false;
	request->match.route = NULL;
	request->match.allow[0] = '\0';
	refuse(request, STATUS_NO_PATH);
	return true;
}

/* What the route's row asks of the request. */
static void
check_route(Request *request)
{
	const RequestHeaders *headers = &request->headers;

	if (headers->two_credentials)
		refuse(request, STATUS_TWO_CREDENTIALS);
	else if (!route_takes_body(request->match.route))
		return;
	else if (!has_body(headers))
		refuse(request, STATUS_NO_BODY);
	else if (!header_is_json(headers->content_type))
		refuse(request, STATUS_WRONG_MEDIA_TYPE);
}

static void
find_route(Request *request)
{
	RouteResult result = route_find(request->method, request->path, &request->match);

	if (request->match.route != NULL && refuse_kind(request))
		return;
	switch (result)
	{
		case ROUTE_FOUND:
			check_route(request);
			break;
		case ROUTE_OPTIONS:
			request->outcome = OUTCOME_OPTIONS;
			break;
		case ROUTE_WRONG_METHOD:
			refuse(request, STATUS_WRONG_METHOD);
			break;
		case ROUTE_NO_PATH:
			refuse(request, STATUS_NO_PATH);
			break;
		case ROUTE_BAD_PATH:
			refuse(request, STATUS_BAD_PATH);
			break;
		case ROUTE_SEGMENT_TOO_LONG:
			refuse(request, STATUS_URI_TOO_LONG);
			break;
	}
}

/*
 * Whether to answer now and close: the end of the request cannot be told, or is
 * too far away, or its body has not been sent yet and will not be wanted.
 */
static bool
answers_early(const Request *request)
{
	const RequestHeaders *headers = &request->headers;

	return request->outcome == OUTCOME_REFUSED &&
		   (request->refusal == STATUS_MALFORMED || headers->bad_framing ||
			headers->content_length > HTTP_DRAIN_MAX || (headers->expects && has_body(headers)));
}

static enum MHD_Result
begin(Request *request, const char *url, const char *method, const char *version)
{
	request->begun = true;
	request->method = method;
	request->path = route_path(url);
	uuid_next(&request->http->uuids, request->id);
	read_headers(request, version);
	if (!refuse_form(request, version))
		find_route(request);
	if (request->outcome == OUTCOME_REFUSED && head_is_too_large(request))
	{
		/* Its memory may be full: answer past the library, which closes the connection. */
		reply_send_refusal(request);
		return MHD_NO;
	}
	return answers_early(request) ? reply_queue(request) : MHD_YES;
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
		refuse(request, STATUS_BODY_TOO_LARGE);
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
		refuse(request, STATUS_NO_BODY);
		return false;
	}
	request->body[request->body_length] = '\0';
	if (text_has_nul(request->body, request->body_length) ||
		!text_is_utf8(request->body, request->body_length))
	{
		refuse(request, STATUS_BODY_NOT_TEXT);
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
		refuse(request, case_of_end(end, is_write(request)));
	answer_before_reading(request, true);
	MHD_resume_connection(request->connection);
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
		refuse(request, STATUS_INTERNAL);
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
		refuse(request, case_of_end(refusal, is_write(request)));
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
			if (lane_is_up(request->http->settings.read))
				request->outcome = OUTCOME_READY;
			else
				refuse(request, STATUS_DATABASE_AWAY);
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

static enum MHD_Result
finish(Request *request)
{
	if (request->left)
		return MHD_NO;
	if (request->client->phase == CONNECTION_WAITS)
		answer_before_reading(request, false);
	if (request->outcome == OUTCOME_OPEN && !request->waiting)
		dispatch(request);
	if (!request->waiting)
		return reply_queue(request);
	request_enter(request, CONNECTION_WAITS);
	MHD_suspend_connection(request->connection);
	return MHD_YES;
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
	Request *request = client != NULL ? calloc(1, sizeof(Request)) : NULL;

	if (request == NULL)
		return NULL;
	request->http = http;
	request->connection = connection;
	request->client = client;
	client->request = request;
	if (client->phase == CONNECTION_IDLE)
		request_enter(request, CONNECTION_SENDS);
	request->started = clock_us();
	request->uri = uri != NULL ? uri : "";
	request->uri_length = strlen(request->uri);
	if (uri != NULL)
		hide_query(uri);
	counter_set(&http->counters->requests, ++http->settings.share->requests);
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
	free(request);
}
