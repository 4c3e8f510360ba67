/*
 * relations.c
 *		The extension's tables and indexes: their OIDs, found once per backend.
 *
 * Owns: the cache of OIDs, dropped by relcache invalidation.  An index is
 * recognised by its table and key columns, not by its name, so that renaming
 * or rebuilding one changes nothing, and so that a scan can never run on an
 * index over other columns.
 *
 * Locking: OIDs are taken only under a lock on the table, which is kept until
 * the end of the transaction, as are those on indexes, and by every query.
 * REINDEX CONCURRENTLY and DROP INDEX CONCURRENTLY wait for every holder of such a
 * lock before they drop an index, hence an OID found under it stays good.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "miscadmin.h"
#include "nodes/primnodes.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "compat.h"
#include "relations.h"

#define N_TABLES          (PAT_JWT_KEY + 1)
#define INDEX_COLUMNS_MAX 2

typedef struct TableSpec
{
	const char *name;
	int natts;
	const char *columns[Natts_pat_jwt_key];
} TableSpec;

typedef struct IndexSpec
{
	PatTable table;
	int nkeys;
	AttrNumber keys[INDEX_COLUMNS_MAX];
	AttrNumber null_column; /* only rows where this one is null; 0 = all rows */
} IndexSpec;

static const TableSpec table_specs[N_TABLES] = {
	[PAT_ACCOUNT] = {"pat_account",
					 Natts_pat_account,
					 {"id", "username", "name", "is_service", "is_system", "root_role",
					  "created_at", "deleted_at", "username_since"}},
	[PAT_TOKEN] = {"pat_token",
				   Natts_pat_token,
				   {"id", "account_id", "description", "secret_hash", "secret_sealed", "created_at",
					"expires_at", "seen_at"}},
	[PAT_ROLE_PERMISSION] = {"pat_role_permission",
							 Natts_pat_role_permission,
							 {"role_id", "permission"}},
	[PAT_JWT_KEY] = {"pat_jwt_key",
					 Natts_pat_jwt_key,
					 {"id", "kid", "algorithm", "key", "issuer", "audience", "subject_claim",
					  "created_at", "retired_at"}},
};

static const IndexSpec index_specs[PAT_INDEXES] = {
	[PAT_ACCOUNT_BY_ID] = {PAT_ACCOUNT, 1, {Anum_pat_account_id}, 0},
	[PAT_ACCOUNT_BY_USERNAME] = {PAT_ACCOUNT, 1, {Anum_pat_account_username}, 0},
	[PAT_TOKEN_BY_ID] = {PAT_TOKEN, 1, {Anum_pat_token_id}, 0},
	[PAT_TOKEN_BY_HASH] = {PAT_TOKEN, 1, {Anum_pat_token_secret_hash}, 0},
	[PAT_TOKEN_BY_ACCOUNT] = {PAT_TOKEN, 2, {Anum_pat_token_account_id, Anum_pat_token_id}, 0},
	[PAT_PERMISSION_BY_ROLE] = {PAT_ROLE_PERMISSION,
								2,
								{Anum_pat_role_permission_role_id,
								 Anum_pat_role_permission_permission},
								0},
};

/* Where a lock was taken that is kept until the end of the transaction. */
typedef struct Locked
{
	LocalTransactionId transaction;
	SubTransactionId subtransaction;
} Locked;

static Oid api_function = InvalidOid;
static Oid schema = InvalidOid;
static Oid table_oids[N_TABLES];
static Oid index_oids[PAT_INDEXES];
static Locked table_locked[N_TABLES];
static Locked index_locked[PAT_INDEXES];
static bool indexes_known[N_TABLES];
static uint64 changes = 0; /* invalidations seen that bear on our tables */
static bool callback_registered = false;

/* relid is InvalidOid when everything is to be dropped. */
static void
forget_relations(Datum arg pg_attribute_unused(), Oid relid)
{
	for (int i = 0; i < N_TABLES; i++)
	{
		if (OidIsValid(relid) && relid != table_oids[i])
			continue;
		table_oids[i] = InvalidOid;
		indexes_known[i] = false;
		changes++;
	}
}

void
pat_relations_use(FunctionCallInfo fcinfo)
{
	Oid function = fcinfo->flinfo->fn_oid;

	if (!callback_registered)
	{
		CacheRegisterRelcacheCallback(forget_relations, (Datum) 0);
		callback_registered = true;
	}
	if (function == api_function)
		return;
	api_function = function;
	if (get_func_namespace(function) == schema)
		return;
	schema = get_func_namespace(function);
	forget_relations((Datum) 0, InvalidOid);
}

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

