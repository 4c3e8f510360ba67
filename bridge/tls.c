/*
 * tls.c
 *		Reads certificate and key, and gives them to GnuTLS at each handshake.
 *
 * Owns the certificate in force and those it replaced, which handshakes under
 * way may still use: such a one is freed by a later load, when no handshake that
 * began before it was replaced can be left.  Loads come from the main thread;
 * handshakes, from the workers', read one atomic pointer.
 */
#include "tls.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

/* No longer chain is sent, and no larger file is read. */
#define CHAIN_MAX 16
#define FILE_MAX  (256 * 1024)

#define KEY_ID_MAX 64

typedef struct Certificate
{
	struct Certificate *older;
	gnutls_pcert_st chain[CHAIN_MAX];
	unsigned length;
	gnutls_privkey_t key;
	int64_t replaced; /* when another took its place */
} Certificate;

static _Atomic(Certificate *) in_force;

/* ---- files -------------------------------------------------------------- */

static bool
complain(char *message, const char *option, const char *path, const char *what)
{
	snprintf(message, TLS_MESSAGE_MAX, "option \"--%s\": \"%.200s\" %s", option, path, what);
	return false;
}

bool
tls_key_is_private(uid_t owner, mode_t mode, uid_t user)
{
	if (owner == 0)
		return (mode & (S_IWGRP | S_IXGRP | S_IRWXO)) == 0;
	return owner == user && (mode & (S_IRWXG | S_IRWXO)) == 0;
}

/* NULL for the user: it is no secret. */
static bool
check_file(int fd, const uid_t *user, const char *option, const char *path, char *message)
{
	struct stat about;

	if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))
		return complain(message, option, path, "is not a regular file");
	if (about.st_size > FILE_MAX)
		return complain(message, option, path, "is larger than 256 kB");
	if (user != NULL && !tls_key_is_private(about.st_uid, about.st_mode, *user))
		return complain(message, option, path,
						"must be for its owner only, who must be the user of the bridge or root "
						"(root's may be readable by its group)");
	return true;
}

/* All of the file; the data is to be freed by forget_file. */
static bool
read_all(int fd, gnutls_datum_t *data)
{
	ssize_t got = 0;

	data->size = 0;
	data->data = malloc(FILE_MAX + 1);
	while (data->data != NULL && data->size <= FILE_MAX &&
		   (got = read(fd, data->data + data->size, FILE_MAX + 1 - data->size)) > 0)
		data->size += (unsigned) got;
	return data->data != NULL && got == 0;
}

static void
forget_file(gnutls_datum_t *data)
{
	if (data->data != NULL)
		explicit_bzero(data->data, data->size);
	free(data->data);
	data->data = NULL;
}

static bool
read_file(const char *option, const char *path, const uid_t *user, gnutls_datum_t *data,
		  char *message)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char why[128];
	bool good;

	data->data = NULL;
	if (fd < 0)
	{
		snprintf(why, sizeof(why), "cannot be read: %s", strerror(errno));
		return complain(message, option, path, why);
	}
	good = check_file(fd, user, option, path, message);
	if (good && !read_all(fd, data))
		good = complain(message, option, path, "cannot be read");
	close(fd);
	return good;
}

/* ---- certificates ------------------------------------------------------- */

static void
certificate_free(Certificate *certificate)
{
	for (unsigned i = 0; i < certificate->length; i++)
		gnutls_pcert_deinit(&certificate->chain[i]);
	if (certificate->key != NULL)
		gnutls_privkey_deinit(certificate->key);
	free(certificate);
}

static bool
complain_of_gnutls(char *message, const char *option, const char *path, int error)
{
	char why[200];

	snprintf(why, sizeof(why), "cannot be used: %s", gnutls_strerror(error));
	return complain(message, option, path, why);
}

static bool
import_chain(Certificate *certificate, const char *path, char *message)
{
	gnutls_datum_t data;
	unsigned length = CHAIN_MAX;
	int error = 0;
	bool good = read_file("tls-cert", path, NULL, &data, message);

	if (good)
		error = gnutls_pcert_list_import_x509_raw(certificate->chain, &length, &data,
												  GNUTLS_X509_FMT_PEM, 0);
	forget_file(&data);
	if (error < 0)
		return complain_of_gnutls(message, "tls-cert", path, error);
	if (good)
		certificate->length = length;
	return good;
}

static bool
import_key(Certificate *certificate, const char *path, uid_t user, char *message)
{
	gnutls_datum_t data;
	int error = gnutls_privkey_init(&certificate->key);
	bool good = read_file("tls-key", path, &user, &data, message);

	if (good && error >= 0)
		error = gnutls_privkey_import_x509_raw(certificate->key, &data, GNUTLS_X509_FMT_PEM, NULL,
											   0);
	forget_file(&data);
	if (good && error < 0)
		return complain_of_gnutls(message, "tls-key", path, error);
	return good;
}

static bool
key_id(gnutls_pubkey_t key, unsigned char id[KEY_ID_MAX], size_t *size)
{
	*size = KEY_ID_MAX;
	return gnutls_pubkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, id, size) >= 0;
}

