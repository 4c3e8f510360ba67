/*
 * option_table.h
 *		Inside the options room: what a row of the table of options says.
 *
 * Shared by option_table.c (the rows), option_values.c (reading a value),
 * option_sources.c (where values come from) and option_check.c (the files that are
 * named); nobody else may include it.
 */
#ifndef PAT_BRIDGE_OPTION_TABLE_H
#define PAT_BRIDGE_OPTION_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "options.h"

/* Most rows, and the longest name of an environment variable. */
#define OPTION_MAX      96
#define OPTION_NAME_MAX 48

typedef enum OptionKind
{
	OPTION_FLAG,     /* bool; command line only */
	OPTION_SWITCH,   /* bool; "on" or "off", alone on the command line it is "on" */
	OPTION_NUMBER,   /* int64_t, as are the next three */
	OPTION_DURATION, /* milliseconds, or a number with the unit ms or s */
	OPTION_MODE,     /* permissions of a file, in octal */
	OPTION_CHOICE,
	OPTION_ADDRESSES, /* may be given more than once */
	OPTION_CONNINFO,  /* char *, as are the next three */
	OPTION_NAME,      /* one word */
	OPTION_PATH,
	OPTION_FILE /* of options: not to be named in one */
} OptionKind;

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

extern const Option option_table[];
extern const size_t option_count;

/* The row of this name, or NULL. */
extern const Option *option_find(const char *name, size_t length);

/* Whether a change counts at SIGHUP, and not at the next start only. */
extern bool option_reloads(const Option *option);

/* The name of its environment variable. */
extern void option_environment_name(const Option *option, char name[OPTION_NAME_MAX]);

#endif
