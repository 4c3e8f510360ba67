/*
 * test.c
 *		Counts checks and prints those that fail, at once: what comes after may
 *		not end.
 */
#include "test.h"

#include <stdio.h>
#include <string.h>

static int passed;
static int failed;

void
test_check(bool good, const char *file, int line, const char *what)
{
	if (good)
	{
		passed++;
		return;
	}
	if (failed++ == 0)
		setvbuf(stdout, NULL, _IOLBF, 0);
	printf("FAILED %s:%d: %s\n", file, line, what);
}

void
test_text(const char *got, const char *wanted, const char *file, int line, const char *what)
{
	bool good = got != NULL && wanted != NULL ? strcmp(got, wanted) == 0 : got == wanted;

	test_check(good, file, line, what);
	if (!good)
		printf("  got    %s\n  wanted %s\n", got != NULL ? got : "(null)",
			   wanted != NULL ? wanted : "(null)");
}

void
test_number(long long got, long long wanted, const char *file, int line, const char *what)
{
	test_check(got == wanted, file, line, what);
	if (got != wanted)
		printf("  got    %lld\n  wanted %lld\n", got, wanted);
}

int
test_finish(void)
{
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0 || passed == 0;
}
