/*
 * systemd.c
 *		Speaks to the service manager through libsystemd; the only file that
 *		knows it.
 *
 * A manager that cannot be reached is no reason to serve nobody: failures are
 * let be.
 */
#include "systemd.h"

#ifdef PAT_BRIDGE_SYSTEMD

#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "clock.h"

_Static_assert(SYSTEMD_FIRST_FD == SD_LISTEN_FDS_START, "the protocol says 3");

bool
systemd_is_known(void)
{
	return true;
}

unsigned
systemd_take_sockets(void)
{
	int count = sd_listen_fds(1);

	return count > 0 ? (unsigned) count : 0;
}

bool
systemd_socket_is_good(int fd)
{
	return sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) > 0;
}

void
systemd_ready(const char *status)
{
	(void) sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

/* With the time, the manager knows that the READY=1 that follows belongs to this reload. */
void
systemd_reloading(void)
{
	(void) sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=Reading the configuration",
					  (long long) clock_us());
}

void
systemd_stopping(int64_t within_us)
{
	(void) sd_notifyf(0,
					  "STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld\n"
					  "STATUS=Finishing the requests under way",
					  (long long) within_us);
}

#else

bool
systemd_is_known(void)
{
	return false;
}

unsigned
systemd_take_sockets(void)
{
	return 0;
}

bool
systemd_socket_is_good(int fd)
{
	(void) fd;
	return false;
}

void
systemd_ready(const char *status)
{
	(void) status;
}

void
systemd_reloading(void)
{
}

void
systemd_stopping(int64_t within_us)
{
	(void) within_us;
}

#endif
