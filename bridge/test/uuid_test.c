/*
 * uuid_test.c
 *		The form of identifiers, and that they differ, across refills too.
 */
#include "uuid.h"

#include <string.h>

#include "suites.h"
#include "test.h"

#define IDS 1000

static bool
is_version_4(const char *text)
{
	if (strlen(text) != UUID_TEXT_SIZE - 1 ||
		strspn(text, "0123456789abcdef-") != UUID_TEXT_SIZE - 1)
		return false;
	return text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-' &&
		   text[14] == '4' && strchr("89ab", text[19]) != NULL;
}

void
test_uuid_suite(void)
{
	static char ids[IDS][UUID_TEXT_SIZE];
	UuidSource source = {.left = 0};
	int wrong = 0;
	int same = 0;

	for (int i = 0; i < IDS; i++)
	{
		uuid_next(&source, ids[i]);
		wrong += !is_version_4(ids[i]);
		for (int j = 0; j < i; j++)
			same += strcmp(ids[i], ids[j]) == 0;
	}
	CHECK_NUMBER(wrong, 0);
	CHECK_NUMBER(same, 0);
}
