/*
 * log_test.c
 *		The fields of a request's line in both formats, and the file they go to.
 */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "suites.h"
#include "test.h"

#define FILE_TEXT_MAX 65536

static char directory[] = "/tmp/pat-log-test.XXXXXX";
static char path[64];
static char renamed[64];

/* What is in the file. */
static const char *
content(const char *name)
{
	static char text[FILE_TEXT_MAX];
	FILE *file = fopen(name, "r");
	size_t length = file != NULL ? fread(text, 1, sizeof(text) - 1, file) : 0;

	text[length] = '\0';
	if (file != NULL)
		fclose(file);
	return text;
}

/* The last line behind its time, without the newline. */
static const char *
last_line(void)
{
	char *text = (char *) content(path);
	size_t length = strlen(text);
	char *line;

	if (length == 0 || text[length - 1] != '\n')
		return "";
	text[length - 1] = '\0';
	line = strrchr(text, '\n') != NULL ? strrchr(text, '\n') + 1 : text;
	line = strchr(line, 'Z');
	return line != NULL ? line + 1 : "";
}

static LogRequest
full_request(void)
{
	return (LogRequest){.id = "the-id",
						.method = "GET",
						.route = "/a/:id",
						.path = "/a/1",
						.name = "NotFoundError",
						.client = "192.0.2.1",
						.status = 404,
						.duration_us = 1500,
						.queue_us = 20,
						.database_us = 1400,
						.body_bytes = 132,
						.has_account = true,
						.account_id = -1337,
						.token_id = 12};
}

static void
says_all_of_a_request(void)
{
	LogRequest request = full_request();

	log_setup(LOG_TEXT, LOG_INFO);
	log_request(LOG_INFO, &request);
	CHECK_TEXT(last_line(), " info request id=\"the-id\" method=\"GET\" route=\"/a/:id\""
							" error=\"NotFoundError\" status=404 duration_us=1500 queue_us=20"
							" database_us=1400 bytes=132 client=\"192.0.2.1\" account_id=-1337"
							" token_id=12");
	log_setup(LOG_JSON, LOG_INFO);
	log_request(LOG_INFO, &request);
	CHECK_TEXT(last_line(), "\",\"level\":\"info\",\"message\":\"request\",\"id\":\"the-id\","
							"\"method\":\"GET\",\"route\":\"/a/:id\",\"error\":\"NotFoundError\","
							"\"status\":404,\"duration_us\":1500,\"queue_us\":20,"
							"\"database_us\":1400,\"bytes\":132,\"client\":\"192.0.2.1\","
							"\"account_id\":-1337,\"token_id\":12}");
}

static void
leaves_out_what_is_not_known(void)
{
	LogRequest request = full_request();

	request.name = request.route = NULL;
	request.queue_us = request.database_us = -1;
	request.token_id = 0;
	log_setup(LOG_TEXT, LOG_INFO);
	log_request(LOG_INFO, &request);
	CHECK_TEXT(last_line(), " info request id=\"the-id\" method=\"GET\" path=\"/a/1\" status=404"
							" duration_us=1500 bytes=132 client=\"192.0.2.1\" account_id=-1337");
	request.has_account = false;
	log_request(LOG_INFO, &request);
	CHECK(strstr(last_line(), "account") == NULL && strstr(last_line(), "token") == NULL);
}

