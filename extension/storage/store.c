/*
 * store.c
 *		Reading the extension's tables by index with the active snapshot.
 *
 * Owns nothing between calls.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "relations.h"
#include "scan.h"
#include "store.h"

/* A row, and the attribute numbers of its table's columns. */
typedef struct Row
{
	const TupleTableSlot *slot;
	const AttrNumber *columns;
} Row;

/* Reads the row up to the last of its columns in relations.h. */
static inline Row
row_of(TupleTableSlot *slot, PatTable table)
{
	slot_getsomeattrs(slot, pat_last_column(table));
	return (Row){slot, pat_columns(table)};
}

static inline bool
row_has(const Row *row, int column)
{
	return !row->slot->tts_isnull[row->columns[column] - 1];
}

static inline Datum
row_datum(const Row *row, int column)
{
	return row->slot->tts_values[row->columns[column] - 1];
}

static inline int32
row_int(const Row *row, int column)
{
	return row_has(row, column) ? DatumGetInt32(row_datum(row, column)) : 0;
}

static inline bool
row_bool(const Row *row, int column)
{
	return row_has(row, column) && DatumGetBool(row_datum(row, column));
}

static inline TimestampTz
row_time(const Row *row, int column)
{
	return row_has(row, column) ? DatumGetTimestampTz(row_datum(row, column)) : 0;
}

/* Detoasted if need be; NULL for a null. */
static inline struct varlena *
row_varlena(const Row *row, int column)
{
	return row_has(row, column)
			   ? pg_detoast_datum_packed((struct varlena *) DatumGetPointer(row_datum(row, column)))
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
	account->id = row_int(row, PAT_ACCOUNT_ID);
	account->root_role = row_int(row, PAT_ACCOUNT_ROOT_ROLE);
	account->has_role = row_has(row, PAT_ACCOUNT_ROOT_ROLE);
	account->is_service = row_bool(row, PAT_ACCOUNT_IS_SERVICE);
	account->is_system = row_bool(row, PAT_ACCOUNT_IS_SYSTEM);
	account->is_deleted = row_has(row, PAT_ACCOUNT_DELETED_AT);
	account->created_at = row_has(row, PAT_ACCOUNT_CREATED_AT)
							  ? row_time(row, PAT_ACCOUNT_CREATED_AT)
							  : DT_NOEND;
	account->username_since = row_has(row, PAT_ACCOUNT_USERNAME_SINCE)
								  ? row_time(row, PAT_ACCOUNT_USERNAME_SINCE)
								  : DT_NOBEGIN;
}

static void
read_account_details(const Row *row, PatAccountDetails *details)
{
	details->username = copy_text(row_varlena(row, PAT_ACCOUNT_USERNAME));
	details->name = copy_text(row_varlena(row, PAT_ACCOUNT_NAME));
	details->created_at = row_time(row, PAT_ACCOUNT_CREATED_AT);
	details->has_created_at = row_has(row, PAT_ACCOUNT_CREATED_AT);
}

/* description, hash and sealed are NULL unless with_texts; not toasted, they point into the row. */
static void
read_token(TupleTableSlot *slot, PatToken *token, bool with_texts)
{
	Row row = row_of(slot, PAT_TOKEN);

	token->id = row_int(&row, PAT_TOKEN_ID);
	token->account_id = row_int(&row, PAT_TOKEN_ACCOUNT_ID);
	token->description = with_texts ? (text *) row_varlena(&row, PAT_TOKEN_DESCRIPTION) : NULL;
	token->hash = with_texts ? (bytea *) row_varlena(&row, PAT_TOKEN_SECRET_HASH) : NULL;
	token->sealed = with_texts ? (bytea *) row_varlena(&row, PAT_TOKEN_SECRET_SEALED) : NULL;
	token->created_at = row_time(&row, PAT_TOKEN_CREATED_AT);
	token->expires_at = row_time(&row, PAT_TOKEN_EXPIRES_AT);
	token->seen_at = row_time(&row, PAT_TOKEN_SEEN_AT);
	token->has_created_at = row_has(&row, PAT_TOKEN_CREATED_AT);
	token->has_expires_at = row_has(&row, PAT_TOKEN_EXPIRES_AT);
	token->has_seen_at = row_has(&row, PAT_TOKEN_SEEN_AT);
	token->place = slot->tts_tid;
}

