/*
 * json_object.c
 *		The members of one JSON object, parsed by the server's own parser.
 *
 * The parser calls back for each piece; only members of the outermost object
 * and strings directly in their arrays are kept.  Before PostgreSQL 16 a
 * callback cannot end the parse, so what is wrong is noted and asked at the
 * end.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "compat.h"
#include "json_object.h"
#include "json_text.h"
#include "jwt_text.h"

typedef struct ParseState
{
	PatJsonObject *object;
	int depth;
	bool is_object; /* the outermost value is one */
	bool refused;   /* a name twice, or too many */
} ParseState;

static PatJsonMember *
last_member(ParseState *state)
{
	return state->refused || state->object->n_members == 0
			   ? NULL
			   : &state->object->members[state->object->n_members - 1];
}

static PatJsonCallbackResult
begin_object(void *arg)
{
	ParseState *state = arg;

	if (state->depth++ == 0)
		state->is_object = true;
	return PAT_JSON_CALLBACK_DONE;
}

static PatJsonCallbackResult
end_nesting(void *arg)
{
	((ParseState *) arg)->depth--;
	return PAT_JSON_CALLBACK_DONE;
}

static PatJsonCallbackResult
begin_array(void *arg)
{
	ParseState *state = arg;
	PatJsonMember *member = last_member(state);

	if (state->depth++ == 1 && state->is_object && member != NULL)
		member->type = PAT_JSON_ARRAY;
	return PAT_JSON_CALLBACK_DONE;
}

static PatJsonCallbackResult
begin_member(void *arg, char *name, bool isnull pg_attribute_unused())
{
	ParseState *state = arg;
	PatJsonObject *object = state->object;

	if (state->depth != 1 || state->refused)
		return PAT_JSON_CALLBACK_DONE;
	if (object->n_members == PAT_JSON_MEMBERS_MAX || pat_json_member(object, name) != NULL)
		state->refused = true;
	else
		object->members[object->n_members++] = (PatJsonMember){.name = name,
															   .type = PAT_JSON_OTHER};
	return PAT_JSON_CALLBACK_DONE;
}

static PatJsonCallbackResult
scalar(void *arg, char *text, JsonTokenType type)
{
	ParseState *state = arg;
	PatJsonMember *member = last_member(state);

	if (member == NULL)
		return PAT_JSON_CALLBACK_DONE;
	if (state->depth == 1 && (type == JSON_TOKEN_STRING || type == JSON_TOKEN_NUMBER))
	{
		member->type = type == JSON_TOKEN_STRING ? PAT_JSON_STRING : PAT_JSON_NUMBER;
		member->text = text;
	}
	else if (state->depth == 2 && member->type == PAT_JSON_ARRAY && type == JSON_TOKEN_STRING)
		member->strings = lappend(member->strings, text);
	return PAT_JSON_CALLBACK_DONE;
}

/*
 * The server's parser turns escapes into the database's encoding, and before
 * 16 raises an error where that has no such character.  Written as UTF-8 they
 * stay UTF-8, as all that is not escaped does.
 */
static PatSlice
without_escapes(PatSlice json)
{
	char *dst = palloc(json.len + 1);
	size_t written = 0;
	size_t i = 0;

	while (i < json.len)
	{
		size_t len;
		int32 c = pat_json_escaped_character(json.data, json.len, i, &len);

		if (c >= 0x80) /* an escaped quote stays escaped */
		{
			unicode_to_utf8((pg_wchar) c, (unsigned char *) dst + written);
			written += pg_utf_mblen((unsigned char *) dst + written);
			i += len;
			continue;
		}
		if (json.data[i] == '\\' && i + 1 < json.len)
			dst[written++] = json.data[i++];
		dst[written++] = json.data[i++];
	}
	return (PatSlice){dst, written};
}

bool
pat_json_object_parse(PatSlice json, PatJsonObject *object)
{
	ParseState state = {.object = object};
	JsonSemAction actions = {
		.semstate = &state,
		.object_start = begin_object,
		.object_end = end_nesting,
		.array_start = begin_array,
		.array_end = end_nesting,
		.object_field_start = begin_member,
		.scalar = scalar,
	};

	object->n_members = 0;
	if (GetDatabaseEncoding() != PG_UTF8)
		json = without_escapes(json);
	return pg_verify_mbstr(PG_UTF8, json.data, (int) json.len, true) && pat_json_is_shallow(json) &&
		   pg_parse_json(pat_make_json_lexer(json.data, json.len), &actions) == JSON_SUCCESS &&
		   state.is_object && !state.refused;
}

const PatJsonMember *
pat_json_member(const PatJsonObject *object, const char *name)
{
	for (int i = 0; i < object->n_members; i++)
		if (strcmp(object->members[i].name, name) == 0)
			return &object->members[i];
	return NULL;
}

const char *
pat_json_string(const PatJsonObject *object, const char *name)
{
	const PatJsonMember *member = pat_json_member(object, name);

	return member != NULL && member->type == PAT_JSON_STRING ? member->text : NULL;
}
