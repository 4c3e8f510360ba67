/*
 * relations.h
 *		The extension's tables and indexes: where they are, which columns they have,
 *		and the locks that reading and changing them takes.
 *
 * Each call takes its locks, even if an earlier call of the transaction took the same
 * ones: those are released if the portal or the subtransaction that took them is aborted.
 * Locks are kept until the end of the transaction.
 */
#ifndef PAT_STORAGE_RELATIONS_H
#define PAT_STORAGE_RELATIONS_H

#include "postgres.h"

#include "access/attnum.h"
#include "fmgr.h"
#include "utils/rel.h"

/* Columns that are read; pat_columns gives their attribute numbers. */
enum
{
	PAT_ACCOUNT_ID,
	PAT_ACCOUNT_USERNAME,
	PAT_ACCOUNT_NAME,
	PAT_ACCOUNT_IS_SERVICE,
	PAT_ACCOUNT_IS_SYSTEM,
	PAT_ACCOUNT_ROOT_ROLE,
	PAT_ACCOUNT_CREATED_AT,
	PAT_ACCOUNT_DELETED_AT,
	PAT_ACCOUNT_USERNAME_SINCE,
	PAT_ACCOUNT_COLUMNS
};

enum
{
	PAT_TOKEN_ID,
	PAT_TOKEN_ACCOUNT_ID,
	PAT_TOKEN_DESCRIPTION,
	PAT_TOKEN_SECRET_HASH,
	PAT_TOKEN_SECRET_SEALED,
	PAT_TOKEN_CREATED_AT,
	PAT_TOKEN_EXPIRES_AT,
	PAT_TOKEN_SEEN_AT,
	PAT_TOKEN_COLUMNS
};

enum
{
	PAT_PERMISSION_ROLE_ID,
	PAT_PERMISSION_PERMISSION,
	PAT_PERMISSION_COLUMNS
};

enum
{
	PAT_JWT_KEY_ID,
	PAT_JWT_KEY_KID,
	PAT_JWT_KEY_ALGORITHM,
	PAT_JWT_KEY_KEY,
	PAT_JWT_KEY_ISSUER,
	PAT_JWT_KEY_AUDIENCE,
	PAT_JWT_KEY_SUBJECT_CLAIM,
	PAT_JWT_KEY_CREATED_AT,
	PAT_JWT_KEY_RETIRED_AT,
	PAT_JWT_KEY_COLUMNS
};

/* In the order in which they are locked: see relations.c. */
typedef enum PatTable
{
	PAT_ROLE, /* only locked */
	PAT_ROLE_PERMISSION,
	PAT_TOKEN,
	PAT_ACCOUNT,
	PAT_JWT_KEY,
	PAT_EVENT /* only locked */
} PatTable;

#define PAT_TABLES (PAT_EVENT + 1)

/* Named after what they look up. */
typedef enum PatIndex
{
	PAT_ACCOUNT_BY_ID,
	PAT_ACCOUNT_BY_USERNAME, /* deleted ones too */
	PAT_TOKEN_BY_ID,
	PAT_TOKEN_BY_HASH,
	PAT_TOKEN_BY_ACCOUNT,  /* and then by id */
	PAT_PERMISSION_BY_ROLE /* and then by permission */
} PatIndex;

#define PAT_INDEXES        (PAT_PERMISSION_BY_ROLE + 1)
#define PAT_INDEX_KEYS_MAX 2

/*
 * Every entry point that reads tables calls this first.  The tables are those in the
 * schema of the SQL function being called.  Takes ACCESS SHARE on the tables that most
 * calls read and on the indexes that they are read by, in the order of locks.
 */
extern void pat_relations_use(FunctionCallInfo fcinfo);

/*
 * The same for a call from a function in PL/pgSQL, which afterwards finds the tables by
 * the schema's name: raises 40001 if the schema was renamed while this waited for a lock.
 */
extern void pat_relations_use_by_name(FunctionCallInfo fcinfo);

/*
 * The same for functions that change something: also takes ROW SHARE on pat_role, and ROW
 * EXCLUSIVE on the tables that changes write: pat_token, pat_account, pat_jwt_key and
 * pat_event.  Waits for REINDEX and other commands that block writers.  In a read-only
 * transaction, in which the write will fail, it does what pat_relations_use_by_name does.
 */
extern void pat_relations_use_for_change(FunctionCallInfo fcinfo);

/*
 * Opens a table with ACCESS SHARE; close it with table_close and NoLock.  Errors, of the
 * functions above too: 42P01 there is none, 42809 it is no ordinary table, 42703 it lacks a
 * column, 42804 a column has another type than the extension gave it, 42704 it lacks an
 * index.
 */
extern Relation pat_table_open(PatTable table);

/*
 * Opens an index and its table, which the call has locked; close both with NoLock.  Its
 * key columns are those in its name in PatIndex and in the comment there.
 */
extern Relation pat_index_open(PatIndex index, Relation *table);

/*
 * The attribute numbers of a table's columns, indexed by the enums above.  Valid while the
 * table is open.
 */
extern const AttrNumber *pat_columns(PatTable table);

/* The highest of these: slot_getsomeattrs up to it reads all of them. */
extern AttrNumber pat_last_column(PatTable table);

#endif /* PAT_STORAGE_RELATIONS_H */
