/*
 * call.h
 *		A call of one SQL function, as the route table writes it down.
 *
 * The one thing that route, lane and db have to agree on.
 */
#ifndef PAT_BRIDGE_CALL_H
#define PAT_BRIDGE_CALL_H

#include <stdbool.h>

/* Bounds of the tables that are indexed by a call's id or parameter. */
#define CALL_MAX        16
#define CALL_MAX_PARAMS 3

/* What the function returns and which columns the bridge selects. */
typedef enum CallShape
{
	CALL_ANSWER,       /* a text for each request: a line with status and caller, and the body */
	CALL_JSON,         /* one json, and the caller */
	CALL_JSON_OF_ALL,  /* the same; it has all there is, and is long unless the last was not */
	CALL_JSON_WITH_ID, /* one json, the caller, and the json's "id" as text */
	CALL_VOID          /* nothing, and the caller */
} CallShape;

/* The columns; of CALL_ANSWER there is only the first. */
enum
{
	CALL_COLUMN_RESULT,
	CALL_COLUMN_CALLER, /* as status_of_caller takes it; may be null */
	CALL_COLUMN_ID
};

/*
 * A function that answers takes an array for each parameter, and returns a row
 * for each of its elements.  It never raises for what they hold, so that many
 * requests can share one call, and the cost of it.
 */
static inline bool
call_shape_batches(CallShape shape)
{
	return shape == CALL_ANSWER;
}

typedef struct Call
{
	unsigned id;           /* below CALL_MAX, unique: names the prepared statement */
	const char *function;  /* bare name: the schema is asked of the database */
	const char *arguments; /* "$1::text, $2::json"; of one that answers "$1::text[]" */
	int nparams;
	CallShape shape;
} Call;

/* The calls that one pool of connections serves. */
typedef struct CallSet
{
	const Call *calls[CALL_MAX];
	unsigned count;
} CallSet;

#endif
