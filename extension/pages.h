/*
 * pages.h
 *		Pages of tables in the server's buffers, found where they were before.
 */
#ifndef PAT_PAGES_H
#define PAT_PAGES_H

#include "postgres.h"

#include "storage/block.h"
#include "storage/buf.h"
#include "storage/itemptr.h"
#include "utils/rel.h"

/*
 * The page pinned, as ReadBuffer gives it.  The page before (or InvalidBuffer) is
 * released, or returned if it is the one that is wanted.
 */
extern Buffer pat_read_page(Relation table, Buffer before, BlockNumber block);

/*
 * Soon the row at this place will be wanted: have the processor fetch the start of the
 * page and where on it the row lies; once that is there, the row itself.  To be called
 * for rows a few ahead of the one that is read.  Pins nothing, and may do nothing.
 */
extern void pat_expect_page(Relation table, const ItemPointerData *tid);
extern void pat_expect_row(Relation table, const ItemPointerData *tid);

#endif /* PAT_PAGES_H */
