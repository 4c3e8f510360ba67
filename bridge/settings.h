/*
 * settings.h
 *		What is in force: one reading of the options, shared and never changed.
 *
 * A reload makes another one.  Each worker holds the one it goes by, so that
 * nothing on the way of a request takes a lock; the last to let go frees it.
 * The certificate is apart, in tls.h: a reload reads it again even if the options are
 * as they were.
 */
#ifndef PAT_BRIDGE_SETTINGS_H
#define PAT_BRIDGE_SETTINGS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "options.h"

typedef struct Settings
{
	atomic_uint holders;
	Options options;
} Settings;

/* Read all sources; held once.  NULL with one line in message. */
extern Settings *settings_read(int argc, char **argv, char message[OPTIONS_MESSAGE_MAX]);

/*
 * Read them again while others are in force: what needs a restart stays as it
 * is there, and is named in names, or "".  NULL with one line in message.
 */
extern Settings *settings_reread(const Settings *running, int argc, char **argv, char *names,
								 size_t size, char message[OPTIONS_MESSAGE_MAX]);

/* Hold it once more; returns its argument. */
extern Settings *settings_hold(Settings *settings);
extern void settings_release(Settings *settings);

#endif
