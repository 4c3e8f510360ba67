/*
 * lane_alike.c
 *		Whether two jobs ask for the same thing, so that one call can serve both.
 *
 * Jobs are alike if they make the same call with the same bytes, the caller's token
 * among them: who shares an answer has sent all that it takes to get it.
 *
 * Digests are compared first.  That spares most comparisons, and how long one takes
 * tells nobody how much of his token is like that of somebody else.
 */
#include "lane_inside.h"

#include <string.h>

#define WORD sizeof(uint64_t)

/* The multiplier of SplitMix64's first step: each bit of a word reaches many others. */
static uint64_t
stir(uint64_t digest, uint64_t word)
{
	digest = (digest ^ word) * UINT64_C(0xbf58476d1ce4e5b9);
	return digest ^ digest >> 31;
}

static uint64_t
stir_text(uint64_t digest, const char *text)
{
	size_t length = strlen(text);
	size_t at = 0;
	uint64_t word;

	for (; length - at >= WORD; at += WORD)
	{
		memcpy(&word, text + at, WORD);
		digest = stir(digest, word);
	}
	word = 0;
	memcpy(&word, text + at, length - at);
	return stir(stir(digest, word), length);
}

uint64_t
lane_digest(const LaneJob *job)
{
	uint64_t digest = 0;

	for (int i = 0; i < job->call->nparams; i++)
		digest = job->params[i] != NULL ? stir_text(digest, job->params[i]) : stir(digest, 0);
	return digest;
}

static bool
is_same_text(const char *a, const char *b)
{
	return a != NULL && b != NULL ? strcmp(a, b) == 0 : a == b;
}

bool
lane_is_alike(const LaneJob *a, const LaneJob *b)
{
	if (a->digest != b->digest || a->call != b->call)
		return false;
	for (int i = 0; i < a->call->nparams; i++)
		if (!is_same_text(a->params[i], b->params[i]))
			return false;
	return true;
}
