/*
 * fuzz_header.c
 *		Any bytes, as the value or the name of a header.
 */
#include "fuzz.h"

#include <strings.h>

#include "../header.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void
check_trim(HeaderValue value)
{
	HeaderValue trimmed = header_trim(value);
	HeaderValue again = header_trim(trimmed);

	MUST(trimmed.bytes >= value.bytes);
	MUST(trimmed.bytes + trimmed.length <= value.bytes + value.length);
	MUST(trimmed.length == 0 || !is_blank(trimmed.bytes[0]));
	MUST(trimmed.length == 0 || !is_blank(trimmed.bytes[trimmed.length - 1]));
	MUST(header_same(trimmed, again) && header_same(value, value));
	MUST(header_same(trimmed, value) == (trimmed.length == value.length));
}

/* A number has one way to be written, but for zeros before it. */
static void
check_content_length(HeaderValue value)
{
	unsigned long long number;
	unsigned long long again;
	char written[32];
	size_t length;

	if (!header_content_length(value, &number))
		return;
	value = header_trim(value);
	length = (size_t) snprintf(written, sizeof(written), "%llu", number);
	MUST(length <= value.length);
	MUST(memcmp(value.bytes + value.length - length, written, length) == 0);
	for (size_t i = 0; i < value.length - length; i++)
		MUST(value.bytes[i] == '0');
	MUST(header_content_length((HeaderValue){written, length}, &again) && again == number);
}

/* Blanks around a value are no part of it, but for a coding: with any it is an unknown one. */
static void
check_blanks(HeaderValue value)
{
	char *wide = malloc(value.length + 2);
	HeaderValue around = {wide, value.length + 2};

	wide[0] = ' ';
	memcpy(wide + 1, value.bytes, value.length);
	wide[value.length + 1] = '\t';
	MUST(header_is_json(around) == header_is_json(value));
	MUST(header_is_identity(around) == header_is_identity(value));
	MUST(!header_is_chunked(around));
	free(wide);
}

static void
check_kinds(HeaderValue value)
{
	HeaderValue trimmed = header_trim(value);
	static const char json[] = "application/json";

	if (header_is_chunked(value))
		MUST(value.length == 7 && strncasecmp(value.bytes, "chunked", 7) == 0);
	if (header_is_json(value))
		MUST(trimmed.length >= strlen(json) && strncasecmp(trimmed.bytes, json, strlen(json)) == 0);
}

/* Of a list without codings only commas, blanks and one word are left. */
static void
check_identity(HeaderValue value)
{
	size_t i = 0;

	while (i < value.length && header_is_identity(value))
	{
		if (value.bytes[i] == ',' || is_blank(value.bytes[i]))
			i++;
		else
		{
			MUST(value.length - i >= 8 && strncasecmp(value.bytes + i, "identity", 8) == 0);
			i += 8;
			MUST(i == value.length || value.bytes[i] == ',' || is_blank(value.bytes[i]));
		}
	}
}

/* RFC 9110, section 5.6.2: visible, and no delimiter. */
static void
check_name(HeaderValue name)
{
	bool token = name.length > 0;

	for (size_t i = 0; i < name.length; i++)
	{
		char c = name.bytes[i];

		token = token && c > ' ' && c < 0x7F && strchr("\"(),/:;<=>?@[\\]{}", c) == NULL;
	}
	MUST(header_is_token(name.bytes, name.length) == token);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = fuzz_copy(data, size);
	HeaderValue value = {copy, size};

	check_trim(value);
	check_content_length(value);
	check_blanks(value);
	check_kinds(value);
	check_identity(value);
	check_name(value);
	free(copy);
	return 0;
}