bool
pat_find_account(int32 id, PatAccount *account, PatAccountDetails *details)
{
	Datum key = Int32GetDatum(id);
	PatScan scan;
	TupleTableSlot *slot;

	pat_scan_begin(&scan, PAT_ACCOUNT_BY_ID, 1, &key);
	slot = pat_scan_next(&scan);
	if (slot != NULL)
	{
		Row row = row_of(slot, PAT_ACCOUNT);

		read_account(&row, account);
		if (details != NULL)
			read_account_details(&row, details);
	}
	pat_scan_end(&scan);
	return slot != NULL;
}

static void
username_scan_begin(PatScan *scan, const char *username)
{
	Datum key = CStringGetTextDatum(username);

	pat_scan_begin(scan, PAT_ACCOUNT_BY_USERNAME, 1, &key);
}

static bool
username_scan_next(PatScan *scan, PatAccount *account)
{
	TupleTableSlot *slot = pat_scan_next(scan);
	Row row;

	if (slot == NULL)
		return false;
	row = row_of(slot, PAT_ACCOUNT);
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
find_token(PatIndex index, Datum key, PatToken *token, bool with_texts)
{
	PatScan scan;
	TupleTableSlot *slot;

	pat_scan_begin(&scan, index, 1, &key);
	slot = pat_scan_next(&scan);
	if (slot != NULL)
	{
		read_token(slot, token, with_texts);
		token->description = copy_text(token->description);
		token->hash = copy_text(token->hash);
		token->sealed = copy_text(token->sealed);
	}
	pat_scan_end(&scan);
	return slot != NULL;
}

bool
pat_find_token_by_hash(const uint8 hash[PAT_HASH_LEN], PatToken *token)
{
	char wanted[VARHDRSZ + PAT_HASH_LEN];

	SET_VARSIZE(wanted, sizeof(wanted));
	memcpy(VARDATA(wanted), hash, PAT_HASH_LEN);
	return find_token(PAT_TOKEN_BY_HASH, PointerGetDatum(wanted), token, false);
}

bool
pat_find_token_by_id(int32 id, PatToken *token)
{
	return find_token(PAT_TOKEN_BY_ID, Int32GetDatum(id), token, true);
}

bool
pat_role_has_permission(int32 role_id, const char *permission)
{
	Datum keys[] = {Int32GetDatum(role_id), CStringGetTextDatum(permission)};
	PatScan scan;
	bool found;

	pat_scan_begin(&scan, PAT_PERMISSION_BY_ROLE, 2, keys);
	found = pat_scan_next(&scan) != NULL;
	pat_scan_end(&scan);
	return found;
}

ArrayType *
pat_role_permissions(int32 role_id)
{
	ArrayBuildState *names = initArrayResult(TEXTOID, CurrentMemoryContext, false);
	Datum key = Int32GetDatum(role_id);
	PatScan scan;
	TupleTableSlot *slot;

	pat_scan_begin(&scan, PAT_PERMISSION_BY_ROLE, 1, &key);
	while ((slot = pat_scan_next(&scan)) != NULL)
	{
		Row row = row_of(slot, PAT_ROLE_PERMISSION);

		accumArrayResult(names, row_datum(&row, PAT_PERMISSION_PERMISSION),
						 !row_has(&row, PAT_PERMISSION_PERMISSION), TEXTOID, CurrentMemoryContext);
	}
	pat_scan_end(&scan);
	return DatumGetArrayTypeP(makeArrayResult(names, CurrentMemoryContext));
}

void
pat_token_scan_begin(PatTokenScan *tokens, int32 account_id)
{
	Datum key = Int32GetDatum(account_id);

	tokens->account_id = account_id;
	pat_scan_begin(&tokens->scan, PAT_TOKEN_BY_ACCOUNT, 1, &key);
}

bool
pat_token_scan_next(PatTokenScan *tokens, PatToken *token)
{
	TupleTableSlot *slot = pat_scan_next(&tokens->scan);

	if (slot == NULL)
		return false;
	read_token(slot, token, true);
	/* Only a corrupt index returns such a row: an error, rather than another account's token. */
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
