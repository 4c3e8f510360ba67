/*
 * token_text.c
 *		Pure reading and writing of token text and of the value that carries it.
 *
 * No I/O, no clock, no allocation, nothing of PostgreSQL.  Locale never
 * matters: only ASCII is looked at.
 */
#include "token_text.h"

#include <string.h>

static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
is_base62(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

PatSlice
pat_trim(PatSlice s)
{
	while (s.len > 0 && is_blank(s.data[0]))
	{
		s.data++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.data[s.len - 1]))
		s.len--;
	return s;
}

/* Setting bit 5 folds the case of ASCII letters. */
static bool
starts_with_bearer(PatSlice s)
{
	static const char word[] = "bearer";
	size_t len = sizeof(word) - 1;

	if (s.len < len)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((s.data[i] | 0x20) != word[i])
			return false;
	return s.len == len || is_blank(s.data[len]);
}

PatSlice
pat_credential(const char *value, size_t len)
{
	PatSlice s = pat_trim((PatSlice){value, len});

	if (starts_with_bearer(s))
	{
		s.data += strlen("bearer");
		s.len -= strlen("bearer");
		s = pat_trim(s);
	}
	return s;
}

/* CRC-32 of ISO 3309, as zlib and PNG have it, four bits at a time. */
static uint32_t
crc32_ieee(const char *data, size_t len)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < len; i++)
	{
		crc ^= (uint8_t) data[i];
		crc = (crc >> 4) ^ table[crc & 0x0f];
		crc = (crc >> 4) ^ table[crc & 0x0f];
	}
	return crc ^ 0xffffffff;
}

static void
write_checksum(char *dst, const char *data, size_t len)
{
	uint32_t crc = crc32_ieee(data, len);

	for (int i = PAT_TOKEN_CHECKSUM_LEN - 1; i >= 0; i--)
	{
		dst[i] = base62[crc % 62];
		crc /= 62;
	}
}

/* Bytes of the prefix if the token has our own shape, else 0. */
static size_t
own_prefix_len(PatSlice token)
{
	static const char *const prefixes[] = {PAT_TOKEN_PREFIX_USER, PAT_TOKEN_PREFIX_ADMIN};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
	{
		size_t len = strlen(prefixes[i]);

		if (token.len != len + PAT_TOKEN_RANDOM_LEN + PAT_TOKEN_CHECKSUM_LEN ||
			memcmp(token.data, prefixes[i], len) != 0)
			continue;
		for (size_t j = len; j < token.len; j++)
			if (!is_base62(token.data[j]))
				return 0;
		return len;
	}
	return 0;
}

bool
pat_token_is_mistyped(PatSlice token)
{
	char expected[PAT_TOKEN_CHECKSUM_LEN];
	size_t body_len;

	if (own_prefix_len(token) == 0)
		return false;
	body_len = token.len - PAT_TOKEN_CHECKSUM_LEN;
	write_checksum(expected, token.data, body_len);
	return memcmp(expected, token.data + body_len, PAT_TOKEN_CHECKSUM_LEN) != 0;
}

bool
pat_token_is_sendable(PatSlice token)
{
	if (token.len == 0 || token.len > PAT_CREDENTIAL_MAX || starts_with_bearer(token))
		return false;
	for (size_t i = 0; i < token.len; i++)
		if (token.data[i] <= ' ' || token.data[i] > '~')
			return false;
	return !pat_token_is_mistyped(token);
}

/* One digit of a big-endian number: divides it by 62 and returns the rest. */
static unsigned int
divide_by_62(uint8_t number[PAT_TOKEN_RANDOM_BYTES])
{
	unsigned int rest = 0;

	for (int i = 0; i < PAT_TOKEN_RANDOM_BYTES; i++)
	{
		unsigned int digit = rest << 8 | number[i];

		number[i] = (uint8_t) (digit / 62);
		rest = digit % 62;
	}
	return rest;
}

size_t
pat_token_write(char *dst, const char *prefix, const uint8_t random[PAT_TOKEN_RANDOM_BYTES])
{
	size_t prefix_len = strlen(prefix);
	size_t len = prefix_len + PAT_TOKEN_RANDOM_LEN;
	uint8_t number[PAT_TOKEN_RANDOM_BYTES];

	memcpy(dst, prefix, prefix_len);
	memcpy(number, random, sizeof(number));
	for (size_t i = len; i > prefix_len; i--)
		dst[i - 1] = base62[divide_by_62(number)];
	write_checksum(dst + len, dst, len);
	explicit_bzero(number, sizeof(number));
	return len + PAT_TOKEN_CHECKSUM_LEN;
}

bool
pat_parse_id(const char *text, size_t len, int32_t *id)
{
	int64_t value = 0;

	if (len < 1 || len > 10 || text[0] == '0')
		return false;
	for (size_t i = 0; i < len; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (text[i] - '0');
	}
	*id = (int32_t) value;
	return value <= INT32_MAX;
}
