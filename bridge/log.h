/*
 * log.h
 *		Lines on standard error or in a file: events, and one line per request.
 *
 * Format and level may change while threads log; the file is set before any
 * starts.  A line is one write(2), so
 * lines of several workers do not mix.  Nothing secret is ever
 * passed in here: no token, no query string, no connection string.
 */
#ifndef PAT_BRIDGE_LOG_H
#define PAT_BRIDGE_LOG_H

#include <stdbool.h>
#include <stddef.h>
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
#define LOG_LINE_MAX        2048
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
	const char *client;
	int status; /* 0: the client left before there was an answer */
	int64_t duration_us;
	int64_t queue_us;    /* below 0: it did not get there */
	int64_t database_us; /* likewise */
	size_t body_bytes;
	bool has_account; /* the caller is known */
	int32_t account_id;
	int32_t token_id; /* 0: none */
} LogRequest;

extern void log_setup(LogFormat format, LogLevel level);

/*
 * Append to this file from now on, made if need be with mode 0640.  False, with
 * errno, if it cannot be opened; lines then go where they went.  path must last.
 */
extern bool log_open(const char *path) __attribute__((warn_unused_result));

/*
 * Open the file again by its name: whoever renamed it gets a new one, and no
 * line is lost.  If that fails the old one stays in use, and the log says why.
 * While workers log; by one thread.
 */
extern void log_reopen(void);

/* Lines go to standard error again. */
extern void log_close(void);

/* Lines that could not be written, as to a disk that is full. */
extern uint64_t log_lost(void);

extern bool log_enabled(LogLevel level);
extern void
log_event(LogLevel level, const char *format, ...) __attribute__((format(printf, 2, 3)));
extern void log_request(LogLevel level, const LogRequest *request);

#endif
