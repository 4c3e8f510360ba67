/*
 * scan.c
 *		Index scans of the extension's tables, under the active snapshot.
 *
 * Uses the server's index scans and slots, so that any table access method works.  After an
 * error the resource owner closes what is open.  Locks are kept until the end of the
 * transaction, as every query keeps them.
 *
 * Opening a scan costs more than reading a row by it.  So a statement with many requests
 * (answer.c) keeps its scans open from one request to the next, in memory of its own.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "catalog/pg_type.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "../compat.h"
#include "scan.h"

/* The scans of the statement whose request is being answered, or NULL. */
static PatOpenScans *kept = NULL;

/*
 * An index that was created, other than concurrently, while older transactions were
 * open may lack row versions that they see (pg_index.indcheckxmin).  Until all
 * of these have ended, in whatever database, the planner avoids it in every
 * session; pat has no other and fails the call.
 */
static void
check_index_usable(Relation index)
{
	if (index->rd_index->indcheckxmin &&
		!TransactionIdPrecedes(HeapTupleHeaderGetXmin(index->rd_indextuple->t_data),
							   TransactionXmin))
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("index \"%s\" was created while older transactions were open",
							   RelationGetRelationName(index)),
						errhint("It can be used by transactions that begin when those have ended. "
								"CREATE INDEX CONCURRENTLY makes one that can be used at once."),
						errhidestmt(true), errhidecontext(true)));
}

/* A scan belongs to the resource owner that opened it, and is closed with that. */
static bool
may_use_kept(void)
{
	return kept != NULL && kept->owner == CurrentResourceOwner;
}

static void
open_scan(PatScan *scan, PatIndex index, int nkeys)
{
	MemoryContext before;

	scan->by = index;
	scan->memory = may_use_kept() ? kept->memory : CurrentMemoryContext;
	scan->index = pat_index_open(index, &scan->table);
	check_index_usable(scan->index);
	before = MemoryContextSwitchTo(scan->memory);
	scan->scan = pat_index_beginscan(scan->table, scan->index, GetActiveSnapshot(), nkeys);
	scan->row = table_slot_create(scan->table, NULL);
	MemoryContextSwitchTo(before);
}

static void
close_scan(PatScan *scan)
{
	ExecDropSingleTupleTableSlot(scan->row);
	index_endscan(scan->scan);
	index_close(scan->index, NoLock);
	table_close(scan->table, NoLock);
	scan->scan = NULL;
}

/* Takes the open scan, if there is one that fits. */
static bool
take_open(PatScan *scan, PatIndex index, int nkeys)
{
	PatScan *open = may_use_kept() ? &kept->scans[index] : NULL;

	if (open == NULL || open->scan == NULL || open->scan->numberOfKeys != nkeys ||
		open->scan->xs_snapshot != GetActiveSnapshot())
		return false;
	*scan = *open;
	open->scan = NULL;
	return true;
}

/* relations.c accepts only indexes of the default operator families: these are their "=". */
static RegProcedure
equality(Oid type)
{
	return type == INT4OID ? F_INT4EQ : type == BYTEAOID ? F_BYTEAEQ : F_TEXTEQ;
}

static void
make_keys(Relation index, int nkeys, const Datum *values, ScanKey keys)
{
	for (int i = 0; i < nkeys; i++)
		ScanKeyEntryInitialize(&keys[i], 0, i + 1, BTEqualStrategyNumber, InvalidOid,
							   index->rd_indcollation[i], equality(index->rd_opcintype[i]),
							   values[i]);
}

void
pat_scan_begin(PatScan *scan, PatIndex index, int nkeys, const Datum *values)
{
	ScanKeyData keys[PAT_INDEX_KEYS_MAX];

	if (!take_open(scan, index, nkeys))
		open_scan(scan, index, nkeys);
	make_keys(scan->index, nkeys, values, keys);
	index_rescan(scan->scan, keys, nkeys, NULL, 0);
}

/* nbtree allocates its list of dead entries at the first one, to last as long as the scan. */
TupleTableSlot *
pat_scan_next(PatScan *scan)
{
	MemoryContext before = MemoryContextSwitchTo(scan->memory);
	bool found = index_getnext_slot(scan->scan, ForwardScanDirection, scan->row);

	MemoryContextSwitchTo(before);
	return found ? scan->row : NULL;
}

/* Between two requests an open scan pins no page, so that it does not hinder VACUUM. */
static void
keep_open(PatScan *scan)
{
	ExecClearTuple(scan->row);
	index_rescan(scan->scan, NULL, scan->scan->numberOfKeys, NULL, 0);
	kept->scans[scan->by] = *scan;
}

void
pat_scan_end(PatScan *scan)
{
	if (may_use_kept() && kept->scans[scan->by].scan == NULL)
		keep_open(scan);
	else
		close_scan(scan);
}

void
pat_scans_keep(PatOpenScans *open)
{
	kept = open;
}

void
pat_scans_close(PatOpenScans *open)
{
	for (int i = 0; i < PAT_INDEXES; i++)
		if (open->scans[i].scan != NULL)
			close_scan(&open->scans[i]);
}
