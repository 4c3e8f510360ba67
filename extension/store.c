/*
 * store.c
 *		Reading the extension's tables by index with the active snapshot.
 *
 * Owns nothing between calls: what a function opens it closes, and an error
 * lets the resource owner do so.  Locks on tables are kept until the end of the
 * transaction, as every query keeps them: a row's place, once read, stays good.
 * The scans are those that the server uses for its own catalogs; they take heap
 * attribute numbers and refuse an index that does not carry them.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "relations.h"
#include "store.h"

/*
 * An index rebuilt after an old snapshot was taken may lack row versions that
 * only this snapshot sees (pg_index.indcheckxmin).  The planner avoids such an
 * index; we ask for a new snapshot.
 */
static void
check_index_usable(Relation index)
{
	if (index->rd_index->indcheckxmin &&
		!TransactionIdPrecedes(HeapTupleHeaderGetXmin(index->rd_indextuple->t_data),
							   TransactionXmin))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("index \"%s\" was rebuilt after this transaction's snapshot",
						RelationGetRelationName(index)),
				 errhint("Retry the transaction."), errhidestmt(true), errhidecontext(true)));
}

static SysScanDesc
begin_scan(Relation table, PatIndex index, int nkeys, ScanKey keys)
{
	SysScanDesc scan = systable_beginscan(table, pat_index_oid(index), true, GetActiveSnapshot(),
										  nkeys, keys);

	if (scan->irel != NULL)
		check_index_usable(scan->irel);
	return scan;
}

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
read_token(HeapTuple tuple, TupleDesc desc, PatToken *token)
{
	Row row;

	heap_deform_tuple(tuple, desc, row.values, row.nulls);
	token->id = row_int(&row, Anum_pat_token_id);
	token->account_id = row_int(&row, Anum_pat_token_account_id);
	token->description = (text *) row_varlena(&row, Anum_pat_token_description);
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
	Relation table = pat_table_open(PAT_ACCOUNT);
	SysScanDesc scan = begin_scan(table, index, 1, key);
	HeapTuple tuple = systable_getnext(scan);

	if (HeapTupleIsValid(tuple))
	{
		Row row;

		heap_deform_tuple(tuple, RelationGetDescr(table), row.values, row.nulls);
		read_account(&row, account);
		if (details != NULL)
			read_account_details(&row, details);
	}
	systable_endscan(scan);
	table_close(table, NoLock);
	return HeapTupleIsValid(tuple);
}

bool
pat_find_account(int32 id, PatAccount *account, PatAccountDetails *details)
{
	ScanKeyData key;

	ScanKeyInit(&key, Anum_pat_account_id, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(id));
	return find_account(PAT_ACCOUNT_BY_ID, &key, account, details);
}

/* The column has the database's collation, and so has its index. */
bool
pat_find_account_by_username(const char *username, PatAccount *account)
{
	ScanKeyData key;

	ScanKeyInit(&key, Anum_pat_account_username, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(username));
	key.sk_collation = DEFAULT_COLLATION_OID;
	return find_account(PAT_ACCOUNT_BY_USERNAME, &key, account, NULL);
}

static bool
find_token(PatIndex index, ScanKey key, PatToken *token, bool with_texts)
{
	Relation table = pat_table_open(PAT_TOKEN);
	SysScanDesc scan = begin_scan(table, index, 1, key);
	HeapTuple tuple = systable_getnext(scan);

	if (HeapTupleIsValid(tuple))
	{
		read_token(tuple, RelationGetDescr(table), token);
		token->description = with_texts ? copy_text(token->description) : NULL;
		token->sealed = with_texts ? copy_text(token->sealed) : NULL;
	}
	systable_endscan(scan);
	table_close(table, NoLock);
	return HeapTupleIsValid(tuple);
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
	Relation table = pat_table_open(PAT_ROLE_PERMISSION);
	ScanKeyData keys[2];
	SysScanDesc scan;
	bool found;

	role_key(&keys[0], role_id);
	ScanKeyInit(&keys[1], Anum_pat_role_permission_permission, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(permission));
	scan = begin_scan(table, PAT_PERMISSION_BY_ROLE, 2, keys);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(table, NoLock);
	return found;
}

ArrayType *
pat_role_permissions(int32 role_id)
{
	Relation table = pat_table_open(PAT_ROLE_PERMISSION);
	ArrayBuildState *names = initArrayResult(TEXTOID, CurrentMemoryContext, false);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	role_key(&key, role_id);
	scan = begin_scan(table, PAT_PERMISSION_BY_ROLE, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool isnull;
		Datum name = heap_getattr(tuple, Anum_pat_role_permission_permission,
								  RelationGetDescr(table), &isnull);

		accumArrayResult(names, name, isnull, TEXTOID, CurrentMemoryContext);
	}
	systable_endscan(scan);
	table_close(table, NoLock);
	return DatumGetArrayTypeP(makeArrayResult(names, CurrentMemoryContext));
}

void
pat_token_scan_begin(PatTokenScan *scan, int32 account_id)
{
	ScanKeyData key;

	scan->table = pat_table_open(PAT_TOKEN);
	scan->index = index_open(pat_index_oid(PAT_TOKEN_BY_ACCOUNT), AccessShareLock);
	check_index_usable(scan->index);
	ScanKeyInit(&key, Anum_pat_token_account_id, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(account_id));
	scan->scan = systable_beginscan_ordered(scan->table, scan->index, GetActiveSnapshot(), 1, &key);
}

bool
pat_token_scan_next(PatTokenScan *scan, PatToken *token)
{
	HeapTuple tuple = systable_getnext_ordered(scan->scan, ForwardScanDirection);

	if (HeapTupleIsValid(tuple))
		read_token(tuple, RelationGetDescr(scan->table), token);
	return HeapTupleIsValid(tuple);
}

void
pat_token_scan_end(PatTokenScan *scan)
{
	systable_endscan_ordered(scan->scan);
	index_close(scan->index, AccessShareLock);
	table_close(scan->table, NoLock);
}
