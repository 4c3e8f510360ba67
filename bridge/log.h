/*
 * log.h
 *		Lines on standard error: events, and one line per request.
 *
 * Format and level may change while threads log; a line is one write(2), so
 * lines of several workers do not mix.  Nothing secret is ever
 * passed in here: no token, no query string, no connection string.
 */
#ifndef PAT_BRIDGE_LOG_H
#define PAT_BRIDGE_LOG_H

#include <stdbool.h>
#include <stdint.h>

typedef enum LogLevel
{
	LOG_ERROR,
	LOG_WARNING,
	LOG_NOTICE, /* start, stop, connections, answers of 500 and above */
	LOG_INFO,   /* every request */
	LOG_DEBUG
} LogLevel;

typedef enum LogFormat
{
	LOG_TEXT,
	LOG_JSON
} LogFormat;

/* Longest line; what does not fit is cut. */
#define LOG_LINE_MAX        1024
/* How much of a client's own bytes (an unknown path) may stand in a line. */
#define LOG_CLIENT_TEXT_MAX 80

/* What is said of a request. */
typedef struct LogRequest
{
	const char *id;
	const char *method;
	const char *route; /* pattern of the table, or NULL */
	const char *path;  /* shown, escaped and cut, where there is no route */
	const char *name;  /* of the error, or NULL */
	int status;        /* 0: the client left before there was an answer */
	int64_t duration_us;
} LogRequest;

extern void log_setup(LogFormat format, LogLevel level);
extern bool log_enabled(LogLevel level);
extern void
log_event(LogLevel level, const char *format, ...) __attribute__((format(printf, 2, 3)));
extern void log_request(LogLevel level, const LogRequest *request);

#endif
