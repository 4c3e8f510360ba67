/*
 * store.c
 *		Reading the extension's tables by index with the active snapshot.
 *
 * Owns nothing between calls.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "relations.h"
#include "scan.h"
#include "store.h"

/* A row taken apart; columns that later versions add lie behind those we know. */
typedef struct Row
{
	Datum values[PAT_COLUMNS_MAX];
	bool nulls[PAT_COLUMNS_MAX];
} Row;

static inline bool
row_has(const Row *row, int attnum)
{
	return !row->nulls[attnum - 1];
}

static inline int32
row_int(const Row *row, int attnum)
{
	return row_has(row, attnum) ? DatumGetInt32(row->values[attnum - 1]) : 0;
}

static inline bool
row_bool(const Row *row, int attnum)
{
	return row_has(row, attnum) && DatumGetBool(row->values[attnum - 1]);
}

static inline TimestampTz
row_time(const Row *row, int attnum)
{
	return row_has(row, attnum) ? DatumGetTimestampTz(row->values[attnum - 1]) : 0;
}

/* Detoasted if need be; NULL for a null. */
static inline struct varlena *
row_varlena(const Row *row, int attnum)
{
	return row_has(row, attnum) ? pg_detoast_datum_packed(
									  (struct varlena *) DatumGetPointer(row->values[attnum - 1]))
								: NULL;
}

static text *
copy_text(struct varlena *value)
{
	return value == NULL ? NULL : DatumGetTextPCopy(PointerGetDatum(value));
}

static void
read_account(const Row *row, PatAccount *account)
{
	account->id = row_int(row, Anum_pat_account_id);
	account->root_role = row_int(row, Anum_pat_account_root_role);
	account->is_service = row_bool(row, Anum_pat_account_is_service);
	account->is_system = row_bool(row, Anum_pat_account_is_system);
	account->is_deleted = row_has(row, Anum_pat_account_deleted_at);
	account->created_at = row_has(row, Anum_pat_account_created_at)
							  ? row_time(row, Anum_pat_account_created_at)
							  : DT_NOEND;
	account->username_since = row_has(row, Anum_pat_account_username_since)
								  ? row_time(row, Anum_pat_account_username_since)
								  : DT_NOBEGIN;
}

static void
read_account_details(const Row *row, PatAccountDetails *details)
{
	details->username = copy_text(row_varlena(row, Anum_pat_account_username));
	details->name = copy_text(row_varlena(row, Anum_pat_account_name));
	details->created_at = row_time(row, Anum_pat_account_created_at);
	details->has_created_at = row_has(row, Anum_pat_account_created_at);
}

static void
take_apart(const PatScan *scan, HeapTuple tuple, Row *row)
{
	heap_deform_tuple(tuple, RelationGetDescr(scan->table), row->values, row->nulls);
}

static void
read_token(const PatScan *scan, HeapTuple tuple, PatToken *token)
{
	Row row;

	take_apart(scan, tuple, &row);
	token->id = row_int(&row, Anum_pat_token_id);
	token->account_id = row_int(&row, Anum_pat_token_account_id);
	token->description = (text *) row_varlena(&row, Anum_pat_token_description);
	token->hash = (bytea *) row_varlena(&row, Anum_pat_token_secret_hash);
	token->sealed = (bytea *) row_varlena(&row, Anum_pat_token_secret_sealed);
	token->created_at = row_time(&row, Anum_pat_token_created_at);
	token->expires_at = row_time(&row, Anum_pat_token_expires_at);
	token->seen_at = row_time(&row, Anum_pat_token_seen_at);
	token->has_created_at = row_has(&row, Anum_pat_token_created_at);
	token->has_expires_at = row_has(&row, Anum_pat_token_expires_at);
	token->has_seen_at = row_has(&row, Anum_pat_token_seen_at);
	token->place = tuple->t_self;
}

static bool
find_account(PatIndex index, ScanKey key, PatAccount *account, PatAccountDetails *details)
{
	PatScan scan;
	HeapTupleData tuple;
	bool found;

	pat_scan_begin(&scan, index, 1, key);
	found = pat_scan_next(&scan, &tuple);
	if (found)
	{
		Row row;

		take_apart(&scan, &tuple, &row);
		read_account(&row, account);
		if (details != NULL)
			read_account_details(&row, details);
	}
	pat_scan_end(&scan);
	return found;
}

bool
pat_find_account(int32 id, PatAccount *account, PatAccountDetails *details)
{
	ScanKeyData key;

	ScanKeyInit(&key, Anum_pat_account_id, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(id));
	return find_account(PAT_ACCOUNT_BY_ID, &key, account, details);
}

/* The column has the database's collation, and so has its index. */
static void
username_scan_begin(PatScan *scan, const char *username)
{
	ScanKeyData key;

	ScanKeyInit(&key, Anum_pat_account_username, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(username));
	key.sk_collation = DEFAULT_COLLATION_OID;
	pat_scan_begin(scan, PAT_ACCOUNT_BY_USERNAME, 1, &key);
}

