/*
 * reply.c
 *		Turns the outcome of a request into a response.
 *
 * A list goes out of the database's result without being copied; the response
 * holds that result from then on, as may others.  No message of an unforeseen error goes out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "error_body.h"
#include "library_answer.h"
#include "log.h"
#include "metrics.h"
#include "openapi.h"
#include "request.h"
#include "timing.h"
#include "tls.h"

#define JSON_TYPE     "application/json; charset=utf-8"
#define HEALTHY_BODY  "{\"health\":\"GOOD\"}"
#define READY_BODY    "{\"ready\":true}"
#define RETRY_AFTER_S "1"

/* A path of the longest URI, each byte escaped, and an id. */
#define LOCATION_MAX (3 * (HTTP_URI_MAX + 64))

/* An error of the bridge's own with its headers. */
#define RAW_ANSWER_MAX (512 + ERROR_BODY_CASE_MAX)

/* An answer on its way to become a response. */
typedef struct Answer
{
	RequestEnd end;
	StatusAnswer said; /* what the error's name may point into */
	struct MHD_Response *response;
	const char *type; /* of the body, or NULL: there is none */
	size_t length;
} Answer;

/* Of a request that is refused before its route is looked for, too: the answer has no body. */
static bool
is_head(const Request *request)
{
	return strcmp(request->method, MHD_HTTP_METHOD_HEAD) == 0;
}

/* ---- headers ------------------------------------------------------------ */

static void
add_header(const Answer *answer, const char *name, const char *value)
{
	/* Fails without memory only; then the answer goes without this header. */
	(void) MHD_add_response_header(answer->response, name, value);
}

/* Of what went into a lane. */
static void
add_timing(const Request *request, const Answer *answer)
{
	const LaneJob *job = &request->job;
	char text[TIMING_TEXT_MAX];

	if (job->sent != 0)
		timing_text(text, job->sent - job->submitted, job->ended - job->sent);
	else
		timing_text(text, job->ended - job->submitted, -1);
	add_header(answer, "Server-Timing", text);
}

