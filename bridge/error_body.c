/*
 * error_body.c
 *		Writes the JSON of an error.
 */
#include "error_body.h"

#include <stdlib.h>
#include <string.h>

#include "../extension/json_text.h"

#define EMPTY_BODY "{\"id\":\"\",\"name\":\"\",\"message\":\"\",\"details\":[{\"message\":\"\"}]}"

static char *
append(char *out, const char *text)
{
	return stpcpy(out, text);
}

static char *
append_escaped(char *out, const char *text)
{
	return out + pat_json_escape(out, text, strlen(text));
}

char *
error_body(const char *id, const StatusError *error, size_t *length)
{
	size_t room = sizeof(EMPTY_BODY) + PAT_JSON_ESCAPE_MAX * (strlen(id) + strlen(error->name) +
															  2 * strlen(error->message));
	char *body = malloc(room);
	char *out = body;
	char *message;
	size_t message_length;

	if (body == NULL)
		return NULL;
	out = append(out, "{\"id\":\"");
	out = append_escaped(out, id);
	out = append(out, "\",\"name\":\"");
	out = append_escaped(out, error->name);
	out = append(out, "\",\"message\":\"");
	message = out;
	out = append_escaped(out, error->message);
	message_length = (size_t) (out - message);
	out = append(out, "\",\"details\":[{\"message\":\"");
	out = mempcpy(out, message, message_length);
	out = append(out, "\"}]}");
	*length = (size_t) (out - body);
	return body;
}
