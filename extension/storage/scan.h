/*
 * scan.h
 *		The rows of a table that an index names, by the active snapshot.
 *
 * No privilege is checked here (see store.h).
 */
#ifndef PAT_STORAGE_SCAN_H
#define PAT_STORAGE_SCAN_H

#include "postgres.h"

#include "access/genam.h"
#include "executor/tuptable.h"
#include "utils/rel.h"
#include "utils/resowner.h"

#include "relations.h"

typedef struct PatScan
{
	PatIndex by;
	Relation table;
	Relation index;
	IndexScanDesc scan;
	TupleTableSlot *row;  /* that was returned last */
	MemoryContext memory; /* that the scan may use for as long as it is open */
} PatScan;

/*
 * Scans that a statement with many requests keeps open from one request to the next.
 * All zeros but for the memory, which lasts as long as the statement, and for the owner of
 * all that it opens.
 */
typedef struct PatOpenScans
{
	MemoryContext memory;
	ResourceOwner owner;
	PatScan scans[PAT_INDEXES]; /* by what they look up; without a descriptor: not open */
} PatOpenScans;

/*
 * Rows whose first nkeys columns of the index equal the values.  The scan holds ACCESS
 * SHARE on table and index, which the transaction keeps.  Errors: those of
 * pat_index_open; 40001 if the snapshot may see rows that the index lacks.
 */
extern void pat_scan_begin(PatScan *scan, PatIndex index, int nkeys, const Datum *values);

/* In the order of the index; NULL at the end.  The row lasts until the next call. */
extern TupleTableSlot *pat_scan_next(PatScan *scan);

extern void pat_scan_end(PatScan *scan);

/*
 * Until the next call of this, scans that end stay open in these, and those that begin
 * are taken from them; NULL: each is opened and closed.  Errors do not end it.  What runs
 * meanwhile in a subtransaction, as a function that an index calls, has scans of its own.
 */
extern void pat_scans_keep(PatOpenScans *open);

/* After an error the server has closed them. */
extern void pat_scans_close(PatOpenScans *open);

#endif /* PAT_STORAGE_SCAN_H */
