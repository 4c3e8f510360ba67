/*
 * scan.h
 *		The rows of a table that an index names, by the active snapshot.
 *
 * No privilege is checked here (see store.h).
 */
#ifndef PAT_SCAN_H
#define PAT_SCAN_H

#include "postgres.h"

#include "access/genam.h"
#include "access/htup.h"
#include "access/skey.h"
#include "storage/buf.h"
#include "utils/rel.h"

#include "relations.h"

typedef struct PatScan
{
	PatIndex by;
	Relation table;
	Relation index;
	IndexScanDesc scan;
	MemoryContext memory; /* that the index may use for as long as the scan is open */
	Buffer page;          /* of the row that was returned last; pinned */
} PatScan;

/*
 * Scans that a statement with many requests keeps open from one request to the next.
 * All zeros but for the memory, which lasts as long as the statement.
 */
typedef struct PatOpenScans
{
	MemoryContext memory;
	PatScan scans[PAT_INDEXES]; /* by what they look up; without a descriptor: not open */
} PatOpenScans;

/*
 * The keys carry attribute numbers of the table, as for the server's systable_beginscan;
 * they are turned into columns of the index, which has to have them.
 * Raises 40001 if the snapshot may see rows that the index lacks.
 */
extern void pat_scan_begin(PatScan *scan, PatIndex index, int nkeys, ScanKey keys);

/* In the order of the index.  The row lasts until the next call. */
extern bool pat_scan_next(PatScan *scan, HeapTuple row);

extern void pat_scan_end(PatScan *scan);

/*
 * Until the next call of this, scans that end stay open in these, and those that begin
 * are taken from them; NULL: each is opened and closed.  Errors do not end it.
 */
extern void pat_scans_keep(PatOpenScans *open);

/* After an error the server has closed them. */
extern void pat_scans_close(PatOpenScans *open);

#endif /* PAT_SCAN_H */
