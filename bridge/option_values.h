/*
 * option_values.h
 *		Inside the options room: reading and comparing the value of one option.
 */
#ifndef PAT_BRIDGE_OPTION_VALUES_H
#define PAT_BRIDGE_OPTION_VALUES_H

#include "option_table.h"

/* Where a value comes from; a lower one outweighs a higher one. */
typedef enum OptionSource
{
	FROM_COMMAND_LINE,
	FROM_ENVIRONMENT,
	FROM_FILE,
	FROM_DEFAULT
} OptionSource;

/* One reading of all sources. */
typedef struct OptionReader
{
	Options *options;
	OptionSource source[OPTION_MAX]; /* of the value so far */
	char *message;
} OptionReader;

/* Always false, with the message written. */
extern bool
option_fail(OptionReader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Take a value, unless a weightier source has given one.  A list grows by
 * values of the same source.  False with a message that starts with where.
 */
extern bool option_set(OptionReader *reader, const Option *option, OptionSource source,
					   const char *where, const char *text) __attribute__((warn_unused_result));

extern bool option_is_same(const Option *option, const Options *a, const Options *b);

/* Replace one value by a copy of another's.  False without memory. */
extern bool option_copy(const Option *option, Options *to, const Options *from)
	__attribute__((warn_unused_result));

extern void option_free(const Option *option, Options *options);

#endif
