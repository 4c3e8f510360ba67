/*
 * main.c
 *		pat-bridge: reads its options, opens the sockets, starts the workers and
 *		waits for a signal.
 *
 * The main thread owns the options and the listening sockets and serves nobody.
 * SIGTERM and SIGINT stop cleanly; a second one ends the process at once.
 * SIGHUP opens the log file again.
 */
#include <errno.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "counters.h"
#include "listen.h"
#include "log.h"
#include "options.h"
#include "version.h"
#include "worker.h"

/* Exit codes. */
#define EXIT_OPTIONS 2

/*
 * A long list goes through buffers of its size, which glibc would give back to the
 * kernel after each and get anew, page by page, for the next.  In bytes.
 */
#define MEMORY_KEPT_MAX (8 * 1024 * 1024)
#define BUFFER_KEPT_MAX (1024 * 1024)
#define MEMORY_STEP     (256 * 1024)

typedef struct Bridge
{
	Options options;
	Listener listeners[OPTIONS_MAX_LISTEN];
	unsigned listening;
	Listener admin[OPTIONS_MAX_LISTEN];
	unsigned admin_listening;
	CounterSet *counters;
	Worker **workers;
	unsigned working;
} Bridge;

/* Connections are descriptors: take as many as the administrator allows. */
static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		log_event(LOG_WARNING, "cannot raise the limit of open files: %s", strerror(errno));
}

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

/* Blocked here, before any thread exists, so that only sigwait sees them. */
static void
take_signals(sigset_t *signals)
{
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(signals);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, signals, NULL);
}

/* *done of the listeners are open afterwards. */
static bool
open_each(Listener *listeners, char *const *addresses, unsigned count, unsigned workers,
		  unsigned *done)
{
	char message[OPTIONS_MESSAGE_MAX];

	for (*done = 0; *done < count; ++*done)
		if (!listen_open(&listeners[*done], addresses[*done], workers, message, sizeof(message)))
		{
			log_event(LOG_ERROR, "%s", message);
			return false;
		}
	return true;
}

static bool
open_listeners(Bridge *bridge)
{
	const Options *options = &bridge->options;

	return open_each(bridge->listeners, options->listen, options->listen_count,
					 (unsigned) options->workers, &bridge->listening) &&
		   open_each(bridge->admin, options->admin_listen, options->admin_listen_count, 1,
					 &bridge->admin_listening);
}

static bool
open_counters(Bridge *bridge)
{
	struct timeval now;

	bridge->counters = counters_open((unsigned) bridge->options.workers);
	if (bridge->counters == NULL)
		return false;
	gettimeofday(&now, NULL);
	bridge->counters->started = (double) now.tv_sec + (double) now.tv_usec / 1e6;
	worker_describe(bridge->counters, &bridge->options);
	return true;
}

static bool
open_log(const char *path)
{
	if (path == NULL || log_open(path))
		return true;
	log_event(LOG_ERROR, "cannot open the log file \"%s\": %s", path, strerror(errno));
	return false;
}

static bool
start_workers(Bridge *bridge)
{
	WorkerSetup setup = {&bridge->options, bridge->listeners, bridge->admin, bridge->counters};

	bridge->workers = calloc((size_t) bridge->options.workers, sizeof(Worker *));
	if (bridge->workers == NULL)
		return false;
	while (bridge->working < bridge->options.workers)
	{
		Worker *worker = worker_start(&setup, bridge->working);

		if (worker == NULL)
			return false;
		bridge->workers[bridge->working++] = worker;
	}
	return true;
}

static void
stop_workers(Bridge *bridge)
{
	for (unsigned i = 0; i < bridge->working; i++)
		worker_stop(bridge->workers[i]);
}

/* The second signal finds its default action: nobody has to wait for a hung stop. */
static void
wait_for_signal(Bridge *bridge, const sigset_t *signals)
{
	int signal_number = 0;

	while (sigwait(signals, &signal_number) != 0 || signal_number == SIGHUP)
		if (signal_number == SIGHUP)
			log_reopen();
	log_event(LOG_NOTICE, "stopping: %s", strsignal(signal_number));
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	pthread_sigmask(SIG_UNBLOCK, signals, NULL);
	stop_workers(bridge);
}

static void
close_all(Bridge *bridge, bool good)
{
	for (unsigned i = 0; i < bridge->working; i++)
		worker_join(bridge->workers[i]);
	free(bridge->workers);
	for (unsigned i = 0; i < bridge->listening; i++)
		listen_close(&bridge->listeners[i]);
	for (unsigned i = 0; i < bridge->admin_listening; i++)
		listen_close(&bridge->admin[i]);
	counters_close(bridge->counters);
	if (good)
		log_event(LOG_NOTICE, "stopped");
	log_close();
	options_free(&bridge->options);
}

static void
say_where(const Bridge *bridge)
{
	for (unsigned i = 0; i < bridge->listening; i++)
		log_event(LOG_NOTICE, "listening on %s", bridge->listeners[i].shown);
	for (unsigned i = 0; i < bridge->admin_listening; i++)
		log_event(LOG_NOTICE, "monitoring on %s", bridge->admin[i].shown);
}

static int
serve(Bridge *bridge)
{
	sigset_t signals;
	bool good;

	take_signals(&signals);
	raise_descriptor_limit();
	keep_freed_memory();
	good = open_log(bridge->options.log_file) && open_listeners(bridge) && open_counters(bridge) &&
		   start_workers(bridge);
	if (good)
	{
		say_where(bridge);
		wait_for_signal(bridge, &signals);
	}
	else
		stop_workers(bridge);
	close_all(bridge, good);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
main(int argc, char **argv)
{
	Bridge bridge = {0};
	char message[OPTIONS_MESSAGE_MAX];

	if (!options_read(&bridge.options, argc, argv, message))
	{
		fprintf(stderr, "pat-bridge: %s\nTry \"pat-bridge --help\".\n", message);
		return EXIT_OPTIONS;
	}
	log_setup((LogFormat) bridge.options.log_format, (LogLevel) bridge.options.log_level);
	if (!bridge.options.help && !bridge.options.version && !bridge.options.check)
		return serve(&bridge);
	if (bridge.options.help)
		options_help(stdout);
	else
		puts(bridge.options.version ? "pat-bridge " PAT_BRIDGE_VERSION
									: "the configuration is valid");
	options_free(&bridge.options);
	return EXIT_SUCCESS;
}
