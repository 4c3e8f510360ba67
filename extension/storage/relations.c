/*
 * relations.c
 *		The extension's tables and indexes: found, checked and locked.
 *
 * Owns: the cache of OIDs and attribute numbers, dropped by relcache invalidation.  An
 * index is recognised by its table and key columns, not by its name, so that renaming or
 * rebuilding one changes nothing, and so that a scan never runs on an index over other
 * columns.  A column is recognised by its name and type, wherever it stands in the table:
 * columns may be added and dropped, and one of ours that was dropped and added again is
 * found at its new place.
 *
 * The order of locks.  Every transaction takes its locks in this order, so that they do
 * not deadlock with each other or with REINDEX:
 *
 * 1. Tables: pat_role, pat_role_permission, pat_token, pat_account, pat_jwt_key,
 *    pat_import, pat_event.  Every call locks the first four before it reads anything.  A
 *    call that changes something takes ROW EXCLUSIVE on the tables that changes write at
 *    the same point: after a read it could deadlock with REINDEX, which holds its lock on
 *    the table while it waits for the readers of an index.  An import takes all of its
 *    locks at its start.  A call locks indexes by OID before it reads: of each table the
 *    first in the table's list, and those that it reads by.  REINDEX TABLE locks indexes
 *    in the order of that list and keeps each lock while it waits for the readers of the
 *    next index, so a reader that holds the first index keeps REINDEX out of all of them.
 * 2. Rows: the token that is deleted; the account that is changed or gets a token; FOR KEY
 *    SHARE on accounts and roles that new rows reference.
 * 3. The row of the caller's own token, to write its time of use (seen.c): last, when the
 *    call needs no other lock, and only if the row can be locked without waiting.
 *
 * An OID is valid for as long as its table is locked: REINDEX CONCURRENTLY and DROP INDEX
 * CONCURRENTLY wait for every holder of a lock on the table before they drop an index.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "../own_schema.h"
#include "relations.h"

#define COLUMNS_MAX PAT_JWT_KEY_COLUMNS

typedef struct ColumnSpec
{
	const char *name;
	Oid type; /* or a domain over it */
} ColumnSpec;

typedef struct TableSpec
{
	const char *name;
	int ncolumns;
	ColumnSpec columns[COLUMNS_MAX];
} TableSpec;

typedef struct IndexSpec
{
	PatTable table;
	int nkeys;
	int keys[PAT_INDEX_KEYS_MAX];
} IndexSpec;

static const TableSpec table_specs[PAT_TABLES] = {
	[PAT_ROLE] = {.name = "pat_role"},
	[PAT_EVENT] = {.name = "pat_event"},
	[PAT_ACCOUNT] = {"pat_account",
					 PAT_ACCOUNT_COLUMNS,
					 {{"id", INT4OID},
					  {"username", TEXTOID},
					  {"name", TEXTOID},
					  {"is_service", BOOLOID},
					  {"is_system", BOOLOID},
					  {"root_role", INT4OID},
					  {"created_at", TIMESTAMPTZOID},
					  {"deleted_at", TIMESTAMPTZOID},
					  {"username_since", TIMESTAMPTZOID}}},
	[PAT_TOKEN] = {"pat_token",
				   PAT_TOKEN_COLUMNS,
				   {{"id", INT4OID},
					{"account_id", INT4OID},
					{"description", TEXTOID},
					{"secret_hash", BYTEAOID},
					{"secret_sealed", BYTEAOID},
					{"created_at", TIMESTAMPTZOID},
					{"expires_at", TIMESTAMPTZOID},
					{"seen_at", TIMESTAMPTZOID}}},
	[PAT_ROLE_PERMISSION] = {"pat_role_permission",
							 PAT_PERMISSION_COLUMNS,
							 {{"role_id", INT4OID}, {"permission", TEXTOID}}},
	[PAT_JWT_KEY] = {"pat_jwt_key",
					 PAT_JWT_KEY_COLUMNS,
					 {{"id", INT4OID},
					  {"kid", TEXTOID},
					  {"algorithm", TEXTOID},
					  {"key", BYTEAOID},
					  {"issuer", TEXTOID},
					  {"audience", TEXTOID},
					  {"subject_claim", TEXTOID},
					  {"created_at", TIMESTAMPTZOID},
					  {"retired_at", TIMESTAMPTZOID}}},
};

