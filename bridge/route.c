/*
 * route.c
 *		The route table, and matching a request against it.
 *
 * Pure code: no allocation, no I/O.  A row says everything the bridge knows
 * of a route; no other file compares methods or paths.
 */
#include "route.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "text.h"

#define ACCOUNTS   "/api/admin/service-account"
#define ACCOUNT    ACCOUNTS "/:id"
#define TOKENS     ACCOUNT "/token"
#define OWN_TOKENS "/api/admin/user/tokens"

/* The main route stands first: a match is a walk from the top. */
static const Route routes[] = {
	{ROUTE_GET,
	 TOKENS,
	 ROUTE_CALL,
	 ROUTE_READ,
	 200,
	 {0, "pat_answer_list_for_service_account", "$1::text[], $2::text[]", 2, CALL_ANSWER},
	 {ROUTE_FROM_PATH_1, ROUTE_FROM_CALLER}},
	{ROUTE_POST,
	 TOKENS,
	 ROUTE_CALL,
	 ROUTE_WRITE,
	 201,
	 {1, "pat_create_for_service_account", "$1::text, $2::json, $3::text", 3, CALL_JSON_WITH_ID},
	 {ROUTE_FROM_PATH_1, ROUTE_FROM_BODY, ROUTE_FROM_CALLER}},
	{ROUTE_DELETE,
	 TOKENS "/:tokenId",
	 ROUTE_CALL,
	 ROUTE_WRITE,
	 200,
	 {2, "pat_delete_for_service_account", "$1::text, $2::text, $3::text", 3, CALL_VOID},
	 {ROUTE_FROM_PATH_1, ROUTE_FROM_PATH_2, ROUTE_FROM_CALLER}},
	{ROUTE_GET,
	 ACCOUNTS,
	 ROUTE_CALL,
	 ROUTE_READ,
	 200,
	 {3, "pat_list_service_accounts", "$1::text", 1, CALL_JSON_OF_ALL},
	 {ROUTE_FROM_CALLER}},
	{ROUTE_POST,
	 ACCOUNTS,
	 ROUTE_CALL,
	 ROUTE_WRITE,
	 201,
	 {4, "pat_create_service_account", "$1::json, $2::text", 2, CALL_JSON_WITH_ID},
	 {ROUTE_FROM_BODY, ROUTE_FROM_CALLER}},
	{ROUTE_PUT,
	 ACCOUNT,
	 ROUTE_CALL,
	 ROUTE_WRITE,
	 200,
	 {5, "pat_update_service_account", "$1::text, $2::json, $3::text", 3, CALL_JSON},
	 {ROUTE_FROM_PATH_1, ROUTE_FROM_BODY, ROUTE_FROM_CALLER}},
	{ROUTE_DELETE,
	 ACCOUNT,
	 ROUTE_CALL,
	 ROUTE_WRITE,
	 200,
	 {6, "pat_delete_service_account", "$1::text, $2::text", 2, CALL_VOID},
	 {ROUTE_FROM_PATH_1, ROUTE_FROM_CALLER}},
	{ROUTE_GET,
	 OWN_TOKENS,
	 ROUTE_CALL,
	 ROUTE_READ,
	 200,
	 {7, "pat_answer_list", "$1::text[]", 1, CALL_ANSWER},
	 {ROUTE_FROM_CALLER}},
	{ROUTE_POST,
	 OWN_TOKENS,
	 ROUTE_CALL,
	 ROUTE_WRITE,
	 201,
	 {8, "pat_create", "$1::json, $2::text", 2, CALL_JSON_WITH_ID},
	 {ROUTE_FROM_BODY, ROUTE_FROM_CALLER}},
	{ROUTE_DELETE,
	 OWN_TOKENS "/:id",
	 ROUTE_CALL,
	 ROUTE_WRITE,
	 200,
	 {9, "pat_delete", "$1::text, $2::text", 2, CALL_VOID},
	 {ROUTE_FROM_PATH_1, ROUTE_FROM_CALLER}},
	{.method = ROUTE_GET, .pattern = "/health", .kind = ROUTE_HEALTH, .success = 200},
	{.method = ROUTE_GET, .pattern = "/ready", .kind = ROUTE_READY, .success = 200},
	{.method = ROUTE_GET, .pattern = "/ready/write", .kind = ROUTE_READY_WRITE, .success = 200},
	{.method = ROUTE_GET, .pattern = "/metrics", .kind = ROUTE_METRICS, .success = 200},
	{.method = ROUTE_GET, .pattern = "/docs/openapi.json", .kind = ROUTE_OPENAPI, .success = 200},
};

#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))
_Static_assert(ROUTE_COUNT <= ROUTE_MAX, "tables beside this one are too small");

static const char *const method_names[] = {"GET", "POST", "PUT", "DELETE"};

/* A decoded path: the segments one after the other. */
typedef struct Segments
{
	size_t count;
	char text[ROUTE_MAX_SEGMENTS][ROUTE_SEGMENT_MAX + 1];
} Segments;

const Route *
route_table(size_t *count)
{
	*count = ROUTE_COUNT;
	return routes;
}

unsigned
route_number(const Route *route)
{
	return (unsigned) (route - routes);
}

bool
route_takes_body(const Route *route)
{
	for (int i = 0; i < route->call.nparams; i++)
		if (route->sources[i] == ROUTE_FROM_BODY)
			return true;
	return false;
}

