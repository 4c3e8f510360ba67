/*
 * status_test.c
 *		SQLSTATE to HTTP, and the table of the bridge's own errors.
 */
#include "status.h"

#include <string.h>

#include "suites.h"
#include "test.h"

static int
status(const char *sqlstate)
{
	return status_of_sqlstate(sqlstate, "secret words", "more secret words").status;
}

static void
copies_what_the_api_raises(void)
{
	StatusError error = status_of_sqlstate("PT404", "Could not find it.", "NotFoundError");

	CHECK_NUMBER(error.status, 404);
	CHECK_TEXT(error.name, "NotFoundError");
	CHECK_TEXT(error.message, "Could not find it.");
	CHECK_NUMBER(status("PT400"), 400);
	CHECK_NUMBER(status("PT599"), 599);
}

static void
copies_nothing_else(void)
{
	CHECK_NUMBER(status("PT399"), 500);
	CHECK_NUMBER(status("PT600"), 500);
	CHECK_NUMBER(status("PT200"), 500);
	CHECK_NUMBER(status("PT4x4"), 500);
	CHECK_NUMBER(status("PT40"), 500);
	CHECK_NUMBER(status("PT4040"), 500);
	CHECK_NUMBER(status_of_sqlstate("PT404", "m", NULL).status, 500);
	CHECK_NUMBER(status_of_sqlstate("PT404", NULL, "n").status, 500);
	CHECK_NUMBER(status_of_sqlstate(NULL, "m", "n").status, 500);
}

static bool
takes(const char *text, StatusAnswer *answer)
{
	return status_of_answer(text, strlen(text), answer);
}

static void
takes_answers_apart(void)
{
	StatusAnswer answer;

	CHECK(takes("200 7 12\n{\"pats\":[]}", &answer));
	CHECK_NUMBER(answer.status, 200);
	CHECK_TEXT(answer.name, "");
	CHECK_TEXT(answer.body, "{\"pats\":[]}");
	CHECK_NUMBER((int) answer.length, 11);
	CHECK(answer.caller.known && answer.caller.account == 7 && answer.caller.token == 12);
	CHECK(takes("404 NotFoundError -1337 2147483647\nCould not\nfind it.", &answer));
	CHECK_NUMBER(answer.status, 404);
	CHECK_TEXT(answer.name, "NotFoundError");
	CHECK_TEXT(answer.body, "Could not\nfind it.");
	CHECK(answer.caller.known && answer.caller.account == -1337);
	CHECK_NUMBER(answer.caller.token, INT32_MAX);
	CHECK(takes("401 AuthenticationRequired\nLog in.", &answer));
	CHECK_TEXT(answer.name, "AuthenticationRequired");
	CHECK(!answer.caller.known && answer.caller.account == 0);
	CHECK(takes("200 7 -\n", &answer));
	CHECK_NUMBER((int) answer.length, 0);
	CHECK(answer.caller.known && answer.caller.account == 7 && answer.caller.token == 0);
}

static void
takes_no_other_answer(void)
{
	static const char *const texts[] = {
		"",
		"200",
		"200\n{}",
		"200 \n{}",
		"200 7 12",
		"200 7\n{}",
		"200 7 \n{}",
		"200 7 12 \n{}",
		"200  7 12\n{}",
		"200 7  12\n{}",
		"200 7 12 1\n{}",
		"200 0 12\n{}",
		"200 7 0\n{}",
		"200 07 12\n{}",
		"200 7 012\n{}",
		"200 7 -12\n{}",
		"200 7 --\n{}",
		"200 --7 12\n{}",
		"200 - 12\n{}",
		"200 +7 12\n{}",
		"200 7 2147483648\n{}",
		"200 99999999999999999999 1\n{}",
		"200 Name 7 12\n{}",
		"20\n{}",
		"20 7 12\n{}",
		"{\"pats\":[]}",
		"200 OK\n{}",
		"201 7 12\n{}",
		"300 X\n",
		"404\nno",
		"404 \nno",
		"404 7 12\nno",
		"404Name\nno",
		"404 Name \nno",
		"404 Name 7\nno",
		"404 Na-me\nno",
		"404 Name7 12\nno",
		"404 Two Names\nno",
		"600 Name\nno",
		"2x0 7 12\n{}",
		"\n200 7 12\n",
		" 200 7 12\n",
		"404 NameOfSixtyFourCharactersNameOfSixtyFourCharactersNameOfSixtyFourX\nno",
	};
	StatusAnswer answer;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
	{
		CHECK(!takes(texts[i], &answer));
		if (takes(texts[i], &answer))
			CHECK_TEXT(texts[i], "refused");
	}
	CHECK(!status_of_answer("200 7 1\0002\n{}", 12, &answer));
}

static void
reads_a_caller(void)
{
	StatusCaller caller;

	CHECK(status_of_caller("7 12", 4, &caller) && caller.account == 7 && caller.token == 12);
	CHECK(status_of_caller("7 12", 3, &caller) && caller.token == 1);
	CHECK(!status_of_caller("7 12", 2, &caller) && !caller.known);
	CHECK(!status_of_caller("", 0, &caller) && !caller.known);
	CHECK(!status_of_caller("-", 1, &caller) && !caller.known);
}

static void
translates_by_class(void)
{
	static const struct
	{
		const char *sqlstate;
		int status;
	} cases[] = {
		{"22P02", 400}, {"22021", 400}, {"22P05", 400}, {"54001", 400}, {"40001", 503},
		{"40P01", 503}, {"53000", 503}, {"53100", 503}, {"53300", 503}, {"57P01", 503},
		{"57P02", 503}, {"57P03", 503}, {"57P05", 503}, {"08006", 503}, {"08P01", 503},
		{"25006", 503}, {"57014", 504}, {"55P03", 504}, {"42883", 500}, {"42501", 500},
		{"XX000", 500}, {"XX001", 500}, {"23505", 500}, {"22003", 500}, {"57P04", 500},
		{"", 500},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK_NUMBER(status(cases[i].sqlstate), cases[i].status);
}

static void
leaks_nothing(void)
{
	static const char *const states[] = {"42883", "57014", "40001", "22P02", "XX000", ""};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
	{
		StatusError error = status_of_sqlstate(states[i], "secret words", "more secret words");

		CHECK(strstr(error.message, "secret") == NULL && strstr(error.name, "secret") == NULL);
	}
	CHECK_TEXT(status_of_sqlstate("XX000", "x", "y").name, "InternalError");
}

static void
has_a_text_for_every_case(void)
{
	for (int which = 0; which < STATUS_CASES; which++)
	{
		StatusError error = status_of_case((StatusCase) which);

		CHECK(error.status >= 400 && error.status <= 599);
		CHECK(error.name != NULL && strlen(error.name) > 5);
		CHECK(error.message != NULL && error.message[strlen(error.message) - 1] == '.');
	}
}

void
test_status_suite(void)
{
	copies_what_the_api_raises();
	copies_nothing_else();
	takes_answers_apart();
	takes_no_other_answer();
	reads_a_caller();
	translates_by_class();
	leaks_nothing();
	has_a_text_for_every_case();
}
