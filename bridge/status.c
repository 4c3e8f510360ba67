/*
 * status.c
 *		The table of the bridge's own errors, and SQLSTATE to HTTP.
 *
 * Pure code.  Nothing here looks into a message, and no message of an
 * unforeseen error leaves the bridge.
 */
#include "status.h"

#include <stddef.h>
#include <string.h>

#define BAD_DATA    "BadDataError"
#define UNAVAILABLE "ServiceUnavailableError"
#define TIMEOUT     "TimeoutError"

static const StatusError cases[STATUS_CASES] = {
	[STATUS_BAD_PATH] = {400, BAD_DATA,
						 "The path holds a malformed percent-encoding or is not UTF-8 text."},
	[STATUS_MALFORMED] = {400, BAD_DATA, "The request is not well-formed HTTP."},
	[STATUS_BAD_FRAMING] = {400, BAD_DATA,
							"The request's Content-Length or Transfer-Encoding is not acceptable."},
	[STATUS_NO_HOST] = {400, BAD_DATA, "The request has no Host header, or more than one."},
	[STATUS_BAD_HOST] = {400, BAD_DATA, "The Host header holds no valid host and port."},
	[STATUS_TWO_CREDENTIALS] = {400, BAD_DATA,
								"The request has two different Authorization headers."},
	[STATUS_TWO_MEDIA_TYPES] = {400, BAD_DATA,
								"The request has two different Content-Type headers."},
	[STATUS_NO_BODY] = {400, BAD_DATA, "The request needs a JSON body."},
	[STATUS_BODY_NOT_TEXT] = {400, BAD_DATA, "The request body is not valid JSON."},
	[STATUS_NO_PATH] = {404, "NotFoundError", "The path you were looking for is not available."},
	[STATUS_WRONG_METHOD] = {405, "MethodNotAllowedError",
							 "The path does not take this method; see the Allow header."},
	[STATUS_CLIENT_TOO_SLOW] = {408, "RequestTimeoutError", "The request did not arrive in time."},
	[STATUS_BODY_TOO_LARGE] = {413, "PayloadTooLargeError", "The request body is too large."},
	[STATUS_URI_TOO_LONG] = {414, "UriTooLongError",
							 "The request URI, or a part of it, is too long."},
	[STATUS_WRONG_MEDIA_TYPE] = {415, "ContentTypeError",
								 "The request body must be of the type application/json."},
	[STATUS_WRONG_CODING] = {415, "ContentTypeError",
							 "The request body must come without a Content-Encoding, or with "
							 "identity."},
	[STATUS_HEADERS_TOO_LARGE] = {431, "HeadersTooLargeError",
								  "The request's headers are too large."},
	[STATUS_INTERNAL] = {500, "InternalError",
						 "Something went wrong. The log has more under the id of this error."},
	[STATUS_DATABASE_AWAY] = {503, UNAVAILABLE,
							  "The database is not available at the moment. Try again shortly."},
	[STATUS_QUEUE_FULL] = {503, UNAVAILABLE,
						   "Too many requests are waiting already. Try again shortly."},
	[STATUS_MEMORY_FULL] = {503, UNAVAILABLE,
							"Too many answers wait for their clients to read them. Try again "
							"shortly."},
	[STATUS_STOPPING] = {503, UNAVAILABLE, "The server is shutting down."},
	[STATUS_OUTCOME_UNKNOWN] = {503, UNAVAILABLE,
								"The connection to the database was lost during the change, which "
								"may or may not have been made. Check before you repeat it."},
	[STATUS_TOO_SLOW] = {504, TIMEOUT, "The database did not answer in time."},
	[STATUS_WRITE_TOO_SLOW] = {504, TIMEOUT,
							   "The database did not answer in time. The change may still be made. "
							   "Check before you repeat it."},
	[STATUS_WRITE_NOT_SENT] = {504, TIMEOUT,
							   "The database did not answer in time. The change was not made."},
	[STATUS_HTTP_VERSION] = {505, "HttpVersionError", "The version of HTTP is not supported."},
};

