/*
 * own_schema.h
 *		Does the extension's schema still have the name that stands in its functions' bodies?
 */
#ifndef PAT_OWN_SCHEMA_H
#define PAT_OWN_SCHEMA_H

#include "postgres.h"

/*
 * Raise an error if not: object_not_in_prerequisite_state.  Of a schema that was in order it
 * costs a look into the system cache, as long as it has the same name.
 */
extern void pat_check_own_schema(Oid schema);

/*
 * To be called after a wait for a lock: raises 40001 if the schema was renamed since it passed the
 * check.  The PL/pgSQL function that called would go on with the old name, which may belong to a
 * schema of another user by now.
 */
extern void pat_check_own_schema_again(Oid schema);

#endif /* PAT_OWN_SCHEMA_H */
