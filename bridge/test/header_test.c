/*
 * header_test.c
 *		Content-Type, Content-Encoding, Transfer-Encoding and Content-Length, well and badly formed.
 */
#include "header.h"

#include <string.h>

#include "suites.h"
#include "test.h"

static HeaderValue
value(const char *text)
{
	return (HeaderValue){text, strlen(text)};
}

static bool
json(const char *text)
{
	return header_is_json(value(text));
}

static void
knows_json(void)
{
	CHECK(json("application/json"));
	CHECK(json("Application/JSON"));
	CHECK(json(" application/json "));
	CHECK(json("application/json;charset=utf-8"));
	CHECK(json("application/json; charset=UTF-8"));
	CHECK(json("application/json; charset=\"utf-8\""));
	CHECK(json("application/json;"));
	CHECK(json("application/json; profile=\"a;b\"; charset=utf-8"));
	CHECK(json("application/json; version=1"));
}

static void
refuses_other_types(void)
{
	CHECK(!json(""));
	CHECK(!json("text/plain"));
	CHECK(!json("application/jsonp"));
	CHECK(!json("application/json+x"));
	CHECK(!json("application/json, text/plain"));
	CHECK(!json("application/json; charset=latin1"));
	CHECK(!json("application/json; charset=\"utf-16\""));
	CHECK(!json("application/json; charset"));
	/* F10: a charset with a blank before its "=" is no way round the check. */
	CHECK(!json("application/json; charset =utf-16"));
	CHECK(!json("application/json; charset\t= utf-16"));
	CHECK(!json("application/json; a b=c"));
	CHECK(!json("application/json; =utf-8"));
	CHECK(!json("application/x-www-form-urlencoded"));
}

static void
reads_only_the_length_it_is_given(void)
{
	HeaderValue cut = {"application/jsonx", strlen("application/json")};

	CHECK(header_is_json(cut));
}

static void
knows_chunked_alone(void)
{
	CHECK(header_is_chunked(value("chunked")));
	CHECK(header_is_chunked(value("Chunked")));
	CHECK(!header_is_chunked(value("chunked ")));
	CHECK(!header_is_chunked(value("chunked\t")));
	CHECK(!header_is_chunked(value("gzip, chunked")));
	CHECK(!header_is_chunked(value("identity")));
	CHECK(!header_is_chunked(value("")));
}

/* C6: every content coding but identity. */
static void
knows_identity(void)
{
	CHECK(header_is_identity(value("identity")));
	CHECK(header_is_identity(value("Identity")));
	CHECK(header_is_identity(value(" identity\t, IDENTITY ")));
	CHECK(header_is_identity(value("")));
	CHECK(header_is_identity(value(" ,\t,")));
	CHECK(!header_is_identity(value("gzip")));
	CHECK(!header_is_identity(value("identity, gzip")));
	CHECK(!header_is_identity(value("gzip,identity")));
	CHECK(!header_is_identity(value(",x-gzip")));
	CHECK(!header_is_identity(value("identity;q=1")));
	CHECK(!header_is_identity(value("identity gzip")));
	CHECK(!header_is_identity(value("identit")));
	CHECK(!header_is_identity(value("\"identity\"")));
	CHECK(!header_is_identity(value("\xa0identity")));
	CHECK(header_is_identity((HeaderValue){"identity,gzip", strlen("identity,")}));
}

static bool
length_is(const char *text, unsigned long long wanted)
{
	unsigned long long got = 0;

	return header_content_length(value(text), &got) && got == wanted;
}

static bool
no_length(const char *text)
{
	unsigned long long untouched = 42;

	return !header_content_length(value(text), &untouched) && untouched == 42;
}

static void
reads_content_length(void)
{
	CHECK(length_is("0", 0));
	CHECK(length_is(" 102400 ", 102400));
	CHECK(length_is("00012", 12));
	CHECK(length_is("18446744073709551615", 18446744073709551615ULL));
	CHECK(no_length("18446744073709551616"));
	CHECK(no_length("99999999999999999999999"));
	CHECK(no_length("-1"));
	CHECK(no_length("+1"));
	CHECK(no_length("1 2"));
	CHECK(no_length("1,1"));
	CHECK(no_length("0x10"));
	CHECK(no_length(""));
}

static void
compares_bytes(void)
{
	CHECK(header_same(value("abc"), value("abc")));
	CHECK(!header_same(value("abc"), value("Abc")));
	CHECK(!header_same(value("abc"), value("abcd")));
	CHECK(header_same(value(""), value("")));
}

static bool
token(const char *text)
{
	return header_is_token(text, strlen(text));
}

static void
knows_names(void)
{
	CHECK(token("Authorization"));
	CHECK(token("x"));
	CHECK(token("X-1_!#$%&'*+-.^`|~"));
	CHECK(!token(""));
	CHECK(!token("Content-Length "));
	CHECK(!token("Content\tLength"));
	CHECK(!token("a(b)"));
	CHECK(!token("a\"b"));
	CHECK(!token("caf\xc3\xa9"));
	CHECK(!token("a\x7f"));
	CHECK(!token("\rGET")); /* F9: a method */
	CHECK(!token("GE\x01T"));
	CHECK(!header_is_token("a\0b", 3));
}

void
test_header_suite(void)
{
	knows_json();
	refuses_other_types();
	reads_only_the_length_it_is_given();
	knows_identity();
	knows_chunked_alone();
	reads_content_length();
	compares_bytes();
	knows_names();
}
