/*
 * log.c
 *		Builds log lines in a buffer on the stack and writes each at once.
 *
 * Owns the log file.  Its descriptor keeps its number when it is opened again,
 * so that a worker that is about to write finds the old file or the new one.
 *
 * What a client sent is a field of a request, and is escaped as in JSON, in both formats.
 * Of other messages tabs and line ends become blanks, and all else that is not visible is
 * escaped in both formats (text.h).  No client can break a line or fake one, or have a
 * terminal do something.
 */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

static atomic_int log_format = LOG_TEXT;
static atomic_int log_level = LOG_NOTICE;
static const char *log_path; /* NULL: standard error */
static int log_fd = STDERR_FILENO;
static atomic_uint_fast64_t lost_lines;

static const char *const level_names[] = {"error", "warning", "notice", "info", "debug"};

/* A line being built; one byte is kept for the newline, and JSON's brace. */
typedef struct Line
{
	bool json; /* the format at its start */
	char text[LOG_LINE_MAX];
	size_t used;
} Line;

#define LINE_ROOM (LOG_LINE_MAX - 4)

void
log_setup(LogFormat format, LogLevel level)
{
	atomic_store_explicit(&log_format, (int) format, memory_order_relaxed);
	atomic_store_explicit(&log_level, (int) level, memory_order_relaxed);
}

static int
open_file(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
}

bool
log_open(const char *path)
{
	int fd = open_file(path);

	if (fd < 0)
		return false;
	log_fd = fd;
	log_path = path;
	return true;
}

void
log_reopen(void)
{
	int fd;

	if (log_path == NULL)
		return;
	fd = open_file(log_path);
	if (fd < 0 || dup3(fd, log_fd, O_CLOEXEC) < 0)
		log_event(LOG_ERROR, "cannot open the log file \"%s\" again: %s; the old one stays in use",
				  log_path, strerror(errno));
	else
		log_event(LOG_NOTICE, "the log file was opened again");
	if (fd >= 0)
		close(fd);
}

void
log_close(void)
{
	if (log_path == NULL)
		return;
	close(log_fd);
	log_fd = STDERR_FILENO;
	log_path = NULL;
}

uint64_t
log_lost(void)
{
	return atomic_load_explicit(&lost_lines, memory_order_relaxed);
}

bool
log_enabled(LogLevel level)
{
	return (int) level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

static void line_add(Line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
line_add(Line *line, const char *format, ...)
{
	size_t room = LINE_ROOM - line->used;
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(line->text + line->used, room + 1, format, args);
	va_end(args);
	if (length > 0)
		line->used += (size_t) length < room ? (size_t) length : room;
}

/* Add text, escaped: at most max bytes of it, and as much as fits before LINE_ROOM - keep. */
static void
line_add_text(Line *line, const char *text, size_t max, TextEscape how, size_t keep)
{
	size_t length = text_whole_length(text, strlen(text), max);
	size_t room = LINE_ROOM - line->used;

	room = room > keep ? room - keep : 0;
	line->used += text_escape(line->text + line->used, room, text, length, how);
}

/* The same between quotes. */
static void
line_add_quoted(Line *line, const char *text, size_t max)
{
	line_add(line, "\"");
	line_add_text(line, text, max, TEXT_QUOTED, strlen("\""));
	line_add(line, "\"");
}

static void
line_start(Line *line, LogLevel level)
{
	struct timeval now;
	struct tm tm;
	char when[32];

	gettimeofday(&now, NULL);
	gmtime_r(&now.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	line->used = 0;
	line->json = atomic_load_explicit(&log_format, memory_order_relaxed) == LOG_JSON;
	line_add(line, line->json ? "{\"time\":\"%s.%03dZ\",\"level\":\"%s\"" : "%s.%03dZ %s", when,
			 (int) (now.tv_usec / 1000), level_names[level]);
}

static void
line_write(Line *line)
{
	ssize_t written;

	if (line->json)
		line->text[line->used++] = '}';
	line->text[line->used++] = '\n';
	written = write(log_fd, line->text, line->used);
	if (written != (ssize_t) line->used) /* there is nowhere else to say so */
		atomic_fetch_add_explicit(&lost_lines, 1, memory_order_relaxed);
}

/* Tabs and line ends become blanks: a server's message may hold them. */
static void
flatten(char *text)
{
	for (; *text != '\0'; text++)
		if (*text >= '\t' && *text <= '\r')
			*text = ' ';
}

void
log_event(LogLevel level, const char *format, ...)
{
	char message[LOG_LINE_MAX - 128];
	va_list args;
	Line line;
	int length;

	if (!log_enabled(level))
		return;
	va_start(args, format);
	length = vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	if (length >= (int) sizeof(message)) /* cut, and not within a character */
		message[text_whole_length(message, sizeof(message), sizeof(message) - 4)] = '\0';
	flatten(message);
	line_start(&line, level);
	if (line.json)
	{
		line_add(&line, ",\"message\":");
		line_add_quoted(&line, message, sizeof(message));
	}
	else
	{
		line_add(&line, " ");
		line_add_text(&line, message, sizeof(message), TEXT_PLAIN, 0);
	}
	line_write(&line);
}

static void
add_field(Line *line, const char *name, const char *value, size_t max)
{
	line_add(line, line->json ? ",\"%s\":" : " %s=", name);
	line_add_quoted(line, value, max);
}

static void
add_number(Line *line, const char *name, int64_t value)
{
	line_add(line, line->json ? ",\"%s\":%lld" : " %s=%lld", name, (long long) value);
}

static void
add_times(Line *line, const LogRequest *request)
{
	add_number(line, "duration_us", request->duration_us);
	if (request->queue_us >= 0)
		add_number(line, "queue_us", request->queue_us);
	if (request->database_us >= 0)
		add_number(line, "database_us", request->database_us);
}

static void
add_caller(Line *line, const LogRequest *request)
{
	add_field(line, "client", request->client, LOG_CLIENT_TEXT_MAX);
	if (request->has_account)
		add_number(line, "account_id", request->account_id);
	if (request->has_account && request->token_id != 0)
		add_number(line, "token_id", request->token_id);
}

void
log_request(LogLevel level, const LogRequest *request)
{
	Line line;

	if (!log_enabled(level))
		return;
	line_start(&line, level);
	line_add(&line, line.json ? ",\"message\":\"request\"" : " request");
	add_field(&line, "id", request->id, LOG_CLIENT_TEXT_MAX);
	add_field(&line, "method", request->method, LOG_CLIENT_TEXT_MAX / 4);
	if (request->route != NULL)
		add_field(&line, "route", request->route, LOG_CLIENT_TEXT_MAX);
	else
		add_field(&line, "path", request->path, LOG_CLIENT_TEXT_MAX);
	if (request->name != NULL)
		add_field(&line, "error", request->name, LOG_CLIENT_TEXT_MAX);
	add_number(&line, "status", request->status);
	add_times(&line, request);
	add_number(&line, "bytes", (int64_t) request->body_bytes);
	add_caller(&line, request);
	line_write(&line);
}
