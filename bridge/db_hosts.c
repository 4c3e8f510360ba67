/*
 * db_hosts.c
 *		The hosts that a connection string names, tried one at a time.
 *
 * libpq could walk a list of hosts by itself, but when it connects without
 * blocking it honours no connect_timeout: a host that does not answer would use
 * up the time of all others.  So the list is taken apart here, and each attempt
 * names one host.  What libpq makes of string, environment and service file is
 * asked of libpq, so that their rules are its own.
 */
#include "db_conn.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"

#define DEFAULT_PORT "5432"

/* Most time for an attempt, and for silence in it while other hosts wait. */
#define CONNECT_TIMEOUT_US (5 * CLOCK_US_PER_S)
#define HOST_SILENCE_US    CLOCK_US_PER_S
#define MAX_TIMEOUT_S      600

/*
 * What a string that says otherwise overrides: a peer that is gone without a
 * word is noticed within seconds, also while nothing is asked of it.
 */
#define KEEPALIVES_IDLE     "10"
#define KEEPALIVES_INTERVAL "5"
#define KEEPALIVES_COUNT    "3"
#define TCP_USER_TIMEOUT_MS "5000"

/* ---- taking the list apart ---------------------------------------------- */

static const char *
option_value(const PQconninfoOption *options, const char *keyword)
{
	for (; options->keyword != NULL; options++)
		if (strcmp(options->keyword, keyword) == 0)
			return options->val != NULL && *options->val != '\0' ? options->val : NULL;
	return NULL;
}

static unsigned
count_items(const char *list)
{
	unsigned count = list != NULL ? 1 : 0;

	for (; list != NULL && *list != '\0'; list++)
		count += *list == ',';
	return count;
}

/* A copy of an item of a list; of a list of one, always that one.  NULL: none, or an empty one. */
static char *
copy_item(const char *list, unsigned number)
{
	size_t length;

	if (list == NULL)
		return NULL;
	if (count_items(list) == 1)
		number = 0;
	for (; number > 0 && *list != '\0'; number--)
		list += strcspn(list, ",") + (strchr(list, ',') != NULL);
	length = strcspn(list, ",");
	return length > 0 ? strndup(list, length) : NULL;
}

static void
forget_list(DbHosts *hosts)
{
	for (unsigned i = 0; i < DB_MAX_HOSTS; i++)
	{
		free(hosts->list[i].host);
		free(hosts->list[i].address);
		free(hosts->list[i].port);
	}
	memset(hosts->list, 0, sizeof(hosts->list));
}

/* Whether a list goes with so many hosts; a single port goes with any number. */
static bool
fits(const char *list, unsigned count, bool one_for_all)
{
	unsigned items = count_items(list);

	return items == 0 || items == count || (one_for_all && items == 1);
}

/*
 * False if lists do not go together, an item is empty, or memory is short: libpq
 * then gets the string whole, and says what it makes of it.
 */
static bool
take_list(DbHosts *hosts, const PQconninfoOption *options, unsigned count)
{
	const char *names = option_value(options, "host");
	const char *addresses = option_value(options, "hostaddr");
	const char *ports = option_value(options, "port");

	if (!fits(names, count, false) || !fits(ports, count, true))
		return false;
	for (unsigned i = 0; i < count; i++)
	{
		DbHost *host = &hosts->list[i];

		host->host = copy_item(names, i);
		host->address = copy_item(addresses, i);
		host->port = copy_item(ports, i);
		if (host->port == NULL)
			host->port = strdup(DEFAULT_PORT);
		if ((names != NULL && host->host == NULL) || host->port == NULL ||
			(addresses != NULL && host->address == NULL))
			return false;
	}
	return true;
}

/* load_balance_hosts=random, which libpq knows from 16 on. */
static void
shuffle(DbHosts *hosts, unsigned random)
{
	for (unsigned i = hosts->count - 1; i > 0; i--)
	{
		DbHost other = hosts->list[i];

		random = random * 1103515245U + 12345U;
		hosts->list[i] = hosts->list[(random >> 16) % (i + 1)];
		hosts->list[(random >> 16) % (i + 1)] = other;
	}
}

