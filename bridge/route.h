/*
 * route.h
 *		The one route table and the way from a path to a row of it.  Pure.
 *
 * Adding a route adds a row in route.c.  A path is split at '/' first and
 * percent-decoded afterwards, so an encoded slash stays inside its segment.
 */
#ifndef PAT_BRIDGE_ROUTE_H
#define PAT_BRIDGE_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "call.h"

/* Longest path segment, decoded, in bytes.  Longer ones are answered 414. */
#define ROUTE_SEGMENT_MAX  255
/* Most segments any path may have; more cannot match and are a 404. */
#define ROUTE_MAX_SEGMENTS 8
#define ROUTE_ALLOW_MAX    64
/* Most rows of the table, for tables beside it. */
#define ROUTE_MAX          32

typedef enum RouteMethod
{
	ROUTE_GET,
	ROUTE_POST,
	ROUTE_PUT,
	ROUTE_DELETE,
	ROUTE_OTHER
} RouteMethod;

typedef enum RouteKind
{
	ROUTE_CALL,   /* answered by a SQL function */
	ROUTE_HEALTH, /* answered by the bridge: the process is alive */
	ROUTE_READY,  /* answered by the bridge: lists are served, and its roles may do all calls */
	ROUTE_READY_WRITE, /* answered by the bridge: changes are served, too */
	ROUTE_METRICS,     /* answered by the bridge: its counters */
	ROUTE_OPENAPI      /* answered by the bridge: the document of this API */
} RouteKind;

/* A set of kinds: what is served at an address. */
#define ROUTE_BIT(kind) (1U << (kind))
#define ROUTE_ALL       (~0U)
#define ROUTE_FOR_MONITORS                                                             \
	(ROUTE_BIT(ROUTE_HEALTH) | ROUTE_BIT(ROUTE_READY) | ROUTE_BIT(ROUTE_READY_WRITE) | \
	 ROUTE_BIT(ROUTE_METRICS))

typedef enum RouteLane
{
	ROUTE_READ,
	ROUTE_WRITE
} RouteLane;

/* Where a parameter of the call comes from. */
typedef enum RouteSource
{
	ROUTE_FROM_PATH_1, /* first :name of the pattern */
	ROUTE_FROM_PATH_2,
	ROUTE_FROM_BODY,
	ROUTE_FROM_CALLER /* the Authorization header, or NULL */
} RouteSource;

typedef struct Route
{
	RouteMethod method;
	const char *pattern;
	RouteKind kind;
	RouteLane lane;
	int success; /* HTTP status */
	Call call;
	RouteSource sources[CALL_MAX_PARAMS];
} Route;

typedef enum RouteResult
{
	ROUTE_FOUND,
	ROUTE_OPTIONS,      /* allow says what the path takes */
	ROUTE_WRONG_METHOD, /* likewise */
	ROUTE_NO_PATH,      /* no such path */
	ROUTE_BAD_PATH,     /* broken percent-encoding, NUL, or not UTF-8 */
	ROUTE_SEGMENT_TOO_LONG
} RouteResult;

typedef struct RouteMatch
{
	const Route *route;                    /* set for ROUTE_FOUND, and where any row has the path */
	bool found;                            /* the row takes the method, too */
	bool head;                             /* the request was HEAD */
	char allow[ROUTE_ALLOW_MAX];           /* "GET, HEAD, OPTIONS" */
	char values[2][ROUTE_SEGMENT_MAX + 1]; /* the pattern's :names, decoded */
} RouteMatch;

/*
 * Find the row for a method and a raw path (no query).  Fills *match: route
 * and values for ROUTE_FOUND, allow for ROUTE_OPTIONS and ROUTE_WRONG_METHOD.
 * A trailing slash is ignored.
 */
extern RouteResult route_find(const char *method, const char *path, RouteMatch *match);

/*
 * The path of a request target: what follows scheme and authority, where a
 * client sends those (RFC 9112, section 3.2.2), or all of it.
 */
extern const char *route_path(const char *target);

/* Whether the row takes a request body. */
extern bool route_takes_body(const Route *route);

/* The table, for tests and for checks over all rows. */
extern const Route *route_table(size_t *count);

/* The row's place in the table, below ROUTE_MAX. */
extern unsigned route_number(const Route *route);

/*
 * Percent-decode one segment into dst (room for ROUTE_SEGMENT_MAX + 1).
 * Returns ROUTE_FOUND, ROUTE_BAD_PATH or ROUTE_SEGMENT_TOO_LONG.
 */
extern RouteResult route_decode(char *dst, const char *segment, size_t length);

#endif
