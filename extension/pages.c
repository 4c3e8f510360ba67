/*
 * pages.c
 *		Pages of tables in the server's buffers, found where they were before.
 *
 * Owns the memory of this session of where pages lay.  It is a guess: the server
 * checks that the buffer still holds the page before it pins it, which saves the look
 * into its table of all buffers with the lock of that.  What is expected of a page that
 * is not pinned is a guess, too: it moves the processor's caches, and nothing else.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "pgstat.h"
#include "storage/buf_internals.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"

#include "compat.h"
#include "pages.h"

/* Pages remembered; others take the place of those with the same number modulo this. */
#define PAGES_MAX 4096

/*
 * One read of so many takes the long way, which tells the server that the page is in
 * use.  The short one does not, and pages that are read by it alone would be the
 * first to make room for others.  A prime, so that calls that read the same number of
 * pages each do not always take it for the same.
 */
#define LONG_WAY_EACH 17

/* A row of a token, and more: its header, and what lists show of it. */
#define ROW_LINES 3
#define LINE      64

static Buffer places[PAGES_MAX];
static uint32 reads;

static inline Buffer *
place_of(Relation table, BlockNumber block)
{
	return &places[(block ^ RelationGetRelid(table)) % PAGES_MAX];
}

static bool
read_from_place(Relation table, BlockNumber block, Buffer place)
{
	if (!BufferIsValid(place) || ++reads % LONG_WAY_EACH == 0 ||
		!pat_read_recent_buffer(table, block, place))
		return false;
	pgstat_count_buffer_read(table);
	pgstat_count_buffer_hit(table);
	return true;
}

Buffer
pat_read_page(Relation table, Buffer before, BlockNumber block)
{
	Buffer *place = place_of(table, block);

	if (BufferIsValid(before))
	{
		if (BufferGetBlockNumber(before) == block)
			return before;
		ReleaseBuffer(before);
	}
	if (!read_from_place(table, block, *place))
		*place = ReadBuffer(table, block);
	return *place;
}

/*
 * Where a row's page was last; its item then lies in memory that is there in any case,
 * whatever the buffer holds by now.  Else InvalidBuffer.
 */
static inline Buffer
guess(Relation table, const ItemPointerData *tid)
{
	Buffer place = *place_of(table, ItemPointerGetBlockNumberNoCheck(tid));
	OffsetNumber number = ItemPointerGetOffsetNumberNoCheck(tid);
	bool fits = number >= FirstOffsetNumber && number <= MaxHeapTuplesPerPage;

	return fits && !BufferIsLocal(place) ? place : InvalidBuffer;
}

static inline const ItemIdData *
item_of(Buffer place, const ItemPointerData *tid)
{
	return PageGetItemId(BufferGetPage(place), ItemPointerGetOffsetNumberNoCheck(tid));
}

void
pat_expect_page(Relation table, const ItemPointerData *tid)
{
	Buffer place = guess(table, tid);

	if (!BufferIsValid(place))
		return;
	__builtin_prefetch(GetBufferDescriptor(place - 1));
	__builtin_prefetch(BufferGetPage(place));
	__builtin_prefetch(item_of(place, tid));
}

void
pat_expect_row(Relation table, const ItemPointerData *tid)
{
	Buffer place = guess(table, tid);
	const char *row;

	if (!BufferIsValid(place))
		return;
	row = (const char *) BufferGetPage(place) + ItemIdGetOffset(item_of(place, tid));
	for (int i = 0; i < ROW_LINES; i++)
		__builtin_prefetch(row + i * LINE);
}
