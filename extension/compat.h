/*
 * compat.h
 *		All that differs between PostgreSQL 13 and 19.
 *
 * No other file looks at PG_VERSION_NUM.
 */
#ifndef PAT_COMPAT_H
#define PAT_COMPAT_H

#include "postgres.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "common/jsonapi.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#if PG_VERSION_NUM < 130000
#error "pat needs PostgreSQL 13 or later"
#endif

/* 15 reserves the prefix of settings; before, unknown ones were only warned of. */
#if PG_VERSION_NUM >= 150000
#define pat_reserve_settings(prefix) MarkGUCPrefixReserved(prefix)
#else
#define pat_reserve_settings(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

/* 15 wants modules to ask for shared memory in a hook; before, they ask while they load. */
#if PG_VERSION_NUM >= 150000
static inline void
pat_hook_shmem_request(shmem_request_hook_type ask, shmem_request_hook_type *other)
{
	*other = shmem_request_hook;
	shmem_request_hook = ask;
}
#else
typedef void (*shmem_request_hook_type)(void);

static inline void
pat_hook_shmem_request(shmem_request_hook_type ask, shmem_request_hook_type *other)
{
	*other = NULL;
	ask();
}
#endif

/* 18 lets a module carry its name and version. */
#if PG_VERSION_NUM >= 180000
#define PAT_MODULE_MAGIC PG_MODULE_MAGIC_EXT(.name = "pat", .version = "1.0")
#else
#define PAT_MODULE_MAGIC PG_MODULE_MAGIC
#endif

/* 18 has this word for what stands before a declaration. */
#ifndef pg_noreturn
#define pg_noreturn __attribute__((noreturn))
#endif

/* A number of this backend's transaction that no other of it has; 17 moved it. */
static inline LocalTransactionId
pat_local_transaction(void)
{
#if PG_VERSION_NUM >= 170000
	return MyProc->vxid.lxid;
#else
	return MyProc->lxid;
#endif
}

/* The digits of a number; what is returned is their count, which 13 keeps to itself. */
static inline int
pat_ltoa(int32 value, char *digits)
{
#if PG_VERSION_NUM >= 140000
	return pg_ltoa(value, digits);
#else
	pg_ltoa(value, digits);
	return strlen(digits);
#endif
}

static inline int
pat_lltoa(int64 value, char *digits)
{
#if PG_VERSION_NUM >= 140000
	return pg_lltoa(value, digits);
#else
	pg_lltoa(value, digits);
	return strlen(digits);
#endif
}

/* 18 can count what a scan does, for EXPLAIN; 19 takes hints about it. */
static inline IndexScanDesc
pat_index_beginscan(Relation table, Relation index, Snapshot snapshot, int nkeys)
{
#if PG_VERSION_NUM >= 190000
	return index_beginscan(table, index, snapshot, NULL, nkeys, 0, SO_NONE);
#elif PG_VERSION_NUM >= 180000
	return index_beginscan(table, index, snapshot, NULL, nkeys, 0);
#else
	return index_beginscan(table, index, snapshot, nkeys, 0);
#endif
}

/* What an update of a row says about the indexes that need a new entry; 16 tells more. */
#if PG_VERSION_NUM >= 160000
typedef TU_UpdateIndexes PatIndexesToUpdate;
#else
typedef bool PatIndexesToUpdate;
#endif

/*
 * 14 names the table in the call, 16 may leave all but summarizing indexes alone, 19
 * takes flags.
 */
static inline void
pat_insert_index_tuples(ResultRelInfo *table, TupleTableSlot *slot, EState *estate,
						PatIndexesToUpdate indexes)
{
#if PG_VERSION_NUM >= 190000
	if (indexes != TU_None)
		ExecInsertIndexTuples(table, estate, indexes == TU_Summarizing ? EIIT_ONLY_SUMMARIZING : 0,
							  slot, NIL, NULL);
#elif PG_VERSION_NUM >= 160000
	if (indexes != TU_None)
		ExecInsertIndexTuples(table, slot, estate, false, false, NULL, NIL,
							  indexes == TU_Summarizing);
#elif PG_VERSION_NUM >= 140000
	if (indexes)
		ExecInsertIndexTuples(table, slot, estate, false, false, NULL, NIL);
#else
	estate->es_result_relation_info = table;
	if (indexes)
		ExecInsertIndexTuples(slot, estate, false, NULL, NIL);
#endif
}

/*
 * All of them, as for a new row: which ones an update bears on is known to a plan only.
 * 14 names the table in the call.
 */
static inline void
pat_compute_generated_columns(ResultRelInfo *table, EState *estate, TupleTableSlot *slot)
{
#if PG_VERSION_NUM >= 140000
	ExecComputeStoredGenerated(table, estate, slot, CMD_INSERT);
#else
	estate->es_result_relation_info = table;
	ExecComputeStoredGenerated(estate, slot, CMD_INSERT);
#endif
}

/*
 * UTF-8 text in the server's encoding; NULL where it has no such text, which
 * is an error before 14.
 */
static inline char *
pat_utf8_to_server(char *utf8, int len)
{
#if PG_VERSION_NUM >= 140000
	int encoding = GetDatabaseEncoding();
	Size room = (Size) len * MAX_CONVERSION_GROWTH + 1;
	Oid conversion;
	char *text;

	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
		return utf8;
	conversion = FindDefaultConversionProc(PG_UTF8, encoding);
	if (!OidIsValid(conversion))
		return NULL;
	text = palloc(room);
	return pg_do_encoding_conversion_buf(conversion, PG_UTF8, encoding, (unsigned char *) utf8, len,
										 (unsigned char *) text, (int) room, true) == len
			   ? text
			   : NULL;
#else
	return pg_any_to_server(utf8, len, PG_UTF8);
#endif
}

/* 16 lets callbacks of the JSON parser fail. */
#if PG_VERSION_NUM >= 160000
typedef JsonParseErrorType PatJsonCallbackResult;
#define PAT_JSON_CALLBACK_DONE JSON_SUCCESS
#else
typedef void PatJsonCallbackResult;
#define PAT_JSON_CALLBACK_DONE
#endif

/* A lexer for UTF-8 text that resolves escapes; 17 can reuse one. */
static inline JsonLexContext *
pat_make_json_lexer(const char *json, size_t len)
{
#if PG_VERSION_NUM >= 170000
	return makeJsonLexContextCstringLen(NULL, unconstify(char *, json), len, PG_UTF8, true);
#else
	return makeJsonLexContextCstringLen(unconstify(char *, json), (int) len, PG_UTF8, true);
#endif
}

#endif /* PAT_COMPAT_H */
