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
	conn.pg = db_hosts_start(&conn);
	CHECK(conn.pg != NULL);
}

static void
open_conn(const char *conninfo, bool changes)
{
	memset(&conn, 0, sizeof(conn));
	settings = (DbSettings){.conninfo = conninfo, .changes = changes};
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
	open_conn("host=/nowhere,/elsewhere,/third port=1,2,3 target_session_attrs=read-write", false);
	CHECK_NUMBER(conn.hosts.count, 3);
	CHECK_TEXT(value("host"), "/nowhere");
	CHECK_TEXT(value("port"), "1");
	CHECK_TEXT(value("target_session_attrs"), "read-write");
	CHECK_TEXT(value("tcp_user_timeout"), "5000");
	CHECK(db_hosts_next(&conn.hosts));
	begin();
	CHECK_TEXT(value("host"), "/elsewhere");
	CHECK_TEXT(value("port"), "2");
	CHECK(db_hosts_next(&conn.hosts));
	CHECK(!db_hosts_next(&conn.hosts));
	begin();
	CHECK_TEXT(value("host"), "/nowhere");
	CHECK(db_hosts_next(&conn.hosts));
	db_hosts_rewind(&conn.hosts);
	begin();
	CHECK_TEXT(value("host"), "/nowhere");
	close_conn();
	open_conn("postgresql://h1:5,h2/d?hostaddr=127.0.0.1,127.0.0.2", false);
	CHECK_NUMBER(conn.hosts.count, 2);
	CHECK_TEXT(value("hostaddr"), "127.0.0.1");
	CHECK_TEXT(value("port"), "5");
	CHECK(db_hosts_next(&conn.hosts));
	begin();
	CHECK_TEXT(value("host"), "h2");
	CHECK_TEXT(value("hostaddr"), "127.0.0.2");
	CHECK_TEXT(value("port"), "5432");
	close_conn();
}

/* One port goes with all hosts; what does not go together is libpq's to refuse. */
static void
leaves_the_rest_to_libpq(void)
{
	open_conn("host=/nowhere,/elsewhere port=7", false);
	CHECK(conn.hosts.count == 2 && db_hosts_next(&conn.hosts));
	begin();
	CHECK_TEXT(value("port"), "7");
	close_conn();
	open_conn("host=/nowhere port=7", true);
	CHECK(conn.hosts.count == 1 && !db_hosts_next(&conn.hosts));
	CHECK_TEXT(value("target_session_attrs"), "any");
	close_conn();
	open_conn("host=/nowhere,/elsewhere port=1,2,3", false);
	CHECK(conn.hosts.count == 1 && PQstatus(conn.pg) == CONNECTION_BAD);
	close_conn();
	open_conn("host=/nowhere,,/elsewhere", false);
	CHECK_NUMBER(conn.hosts.count, 1);
	close_conn();
	open_conn("host=/1,/2,/3,/4,/5,/6,/7,/8,/9,/a,/b,/c,/d,/e,/f,/g,/h", false);
	CHECK_NUMBER(conn.hosts.count, 1);
	close_conn();
}

static void
looks_for_the_right_server(void)
{
	open_conn("host=/nowhere,/elsewhere", true);
	CHECK_TEXT(value("target_session_attrs"), "read-write");
	close_conn();
	open_conn("host=/nowhere,/elsewhere", false);
	CHECK_TEXT(value("target_session_attrs"), "any");
	close_conn();
	if (PQlibVersion() < 140000)
		return;
	open_conn("host=/nowhere,/elsewhere target_session_attrs=prefer-standby", false);
	CHECK_TEXT(value("target_session_attrs"), "standby");
	CHECK(db_hosts_next(&conn.hosts) && db_hosts_next(&conn.hosts));
	begin();
	CHECK_TEXT(value("host"), "/nowhere");
	CHECK_TEXT(value("target_session_attrs"), "any");
	CHECK(db_hosts_next(&conn.hosts) && !db_hosts_next(&conn.hosts));
	begin();
	CHECK_TEXT(value("target_session_attrs"), "standby");
	close_conn();
}

static void
waits_less_while_others_wait(void)
{
	DbHosts hosts = {.count = 1};

	CHECK_NUMBER(db_hosts_patience(&hosts, 100, 100), 100 + 5 * CLOCK_US_PER_S);
	hosts.count = 2;
	CHECK_NUMBER(db_hosts_patience(&hosts, 100, 200), 200 + CLOCK_US_PER_S);
	CHECK_NUMBER(db_hosts_patience(&hosts, 100, 100 + 9 * CLOCK_US_PER_S / 2),
				 100 + 5 * CLOCK_US_PER_S);
	open_conn("host=/nowhere,/elsewhere connect_timeout=3", false);
	CHECK_NUMBER(db_hosts_patience(&conn.hosts, 100, 200), 100 + 3 * CLOCK_US_PER_S);
	close_conn();
}

void
test_hosts_suite(void)
{
	tries_one_host_at_a_time();
	leaves_the_rest_to_libpq();
	looks_for_the_right_server();
	waits_less_while_others_wait();
}