/* Whether the key is that of the first certificate. */
static bool
belongs_together(const Certificate *certificate)
{
	unsigned char of_key[KEY_ID_MAX];
	unsigned char of_certificate[KEY_ID_MAX];
	size_t key_size, certificate_size;
	gnutls_pubkey_t public_key;
	bool same;

	if (gnutls_pubkey_init(&public_key) < 0)
		return false;
	same = gnutls_pubkey_import_privkey(public_key, certificate->key, 0, 0) >= 0 &&
		   key_id(public_key, of_key, &key_size) &&
		   key_id(certificate->chain[0].pubkey, of_certificate, &certificate_size) &&
		   key_size == certificate_size && memcmp(of_key, of_certificate, key_size) == 0;
	gnutls_pubkey_deinit(public_key);
	return same;
}

static Certificate *
certificate_load(const char *cert_path, const char *key_path, uid_t user, char *message)
{
	Certificate *certificate = calloc(1, sizeof(Certificate));

	if (certificate == NULL)
	{
		snprintf(message, TLS_MESSAGE_MAX, "out of memory");
		return NULL;
	}
	if (import_chain(certificate, cert_path, message) &&
		import_key(certificate, key_path, user, message) &&
		(belongs_together(certificate) ||
		 complain(message, "tls-key", key_path, "is not the key of the certificate")))
		return certificate;
	certificate_free(certificate);
	return NULL;
}

/* ---- the one in force --------------------------------------------------- */

/* Free those that were replaced so long ago that nobody can be using them. */
static void
forget_replaced(Certificate *newest, int64_t handshake_us)
{
	Certificate **link = &newest->older;

	while (*link != NULL)
	{
		Certificate *certificate = *link;

		if (clock_us() - certificate->replaced > 2 * handshake_us)
		{
			*link = certificate->older;
			certificate_free(certificate);
		}
		else
			link = &certificate->older;
	}
}

bool
tls_load(const char *cert_path, const char *key_path, uid_t user, int64_t handshake_us,
		 char message[TLS_MESSAGE_MAX])
{
	Certificate *certificate = certificate_load(cert_path, key_path, user, message);

	if (certificate == NULL)
		return false;
	certificate->older = atomic_load(&in_force);
	if (certificate->older != NULL)
		certificate->older->replaced = clock_us();
	atomic_store(&in_force, certificate);
	forget_replaced(certificate, handshake_us);
	return true;
}

void
tls_unload(void)
{
	Certificate *certificate = atomic_exchange(&in_force, NULL);

	while (certificate != NULL)
	{
		Certificate *older = certificate->older;

		certificate_free(certificate);
		certificate = older;
	}
}

static void
describe(gnutls_x509_crt_t crt, char *text, size_t size)
{
	unsigned char serial[64];
	char hex[2 * sizeof(serial) + 1] = "";
	size_t length = sizeof(serial);
	time_t end = gnutls_x509_crt_get_expiration_time(crt);
	char date[32] = "?";
	struct tm utc;

	if (gnutls_x509_crt_get_serial(crt, serial, &length) >= 0)
		for (size_t i = 0; i < length; i++)
			snprintf(hex + 2 * i, 3, "%02X", serial[i]);
	if (gmtime_r(&end, &utc) != NULL)
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &utc);
	snprintf(text, size, "serial %s, %s %s", hex, end < time(NULL) ? "EXPIRED" : "valid until",
			 date);
}

void
tls_describe(char *text, size_t size)
{
	const Certificate *certificate = atomic_load(&in_force);
	gnutls_x509_crt_t crt;

	snprintf(text, size, "none");
	if (certificate == NULL || gnutls_x509_crt_init(&crt) < 0)
		return;
	if (gnutls_x509_crt_import(crt, &certificate->chain[0].cert, GNUTLS_X509_FMT_DER) >= 0)
		describe(crt, text, size);
	gnutls_x509_crt_deinit(crt);
}

/* ---- during a connection ------------------------------------------------ */

static int
retrieve(gnutls_session_t session, const gnutls_datum_t *issuers, int issuer_count,
		 const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **chain,
		 unsigned *length, gnutls_privkey_t *key)
{
	Certificate *certificate = atomic_load(&in_force);

	(void) session;
	(void) issuers;
	(void) issuer_count;
	(void) algorithms;
	(void) algorithm_count;
	if (certificate == NULL)
		return -1;
	*chain = certificate->chain;
	*length = certificate->length;
	*key = certificate->key;
	return 0;
}

TlsCallback
tls_certificate_callback(void)
{
	gnutls_certificate_retrieve_function2 *typed = retrieve;

	return (TlsCallback) typed;
}

static _Thread_local uint64_t moved;

static ssize_t
push(gnutls_transport_ptr_t transport, const void *bytes, size_t size)
{
	ssize_t sent = send((int) (intptr_t) transport, bytes, size, MSG_NOSIGNAL);

	if (sent > 0)
		moved += (uint64_t) sent;
	return sent;
}

static ssize_t
pull(gnutls_transport_ptr_t transport, void *bytes, size_t size)
{
	ssize_t got = recv((int) (intptr_t) transport, bytes, size, 0);

	if (got > 0)
		moved += (uint64_t) got;
	return got;
}

void
tls_count(void *session)
{
	gnutls_transport_set_push_function(session, push);
	gnutls_transport_set_pull_function(session, pull);
}

uint64_t
tls_moved(void)
{
	return moved;
}

size_t
tls_unread(void *session)
{
	return gnutls_record_check_pending(session);
}

ssize_t
tls_send(void *session, const char *bytes, size_t size)
{
	return gnutls_record_send(session, bytes, size);
}
