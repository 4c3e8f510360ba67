/*
 * status.h
 *		Every error the bridge can answer: status, name and message.  Pure.
 *
 * Errors come from two sides.  What SQL raised is translated by its SQLSTATE,
 * never by its message; what the bridge found itself has a row in one table.
 */
#ifndef PAT_BRIDGE_STATUS_H
#define PAT_BRIDGE_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One answerable error.  The strings live as long as what they came from. */
typedef struct StatusError
{
	int status;          /* HTTP status, 400 to 599 */
	const char *name;    /* stable: clients may compare it */
	const char *message; /* for people */
} StatusError;

/* What the bridge itself finds. */
typedef enum StatusCase
{
	STATUS_BAD_PATH,
	STATUS_MALFORMED,
	STATUS_BAD_FRAMING,
	STATUS_NO_HOST,
	STATUS_BAD_HOST,
	STATUS_TWO_CREDENTIALS,
	STATUS_TWO_MEDIA_TYPES,
	STATUS_NO_BODY,
	STATUS_BODY_NOT_TEXT,
	STATUS_NO_PATH,
	STATUS_WRONG_METHOD,
	STATUS_CLIENT_TOO_SLOW,
	STATUS_BODY_TOO_LARGE,
	STATUS_URI_TOO_LONG,
	STATUS_WRONG_MEDIA_TYPE,
	STATUS_WRONG_CODING,
	STATUS_HEADERS_TOO_LARGE,
	STATUS_INTERNAL,
	STATUS_DATABASE_AWAY,
	STATUS_QUEUE_FULL,
	STATUS_MEMORY_FULL,
	STATUS_STOPPING,
	STATUS_OUTCOME_UNKNOWN,
	STATUS_TOO_SLOW,
	STATUS_WRITE_TOO_SLOW,
	STATUS_WRITE_NOT_SENT,
	STATUS_HTTP_VERSION,
	STATUS_CASES
} StatusCase;

extern StatusError status_of_case(StatusCase which);

/*
 * Translate what SQL raised.  PTnnn (nnn from 400 to 599) is copied: message
 * as it is, detail as the name.  Errors a request body can cause are 400,
 * retryable ones 503, cancelled statements and lock waits 504, the rest 500 with a
 * text that says nothing.  Arguments may be NULL; the result may point into
 * message and detail.
 */
extern StatusError
status_of_sqlstate(const char *sqlstate, const char *message, const char *detail);

#define STATUS_NAME_SIZE 64

/* Whom the database took the caller for. */
typedef struct StatusCaller
{
	bool known;
	int32_t account; /* below 0: of admin API tokens */
	int32_t token;   /* 0: none, a JSON Web Token */
} StatusCaller;

/* What a function that answers says. */
typedef struct StatusAnswer
{
	int status;                  /* 200, or of an error from 400 to 599 */
	char name[STATUS_NAME_SIZE]; /* of the error: letters */
	StatusCaller caller;         /* known, unless there is an error */
	const char *body;            /* JSON, or the error's message; ends where the answer ends */
	size_t length;
} StatusAnswer;

/*
 * Take an answer apart: a line "200 7 12", "404 NotFoundError 7 12" or
 * "401 AuthenticationRequired", the body behind it.  False if it is not of that
 * form.
 */
extern bool status_of_answer(const char *text, size_t length, StatusAnswer *answer)
	__attribute__((warn_unused_result));

/*
 * Read "7 12", "-7 12" or "7 -": the ids of account and token, each from 1 to
 * 2147483647 (an account's also below 0), in decimal without leading zeros.
 * False, and nobody is known, if it is anything else.
 */
extern bool status_of_caller(const char *text, size_t length, StatusCaller *caller);

#endif
