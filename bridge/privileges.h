/*
 * privileges.h
 *		Who the bridge runs as: it never serves as root.
 *
 * Also keeps its memory, which holds tokens, out of core files.
 */
#ifndef PAT_BRIDGE_PRIVILEGES_H
#define PAT_BRIDGE_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "options.h"

/* The options' names, looked up. */
typedef struct Privileges
{
	bool named;     /* --user was given */
	bool drop;      /* root gives way to user and group */
	char name[256]; /* of the user */
	uid_t user;
	gid_t group;
	gid_t socket_group; /* of socket files; (gid_t) -1: the process's */
} Privileges;

/*
 * Look up --user, --group and --unix-socket-group for a process of these ids,
 * root or not.  False with one sentence that names the option, if a name is
 * unknown or this process cannot become that.
 */
extern bool privileges_plan(Privileges *plan, const Options *options, uid_t user, gid_t group,
							char *message, size_t size) __attribute__((warn_unused_result));

/*
 * Become whom the plan says, for good.  Before any other thread exists.  False
 * with one sentence; the process must end then, it may be half one and half the
 * other.
 */
extern bool privileges_drop(const Privileges *plan, char *message, size_t size)
	__attribute__((warn_unused_result));

/* No core file, no debugger of the same user; or both, if so wished. */
extern void privileges_mind_core_dumps(bool allowed);

#endif
