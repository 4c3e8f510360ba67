/*
 * tls.h
 *		The certificate and key that the bridge shows its clients, by GnuTLS.
 *
 * One certificate is in force for the whole process.  Another one can take its
 * place at any time: connections that are there go on, those that come get the
 * new one.  tls.c alone includes GnuTLS.
 */
#ifndef PAT_BRIDGE_TLS_H
#define PAT_BRIDGE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TLS_MESSAGE_MAX 512

/*
 * TLS 1.2 and 1.3, with forward secrecy and authenticated encryption only, and
 * the order of preference is ours.  There is no compression in GnuTLS, and a
 * client that wants to renegotiate is disconnected.
 */
#define TLS_PRIORITIES                                                          \
	"SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-DHE-RSA:-AES-128-CBC:" \
	"-AES-256-CBC:-SHA1:%SERVER_PRECEDENCE"

/* A function of GnuTLS's type gnutls_certificate_retrieve_function2. */
typedef void (*TlsCallback)(void);

/*
 * Read a certificate chain and its key, both PEM, and put them in force.
 * False, with one sentence in message that names the option at fault, if they
 * cannot be used; then all stays as it was.  The key must not be encrypted, and be
 * private to the user, who is the one that the bridge will serve as.
 *
 * handshake_us: so long after it was replaced a certificate may still be in use.
 */
extern bool tls_load(const char *cert_path, const char *key_path, uid_t user, int64_t handshake_us,
					 char message[TLS_MESSAGE_MAX]) __attribute__((warn_unused_result));

/*
 * Whether a key file is the user's and nobody else may read it, or root's, which at most
 * its group may read: PostgreSQL's rule for ssl_key_file.
 */
extern bool tls_key_is_private(uid_t owner, mode_t mode, uid_t user);

/* What is in force, for the log: "serial 0A…, valid until 2027-01-01". */
extern void tls_describe(char *text, size_t size);

/* Forget all of them; nobody may be using one. */
extern void tls_unload(void);

/* What tells GnuTLS the certificate, for libmicrohttpd to hand on. */
extern TlsCallback tls_certificate_callback(void);

/*
 * Count from now on what the session sends and receives; its transport is a socket that
 * does not block.
 */
extern void tls_count(void *session);

/* Bytes that the counted sessions of this thread have sent and received, so far. */
extern uint64_t tls_moved(void);

/* Bytes that GnuTLS has read from the socket and decoded, and nobody has taken yet. */
extern size_t tls_unread(void *session);

/* Send on a session of GnuTLS, without waiting; how much went out, or less than 0. */
extern ssize_t tls_send(void *session, const char *bytes, size_t size);

#endif
