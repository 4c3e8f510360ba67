/*
 * json_integer.c
 *		The value of a JSON number that is an integer, however it is spelled.
 *
 * JSON Schema defines an integer by its value: 3, 3.0, 30e-1 and 0.3E1 are the same one.  The
 * time is linear in the length of the number, whatever its exponent: multiplying stops as soon
 * as the value exceeds 32 bits.  Owns nothing.
 */
#include "postgres.h"

#include "fmgr.h"

#include "compat.h"
#include "json_integer.h"

/* Exponents are capped here: no datum is large enough for digits that would make up for more. */
#define EXPONENT_MAX 2000000000

/* The largest magnitude of 32 bits; a value above it is out of range, whatever digits follow. */
#define MAGNITUDE_MAX (-(int64) PG_INT32_MIN)

PG_FUNCTION_INFO_V1(pat_json_integer);

/* The part of a number that has not been read yet; the caller has checked JSON's grammar. */
typedef struct Cursor
{
	const char *at;
	const char *end;
} Cursor;

static bool
is_digit(const Cursor *cursor)
{
	return cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9';
}

static bool
skip(Cursor *cursor, char c)
{
	if (cursor->at == cursor->end || *cursor->at != c)
		return false;
	cursor->at++;
	return true;
}

/* Returns the digits, with their decimal point; *exponent is minus the number of decimals. */
static PatSlice
take_digits(Cursor *cursor, int64 *exponent)
{
	PatSlice digits = {cursor->at, 0};
	const char *point = NULL;

	while (is_digit(cursor) || (point == NULL && cursor->at < cursor->end && *cursor->at == '.'))
	{
		if (*cursor->at == '.')
			point = cursor->at;
		cursor->at++;
	}
	digits.len = cursor->at - digits.data;
	*exponent = point == NULL ? 0 : -(int64) (cursor->at - point - 1);
	return digits;
}

static int64
take_exponent(Cursor *cursor)
{
	int64 value = 0;
	bool negative;

	if (!skip(cursor, 'e') && !skip(cursor, 'E'))
		return 0;
	negative = skip(cursor, '-');
	if (!negative)
		skip(cursor, '+');
	for (; is_digit(cursor); cursor->at++)
		value = Min(value * 10 + (*cursor->at - '0'), EXPONENT_MAX);
	return negative ? -value : value;
}

/* Moves trailing zeros into the exponent: if it is negative after that, there is a fraction. */
static void
strip_zeros(PatSlice *digits, int64 *exponent)
{
	while (digits->len > 0 &&
		   (digits->data[digits->len - 1] == '0' || digits->data[digits->len - 1] == '.'))
	{
		*exponent += digits->data[digits->len - 1] == '0';
		digits->len--;
	}
}

bool
pat_json_number_to_int32(PatSlice number, int32 *result)
{
	Cursor cursor = {number.data, number.data + number.len};
	bool negative = skip(&cursor, '-');
	int64 exponent;
	PatSlice digits = take_digits(&cursor, &exponent);
	int64 value = 0;

	exponent += take_exponent(&cursor);
	if (digits.len == 0 || cursor.at != cursor.end)
		return false;
	strip_zeros(&digits, &exponent);
	for (size_t i = 0; i < digits.len && value <= MAGNITUDE_MAX; i++)
		if (digits.data[i] != '.')
			value = value * 10 + (digits.data[i] - '0');
	if (value > 0 && exponent < 0)
		return false;
	for (; value > 0 && value <= MAGNITUDE_MAX && exponent > 0; exponent--)
		value *= 10;
	value = negative ? -value : value;
	*result = (int32) value;
	return value >= PG_INT32_MIN && value <= PG_INT32_MAX;
}

/* pat_json_integer(number text) returns integer: null if it is not an integer of 32 bits */
Datum
pat_json_integer(PG_FUNCTION_ARGS)
{
	text *number = PG_GETARG_TEXT_PP(0);
	int32 value;

	if (!pat_json_number_to_int32((PatSlice){VARDATA_ANY(number), VARSIZE_ANY_EXHDR(number)},
								  &value))
		PG_RETURN_NULL();
	PG_RETURN_INT32(value);
}
