/*
 * options.c
 *		The table of options, and reading them from their three sources.
 *
 * Owns the strings in Options.  Reads the configuration file and the
 * environment; opens, connects and logs nothing.  The value of --db may hold a
 * password and is never part of a message.
 */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "db.h"
#include "lane.h"
#include "listen.h"

#define ENVIRONMENT_PREFIX "PAT_BRIDGE_"
#define NAME_MAX_LENGTH    32

typedef enum OptionKind
{
	OPTION_FLAG,
	OPTION_NUMBER,
	OPTION_DURATION, /* milliseconds, or a number with the unit ms or s */
	OPTION_CHOICE,
	OPTION_ADDRESSES, /* may be given more than once */
	OPTION_CONNINFO,
	OPTION_FILE
} OptionKind;

/* Where a value comes from; a lower one outweighs a higher one. */
typedef enum OptionSource
{
	FROM_COMMAND_LINE,
	FROM_ENVIRONMENT,
	FROM_FILE,
	FROM_DEFAULT
} OptionSource;

typedef struct Option
{
	const char *name;
	OptionKind kind;
	size_t offset;       /* of the field in Options */
	const char *initial; /* default; NULL: none, "auto": computed */
	int64_t min, max;
	const char *const *choices;
	const char *argument; /* as --help shows it; NULL: takes none */
	const char *help;
} Option;

static const char *const log_formats[] = {"text", "json", NULL};
static const char *const log_levels[] = {"error", "warning", "notice", "info", "debug", NULL};

#define FIELD(name) offsetof(Options, name)

static const Option table[] = {
	{"listen", OPTION_ADDRESSES, FIELD(listen), "127.0.0.1:4242", 0, 0, NULL, "ADDRESS",
	 "where to listen: host:port, [v6]:port or unix:/path; may be repeated"},
	{"db", OPTION_CONNINFO, FIELD(db), "", 0, 0, NULL, "CONNINFO",
	 "connection string or URI; the rest comes from libpq's PG* variables"},
	{"workers", OPTION_NUMBER, FIELD(workers), "auto", 1, 256, NULL, "N",
	 "event loops, each with its own connections; default: one per two processors"},
	{"read-connections", OPTION_NUMBER, FIELD(read_connections), "1", 1, LANE_MAX_CONNECTIONS, NULL,
	 "N", "database connections per worker for GET"},
	{"write-connections", OPTION_NUMBER, FIELD(write_connections), "1", 1, LANE_MAX_CONNECTIONS,
	 NULL, "N", "database connections per worker for POST, PUT and DELETE"},
	{"request-timeout", OPTION_DURATION, FIELD(request_timeout_ms), "10s", 10, 600000, NULL, "TIME",
	 "longest time in the database, then 504; in milliseconds or as 500ms, 10s"},
	{"max-connections", OPTION_NUMBER, FIELD(max_connections), "4096", 1, 1000000, NULL, "N",
	 "client connections in all; more wait to be accepted"},
	{"max-queue", OPTION_NUMBER, FIELD(max_queue), "1024", 1, 1000000, NULL, "N",
	 "requests waiting per worker and kind of connection; more are answered 503"},
	{"log-format", OPTION_CHOICE, FIELD(log_format), "text", 0, 0, log_formats, "FORMAT",
	 "text or json"},
	{"log-level", OPTION_CHOICE, FIELD(log_level), "notice", 0, 0, log_levels, "LEVEL",
	 "error, warning, notice, info (every request) or debug"},
	{"config", OPTION_FILE, FIELD(config), NULL, 0, 0, NULL, "FILE",
	 "file of lines name = value, with these names; # starts a comment"},
	{"check", OPTION_FLAG, FIELD(check), NULL, 0, 0, NULL, NULL,
	 "validate the configuration and exit"},
	{"version", OPTION_FLAG, FIELD(version), NULL, 0, 0, NULL, NULL, "print the version and exit"},
	{"help", OPTION_FLAG, FIELD(help), NULL, 0, 0, NULL, NULL, "print this and exit"},
};

#define OPTION_COUNT (sizeof(table) / sizeof(table[0]))

/* One reading of all sources. */
typedef struct Reader
{
	Options *options;
	OptionSource source[OPTION_COUNT]; /* of the value so far */
	char *message;
} Reader;

static bool fail(Reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool
fail(Reader *reader, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reader->message, OPTIONS_MESSAGE_MAX, format, args);
	va_end(args);
	return false;
}

int64_t
options_default_workers(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0 || CPU_COUNT(&set) < 4)
		return 1;
	return CPU_COUNT(&set) / 2;
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
set_number(Reader *reader, const Option *option, const char *where, const char *text)
{
	int64_t *field = (int64_t *) ((char *) reader->options + option->offset);
	bool duration = option->kind == OPTION_DURATION;

	if (!(duration ? parse_duration(text, field) : parse_number(text, strlen(text), field)))
		return fail(reader, "%s: \"%.100s\" is not a %s", where, text,
					duration ? "time such as 500ms or 10s" : "number");
	if (*field < option->min || *field > option->max)
		return fail(reader, "%s: \"%.100s\" is outside the range %lld to %lld%s", where, text,
					(long long) option->min, (long long) option->max, duration ? " ms" : "");
	return true;
}

