/*
 * service.c
 *		Opens the sockets, starts the workers, and does what signals say.
 *
 * The main thread owns the listening sockets and what is in force, and serves
 * nobody.  SIGTERM and SIGINT stop cleanly, a second one ends the process at
 * once; SIGHUP reads the options again.
 */
#include "service.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "clock.h"
#include "counters.h"
#include "descriptors.h"
#include "listen.h"
#include "log.h"
#include "peers.h"
#include "systemd.h"
#include "tls.h"
#include "worker.h"

/* How much later than --drain-timeout a worker may be done: it looks at the clock now and then. */
#define OVERDUE_MS 2000

typedef struct Service
{
	int argc;
	char **argv;
	Settings *settings; /* in force */
	Listener listeners[OPTIONS_MAX_LISTEN];
	unsigned listening;
	Listener admin[OPTIONS_MAX_LISTEN];
	unsigned monitoring;
	CounterSet *counters;
	Peers *peers; /* NULL: no limit for each address */
	Worker **workers;
	unsigned working;
} Service;

/* ---- the start ---------------------------------------------------------- */

/* Blocked here, before any thread exists, so that only sigwait sees them. */
static void
take_signals(sigset_t *signals)
{
	sigset_t alarm_only;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(signals);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, signals, NULL);
	signal(SIGALRM, SIG_IGN); /* until set_alarm; workers do not see it */
	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarm_only, NULL);
}

/* Sockets that the service manager has opened stand in place of all --listen. */
static bool
inherit_listeners(Service *service, unsigned count)
{
	if (count > OPTIONS_MAX_LISTEN)
	{
		log_event(LOG_ERROR, "%u sockets were handed over, and more than %d are too many", count,
				  OPTIONS_MAX_LISTEN);
		return false;
	}
	for (unsigned i = 0; i < count; i++)
	{
		int fd = SYSTEMD_FIRST_FD + (int) i;

		if (!systemd_socket_is_good(fd) ||
			!listen_inherit(&service->listeners[i], fd,
							(unsigned) service->settings->options.workers))
		{
			log_event(LOG_ERROR, "descriptor %d was handed over and is no listening stream socket",
					  fd);
			return false;
		}
		service->listening++;
	}
	return true;
}

/* *done of the listeners are open afterwards. */
static bool
open_each(Listener *listeners, char *const *addresses, unsigned count, const ListenSettings *how,
		  unsigned *done)
{
	char message[OPTIONS_MESSAGE_MAX];

	for (*done = 0; *done < count; ++*done)
		if (!listen_open(&listeners[*done], addresses[*done], how, message, sizeof(message)))
		{
			log_event(LOG_ERROR, "%s", message);
			return false;
		}
	return true;
}

