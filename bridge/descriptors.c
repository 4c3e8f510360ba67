/*
 * descriptors.c
 *		Compares the descriptors that the options need with the limit of open files.
 *
 * Owns nothing.
 */
#include "descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "http_settings.h"
#include "log.h"

/* Of the process: standard input, output and error, and the log file. */
#define OF_PROCESS 4

/* Of each worker: the loop's epoll set, the wakeup, and one for each of three HTTP daemons. */
#define OF_WORKER 5

/* Of each worker, for a short time: cancel requests, name look-ups, connections that linger. */
#define TO_SPARE 4

bool
descriptors_fill_standard(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && (errno != EBADF || open("/dev/null", O_RDWR) != fd))
			return false;
	return true;
}

/* What is needed besides the connections of the API's clients. */
static int64_t
count_fixed(const Options *options)
{
	int64_t databases = options->read_connections + options->write_connections;
	int64_t each = OF_WORKER + TO_SPARE + databases + options->listen_count;
	int64_t admin = options->admin_listen_count > 0 ? HTTP_ADMIN_CONNECTIONS : 0;

	return OF_PROCESS + options->workers * each + options->admin_listen_count + admin;
}

/* The soft limit; INT32_MAX if it is unknown or larger. */
static int64_t
limit_of_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT32_MAX)
		return INT32_MAX;
	return (int64_t) limit.rlim_cur;
}

unsigned
descriptors_max_connections(const Options *options)
{
	int64_t room = limit_of_files() - count_fixed(options);

	if (room > options->max_connections)
		room = options->max_connections;
	return (unsigned) (room > options->workers ? room : options->workers);
}

static void
warn_if_low(const Options *options)
{
	int64_t wanted = count_fixed(options) + options->max_connections;

	if (limit_of_files() < wanted)
		log_event(LOG_WARNING,
				  "the limit of open files is %lld and the options need %lld: at most %u clients "
				  "can be connected; raise the limit (LimitNOFILE, ulimit -n) or lower "
				  "\"--max-connections\"",
				  (long long) limit_of_files(), (long long) wanted,
				  descriptors_max_connections(options));
}

void
descriptors_raise_limit(const Options *options)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max)
	{
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
			log_event(LOG_WARNING, "cannot raise the limit of open files: %s", strerror(errno));
	}
	warn_if_low(options);
}
