/*
 * jwt_signature.c
 *		Does a key's holder stand behind a JSON Web Token?  By libjwt.
 *
 * libjwt decides about the signature and nothing else.  It is lenient where
 * RFC 7515 is strict (1.10 takes "none" with an empty key, HS256 with the text
 * of a public key, loose base64, and copies the token onto the stack), so its
 * callers have bounded and split the token, chosen the key by the algorithm,
 * and read the claims themselves.
 *
 * libjwt is not linked but opened, with RTLD_DEEPBIND: it uses jansson, whose
 * json_object() has the name of an SQL function that the server exports, and a
 * linked libjwt would call the server's (seen with 1.10: a crash at the first
 * token).  Bound deeply, libraries find each other's names first.
 *
 * Owns: the opened library, for the life of the backend; libjwt's object for
 * the length of one call, and nothing between making and freeing it can raise
 * an error.
 */
#include "postgres.h"

#include <dlfcn.h>
#include <jwt.h>

#include "crypto.h"
#include "jwt_signature.h"

static const jwt_alg_t libjwt_algorithms[PAT_JWT_NO_ALGORITHM] = {
	[PAT_JWT_HS256] = JWT_ALG_HS256, [PAT_JWT_HS384] = JWT_ALG_HS384,
	[PAT_JWT_HS512] = JWT_ALG_HS512, [PAT_JWT_RS256] = JWT_ALG_RS256,
	[PAT_JWT_RS384] = JWT_ALG_RS384, [PAT_JWT_RS512] = JWT_ALG_RS512,
	[PAT_JWT_ES256] = JWT_ALG_ES256, [PAT_JWT_ES384] = JWT_ALG_ES384,
	[PAT_JWT_ES512] = JWT_ALG_ES512,
};

/* The makefile names the library by the version that <jwt.h> belongs to. */
#ifndef PAT_LIBJWT
#define PAT_LIBJWT "libjwt.so"
#endif

static struct
{
	bool opened;
	typeof(&jwt_decode) decode;
	typeof(&jwt_get_alg) get_alg;
	typeof(&jwt_free) free;
} libjwt;

static void *
symbol(void *library, const char *name)
{
	void *address = dlsym(library, name);

	if (address == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
						errmsg("library \"%s\" lacks the function \"%s\"", PAT_LIBJWT, name),
						errhidestmt(true), errhidecontext(true)));
	return address;
}

static void
open_libjwt(void)
{
	void *library;

	if (libjwt.opened)
		return;
	library = dlopen(PAT_LIBJWT, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
	if (library == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FILE),
						errmsg("could not load library \"%s\": %s", PAT_LIBJWT, dlerror()),
						errhint("Install libjwt: callers with JSON Web Tokens need it."),
						errhidestmt(true), errhidecontext(true)));
	libjwt.decode = symbol(library, "jwt_decode");
	libjwt.get_alg = symbol(library, "jwt_get_alg");
	libjwt.free = symbol(library, "jwt_free");
	libjwt.opened = true;
}

bool
pat_jwt_signature_fits(PatSlice token, PatJwtAlgorithm algorithm, const void *key, size_t key_len)
{
	char *text;
	jwt_t *jwt = NULL;
	bool fits;

	if (token.len > PAT_CREDENTIAL_MAX || key_len == 0 || algorithm >= PAT_JWT_NO_ALGORITHM)
		return false;
	open_libjwt();
	text = pnstrdup(token.data, token.len);
	fits = libjwt.decode(&jwt, text, key, (int) key_len) == 0 &&
		   libjwt.get_alg(jwt) == libjwt_algorithms[algorithm];
	libjwt.free(jwt);
	pat_crypto_forget_errors();
	explicit_bzero(text, token.len);
	pfree(text);
	return fits;
}
