/*
 * option_sources.c
 *		Reads the options from their three sources.
 *
 * Reads the configuration file and the environment; opens, connects and logs
 * nothing.  What options there are stands in option_table.c, how a value is
 * read in option_values.c.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "option_values.h"

int64_t
options_default_workers(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0 || CPU_COUNT(&set) < 4)
		return 1;
	return CPU_COUNT(&set) / 2;
}

/* ---- the command line --------------------------------------------------- */

static int
argument_of(const Option *option)
{
	if (option->kind == OPTION_SWITCH)
		return optional_argument;
	return option->argument != NULL ? required_argument : no_argument;
}

static void
fill_long_options(struct option *long_options)
{
	memset(long_options, 0, (option_count + 1) * sizeof(*long_options));
	for (size_t i = 0; i < option_count; i++)
	{
		long_options[i].name = option_table[i].name;
		long_options[i].has_arg = argument_of(&option_table[i]);
	}
}

/* What getopt_long refused, in words. */
static bool
fail_getopt(OptionReader *reader, int result, const char *word)
{
	if (result == ':')
		return option_fail(reader, "option \"%s\" needs a value", word);
	if (word[0] == '-' && word[1] == '-' && strchr(word, '=') != NULL &&
		option_find(word + 2, strcspn(word + 2, "=")) != NULL)
		return option_fail(reader, "option \"%.*s\" takes no value", (int) strcspn(word, "="),
						   word);
	return option_fail(reader, "there is no option \"%.*s\"", (int) strcspn(word, "="), word);
}

static bool
read_command_line(OptionReader *reader, int argc, char **argv)
{
	struct option long_options[option_count + 1];
	char where[OPTION_NAME_MAX + 16];
	int index = 0;
	int result;

	fill_long_options(long_options);
	opterr = 0;
	optind = 0; /* 1 would go on in the word in which an earlier reading stopped */
	for (;;)
	{
		int at = optind > 0 ? optind : 1;

		result = getopt_long(argc, argv, "+:", long_options, &index);
		if (result == -1)
			break;
		if (result != 0)
			return fail_getopt(reader, result, argv[at]);
		snprintf(where, sizeof(where), "option \"--%s\"", option_table[index].name);
		if (!option_set(reader, &option_table[index], FROM_COMMAND_LINE, where,
						optarg != NULL ? optarg : "on"))
			return false;
	}
	if (optind < argc)
		return option_fail(reader, "there is no argument \"%.100s\": options start with --",
						   argv[optind]);
	return true;
}

/* ---- the environment ---------------------------------------------------- */

/*
 * Unknown PAT_BRIDGE_* variables are let be: Kubernetes makes some up for a
 * service of this name.
 */
static bool
read_environment(OptionReader *reader)
{
	for (size_t i = 0; i < option_count; i++)
	{
		char name[OPTION_NAME_MAX];
		const char *value;

		if (option_table[i].kind == OPTION_FLAG)
			continue;
		option_environment_name(&option_table[i], name);
		value = getenv(name);
		if (value != NULL && *value != '\0' &&
			!option_set(reader, &option_table[i], FROM_ENVIRONMENT, name, value))
			return false;
	}
	return true;
}

/* ---- the file ----------------------------------------------------------- */

static char *
trim(char *text)
{
	char *end;

	text += strspn(text, " \t\r\n");
	end = text + strlen(text);
	while (end > text && strchr(" \t\r\n", end[-1]) != NULL)
		*--end = '\0';
	return text;
}

/* A quoted value keeps its blanks and may hold a '#'. */
static char *
unquote(char *value)
{
	size_t length = strlen(value);

	if (length >= 2 && value[0] == '"' && value[length - 1] == '"')
	{
		value[length - 1] = '\0';
		return value + 1;
	}
	return value;
}

/* How much may be shown: the first word, if it is like a name, for others may be a password. */
static int
shown_length(const char *text)
{
	size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz-");

	return strchr(" \t", text[length]) != NULL ? (int) length : 0; /* or at the end */
}

static bool
fail_line(OptionReader *reader, const char *where, const char *line)
{
	if (shown_length(line) == 0)
		return option_fail(reader, "%s: this is not name = value", where);
	return option_fail(reader, "%s: \"%.*s\" is not followed by = value", where, shown_length(line),
					   line);
}