static void
add_headers(const Request *request, const Answer *answer)
{
	int status = answer->end.status;

	if (answer->type != NULL)
	{
		add_header(answer, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type);
		add_header(answer, "X-Content-Type-Options", "nosniff");
	}
	add_header(answer, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	add_header(answer, "X-Request-Id", request->id);
	if (request->job.ended != 0 && request->http->settings.server_timing)
		add_timing(request, answer);
	if (status == MHD_HTTP_UNAUTHORIZED)
		add_header(answer, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
	if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
		add_header(answer, MHD_HTTP_HEADER_RETRY_AFTER, RETRY_AFTER_S);
	if (request->outcome == OUTCOME_REFUSED && request->refusal == STATUS_WRONG_CODING)
		add_header(answer, MHD_HTTP_HEADER_ACCEPT_ENCODING, "identity");
	if (request->match.allow[0] != '\0' &&
		(status == MHD_HTTP_METHOD_NOT_ALLOWED || request->outcome == OUTCOME_OPTIONS))
		add_header(answer, MHD_HTTP_HEADER_ALLOW, request->match.allow);
	if (request->http->draining || request->headers.last)
		add_header(answer, MHD_HTTP_HEADER_CONNECTION, "close");
}

/* Copy text, percent-encoding what may not stand in a URI; returns the new end. */
static char *
append_uri(char *out, const char *end, const char *text, size_t length)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
								"0123456789-._~!$&'()*+,;=:@/%";

	for (size_t i = 0; i < length && end - out > 3; i++)
	{
		if (text[i] != '\0' && strchr(plain, text[i]) != NULL)
			*out++ = text[i];
		else
			out += sprintf(out, "%%%02X", (unsigned char) text[i]);
	}
	return out;
}

/* Where the new thing can be found: the collection's own path and its id. */
static void
add_location(const Request *request, const Answer *answer)
{
	char location[LOCATION_MAX];
	char *end = location + sizeof(location) - 1;
	size_t path_length = strlen(request->path);
	size_t id_length;
	const char *id = db_reply_column(request->reply, CALL_COLUMN_ID, &id_length);
	char *out = location;

	if (id == NULL)
		return;
	while (path_length > 0 && request->path[path_length - 1] == '/')
		path_length--;
	out = append_uri(out, end, request->path, path_length);
	out = append_uri(out, end, "/", 1);
	out = append_uri(out, end, id, id_length);
	*out = '\0';
	add_header(answer, MHD_HTTP_HEADER_LOCATION, location);
}

/* ---- bodies ------------------------------------------------------------- */

static void
release_reply(void *reply)
{
	db_reply_free(reply);
}

static void
answer_nothing(Answer *answer, int status)
{
	answer->end.status = status;
	answer->response = MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
}

/* A body that is there for ever. */
static void
answer_constant(Answer *answer, const char *body, size_t length)
{
	answer->end.status = MHD_HTTP_OK;
	answer->type = JSON_TYPE;
	answer->length = length;
	answer->response = MHD_create_response_from_buffer(length, (void *) body,
													   MHD_RESPMEM_PERSISTENT);
}

/* A body of malloc's, or NULL without memory; the response frees it. */
static void
answer_made(Answer *answer, int status, const char *type, char *body, size_t length)
{
	answer->end.status = status;
	answer->type = type;
	answer->length = length;
	if (body == NULL)
		return;
	answer->response = MHD_create_response_from_buffer_with_free_callback_cls(length, body, free,
																			  body);
	if (answer->response == NULL)
		free(body);
}

static void
answer_document(Answer *answer)
{
	size_t length;
	const char *document = openapi_document(&length);

	answer_constant(answer, document, length);
}

static void
answer_metrics(const Request *request, Answer *answer)
{
	size_t length = 0;
	char *text = metrics_text(request->http->settings.all, &length);

	answer_made(answer, MHD_HTTP_OK, METRICS_TYPE, text, length);
}

static void
answer_error(const Request *request, Answer *answer, const StatusError *error)
{
	size_t length = 0;
	char *body = error_body(request->id, error, &length);

	answer->end.error = error->name;
	answer_made(answer, error->status, JSON_TYPE, body, length);
}

static void
answer_case(const Request *request, Answer *answer, StatusCase which)
{
	StatusError error = status_of_case(which);

	answer_error(request, answer, &error);
}

/* What the client is not told stands in the log, under the id it is told. */
static void
answer_database_error(const Request *request, Answer *answer, const DbError *raised)
{
	StatusError error = status_of_sqlstate(raised->sqlstate, raised->message, raised->detail);

	if (error.status == MHD_HTTP_INTERNAL_SERVER_ERROR && request_may_log_error(request->http))
		log_event(LOG_ERROR, "request %s: the database raised %s: %s", request->id,
				  raised->sqlstate != NULL ? raised->sqlstate : "an error",
				  raised->message != NULL ? raised->message : "");
	answer_error(request, answer, &error);
}

/* The response takes over that the request holds the reply, until it is sent. */
static void
answer_with_reply(Request *request, Answer *answer, const char *json, size_t length)
{
	answer->end.status = request->match.route->success;
	answer->type = JSON_TYPE;
	answer->length = length;
	answer->response = MHD_create_response_from_buffer_with_free_callback_cls(length, (void *) json,
																			  release_reply,
																			  request->reply);
	if (answer->response == NULL)
		return;
	if (request->match.route->call.shape == CALL_JSON_WITH_ID)
		add_location(request, answer);
	request->reply = NULL;
}

/* The function answered as it never should. */
static void
answer_nonsense(Request *request, Answer *answer)
{
	log_event(LOG_ERROR, "request %s: the database returned no answer", request->id);
	answer_case(request, answer, STATUS_INTERNAL);
}

static void
answer_json(Request *request, Answer *answer)
{
	size_t length;
	const char *json = db_reply_column(request->reply, CALL_COLUMN_RESULT, &length);

	if (json == NULL)
		answer_nonsense(request, answer);
	else
		answer_with_reply(request, answer, json, length);
}

/* The function says itself whether it is an error. */
static void
answer_answer(Request *request, Answer *answer)
{
	StatusAnswer *said = &answer->said;
	size_t length;
	const char *text = db_reply_column(request->reply, CALL_COLUMN_RESULT, &length);

	if (text == NULL || !status_of_answer(text, length, said))
	{
		answer_nonsense(request, answer);
		return;
	}
	answer->end.caller = said->caller;
	if (said->status == MHD_HTTP_OK)
		answer_with_reply(request, answer, said->body, said->length);
	else
	{
		StatusError error = {said->status, said->name, said->body};

		answer_error(request, answer, &error);
	}
}

/* Whom a function that raises its errors was called by. */
static void
take_caller(const Request *request, Answer *answer)
{
	size_t length;
	const char *ids = db_reply_column(request->reply, CALL_COLUMN_CALLER, &length);

	if (ids != NULL)
		(void) status_of_caller(ids, length, &answer->end.caller);
}

static void
answer_reply(Request *request, Answer *answer)
{
	const Route *route = request->match.route;
	DbError raised;

	if (db_reply_error(request->reply, &raised))
	{
		answer_database_error(request, answer, &raised);
		return;
	}
	if (route->call.shape == CALL_ANSWER)
	{
		answer_answer(request, answer);
		return;
	}
	take_caller(request, answer);
	if (route->call.shape == CALL_VOID)
		answer_nothing(answer, route->success);
	else
		answer_json(request, answer);
}

static void
build(Request *request, Answer *answer)
{
	switch (request->outcome)
	{
		case OUTCOME_REPLIED:
			answer_reply(request, answer);
			break;
		case OUTCOME_REFUSED:
			answer_case(request, answer, request->refusal);
			break;
		case OUTCOME_OPTIONS:
			answer_nothing(answer, MHD_HTTP_NO_CONTENT);
			break;
		case OUTCOME_HEALTHY:
			answer_constant(answer, HEALTHY_BODY, strlen(HEALTHY_BODY));
			break;
		case OUTCOME_READY:
			answer_constant(answer, READY_BODY, strlen(READY_BODY));
			break;
		case OUTCOME_OPENAPI:
			answer_document(answer);
			break;
		case OUTCOME_METRICS:
			answer_metrics(request, answer);
			break;
		case OUTCOME_OPEN:
			answer_case(request, answer, STATUS_INTERNAL);
			break;
	}
}

enum MHD_Result
reply_queue(Request *request)
{
	Answer answer = {0};
	enum MHD_Result result;

	build(request, &answer);
	if (answer.response == NULL)
		return MHD_NO;
	add_headers(request, &answer);
	if (!is_head(request))
		answer.end.body_bytes = answer.length;
	request_end(request, &answer.end);
	request_enter(request, CONNECTION_TAKES);
	result = library_queue_response(request->connection, (unsigned) answer.end.status,
									answer.response);
	MHD_destroy_response(answer.response);
	request_become(request, REQUEST_ANSWERED);
	return result;
}

/* Which of our cases the library's own refusals are. */
static bool
case_of_library(unsigned status, StatusCase *which)
{
	static const StatusCase cases[] = {STATUS_MALFORMED,    STATUS_BODY_TOO_LARGE,
									   STATUS_URI_TOO_LONG, STATUS_HEADERS_TOO_LARGE,
									   STATUS_INTERNAL,     STATUS_HTTP_VERSION};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (status_of_case(cases[i]).status == (int) status)
		{
			*which = cases[i];
			return true;
		}
	/* Libraries to come may refuse in more ways; it is the request that is at fault. */
	*which = STATUS_MALFORMED;
	return (status >= 400 && status < 500) || status == MHD_HTTP_NOT_IMPLEMENTED;
}

static bool
start_for_library(Http *http, struct MHD_Connection *connection, unsigned status, Request *request)
{
	*request = (Request){
		.http = http, .connection = connection, .started = clock_us(), .method = "", .path = ""};
	request->outcome = OUTCOME_REFUSED;
	uuid_next(&http->uuids, request->id);
	return case_of_library(status, &request->refusal);
}

struct MHD_Response *
reply_for_library(Http *http, struct MHD_Connection *connection, unsigned status)
{
	Request request;
	Answer answer = {0};

	if (!start_for_library(http, connection, status, &request))
		return NULL;
	build(&request, &answer);
	if (answer.response == NULL)
		return NULL;
	add_headers(&request, &answer);
	answer.end.body_bytes = answer.length;
	request_end(&request, &answer.end);
	return answer.response;
}

/* Straight into the connection, past libmicrohttpd. */
static void
send_raw(const Connection *client, const char *text, size_t length)
{
	ssize_t sent;

	if (client->http->settings.tls)
	{
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(client->handle, MHD_CONNECTION_INFO_GNUTLS_SESSION);

		sent = info != NULL ? tls_send(info->tls_session, text, length) : -1;
	}
	else
		sent = send(client->fd, text, length, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void) sent; /* the connection is about to be closed in any case */
}

static void
send_outcome(Connection *client, const Request *request)
{
	StatusError error = status_of_case(request->refusal);
	char text[RAW_ANSWER_MAX];
	bool head = is_head(request);
	size_t length;
	char *body = error_body(request->id, &error, &length);

	if (body == NULL)
		return;
	snprintf(text, sizeof(text),
			 "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: " JSON_TYPE "\r\n"
			 "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n"
			 "X-Request-Id: %s\r\nContent-Length: %zu\r\n\r\n%s",
			 error.status, MHD_get_reason_phrase_for((unsigned) error.status), request->id, length,
			 head ? "" : body);
	free(body);
	send_raw(client, text, strlen(text));
	client->lingers = true;
	request_end(request, &(RequestEnd){error.status, error.name, head ? 0 : length, {0}});
}

void
reply_send_for_library(Connection *client, unsigned status)
{
	Request request;

	if (start_for_library(client->http, client->handle, status, &request))
		send_outcome(client, &request);
}

void
reply_send_refusal(Request *request)
{
	request_become(request, REQUEST_ANSWERED);
	send_outcome(request->client, request);
}

void
reply_send_case(Request *request, StatusCase why)
{
	if (request->state == REQUEST_HEAD)
	{
		request->method = request->path = "";
		uuid_next(&request->http->uuids, request->id);
	}
	request_refuse(request, why);
	reply_send_refusal(request);
}
