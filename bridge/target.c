/*
 * target.c
 *		Checks request targets, and hosts as RFC 3986 writes them.
 *
 * Pure code: no allocation, no I/O; reads the bytes it is given.
 */
#include "target.h"

#include <string.h>
#include <strings.h>

#define IPV6_GROUPS 8

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_hex(char c)
{
	return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* RFC 3986: unreserved or sub-delims, or one of others. */
static bool
is_name_character(char c, const char *others)
{
	static const char marks[] = "-._~!$&'()*+,;=";
	bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

	return letter || is_digit(c) ||
		   (c != '\0' && (strchr(marks, c) != NULL || strchr(others, c) != NULL));
}

/* RFC 3986: reg-name.  Every IPv4 address is a reg-name, too. */
static bool
is_name(HeaderValue name)
{
	for (size_t i = 0; i < name.length; i++)
	{
		const char *at = name.bytes + i;

		if (*at == '%' && name.length - i > 2 && is_hex(at[1]) && is_hex(at[2]))
			i += 2;
		else if (!is_name_character(*at, ""))
			return false;
	}
	return name.length > 0;
}

/* Four numbers of at most 255, without leading zeros, with dots between. */
static bool
is_ipv4(HeaderValue text)
{
	int numbers = 0;
	size_t i = 0;

	while (i < text.length)
	{
		size_t start = i;
		int value = 0;

		while (i < text.length && i - start < 4 && is_digit(text.bytes[i]))
			value = value * 10 + (text.bytes[i++] - '0');
		if (i == start || value > 255 || (i - start > 1 && text.bytes[start] == '0'))
			return false;
		numbers++;
		if (i < text.length && (text.bytes[i++] != '.' || i == text.length))
			return false;
	}
	return numbers == 4;
}

static bool
starts_with_gap(HeaderValue text)
{
	return text.length >= 2 && text.bytes[0] == ':' && text.bytes[1] == ':';
}

/* The number of hexadecimal digits at the start, at most four. */
static size_t
group_length(HeaderValue text)
{
	size_t length = 0;

	while (length < text.length && length < 4 && is_hex(text.bytes[length]))
		length++;
	return length;
}

/* The text after its first length bytes. */
static HeaderValue
text_after(HeaderValue text, size_t length)
{
	return (HeaderValue){text.bytes + length, text.length - length};
}

/*
 * Eight groups separated by colons.  "::" may stand once, for one or more groups; an IPv4
 * address may stand for the last two.
 */
static bool
is_ipv6(HeaderValue text)
{
	int groups = 0;
	bool gap = starts_with_gap(text);

	if (gap)
		text = text_after(text, 2);
	while (text.length > 0 && groups <= IPV6_GROUPS)
	{
		size_t length = group_length(text);

		if (is_ipv4(text))
			return gap ? groups + 2 < IPV6_GROUPS : groups + 2 == IPV6_GROUPS;
		if (length == 0)
			return false;
		groups++;
		text = text_after(text, length);
		if (text.length == 0)
			break;
		if (starts_with_gap(text) && !gap)
		{
			gap = true;
			text = text_after(text, 2);
		}
		else if (text.bytes[0] != ':' || text.length == 1)
			return false;
		else
			text = text_after(text, 1);
	}
	return gap ? groups < IPV6_GROUPS : groups == IPV6_GROUPS;
}

/* IPvFuture: a "v", a version in hexadecimal, a dot, an address. */
static bool
is_future_address(HeaderValue text)
{
	size_t i = 1;

	if (text.length == 0 || (text.bytes[0] | 0x20) != 'v')
		return false;
	while (i < text.length && is_hex(text.bytes[i]))
		i++;
	if (i == 1 || i + 1 >= text.length || text.bytes[i] != '.')
		return false;
	while (++i < text.length)
		if (!is_name_character(text.bytes[i], ":"))
			return false;
	return true;
}

/* The length of the host, which ends at the port or at the end. */
static size_t
host_length(HeaderValue host)
{
	char end = host.bytes[0] == '[' ? ']' : ':';
	const char *place = memchr(host.bytes, end, host.length);

	if (place == NULL)
		return host.length;
	return (size_t) (place - host.bytes) + (end == ']');
}

static bool
is_port(HeaderValue port)
{
	for (size_t i = 0; i < port.length; i++)
		if (i == 0 ? port.bytes[i] != ':' : !is_digit(port.bytes[i]))
			return false;
	return true;
}

/* uri-host [":" port] with a host that is not empty. */
static bool
is_authority(HeaderValue text)
{
	size_t length = text.length > 0 ? host_length(text) : 0;
	HeaderValue address;

	if (length == 0 || !is_port(text_after(text, length)))
		return false;
	if (text.bytes[0] != '[')
		return is_name((HeaderValue){text.bytes, length});
	if (length < 2 || text.bytes[length - 1] != ']')
		return false;
	address = (HeaderValue){text.bytes + 1, length - 2};
	return is_ipv6(address) || is_future_address(address);
}

bool
target_is_host(HeaderValue host)
{
	return host.length == 0 || is_authority(host);
}

bool
target_is_clean(HeaderValue target)
{
	for (size_t i = 0; i < target.length; i++)
	{
		unsigned char c = (unsigned char) target.bytes[i];

		if (c <= ' ' || c == 0x7F || c == '#')
			return false;
	}
	return target.length > 0;
}

/* scheme "://" (RFC 3986, section 3.1); its length, or 0. */
static size_t
scheme_length(const char *target)
{
	size_t length = 0;

	while (is_name_character(target[length], "") && strchr("_~!$&'()*,;=", target[length]) == NULL)
		length++;
	if (length == 0 || is_digit(target[0]) || strchr("-.+", target[0]) != NULL ||
		strncmp(target + length, "://", 3) != 0)
		return 0;
	return length + 3;
}

bool
target_has_form(const char *method, const char *target)
{
	size_t scheme = scheme_length(target);
	const char *authority = target + scheme;

	if (target[0] == '/' || strcmp(method, "CONNECT") == 0)
		return true;
	if (scheme == 0)
		return strcmp(target, "*") == 0 && strcmp(method, "OPTIONS") == 0;
	if (strncasecmp(target, "http://", scheme) != 0 && strncasecmp(target, "https://", scheme) != 0)
		return true;
	return is_authority((HeaderValue){authority, strcspn(authority, "/?#")});
}
