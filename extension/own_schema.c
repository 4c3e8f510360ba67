/*
 * own_schema.c
 *		Checks that the extension's schema still has the name that its functions' bodies contain.
 *
 * Functions in PL/pgSQL check this at each call (install/guard.sed).  Functions in C find tables
 * without that name, but fail under the same condition, so that a schema that was renamed without
 * the event trigger is not half usable.  Owns: the schema that last passed the check, and its name.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "own_schema.h"

/* A function whose body is nothing but the guard, and what is before and after the name there. */
#define GUARDED      "pat_check_schema"
#define GUARD_PREFIX "IF to_regnamespace('"
#define GUARD_SUFFIX "')"

/* The schema that last passed the check, under this name. */
static Oid checked = InvalidOid;
static NameData checked_name;

static char *
body_of_guarded(Oid schema)
{
	oidvector *no_arguments = buildoidvector(NULL, 0);
	HeapTuple tuple = SearchSysCache3(PROCNAMEARGSNSP, CStringGetDatum(GUARDED),
									  PointerGetDatum(no_arguments), ObjectIdGetDatum(schema));
	char *body = NULL;
	bool isnull;
	Datum source;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	source = SysCacheGetAttr(PROCNAMEARGSNSP, tuple, Anum_pg_proc_prosrc, &isnull);
	if (!isnull)
		body = TextDatumGetCString(source);
	ReleaseSysCache(tuple);
	return body;
}

/* The schema's name in the text of the guard, without quotes; NULL if there is none. */
static char *
name_in(char *body)
{
	char *name = body == NULL ? NULL : strstr(body, GUARD_PREFIX);
	char *end = name == NULL ? NULL : strstr(name, GUARD_SUFFIX);
	List *names;

	if (end == NULL)
		return NULL;
	*end = '\0';
	name += strlen(GUARD_PREFIX);
	return SplitIdentifierString(name, '.', &names) && list_length(names) == 1 ? linitial(names)
																			   : NULL;
}

/* Writes the schema's present name; true if the schema has passed the check under that name. */
static bool
is_known_as(Oid schema, NameData *name)
{
	HeapTuple tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for schema %u", schema);
	*name = ((Form_pg_namespace) GETSTRUCT(tuple))->nspname;
	ReleaseSysCache(tuple);
	return schema == checked && strcmp(NameStr(*name), NameStr(checked_name)) == 0;
}

void
pat_check_own_schema(Oid schema)
{
	NameData name;
	char *bound_to;

	if (is_known_as(schema, &name))
		return;
	bound_to = name_in(body_of_guarded(schema));
	if (bound_to == NULL || strcmp(bound_to, NameStr(name)) != 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("the schema of extension \"pat\" was renamed"),
						errhint("Enable the event trigger pat_follow_rename, and rename the "
								"schema once more."),
						errhidestmt(true), errhidecontext(true)));
	checked = schema;
	checked_name = name;
}

void
pat_check_own_schema_again(Oid schema)
{
	NameData name;

	if (!is_known_as(schema, &name))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("the schema of extension \"pat\" was renamed during the call"),
				 errhint("Call again, by the new name."), errhidestmt(true), errhidecontext(true)));
}
