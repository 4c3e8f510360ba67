/*
 * json_object.h
 *		The members of one JSON object, parsed by the server's own parser.
 *
 * Strict: valid UTF-8, one object and nothing after it, no name twice, not too
 * deep.  Memory is of the current context.
 */
#ifndef PAT_JSON_OBJECT_H
#define PAT_JSON_OBJECT_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "token_text.h"

/* More members than a token of PAT_CREDENTIAL_MAX bytes has any use for. */
#define PAT_JSON_MEMBERS_MAX 128

typedef enum PatJsonType
{
	PAT_JSON_STRING,
	PAT_JSON_NUMBER,
	PAT_JSON_ARRAY,
	PAT_JSON_OTHER /* object, true, false, null */
} PatJsonType;

typedef struct PatJsonMember
{
	const char *name;
	PatJsonType type;
	const char *text; /* of a string, without escapes; of a number, as written */
	List *strings;    /* of an array, its members that are strings (char *) */
} PatJsonMember;

typedef struct PatJsonObject
{
	int n_members;
	PatJsonMember members[PAT_JSON_MEMBERS_MAX];
} PatJsonObject;

/* False where the text is anything but such an object. */
extern bool pat_json_object_parse(PatSlice json, PatJsonObject *object);

/* NULL where the object has no such member. */
extern const PatJsonMember *pat_json_member(const PatJsonObject *object, const char *name);

/* The text of a member that is a string; NULL where it is absent or not one. */
extern const char *pat_json_string(const PatJsonObject *object, const char *name);

#endif /* PAT_JSON_OBJECT_H */
