/*
 * route_test.c
 *		The route table, matching, decoding, and what stands in Allow.
 */
#include "route.h"

#include <stdio.h>
#include <string.h>

#include "suites.h"
#include "test.h"

#define TOKENS "/api/admin/service-account/7/token"

static RouteMatch match;

static const char *
function_of(const char *method, const char *path)
{
	if (route_find(method, path, &match) != ROUTE_FOUND)
		return NULL;
	return match.route->kind == ROUTE_CALL ? match.route->call.function : match.route->pattern;
}

static void
finds_every_route(void)
{
	CHECK_TEXT(function_of("GET", TOKENS), "pat_answer_list_for_service_account");
	CHECK_TEXT(function_of("POST", TOKENS), "pat_create_for_service_account");
	CHECK_TEXT(function_of("DELETE", TOKENS "/3"), "pat_delete_for_service_account");
	CHECK_TEXT(function_of("GET", "/api/admin/service-account"), "pat_list_service_accounts");
	CHECK_TEXT(function_of("POST", "/api/admin/service-account"), "pat_create_service_account");
	CHECK_TEXT(function_of("PUT", "/api/admin/service-account/7"), "pat_update_service_account");
	CHECK_TEXT(function_of("DELETE", "/api/admin/service-account/7"), "pat_delete_service_account");
	CHECK_TEXT(function_of("GET", "/api/admin/user/tokens"), "pat_answer_list");
	CHECK_TEXT(function_of("POST", "/api/admin/user/tokens"), "pat_create");
	CHECK_TEXT(function_of("DELETE", "/api/admin/user/tokens/9"), "pat_delete");
	CHECK_TEXT(function_of("GET", "/health"), "/health");
	CHECK_TEXT(function_of("GET", "/ready"), "/ready");
	CHECK_TEXT(function_of("GET", "/docs/openapi.json"), "/docs/openapi.json");
}

static void
keeps_the_values_of_the_pattern(void)
{
	CHECK(route_find("DELETE", "/api/admin/service-account/7/token/abc", &match) == ROUTE_FOUND);
	CHECK_TEXT(match.values[0], "7");
	CHECK_TEXT(match.values[1], "abc");
	CHECK(route_find("GET", "/api/admin/service-account/%31/token", &match) == ROUTE_FOUND);
	CHECK_TEXT(match.values[0], "1");
	CHECK(route_find("GET", "/api/admin/service-account/a%2Fb/token", &match) == ROUTE_FOUND);
	CHECK_TEXT(match.values[0], "a/b");
	CHECK(route_find("GET", "/api/admin/service-account/%C3%A9/token", &match) == ROUTE_FOUND);
	CHECK_TEXT(match.values[0], "\xc3\xa9");
	CHECK(route_find("GET", "/api/admin/service-account/+1/token", &match) == ROUTE_FOUND);
	CHECK_TEXT(match.values[0], "+1");
	CHECK(route_find("GET", "/api/admin/service-account//token", &match) == ROUTE_FOUND);
	CHECK_TEXT(match.values[0], "");
}

static void
treats_equal_paths_alike(void)
{
	CHECK_TEXT(function_of("GET", TOKENS "/"), "pat_answer_list_for_service_account");
	CHECK_TEXT(function_of("GET", "/api/%61dmin/service-account/7/token"),
			   "pat_answer_list_for_service_account");
	CHECK_TEXT(function_of("HEAD", TOKENS), "pat_answer_list_for_service_account");
	CHECK(match.head);
	CHECK_TEXT(function_of("GET", TOKENS), "pat_answer_list_for_service_account");
	CHECK(!match.head);
}

static void
knows_no_other_path(void)
{
	CHECK(route_find("GET", "/", &match) == ROUTE_NO_PATH);
	CHECK(route_find("GET", "", &match) == ROUTE_NO_PATH);
	CHECK(route_find("GET", "health", &match) == ROUTE_NO_PATH);
	CHECK(route_find("GET", "/Health", &match) == ROUTE_NO_PATH);
	CHECK(route_find("GET", "/healthy", &match) == ROUTE_NO_PATH);
	CHECK(route_find("GET", "/health/x", &match) == ROUTE_NO_PATH);
	CHECK(route_find("GET", "//health", &match) == ROUTE_NO_PATH);
	CHECK(route_find("GET", "/health//", &match) == ROUTE_NO_PATH);
	CHECK(route_find("GET", "/a/b/c/d/e/f/g/h/i/j/k", &match) == ROUTE_NO_PATH);
	CHECK(route_find("OPTIONS", "/nope", &match) == ROUTE_NO_PATH);
}

