/*
 * fuzz_raw_head.c
 *		Any bytes as the head of a request, handed over in parts: whole if every
 *		byte is in a part or separates two, and else not.
 */
#include "fuzz.h"

#include "../raw_head.h"

#define PARTS_MAX 64

typedef struct Parts
{
	size_t count;
	const char *at[PARTS_MAX];
	size_t length[PARTS_MAX];
} Parts;

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* What stands between blanks; the last one goes to the end if there are too many. */
static void
split(const char *head, size_t size, Parts *parts)
{
	size_t i = 0;

	parts->count = 0;
	while (parts->count < PARTS_MAX)
	{
		size_t start;

		while (i < size && is_blank(head[i]))
			i++;
		if (i == size)
			return;
		start = i;
		while (i < size && (!is_blank(head[i]) || parts->count == PARTS_MAX - 1))
			i++;
		parts->at[parts->count] = head + start;
		parts->length[parts->count++] = i - start;
	}
}

/* All parts but one; a part may be cut to a length. */
static bool
is_whole(const char *head, size_t size, const Parts *parts, size_t left_out)
{
	RawHead raw;

	raw_head_start(&raw, head);
	for (size_t i = 0; i < parts->count; i++)
		if (i != left_out)
			raw_head_part(&raw, parts->at[i], parts->length[i], RAW_HEAD_MARK);
	return raw_head_is_whole(&raw, size);
}

/* As much as NULs in the place of separators may be: all else that is left out shows. */
static bool
has_text(const char *part, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (part[i] != '\0' && !is_blank(part[i]))
			return true;
	return false;
}

/* A part that ends at its first NUL, as the library's strings do. */
static void
check_hidden(const char *head, size_t size, const Parts *parts, size_t which)
{
	Parts cut = *parts;
	size_t shown = strnlen(parts->at[which], parts->length[which]);

	cut.length[which] = shown;
	if (has_text(parts->at[which] + shown, parts->length[which] - shown))
		MUST(!is_whole(head, size, &cut, PARTS_MAX));
}

/* Two parts in the wrong order. */
static void
check_order(const char *head, size_t size, const Parts *parts)
{
	Parts swapped = *parts;

	swapped.at[0] = parts->at[1];
	swapped.length[0] = parts->length[1];
	swapped.at[1] = parts->at[0];
	swapped.length[1] = parts->length[0];
	MUST(!is_whole(head, size, &swapped, PARTS_MAX));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *head = fuzz_copy(data, size);
	Parts parts;

	split(head, size, &parts);
	MUST(is_whole(head, size, &parts, PARTS_MAX));
	for (size_t i = 0; i < parts.count; i++)
	{
		if (has_text(parts.at[i], parts.length[i]))
			MUST(!is_whole(head, size, &parts, i));
		check_hidden(head, size, &parts, i);
	}
	if (parts.count >= 2)
		check_order(head, size, &parts);
	free(head);
	return 0;
}
