/*
 * db_ascii.c
 *		Sends parameters in ASCII to a database whose encoding lacks some Unicode characters.
 *
 * The server converts parameters before it calls the function.  A character that the encoding
 * lacks would make the call fail before the function has checked the caller's token.  So JSON is
 * sent with \uXXXX escapes, which the function refuses after that check if need be.  In other
 * parameters, a character beyond ASCII becomes TEXT_SUBSTITUTE: no id and no token contains
 * either.  Copies are wiped, since they contain tokens.
 */
#include "db_conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

/* Copies of the parameters of one statement. */
typedef struct Copies
{
	const char *values[DB_MAX_BATCH][CALL_MAX_PARAMS];
	const char *const *requests[DB_MAX_BATCH];
} Copies;

/* SQL_ASCII stores all bytes unchanged, and UTF8 has all characters. */
static bool
database_lacks_characters(const DbConn *conn)
{
	const char *encoding = PQparameterStatus(conn->pg, "server_encoding");

	return encoding != NULL && strcmp(encoding, "UTF8") != 0 && strcmp(encoding, "SQL_ASCII") != 0;
}

/* The memory for copies of the parameters that are not ASCII; 0 if all are. */
static size_t
size_of_copies(const Call *call, const char *const *const *requests, unsigned count)
{
	size_t size = 0;

	for (unsigned i = 0; i < count; i++)
		for (int param = 0; param < call->nparams; param++)
		{
			const char *text = requests[i][param];
			size_t length = text != NULL ? strlen(text) : 0;

			if (text_has_high_bit(text, length))
				size += TEXT_ASCII_GROWTH * length + 1;
		}
	return size;
}

static bool
is_json(const Call *call, int param)
{
	char cast[16];

	snprintf(cast, sizeof(cast), "$%d::json", param + 1);
	return strstr(call->arguments, cast) != NULL;
}

static void
copy_all(Copies *copies, char *memory, const Call *call, const char *const *const *requests,
		 unsigned count)
{
	for (unsigned i = 0; i < count; i++)
	{
		for (int param = 0; param < call->nparams; param++)
		{
			const char *text = requests[i][param];
			size_t length = text != NULL ? strlen(text) : 0;

			copies->values[i][param] = text;
			if (!text_has_high_bit(text, length))
				continue;
			copies->values[i][param] = memory;
			memory += text_to_ascii(memory, text, length, is_json(call, param));
			*memory++ = '\0';
		}
		copies->requests[i] = copies->values[i];
	}
}

bool
db_send_in_ascii(DbConn *conn, const Call *call, const char *const *const *requests, unsigned count,
				 DbSend *send)
{
	size_t size = size_of_copies(call, requests, count);
	Copies copies;
	char *memory;
	bool sent;

	if (size == 0 || !database_lacks_characters(conn))
		return send(conn, call, requests, count);
	memory = malloc(size);
	if (memory == NULL)
		return false;
	copy_all(&copies, memory, call, requests, count);
	sent = send(conn, call, copies.requests, count);
	explicit_bzero(memory, size);
	free(memory);
	return sent;
}
