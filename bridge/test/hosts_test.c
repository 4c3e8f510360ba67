/*
 * hosts_test.c
 *		Taking lists of hosts apart, and the order in which they are tried.
 *
 * Attempts are begun and never go anywhere: the sockets do not exist.
 */
#include "db_conn.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "suites.h"
#include "test.h"

static DbConn conn;
static DbSettings settings;
static const char *fault;

static const char *
value(const char *keyword)
{
	static char text[128];
	PQconninfoOption *options = PQconninfo(conn.pg);

	text[0] = '\0';
	for (PQconninfoOption *option = options; option->keyword != NULL; option++)
		if (strcmp(option->keyword, keyword) == 0 && option->val != NULL)
			strncpy(text, option->val, sizeof(text) - 1);
	PQconninfoFree(options);
	return text;
}

static void
begin(void)
{
	PQfinish(conn.pg);
	fault = db_hosts_learn(&conn);
	conn.pg = fault == NULL ? db_hosts_start(&conn) : NULL;
	CHECK(conn.pg != NULL || fault != NULL);
}

static void
open_conn(const char *conninfo, DbTarget target)
{
	memset(&conn, 0, sizeof(conn));
	settings = (DbSettings){.conninfo = conninfo, .target = target};
	conn.settings = &settings;
	begin();
}

static void
close_conn(void)
{
	PQfinish(conn.pg);
	db_hosts_free(&conn.hosts);
}

static void
tries_one_host_at_a_time(void)
{
	open_conn("host=/nowhere,/elsewhere,/third port=1,2,3 target_session_attrs=read-write",
			  DB_ANY_SERVER);
	CHECK_NUMBER(conn.hosts.count, 3);
	CHECK_TEXT(value("host"), "/nowhere");
	CHECK_TEXT(value("port"), "1");
	CHECK_TEXT(value("target_session_attrs"), "read-write");
	CHECK_TEXT(value("tcp_user_timeout"), "5000");
	CHECK(db_hosts_next(&conn));
	begin();
	CHECK_TEXT(value("host"), "/elsewhere");
	CHECK_TEXT(value("port"), "2");
	CHECK(db_hosts_next(&conn));
	CHECK(!db_hosts_next(&conn));
	begin();
	CHECK_TEXT(value("host"), "/nowhere");
	CHECK(db_hosts_next(&conn));
	db_hosts_rewind(&conn.hosts);
	begin();
	CHECK_TEXT(value("host"), "/nowhere");
	close_conn();
	open_conn("postgresql://h1:5,h2/d?hostaddr=127.0.0.1,127.0.0.2", DB_ANY_SERVER);
	CHECK_NUMBER(conn.hosts.count, 2);
	CHECK_TEXT(value("hostaddr"), "127.0.0.1");
	CHECK_TEXT(value("port"), "5");
	CHECK(db_hosts_next(&conn));
	begin();
	CHECK_TEXT(value("host"), "h2");
	CHECK_TEXT(value("hostaddr"), "127.0.0.2");
	CHECK_TEXT(value("port"), "5432");
	close_conn();
}

/* One port goes with all hosts; an item that is empty is what libpq takes it for. */
static void
reads_lists_as_libpq_does(void)
{
	open_conn("host=/nowhere,/elsewhere port=7", DB_ANY_SERVER);
	CHECK(conn.hosts.count == 2 && db_hosts_next(&conn));
	begin();
	CHECK_TEXT(value("port"), "7");
	close_conn();
	open_conn("host=/nowhere,/elsewhere port=7,", DB_ANY_SERVER);
	CHECK(db_hosts_next(&conn));
	begin();
	CHECK_TEXT(value("port"), "5432");
	close_conn();
	open_conn("host=,/elsewhere hostaddr=127.0.0.1, port=7", DB_ANY_SERVER);
	CHECK_TEXT(value("host"), "127.0.0.1");
	CHECK_TEXT(value("hostaddr"), "127.0.0.1");
	close_conn();
	open_conn("user=x", DB_ANY_SERVER);
	CHECK(conn.hosts.count == 1 && !db_hosts_need_lookup(&conn.hosts));
	close_conn();
}

static void
refuses(const char *conninfo)
{
	open_conn(conninfo, DB_ANY_SERVER);
	CHECK(fault != NULL && conn.hosts.count == 0);
	close_conn();
}

static void
refuses_lists_that_do_not_go_together(void)
{
	refuses("host=/nowhere,/elsewhere port=1,2,3");
	refuses("host=/nowhere,/elsewhere hostaddr=127.0.0.1");
	refuses("host=/nowhere,,/elsewhere");
	refuses("host=/1,/2,/3,/4,/5,/6,/7,/8,/9,/a,/b,/c,/d,/e,/f,/g,/h");
}

