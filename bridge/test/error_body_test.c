/*
 * error_body_test.c
 *		The JSON of an error, whatever its message holds.
 */
#include "error_body.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suites.h"
#include "test.h"

/* escaped: the message as it stands in the body, twice. */
static void
check_body(const char *message, const char *escaped)
{
	StatusError error = {404, "NotFoundError", message};
	size_t length = 0;
	char *body = error_body("an-id", &error, &length);
	char wanted[256];

	snprintf(wanted, sizeof(wanted),
			 "{\"id\":\"an-id\",\"name\":\"NotFoundError\",\"message\":\"%s\","
			 "\"details\":[{\"message\":\"%s\"}]}",
			 escaped, escaped);
	CHECK(body != NULL && length == strlen(wanted) && memcmp(body, wanted, length) == 0);
	free(body);
}

/* D1: details say what message says. */
static void
escapes_the_message(void)
{
	check_body("", "");
	check_body("ID \"a\\b\"", "ID \\\"a\\\\b\\\"");
	check_body("a\nb\x01", "a\\nb\\u0001");
	check_body("\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80");
}

/* D1: what is sent past the library has room for each error of the bridge's own. */
static void
keeps_within_its_bound(void)
{
	for (int which = 0; which < STATUS_CASES; which++)
	{
		StatusError error = status_of_case((StatusCase) which);
		size_t length = 0;
		char *body = error_body("01234567-89ab-4def-8123-456789abcdef", &error, &length);

		CHECK(body != NULL && length <= ERROR_BODY_CASE_MAX);
		free(body);
	}
}

/* Every byte becomes six: the longest there is. */
static void
has_room_for_the_worst(void)
{
	char message[1001];
	StatusError error = {400, "BadDataError", message};
	size_t length = 0;
	char *body;

	memset(message, 1, 1000);
	message[1000] = '\0';
	body = error_body("id", &error, &length);
	CHECK(body != NULL && length > 12000 && body[length - 1] == '}');
	free(body);
}

void
test_error_body_suite(void)
{
	escapes_the_message();
	has_room_for_the_worst();
	keeps_within_its_bound();
}
