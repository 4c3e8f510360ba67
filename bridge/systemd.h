/*
 * systemd.h
 *		What the service manager is told, and the sockets it hands over.
 *
 * Does nothing where no manager asks for it (NOTIFY_SOCKET, LISTEN_FDS), or
 * where the bridge was built without libsystemd.
 */
#ifndef PAT_BRIDGE_SYSTEMD_H
#define PAT_BRIDGE_SYSTEMD_H

#include <stdbool.h>
#include <stdint.h>

/* The first descriptor that is handed over. */
#define SYSTEMD_FIRST_FD 3

/* Whether the bridge was built with libsystemd. */
extern bool systemd_is_known(void);

/* How many descriptors were handed over, from SYSTEMD_FIRST_FD on; asks once, then forgets. */
extern unsigned systemd_take_sockets(void);

/* Whether such a descriptor is a stream socket that listens. */
extern bool systemd_socket_is_good(int fd);

/* Serving, or done with a reload; status is one line for people. */
extern void systemd_ready(const char *status);
extern void systemd_reloading(void);

/* The end is near, at the latest in so many microseconds. */
extern void systemd_stopping(int64_t within_us);

#endif