/* The addresses for monitoring are the first worker's alone. */
static bool
open_listeners(Service *service, const Privileges *plan)
{
	const Options *options = &service->settings->options;
	ListenSettings how = {
		.workers = (unsigned) options->workers,
		.reuse_port = options->reuse_port,
		.files.mode = (mode_t) options->unix_socket_mode,
		.files.owner = plan->drop ? plan->user : (uid_t) -1,
		.files.group = plan->drop && plan->socket_group == (gid_t) -1 ? plan->group
																	  : plan->socket_group,
	};
	unsigned handed_over = systemd_take_sockets();

	if (handed_over > 0 ? !inherit_listeners(service, handed_over)
						: !open_each(service->listeners, options->listen, options->listen_count,
									 &how, &service->listening))
		return false;
	how.workers = 1;
	return open_each(service->admin, options->admin_listen, options->admin_listen_count, &how,
					 &service->monitoring);
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
open_counters(Service *service)
{
	const Options *options = &service->settings->options;
	struct timeval now;

	service->counters = counters_open((unsigned) options->workers);
	if (service->counters == NULL)
		return false;
	gettimeofday(&now, NULL);
	service->counters->started = (double) now.tv_sec + (double) now.tv_usec / 1e6;
	worker_describe(service->counters, options);
	return true;
}

/* What only root can open is open by now. */
static bool
give_root_away(const Service *service, const Privileges *plan)
{
	char message[OPTIONS_MESSAGE_MAX];

	if (!privileges_drop(plan, message, sizeof(message)))
	{
		log_event(LOG_ERROR, "%s", message);
		return false;
	}
	privileges_mind_core_dumps(service->settings->options.core_dumps);
	return true;
}

/* The limit for each address, if there is one, is counted over all workers. */
static bool
open_peers(Service *service)
{
	const Options *options = &service->settings->options;

	if (options->max_connections_per_address == 0)
		return true;
	service->peers = peers_open((size_t) (options->max_connections + options->workers),
								(unsigned) options->max_connections_per_address);
	return service->peers != NULL;
}

bool
service_load_certificate(const Options *options, uid_t user, char message[TLS_MESSAGE_MAX])
{
	return options->tls_cert == NULL ||
		   tls_load(options->tls_cert, options->tls_key, user,
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

static bool
start_workers(Service *service)
{
	int64_t wanted = service->settings->options.workers;
	WorkerSetup setup = {
		.settings = service->settings,
		.listeners = service->listeners,
		.listening = service->listening,
		.admin = service->admin,
		.monitoring = service->monitoring,
		.counters = service->counters,
		.peers = service->peers,
	};

	service->workers = calloc((size_t) wanted, sizeof(Worker *));
	if (service->workers == NULL)
		return false;
	while (service->working < wanted)
	{
		Worker *worker = worker_start(&setup, service->working);

		if (worker == NULL)
			return false;
		service->workers[service->working++] = worker;
	}
	return true;
}

static void
announce(const Service *service)
{
	log_certificate(&service->settings->options);
	for (unsigned i = 0; i < service->listening; i++)
		log_event(LOG_NOTICE, "listening on %s%s", service->listeners[i].shown,
				  service->listeners[i].inherited ? " (handed over)" : "");
	for (unsigned i = 0; i < service->monitoring; i++)
		log_event(LOG_NOTICE, "monitoring on %s", service->admin[i].shown);
	systemd_ready("Serving");
}

/* ---- signals ------------------------------------------------------------ */

static void
put_in_force(Service *service, Settings *settings)
{
	for (unsigned i = 0; i < service->working; i++)
		worker_reload(service->workers[i], settings);
	worker_describe_limits(service->counters, &settings->options);
	settings_release(service->settings);
	service->settings = settings;
	log_setup((LogFormat) settings->options.log_format, (LogLevel) settings->options.log_level);
}

/* A new certificate is for connections to come; a wrong one changes nothing. */
static void
reload_certificate(const Options *options)
{
	char message[TLS_MESSAGE_MAX];

	if (service_load_certificate(options, geteuid(), message))
		log_certificate(options);
	else
		log_event(LOG_ERROR, "the certificate stays as it was: %s", message);
}

/* All of it or nothing: what is wrong leaves the old settings as they are. */
static void
reload(Service *service)
{
	char message[OPTIONS_MESSAGE_MAX];
	char fixed[OPTIONS_MESSAGE_MAX];
	Settings *settings;

	systemd_reloading();
	log_reopen();
	reload_certificate(&service->settings->options);
	settings = settings_reread(service->settings, service->argc, service->argv, fixed,
							   sizeof(fixed), message);
	if (settings == NULL)
	{
		log_event(LOG_ERROR, "the configuration was not reloaded, the old one stays in force: %s",
				  message);
		systemd_ready("Serving; the configuration was not reloaded, see the log");
		return;
	}
	put_in_force(service, settings);
	log_event(LOG_NOTICE, "the configuration was reloaded");
	if (fixed[0] != '\0')
		log_event(LOG_WARNING, "a restart is needed for a change of: %s", fixed);
	systemd_ready("Serving");
}

static void
stop_workers(Service *service)
{
	for (unsigned i = 0; i < service->working; i++)
		worker_stop(service->workers[i]);
}

/* What is being stopped, for the second signal. */
static Service *volatile ending;

/* The address for monitoring is still open. Calls nothing that must not be in a handler. */
static void
end_at_once(int signal_number)
{
	for (unsigned i = 0; ending != NULL && i < ending->monitoring; i++)
		socket_file_remove(&ending->admin[i].file);
	signal(signal_number, SIG_DFL);
	raise(signal_number); /* comes when this returns */
}

/*
 * The bound of last resort: --drain-timeout holds whatever a worker waits for.  Calls nothing
 * that must not be in a handler, nor anything that could block.
 */
static void
end_overdue(int signal_number)
{
	static const char text[] = "pat-bridge: a worker did not stop in time\n";
	struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};

	(void) signal_number;
	for (unsigned i = 0; ending != NULL && i < ending->monitoring; i++)
		socket_file_remove(&ending->admin[i].file);
	if (poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) != 0)
	{
		ssize_t written = write(STDERR_FILENO, text, sizeof(text) - 1);

		(void) written;
	}
	_exit(EXIT_FAILURE);
}

static void
set_alarm(int64_t ms)
{
	struct itimerval timer = {.it_value = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000}};

	signal(SIGALRM, SIG_IGN); /* forgets one that is pending */
	signal(SIGALRM, end_overdue);
	setitimer(ITIMER_REAL, &timer, NULL);
}

