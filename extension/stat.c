/*
 * stat.c
 *		Counts of what callers asked for and what they got: the view pat_stat.
 *
 * Owns a piece of shared memory, if the library is in shared_preload_libraries:
 * an array with a slot for each database, which a session finds at its first
 * count and keeps.  Slots are taken in order, by compare and exchange, and never
 * given back; databases beyond the last one count together in a slot of their
 * own.  No lock: all that changes is an atomic variable.  A restart, after a
 * crash too, begins at zero.
 *
 * Not preloaded, the slot is in the session's own memory.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "stat.h"

/* Databases of a cluster that are counted apart. */
#define DATABASES_MAX 64

/* Columns of pat_stat_counters around the counts. */
#define COLUMN_SCOPE       0
#define COLUMN_FIRST_COUNT 1
#define COLUMN_RESET       (COLUMN_FIRST_COUNT + PAT_COUNTS)
#define COLUMNS            (COLUMN_RESET + 1)

typedef struct Slot
{
	pg_atomic_uint32 database; /* InvalidOid: not taken */
	pg_atomic_uint64 since;    /* a TimestampTz */
	pg_atomic_uint64 count[PAT_COUNTS];
	char apart[PG_CACHE_LINE_SIZE]; /* what one database counts slows no other */
} Slot;

typedef struct Shared
{
	Slot of_database[DATABASES_MAX];
	Slot of_others;
} Shared;

static Shared *shared = NULL; /* NULL: not preloaded */
static Slot of_session;
static Slot *here = NULL; /* where this session counts; NULL until it does */

static shmem_request_hook_type other_request = NULL;
static shmem_startup_hook_type other_startup = NULL;

static void
init_slot(Slot *slot, TimestampTz now)
{
	pg_atomic_init_u32(&slot->database, InvalidOid);
	pg_atomic_init_u64(&slot->since, (uint64) now);
	for (int i = 0; i < PAT_COUNTS; i++)
		pg_atomic_init_u64(&slot->count[i], 0);
}

static void
request_memory(void)
{
	if (other_request != NULL)
		other_request();
	RequestAddinShmemSpace(MAXALIGN(sizeof(Shared)));
}

static void
attach_memory(void)
{
	bool found;

	if (other_startup != NULL)
		other_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("pat_stat", sizeof(Shared), &found);
	if (!found)
	{
		TimestampTz now = GetCurrentTimestamp();

		for (int i = 0; i < DATABASES_MAX; i++)
			init_slot(&shared->of_database[i], now);
		init_slot(&shared->of_others, now);
	}
	LWLockRelease(AddinShmemInitLock);
}

void
pat_stat_init(void)
{
	init_slot(&of_session, GetCurrentTimestamp());
	if (!process_shared_preload_libraries_in_progress)
		return;
	pat_hook_shmem_request(request_memory, &other_request);
	other_startup = shmem_startup_hook;
	shmem_startup_hook = attach_memory;
}

/* The database's slot, which becomes its own if nobody had it. */
static bool
is_ours(Slot *slot)
{
	uint32 database = InvalidOid;

	return pg_atomic_compare_exchange_u32(&slot->database, &database, MyDatabaseId) ||
		   database == MyDatabaseId;
}

static Slot *
find_slot(void)
{
	if (shared == NULL)
		return &of_session;
	for (int i = 0; i < DATABASES_MAX; i++)
		if (is_ours(&shared->of_database[i]))
			return &shared->of_database[i];
	return &shared->of_others;
}

static Slot *
use_slot(void)
{
	if (unlikely(here == NULL))
		here = find_slot();
	return here;
}

void
pat_count(PatCount what)
{
	pg_atomic_fetch_add_u64(&use_slot()->count[what], 1);
}

void
pat_count_refusal(int status)
{
	switch (status)
	{
		case 400:
			pat_count(PAT_BAD_DATA);
			break;
		case 403:
			pat_count(PAT_FORBIDDEN);
			break;
		case 404:
			pat_count(PAT_NOT_FOUND);
			break;
		case 409:
			pat_count(PAT_CONFLICT);
			break;
		case 413:
			pat_count(PAT_TOO_LARGE);
			break;
	}
}

static const char *
scope_of(const Slot *slot)
{
	if (slot == &of_session)
		return "session";
	return slot == &shared->of_others ? "databases" : "database";
}

/* pat_stat_counters(): the one row of the view pat_stat. */
PG_FUNCTION_INFO_V1(pat_stat_counters);

Datum
pat_stat_counters(PG_FUNCTION_ARGS)
{
	Slot *slot = use_slot();
	TupleDesc desc;
	Datum values[COLUMNS];
	bool nulls[COLUMNS] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts != COLUMNS)
		elog(ERROR, "function must return a row of %d columns", COLUMNS);
	values[COLUMN_SCOPE] = CStringGetTextDatum(scope_of(slot));
	for (int i = 0; i < PAT_COUNTS; i++)
		values[COLUMN_FIRST_COUNT + i] = Int64GetDatum((int64) pg_atomic_read_u64(&slot->count[i]));
	values[COLUMN_RESET] = TimestampTzGetDatum((TimestampTz) pg_atomic_read_u64(&slot->since));
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/* pat_stat_reset(): what is counted while it runs may be lost or kept. */
PG_FUNCTION_INFO_V1(pat_stat_reset);

Datum
pat_stat_reset(FunctionCallInfo fcinfo pg_attribute_unused())
{
	Slot *slot = use_slot();

	for (int i = 0; i < PAT_COUNTS; i++)
		pg_atomic_write_u64(&slot->count[i], 0);
	pg_atomic_write_u64(&slot->since, (uint64) GetCurrentTimestamp());
	PG_RETURN_VOID();
}
