/*
 * crypto.h
 *		Hashes, HMAC, AES-256-GCM and public keys: the one door to OpenSSL.
 *
 * Contexts are made once per backend.  A failure inside the library is an
 * ERROR; a sealed text that does not open is not.
 */
#ifndef PAT_CRYPTO_H
#define PAT_CRYPTO_H

#include "postgres.h"

#define PAT_HASH_LEN  32
#define PAT_KEY_LEN   32
#define PAT_NONCE_LEN 12
#define PAT_TAG_LEN   16

/* Bytes that sealing adds to a text: nonce before it, tag behind it. */
#define PAT_SEAL_OVERHEAD (PAT_NONCE_LEN + PAT_TAG_LEN)

extern void pat_sha256(const void *data, size_t len, uint8 hash[PAT_HASH_LEN]);

/* Take the key for sealing and opening; the caller wipes its copy. */
extern void pat_seal_set_key(const uint8 key[PAT_KEY_LEN]);

/* The row that a sealed text belongs to: it opens in no other. */
typedef struct PatSealedRow
{
	int32 id;
	int32 account_id;
	const uint8 *hash; /* secret_hash, PAT_HASH_LEN bytes */
} PatSealedRow;

/*
 * Seal len bytes into sealed, which holds len + PAT_SEAL_OVERHEAD bytes.  The
 * row is their associated data: id and account as 4 bytes big-endian each, hash.
 */
extern void pat_seal(const PatSealedRow *row, const void *text, size_t len, uint8 *sealed);

/*
 * Open len bytes of a sealed text into text, which holds len -
 * PAT_SEAL_OVERHEAD bytes.  False if the key, the row or any byte differs, which
 * the server log reports once for each loading of a key.
 */
extern bool pat_unseal(const PatSealedRow *row, const uint8 *sealed, size_t len, void *text);

/* Most bytes of an HMAC: SHA-512's. */
#define PAT_HMAC_MAX 64

/* HMAC (RFC 2104) with SHA-256, SHA-384 or SHA-512; writes hash_bits / 8 bytes. */
extern void pat_hmac(int hash_bits, const void *key, size_t key_len, const void *data, size_t len,
					 uint8 mac[PAT_HMAC_MAX]);

/* Compares in time that does not depend on the bytes. */
extern bool pat_equal_bytes(const void *a, const void *b, size_t len);

typedef struct PatPublicKey
{
	bool is_rsa;
	bool is_ec;
	int bits;          /* of the modulus, or of the curve's field */
	const char *curve; /* OpenSSL's name of it, NULL if the key has none */
} PatPublicKey;

/* Read a public key in PEM form; false if it is none. */
extern bool pat_read_public_key(const void *pem, size_t len, PatPublicKey *key);

/* Drop what failed calls left in OpenSSL's error queue, which the server shares. */
extern void pat_crypto_forget_errors(void);

#endif /* PAT_CRYPTO_H */
