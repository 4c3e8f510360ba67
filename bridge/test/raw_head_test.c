/*
 * raw_head_test.c
 *		Heads as libmicrohttpd leaves them in its buffer, whole and with parts hidden.
 */
#include "raw_head.h"

#include <string.h>

#include "suites.h"
#include "test.h"

/*
 * A head of one header.  Separators are already NULs, as the library makes
 * them; a '#' stands for a NUL of the client's own.
 */
static bool
whole(const char *method, const char *uri, const char *between, const char *name, const char *value,
	  const char *end)
{
	char head[256];
	size_t size = 0;
	RawHead raw;
	const char *parts[] = {method, "|", uri, between, "HTTP/1.1", "||", name, "|", value, end};
	size_t at[10];

	for (size_t i = 0; i < 10; i++)
	{
		at[i] = size;
		for (const char *p = parts[i]; *p != '\0'; p++)
			head[size++] = *p == '|' || *p == '#' ? '\0' : *p;
	}
	raw_head_start(&raw, head);
	raw_head_part(&raw, head, strcspn(method, "#"), 0);
	raw_head_part(&raw, head + at[2], strcspn(uri, "#"), RAW_HEAD_MARK);
	raw_head_part(&raw, head + at[4], strlen("HTTP/1.1"), RAW_HEAD_MARK);
	raw_head_part(&raw, head + at[6], strcspn(name, "#"), RAW_HEAD_LINE_END);
	raw_head_part(&raw, head + at[8], strcspn(value, "#"), RAW_HEAD_MARK);
	return raw_head_is_whole(&raw, size);
}

static void
takes_whole_heads(void)
{
	CHECK(whole("GET", "/", "|", "Host", "x", "||||"));
	CHECK(whole("GET", "/", "|", "Host", "", "||||"));
	CHECK(whole("GET", "/a?b=c", "|", "Host", "x y", "||||"));
	CHECK(whole("GET", "/", " |", "Host", "x", " \t||||"));
}

static void
finds_what_is_hidden(void)
{
	CHECK(!whole("GET#X", "/", "|", "Host", "x", "||||"));
	CHECK(!whole("GET", "/health#", "|", "Host", "x", "||||"));
	CHECK(!whole("GET", "/health#x", "|", "Host", "x", "||||"));
	CHECK(!whole("GET", "/", "|", "Ho#st", "x", "||||"));
	CHECK(!whole("GET", "/", "|", "Host", "#x", "||||"));
	CHECK(!whole("GET", "/", "|", "Host", "x#y", "||||"));
	CHECK(!whole("GET", "/", "|", "Host", "x#", "||||"));
	CHECK(!whole("GET", "/", "|", "Host", "x", "|| folded||||"));
	CHECK(!whole("GET", "/", "|", "Host", "x", "||"));
	CHECK(!whole("GET", "/", "|", "Host", "x", "|||"));
	CHECK(!whole("GET", "/", "", "Host", "x", "||||"));
}

static void
refuses_parts_behind(void)
{
	char head[] = "GET";
	RawHead raw;

	raw_head_start(&raw, head + 3);
	raw_head_part(&raw, head, 3, RAW_HEAD_MARK);
	CHECK(!raw_head_is_whole(&raw, 0));
}

void
test_raw_head_suite(void)
{
	takes_whole_heads();
	finds_what_is_hidden();
	refuses_parts_behind();
}
