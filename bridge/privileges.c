/*
 * privileges.c
 *		Looks users and groups up, gives root away, forbids core files.
 *
 * Changes the ids of the whole process.
 */
#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static bool
refuse(char *message, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

static bool
refuse(char *message, size_t size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(message, size, format, args);
	va_end(args);
	return false;
}

/* ---- whom to become ----------------------------------------------------- */

static bool
find_group(const char *name, const char *option, gid_t *group, char *message, size_t size)
{
	const struct group *found = getgrnam(name);

	if (found == NULL)
		return refuse(message, size, "option \"--%s\": there is no group \"%.100s\"", option, name);
	*group = found->gr_gid;
	return true;
}

static bool
find_user(Privileges *plan, const char *name, char *message, size_t size)
{
	const struct passwd *found = getpwnam(name);

	if (found == NULL)
		return refuse(message, size, "option \"--user\": there is no user \"%.100s\"", name);
	if (found->pw_uid == 0)
		return refuse(message, size, "option \"--user\": \"%.100s\" is root", name);
	plan->named = true;
	plan->user = found->pw_uid;
	plan->group = found->pw_gid;
	snprintf(plan->name, sizeof(plan->name), "%s", name);
	return true;
}

/* Root can become anybody; others are whom they are. */
static bool
can_become(Privileges *plan, uid_t user, gid_t group, char *message, size_t size)
{
	plan->drop = user == 0;
	if (plan->drop || (plan->user == user && plan->group == group))
		return true;
	return refuse(message, size, "option \"--%s\": only root can become another",
				  plan->user != user ? "user" : "group");
}

bool
privileges_plan(Privileges *plan, const Options *options, uid_t user, gid_t group, char *message,
				size_t size)
{
	*plan = (Privileges){.user = user, .group = group, .socket_group = (gid_t) -1};
	if (options->unix_socket_group != NULL &&
		!find_group(options->unix_socket_group, "unix-socket-group", &plan->socket_group, message,
					size))
		return false;
	if (options->user == NULL && options->group != NULL)
		return refuse(message, size, "option \"--group\" needs \"--user\"");
	if (options->user == NULL)
		return true;
	return find_user(plan, options->user, message, size) &&
		   (options->group == NULL ||
			find_group(options->group, "group", &plan->group, message, size)) &&
		   can_become(plan, user, group, message, size);
}

/* ---- becoming it -------------------------------------------------------- */

/* Groups first: without root they can no longer be changed. */
static bool
change_ids(const Privileges *plan)
{
	return initgroups(plan->name, plan->group) == 0 &&
		   setresgid(plan->group, plan->group, plan->group) == 0 &&
		   setresuid(plan->user, plan->user, plan->user) == 0;
}

static bool
ids_are(const Privileges *plan)
{
	uid_t uids[3];
	gid_t gids[3];

	if (getresuid(&uids[0], &uids[1], &uids[2]) != 0 ||
		getresgid(&gids[0], &gids[1], &gids[2]) != 0)
		return false;
	for (int i = 0; i < 3; i++)
		if (uids[i] != plan->user || gids[i] != plan->group)
			return false;
	return true;
}

bool
privileges_drop(const Privileges *plan, char *message, size_t size)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (!plan->drop)
		return true;
	if (!change_ids(plan))
		return refuse(message, size, "cannot become user \"%s\": %s", plan->name, strerror(errno));
	if (!ids_are(plan) || setuid(0) == 0 || seteuid(0) == 0)
		return refuse(message, size, "cannot become user \"%s\" for good", plan->name);
	return true;
}

void
privileges_mind_core_dumps(bool allowed)
{
	struct rlimit none = {0, 0};

	prctl(PR_SET_DUMPABLE, allowed ? 1 : 0, 0, 0, 0);
	if (!allowed)
		setrlimit(RLIMIT_CORE, &none);
}
