/*
 * jwt_text.c
 *		Pure reading of a JSON Web Token's outside.
 *
 * Owns nothing.  Every loop is bounded by the length of its input, which the
 * caller has bounded (PAT_CREDENTIAL_MAX).
 */
#include "jwt_text.h"

#include <string.h>

static const struct
{
	const char *name;
	PatJwtFamily family;
	int hash_bits;
} algorithms[PAT_JWT_NO_ALGORITHM] = {
	[PAT_JWT_HS256] = {"HS256", PAT_JWT_HMAC, 256},
	[PAT_JWT_HS384] = {"HS384", PAT_JWT_HMAC, 384},
	[PAT_JWT_HS512] = {"HS512", PAT_JWT_HMAC, 512},
	[PAT_JWT_RS256] = {"RS256", PAT_JWT_RSA, 256},
	[PAT_JWT_RS384] = {"RS384", PAT_JWT_RSA, 384},
	[PAT_JWT_RS512] = {"RS512", PAT_JWT_RSA, 512},
	[PAT_JWT_ES256] = {"ES256", PAT_JWT_ECDSA, 256},
	[PAT_JWT_ES384] = {"ES384", PAT_JWT_ECDSA, 384},
	[PAT_JWT_ES512] = {"ES512", PAT_JWT_ECDSA, 512},
};

PatJwtAlgorithm
pat_jwt_algorithm(PatSlice name)
{
	for (int i = 0; i < PAT_JWT_NO_ALGORITHM; i++)
		if (strlen(algorithms[i].name) == name.len &&
			memcmp(algorithms[i].name, name.data, name.len) == 0)
			return (PatJwtAlgorithm) i;
	return PAT_JWT_NO_ALGORITHM;
}

const char *
pat_jwt_algorithm_name(PatJwtAlgorithm algorithm)
{
	return algorithms[algorithm].name;
}

PatJwtFamily
pat_jwt_family(PatJwtAlgorithm algorithm)
{
	return algorithms[algorithm].family;
}

int
pat_jwt_hash_bits(PatJwtAlgorithm algorithm)
{
	return algorithms[algorithm].hash_bits;
}

/* The six bits that a character stands for, or -1. */
static int
sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-')
		return 62;
	return c == '_' ? 63 : -1;
}

bool
pat_jwt_split(PatSlice token, PatJwtSegments *segments)
{
	size_t dots[2] = {0, 0};
	int n_dots = 0;

	for (size_t i = 0; i < token.len; i++)
	{
		if (token.data[i] == '.' && n_dots < 2)
			dots[n_dots++] = i;
		else if (sextet(token.data[i]) < 0)
			return false;
	}
	if (n_dots != 2 || dots[0] == 0 || dots[1] == dots[0] + 1 || dots[1] + 1 == token.len)
		return false;
	segments->header = (PatSlice){token.data, dots[0]};
	segments->payload = (PatSlice){token.data + dots[0] + 1, dots[1] - dots[0] - 1};
	segments->signature = (PatSlice){token.data + dots[1] + 1, token.len - dots[1] - 1};
	segments->signed_part = (PatSlice){token.data, dots[1]};
	return true;
}

int
pat_base64url_decode(PatSlice text, uint8_t *dst)
{
	uint32_t bits = 0;
	int n_bits = 0;
	int written = 0;

	if (text.len % 4 == 1)
		return -1;
	for (size_t i = 0; i < text.len; i++)
	{
		int value = sextet(text.data[i]);

		if (value < 0)
			return -1;
		bits = bits << 6 | (uint32_t) value;
		n_bits += 6;
		if (n_bits >= 8)
		{
			n_bits -= 8;
			dst[written++] = (uint8_t) (bits >> n_bits);
		}
	}
	return (bits & ((1u << n_bits) - 1)) == 0 ? written : -1;
}

void
pat_base64url_encode(const uint8_t *src, size_t len, char *dst)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint32_t bits = 0;
	int n_bits = 0;

	for (size_t i = 0; i < len; i++)
	{
		bits = bits << 8 | src[i];
		n_bits += 8;
		while (n_bits >= 6)
		{
			n_bits -= 6;
			*dst++ = digits[bits >> n_bits & 0x3f];
		}
	}
	if (n_bits > 0)
		*dst = digits[bits << (6 - n_bits) & 0x3f];
}

bool
pat_json_is_shallow(PatSlice json)
{
	int depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < json.len; i++)
	{
		char c = json.data[i];

		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (in_string)
			continue;
		else if ((c == '{' || c == '[') && ++depth > PAT_JWT_DEPTH_MAX)
			return false;
		else if (c == '}' || c == ']')
			depth--;
	}
	return true;
}