/* scan.c knows nothing but heaps. */
static void
check_is_heap(Relation rel)
{
	if (rel->rd_rel->relam != HEAP_TABLE_AM_OID)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("table \"%s\" is not a heap", RelationGetRelationName(rel)),
						errhint("ALTER TABLE ... SET ACCESS METHOD heap makes it one."),
						errhidestmt(true), errhidecontext(true)));
}

/* Columns may have been added behind ours, never moved: attribute numbers stay. */
static void
check_columns(Relation rel, const TableSpec *spec)
{
	TupleDesc desc = RelationGetDescr(rel);

	if (desc->natts < spec->natts || desc->natts > PAT_COLUMNS_MAX)
		elog(ERROR, "table \"%s\" has %d columns", spec->name, desc->natts);
	for (int i = 0; i < spec->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(desc, i)->attname), spec->columns[i]) != 0)
			elog(ERROR, "column %d of table \"%s\" is not \"%s\"", i + 1, spec->name,
				 spec->columns[i]);
}

typedef enum Fit
{
	FITS_NOT,
	FITS_NEW_SNAPSHOTS, /* lacks row versions that old snapshots see */
	FITS
} Fit;

/* Does the index hold just the rows it should: all, or those where a column is null? */
static bool
predicate_fits(Relation index, AttrNumber null_column)
{
	List *predicate = RelationGetIndexPredicate(index);
	NullTest *test;

	if (predicate == NIL || null_column == 0)
		return predicate == NIL && null_column == 0;
	test = linitial(predicate);
	return list_length(predicate) == 1 && IsA(test, NullTest) && test->nulltesttype == IS_NULL &&
		   IsA(test->arg, Var) && ((Var *) test->arg)->varattno == null_column;
}

/* An ascending btree over exactly these columns, in their own collation. */
static Fit
index_fits(Relation rel, Oid index_oid, const IndexSpec *spec)
{
	Relation index = index_open(index_oid, AccessShareLock);
	Form_pg_index form = index->rd_index;
	bool fits = form->indisvalid && form->indnkeyatts == spec->nkeys &&
				index->rd_rel->relam == BTREE_AM_OID && predicate_fits(index, spec->null_column);
	Fit fit;

	for (int i = 0; fits && i < spec->nkeys; i++)
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(rel), spec->keys[i] - 1);

		fits = form->indkey.values[i] == spec->keys[i] && index->rd_indoption[i] == 0 &&
			   index->rd_indcollation[i] == column->attcollation;
	}
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
				 errhint("Restore the index on column %d that the extension created, "
						 "by CREATE INDEX CONCURRENTLY.",
						 spec->keys[0]),
				 errhidestmt(true), errhidecontext(true)));
	return found;
}

/*
 * What is found under the table's lock stays good for as long as that is kept.  If an
 * invalidation came in meanwhile, there may be better by now: the next call looks again.
 */
static void
find_indexes(PatTable table, Relation rel)
{
	uint64 changes_before = changes;

	check_is_heap(rel);
	check_columns(rel, &table_specs[table]);
	for (int i = 0; i < PAT_INDEXES; i++)
		if (index_specs[i].table == table)
		{
			index_oids[i] = find_index(rel, &index_specs[i]);
			index_locked[i].transaction = InvalidLocalTransactionId;
		}
	indexes_known[table] = changes == changes_before;
}

/*
 * Locked already by this very subtransaction?  One that is rolled back takes its locks
 * along, so those of others do not count.
 */
static bool
is_locked(const Locked *locked)
{
	return locked->transaction == pat_local_transaction() &&
		   locked->subtransaction == GetCurrentSubTransactionId();
}

static void
lock(Oid relid, Locked *locked)
{
	if (is_locked(locked))
		return;
	LockRelationOid(relid, AccessShareLock);
	*locked = (Locked){pat_local_transaction(), GetCurrentSubTransactionId()};
}

/* NULL if the table was dropped or changed before it was locked: then its OID is forgotten. */
static Relation
try_open(PatTable table)
{
	Oid relid;

	if (!OidIsValid(table_oids[table]))
	{
		table_oids[table] = find_table(table);
		table_locked[table].transaction = InvalidLocalTransactionId;
	}
	relid = table_oids[table];
	lock(relid, &table_locked[table]);
	return table_oids[table] == relid ? relation_open(relid, NoLock) : NULL;
}

/* Locking a table takes in pending invalidations: start over until it was found under the lock. */
Relation
pat_table_open(PatTable table)
{
	Relation rel;

	while ((rel = try_open(table)) == NULL)
		CHECK_FOR_INTERRUPTS();
	if (!indexes_known[table])
		find_indexes(table, rel);
	return rel;
}

Relation
pat_index_open(PatIndex index, Relation *table)
{
	*table = pat_table_open(index_specs[index].table);
	lock(index_oids[index], &index_locked[index]);
	return index_open(index_oids[index], NoLock);
}
