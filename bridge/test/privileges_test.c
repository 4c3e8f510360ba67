/*
 * privileges_test.c
 *		Whom the bridge may become, decided without becoming it.
 */
#include "privileges.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "suites.h"
#include "test.h"

static Privileges plan;
static char message[OPTIONS_MESSAGE_MAX];

static bool
planned(const char *user, const char *group, uid_t uid, gid_t gid)
{
	Options options = {.user = (char *) user, .group = (char *) group};

	message[0] = '\0';
	return privileges_plan(&plan, &options, uid, gid, message, sizeof(message));
}

static bool
refused(const char *user, const char *group, uid_t uid, gid_t gid, const char *complaint)
{
	return !planned(user, group, uid, gid) && strstr(message, complaint) != NULL;
}

static void
plans_for_root(void)
{
	struct passwd nobody = *getpwnam("nobody");

	CHECK(planned(NULL, NULL, 0, 0));
	CHECK(!plan.named && !plan.drop && plan.socket_group == (gid_t) -1);
	CHECK(planned("nobody", NULL, 0, 0));
	CHECK(plan.named && plan.drop);
	CHECK_NUMBER(plan.user, nobody.pw_uid);
	CHECK_NUMBER(plan.group, nobody.pw_gid);
	CHECK(planned("nobody", "daemon", 0, 0));
	CHECK_NUMBER(plan.group, getgrnam("daemon")->gr_gid);
	CHECK(refused("root", NULL, 0, 0, "\"root\" is root"));
	CHECK(refused("no-such-user", NULL, 0, 0, "option \"--user\": there is no user"));
	CHECK(refused("nobody", "no-such-group", 0, 0, "option \"--group\": there is no group"));
	CHECK(refused(NULL, "daemon", 0, 0, "\"--group\" needs \"--user\""));
}

static void
plans_for_others(void)
{
	struct passwd nobody = *getpwnam("nobody");

	CHECK(planned("nobody", NULL, nobody.pw_uid, nobody.pw_gid));
	CHECK(plan.named && !plan.drop);
	CHECK(
		refused("nobody", NULL, nobody.pw_uid + 1, nobody.pw_gid, "option \"--user\": only root"));
	CHECK(
		refused("nobody", "daemon", nobody.pw_uid, nobody.pw_gid, "option \"--group\": only root"));
}

static void
finds_the_group_of_sockets(void)
{
	Options options = {.unix_socket_group = "daemon"};

	CHECK(privileges_plan(&plan, &options, 1000, 1000, message, sizeof(message)));
	CHECK_NUMBER(plan.socket_group, getgrnam("daemon")->gr_gid);
	options.unix_socket_group = "no-such-group";
	CHECK(!privileges_plan(&plan, &options, 1000, 1000, message, sizeof(message)));
	CHECK(strstr(message, "option \"--unix-socket-group\"") != NULL);
}

void
test_privileges_suite(void)
{
	plans_for_root();
	plans_for_others();
	finds_the_group_of_sockets();
}
