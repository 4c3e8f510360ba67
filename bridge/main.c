/*
 * main.c
 *		pat-bridge: reads its options and does what they ask for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#ifdef __GLIBC__ /* which a header of it tells */
#include <malloc.h>
#endif

#include "descriptors.h"
#include "http.h"
#include "log.h"
#include "option_check.h"
#include "privileges.h"
#include "service.h"
#include "settings.h"
#include "systemd.h"
#include "version.h"

/* Exit code for what is wrong with the options, or with who starts it. */
#define EXIT_OPTIONS 2

/*
 * A long list goes through buffers of its size, which glibc would give back to the
 * kernel after each and get anew, page by page, for the next.  In bytes.
 */
#define MEMORY_KEPT_MAX (4 * 1024 * 1024)
#define BUFFER_KEPT_MAX (1024 * 1024)
#define MEMORY_STEP     (256 * 1024)

/* Other C libraries than glibc decide by themselves. */
static void
keep_freed_memory(void)
{
#ifdef __GLIBC__
	mallopt(M_TRIM_THRESHOLD, MEMORY_KEPT_MAX);
	mallopt(M_MMAP_THRESHOLD, BUFFER_KEPT_MAX);
	mallopt(M_TOP_PAD, MEMORY_STEP);
#endif
}

static int
fail(const char *message)
{
	fprintf(stderr, "pat-bridge: %s\nTry \"pat-bridge --help\".\n", message);
	return EXIT_OPTIONS;
}

static int
help(void)
{
	options_help(stdout);
	if (!systemd_is_known())
		puts("\nThis build has no libsystemd: it takes no sockets and sends no notice.");
	return EXIT_SUCCESS;
}

static int
check(const Options *options)
{
	char message[TLS_MESSAGE_MAX];
	Privileges plan;

	if (option_check(options, stderr) > 0)
		return EXIT_OPTIONS;
	if (!privileges_plan(&plan, options, 0, 0, message, sizeof(message)) ||
		!service_load_certificate(options, plan.named ? plan.user : geteuid(), message))
		return fail(message);
	tls_unload();
	puts("the configuration is valid");
	return EXIT_SUCCESS;
}

/* A server that root runs gives root to whoever finds a way in. */
static int
serve(Settings *settings, int argc, char **argv)
{
	const Options *options = &settings->options;
	char message[TLS_MESSAGE_MAX];
	Privileges plan;

	if (!privileges_plan(&plan, options, geteuid(), getegid(), message, sizeof(message)))
		return fail(message);
	if (geteuid() == 0 && !plan.named)
		return fail("root must say whom to become: option \"--user\"");
	if (!service_load_certificate(options, plan.user, message))
		return fail(message);
	log_setup((LogFormat) options->log_format, (LogLevel) options->log_level);
	keep_freed_memory();
	return service_run(settings, &plan, argc, argv);
}

static int
obey(Settings *settings, int argc, char **argv)
{
	const Options *options = &settings->options;
	char message[OPTIONS_MESSAGE_MAX];

	if (options->help)
		return help();
	if (options->version)
		return puts("pat-bridge " PAT_BRIDGE_VERSION) < 0;
	if (!http_library_fits(message, sizeof(message)))
		return fail(message);
	return options->check ? check(options) : serve(settings, argc, argv);
}

int
main(int argc, char **argv)
{
	char message[OPTIONS_MESSAGE_MAX];
	Settings *settings;
	int status;

	if (!descriptors_fill_standard())
		return EXIT_FAILURE; /* there is nowhere to say so */
	settings = settings_read(argc, argv, message);
	if (settings == NULL)
		return fail(message);
	status = obey(settings, argc, argv);
	settings_release(settings);
	return status;
}
