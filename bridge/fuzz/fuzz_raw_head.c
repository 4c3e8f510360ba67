/*
 * fuzz_raw_head.c
 *		Any bytes as the head of a request, as the library leaves it, handed over in
 *		parts: whole if every byte is in a part or separates two, and else not.
 */
#include "fuzz.h"

#include "../raw_head.h"

#define PARTS_MAX 64

/* NULs before the parts and behind the last one, at most. */
#define NULS_MAX (2 * RAW_HEAD_LINE_END * (PARTS_MAX + 1))

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

/* Method, URI and version stand in one line, then each header in one: a name and a value. */
static unsigned
nuls_before(size_t part)
{
	if (part == 0)
		return 0;
	return part >= 3 && part % 2 == 1 ? RAW_HEAD_LINE_END : RAW_HEAD_MARK;
}

static char *
put_nuls(char *to, unsigned count)
{
	memset(to, '\0', count);
	return to + count;
}

/*
 * Write the head to dst with NULs where the library puts them, besides the blanks that
 * are there, and point the parts at it; returns the size.  Of the NULs before one part
 * some may be missing.
 */
static size_t
mark(char *dst, const char *head, size_t size, Parts *parts, size_t which, unsigned missing)
{
	const char *from = head;
	char *to = dst;

	for (size_t i = 0; i < parts->count; i++)
	{
		size_t blanks = (size_t) (parts->at[i] - from);

		to = mempcpy(put_nuls(to, nuls_before(i) - (i == which ? missing : 0)), from, blanks);
		from = parts->at[i] + parts->length[i];
		parts->at[i] = to;
		to = mempcpy(to, from - parts->length[i], parts->length[i]);
	}
	to = mempcpy(put_nuls(to, 2 * RAW_HEAD_LINE_END), from, (size_t) (head + size - from));
	return (size_t) (to - dst);
}

/* All parts but one; a part may be cut to a length. */
static bool
is_whole(const char *head, size_t size, const Parts *parts, size_t left_out)
{
	RawHead raw;

	raw_head_start(&raw, head);
	for (size_t i = 0; i < parts->count; i++)
		if (i != left_out)
			raw_head_part(&raw, parts->at[i], parts->length[i], nuls_before(i));
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

/* A line that ends with a line feed alone: one NUL too few. */
static void
check_bare_line_feed(char *room, const char *head, size_t size, const Parts *parts, size_t which)
{
	Parts marked = *parts;

	if (nuls_before(which) == RAW_HEAD_LINE_END)
		MUST(!is_whole(room, mark(room, head, size, &marked, which, 1), &marked, PARTS_MAX));
}

static void
check_marked(const char *head, size_t size, const Parts *parts)
{
	MUST(is_whole(head, size, parts, PARTS_MAX));
	for (size_t i = 0; i < parts->count; i++)
	{
		if (has_text(parts->at[i], parts->length[i]))
			MUST(!is_whole(head, size, parts, i));
		check_hidden(head, size, parts, i);
	}
	if (parts->count >= 2)
		check_order(head, size, parts);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *head = fuzz_copy(data, size);
	char *room = malloc(size + NULS_MAX);
	Parts parts;
	Parts marked;

	split(head, size, &parts);
	for (size_t i = 0; i < parts.count; i++)
		check_bare_line_feed(room, head, size, &parts, i);
	marked = parts;
	size = mark(room, head, size, &marked, PARTS_MAX, 0);
	check_marked(room, size, &marked);
	free(room);
	free(head);
	return 0;
}
