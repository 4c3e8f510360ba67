/*
 * request_head.c
 *		What the head of a request says, and what that decides: a refusal, or
 *		the row of the route table.
 *
 * Checks form only.  Values stay where libmicrohttpd has them, which is as long as
 * the request.
 */
#include "request.h"

#include <string.h>
#include <strings.h>

#include "target.h"

/* ---- headers ------------------------------------------------------------ */

static bool
name_is(HeaderValue name, const char *known)
{
	return strlen(known) == name.length && strncasecmp(name.bytes, known, name.length) == 0;
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
take_content_type(RequestHeaders *headers, HeaderValue value)
{
	if (!headers->typed)
		headers->content_type = value;
	else if (!header_same(headers->content_type, value))
		headers->two_media_types = true;
	headers->typed = true;
}

static void
take_host(RequestHeaders *headers, HeaderValue value)
{
	headers->hosts++;
	if (!target_is_host(value))
		headers->bad_host = true;
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

/* One header whose name means something here; value is without blanks around it. */
static void
take_known(RequestHeaders *headers, HeaderValue name, HeaderValue value)
{
	if (name_is(name, MHD_HTTP_HEADER_AUTHORIZATION))
		take_authorization(headers, value);
	else if (name_is(name, MHD_HTTP_HEADER_CONTENT_TYPE))
		take_content_type(headers, value);
	else if (name_is(name, MHD_HTTP_HEADER_CONTENT_ENCODING))
		headers->coded |= !header_is_identity(value);
	else if (name_is(name, MHD_HTTP_HEADER_CONTENT_LENGTH))
		take_content_length(headers, value);
	else if (name_is(name, MHD_HTTP_HEADER_HOST))
		take_host(headers, value);
	else if (name_is(name, MHD_HTTP_HEADER_EXPECT))
		headers->expects = true;
	else if (name_is(name, MHD_HTTP_HEADER_COOKIE))
		headers->count += weight_of_cookies(value);
}

static enum MHD_Result
take_header(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_length,
			const char *bytes, size_t length)
{
	RequestHeaders *headers = cls;
	HeaderValue name = {key, key_length};
	HeaderValue value = {bytes != NULL ? bytes : "", length};

	(void) kind;
	headers->count++;
	raw_head_part(&headers->raw, key, key_length, RAW_HEAD_LINE_END);
	raw_head_part(&headers->raw, value.bytes, value.length, RAW_HEAD_MARK);
	if (!header_is_token(key, key_length) || memchr(value.bytes, '\r', value.length) != NULL)
		headers->bad_line = true;
	if (name_is(name, MHD_HTTP_HEADER_TRANSFER_ENCODING))
		take_transfer_encoding(headers, value); /* as the library sees it: header.h */
	else
		take_known(headers, name, header_trim(value));
	return MHD_YES;
}

static size_t
headers_size(Request *request)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	return info != NULL ? info->header_size : 0;
}

/* Chunks came with HTTP/1.1: a proxy of before may see other ends (RFC 9112, section 6.1). */
static bool
is_old(const char *version)
{
	return strcmp(version, MHD_HTTP_VERSION_1_0) == 0;
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
	if (headers->chunked && headers->has_length)
		headers->bad_framing = true; /* RFC 9112, section 6.3: an attempt at smuggling */
	headers->last = headers->chunked && (MHD_LENIENT_CHUNKS || is_old(version));
}

/*
 * Whether the method is no token, or the target none of the forms that there are
 * (RFC 9112, section 3).  Before 1.0 the library takes more than one blank before the
 * target: then it does not begin right behind the method.
 */
static bool
is_bad_request_line(const Request *request)
{
	size_t method = strlen(request->method);

	return request->bad_uri || !header_is_token(request->method, method) ||
		   !target_has_form(request->method, request->uri) ||
		   (MHD_HIDES_BYTES && request->uri != request->method + method + 1);
}

/*
 * Whether the request line is none, something of the head is hidden, a name is none
 * (RFC 9110, section 5.1), or a carriage return stands alone (RFC 9112, section 2.2).
 */
static bool
is_malformed(Request *request)
{
	RequestHeaders *headers = &request->headers;

	return headers->bad_line || is_bad_request_line(request) ||
		   (MHD_HIDES_BYTES && !raw_head_is_whole(&headers->raw, headers_size(request)));
}

/* ---- deciding ----------------------------------------------------------- */

static bool
has_body(const RequestHeaders *headers)
{
	return headers->chunked || headers->content_length > 0;
}

bool
request_head_is_too_large(Request *request)
{
	size_t overhead = (size_t) request->headers.count * HTTP_HEADER_OVERHEAD;

	return headers_size(request) + overhead > request->http->settings.max_header_size;
}

/* What is wrong with the request as such, before anybody asks where it goes. */
static bool
refuse_form(Request *request, const char *version)
{
	const RequestHeaders *headers = &request->headers;
	bool needs_host = !is_old(version);

	if (request->uri_length > HTTP_URI_MAX)
		request_refuse(request, STATUS_URI_TOO_LONG);
	else if (request_head_is_too_large(request))
		request_refuse(request, STATUS_HEADERS_TOO_LARGE);
	else if (is_malformed(request))
		request_refuse(request, STATUS_MALFORMED);
	else if (headers->bad_framing)
		request_refuse(request, STATUS_BAD_FRAMING);
	else if (headers->hosts > 1 || (needs_host && headers->hosts == 0))
		request_refuse(request, STATUS_NO_HOST);
	else if (headers->bad_host)
		request_refuse(request, STATUS_BAD_HOST);
	else if (headers->content_length > request->http->settings.max_body_size)
		request_refuse(request, STATUS_BODY_TOO_LARGE);
	return request->outcome == OUTCOME_REFUSED;
}

/* What is served elsewhere is not found here. */
static bool
refuse_kind(Request *request)
{
	if (ROUTE_BIT(request->match.route->kind) & request->http->settings.serves)
		return false;
	request->match.route = NULL;
	request->match.found = false;
	request->match.allow[0] = '\0';
	request_refuse(request, STATUS_NO_PATH);
	return true;
}

/* What the route's row asks of the request. */
static void
check_route(Request *request)
{
	const RequestHeaders *headers = &request->headers;

	if (headers->two_credentials)
		request_refuse(request, STATUS_TWO_CREDENTIALS);
	else if (!route_takes_body(request->match.route))
		return;
	else if (!has_body(headers))
		request_refuse(request, STATUS_NO_BODY);
	else if (headers->two_media_types)
		request_refuse(request, STATUS_TWO_MEDIA_TYPES);
	else if (!header_is_json(headers->content_type))
		request_refuse(request, STATUS_WRONG_MEDIA_TYPE);
	else if (headers->coded)
		request_refuse(request, STATUS_WRONG_CODING);
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
			request_refuse(request, STATUS_WRONG_METHOD);
			break;
		case ROUTE_NO_PATH:
			request_refuse(request, STATUS_NO_PATH);
			break;
		case ROUTE_BAD_PATH:
			request_refuse(request, STATUS_BAD_PATH);
			break;
		case ROUTE_SEGMENT_TOO_LONG:
			request_refuse(request, STATUS_URI_TOO_LONG);
			break;
	}
}

void
request_read_head(Request *request, const char *version)
{
	read_headers(request, version);
	if (!refuse_form(request, version))
		find_route(request);
}

bool
request_answers_early(const Request *request)
{
	const RequestHeaders *headers = &request->headers;

	return request->outcome == OUTCOME_REFUSED &&
		   (request->refusal == STATUS_MALFORMED || headers->bad_framing ||
			headers->content_length > HTTP_DRAIN_MAX || (headers->expects && has_body(headers)));
}
