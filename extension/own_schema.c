/*
 * own_schema.c
 *		Does the extension's schema still have the name that stands in its functions' bodies?
 *
 * Functions in PL/pgSQL look at each call (install/guard.sed); the functions in C need no name,
 * and refuse to work where those do, so that a schema that was renamed without the event trigger
 * is not half in use.  Owns: the schema that was found in order, and its name then.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "own_schema.h"

/* A function whose body is the guard alone. */
#define GUARDED        "pat_check_schema"
#define NAME_IS_BEHIND "IF to_regnamespace('"
#define NAME_IS_BEFORE "')"

/* Found in order, under this name. */
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

/* The name in the guard, without quotes; NULL if there is none. */
static char *
name_in(char *body)
{
	char *name = body == NULL ? NULL : strstr(body, NAME_IS_BEHIND);
	char *end = name == NULL ? NULL : strstr(name, NAME_IS_BEFORE);
	List *names;

	if (end == NULL)
		return NULL;
	*end = '\0';
	name += strlen(NAME_IS_BEHIND);
	return SplitIdentifierString(name, '.', &names) && list_length(names) == 1 ? linitial(names)
																			   : NULL;
}

/* Is the schema bound to its present name, as far as is known?  Writes that name. */
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
