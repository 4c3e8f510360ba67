/*
 * option_values.c
 *		Reads the value of an option into its field of Options, by its kind.
 *
 * Owns the strings in Options.  Opens and connects to nothing.  The value of
 * --db may hold a password and is never part of a message.
 */
#include "option_values.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db.h"
#include "listen.h"

bool
option_fail(OptionReader *reader, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reader->message, OPTIONS_MESSAGE_MAX, format, args);
	va_end(args);
	return false;
}

/* ---- fields ------------------------------------------------------------- */

/* To be written through only by whom the Options belong to. */
static bool *
bool_field(const Options *options, const Option *option)
{
	return (bool *) ((char *) options + option->offset);
}

static int64_t *
number_field(const Options *options, const Option *option)
{
	return (int64_t *) ((char *) options + option->offset);
}

static char **
string_field(const Options *options, const Option *option)
{
	return (char **) ((char *) options + option->offset);
}

/* ---- values ------------------------------------------------------------- */

/* Digits only; false for anything else and for what does not fit. */
static bool
parse_number(const char *text, size_t length, int64_t *number)
{
	int64_t sum = 0;

	if (length == 0 || length > 15)
		return false;
	for (size_t i = 0; i < length; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return false;
		sum = sum * 10 + (text[i] - '0');
	}
	*number = sum;
	return true;
}

static bool
parse_duration(const char *text, int64_t *ms)
{
	size_t digits = strspn(text, "0123456789");
	const char *unit = text + digits;

	if (!parse_number(text, digits, ms))
		return false;
	if (strcmp(unit, "s") == 0)
		*ms *= 1000;
	return *unit == '\0' || strcmp(unit, "s") == 0 || strcmp(unit, "ms") == 0;
}

static bool
set_number(OptionReader *reader, const Option *option, const char *where, const char *text)
{
	int64_t *field = number_field(reader->options, option);
	bool duration = option->kind == OPTION_DURATION;

	if (!(duration ? parse_duration(text, field) : parse_number(text, strlen(text), field)))
		return option_fail(reader, "%s: \"%.100s\" is not a %s", where, text,
						   duration ? "time such as 500ms or 10s" : "number");
	if (*field < option->min || *field > option->max)
		return option_fail(reader, "%s: \"%.100s\" is outside the range %lld to %lld%s", where,
						   text, (long long) option->min, (long long) option->max,
						   duration ? " ms" : "");
	return true;
}

static bool
set_switch(OptionReader *reader, const Option *option, const char *where, const char *text)
{
	bool on = strcmp(text, "on") == 0;

	if (!on && strcmp(text, "off") != 0)
		return option_fail(reader, "%s: \"%.100s\" is neither on nor off", where, text);
	*bool_field(reader->options, option) = on;
	return true;
}

/* Three or four octal digits, as for chmod; more than permissions is refused. */
static bool
set_mode(OptionReader *reader, const Option *option, const char *where, const char *text)
{
	size_t length = strlen(text);
	char *end;
	long mode = strtol(text, &end, 8);

	if (length < 3 || length > 4 || strspn(text, "01234567") != length || mode > 0777)
		return option_fail(reader, "%s: \"%.100s\" is not a mode such as 0660", where, text);
	*number_field(reader->options, option) = mode;
	return true;
}

static bool
set_choice(OptionReader *reader, const Option *option, const char *where, const char *text)
{
	for (int i = 0; option->choices[i] != NULL; i++)
		if (strcmp(text, option->choices[i]) == 0)
		{
			*number_field(reader->options, option) = i;
			return true;
		}
	return option_fail(reader, "%s: \"%.100s\" is not one of: %s", where, text, option->help);
}

static bool
set_string(OptionReader *reader, const Option *option, const char *text)
{
	char **field = string_field(reader->options, option);

	free(*field);
	*field = strdup(text);
	return *field != NULL || option_fail(reader, "out of memory");
}

static bool
set_name(OptionReader *reader, const Option *option, const char *where, const char *text)
{
	if (*text == '\0' || strpbrk(text, " \t:/") != NULL)
		return option_fail(reader, "%s: \"%.100s\" is not a name", where, text);
	return set_string(reader, option, text);
}

/* The list of an option that may be repeated. */
typedef struct AddressList
{
	char **texts;
	unsigned *count;
} AddressList;

static AddressList
address_list(const Options *of, const Option *option)
{
	Options *options = (Options *) of;

	if (option->offset == offsetof(Options, admin_listen))
		return (AddressList){options->admin_listen, &options->admin_listen_count};
	return (AddressList){options->listen, &options->listen_count};
}

static void
forget_addresses(AddressList list)
{
	while (*list.count > 0)
		free(list.texts[--*list.count]);
}

/* A weightier source replaces the list, the same source adds to it. */
static bool
add_address(OptionReader *reader, AddressList list, const char *where, const char *text,
			bool replace)
{
	if (replace)
		forget_addresses(list);
	if (!listen_address_is_valid(text))
		return option_fail(reader, "%s: \"%.100s\" is not host:port, [v6]:port or unix:/path",
						   where, text);
	if (*list.count == OPTIONS_MAX_LISTEN)
		return option_fail(reader, "%s: more than %d addresses", where, OPTIONS_MAX_LISTEN);
	list.texts[*list.count] = strdup(text);
	if (list.texts[*list.count] == NULL)
		return option_fail(reader, "out of memory");
	++*list.count;
	return true;
}