static const IndexSpec index_specs[PAT_INDEXES] = {
	[PAT_ACCOUNT_BY_ID] = {PAT_ACCOUNT, 1, {PAT_ACCOUNT_ID}},
	[PAT_ACCOUNT_BY_USERNAME] = {PAT_ACCOUNT, 1, {PAT_ACCOUNT_USERNAME}},
	[PAT_TOKEN_BY_ID] = {PAT_TOKEN, 1, {PAT_TOKEN_ID}},
	[PAT_TOKEN_BY_HASH] = {PAT_TOKEN, 1, {PAT_TOKEN_SECRET_HASH}},
	[PAT_TOKEN_BY_ACCOUNT] = {PAT_TOKEN, 2, {PAT_TOKEN_ACCOUNT_ID, PAT_TOKEN_ID}},
	[PAT_PERMISSION_BY_ROLE] = {PAT_ROLE_PERMISSION,
								2,
								{PAT_PERMISSION_ROLE_ID, PAT_PERMISSION_PERMISSION}},
};

static Oid api_function = InvalidOid;
static Oid schema = InvalidOid;
static Oid table_oids[PAT_TABLES];
static Oid index_oids[PAT_INDEXES];
static int nlocked[PAT_TABLES]; /* indexes that readers lock */
static Oid locked[PAT_TABLES][PAT_INDEXES + 1];
static AttrNumber columns[PAT_TABLES][COLUMNS_MAX];
static AttrNumber last_column[PAT_TABLES];
static bool is_checked[PAT_TABLES]; /* columns and indexes are known */
static uint64 changes = 0;          /* invalidations received for our tables */
static bool callback_registered = false;

/* relid is InvalidOid when everything is to be dropped. */
static void
forget_relations(Datum arg pg_attribute_unused(), Oid relid)
{
	for (int i = 0; i < PAT_TABLES; i++)
	{
		if (OidIsValid(relid) && relid != table_oids[i])
			continue;
		table_oids[i] = InvalidOid;
		is_checked[i] = false;
		changes++;
	}
}

/* The tables are in the schema of the function. */
static void
follow_schema(Oid function)
{
	api_function = function;
	if (get_func_namespace(function) == schema)
		return;
	schema = get_func_namespace(function);
	forget_relations((Datum) 0, InvalidOid);
}

static void
use_schema(FunctionCallInfo fcinfo)
{
	Oid function = fcinfo->flinfo->fn_oid;

	if (!callback_registered)
	{
		CacheRegisterRelcacheCallback(forget_relations, (Datum) 0);
		callback_registered = true;
	}
	if (function != api_function)
		follow_schema(function);
	pat_check_own_schema(schema);
}

/* ---- tables and columns ------------------------------------------------- */

static Oid
find_table(PatTable table)
{
	Oid relid = get_relname_relid(table_specs[table].name, schema);

	if (!OidIsValid(relid))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("relation \"%s.%s\" does not exist", get_namespace_name(schema),
							   table_specs[table].name),
						errhidestmt(true), errhidecontext(true)));
	return relid;
}

/*
 * A table may be dropped or renamed between the look-up of its name and the lock.
 * LockRelationOid processes invalidations; if the OID is not in the cache after it, the name
 * is looked up again, and must give the table that was locked.
 */
static Oid
lock_table(PatTable table, LOCKMODE mode)
{
	for (;;)
	{
		Oid relid = OidIsValid(table_oids[table]) ? table_oids[table] : find_table(table);

		LockRelationOid(relid, mode);
		if (table_oids[table] == relid)
			return relid;
		if (find_table(table) == relid)
		{
			table_oids[table] = relid;
			return relid;
		}
		UnlockRelationOid(relid, mode);
	}
}

