/*
 * service.h
 *		The bridge from its start to its end: sockets, workers, signals.
 */
#ifndef PAT_BRIDGE_SERVICE_H
#define PAT_BRIDGE_SERVICE_H

#include <stdbool.h>

#include "privileges.h"
#include "settings.h"
#include "tls.h"

/*
 * Read the certificate, if the options name one, for a bridge that serves as this user.
 * False with a sentence in message that names the option at fault.
 */
extern bool
service_load_certificate(const Options *options, uid_t user, char message[TLS_MESSAGE_MAX])
	__attribute__((warn_unused_result));

/*
 * Serve until told to stop; the exit status.  The arguments are read again at
 * SIGHUP.
 */
extern int service_run(Settings *settings, const Privileges *plan, int argc, char **argv);

#endif
