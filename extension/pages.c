/*
 * pages.c
 *		Pages of tables in the server's buffers, found where they were before.
 *
 * Owns the memory of this session of where pages lay.  It is a guess: the server
 * checks that the buffer still holds the page before it pins it, which saves the look
 * into its table of all buffers with the lock of that.
 */
#include "postgres.h"

#include "pgstat.h"
#include "storage/bufmgr.h"

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

static Buffer places[PAGES_MAX];
static uint32 reads;

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
	Buffer *place = &places[(block ^ RelationGetRelid(table)) % PAGES_MAX];

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