/* Several addresses in one value, apart by blanks or commas. */
static bool
add_addresses(OptionReader *reader, const Option *option, const char *where, const char *text,
			  bool replace)
{
	AddressList list = address_list(reader->options, option);
	char *copy = strdup(text);
	char *rest = copy;
	char *word;
	bool good = copy != NULL || option_fail(reader, "out of memory");
	bool any = false;

	while (good && (word = strsep(&rest, " ,\t")) != NULL)
		if (*word != '\0')
		{
			good = add_address(reader, list, where, word, replace && !any);
			any = true;
		}
	free(copy);
	return good && (any || option_fail(reader, "%s: no address", where));
}

static bool
set_by_kind(OptionReader *reader, const Option *option, const char *where, const char *text,
			bool replace)
{
	switch (option->kind)
	{
		case OPTION_FLAG:
			*bool_field(reader->options, option) = true;
			return true;
		case OPTION_SWITCH:
			return set_switch(reader, option, where, text);
		case OPTION_NUMBER:
		case OPTION_DURATION:
			return set_number(reader, option, where, text);
		case OPTION_MODE:
			return set_mode(reader, option, where, text);
		case OPTION_CHOICE:
			return set_choice(reader, option, where, text);
		case OPTION_ADDRESSES:
			return add_addresses(reader, option, where, text, replace);
		case OPTION_CONNINFO:
			if (!db_conninfo_is_valid(text))
				return option_fail(reader, "%s: this is not a connection string or URI", where);
			return set_string(reader, option, text);
		case OPTION_NAME:
			return set_name(reader, option, where, text);
		case OPTION_PATH:
		case OPTION_FILE:
			return set_string(reader, option, text);
	}
	return false;
}

bool
option_set(OptionReader *reader, const Option *option, OptionSource source, const char *where,
		   const char *text)
{
	OptionSource *before = &reader->source[option - option_table];
	bool replace = source < *before;

	if (source > *before)
		return true;
	*before = source;
	return set_by_kind(reader, option, where, text, replace);
}

/* ---- values that are there ---------------------------------------------- */

static bool
same_string(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
same_addresses(AddressList a, AddressList b)
{
	bool same = *a.count == *b.count;

	for (unsigned i = 0; same && i < *a.count; i++)
		same = strcmp(a.texts[i], b.texts[i]) == 0;
	return same;
}

bool
option_is_same(const Option *option, const Options *a, const Options *b)
{
	switch (option->kind)
	{
		case OPTION_FLAG:
		case OPTION_SWITCH:
			return *bool_field(a, option) == *bool_field(b, option);
		case OPTION_NUMBER:
		case OPTION_DURATION:
		case OPTION_MODE:
		case OPTION_CHOICE:
			return *number_field(a, option) == *number_field(b, option);
		case OPTION_ADDRESSES:
			return same_addresses(address_list(a, option), address_list(b, option));
		case OPTION_CONNINFO:
		case OPTION_NAME:
		case OPTION_PATH:
		case OPTION_FILE:
			break;
	}
	return same_string(*string_field(a, option), *string_field(b, option));
}

static bool
copy_addresses(AddressList to, AddressList from)
{
	forget_addresses(to);
	while (*to.count < *from.count)
	{
		char *copy = strdup(from.texts[*to.count]);

		if (copy == NULL)
			return false;
		to.texts[(*to.count)++] = copy;
	}
	return true;
}

static bool
copy_string(char **to, const char *from)
{
	free(*to);
	*to = from != NULL ? strdup(from) : NULL;
	return from == NULL || *to != NULL;
}

bool
option_copy(const Option *option, Options *to, const Options *from)
{
	switch (option->kind)
	{
		case OPTION_FLAG:
		case OPTION_SWITCH:
			*bool_field(to, option) = *bool_field(from, option);
			return true;
		case OPTION_NUMBER:
		case OPTION_DURATION:
		case OPTION_MODE:
		case OPTION_CHOICE:
			*number_field(to, option) = *number_field(from, option);
			return true;
		case OPTION_ADDRESSES:
			return copy_addresses(address_list(to, option), address_list(from, option));
		case OPTION_CONNINFO:
		case OPTION_NAME:
		case OPTION_PATH:
		case OPTION_FILE:
			break;
	}
	return copy_string(string_field(to, option), *string_field(from, option));
}

void
option_free(const Option *option, Options *options)
{
	if (option->kind == OPTION_ADDRESSES)
		forget_addresses(address_list(options, option));
	if (option->kind == OPTION_CONNINFO || option->kind == OPTION_NAME ||
		option->kind == OPTION_PATH || option->kind == OPTION_FILE)
	{
		free(*string_field(options, option));
		*string_field(options, option) = NULL;
	}
}
