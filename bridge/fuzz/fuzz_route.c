/*
 * fuzz_route.c
 *		Any line as a method, any other as a request target.
 */
#include "fuzz.h"

#include "../route.h"
#include "../text.h"

#define METHODS 7

static const char *const methods[METHODS] = {"GET",    "HEAD",    "POST", "PUT",
											 "DELETE", "OPTIONS", "PATCH"};

/* Every byte as %XX. */
static char *
encode(char *out, const char *text)
{
	for (; *text != '\0'; text++)
		out += sprintf(out, "%%%02X", (uint8_t) *text);
	*out = '\0';
	return out;
}

/* What was decoded, encoded again, decodes to the same. */
static void
check_decode(const char *segment, size_t length)
{
	char *decoded = malloc(ROUTE_SEGMENT_MAX + 1);
	char *again = malloc(ROUTE_SEGMENT_MAX + 1);
	char encoded[3 * ROUTE_SEGMENT_MAX + 1];

	if (route_decode(decoded, segment, length) == ROUTE_FOUND)
	{
		MUST(strlen(decoded) <= length && text_is_utf8(decoded, strlen(decoded)));
		encode(encoded, decoded);
		MUST(route_decode(again, encoded, strlen(encoded)) == ROUTE_FOUND);
		MUST(strcmp(decoded, again) == 0);
	}
	free(decoded);
	free(again);
}

/*
 * The pattern of the row with the values in it is a way to the same row and
 * values, with a slash behind it too; but not where the last value is empty,
 * as the slash before it says nothing then.
 */
static void
check_way_back(const char *method, const RouteMatch *match)
{
	char path[8 * ROUTE_SEGMENT_MAX];
	char *out = path;
	int value = 0;
	RouteMatch again;

	for (const char *p = match->route->pattern; *p != '\0'; p++)
	{
		*out++ = *p;
		if (p[0] != '/' || p[1] != ':')
			continue;
		out = encode(out, match->values[value++]);
		while (p[1] != '\0' && p[1] != '/')
			p++;
	}
	*out = '\0';
	if (out[-1] == '/')
		return;
	MUST(route_find(method, path, &again) == ROUTE_FOUND && again.route == match->route);
	for (int i = 0; i < 2; i++)
		MUST(strcmp(again.values[i], match->values[i]) == 0);
	strcpy(out, "/");
	MUST(route_find(method, path, &again) == ROUTE_FOUND && again.route == match->route);
}

static void
check_found(const char *method, const RouteMatch *match)
{
	static const char *const names[] = {"GET", "POST", "PUT", "DELETE"};
	const char *asked = strcmp(method, "HEAD") == 0 ? "GET" : method;

	MUST(match->route != NULL && strcmp(names[match->route->method], asked) == 0);
	MUST(match->head == (strcmp(method, "HEAD") == 0));
	for (int i = 0; i < 2; i++)
		MUST(text_is_utf8(match->values[i], strlen(match->values[i])));
	check_way_back(method, match);
}

/* Whether a list of methods has this one. */
static bool
lists(const char *allow, const char *method)
{
	const char *place = strstr(allow, method);

	return place != NULL && (place == allow || place[-1] == ' ') &&
		   strchr(",", place[strlen(method)]) != NULL;
}

/* Allow has exactly the methods with which the path is found. */
static void
check_allow(const char *path, const RouteMatch *match)
{
	RouteMatch other;

	MUST(lists(match->allow, "OPTIONS"));
	for (int i = 0; i < METHODS; i++)
	{
		bool found = route_find(methods[i], path, &other) == ROUTE_FOUND;

		if (strcmp(methods[i], "OPTIONS") != 0)
			MUST(found == lists(match->allow, methods[i]));
	}
}

static void
check_find(const char *method, const char *path)
{
	RouteMatch match;

	switch (route_find(method, path, &match))
	{
		case ROUTE_FOUND:
			check_found(method, &match);
			break;
		case ROUTE_OPTIONS:
			MUST(strcmp(method, "OPTIONS") == 0);
			if (strcmp(path, "*") != 0)
				check_allow(path, &match);
			break;
		case ROUTE_WRONG_METHOD:
			MUST(!lists(match.allow, method));
			check_allow(path, &match);
			break;
		case ROUTE_NO_PATH:
		case ROUTE_BAD_PATH:
		case ROUTE_SEGMENT_TOO_LONG:
			MUST(match.allow[0] == '\0' && match.values[0][0] == '\0');
			break;
		default:
			MUST(false);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *method = fuzz_line(&data, &size);
	char *segment = fuzz_copy(data, size);
	char *target = fuzz_string(data, size);
	const char *path = route_path(target);

	check_decode(segment, size);
	MUST(strcmp(path, "/") == 0 || (path >= target && path <= target + strlen(target)));
	check_find(method, path);
	for (int i = 0; i < METHODS; i++)
		check_find(methods[i], path);
	free(method);
	free(segment);
	free(target);
	return 0;
}
