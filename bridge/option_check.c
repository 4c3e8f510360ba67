/*
 * option_check.c
 *		Looks up what the options name, and tells all that is missing.
 */
#include "option_check.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "option_table.h"
#include "privileges.h"

static unsigned
complain(FILE *out, const char *message)
{
	fprintf(out, "pat-bridge: %s\n", message);
	return 1;
}

/* Whoever checks need not be who will run it, unless that is root. */
static unsigned
check_privileges(const Options *options, FILE *out)
{
	char message[OPTIONS_MESSAGE_MAX];
	Privileges plan;

	return privileges_plan(&plan, options, 0, 0, message, sizeof(message)) ? 0
																		   : complain(out, message);
}

static unsigned
check_file(const Option *option, const char *path, FILE *out)
{
	char message[OPTIONS_MESSAGE_MAX];

	if (path == NULL || access(path, R_OK) == 0)
		return 0;
	snprintf(message, sizeof(message), "option \"--%s\": cannot read \"%.200s\": %s", option->name,
			 path, strerror(errno));
	return complain(out, message);
}

unsigned
option_check(const Options *options, FILE *out)
{
	unsigned problems = check_privileges(options, out);

	for (size_t i = 0; i < option_count; i++)
		if (option_table[i].kind == OPTION_FILE)
			problems += check_file(&option_table[i],
								   *(char *const *) ((const char *) options +
													 option_table[i].offset),
								   out);
	return problems;
}
