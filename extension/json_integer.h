/*
 * json_integer.h
 *		The value of a JSON number that is an integer, however it is spelled.
 */
#ifndef PAT_JSON_INTEGER_H
#define PAT_JSON_INTEGER_H

#include "postgres.h"

#include "token_text.h"

/*
 * The value of a number of JSON's grammar, if it is an integer of 32 bits: 3, 3.0, 30e-1.
 * False for every other number, and for what is none; *result is undefined then.
 */
extern bool pat_json_number_to_int32(PatSlice number, int32 *result);

#endif /* PAT_JSON_INTEGER_H */
