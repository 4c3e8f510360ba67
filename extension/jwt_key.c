/*
 * jwt_key.c
 *		The keys that may sign caller tokens.
 *
 * Owns: the backend's copy of the keys in force, in a memory context of its
 * own.  Triggers on pat_jwt_key send a relcache invalidation with each change; it
 * marks the copy as stale, and the next look-up wipes and reads it anew.
 * Keys are read with a snapshot of that moment, not with the transaction's: a
 * copy outlives transactions, and a retired key must stop working.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "crypto.h"
#include "jwt_key.h"
#include "storage/relations.h"

#define RSA_BITS_MIN  2048
#define RSA_BITS_MAX  16384
#define KEYS_AT_FIRST 8

PG_FUNCTION_INFO_V1(pat_jwt_key_changed);
PG_FUNCTION_INFO_V1(pat_jwt_key_problem);

static MemoryContext context = NULL;
static PatJwtKey *keys;
static int n_keys = 0;
static int keys_room;
static bool stale = true;     /* the table has changed since reading began */
static bool complete = false; /* reading came to its end */
static Oid table_oid = InvalidOid;

/* Only marks: the copy may be in use. */
static void
mark_stale(Datum arg pg_attribute_unused(), Oid relid)
{
	if (!OidIsValid(relid) || relid == table_oid)
		stale = true;
}

static void
forget_keys(void)
{
	for (int i = 0; i < n_keys; i++)
		explicit_bzero(keys[i].key, keys[i].key_len);
	n_keys = 0;
	if (context != NULL)
		MemoryContextReset(context);
	else
	{
		context = AllocSetContextCreate(TopMemoryContext, "pat JWT keys", ALLOCSET_SMALL_SIZES);
		CacheRegisterRelcacheCallback(mark_stale, (Datum) 0);
	}
	keys_room = KEYS_AT_FIRST;
	keys = MemoryContextAlloc(context, keys_room * sizeof(PatJwtKey));
}

static bool
column(HeapTuple row, TupleDesc desc, int number, Datum *value)
{
	bool isnull;

	*value = heap_getattr(row, pat_columns(PAT_JWT_KEY)[number], desc, &isnull);
	return !isnull;
}

/* Claims are UTF-8, so what they are compared with is too. */
static char *
utf8_or_null(HeapTuple row, TupleDesc desc, int number)
{
	Datum value;
	char *string;

	if (!column(row, desc, number, &value))
		return NULL;
	string = TextDatumGetCString(value);
	return pg_server_to_any(string, strlen(string), PG_UTF8);
}

/* Of a value that had to be unpacked, the copy made for that is wiped. */
static void
copy_key(Datum value, PatJwtKey *key)
{
	bytea *bytes = DatumGetByteaPP(value);

	key->key_len = VARSIZE_ANY_EXHDR(bytes);
	key->key = palloc(key->key_len);
	memcpy(key->key, VARDATA_ANY(bytes), key->key_len);
	if ((Pointer) bytes != DatumGetPointer(value))
		explicit_bzero(VARDATA_ANY(bytes), key->key_len);
}

/* Where the owner has lifted NOT NULL, a row without what a key must have is none. */
static void
add_key(HeapTuple row, TupleDesc desc)
{
	Datum retired_at;
	Datum algorithm;
	Datum bytes;
	PatJwtKey key;
	char *name;

	if (column(row, desc, PAT_JWT_KEY_RETIRED_AT, &retired_at) ||
		!column(row, desc, PAT_JWT_KEY_ALGORITHM, &algorithm) ||
		!column(row, desc, PAT_JWT_KEY_KEY, &bytes))
		return;
	name = TextDatumGetCString(algorithm);
	key.algorithm = pat_jwt_algorithm((PatSlice){name, strlen(name)});
	key.kid = utf8_or_null(row, desc, PAT_JWT_KEY_KID);
	key.issuer = utf8_or_null(row, desc, PAT_JWT_KEY_ISSUER);
	key.audience = utf8_or_null(row, desc, PAT_JWT_KEY_AUDIENCE);
	key.subject_claim = utf8_or_null(row, desc, PAT_JWT_KEY_SUBJECT_CLAIM);
	if (key.kid == NULL || key.subject_claim == NULL)
		return;
	copy_key(bytes, &key);
	if (n_keys == keys_room)
		keys = repalloc(keys, (keys_room *= 2) * sizeof(PatJwtKey));
	keys[n_keys++] = key;
}

