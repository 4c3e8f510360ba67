/*
 * seen.c
 *		Writing when a token was last used.
 *
 * Locking: RowExclusiveLock on pat_token and the row's lock are both taken
 * only if free at once.  The row lock comes first, so that the update after it
 * cannot wait.  All happens in a subtransaction: a full disk must not fail a
 * list.
 *
 * Owns: which tokens this statement has marked.  Its snapshot goes on showing
 * their rows as they were, and each further use would try in vain.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "storage/lmgr.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "storage/relations.h"
#include "seen.h"
#include "settings.h"
#include "stat.h"

/* As many tokens as a statement remembers; the bridge puts fewer into one. */
#define MARKED_MAX 32

/* A subtransaction that is rolled back takes its marks along: none counts beyond its own. */
static struct
{
	LocalTransactionId transaction;
	SubTransactionId subtransaction;
	TimestampTz statement;
	int count;
	int32 token_ids[MARKED_MAX];
} marked;

/* Forgets what another statement or subtransaction has marked. */
static bool
is_marked(int32 token_id, TimestampTz statement)
{
	LocalTransactionId transaction = pat_local_transaction();
	SubTransactionId subtransaction = GetCurrentSubTransactionId();

	if (marked.statement != statement || marked.transaction != transaction ||
		marked.subtransaction != subtransaction)
	{
		marked.statement = statement;
		marked.transaction = transaction;
		marked.subtransaction = subtransaction;
		marked.count = 0;
	}
	for (int i = 0; i < marked.count; i++)
		if (marked.token_ids[i] == token_id)
			return true;
	return false;
}

/* Begins anew when there is no room: to forget costs no more than a try in vain. */
static void
remember_mark(int32 token_id)
{
	if (marked.count == MARKED_MAX)
		marked.count = 0;
	marked.token_ids[marked.count++] = token_id;
}

static bool
is_due(const PatToken *token, TimestampTz now)
{
	return !token->has_seen_at || now - token->seen_at > pat_seen_resolution * INT64CONST(1000000);
}

/* A standby's transactions are read-only. */
static bool
may_write(void)
{
	return !XactReadOnly && !IsInParallelMode() && !IsolationIsSerializable();
}

/* What the owner has added to the table: columns computed from seen_at, and its constraints. */
static void
complete_row(ResultRelInfo *target, EState *estate, TupleTableSlot *row)
{
	TupleConstr *rules = RelationGetDescr(target->ri_RelationDesc)->constr;

	if (rules == NULL)
		return;
	if (rules->has_generated_stored)
		pat_compute_generated_columns(target, estate, row);
	ExecConstraints(target, row, estate);
}

/*
 * Columns that are generated, constraints, and whatever indexes the table has, partial
 * ones and those on expressions included, are kept up as by an UPDATE.  Triggers do not
 * fire: they might wait.
 */
static void
replace_row(Relation table, ItemPointer place, TupleTableSlot *row)
{
	ResultRelInfo *target = makeNode(ResultRelInfo);
	EState *estate = CreateExecutorState();
	PatIndexesToUpdate indexes;

	InitResultRelInfo(target, table, 0, NULL, 0);
	complete_row(target, estate, row);
	ExecOpenIndices(target, false);
	simple_table_tuple_update(table, place, row, GetActiveSnapshot(), &indexes);
	pat_insert_index_tuples(target, row, estate, indexes);
	ExecCloseIndices(target);
	FreeExecutorState(estate);
}

/* A row of as many columns as the table has, those that were dropped included. */
static void
write_seen(Relation table, TupleTableSlot *old, TimestampTz now)
{
	TupleTableSlot *new = table_slot_create(table, NULL);
	int seen_at = pat_columns(PAT_TOKEN)[PAT_TOKEN_SEEN_AT] - 1;
	int natts = old->tts_tupleDescriptor->natts;

	slot_getallattrs(old);
	memcpy(new->tts_values, old->tts_values, natts * sizeof(Datum));
	memcpy(new->tts_isnull, old->tts_isnull, natts * sizeof(bool));
	new->tts_values[seen_at] = TimestampTzGetDatum(now);
	new->tts_isnull[seen_at] = false;
	ExecStoreVirtualTuple(new);
	replace_row(table, &old->tts_tid, new);
	ExecDropSingleTupleTableSlot(new);
}

/* The table is locked with RowExclusiveLock.  False: the row is held, or no longer the token's. */
static bool
lock_and_write(Relation table, const PatToken *token, TimestampTz now)
{
	TupleTableSlot *slot = table_slot_create(table, NULL);
	ItemPointerData place = token->place;
	AttrNumber id = pat_columns(PAT_TOKEN)[PAT_TOKEN_ID];
	TM_FailureData failure;
	bool isnull;
	bool ours;

	ours = table_tuple_lock(table, &place, GetActiveSnapshot(), slot, GetCurrentCommandId(true),
							LockTupleNoKeyExclusive, LockWaitSkip, 0, &failure) == TM_Ok &&
		   DatumGetInt32(slot_getattr(slot, id, &isnull)) == token->id;
	if (ours)
		write_seen(table, slot, now);
	ExecDropSingleTupleTableSlot(slot);
	return ours;
}

static bool
try_to_write(const PatToken *token, TimestampTz now)
{
	Relation table = pat_table_open(PAT_TOKEN);
	bool written = ConditionalLockRelation(table, RowExclusiveLock) &&
				   lock_and_write(table, token, now);

	table_close(table, NoLock);
	return written;
}

/* A cancelled statement stays cancelled; all else that goes wrong here is dropped. */
static void
drop_error(const PatToken *token, MemoryContext context, ResourceOwner owner)
{
	ErrorData *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		ReThrowError(error);
	pat_count(PAT_SEEN_FAILED);
	/* the statement may hold a token as a literal, the context one as a parameter */
	ereport(LOG_SERVER_ONLY, (errcode(error->sqlerrcode),
							  errmsg("could not write the last-seen time of token %d: %s",
									 token->id, error->message),
							  errhidestmt(true), errhidecontext(true)));
	FreeErrorData(error);
}

void
pat_mark_seen(const PatToken *token)
{
	TimestampTz now = GetCurrentStatementStartTimestamp();
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	if (!is_due(token, now) || is_marked(token->id, now))
		return;
	if (!may_write())
	{
		pat_count(PAT_SEEN_SKIPPED);
		return;
	}
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		bool written = try_to_write(token, now);

		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		pat_count(written ? PAT_SEEN_WRITTEN : PAT_SEEN_SKIPPED);
		if (written)
			remember_mark(token->id);
	}
	PG_CATCH();
	{
		drop_error(token, context, owner);
	}
	PG_END_TRY();
}
