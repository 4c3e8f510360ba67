/*
 * error_body_test.c
 *		The JSON of an error, whatever its message holds.
 */
#include "error_body.h"

#include <stdlib.h>
#include <string.h>

#include "suites.h"
#include "test.h"

static void
check_body(const char *message, const char *wanted)
{
	StatusError error = {404, "NotFoundError", message};
	size_t length = 0;
	char *body = error_body("an-id", &error, &length);

	CHECK(body != NULL && length == strlen(wanted) && memcmp(body, wanted, length) == 0);
	free(body);
}

static void
escapes_the_message(void)
{
	check_body("", "{\"id\":\"an-id\",\"name\":\"NotFoundError\",\"message\":\"\"}");
	check_body("ID \"a\\b\"", "{\"id\":\"an-id\",\"name\":\"NotFoundError\",\"message\":\"ID "
							  "\\\"a\\\\b\\\"\"}");
	check_body("a\nb\x01",
			   "{\"id\":\"an-id\",\"name\":\"NotFoundError\",\"message\":\"a\\nb\\u0001\"}");
	check_body("\xf0\x9f\x98\x80",
			   "{\"id\":\"an-id\",\"name\":\"NotFoundError\",\"message\":\"\xf0\x9f\x98\x80\"}");
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
	CHECK(body != NULL && length > 6000 && body[length - 1] == '}');
	free(body);
}

void
test_error_body_suite(void)
{
	escapes_the_message();
	has_room_for_the_worst();
}
