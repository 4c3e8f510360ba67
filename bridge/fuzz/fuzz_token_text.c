/*
 * fuzz_token_text.c
 *		Any bytes, to the reader and writer of token text.
 */
#include "fuzz.h"

#include "../../extension/token_text.h"

static bool
lies_inside(PatSlice inner, PatSlice outer)
{
	return inner.data >= outer.data && inner.data + inner.len <= outer.data + outer.len;
}

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void
check_trimmed(PatSlice trimmed, PatSlice whole)
{
	MUST(lies_inside(trimmed, whole));
	MUST(trimmed.len == 0 || !is_blank(trimmed.data[0]));
	MUST(trimmed.len == 0 || !is_blank(trimmed.data[trimmed.len - 1]));
}

/* What is sendable reaches the look-up as it is, with "Bearer" before it and without. */
static void
check_credential(PatSlice value)
{
	PatSlice credential = pat_credential(value.data, value.len);
	PatSlice again;
	size_t len = strlen("Bearer ") + value.len;
	char *with_scheme = malloc(len);

	check_trimmed(credential, value);
	memcpy(with_scheme, "Bearer ", strlen("Bearer "));
	memcpy(with_scheme + strlen("Bearer "), value.data, value.len);
	again = pat_credential(with_scheme, len);
	if (pat_token_is_sendable(value))
	{
		MUST(credential.data == value.data && credential.len == value.len);
		MUST(again.len == value.len && memcmp(again.data, value.data, value.len) == 0);
		MUST(value.len > 0 && value.len <= PAT_CREDENTIAL_MAX && !pat_token_is_mistyped(value));
	}
	free(with_scheme);
}

/* A token of our own making has its shape and its checksum, but not with a character altered. */
static void
check_written(const char *prefix, const uint8_t *random, uint8_t place, uint8_t change)
{
	char token[PAT_TOKEN_OWN_MAX];
	PatSlice slice = {token, pat_token_write(token, prefix, random)};
	size_t altered = strlen(prefix) + place % (slice.len - strlen(prefix));
	char was = token[altered];

	MUST(slice.len == strlen(prefix) + PAT_TOKEN_RANDOM_LEN + PAT_TOKEN_CHECKSUM_LEN);
	MUST(memcmp(token, prefix, strlen(prefix)) == 0);
	MUST(!pat_token_is_mistyped(slice));
	MUST(pat_token_is_sendable(slice));
	check_credential(slice);
	token[altered] = "0Az"[change % 3];
	MUST(token[altered] == was || pat_token_is_mistyped(slice));
}

static void
check_id(PatSlice text)
{
	int32_t id = 0;
	char written[16];

	if (!pat_parse_id(text.data, text.len, &id))
		return;
	MUST(id >= 1);
	snprintf(written, sizeof(written), "%d", (int) id);
	MUST(strlen(written) == text.len && memcmp(written, text.data, text.len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = fuzz_copy(data, size);
	PatSlice value = {copy, size};

	check_trimmed(pat_trim(value), value);
	check_credential(value);
	check_id(value);
	if (size >= PAT_TOKEN_RANDOM_BYTES + 2)
	{
		check_written(PAT_TOKEN_PREFIX_USER, data, data[size - 2], data[size - 1]);
		check_written(PAT_TOKEN_PREFIX_ADMIN, data, data[size - 2], data[size - 1]);
	}
	free(copy);
	return 0;
}