/* libpq connects to hosts that have a name by the addresses found for it, and by nothing else. */
static void
gives_libpq_addresses(void)
{
	open_conn("host=db.invalid,/elsewhere,127.0.0.9,b.invalid port=1 hostaddr=,,,127.0.0.7",
			  DB_ANY_SERVER);
	CHECK(db_hosts_need_lookup(&conn.hosts));
	conn.hosts.found = (DbAddresses){2, {"127.0.0.1", "::1"}};
	CHECK(!db_hosts_need_lookup(&conn.hosts));
	begin();
	CHECK_TEXT(value("host"), "db.invalid");
	CHECK_TEXT(value("hostaddr"), "127.0.0.1");
	CHECK(db_hosts_next(&conn));
	begin();
	CHECK_TEXT(value("host"), "db.invalid");
	CHECK_TEXT(value("hostaddr"), "::1");
	CHECK(db_hosts_next(&conn) && !db_hosts_need_lookup(&conn.hosts)); /* a path */
	CHECK(db_hosts_next(&conn) && !db_hosts_need_lookup(&conn.hosts)); /* a number */
	CHECK(db_hosts_next(&conn) && !db_hosts_need_lookup(&conn.hosts)); /* given */
	begin();
	CHECK_TEXT(value("hostaddr"), "127.0.0.7");
	CHECK(!db_hosts_next(&conn));
	begin();
	CHECK(db_hosts_need_lookup(&conn.hosts)); /* the next round looks it up anew */
	close_conn();
}

static void
asks_for(const char *conninfo, DbTarget target, const char *wanted)
{
	open_conn(conninfo, target);
	CHECK_TEXT(value("target_session_attrs"), wanted);
	close_conn();
}

/* F3: reads go to the primary unless they have servers of their own, with one host, too. */
static void
looks_for_the_right_server(void)
{
	static const char *const lists[] = {"host=/nowhere,/elsewhere", "host=/nowhere"};

	for (int i = 0; i < 2; i++)
	{
		asks_for(lists[i], DB_TAKES_CHANGES, "read-write");
		asks_for(lists[i], DB_ANY_SERVER, "any");
		asks_for(lists[i], DB_PRIMARY, PQlibVersion() >= 140000 ? "primary" : "read-write");
	}
	asks_for("host=/nowhere target_session_attrs=read-write", DB_PRIMARY, "read-write");
	if (PQlibVersion() < 140000)
		return;
	asks_for("host=/nowhere target_session_attrs=standby", DB_PRIMARY, "standby");
	asks_for("host=/nowhere target_session_attrs=prefer-standby", DB_PRIMARY, "primary");
	asks_for("host=/nowhere target_session_attrs=prefer-standby", DB_TAKES_CHANGES, "read-write");
	open_conn("host=/nowhere,/elsewhere target_session_attrs=prefer-standby", DB_ANY_SERVER);
	CHECK_TEXT(value("target_session_attrs"), "standby");
	CHECK(db_hosts_next(&conn) && db_hosts_next(&conn));
	begin();
	CHECK_TEXT(value("host"), "/nowhere");
	CHECK_TEXT(value("target_session_attrs"), "any");
	CHECK(db_hosts_next(&conn) && !db_hosts_next(&conn));
	begin();
	CHECK_TEXT(value("target_session_attrs"), "standby");
	close_conn();
}

static void
waits_less_while_others_wait(void)
{
	DbHosts hosts = {.count = 1};

	CHECK_NUMBER(db_hosts_patience(&hosts, 100, 100), 100 + 5 * CLOCK_US_PER_S);
	hosts.found.count = 2;
	CHECK_NUMBER(db_hosts_patience(&hosts, 100, 200), 200 + CLOCK_US_PER_S);
	hosts.found.count = 0;
	hosts.count = 2;
	CHECK_NUMBER(db_hosts_patience(&hosts, 100, 200), 200 + CLOCK_US_PER_S);
	CHECK_NUMBER(db_hosts_patience(&hosts, 100, 100 + 9 * CLOCK_US_PER_S / 2),
				 100 + 5 * CLOCK_US_PER_S);
	open_conn("host=/nowhere,/elsewhere connect_timeout=3", DB_ANY_SERVER);
	CHECK_NUMBER(db_hosts_patience(&conn.hosts, 100, 200), 100 + 3 * CLOCK_US_PER_S);
	close_conn();
}

void
test_hosts_suite(void)
{
	tries_one_host_at_a_time();
	reads_lists_as_libpq_does();
	refuses_lists_that_do_not_go_together();
	gives_libpq_addresses();
	looks_for_the_right_server();
	waits_less_while_others_wait();
}
