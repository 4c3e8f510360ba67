/*
 * store.h
 *		Reading the extension's tables by index with the active snapshot.
 *
 * No privilege is checked here: the callers are the guard, and no path may
 * come here for anything but authentication before they have decided.
 * What a call returns is copied into the current memory context; only the
 * texts of a token scan's row last no longer than until the next row.
 */
#ifndef PAT_STORAGE_STORE_H
#define PAT_STORAGE_STORE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/itemptr.h"
#include "utils/array.h"

#include "../crypto.h"
#include "scan.h"

typedef struct PatAccount
{
	int32 id;
	int32 root_role; /* only if has_role */
	bool has_role;
	bool is_service;
	bool is_system;
	bool is_deleted;
	TimestampTz created_at;     /* DT_NOEND where the row has none */
	TimestampTz username_since; /* DT_NOBEGIN where the row has none */
} PatAccount;

/* What is only shown; texts are NULL where the row has none. */
typedef struct PatAccountDetails
{
	text *username;
	text *name;
	TimestampTz created_at;
	bool has_created_at;
} PatAccountDetails;

/* Times are NULL (absent) where the flag says so. */
typedef struct PatToken
{
	int32 id;
	int32 account_id;
	text *description; /* NULL = none */
	bytea *hash;       /* NULL = none */
	bytea *sealed;     /* NULL = none */
	TimestampTz created_at;
	TimestampTz expires_at;
	TimestampTz seen_at;
	bool has_created_at;
	bool has_expires_at;
	bool has_seen_at;
	ItemPointerData place; /* of the row version */
} PatToken;

/* details may be NULL. */
extern bool pat_find_account(int32 id, PatAccount *account, PatAccountDetails *details);

/* Of the living only. */
extern bool pat_find_account_by_username(const char *username, PatAccount *account);

/* Does an account of another id have this username, a deleted one included? */
extern bool pat_username_is_of_another(const char *username, int32 id);

/* Without the texts. */
extern bool pat_find_token_by_hash(const uint8 hash[PAT_HASH_LEN], PatToken *token);

extern bool pat_find_token_by_id(int32 id, PatToken *token);

extern bool pat_role_has_permission(int32 role_id, const char *permission);

/* Names of all permissions of a role, in order; an array of text. */
extern ArrayType *pat_role_permissions(int32 role_id);

/* All tokens of an account, in order of their ids. */
typedef struct PatTokenScan
{
	PatScan scan;
	int32 account_id;
} PatTokenScan;

extern void pat_token_scan_begin(PatTokenScan *tokens, int32 account_id);
extern bool pat_token_scan_next(PatTokenScan *tokens, PatToken *token);
extern void pat_token_scan_end(PatTokenScan *tokens);

#endif /* PAT_STORAGE_STORE_H */
