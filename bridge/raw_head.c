/*
 * raw_head.c
 *		Accounts for every byte of a request's head.
 *
 * Pure code: reads the bytes between the parts and nothing else.
 */
#include "raw_head.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Go on to that place, if there is nothing but blanks and exactly so many NULs before it. */
static void
advance(RawHead *head, const char *place, unsigned nuls)
{
	while (head->whole && head->at < place)
	{
		if (*head->at == '\0' && nuls > 0)
			nuls--;
		else if (!is_blank(*head->at))
			head->whole = false;
		head->at++;
	}
	head->whole = head->whole && head->at == place && nuls == 0;
}

void
raw_head_start(RawHead *head, const char *start)
{
	head->start = head->at = start;
	head->whole = true;
}

void
raw_head_part(RawHead *head, const char *part, size_t length, unsigned nuls)
{
	advance(head, part, nuls);
	head->at = part + length;
}

bool
raw_head_is_whole(RawHead *head, size_t size)
{
	advance(head, head->start + size, 2 * RAW_HEAD_LINE_END);
	return head->whole;
}