/* The second signal ends the process: nobody has to wait for a hung stop. */
static void
stop(Service *service, int signal_number, const sigset_t *signals)
{
	int64_t longest_ms = service->settings->options.drain_timeout_ms + OVERDUE_MS;
	sigset_t enders = *signals;

	sigdelset(&enders, SIGHUP);
	sigaddset(&enders, SIGALRM);
	ending = service;
	signal(SIGTERM, end_at_once);
	signal(SIGINT, end_at_once);
	set_alarm(longest_ms);
	pthread_sigmask(SIG_UNBLOCK, &enders, NULL);
	for (unsigned i = 0; i < service->listening; i++)
		listen_withdraw(&service->listeners[i]);
	log_event(LOG_NOTICE, "stopping: %s", strsignal(signal_number));
	systemd_stopping(longest_ms * CLOCK_US_PER_MS);
	stop_workers(service);
}

static void
obey_signals(Service *service, const sigset_t *signals)
{
	int signal_number = 0;

	for (;;)
	{
		if (sigwait(signals, &signal_number) != 0)
			continue;
		if (signal_number != SIGHUP)
			break;
		reload(service);
	}
	stop(service, signal_number, signals);
}

/* ---- the whole ---------------------------------------------------------- */

static void
close_all(Service *service)
{
	for (unsigned i = 0; i < service->working; i++)
		worker_join(service->workers[i]);
	free(service->workers);
	for (unsigned i = 0; i < service->listening; i++)
		listen_close(&service->listeners[i]);
	for (unsigned i = 0; i < service->monitoring; i++)
		listen_close(&service->admin[i]);
	ending = NULL;
	counters_close(service->counters);
	peers_close(service->peers);
	tls_unload();
	settings_release(service->settings);
}

int
service_run(Settings *settings, const Privileges *plan, int argc, char **argv)
{
	Service service = {.argc = argc, .argv = argv, .settings = settings_hold(settings)};
	sigset_t signals;
	bool good;

	take_signals(&signals);
	descriptors_raise_limit(&settings->options);
	good = open_listeners(&service, plan) && give_root_away(&service, plan) &&
		   open_log(settings->options.log_file) && open_counters(&service) &&
		   open_peers(&service) && start_workers(&service);
	if (good)
	{
		announce(&service);
		obey_signals(&service, &signals);
	}
	else
		stop_workers(&service);
	close_all(&service);
	if (good)
		log_event(LOG_NOTICE, "stopped");
	log_close();
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
