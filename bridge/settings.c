/*
 * settings.c
 *		Readings of the options, and who holds them.
 */
#include "settings.h"

#include <stdio.h>
#include <stdlib.h>

static Settings *
fail_without_memory(Settings *settings, char message[OPTIONS_MESSAGE_MAX])
{
	snprintf(message, OPTIONS_MESSAGE_MAX, "out of memory");
	if (settings != NULL)
		settings_release(settings);
	return NULL;
}

Settings *
settings_read(int argc, char **argv, char message[OPTIONS_MESSAGE_MAX])
{
	Settings *settings = calloc(1, sizeof(Settings));

	if (settings == NULL)
		return fail_without_memory(NULL, message);
	atomic_init(&settings->holders, 1);
	if (options_read(&settings->options, argc, argv, message))
		return settings;
	free(settings);
	return NULL;
}

Settings *
settings_reread(const Settings *running, int argc, char **argv, char *names, size_t size,
				char message[OPTIONS_MESSAGE_MAX])
{
	Settings *settings = settings_read(argc, argv, message);

	if (settings == NULL)
		return NULL;
	if (!options_keep_fixed(&settings->options, &running->options, names, size))
		return fail_without_memory(settings, message);
	return settings;
}

Settings *
settings_hold(Settings *settings)
{
	atomic_fetch_add_explicit(&settings->holders, 1, memory_order_relaxed);
	return settings;
}

void
settings_release(Settings *settings)
{
	if (atomic_fetch_sub_explicit(&settings->holders, 1, memory_order_acq_rel) != 1)
		return;
	options_free(&settings->options);
	free(settings);
}
