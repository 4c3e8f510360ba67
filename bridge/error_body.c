/*
 * error_body.c
 *		Writes the JSON of an error.
 */
#include "error_body.h"

#include <stdlib.h>
#include <string.h>

#include "../extension/json_text.h"

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
	size_t room = sizeof("{\"id\":\"\",\"name\":\"\",\"message\":\"\"}") +
				  6 * (strlen(id) + strlen(error->name) + strlen(error->message));
	char *body = malloc(room);
	char *out = body;

	if (body == NULL)
		return NULL;
	out = append(out, "{\"id\":\"");
	out = append_escaped(out, id);
	out = append(out, "\",\"name\":\"");
	out = append_escaped(out, error->name);
	out = append(out, "\",\"message\":\"");
	out = append_escaped(out, error->message);
	out = append(out, "\"}");
	*length = (size_t) (out - body);
	return body;
}
