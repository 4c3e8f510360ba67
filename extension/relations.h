/*
 * relations.h
 *		The extension's tables and indexes as direct scans need them: which
 *		columns they have, and which OIDs.
 *
 * OIDs are found once per backend and again after any change to a table
 * (REINDEX CONCURRENTLY replaces indexes, DROP and CREATE EXTENSION replace
 * everything).  Locks are kept until the end of the transaction; one on a table keeps
 * its indexes from being dropped.
 */
#ifndef PAT_RELATIONS_H
#define PAT_RELATIONS_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/rel.h"

/* Attribute numbers; checked against the catalog when a table is resolved. */
enum
{
	Anum_pat_account_id = 1,
	Anum_pat_account_username,
	Anum_pat_account_name,
	Anum_pat_account_is_service,
	Anum_pat_account_is_system,
	Anum_pat_account_root_role,
	Anum_pat_account_created_at,
	Anum_pat_account_deleted_at,
	Anum_pat_account_username_since,
	Natts_pat_account = Anum_pat_account_username_since
};

enum
{
	Anum_pat_token_id = 1,
	Anum_pat_token_account_id,
	Anum_pat_token_description,
	Anum_pat_token_secret_hash,
	Anum_pat_token_secret_sealed,
	Anum_pat_token_created_at,
	Anum_pat_token_expires_at,
	Anum_pat_token_seen_at,
	Natts_pat_token = Anum_pat_token_seen_at
};

enum
{
	Anum_pat_jwt_key_id = 1,
	Anum_pat_jwt_key_kid,
	Anum_pat_jwt_key_algorithm,
	Anum_pat_jwt_key_key,
	Anum_pat_jwt_key_issuer,
	Anum_pat_jwt_key_audience,
	Anum_pat_jwt_key_subject_claim,
	Anum_pat_jwt_key_created_at,
	Anum_pat_jwt_key_retired_at,
	Natts_pat_jwt_key = Anum_pat_jwt_key_retired_at
};

enum
{
	Anum_pat_role_permission_role_id = 1,
	Anum_pat_role_permission_permission,
	Natts_pat_role_permission = Anum_pat_role_permission_permission
};

/* Most columns that a table may have after upgrades; sizes the arrays of deformed rows. */
#define PAT_COLUMNS_MAX 32

typedef enum PatTable
{
	PAT_ACCOUNT,
	PAT_TOKEN,
	PAT_ROLE_PERMISSION,
	PAT_JWT_KEY
} PatTable;

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

#define PAT_INDEXES (PAT_PERMISSION_BY_ROLE + 1)

/*
 * Say in which schema the tables are: that of the SQL function being called.
 * Every entry point that reads tables does this first.
 */
extern void pat_relations_use(FunctionCallInfo fcinfo);

/* Open a table with AccessShareLock; close it with table_close and NoLock. */
extern Relation pat_table_open(PatTable table);

/* Open an index and its table, both with AccessShareLock; close both with NoLock. */
extern Relation pat_index_open(PatIndex index, Relation *table);

#endif /* PAT_RELATIONS_H */
