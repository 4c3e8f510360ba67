/*
 * scan.c
 *		The rows of a table that an index names, by the active snapshot.
 *
 * What the server's own index scans do for a heap and an MVCC snapshot, without
 * the slot between them and us: a row is used where it lies.
 *
 * Owns the pin of the page that the last row is on; what a function opens it
 * closes, and an error lets the resource owner do so.  Locks are kept until the end
 * of the transaction, as every query keeps them: a row's place, once read, stays good.
 *
 * To open a scan costs about as much as to read a row or two by it.  So a statement
 * with many requests (answer.c) lends us memory where each waits for the next request.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/transam.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "pages.h"
#include "scan.h"

/* So many rows ahead of the one that is read its page is expected, and the row itself. */
#define PAGE_AHEAD 8
#define ROW_AHEAD  4

/* Lent for the time of one request, or NULL. */
static PatOpenScans *kept = NULL;

/*
 * An index that was created, other than concurrently, while older transactions were
 * open may lack row versions that they see (pg_index.indcheckxmin).  Until all
 * of these have ended, in whatever database, the planner avoids it in every
 * session; we have no other and ask for patience.
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

/* A scan by the wrong column would return rows, and not say so. */
static AttrNumber
index_column(Relation index, AttrNumber attnum)
{
	for (int i = 0; i < IndexRelationGetNumberOfKeyAttributes(index); i++)
		if (index->rd_index->indkey.values[i] == attnum)
			return i + 1;
	elog(ERROR, "index \"%s\" does not carry column %d", RelationGetRelationName(index), attnum);
}

static void
open_scan(PatScan *scan, PatIndex index, int nkeys)
{
	MemoryContext before;

	scan->by = index;
	scan->memory = kept != NULL ? kept->memory : CurrentMemoryContext;
	scan->index = pat_index_open(index, &scan->table);
	check_index_usable(scan->index);
	before = MemoryContextSwitchTo(scan->memory);
	scan->scan = pat_index_beginscan(scan->table, scan->index, GetActiveSnapshot(), nkeys);
	MemoryContextSwitchTo(before);
}

static void
close_scan(PatScan *scan)
{
	index_endscan(scan->scan);
	index_close(scan->index, NoLock);
	table_close(scan->table, NoLock);
	scan->scan = NULL;
}

/* Takes the open scan, if there is one that suits. */
static bool
take_open(PatScan *scan, PatIndex index, int nkeys)
{
	PatScan *open = kept == NULL ? NULL : &kept->scans[index];

	if (open == NULL || open->scan == NULL || open->scan->numberOfKeys != nkeys ||
		open->scan->xs_snapshot != GetActiveSnapshot())
		return false;
	*scan = *open;
	open->scan = NULL;
	return true;
}

void
pat_scan_begin(PatScan *scan, PatIndex index, int nkeys, ScanKey keys)
{
	if (!take_open(scan, index, nkeys))
		open_scan(scan, index, nkeys);
	for (int i = 0; i < nkeys; i++)
		keys[i].sk_attno = index_column(scan->index, keys[i].sk_attno);
	scan->page = InvalidBuffer;
	index_rescan(scan->scan, keys, nkeys, NULL, 0);
}

/* The page stays pinned if the row before was on it, too. */
static void
go_to_page(PatScan *scan, BlockNumber block)
{
	Buffer before = scan->page;

	scan->page = pat_read_page(scan->table, before, block);
	if (scan->page != before)
		heap_page_prune_opt(scan->table, scan->page);
}

/* The version that the snapshot sees.  Of a row that nobody sees any more the index is told. */
static bool
find_version(PatScan *scan, ItemPointer tid, HeapTuple row)
{
	bool all_dead = false;
	bool found;

	LockBuffer(scan->page, BUFFER_LOCK_SHARE);
	found = heap_hot_search_buffer(tid, scan->table, scan->page, scan->scan->xs_snapshot, row,
								   &all_dead, true);
	LockBuffer(scan->page, BUFFER_LOCK_UNLOCK);
	scan->scan->kill_prior_tuple = all_dead && !scan->scan->xactStartedInRecovery;
	return found;
}

/*
 * Rows of an account lie on pages all over the table, and the processor would wait for
 * each of them in turn.  The index, a btree (relations.c takes no other), has read a page
 * of its own at once, so it is known which rows come next.  At the first of them all up
 * to there are asked for: the waits for them overlap.
 */
static inline void
look_ahead(const PatScan *scan)
{
	const BTScanPosData *read = &((BTScanOpaque) scan->scan->opaque)->currPos;
	int at = read->itemIndex;
	bool first = at == read->firstItem;

	for (int i = first ? at : at + PAGE_AHEAD; i <= at + PAGE_AHEAD && i <= read->lastItem; i++)
		pat_expect_page(scan->table, &read->items[i].heapTid);
	for (int i = first ? at : at + ROW_AHEAD; i <= at + ROW_AHEAD && i <= read->lastItem; i++)
		pat_expect_row(scan->table, &read->items[i].heapTid);
}

/* A btree makes itself room for what it finds dead when it finds the first, and keeps it. */
static inline ItemPointer
next_place(PatScan *scan)
{
	MemoryContext before = MemoryContextSwitchTo(scan->memory);
	ItemPointer tid = index_getnext_tid(scan->scan, ForwardScanDirection);

	MemoryContextSwitchTo(before);
	return tid;
}

bool
pat_scan_next(PatScan *scan, HeapTuple row)
{
	ItemPointer tid;

	while ((tid = next_place(scan)) != NULL)
	{
		look_ahead(scan);
		go_to_page(scan, ItemPointerGetBlockNumber(tid));
		if (find_version(scan, tid, row))
		{
			pgstat_count_heap_fetch(scan->index);
			return true;
		}
		CHECK_FOR_INTERRUPTS();
	}
	return false;
}

void
pat_scan_end(PatScan *scan)
{
	if (BufferIsValid(scan->page))
		ReleaseBuffer(scan->page);
	if (kept != NULL && kept->scans[scan->by].scan == NULL)
		kept->scans[scan->by] = *scan;
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
