/*
 * crypto.c
 *		Hashes, HMAC, AES-256-GCM and public keys by OpenSSL.
 *
 * Owns: one digest context, one cipher context for each direction (they hold
 * the key schedule).  They live as long as the backend.  Keeping them saves
 * OpenSSL 3's look-up of an algorithm by name, which costs more than hashing
 * a token does.
 */
#include "postgres.h"

#include "port/pg_bswap.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/objects.h>
#include <openssl/pem.h>

#include "crypto.h"

#if OPENSSL_VERSION_NUMBER < 0x30000000L
#error "pat needs OpenSSL 3.0 or later"
#endif

static EVP_MD_CTX *digest = NULL;
static EVP_CIPHER_CTX *sealing = NULL;
static EVP_CIPHER_CTX *opening = NULL;
static bool misfit_reported = false;

/* OpenSSL's calls return 1 for success; what else there is, is memory or a build without. */
static void
must(bool success, const char *what)
{
	if (!success)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not %s", what),
						errhidestmt(true), errhidecontext(true)));
}

void
pat_sha256(const void *data, size_t len, uint8 hash[PAT_HASH_LEN])
{
	bool fresh = digest == NULL;

	if (fresh)
		digest = EVP_MD_CTX_new();
	must(digest != NULL && EVP_DigestInit_ex(digest, fresh ? EVP_sha256() : NULL, NULL) == 1 &&
			 EVP_DigestUpdate(digest, data, len) == 1 &&
			 EVP_DigestFinal_ex(digest, hash, NULL) == 1,
		 "compute a SHA-256 hash");
}

void
pat_seal_set_key(const uint8 key[PAT_KEY_LEN])
{
	if (sealing == NULL)
		sealing = EVP_CIPHER_CTX_new();
	if (opening == NULL)
		opening = EVP_CIPHER_CTX_new();
	must(sealing != NULL && opening != NULL &&
			 EVP_EncryptInit_ex(sealing, EVP_aes_256_gcm(), NULL, key, NULL) == 1 &&
			 EVP_DecryptInit_ex(opening, EVP_aes_256_gcm(), NULL, key, NULL) == 1,
		 "set up the cipher for sealed secrets");
	misfit_reported = false;
}

#define ROW_LEN (2 * sizeof(uint32) + PAT_HASH_LEN)

static void
write_row(const PatSealedRow *row, uint8 associated[ROW_LEN])
{
	uint32 ids[2] = {pg_hton32((uint32) row->id), pg_hton32((uint32) row->account_id)};

	memcpy(associated, ids, sizeof(ids));
	memcpy(associated + sizeof(ids), row->hash, PAT_HASH_LEN);
}

void
pat_seal(const PatSealedRow *row, const void *text, size_t len, uint8 *sealed)
{
	uint8 associated[ROW_LEN];
	uint8 *body = sealed + PAT_NONCE_LEN;
	int done;

	write_row(row, associated);
	must(pg_strong_random(sealed, PAT_NONCE_LEN) &&
			 EVP_EncryptInit_ex(sealing, NULL, NULL, NULL, sealed) == 1 &&
			 EVP_EncryptUpdate(sealing, NULL, &done, associated, ROW_LEN) == 1 &&
			 EVP_EncryptUpdate(sealing, body, &done, text, (int) len) == 1 &&
			 EVP_EncryptFinal_ex(sealing, body + len, &done) == 1 &&
			 EVP_CIPHER_CTX_ctrl(sealing, EVP_CTRL_GCM_GET_TAG, PAT_TAG_LEN, body + len) == 1,
		 "seal a secret");
}

static bool
open_sealed(const PatSealedRow *row, const uint8 *sealed, int body_len, void *text)
{
	uint8 associated[ROW_LEN];
	const uint8 *body = sealed + PAT_NONCE_LEN;
	uint8 tag[PAT_TAG_LEN];
	int done;

	write_row(row, associated);
	memcpy(tag, body + body_len, PAT_TAG_LEN);
	return EVP_DecryptInit_ex(opening, NULL, NULL, NULL, sealed) == 1 &&
		   EVP_DecryptUpdate(opening, NULL, &done, associated, ROW_LEN) == 1 &&
		   EVP_DecryptUpdate(opening, text, &done, body, body_len) == 1 &&
		   EVP_CIPHER_CTX_ctrl(opening, EVP_CTRL_GCM_SET_TAG, PAT_TAG_LEN, tag) == 1 &&
		   EVP_DecryptFinal_ex(opening, (uint8 *) text + body_len, &done) == 1;
}

/* Once for each loading of a key: a wrong key opens no row at all. */
static void
report_misfit(int32 id)
{
	if (!misfit_reported)
		ereport(
			LOG_SERVER_ONLY,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("could not open the sealed secret of token %d", id),
			 errhint(
				 "Either \"pat.secret_key_file\" names another key than the one that sealed it, "
				 "or the sealed secret belongs to another row."),
			 errhidestmt(true), errhidecontext(true)));
	misfit_reported = true;
}

bool
pat_unseal(const PatSealedRow *row, const uint8 *sealed, size_t len, void *text)
{
	if (len >= PAT_SEAL_OVERHEAD && open_sealed(row, sealed, (int) len - PAT_SEAL_OVERHEAD, text))
		return true;
	report_misfit(row->id);
	return false;
}

void
pat_hmac(int hash_bits, const void *key, size_t key_len, const void *data, size_t len,
		 uint8 mac[PAT_HMAC_MAX])
{
	const EVP_MD *hash = hash_bits == 256   ? EVP_sha256()
						 : hash_bits == 384 ? EVP_sha384()
											: EVP_sha512();

	/* an empty key is valid for HMAC, a null pointer is not for OpenSSL */
	must(HMAC(hash, key_len > 0 ? key : "", (int) key_len, data, len, mac, NULL) != NULL,
		 "compute an HMAC");
}

bool
pat_equal_bytes(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

/* OpenSSL's own asks on the terminal that the server was started from. */
static int
no_pass_phrase(char *buf pg_attribute_unused(), int size pg_attribute_unused(),
			   int writing pg_attribute_unused(), void *arg pg_attribute_unused())
{
	return -1;
}

bool
pat_read_public_key(const void *pem, size_t len, PatPublicKey *key)
{
	BIO *bio = BIO_new_mem_buf(pem, (int) len);
	EVP_PKEY *pkey = bio == NULL ? NULL : PEM_read_bio_PUBKEY(bio, NULL, no_pass_phrase, NULL);
	bool found = pkey != NULL;

	memset(key, 0, sizeof(*key));
	if (found)
	{
		char curve[64];
		size_t curve_len;
		int type = EVP_PKEY_base_id(pkey);

		key->is_rsa = type == EVP_PKEY_RSA;
		key->is_ec = type == EVP_PKEY_EC;
		key->bits = EVP_PKEY_bits(pkey);
		if (key->is_ec && EVP_PKEY_get_group_name(pkey, curve, sizeof(curve), &curve_len) == 1)
			key->curve = OBJ_nid2sn(OBJ_sn2nid(curve));
	}
	EVP_PKEY_free(pkey);
	BIO_free(bio);
	ERR_clear_error();
	return found;
}

void
pat_crypto_forget_errors(void)
{
	ERR_clear_error();
}