static bool
set_choice(Reader *reader, const Option *option, const char *where, const char *text)
{
	for (int i = 0; option->choices[i] != NULL; i++)
		if (strcmp(text, option->choices[i]) == 0)
		{
			*(int64_t *) ((char *) reader->options + option->offset) = i;
			return true;
		}
	return fail(reader, "%s: \"%.100s\" is not one of: %s", where, text, option->help);
}

static bool
set_string(Reader *reader, const Option *option, const char *text)
{
	char **field = (char **) ((char *) reader->options + option->offset);

	free(*field);
	*field = strdup(text);
	return *field != NULL || fail(reader, "out of memory");
}

static void
forget_addresses(Options *options)
{
	while (options->listen_count > 0)
		free(options->listen[--options->listen_count]);
}

/* A weightier source replaces the list, the same source adds to it. */
static bool
add_address(Reader *reader, const char *where, const char *text, bool replace)
{
	Options *options = reader->options;

	if (replace)
		forget_addresses(options);
	if (!listen_address_is_valid(text))
		return fail(reader, "%s: \"%.100s\" is not host:port, [v6]:port or unix:/path", where,
					text);
	if (options->listen_count == OPTIONS_MAX_LISTEN)
		return fail(reader, "%s: more than %d addresses", where, OPTIONS_MAX_LISTEN);
	options->listen[options->listen_count] = strdup(text);
	if (options->listen[options->listen_count] == NULL)
		return fail(reader, "out of memory");
	options->listen_count++;
	return true;
}

/* Several addresses in one value, apart by blanks or commas. */
static bool
add_addresses(Reader *reader, const char *where, const char *text, bool replace)
{
	char *copy = strdup(text);
	char *rest = copy;
	char *word;
	bool good = copy != NULL || fail(reader, "out of memory");
	bool any = false;

	while (good && (word = strsep(&rest, " ,\t")) != NULL)
		if (*word != '\0')
		{
			good = add_address(reader, where, word, replace && !any);
			any = true;
		}
	free(copy);
	return good && (any || fail(reader, "%s: no address", where));
}

static bool
set_option(Reader *reader, const Option *option, OptionSource source, const char *where,
		   const char *text)
{
	OptionSource *before = &reader->source[option - table];
	bool replace = source < *before;

	if (source > *before)
		return true;
	*before = source;
	switch (option->kind)
	{
		case OPTION_FLAG:
			*(bool *) ((char *) reader->options + option->offset) = true;
			return true;
		case OPTION_NUMBER:
		case OPTION_DURATION:
			return set_number(reader, option, where, text);
		case OPTION_CHOICE:
			return set_choice(reader, option, where, text);
		case OPTION_ADDRESSES:
			return add_addresses(reader, where, text, replace);
		case OPTION_CONNINFO:
			if (!db_conninfo_is_valid(text))
				return fail(reader, "%s: this is not a connection string or URI", where);
			return set_string(reader, option, text);
		case OPTION_FILE:
			return set_string(reader, option, text);
	}
	return false;
}

static const Option *
find_option(const char *name, size_t length)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (strlen(table[i].name) == length && strncmp(table[i].name, name, length) == 0)
			return &table[i];
	return NULL;
}

/* ---- the command line --------------------------------------------------- */

static void
fill_long_options(struct option *long_options)
{
	memset(long_options, 0, (OPTION_COUNT + 1) * sizeof(*long_options));
	for (size_t i = 0; i < OPTION_COUNT; i++)
	{
		long_options[i].name = table[i].name;
		long_options[i].has_arg = table[i].argument != NULL ? required_argument : no_argument;
	}
}

/* What getopt_long refused, in words. */
static bool
fail_getopt(Reader *reader, int result, const char *word)
{
	if (result == ':')
		return fail(reader, "option \"%s\" needs a value", word);
	if (word[0] == '-' && word[1] == '-' && strchr(word, '=') != NULL &&
		find_option(word + 2, strcspn(word + 2, "=")) != NULL)
		return fail(reader, "option \"%.*s\" takes no value", (int) strcspn(word, "="), word);
	return fail(reader, "there is no option \"%.*s\"", (int) strcspn(word, "="), word);
}

static bool
read_command_line(Reader *reader, int argc, char **argv)
{
	struct option long_options[OPTION_COUNT + 1];
	char where[NAME_MAX_LENGTH + 16];
	int index = 0;
	int result;

	fill_long_options(long_options);
	opterr = 0;
	optind = 1;
	for (;;)
	{
		int at = optind;

		result = getopt_long(argc, argv, "+:", long_options, &index);
		if (result == -1)
			break;
		if (result != 0)
			return fail_getopt(reader, result, argv[at]);
		snprintf(where, sizeof(where), "option \"--%s\"", table[index].name);
		if (!set_option(reader, &table[index], FROM_COMMAND_LINE, where, optarg))
			return false;
	}
	if (optind < argc)
		return fail(reader, "there is no argument \"%.100s\": options start with --", argv[optind]);
	return true;
}