const char *
route_path(const char *target)
{
	const char *path = target;

	if (strncasecmp(target, "http://", 7) == 0)
		path = strchrnul(target + 7, '/');
	else if (strncasecmp(target, "https://", 8) == 0)
		path = strchrnul(target + 8, '/');
	return *path != '\0' || path == target ? path : "/";
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The byte at *p, decoded; moves *p past it.  -1 for a broken or unsafe one. */
static int
decode_byte(const char **p, const char *end)
{
	unsigned char c = (unsigned char) **p;
	int high;
	int low;

	if (c != '%')
	{
		(*p)++;
		return c <= ' ' || c == 0x7F ? -1 : c;
	}
	if (end - *p < 3)
		return -1;
	high = hex_value((*p)[1]);
	low = hex_value((*p)[2]);
	*p += 3;
	if (high < 0 || low < 0 || (high == 0 && low == 0))
		return -1;
	return high << 4 | low;
}

RouteResult
route_decode(char *dst, const char *segment, size_t length)
{
	const char *p = segment;
	const char *end = segment + length;
	size_t used = 0;

	while (p < end)
	{
		int byte = decode_byte(&p, end);

		if (byte < 0)
			return ROUTE_BAD_PATH;
		if (used == ROUTE_SEGMENT_MAX)
			return ROUTE_SEGMENT_TOO_LONG;
		dst[used++] = (char) byte;
	}
	dst[used] = '\0';
	return text_is_utf8(dst, used) ? ROUTE_FOUND : ROUTE_BAD_PATH;
}

/* Split an absolute path at its slashes and decode each segment. */
static RouteResult
split_path(const char *path, Segments *segments)
{
	const char *p = path;

	segments->count = 0;
	if (*p != '/')
		return ROUTE_NO_PATH;
	while (*p == '/')
	{
		const char *end = strchrnul(++p, '/');
		RouteResult result;

		if (*p == '\0')
			break; /* a trailing slash says nothing */
		if (segments->count == ROUTE_MAX_SEGMENTS)
			return ROUTE_NO_PATH;
		result = route_decode(segments->text[segments->count], p, (size_t) (end - p));
		if (result != ROUTE_FOUND)
			return result;
		segments->count++;
		p = end;
	}
	return ROUTE_FOUND;
}

/* Whether the pattern has this path; values gets what its :names stand for. */
static bool
pattern_matches(const char *pattern, const Segments *segments, const char *values[2])
{
	size_t i = 0;
	size_t nvalues = 0;

	for (const char *p = pattern; *p == '/'; i++)
	{
		const char *end = strchrnul(++p, '/');
		size_t length = (size_t) (end - p);

		if (i == segments->count)
			return false;
		if (*p == ':')
			values[nvalues++] = segments->text[i];
		else if (strncmp(segments->text[i], p, length) != 0 || segments->text[i][length] != '\0')
			return false;
		p = end;
	}
	return i == segments->count;
}

static RouteMethod
method_number(const char *method)
{
	if (strcmp(method, "HEAD") == 0)
		return ROUTE_GET;
	for (size_t i = 0; i < sizeof(method_names) / sizeof(method_names[0]); i++)
		if (strcmp(method, method_names[i]) == 0)
			return (RouteMethod) i;
	return ROUTE_OTHER;
}

static void
allow_add(RouteMatch *match, const char *method)
{
	size_t used = strlen(match->allow);

	snprintf(match->allow + used, sizeof(match->allow) - used, "%s%s", used > 0 ? ", " : "",
			 method);
}

static void
allow_row(RouteMatch *match, const Route *route)
{
	allow_add(match, method_names[route->method]);
	if (route->method == ROUTE_GET)
		allow_add(match, "HEAD");
}

static void
keep_values(RouteMatch *match, const char *values[2])
{
	for (int i = 0; i < 2; i++)
		if (values[i] != NULL)
			strcpy(match->values[i], values[i]);
}

/* "OPTIONS *" asks about the server as a whole (RFC 9110, section 9.3.7). */
static RouteResult
find_server_options(RouteMatch *match)
{
	strcpy(match->allow, "GET, HEAD, POST, PUT, DELETE, OPTIONS");
	return ROUTE_OPTIONS;
}

RouteResult
route_find(const char *method, const char *path, RouteMatch *match)
{
	RouteMethod wanted = method_number(method);
	bool options = strcmp(method, "OPTIONS") == 0;
	Segments segments;
	RouteResult split;

	match->route = NULL;
	match->found = false;
	match->allow[0] = match->values[0][0] = match->values[1][0] = '\0';
	match->head = strcmp(method, "HEAD") == 0;
	if (options && strcmp(path, "*") == 0)
		return find_server_options(match);
	split = split_path(path, &segments);
	if (split != ROUTE_FOUND)
		return split;
	for (const Route *route = routes; route < routes + ROUTE_COUNT; route++)
	{
		const char *values[2] = {NULL, NULL};

		if (!pattern_matches(route->pattern, &segments, values))
			continue;
		match->route = route;
		if (route->method == wanted)
		{
			keep_values(match, values);
			match->found = true;
			return ROUTE_FOUND;
		}
		allow_row(match, route);
	}
	if (match->route == NULL)
		return ROUTE_NO_PATH;
	allow_add(match, "OPTIONS");
	return options ? ROUTE_OPTIONS : ROUTE_WRONG_METHOD;
}