/* However long its parts are, a line is complete: numbers and braces are not cut. */
static void
has_room_for_the_longest(void)
{
	LogRequest request = full_request();
	char long_text[LOG_LINE_MAX];

	memset(long_text, 1, sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	request.method = request.path = request.name = long_text;
	request.route = NULL;
	request.duration_us = request.queue_us = request.database_us = INT64_MAX;
	request.body_bytes = INT64_MAX;
	request.account_id = request.token_id = INT32_MIN;
	log_setup(LOG_JSON, LOG_INFO);
	log_request(LOG_INFO, &request);
	CHECK(strlen(last_line()) < LOG_LINE_MAX - 32);
	CHECK(strstr(last_line(), ",\"token_id\":-2147483648}") != NULL);
}

/* F6: no field and no message brings a terminal to do anything, in either format. */
static void
shows_what_came_from_outside(void)
{
	static const char raw[] = "/\x9b"
							  "2J\xc2\x9b\x7f\xe2\x80\xae\x1b[m\n\"";
	LogRequest request = full_request();

	request.route = NULL;
	request.method = request.path = request.client = request.name = raw;
	log_setup(LOG_TEXT, LOG_INFO);
	log_request(LOG_INFO, &request);
	CHECK(strstr(last_line(), " path=\"/\\u009b2J\\u009b\\u007f\\u202e\\u001b[m\\n\\\"\"") != NULL);
	CHECK(strpbrk(last_line(), "\x9b\xc2\x7f\xe2\x1b\n") == NULL);
	log_event(LOG_NOTICE, "the server said: %s", raw);
	CHECK_TEXT(last_line(), " notice the server said: /\\u009b2J\\u009b\\u007f\\u202e\\u001b[m \"");
	log_setup(LOG_JSON, LOG_INFO);
	log_request(LOG_INFO, &request);
	CHECK(strstr(last_line(), ",\"path\":\"/\\u009b2J\\u009b\\u007f\\u202e\\u001b[m\\n\\\"\",") !=
		  NULL);
	CHECK(strpbrk(last_line(), "\x9b\xc2\x7f\xe2\x1b\n") == NULL);
	log_event(LOG_NOTICE, "the server said: %s", raw);
	CHECK_TEXT(last_line(), "\",\"level\":\"notice\",\"message\":\"the server said: "
							"/\\u009b2J\\u009b\\u007f\\u202e\\u001b[m \\\"\"}");
}

/* F6: a message that is cut ends with a whole character, at any length. */
static void
cuts_between_characters(void)
{
	char text[LOG_LINE_MAX + 8];

	for (size_t start = 0; start < 4; start++)
	{
		memset(text, 'a', start);
		for (size_t i = start; i < sizeof(text) - 4; i += 3)
			memcpy(text + i, "\xe4\xb8\xad", 4);
		log_setup(LOG_TEXT, LOG_NOTICE);
		log_event(LOG_NOTICE, "%s", text);
		CHECK(strlen(last_line()) > 1000 && strchr(last_line(), '\\') == NULL);
	}
}

/* F6: what grows when it is escaped fills a line, and no more; the line is complete. */
static void
fits_whatever_is_escaped(void)
{
	char text[LOG_LINE_MAX];

	for (size_t length = 300; length < 1900; length += 7)
	{
		memset(text, length % 2 == 0 ? 1 : '"', length);
		text[length] = '\0';
		log_setup(LOG_TEXT, LOG_NOTICE);
		log_event(LOG_NOTICE, "%s", text);
		CHECK(strlen(content(path)) > 0 && strlen(last_line()) < LOG_LINE_MAX - 24);
		log_setup(LOG_JSON, LOG_NOTICE);
		log_event(LOG_NOTICE, "%s", text);
		CHECK(strlen(last_line()) < LOG_LINE_MAX - 24);
		CHECK_TEXT(last_line() + strlen(last_line()) - 2, "\"}");
		CHECK(truncate(path, 0) == 0);
	}
}

static void
follows_the_name(void)
{
	log_setup(LOG_TEXT, LOG_NOTICE);
	CHECK(rename(path, renamed) == 0);
	log_event(LOG_NOTICE, "to the old file");
	CHECK(strstr(content(renamed), "to the old file\n") != NULL);
	log_reopen();
	log_event(LOG_NOTICE, "to the new file");
	CHECK(strstr(content(path), "to the new file\n") != NULL);
	CHECK(strstr(content(renamed), "to the new file\n") == NULL);
}

/* A directory in its place: nobody, not even root, can open that to write. */
static void
keeps_the_file_it_has(void)
{
	CHECK(rename(path, renamed) == 0 && mkdir(path, 0700) == 0);
	log_reopen();
	log_event(LOG_NOTICE, "still here");
	CHECK(strstr(content(renamed), "cannot open the log file") != NULL);
	CHECK(strstr(content(renamed), "the old one stays in use\n") != NULL);
	CHECK(strstr(content(renamed), "still here\n") != NULL);
	CHECK(rmdir(path) == 0);
	CHECK_NUMBER(log_lost(), 0);
}

static void
counts_what_is_lost(void)
{
	CHECK(!log_open("/nowhere/at/all") && errno == ENOENT);
	if (access("/dev/full", W_OK) != 0)
		return;
	CHECK(log_open("/dev/full"));
	log_event(LOG_NOTICE, "lost");
	log_close();
	CHECK_NUMBER(log_lost(), 1);
}

void
test_log_suite(void)
{
	CHECK(mkdtemp(directory) != NULL);
	snprintf(path, sizeof(path), "%s/log", directory);
	snprintf(renamed, sizeof(renamed), "%s/log.1", directory);
	CHECK(log_open(path));
	says_all_of_a_request();
	leaves_out_what_is_not_known();
	has_room_for_the_longest();
	shows_what_came_from_outside();
	cuts_between_characters();
	fits_whatever_is_escaped();
	follows_the_name();
	keeps_the_file_it_has();
	log_close();
	counts_what_is_lost();
	log_setup(LOG_TEXT, LOG_NOTICE);
	unlink(path);
	unlink(renamed);
	rmdir(directory);
}