/* ---- the environment ---------------------------------------------------- */

static void
environment_name(const Option *option, char name[NAME_MAX_LENGTH])
{
	size_t used = (size_t) snprintf(name, NAME_MAX_LENGTH, ENVIRONMENT_PREFIX "%s", option->name);

	for (size_t i = 0; i < used; i++)
		name[i] = name[i] == '-' ? '_' : (char) toupper((unsigned char) name[i]);
}

/*
 * Unknown PAT_BRIDGE_* variables are let be: Kubernetes makes some up for a
 * service of this name.
 */
static bool
read_environment(Reader *reader)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
	{
		char name[NAME_MAX_LENGTH];
		const char *value;

		if (table[i].kind == OPTION_FLAG)
			continue;
		environment_name(&table[i], name);
		value = getenv(name);
		if (value != NULL && *value != '\0' &&
			!set_option(reader, &table[i], FROM_ENVIRONMENT, name, value))
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

static bool
read_line(Reader *reader, const char *where, char *line)
{
	char *name = trim(line);
	char *equals;
	const Option *option;
	char named[OPTIONS_MESSAGE_MAX / 2];

	if (*name == '\0' || *name == '#')
		return true;
	equals = strchr(name, '=');
	if (equals == NULL)
		return fail(reader, "%s: \"%.32s\" is not name = value", where, name);
	*equals = '\0';
	name = trim(name);
	option = find_option(name, strlen(name));
	if (option == NULL || option->kind == OPTION_FLAG || option->kind == OPTION_FILE)
		return fail(reader, "%s: there is no setting \"%.100s\"", where, name);
	snprintf(named, sizeof(named), "%s: %s", where, option->name);
	return set_option(reader, option, FROM_FILE, named, unquote(trim(equals + 1)));
}

static bool
read_file(Reader *reader, const char *path)
{
	FILE *file = fopen(path, "re");
	char where[OPTIONS_MESSAGE_MAX / 4];
	char *line = NULL;
	size_t size = 0;
	bool good = true;

	if (file == NULL)
		return fail(reader, "option \"--config\": cannot read \"%.200s\": %s", path,
					strerror(errno));
	for (int number = 1; good && getline(&line, &size, file) >= 0; number++)
	{
		snprintf(where, sizeof(where), "%.100s:%d", path, number);
		good = read_line(reader, where, line);
	}
	if (good && ferror(file))
		good = fail(reader, "option \"--config\": cannot read \"%.200s\"", path);
	free(line);
	fclose(file);
	return good;
}

/* ---- all of them -------------------------------------------------------- */

static bool
read_defaults(Reader *reader)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
	{
		reader->source[i] = FROM_DEFAULT;
		if (table[i].initial == NULL || strcmp(table[i].initial, "auto") == 0)
			continue;
		if (!set_option(reader, &table[i], FROM_DEFAULT, table[i].name, table[i].initial))
			return false;
	}
	reader->options->workers = options_default_workers();
	return true;
}

bool
options_read(Options *options, int argc, char **argv, char message[OPTIONS_MESSAGE_MAX])
{
	Reader reader = {.options = options, .message = message};
	bool good;

	memset(options, 0, sizeof(*options));
	good = read_defaults(&reader) && read_command_line(&reader, argc, argv) &&
		   read_environment(&reader) &&
		   (options->config == NULL || options->help || options->version ||
			read_file(&reader, options->config));
	if (!good)
		options_free(options);
	return good;
}

void
options_free(Options *options)
{
	forget_addresses(options);
	free(options->db);
	free(options->config);
	memset(options, 0, sizeof(*options));
}

void
options_help(FILE *out)
{
	fputs("pat-bridge serves the HTTP API of the PostgreSQL extension pat.\n\n"
		  "Usage: pat-bridge [OPTION]...\n\n",
		  out);
	for (size_t i = 0; i < OPTION_COUNT; i++)
	{
		const Option *option = &table[i];
		char left[64];

		snprintf(left, sizeof(left), "--%s%s%s", option->name, option->argument != NULL ? " " : "",
				 option->argument != NULL ? option->argument : "");
		fprintf(out, "  %-26s %s", left, option->help);
		if (option->initial != NULL && *option->initial != '\0' &&
			strcmp(option->initial, "auto") != 0)
			fprintf(out, " (default: %s)", option->initial);
		fputc('\n', out);
	}
	fputs(
		"\nEvery option with a value is also an environment variable, PAT_BRIDGE_ and its name in\n"
		"capitals with _ for -, and a line of the configuration file. The command line outweighs\n"
		"the environment, and that the file.\n",
		out);
}