static bool
username_scan_next(PatScan *scan, PatAccount *account)
{
	HeapTupleData tuple;
	Row row;

	if (!pat_scan_next(scan, &tuple))
		return false;
	take_apart(scan, &tuple, &row);
	read_account(&row, account);
	return true;
}

bool
pat_find_account_by_username(const char *username, PatAccount *account)
{
	PatScan scan;
	bool found;

	username_scan_begin(&scan, username);
	do
		found = username_scan_next(&scan, account);
	while (found && account->is_deleted);
	pat_scan_end(&scan);
	return found;
}

bool
pat_username_is_of_another(const char *username, int32 id)
{
	PatAccount account;
	PatScan scan;
	bool found;

	username_scan_begin(&scan, username);
	do
		found = username_scan_next(&scan, &account);
	while (found && account.id == id);
	pat_scan_end(&scan);
	return found;
}

static bool
find_token(PatIndex index, ScanKey key, PatToken *token, bool with_texts)
{
	PatScan scan;
	HeapTupleData tuple;
	bool found;

	pat_scan_begin(&scan, index, 1, key);
	found = pat_scan_next(&scan, &tuple);
	if (found)
	{
		read_token(&scan, &tuple, token);
		token->description = with_texts ? copy_text(token->description) : NULL;
		token->hash = with_texts ? copy_text(token->hash) : NULL;
		token->sealed = with_texts ? copy_text(token->sealed) : NULL;
	}
	pat_scan_end(&scan);
	return found;
}

bool
pat_find_token_by_hash(const uint8 hash[PAT_HASH_LEN], PatToken *token)
{
	char wanted[VARHDRSZ + PAT_HASH_LEN];
	ScanKeyData key;

	SET_VARSIZE(wanted, sizeof(wanted));
	memcpy(VARDATA(wanted), hash, PAT_HASH_LEN);
	ScanKeyInit(&key, Anum_pat_token_secret_hash, BTEqualStrategyNumber, F_BYTEAEQ,
				PointerGetDatum(wanted));
	return find_token(PAT_TOKEN_BY_HASH, &key, token, false);
}

bool
pat_find_token_by_id(int32 id, PatToken *token)
{
	ScanKeyData key;

	ScanKeyInit(&key, Anum_pat_token_id, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(id));
	return find_token(PAT_TOKEN_BY_ID, &key, token, true);
}

static void
role_key(ScanKey key, int32 role_id)
{
	ScanKeyInit(key, Anum_pat_role_permission_role_id, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(role_id));
}

bool
pat_role_has_permission(int32 role_id, const char *permission)
{
	ScanKeyData keys[2];
	PatScan scan;
	HeapTupleData tuple;
	bool found;

	role_key(&keys[0], role_id);
	ScanKeyInit(&keys[1], Anum_pat_role_permission_permission, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(permission));
	pat_scan_begin(&scan, PAT_PERMISSION_BY_ROLE, 2, keys);
	found = pat_scan_next(&scan, &tuple);
	pat_scan_end(&scan);
	return found;
}

ArrayType *
pat_role_permissions(int32 role_id)
{
	ArrayBuildState *names = initArrayResult(TEXTOID, CurrentMemoryContext, false);
	ScanKeyData key;
	PatScan scan;
	HeapTupleData tuple;

	role_key(&key, role_id);
	pat_scan_begin(&scan, PAT_PERMISSION_BY_ROLE, 1, &key);
	while (pat_scan_next(&scan, &tuple))
	{
		bool isnull;
		Datum name = heap_getattr(&tuple, Anum_pat_role_permission_permission,
								  RelationGetDescr(scan.table), &isnull);

		accumArrayResult(names, name, isnull, TEXTOID, CurrentMemoryContext);
	}
	pat_scan_end(&scan);
	return DatumGetArrayTypeP(makeArrayResult(names, CurrentMemoryContext));
}

void
pat_token_scan_begin(PatTokenScan *tokens, int32 account_id)
{
	ScanKeyData key;

	tokens->account_id = account_id;
	ScanKeyInit(&key, Anum_pat_token_account_id, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(account_id));
	pat_scan_begin(&tokens->scan, PAT_TOKEN_BY_ACCOUNT, 1, &key);
}

bool
pat_token_scan_next(PatTokenScan *tokens, PatToken *token)
{
	HeapTupleData tuple;

	if (!pat_scan_next(&tokens->scan, &tuple))
		return false;
	read_token(&tokens->scan, &tuple, token);
	/* Only an index that is damaged would do so: better no list than another account's. */
	if (token->account_id != tokens->account_id)
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index \"%s\" names a row of another account",
						RelationGetRelationName(tokens->scan.index)),
				 errhint("Rebuild it with REINDEX."), errhidestmt(true), errhidecontext(true)));
	return true;
}

void
pat_token_scan_end(PatTokenScan *tokens)
{
	pat_scan_end(&tokens->scan);
}
