/*
 * fuzz_status.c
 *		Any bytes as what the database says, and the way of it into the JSON of an
 *		error.
 */
#include "fuzz.h"

#include "../error_body.h"
#include "../status.h"
#include "../text.h"

/* The first line of an answer, put together again. */
static size_t
write_line(char *line, size_t size, const StatusAnswer *answer)
{
	const StatusCaller *caller = &answer->caller;
	int used = snprintf(line, size, "%d", answer->status);

	if (answer->status != 200)
		used += snprintf(line + used, size - (size_t) used, " %s", answer->name);
	if (caller->known)
		used += snprintf(line + used, size - (size_t) used, " %d ", caller->account);
	if (caller->known && caller->token == 0)
		used += snprintf(line + used, size - (size_t) used, "-");
	else if (caller->known)
		used += snprintf(line + used, size - (size_t) used, "%d", caller->token);
	return (size_t) (used + snprintf(line + used, size - (size_t) used, "\n"));
}

/* The answer put together again is what it was taken from. */
static void
check_answer(const char *text, size_t size)
{
	StatusAnswer answer;
	char line[STATUS_NAME_SIZE + 40];
	size_t length;

	if (!status_of_answer(text, size, &answer))
		return;
	MUST(answer.status == 200 || (answer.status >= 400 && answer.status <= 599));
	MUST(answer.status != 200 || answer.caller.known);
	MUST(answer.body + answer.length == text + size);
	length = write_line(line, sizeof(line), &answer);
	if (memchr(text, '\0', size - answer.length) == NULL)
		MUST(length + answer.length == size && memcmp(text, line, length) == 0);
}

/* What SQL raised is copied if it is PTnnn, and else is nothing the client sees. */
static void
check_sqlstate(const char *sqlstate, const char *message, const char *detail)
{
	StatusError error = status_of_sqlstate(sqlstate, message, detail);
	bool ours = error.message == message;

	MUST(error.status >= 400 && error.status <= 599);
	MUST(error.name != NULL && error.message != NULL);
	MUST(ours == (error.name == detail));
	if (ours)
		MUST(strncmp(sqlstate, "PT", 2) == 0 && error.status == atoi(sqlstate + 2));
	error = status_of_sqlstate(sqlstate, message, NULL);
	MUST(error.message != message);
}

/* The byte that this place of a JSON string stands for; moves on behind it. */
static int
unescaped(const char **p)
{
	static const char short_forms[] = "b\bf\fn\nr\rt\t\"\"\\\\//";
	const char *form;
	unsigned value;

	MUST((uint8_t) * *p >= ' ' && **p != '"');
	if (**p != '\\')
		return (uint8_t) * (*p)++;
	if ((*p)[1] == 'u')
	{
		MUST(sscanf(*p + 2, "%4x", &value) == 1 && value < 0x80);
		*p += 6;
		return (int) value;
	}
	for (form = short_forms; *form != (*p)[1]; form += 2)
		MUST(form[2] != '\0');
	*p += 2;
	return (uint8_t) form[1];
}

static void
must_hold(const char **p, const char *before, const char *text)
{
	MUST(strncmp(*p, before, strlen(before)) == 0);
	*p += strlen(before);
	for (; *text != '\0'; text++)
		MUST(unescaped(p) == (uint8_t) *text);
}

/* The JSON has three members that stand for the very texts, and the message in details. */
static void
check_error_body(const char *id, const char *name, const char *message)
{
	StatusError error = {400, name, message};
	size_t length = 0;
	char *body = error_body(id, &error, &length);
	const char *p = fuzz_string(body, length);
	const char *start = p;

	MUST(strlen(start) == length);
	must_hold(&p, "{\"id\":\"", id);
	must_hold(&p, "\",\"name\":\"", name);
	must_hold(&p, "\",\"message\":\"", message);
	must_hold(&p, "\",\"details\":[{\"message\":\"", message);
	MUST(strcmp(p, "\"}]}") == 0);
	if (text_is_utf8(id, strlen(id)) && text_is_utf8(name, strlen(name)) &&
		text_is_utf8(message, strlen(message)))
		MUST(text_is_utf8(body, length));
	free((void *) start);
	free(body);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *answer = fuzz_copy(data, size);
	size_t answer_size = size;
	char *sqlstate = fuzz_line(&data, &size);
	char *detail = fuzz_line(&data, &size);
	char *message = fuzz_string(data, size);

	check_answer(answer, answer_size);
	check_sqlstate(sqlstate, message, detail);
	check_error_body(sqlstate, detail, message);
	free(answer);
	free(sqlstate);
	free(detail);
	free(message);
	return 0;
}
