/*
 * option_check.h
 *		What is wrong with options that can be read: names and files that are not
 *		there.  Opens and connects to nothing.
 */
#ifndef PAT_BRIDGE_OPTION_CHECK_H
#define PAT_BRIDGE_OPTION_CHECK_H

#include <stdio.h>

#include "options.h"

/* How many things are wrong; each is told in a line. */
extern unsigned option_check(const Options *options, FILE *out);

#endif
