/*
 * lane_connections.c
 *		Decides which connections of a pool may be attempted, and when.
 *
 * A server may have fewer connections left than all pools together want.  So a pool without a
 * connection attempts one at a time, its leader.  No pool of the process attempts a second
 * connection while another pool seeks its first one.  A pool seeks if its leader has not failed
 * yet, or failed because the server has no connection left (SQLSTATE 53300).  A pool whose
 * server cannot be reached, or refuses it for another reason, delays no other pool.
 */
#include "lane_inside.h"

#include <stdatomic.h>

/* How often a delayed pool checks whether others still seek: nothing wakes it up. */
#define LOOK_US (50 * CLOCK_US_PER_MS)

/* The number of pools, of all workers, that seek their first connection. */
static atomic_uint seekers;

static bool
has_session(const Lane *lane)
{
	for (unsigned i = 0; i < lane->settings.connections; i++)
		if (db_is_up(lane->flights[i].conn) || lane->flights[i].count > 0)
			return true;
	return false;
}

static void
set_seeking(Lane *lane, bool seeks)
{
	if (seeks && !lane->seeks)
		atomic_fetch_add(&seekers, 1);
	else if (!seeks && lane->seeks)
		atomic_fetch_sub(&seekers, 1);
	lane->seeks = seeks;
}

void
lane_look_at_connections(Lane *lane)
{
	const DbConn *leader = lane->flights[lane->leader].conn;

	lane->has_session = has_session(lane);
	set_seeking(lane, !lane->has_session && (db_has_hope(leader) || db_is_crowded_out(leader)));
}

void
lane_note_loss(Lane *lane, unsigned number)
{
	if (!has_session(lane))
		lane->leader = number;
	lane_look_at_connections(lane);
}

bool
lane_is_held(const Lane *lane, unsigned number)
{
	if (!db_is_waiting(lane->flights[number].conn))
		return false;
	return lane->has_session ? atomic_load(&seekers) > 0 : number != lane->leader;
}

bool
lane_has_hope(const Lane *lane)
{
	for (unsigned i = 0; i < lane->settings.connections; i++)
		if (db_has_hope(lane->flights[i].conn) && !lane_is_held(lane, i))
			return true;
	return false;
}

int64_t
lane_connection_due(const Lane *lane, unsigned number)
{
	if (!lane_is_held(lane, number))
		return db_next_due(lane->flights[number].conn);
	return lane->has_session ? lane->now + LOOK_US : CLOCK_NEVER;
}

void
lane_leave_connections(Lane *lane)
{
	set_seeking(lane, false);
}

bool
lane_is_up(const Lane *lane)
{
	for (unsigned i = 0; i < lane->settings.connections; i++)
		if (db_is_up(lane->flights[i].conn))
			return true;
	return false;
}

bool
lane_is_refused(const Lane *lane)
{
	return !has_session(lane) && db_is_refused(lane->flights[lane->leader].conn);
}
