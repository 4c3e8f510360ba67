/*
 * body_escape.c
 *		Which property of a request body holds an escape that text cannot hold?
 *
 * One walk over the bytes, whatever they are: the body comes from outside, and
 * a regular expression took seconds for one of 100 kB.  Owns nothing.
 */
#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "compat.h"
#include "json_text.h"
#include "token_text.h"

#define NAME_SHOWN_MAX 100 /* bytes */

PG_FUNCTION_INFO_V1(pat_body_bad_escape);

/* Bytes of the escape at this place, a pair of surrogates being one; 0 for one of no character. */
static size_t
escape_len(PatSlice json, size_t at)
{
	size_t len;
	int32 character = pat_json_escaped_character(json.data, json.len, at, &len);

	if (character == PAT_JSON_NO_ESCAPE)
		return 2;
	return character == PAT_JSON_HALF_PAIR || character == 0 ? 0 : len;
}

/* From behind the opening quote to the closing one; false at an escape of no character. */
static bool
skip_string(PatSlice json, size_t *at)
{
	while (*at < json.len && json.data[*at] != '"')
	{
		size_t step = json.data[*at] == '\\' ? escape_len(json, *at) : 1;

		if (step == 0)
			return false;
		*at += step;
	}
	return true;
}

/* The last name that ends before the first such escape; false if there is no such escape. */
static bool
find_bad_escape(PatSlice json, PatSlice *name)
{
	PatSlice last = {json.data, 0};

	*name = last;
	for (size_t at = 0; at < json.len; at++)
	{
		size_t start = at + 1;

		if (json.data[at] == ':')
			*name = last;
		if (json.data[at] != '"')
			continue;
		at = start;
		if (!skip_string(json, &at))
			return true;
		last = (PatSlice){json.data + start, Min(at, json.len) - start};
	}
	return false;
}

/* pat_body_bad_escape(body json) returns text: a name as it is written, cut; null if all is well */
Datum
pat_body_bad_escape(PG_FUNCTION_ARGS)
{
	text *body = PG_GETARG_TEXT_PP(0);
	PatSlice name;

	if (!find_bad_escape((PatSlice){VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body)}, &name))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(name.data, pg_mbcliplen(name.data, (int) name.len,
																	  NAME_SHOWN_MAX)));
}
