/*
 * service.h
 *		The bridge from its start to its end: sockets, workers, signals.
 */
#ifndef PAT_BRIDGE_SERVICE_H
#define PAT_BRIDGE_SERVICE_H

#include "privileges.h"
#include "settings.h"

/*
 * Serve until told to stop; the exit status.  The arguments are read again at
 * SIGHUP.
 */
extern int service_run(Settings *settings, const Privileges *plan, int argc, char **argv);

#endif
