/*
 * test.h
 *		The harness of the unit tests: a suite is a function, a check is a line.
 *
 * A failed check is printed with its place and the suite goes on.  The last
 * line of a run reads "N passed, N failed".
 */
#ifndef PAT_BRIDGE_TEST_H
#define PAT_BRIDGE_TEST_H

#include <stdbool.h>

#define CHECK(condition)        test_check((condition), __FILE__, __LINE__, #condition)
#define CHECK_TEXT(got, wanted) test_text((got), (wanted), __FILE__, __LINE__, #got)
#define CHECK_NUMBER(got, wanted) \
	test_number((long long) (got), (long long) (wanted), __FILE__, __LINE__, #got)

extern void test_check(bool good, const char *file, int line, const char *what);
extern void
test_text(const char *got, const char *wanted, const char *file, int line, const char *what);
extern void
test_number(long long got, long long wanted, const char *file, int line, const char *what);

/* Prints the sum; the exit status of the program. */
extern int test_finish(void);

#endif