/* A null snapshot makes the scan take a fresh one, in parallel mode too. */
static void
read_keys(Relation table)
{
	SysScanDesc scan;
	HeapTuple tuple;

	complete = false;
	forget_keys();
	table_oid = RelationGetRelid(table);
	stale = false;
	scan = systable_beginscan(table, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		MemoryContext caller = MemoryContextSwitchTo(context);

		add_key(tuple, RelationGetDescr(table));
		MemoryContextSwitchTo(caller);
	}
	systable_endscan(scan);
	complete = true;
}

/*
 * Opening the table takes in what other sessions have changed only if this
 * transaction has not locked it yet, so we ask.
 */
static void
refresh_keys(void)
{
	Relation table = pat_table_open(PAT_JWT_KEY);

	AcceptInvalidationMessages();
	if (stale || !complete || table_oid != RelationGetRelid(table))
		read_keys(table);
	table_close(table, NoLock);
}

const PatJwtKey *
pat_jwt_key_find(const char *kid, PatJwtAlgorithm algorithm)
{
	const PatJwtKey *found = NULL;

	refresh_keys();
	for (int i = 0; i < n_keys; i++)
	{
		if (keys[i].algorithm != algorithm || (kid != NULL && strcmp(keys[i].kid, kid) != 0))
			continue;
		if (found != NULL)
			return NULL;
		found = &keys[i];
	}
	return found;
}

/* pat_jwt_key_changed() returns trigger: after each change of the table */
Datum
pat_jwt_key_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "pat_jwt_key_changed must be called as a trigger");
	CacheInvalidateRelcache(((TriggerData *) fcinfo->context)->tg_relation);
	return PointerGetDatum(NULL);
}

static bool
contains(const char *key, size_t len, const char *word)
{
	return memmem(key, len, word, strlen(word)) != NULL;
}

static const char *
hmac_key_problem(PatJwtAlgorithm algorithm, const char *key, size_t len)
{
	int bytes_min = pat_jwt_hash_bits(algorithm) / 8;

	if (contains(key, len, "-----BEGIN"))
		return "the secret is a key in PEM form, which others may know";
	if ((int) len < bytes_min)
		return psprintf("the secret must have at least %d bytes", bytes_min);
	return NULL;
}

static const char *
public_key_problem(PatJwtAlgorithm algorithm, const char *pem, size_t len)
{
	int bits = pat_jwt_hash_bits(algorithm);
	const char *curve = bits == 256 ? "prime256v1" : bits == 384 ? "secp384r1" : "secp521r1";
	PatPublicKey key;

	if (contains(pem, len, "PRIVATE KEY") || !pat_read_public_key(pem, len, &key))
		return "the key is no public key in PEM form";
	if (pat_jwt_family(algorithm) == PAT_JWT_RSA)
	{
		if (!key.is_rsa)
			return "the key is no RSA key";
		if (key.bits < RSA_BITS_MIN || key.bits > RSA_BITS_MAX)
			return psprintf("the RSA key must have %d to %d bits", RSA_BITS_MIN, RSA_BITS_MAX);
		return NULL;
	}
	if (!key.is_ec || key.curve == NULL || strcmp(key.curve, curve) != 0)
		return psprintf("the key is no key of the curve %s", curve);
	return NULL;
}

/* pat_jwt_key_problem(algorithm text, key bytea) returns text: null if they go together */
Datum
pat_jwt_key_problem(PG_FUNCTION_ARGS)
{
	text *name = PG_GETARG_TEXT_PP(0);
	bytea *key = PG_GETARG_BYTEA_PP(1);
	PatJwtAlgorithm algorithm = pat_jwt_algorithm(
		(PatSlice){VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)});
	const char *problem;

	if (algorithm == PAT_JWT_NO_ALGORITHM)
		problem = "the algorithm must be HS256, HS384, HS512, RS256, RS384, RS512, ES256, ES384 or "
				  "ES512";
	else if (pat_jwt_family(algorithm) == PAT_JWT_HMAC)
		problem = hmac_key_problem(algorithm, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
	else
		problem = public_key_problem(algorithm, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
	if (problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(problem));
}
