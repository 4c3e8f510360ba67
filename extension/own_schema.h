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
 * After a wait for a lock: raise t_r_serialization_failure if the schema that was in order before
 * has another name by now.  The body in PL/pgSQL that called goes on by the old name, which may be
 * somebody else's by now.
 */
extern void pat_check_own_schema_again(Oid schema);

#endif /* PAT_OWN_SCHEMA_H */