/* A view, a partitioned table or a foreign one has no rows that an index names. */
static void
check_is_table(Relation rel)
{
	if (rel->rd_rel->relkind != RELKIND_RELATION)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("\"%s\" is not an ordinary table", RelationGetRelationName(rel)),
						errhidestmt(true), errhidecontext(true)));
}

static AttrNumber
find_column(Relation rel, const ColumnSpec *spec)
{
	TupleDesc desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		if (column->attisdropped || strcmp(NameStr(column->attname), spec->name) != 0)
			continue;
		if (getBaseType(column->atttypid) != spec->type)
			ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
							errmsg("column \"%s\" of table \"%s\" has type %s, not %s", spec->name,
								   RelationGetRelationName(rel), format_type_be(column->atttypid),
								   format_type_be(spec->type)),
							errhint("Give it back the type that the extension created it with."),
							errhidestmt(true), errhidecontext(true)));
		return column->attnum;
	}
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
					errmsg("table \"%s\" lacks the column \"%s\"", RelationGetRelationName(rel),
						   spec->name),
					errhint("Restore the column that the extension created."), errhidestmt(true),
					errhidecontext(true)));
}

static void
find_columns(PatTable table, Relation rel)
{
	const TableSpec *spec = &table_specs[table];

	last_column[table] = 0;
	for (int i = 0; i < spec->ncolumns; i++)
	{
		columns[table][i] = find_column(rel, &spec->columns[i]);
		last_column[table] = Max(last_column[table], columns[table][i]);
	}
}

/* ---- indexes ------------------------------------------------------------ */

typedef enum Fit
{
	FITS_NOT,
	FITS_NEW_SNAPSHOTS, /* lacks row versions that old snapshots see */
	FITS
} Fit;

/* Ascending, in the column's own collation, by the usual order of its type. */
static bool
key_fits(Relation rel, Relation index, int key, AttrNumber attnum)
{
	Form_pg_attribute column = TupleDescAttr(RelationGetDescr(rel), attnum - 1);
	Oid usual = GetDefaultOpClass(getBaseType(column->atttypid), BTREE_AM_OID);

	return index->rd_index->indkey.values[key] == attnum && index->rd_indoption[key] == 0 &&
		   index->rd_indcollation[key] == column->attcollation &&
		   index->rd_opfamily[key] == get_opclass_family(usual);
}

/* A valid btree over exactly these columns and all rows. */
static Fit
index_fits(Relation rel, Oid index_oid, const IndexSpec *spec)
{
	const AttrNumber *attnums = columns[spec->table];
	Relation index = index_open(index_oid, AccessShareLock);
	Form_pg_index form = index->rd_index;
	bool fits = form->indisvalid && form->indnkeyatts == spec->nkeys &&
				index->rd_rel->relam == BTREE_AM_OID && RelationGetIndexPredicate(index) == NIL;
	Fit fit;

	for (int i = 0; fits && i < spec->nkeys; i++)
		fits = key_fits(rel, index, i, attnums[spec->keys[i]]);
	fit = !fits ? FITS_NOT : form->indcheckxmin ? FITS_NEW_SNAPSHOTS : FITS;
	index_close(index, AccessShareLock);
	return fit;
}

static Oid
find_index(Relation rel, const IndexSpec *spec)
{
	List *candidates = RelationGetIndexList(rel);
	ListCell *cell;
	Oid found = InvalidOid;
	Fit best = FITS_NOT;

	foreach(cell, candidates)
	{
		Fit fit = index_fits(rel, lfirst_oid(cell), spec);

		if (fit > best)
		{
			best = fit;
			found = lfirst_oid(cell);
		}
		if (best == FITS)
			break;
	}
	list_free(candidates);
	if (!OidIsValid(found))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("table \"%s\" lacks an index that pat needs", RelationGetRelationName(rel)),
				 errhint("Restore the index on column \"%s\" that the extension created, "
						 "by CREATE INDEX CONCURRENTLY.",
						 table_specs[spec->table].columns[spec->keys[0]].name),
				 errhidestmt(true), errhidecontext(true)));
	return found;
}

