/*
 * target_test.c
 *		Hosts and request targets, well and badly formed.
 */
#include "target.h"

#include <string.h>

#include "suites.h"
#include "test.h"

static HeaderValue
value(const char *text)
{
	return (HeaderValue){text, strlen(text)};
}

static bool
host(const char *text)
{
	return target_is_host(value(text));
}

static bool
clean(const char *text)
{
	return target_is_clean(value(text));
}

/* F8: what a Host header may hold. */
static void
knows_hosts(void)
{
	static const char *const good[] = {
		"",
		"x",
		"example.org",
		"example.org.",
		"EXAMPLE.org:4242",
		"a:",
		"127.0.0.1",
		"127.0.0.1:80",
		"a_b",
		"a-b~c!$&'()*+,;=",
		"%41%2f",
		"1.2.3",
		"999.1.1.1",
		"[::]",
		"[::1]",
		"[::1]:4242",
		"[1:2:3:4:5:6:7:8]",
		"[2001:DB8::abcd]",
		"[1::]",
		"[1:2:3:4:5:6:7::]",
		"[::2:3:4:5:6:7:8]",
		"[::ffff:192.0.2.1]",
		"[1:2:3:4:5:6:1.2.3.4]",
		"[v1.a:b]",
		"[vF.x]:1",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK(host(good[i]));
	CHECK(target_is_host((HeaderValue){"a b", 1}));
}

/* F8: and what it may not. */
static void
refuses_other_hosts(void)
{
	static const char *const bad[] = {
		"a b",
		"a/b",
		"u@a",
		"a, b",
		"\xff",
		"caf\xc3\xa9",
		" a",
		"a\t",
		"a?b",
		"a#b",
		"a\\b",
		"a\"b",
		"<a>",
		"{a}",
		"a|b",
		"a^b",
		"a`b",
		"a\x01",
		"a\x7f",
		"http://a",
		":80",
		":",
		"a:x",
		"a:80:80",
		"a: 80",
		"a:-1",
		"a:+1",
		"u:p@a",
		"%",
		"%4",
		"%zz",
		"a%4g",
		"::1",
		"[",
		"]",
		"[]",
		"[::1",
		"::1]",
		"[::1]x",
		"[::1]:x",
		"[::1]80",
		"x[::1]",
		"[a]",
		"[127.0.0.1]",
		"[:::]",
		"[1:::2]",
		"[::1::]",
		"[1:2:3:4:5:6:7]",
		"[1:2:3:4:5:6:7:8:9]",
		"[1:2:3:4:5:6:7:8::]",
		"[::1:2:3:4:5:6:7:8]",
		"[12345::]",
		"[g::]",
		"[1:]",
		"[:1]",
		"[::1.2.3]",
		"[::1.2.3.256]",
		"[::01.2.3.4]",
		"[::1.2.3.4.5]",
		"[::1.2.3.4:5]",
		"[1:2:3:4:5:6:7:1.2.3.4]",
		"[::1:2:3:4:5:6:1.2.3.4]",
		"[::1%25eth0]",
		"[v.a]",
		"[v1.]",
		"[v1]",
		"[vg.a]",
		"[v1.a/]",
		"[[::1]]",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!host(bad[i]));
	CHECK(!target_is_host((HeaderValue){"a\0b", 3}));
	CHECK(!target_is_host((HeaderValue){"\0", 1}));
}

/* F9: what no target holds, in its path or in its query. */
static void
finds_what_no_target_holds(void)
{
	CHECK(clean("/"));
	CHECK(clean("*"));
	CHECK(clean("/health?a=b&c=%zz"));
	CHECK(clean("/\xc3\xa9?\xff")); /* the path is decoded elsewhere */
	CHECK(!clean(""));
	CHECK(!clean("/health?a b"));
	CHECK(!clean("/a b"));
	CHECK(!clean("/health "));
	CHECK(!clean("/a\tb"));
	CHECK(!clean("/health?\r"));
	CHECK(!clean("/health?\x01"));
	CHECK(!clean("/health?\x7f"));
	CHECK(!clean("/health#x"));
	CHECK(!clean("/health?a#x"));
	CHECK(!target_is_clean((HeaderValue){"/a\0", 3}));
}

/* F9: the forms of a target, by method. */
static void
knows_the_forms(void)
{
	CHECK(target_has_form("GET", "/"));
	CHECK(target_has_form("GET", "//x"));
	CHECK(target_has_form("GET", "http://h/health"));
	CHECK(target_has_form("GET", "HTTPS://[::1]:80"));
	CHECK(target_has_form("GET", "http://h?x"));
	CHECK(target_has_form("GET", "ftp://u@h/"));
	CHECK(target_has_form("OPTIONS", "*"));
	CHECK(target_has_form("OPTIONS", "/"));
	CHECK(target_has_form("CONNECT", "h:80"));
	CHECK(!target_has_form("GET", "*"));
	CHECK(!target_has_form("OPTIONS", "**"));
	CHECK(!target_has_form("GET", "health"));
	CHECK(!target_has_form("GET", ""));
	CHECK(!target_has_form("GET", "h:80"));
	CHECK(!target_has_form("GET", "?/"));
	CHECK(!target_has_form("GET", "http:/health"));
	CHECK(!target_has_form("GET", "1http://h/"));
	CHECK(!target_has_form("GET", "ht_tp://h/"));
	CHECK(!target_has_form("GET", "://h/"));
	/* F8: their authority */
	CHECK(!target_has_form("GET", "http:///health"));
	CHECK(!target_has_form("GET", "http://u@h/health"));
	CHECK(!target_has_form("GET", "http://u:p@h/health"));
	CHECK(!target_has_form("GET", "https://h:x/health"));
	CHECK(!target_has_form("GET", "http://[::1/health"));
	CHECK(!target_has_form("GET", "http://a\xff/health"));
	CHECK(!target_has_form("GET", "http://?x"));
}

void
test_target_suite(void)
{
	knows_hosts();
	refuses_other_hosts();
	finds_what_no_target_holds();
	knows_the_forms();
}
