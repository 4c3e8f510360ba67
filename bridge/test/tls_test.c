/*
 * tls_test.c
 *		Whose key files are taken, and with which permissions.
 */
#include "tls.h"

#include <sys/stat.h>

#include "suites.h"
#include "test.h"

#define BRIDGE 1000
#define OTHER  1001

void
test_tls_suite(void)
{
	/* B4: PostgreSQL's rule, as for the key file of sealed storage */
	CHECK(tls_key_is_private(BRIDGE, S_IFREG | 0600, BRIDGE));
	CHECK(tls_key_is_private(BRIDGE, S_IFREG | 0400, BRIDGE));
	CHECK(!tls_key_is_private(OTHER, S_IFREG | 0600, BRIDGE));
	CHECK(!tls_key_is_private(BRIDGE, S_IFREG | 0640, BRIDGE));
	CHECK(!tls_key_is_private(BRIDGE, S_IFREG | 0604, BRIDGE));
	CHECK(tls_key_is_private(0, S_IFREG | 0640, BRIDGE));
	CHECK(!tls_key_is_private(0, S_IFREG | 0660, BRIDGE));
	CHECK(!tls_key_is_private(0, S_IFREG | 0644, BRIDGE));
	CHECK(!tls_key_is_private(0, S_IFREG | 0620, BRIDGE));
	CHECK(!tls_key_is_private(0, S_IFREG | 0610, BRIDGE));
	CHECK(!tls_key_is_private(0, S_IFREG | 0604, BRIDGE));
	CHECK(tls_key_is_private(0, S_IFREG | 0400, BRIDGE));
	CHECK(!tls_key_is_private(BRIDGE, S_IFREG | 0620, BRIDGE));
	CHECK(!tls_key_is_private(BRIDGE, S_IFREG | 0601, BRIDGE));
	CHECK(!tls_key_is_private(OTHER, S_IFREG | 0400, BRIDGE));
}
