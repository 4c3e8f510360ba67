/*
 * fuzz_target.c
 *		Any line as a host, and as a request target with a method before it.
 */
#include "fuzz.h"

#include <arpa/inet.h>

#include "../target.h"

static HeaderValue
value(const char *text)
{
	return (HeaderValue){text, strlen(text)};
}

/* An address in brackets, by the C library; it knows neither IPvFuture nor ports. */
static void
check_address(const char *host)
{
	char *address = strdup(host + 1);
	char *end = strchr(address, ']');
	struct in6_addr parsed;

	if (end != NULL && end[1] == '\0' && (address[0] | 0x20) != 'v')
	{
		*end = '\0';
		MUST((inet_pton(AF_INET6, address, &parsed) == 1) == target_is_host(value(host)));
	}
	free(address);
}

/* What a host may be made of, and where it may stand. */
static void
check_host(const char *host)
{
	char *target = malloc(strlen(host) + sizeof("http:///health"));

	if (host[0] == '[')
		check_address(host);
	sprintf(target, "http://%s/health", host);
	if (target_is_host(value(host)))
	{
		MUST(target_is_clean((HeaderValue){target, strlen(target)}));
		for (const char *p = host; *p != '\0'; p++)
			MUST(*p > ' ' && *p < 0x7F && strchr("/?#@\\\"<>", *p) == NULL);
		MUST(target_has_form("GET", target) == (host[0] != '\0'));
	}
	else if (strpbrk(host, "/?#") == NULL)
		MUST(!target_has_form("GET", target));
	free(target);
}

static void
check_form(const char *method, const char *target)
{
	bool good = target_has_form(method, target);

	if (target[0] == '/')
		MUST(good);
	else if (good && strcmp(method, "CONNECT") != 0)
		MUST(strstr(target, "://") != NULL || strcmp(target, "*") == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *method = fuzz_line(&data, &size);
	char *copy = fuzz_copy(data, size);
	char *target = fuzz_string(data, size);
	HeaderValue any = {copy, size};
	bool clean = size > 0;

	for (size_t i = 0; i < size; i++)
		clean = clean && data[i] > ' ' && data[i] != 0x7F && data[i] != '#';
	MUST(target_is_clean(any) == clean);
	if (target_is_host(any) && size > 0)
		MUST(target_is_clean(any));
	check_host(target);
	check_form(method, target);
	check_form("GET", target);
	check_form("OPTIONS", target);
	free(method);
	free(copy);
	free(target);
	return 0;
}