static bool
is_read_by(PatTable table, Oid index_oid)
{
	for (int i = 0; i < PAT_INDEXES; i++)
		if (index_specs[i].table == table && index_oids[i] == index_oid)
			return true;
	return false;
}

/* In the order of the table's list, in which REINDEX and the server's plans lock them. */
static void
find_locked(PatTable table, Relation rel)
{
	List *indexes = RelationGetIndexList(rel);
	ListCell *cell;

	nlocked[table] = 0;
	foreach(cell, indexes)
		if (cell == list_head(indexes) || is_read_by(table, lfirst_oid(cell)))
			locked[table][nlocked[table]++] = lfirst_oid(cell);
	list_free(indexes);
}

/*
 * What is found under the table's lock is valid while the lock is held.  If an invalidation
 * arrives during the search, a better index may exist by now, so the next call searches again.
 */
static void
check_table(PatTable table, Oid relid)
{
	uint64 changes_before = changes;
	Relation rel = relation_open(relid, NoLock);

	check_is_table(rel);
	find_columns(table, rel);
	for (int i = 0; i < PAT_INDEXES; i++)
		if (index_specs[i].table == table)
			index_oids[i] = find_index(rel, &index_specs[i]);
	if (table != PAT_JWT_KEY) /* that is read without an index */
		find_locked(table, rel);
	relation_close(rel, NoLock);
	is_checked[table] = changes == changes_before;
}

/* ---- what others call --------------------------------------------------- */

static Oid
lock_for_reading(PatTable table)
{
	Oid relid = lock_table(table, AccessShareLock);

	if (!is_checked[table])
		check_table(table, relid);
	for (int i = 0; i < nlocked[table]; i++)
		LockRelationOid(locked[table][i], AccessShareLock);
	return relid;
}

static void
lock_all_for_reading(void)
{
	lock_for_reading(PAT_ROLE_PERMISSION);
	lock_for_reading(PAT_TOKEN);
	lock_for_reading(PAT_ACCOUNT);
}

void
pat_relations_use(FunctionCallInfo fcinfo)
{
	use_schema(fcinfo);
	lock_table(PAT_ROLE, AccessShareLock);
	lock_all_for_reading();
}

void
pat_relations_use_by_name(FunctionCallInfo fcinfo)
{
	pat_relations_use(fcinfo);
	pat_check_own_schema_again(schema);
}

void
pat_relations_use_for_change(FunctionCallInfo fcinfo)
{
	if (XactReadOnly)
	{
		pat_relations_use_by_name(fcinfo);
		return;
	}
	use_schema(fcinfo);
	lock_table(PAT_ROLE, RowShareLock);
	lock_table(PAT_ROLE_PERMISSION, AccessShareLock);
	lock_table(PAT_TOKEN, RowExclusiveLock);
	lock_table(PAT_ACCOUNT, RowExclusiveLock);
	lock_table(PAT_JWT_KEY, RowExclusiveLock);
	lock_table(PAT_EVENT, RowExclusiveLock);
	lock_all_for_reading();
	pat_check_own_schema_again(schema);
}

Relation
pat_table_open(PatTable table)
{
	Oid relid = lock_table(table, AccessShareLock);

	if (!is_checked[table])
		relid = lock_for_reading(table);
	return relation_open(relid, NoLock);
}

/* If an invalidation has cleared the cache since the call took its locks, it locks again. */
Relation
pat_index_open(PatIndex index, Relation *table)
{
	PatTable of = index_specs[index].table;
	Oid relid = is_checked[of] ? table_oids[of] : lock_for_reading(of);

	*table = relation_open(relid, NoLock);
	return index_open(index_oids[index], NoLock);
}

const AttrNumber *
pat_columns(PatTable table)
{
	return columns[table];
}

AttrNumber
pat_last_column(PatTable table)
{
	return last_column[table];
}