/* SQLSTATEs, or two-letter classes of them, that stand for one of the cases. */
static const struct
{
	const char *prefix;
	StatusCase which;
} sqlstates[] = {
	{"22P02", STATUS_BODY_NOT_TEXT}, /* invalid_text_representation: only the body is cast */
	{"22021", STATUS_BODY_NOT_TEXT}, /* character_not_in_repertoire */
	{"22P05", STATUS_BODY_NOT_TEXT}, /* untranslatable_character: an escaped NUL in the body */
	{"25006", STATUS_DATABASE_AWAY}, /* read_only_sql_transaction: a write met a standby */
	{"40001", STATUS_DATABASE_AWAY}, /* serialization_failure */
	{"40P01", STATUS_DATABASE_AWAY}, /* deadlock_detected */
	{"54001", STATUS_BODY_NOT_TEXT}, /* statement_too_complex: nested too deeply to be read */
	{"53", STATUS_DATABASE_AWAY},    /* insufficient_resources */
	{"55P03", STATUS_TOO_SLOW},      /* lock_not_available: lock_timeout */
	{"57014", STATUS_TOO_SLOW},      /* query_canceled: statement_timeout */
	{"57P01", STATUS_DATABASE_AWAY}, /* admin_shutdown */
	{"57P02", STATUS_DATABASE_AWAY}, /* crash_shutdown */
	{"57P03", STATUS_DATABASE_AWAY}, /* cannot_connect_now */
	{"57P05", STATUS_DATABASE_AWAY}, /* idle_session_timeout */
	{"08", STATUS_DATABASE_AWAY},    /* connection_exception */
};

StatusError
status_of_case(StatusCase which)
{
	return cases[which];
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Three digits as a number, or 0. */
static int
three_digits(const char *text)
{
	if (!is_digit(text[0]) || !is_digit(text[1]) || !is_digit(text[2]))
		return 0;
	return (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
}

static bool
is_error_status(int status)
{
	return status >= 400 && status <= 599;
}

/* The HTTP status in PTnnn, or 0. */
static int
status_in_sqlstate(const char *sqlstate)
{
	int status;

	if (strncmp(sqlstate, "PT", 2) != 0 || strlen(sqlstate) != 5)
		return 0;
	status = three_digits(sqlstate + 2);
	return is_error_status(status) ? status : 0;
}

/* A number from 1 to 2147483647 at *p, moving it on; 0 if there is none. */
static int32_t
take_id(const char **p, const char *end)
{
	int64_t number = 0;

	if (*p == end || **p == '0')
		return 0;
	for (; *p < end && is_digit(**p); (*p)++)
	{
		number = number * 10 + (**p - '0');
		if (number > INT32_MAX)
			return 0;
	}
	return (int32_t) number;
}

bool
status_of_caller(const char *text, size_t length, StatusCaller *caller)
{
	const char *p = text;
	const char *end = text + length;
	bool negative = length > 0 && *p == '-';
	int32_t account;
	int32_t token = 0;

	*caller = (StatusCaller){0};
	p += negative;
	account = take_id(&p, end);
	if (account == 0 || p == end || *p++ != ' ')
		return false;
	if (p < end && *p == '-')
		p++;
	else if ((token = take_id(&p, end)) == 0)
		return false;
	if (p != end)
		return false;
	*caller = (StatusCaller){true, negative ? -account : account, token};
	return true;
}

static size_t
count_letters(const char *text, size_t length)
{
	size_t count = 0;

	while (count < length && ((text[count] | 0x20) >= 'a' && (text[count] | 0x20) <= 'z'))
		count++;
	return count;
}

/* " NotFoundError", if an error is to be there, and " 7 12", if somebody is known. */
static bool
take_rest_of_line(const char *rest, size_t length, StatusAnswer *answer)
{
	size_t name = 0;

	if (answer->status != 200)
	{
		name = length > 0 && rest[0] == ' ' ? count_letters(rest + 1, length - 1) : 0;
		if (name == 0 || name >= STATUS_NAME_SIZE)
			return false;
		memcpy(answer->name, rest + 1, name);
		rest += name + 1;
		length -= name + 1;
	}
	answer->name[name] = '\0';
	if (length == 0)
		return answer->status != 200;
	return rest[0] == ' ' && status_of_caller(rest + 1, length - 1, &answer->caller);
}

bool
status_of_answer(const char *text, size_t length, StatusAnswer *answer)
{
	const char *end = memchr(text, '\n', length);
	size_t line = end != NULL ? (size_t) (end - text) : 0;

	if (line < 3)
		return false;
	answer->status = three_digits(text);
	answer->caller = (StatusCaller){0};
	answer->body = end + 1;
	answer->length = length - line - 1;
	return (answer->status == 200 || is_error_status(answer->status)) &&
		   take_rest_of_line(text + 3, line - 3, answer);
}

StatusError
status_of_sqlstate(const char *sqlstate, const char *message, const char *detail)
{
	int status;

	if (sqlstate == NULL)
		return cases[STATUS_INTERNAL];
	status = status_in_sqlstate(sqlstate);
	if (status != 0 && message != NULL && detail != NULL)
		return (StatusError){status, detail, message};
	for (size_t i = 0; i < sizeof(sqlstates) / sizeof(sqlstates[0]); i++)
		if (strncmp(sqlstate, sqlstates[i].prefix, strlen(sqlstates[i].prefix)) == 0)
			return cases[sqlstates[i].which];
	return cases[STATUS_INTERNAL];
}