static bool
fail_name(OptionReader *reader, const char *where, const char *name)
{
	if (strpbrk(name, " \t") != NULL)
		return fail_line(reader, where, name);
	if (shown_length(name) == 0)
		return option_fail(reader, "%s: there is no setting of this name", where);
	return option_fail(reader, "%s: there is no setting \"%.100s\"", where, name);
}

static bool
read_line(OptionReader *reader, const char *where, char *line)
{
	char *name = trim(line);
	char *equals;
	const Option *option;
	char named[OPTIONS_MESSAGE_MAX / 2];

	if (*name == '\0' || *name == '#')
		return true;
	equals = strchr(name, '=');
	if (equals == NULL)
		return fail_line(reader, where, name);
	*equals = '\0';
	name = trim(name);
	option = option_find(name, strlen(name));
	if (option == NULL || option->kind == OPTION_FLAG || option == option_find("config", 6))
		return fail_name(reader, where, name);
	snprintf(named, sizeof(named), "%s: %s", where, option->name);
	return option_set(reader, option, FROM_FILE, named, unquote(trim(equals + 1)));
}

static bool
read_file(OptionReader *reader, const char *path)
{
	FILE *file = fopen(path, "re");
	char where[OPTIONS_MESSAGE_MAX / 4];
	char *line = NULL;
	size_t size = 0;
	bool good = true;

	if (file == NULL)
		return option_fail(reader, "option \"--config\": cannot read \"%.200s\": %s", path,
						   strerror(errno));
	for (int number = 1; good && getline(&line, &size, file) >= 0; number++)
	{
		snprintf(where, sizeof(where), "%.100s:%d", path, number);
		good = read_line(reader, where, line);
	}
	if (good && ferror(file))
		good = option_fail(reader, "option \"--config\": cannot read \"%.200s\"", path);
	free(line);
	fclose(file);
	return good;
}

/* ---- all of them -------------------------------------------------------- */

static bool
read_defaults(OptionReader *reader)
{
	for (size_t i = 0; i < option_count; i++)
	{
		reader->source[i] = FROM_DEFAULT;
		if (option_table[i].initial == NULL || strcmp(option_table[i].initial, "auto") == 0)
			continue;
		if (!option_set(reader, &option_table[i], FROM_DEFAULT, option_table[i].name,
						option_table[i].initial))
			return false;
	}
	reader->options->workers = options_default_workers();
	return true;
}

/* What only shows when all are known. */
static bool
check_together(OptionReader *reader)
{
	const Options *options = reader->options;

	if ((options->tls_cert == NULL) != (options->tls_key == NULL))
		return option_fail(reader,
						   "option \"--tls-%s\" is missing: certificate and key go together",
						   options->tls_cert == NULL ? "cert" : "key");
	return true;
}

bool
options_read(Options *options, int argc, char **argv, char message[OPTIONS_MESSAGE_MAX])
{
	OptionReader reader = {.options = options, .message = message};
	bool good;

	memset(options, 0, sizeof(*options));
	good = read_defaults(&reader) && read_command_line(&reader, argc, argv) &&
		   read_environment(&reader) &&
		   (options->config == NULL || options->help || options->version ||
			read_file(&reader, options->config)) &&
		   check_together(&reader);
	if (!good)
		options_free(options);
	return good;
}

void
options_free(Options *options)
{
	for (size_t i = 0; i < option_count; i++)
		option_free(&option_table[i], options);
	memset(options, 0, sizeof(*options));
}

static void
append_name(char *names, size_t size, const char *name)
{
	size_t used = strlen(names);

	snprintf(names + used, size - used, "%s%s", used > 0 ? ", " : "", name);
}

bool
options_keep_fixed(Options *later, const Options *running, char *names, size_t size)
{
	names[0] = '\0';
	for (size_t i = 0; i < option_count; i++)
	{
		const Option *option = &option_table[i];

		if (option_reloads(option) || option_is_same(option, later, running))
			continue;
		append_name(names, size, option->name);
		if (!option_copy(option, later, running))
			return false;
	}
	return true;
}
