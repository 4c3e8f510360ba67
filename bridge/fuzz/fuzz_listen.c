/*
 * fuzz_listen.c
 *		Any string as an address to listen on.
 */
#include "fuzz.h"

#include "../listen.h"

/* "unix:" and an absolute path that a socket's address has room for. */
static bool
is_unix(const char *address)
{
	return strncmp(address, "unix:/", 6) == 0 && strlen(address + 5) < 108;
}

/* The last colon has a port behind it, and before it no other, unless in brackets. */
static bool
has_port(const char *address)
{
	const char *colon = strrchr(address, ':');
	size_t host;
	char *end;

	if (colon == NULL || colon[1] < '0' || colon[1] > '9')
		return false;
	host = (size_t) (colon - address);
	if (strtol(colon + 1, &end, 10) > 65535 || *end != '\0' || host >= 258)
		return false;
	if (address[0] == '[')
		return address[host - 1] == ']' && host >= 3;
	return memchr(address, ':', host) == NULL && memchr(address, '/', host) == NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *address = fuzz_string(data, size);

	if (listen_address_is_valid(address))
		MUST(is_unix(address) || has_port(address));
	else
		MUST(!is_unix(address));
	free(address);
	return 0;
}
