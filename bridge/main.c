/*
 * main.c
 *		pat-bridge: reads its options, opens the sockets, starts the workers and
 *		waits for a signal.
 *
 * The main thread owns the options and the listening sockets and serves nobody.
 * SIGTERM and SIGINT stop cleanly; a second one ends the process at once.
 * SIGHUP opens the log file again, and reads the certificate again.
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

#include "clock.h"
#include "counters.h"
#include "listen.h"
#include "log.h"
#include "options.h"
#include "peers.h"
#include "tls.h"
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
	Peers *peers; /* NULL: no limit for each address */
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

/* The limit for each address, if there is one, is counted over all workers. */
static bool
open_peers(Bridge *bridge)
{
	const Options *options = &bridge->options;

	if (options->max_connections_per_address == 0)
		return true;
	bridge->peers = peers_open((size_t) (options->max_connections + options->workers),
							   (unsigned) options->max_connections_per_address);
	return bridge->peers != NULL;
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
	WorkerSetup setup = {&bridge->options, bridge->listeners, bridge->admin, bridge->counters,
						 bridge->peers};

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

/* Read the certificate; a message says what is wrong with it. */
static bool
load_certificate(const Options *options, char message[TLS_MESSAGE_MAX])
{
	return options->tls_cert == NULL ||
		   tls_load(options->tls_cert, options->tls_key,
					options->client_timeout_ms * CLOCK_US_PER_MS, message);
}

static void
log_certificate(const Options *options)
{
	char text[256];

	if (options->tls_cert == NULL)
		return;
	tls_describe(text, sizeof(text));
	log_event(LOG_NOTICE, "certificate: %s", text);
}

/* A new certificate is for connections to come; a wrong one changes nothing. */
static void
reload(const Options *options)
{
	char message[TLS_MESSAGE_MAX];

	if (load_certificate(options, message))
		log_certificate(options);
	else
		log_event(LOG_ERROR, "the certificate stays as it was: %s", message);
}

/* The second signal finds its default action: nobody has to wait for a hung stop. */
static void
wait_for_signal(Bridge *bridge, const sigset_t *signals)
{
	int signal_number = 0;

	while (sigwait(signals, &signal_number) != 0 || signal_number == SIGHUP)
	{
		if (signal_number == SIGHUP)
		{
			log_reopen();
			reload(&bridge->options);
		}
		signal_number = 0;
	}
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
	peers_close(bridge->peers);
	tls_unload();
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
		   open_peers(bridge) && start_workers(bridge);
	if (good)
	{
		log_certificate(&bridge->options);
		say_where(bridge);
		wait_for_signal(bridge, &signals);
	}
	else
		stop_workers(bridge);
	close_all(bridge, good);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int
refuse_start(const char *message)
{
	fprintf(stderr, "pat-bridge: %s\nTry \"pat-bridge --help\".\n", message);
	return EXIT_OPTIONS;
}

int
main(int argc, char **argv)
{
	Bridge bridge = {0};
	Options *options = &bridge.options;
	char message[TLS_MESSAGE_MAX];
	int status = EXIT_SUCCESS;

	_Static_assert(TLS_MESSAGE_MAX >= OPTIONS_MESSAGE_MAX, "one buffer for both");
	if (!options_read(options, argc, argv, message))
		return refuse_start(message);
	log_setup((LogFormat) options->log_format, (LogLevel) options->log_level);
	if (options->help)
		options_help(stdout);
	else if (options->version)
		puts("pat-bridge " PAT_BRIDGE_VERSION);
	else if (!load_certificate(options, message))
		status = refuse_start(message);
	else if (!options->check)
		return serve(&bridge);
	else
		puts("the configuration is valid");
	tls_unload();
	options_free(options);
	return status;
}
