/*
 * pages.h
 *		Pages of tables in the server's buffers, found where they were before.
 */
#ifndef PAT_PAGES_H
#define PAT_PAGES_H

#include "postgres.h"

#include "storage/block.h"
#include "storage/buf.h"
#include "utils/rel.h"

/*
 * The page pinned, as ReadBuffer gives it.  The page before (or InvalidBuffer) is
 * released, or returned if it is the one that is wanted.
 */
extern Buffer pat_read_page(Relation table, Buffer before, BlockNumber block);

#endif /* PAT_PAGES_H */