static void
take_policy(DbHosts *hosts, const PQconninfoOption *options, unsigned random)
{
	const char *wanted = option_value(options, "target_session_attrs");
	const char *balance = option_value(options, "load_balance_hosts");
	const char *seconds = option_value(options, "connect_timeout");
	long timeout = seconds != NULL ? strtol(seconds, NULL, 10) : 0;

	hosts->any = wanted == NULL || strcmp(wanted, "any") == 0;
	hosts->prefers_standby = wanted != NULL && strcmp(wanted, "prefer-standby") == 0;
	if (timeout > 0 && timeout <= MAX_TIMEOUT_S)
		hosts->timeout_us = timeout * CLOCK_US_PER_S;
	if (hosts->count > 1 && balance != NULL && strcmp(balance, "random") == 0)
		shuffle(hosts, random);
}

/* What libpq has made of the string. */
static void
learn(DbHosts *hosts, PGconn *pg, unsigned random)
{
	PQconninfoOption *options = PQconninfo(pg);
	const char *addresses;
	unsigned count;

	if (options == NULL)
		return;
	addresses = option_value(options, "hostaddr");
	count = count_items(addresses != NULL ? addresses : option_value(options, "host"));
	hosts->count = 1;
	if (count > 1 && count <= DB_MAX_HOSTS)
	{
		if (take_list(hosts, options, count))
			hosts->count = count;
		else
			forget_list(hosts);
	}
	take_policy(hosts, options, random);
	PQconninfoFree(options);
}

/* ---- attempts ----------------------------------------------------------- */

/*
 * What to ask of the server, besides what the string says: changes need one that
 * takes them, and prefer-standby means the whole list, not each host.
 */
static const char *
attributes(const DbConn *conn)
{
	const DbHosts *hosts = &conn->hosts;

	if (hosts->count < 2)
		return NULL;
	if (hosts->prefers_standby)
		return hosts->second_round ? "any" : "standby";
	return hosts->any && conn->settings->changes ? "read-write" : NULL;
}

static PGconn *
start(const DbConn *conn)
{
	static const DbHost whole = {NULL, NULL, NULL};
	const DbHost *host = conn->hosts.count > 1 ? &conn->hosts.list[conn->hosts.next] : &whole;
	const char *const keywords[] = {"fallback_application_name",
									"keepalives_idle",
									"keepalives_interval",
									"keepalives_count",
									"tcp_user_timeout",
									"dbname",
									"client_encoding",
									"target_session_attrs",
									"host",
									"hostaddr",
									"port",
									NULL};
	const char *const values[] = {"pat-bridge",     KEEPALIVES_IDLE,     KEEPALIVES_INTERVAL,
								  KEEPALIVES_COUNT, TCP_USER_TIMEOUT_MS, conn->settings->conninfo,
								  "UTF8",           attributes(conn),    host->host,
								  host->address,    host->port,          NULL};

	return PQconnectStartParams(keywords, values, 1);
}

PGconn *
db_hosts_start(DbConn *conn)
{
	PGconn *pg = start(conn);

	if (pg == NULL || conn->hosts.count > 0)
		return pg;
	learn(&conn->hosts, pg, conn->random);
	if (conn->hosts.count < 2)
		return pg;
	PQfinish(pg);
	return start(conn);
}

bool
db_hosts_next(DbHosts *hosts)
{
	if (hosts->count > 1 && ++hosts->next < hosts->count)
		return true;
	hosts->next = 0;
	hosts->second_round = hosts->prefers_standby && hosts->count > 1 && !hosts->second_round;
	return hosts->second_round;
}

void
db_hosts_rewind(DbHosts *hosts)
{
	hosts->next = 0;
	hosts->second_round = false;
	memset(hosts->reported, 0, sizeof(hosts->reported));
}

int64_t
db_hosts_patience(const DbHosts *hosts, int64_t started, int64_t now)
{
	int64_t whole = hosts->timeout_us > 0 ? hosts->timeout_us : CONNECT_TIMEOUT_US;
	int64_t silence = hosts->timeout_us > 0 || hosts->count < 2 ? whole : HOST_SILENCE_US;

	return now + silence < started + whole ? now + silence : started + whole;
}

void
db_hosts_free(DbHosts *hosts)
{
	forget_list(hosts);
}