static void
refuses_broken_paths(void)
{
	static const char *const broken[] = {"%",         "%2",  "%zz",   "%0",    "%00", "%ff", "%C3",
										 "%ED%A0%80", "a b", "a\x7f", "a\x01", "%2",  "\xff"};
	char path[128];

	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
	{
		snprintf(path, sizeof(path), "/api/admin/service-account/%s/token", broken[i]);
		CHECK_NUMBER(route_find("GET", path, &match), ROUTE_BAD_PATH);
	}
}

static void
bounds_a_segment(void)
{
	char path[ROUTE_SEGMENT_MAX * 3 + 64];
	char id[ROUTE_SEGMENT_MAX * 3 + 2];

	memset(id, 'a', sizeof(id));
	id[ROUTE_SEGMENT_MAX] = '\0';
	snprintf(path, sizeof(path), "/api/admin/service-account/%s/token", id);
	CHECK(route_find("GET", path, &match) == ROUTE_FOUND);
	CHECK_TEXT(match.values[0], id);
	strcpy(id + ROUTE_SEGMENT_MAX, "a");
	snprintf(path, sizeof(path), "/api/admin/service-account/%s/token", id);
	CHECK(route_find("GET", path, &match) == ROUTE_SEGMENT_TOO_LONG);
	for (int i = 0; i < ROUTE_SEGMENT_MAX; i++)
		memcpy(id + 3 * i, "%61", 4);
	snprintf(path, sizeof(path), "/api/admin/service-account/%s/token", id);
	CHECK(route_find("GET", path, &match) == ROUTE_FOUND);
	CHECK_NUMBER(strlen(match.values[0]), ROUTE_SEGMENT_MAX);
}

static void
says_what_is_allowed(void)
{
	CHECK(route_find("PATCH", TOKENS, &match) == ROUTE_WRONG_METHOD);
	CHECK_TEXT(match.allow, "GET, HEAD, POST, OPTIONS");
	CHECK(route_find("get", TOKENS, &match) == ROUTE_WRONG_METHOD);
	CHECK(route_find("HEAD", "/api/admin/service-account/7", &match) == ROUTE_WRONG_METHOD);
	CHECK_TEXT(match.allow, "PUT, DELETE, OPTIONS");
	CHECK(route_find("OPTIONS", TOKENS "/3", &match) == ROUTE_OPTIONS);
	CHECK_TEXT(match.allow, "DELETE, OPTIONS");
	CHECK(route_find("OPTIONS", "*", &match) == ROUTE_OPTIONS);
	CHECK_TEXT(match.allow, "GET, HEAD, POST, PUT, DELETE, OPTIONS");
	CHECK(route_find("GET", "*", &match) == ROUTE_NO_PATH);
	CHECK(route_find("POST", "/health", &match) == ROUTE_WRONG_METHOD);
	CHECK_TEXT(match.allow, "GET, HEAD, OPTIONS");
}

static void
finds_the_path_of_a_target(void)
{
	CHECK_TEXT(route_path("/health"), "/health");
	CHECK_TEXT(route_path("http://host:1/health"), "/health");
	CHECK_TEXT(route_path("HTTPS://host/a/b"), "/a/b");
	CHECK_TEXT(route_path("http://host"), "/");
	CHECK_TEXT(route_path("*"), "*");
	CHECK_TEXT(route_path(""), "");
}

static int
parameters_named(const char *arguments)
{
	int count = 0;

	for (; *arguments != '\0'; arguments++)
		count += *arguments == '$';
	return count;
}

/* What the rest of the bridge takes for granted of every row. */
static void
the_table_is_sound(void)
{
	bool seen[CALL_MAX] = {false};
	size_t count;
	const Route *rows = route_table(&count);

	for (size_t i = 0; i < count; i++)
	{
		const Route *row = &rows[i];

		CHECK(row->success >= 200 && row->success < 300);
		if (row->kind != ROUTE_CALL)
			continue;
		CHECK(row->call.id < CALL_MAX && !seen[row->call.id]);
		seen[row->call.id] = true;
		CHECK_NUMBER(parameters_named(row->call.arguments), row->call.nparams);
		CHECK(row->call.nparams <= CALL_MAX_PARAMS);
		CHECK((row->method == ROUTE_GET) == (row->lane == ROUTE_READ));
		CHECK((row->success == 201) == (row->call.shape == CALL_JSON_WITH_ID));
		CHECK((strstr(row->call.arguments, "::json") != NULL) == route_takes_body(row));
		CHECK(row->sources[row->call.nparams - 1] == ROUTE_FROM_CALLER);
	}
}

void
test_route_suite(void)
{
	finds_every_route();
	keeps_the_values_of_the_pattern();
	treats_equal_paths_alike();
	knows_no_other_path();
	refuses_broken_paths();
	bounds_a_segment();
	says_what_is_allowed();
	finds_the_path_of_a_target();
	the_table_is_sound();
}
