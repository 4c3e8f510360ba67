/*
 * header.c
 *		Parsing of header values: bytes from outside, nothing trusted.
 *
 * Pure code: no allocation, no I/O, no clock.
 */
#include "header.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

HeaderValue
header_trim(HeaderValue value)
{
	while (value.length > 0 && is_blank(value.bytes[0]))
	{
		value.bytes++;
		value.length--;
	}
	while (value.length > 0 && is_blank(value.bytes[value.length - 1]))
		value.length--;
	return value;
}

bool
header_same(HeaderValue a, HeaderValue b)
{
	return a.length == b.length && (a.length == 0 || memcmp(a.bytes, b.bytes, a.length) == 0);
}

static bool
equals_nocase(HeaderValue value, const char *text)
{
	return value.length == strlen(text) && strncasecmp(value.bytes, text, value.length) == 0;
}

/* Cut off what stands before the first ';' outside quotes; *rest is what follows it. */
static HeaderValue
next_part(HeaderValue *rest)
{
	HeaderValue part = *rest;
	bool quoted = false;

	for (size_t i = 0; i < rest->length; i++)
	{
		char c = rest->bytes[i];

		if (quoted && c == '\\' && i + 1 < rest->length)
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (c == ';' && !quoted)
		{
			part.length = i;
			rest->bytes += i + 1;
			rest->length -= i + 1;
			return header_trim(part);
		}
	}
	rest->bytes += rest->length;
	rest->length = 0;
	return header_trim(part);
}

static HeaderValue
unquote(HeaderValue value)
{
	if (value.length >= 2 && value.bytes[0] == '"' && value.bytes[value.length - 1] == '"')
	{
		value.bytes++;
		value.length -= 2;
	}
	return value;
}

/*
 * A parameter is fine unless it is a charset other than utf-8, or its name is none: no blank
 * stands before the "=" (RFC 9110, section 5.6.6).
 */
static bool
parameter_is_fine(HeaderValue parameter)
{
	HeaderValue name = parameter;
	HeaderValue value;
	const char *equals = parameter.length == 0 ? NULL
											   : memchr(parameter.bytes, '=', parameter.length);

	if (equals == NULL)
		return parameter.length == 0;
	name.length = (size_t) (equals - parameter.bytes);
	value.bytes = equals + 1;
	value.length = parameter.length - name.length - 1;
	if (!header_is_token(name.bytes, name.length))
		return false;
	return !equals_nocase(name, "charset") || equals_nocase(unquote(value), "utf-8");
}

bool
header_is_json(HeaderValue content_type)
{
	HeaderValue rest = content_type;

	if (!equals_nocase(next_part(&rest), "application/json"))
		return false;
	while (rest.length > 0)
		if (!parameter_is_fine(next_part(&rest)))
			return false;
	return true;
}

bool
header_is_identity(HeaderValue content_encoding)
{
	HeaderValue rest = content_encoding;

	while (rest.length > 0)
	{
		const char *comma = memchr(rest.bytes, ',', rest.length);
		size_t length = comma != NULL ? (size_t) (comma - rest.bytes) : rest.length;
		HeaderValue coding = header_trim((HeaderValue){rest.bytes, length});

		if (coding.length > 0 && !equals_nocase(coding, "identity"))
			return false;
		length += comma != NULL;
		rest = (HeaderValue){rest.bytes + length, rest.length - length};
	}
	return true;
}

bool
header_is_chunked(HeaderValue transfer_encoding)
{
	return equals_nocase(transfer_encoding, "chunked");
}

bool
header_content_length(HeaderValue value, unsigned long long *length)
{
	unsigned long long sum = 0;

	value = header_trim(value);
	if (value.length == 0)
		return false;
	for (size_t i = 0; i < value.length; i++)
	{
		unsigned digit = (unsigned) (value.bytes[i] - '0');

		if (value.bytes[i] < '0' || value.bytes[i] > '9')
			return false;
		if (sum > (ULLONG_MAX - digit) / 10)
			return false;
		sum = sum * 10 + digit;
	}
	*length = sum;
	return true;
}

bool
header_is_token(const char *bytes, size_t length)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < length; i++)
	{
		char c = bytes[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!letter && !(c >= '0' && c <= '9') && (c == '\0' || strchr(marks, c) == NULL))
			return false;
	}
	return length > 0;
}
