/*
 * db_connect.c
 *		Bringing a connection up: look the host's name up, connect.
 *
 * Step by step, as resolver and libpq report progress; whatever fails ends in
 * db_fail_attempt, and another attempt follows.
 */
#include "db_conn.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "clock.h"

void
db_renew_patience(DbConn *conn)
{
	conn->due = db_hosts_patience(&conn->hosts, conn->started, clock_us());
}

/* libpq has failed; its message holds the SQLSTATE of what the server said. */
static void
fail(DbConn *conn)
{
	char message[DB_MESSAGE_MAX];
	DbRefusal refusal;

	snprintf(message, sizeof(message), "%s", db_pg_message(conn));
	refusal = db_refusal_of(message);
	db_fail_attempt(conn, message, refusal);
}

/* ---- connecting --------------------------------------------------------- */

/*
 * The session asks for no notices.  An error that comes although nothing was asked for is the
 * server's last word, and libpq takes it for a notice.
 */
static void
take_notice(void *arg, const PGresult *result)
{
	DbConn *conn = arg;

	db_take_farewell(conn, result);
}

void
db_continue_connect(DbConn *conn)
{
	PostgresPollingStatusType state = PQconnectPoll(conn->pg);

	db_renew_patience(conn);
	if (state == PGRES_POLLING_OK)
		db_start_setup(conn);
	else if (state == PGRES_POLLING_FAILED ||
			 !loop_watch(conn->loop, &conn->watch, PQsocket(conn->pg),
						 state == PGRES_POLLING_READING ? EPOLLIN : EPOLLOUT))
		fail(conn);
}

static void
connect_to_address(DbConn *conn)
{
	conn->phase = DB_CONNECTING;
	conn->pg = db_hosts_start(conn);
	db_renew_patience(conn);
	if (conn->pg == NULL)
		db_fail_attempt(conn, "out of memory", DB_UNREACHABLE);
	else if (PQstatus(conn->pg) == CONNECTION_BAD)
		fail(conn);
	else
	{
		PQsetErrorVerbosity(conn->pg, PQERRORS_VERBOSE);
		PQsetNoticeReceiver(conn->pg, take_notice, conn);
		if (!loop_watch(conn->loop, &conn->watch, PQsocket(conn->pg), EPOLLOUT))
			db_fail_attempt(conn, "the socket cannot be watched", DB_UNREACHABLE);
	}
}

/* ---- looking up --------------------------------------------------------- */

static void
take_lookup(DbConn *conn, DbLookup *lookup)
{
	char message[DB_MESSAGE_MAX];

	loop_unwatch(conn->loop, &conn->watch);
	if (db_hosts_take_addresses(conn, lookup, message))
		connect_to_address(conn);
	else
		db_fail_attempt(conn, message, DB_UNREACHABLE);
}

void
db_continue_lookup(DbConn *conn)
{
	DbLookup *lookup = db_hosts_look_up(&conn->hosts);

	if (lookup == NULL)
		db_fail_attempt(conn, "too many host names are being looked up", DB_UNREACHABLE);
	else if (db_lookup_is_over(lookup))
		take_lookup(conn, lookup);
	else if (!loop_watch(conn->loop, &conn->watch, db_lookup_fd(lookup), EPOLLIN))
		db_fail_attempt(conn, "the look-up cannot be watched", DB_UNREACHABLE);
}

void
db_start_connect(DbConn *conn, int64_t now)
{
	const char *fault;

	conn->phase = DB_LOOKING_UP;
	conn->started = now;
	fault = db_hosts_learn(conn);
	db_renew_patience(conn);
	if (fault != NULL)
		db_fail_attempt(conn, fault, DB_REFUSED);
	else if (db_hosts_need_lookup(&conn->hosts))
		db_continue_lookup(conn);
	else
		connect_to_address(conn);
}
