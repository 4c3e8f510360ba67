/*
 * own_schema.c
 *		Does the extension's schema still have the name that stands in its functions' bodies?
 *
 * Functions in PL/pgSQL look at each call (install/guard.sed); the functions in C need no name,
 * and refuse to work where those do, so that a schema that was renamed without the event trigger
 * is not half in use.  Owns: the schema that was found in order, dropped by invalidation.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "own_schema.h"

/* A function whose body is the guard alone. */
#define GUARDED        "pat_check_schema"
#define NAME_IS_BEHIND "IF to_regnamespace('"
#define NAME_IS_BEFORE "')"

static Oid in_order = InvalidOid;
static bool callback_registered = false;

static void
forget(Datum arg pg_attribute_unused(), int cache pg_attribute_unused(),
	   uint32 hash pg_attribute_unused())
{
	in_order = InvalidOid;
}

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

void
pat_check_own_schema(Oid schema)
{
	char *wanted;
	char *name;

	if (schema == in_order)
		return;
	if (!callback_registered)
	{
		CacheRegisterSyscacheCallback(NAMESPACEOID, forget, (Datum) 0);
		CacheRegisterSyscacheCallback(PROCOID, forget, (Datum) 0);
		callback_registered = true;
	}
	wanted = get_namespace_name(schema);
	name = name_in(body_of_guarded(schema));
	if (wanted == NULL || name == NULL || strcmp(name, wanted) != 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("the schema of extension \"pat\" was renamed"),
						errhint("Enable the event trigger pat_follow_rename, and rename the "
								"schema once more."),
						errhidestmt(true), errhidecontext(true)));
	in_order = schema;
}
