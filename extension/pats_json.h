/*
 * pats_json.h
 *		Writing tokens as Unleash's patSchema and patsSchema.
 */
#ifndef PAT_PATS_JSON_H
#define PAT_PATS_JSON_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "storage/store.h"

/*
 * {"pats":[...]}: all tokens of an account, ordered by id.  Each carries its
 * secret only if sealed storage is on and the row has one that opens.
 */
extern void pat_append_pats(StringInfo out, int32 account_id);

/*
 * The array of that object alone.  latest, if not NULL, becomes the latest
 * seen_at of the tokens; it stays as it is where none was ever seen.
 */
typedef struct PatLatest
{
	bool known;
	TimestampTz time;
} PatLatest;

extern void pat_append_pat_array(StringInfo out, int32 account_id, PatLatest *latest);

/* One token, with the text that only its creation shows, last. */
extern void pat_append_new_pat(StringInfo out, const PatToken *token, const text *secret);

/* Members of a JSON object; a NULL text and an absent time are null. */
#define pat_append_literal(out, literal) appendBinaryStringInfo(out, literal, sizeof(literal) - 1)
extern void pat_append_int(StringInfo out, int32 value);
extern void pat_append_text(StringInfo out, const text *value);
extern void pat_append_time(StringInfo out, bool present, TimestampTz value);

/* A datum of type json (or text) being built; its header is filled in last. */
extern void pat_json_begin(StringInfo out);
extern Datum pat_json_datum(StringInfo out);

#endif /* PAT_PATS_JSON_H */
