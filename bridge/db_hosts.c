/*
 * db_hosts.c
 *		The hosts that a connection string names, tried one address at a time.
 *
 * libpq could walk a list of hosts by itself, but when it connects without blocking it honours
 * no connect_timeout, and it looks names up itself, which blocks.  So the list is taken apart
 * here, names are looked up beforehand (db_lookup.c), and each attempt names one host and one
 * address of it.  What libpq makes of string, environment and service file is asked of libpq,
 * so that their rules are its own.
 *
 * Owns the list and the look-ups.
 */
#include "db_conn.h"

#include <stdio.h>
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
	hosts->count = 0;
}

/* Whether a list goes with so many hosts; a single port goes with any number. */
static bool
fits(const char *list, unsigned count, bool one_for_all)
{
	unsigned items = count_items(list);

	return items == 0 || items == count || (one_for_all && items == 1);
}

/*
 * As libpq reads an item that is empty: the default port, no address, the address as the name.
 * False for one that names neither host nor address, and without memory.
 */
static bool
take_host(DbHost *host, const PQconninfoOption *options, unsigned number)
{
	const char *names = option_value(options, "host");

	host->host = copy_item(names, number);
	host->address = copy_item(option_value(options, "hostaddr"), number);
	host->port = copy_item(option_value(options, "port"), number);
	if (host->port == NULL)
		host->port = strdup(DEFAULT_PORT);
	if (names != NULL && host->host == NULL && host->address != NULL)
		host->host = strdup(host->address);
	return host->port != NULL && (names == NULL || host->host != NULL);
}

static bool
take_list(DbHosts *hosts, const PQconninfoOption *options, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (!take_host(&hosts->list[i], options, i))
			return false;
	return true;
}

static uint32_t
next_random(uint32_t *random)
{
	*random = *random * 1103515245U + 12345U;
	return *random >> 16;
}

/* load_balance_hosts=random, which libpq knows from 16 on. */
static void
shuffle_hosts(DbHosts *hosts, uint32_t random)
{
	for (unsigned i = hosts->count - 1; i > 0; i--)
	{
		unsigned j = next_random(&random) % (i + 1);
		DbHost other = hosts->list[i];

		hosts->list[i] = hosts->list[j];
		hosts->list[j] = other;
	}
}

static void
shuffle_addresses(DbAddresses *addresses, uint32_t random)
{
	for (unsigned i = addresses->count - 1; i > 0; i--)
	{
		unsigned j = next_random(&random) % (i + 1);
		char other[DB_ADDRESS_SIZE];

		memcpy(other, addresses->text[i], DB_ADDRESS_SIZE);
		memcpy(addresses->text[i], addresses->text[j], DB_ADDRESS_SIZE);
		memcpy(addresses->text[j], other, DB_ADDRESS_SIZE);
	}
}

static DbWish
wish_of(const char *attributes)
{
	if (attributes == NULL || strcmp(attributes, "any") == 0)
		return DB_WISH_NONE;
	return strcmp(attributes, "prefer-standby") == 0 ? DB_WISH_PREFER_STANDBY : DB_WISH_OTHER;
}

static void
take_policy(DbHosts *hosts, const PQconninfoOption *options, unsigned random)
{
	const char *balance = option_value(options, "load_balance_hosts");
	const char *seconds = option_value(options, "connect_timeout");
	long timeout = seconds != NULL ? strtol(seconds, NULL, 10) : 0;

	hosts->wish = wish_of(option_value(options, "target_session_attrs"));
	hosts->timeout_us = timeout > 0 && timeout <= MAX_TIMEOUT_S ? timeout * CLOCK_US_PER_S : 0;
	hosts->shuffled = balance != NULL && strcmp(balance, "random") == 0;
	if (hosts->shuffled)
		shuffle_hosts(hosts, random);
}

/* NULL, or what is wrong with the lists. */
static const char *
take_options(DbHosts *hosts, const PQconninfoOption *options, unsigned random)
{
	const char *names = option_value(options, "host");
	const char *addresses = option_value(options, "hostaddr");
	unsigned count = count_items(addresses != NULL ? addresses : names);

	count = count > 0 ? count : 1;
	if (count > DB_MAX_HOSTS)
		return "the connection string names more than 16 hosts";
	if (!fits(names, count, false) || !fits(option_value(options, "port"), count, true))
		return "the connection string has not as many hosts as addresses or ports";
	if (!take_list(hosts, options, count))
		return "the connection string has a list with an empty host";
	hosts->count = count;
	take_policy(hosts, options, random);
	return NULL;
}

/* ---- attempts ----------------------------------------------------------- */

/*
 * What to ask of the server, besides what the string says.  prefer-standby means the whole
 * list, not each host.  NULL: what the string says.
 */
static const char *
attributes(const DbConn *conn)
{
	const DbHosts *hosts = &conn->hosts;

	if (hosts->wish == DB_WISH_OTHER)
		return NULL;
	switch (conn->settings->target)
	{
		case DB_TAKES_CHANGES:
			return "read-write";
		case DB_PRIMARY:
			return PQlibVersion() >= 140000 ? "primary" : "read-write";
		case DB_ANY_SERVER:
			break;
	}
	if (hosts->wish == DB_WISH_NONE)
		return NULL;
	return hosts->second_round ? "any" : "standby";
}

/* What stands in place of what the string says; NULL: nothing. */
typedef struct Changes
{
	const char *attributes;
	const char *host;
	const char *address;
	const char *port;
	const char *sslmode;
} Changes;

static PGconn *
start(const char *conninfo, const Changes *changes)
{
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
									"sslmode",
									NULL};
	const char *const values[] = {"pat-bridge",
								  KEEPALIVES_IDLE,
								  KEEPALIVES_INTERVAL,
								  KEEPALIVES_COUNT,
								  TCP_USER_TIMEOUT_MS,
								  conninfo,
								  "UTF8",
								  changes->attributes,
								  changes->host,
								  changes->address,
								  changes->port,
								  changes->sslmode,
								  NULL};

	return PQconnectStartParams(keywords, values, 1);
}

/*
 * Read anew in each round of attempts: environment and service file may have changed.  libpq
 * has no way to tell what it makes of a string without connecting, but it stops at an
 * sslmode that is none.
 */
const char *
db_hosts_learn(DbConn *conn)
{
	static const Changes stop = {.sslmode = "none, only look"};
	DbHosts *hosts = &conn->hosts;
	PQconninfoOption *options;
	const char *fault = "out of memory";
	PGconn *pg;

	if (hosts->count > 0)
		return NULL;
	pg = start(conn->settings->conninfo, &stop);
	options = PQconninfo(pg);
	if (options != NULL)
		fault = take_options(hosts, options, conn->random);
	if (fault != NULL)
		forget_list(hosts);
	PQconninfoFree(options);
	PQfinish(pg);
	return fault;
}

bool
db_hosts_need_lookup(const DbHosts *hosts)
{
	const DbHost *host = &hosts->list[hosts->next];

	return host->host != NULL && host->address == NULL && hosts->found.count == 0 &&
		   !db_lookup_is_needless(host->host);
}

/* The place of the look-up of this name; of a free place for NULL; NULL if there is none. */
static DbLookup **
find_lookup(DbHosts *hosts, const char *name)
{
	for (unsigned i = 0; i < DB_MAX_HOSTS; i++)
	{
		const DbLookup *lookup = hosts->lookups[i];

		if (name == NULL ? lookup == NULL
						 : lookup != NULL && strcmp(db_lookup_name(lookup), name) == 0)
			return &hosts->lookups[i];
	}
	return NULL;
}

DbLookup *
db_hosts_look_up(DbHosts *hosts)
{
	const char *name = hosts->list[hosts->next].host;
	DbLookup **place = find_lookup(hosts, name);

	if (place == NULL && (place = find_lookup(hosts, NULL)) != NULL)
		*place = db_lookup_start(name);
	return place != NULL ? *place : NULL;
}

bool
db_hosts_take_addresses(DbConn *conn, DbLookup *lookup, char message[DB_MESSAGE_MAX])
{
	DbHosts *hosts = &conn->hosts;
	DbLookup **place = find_lookup(hosts, db_lookup_name(lookup));
	const char *error = db_lookup_result(lookup, &hosts->found);

	if (error != NULL)
		snprintf(message, DB_MESSAGE_MAX, "could not translate host name \"%.255s\" to address: %s",
				 db_lookup_name(lookup), error);
	else if (hosts->shuffled)
		shuffle_addresses(&hosts->found, conn->random);
	db_lookup_leave(lookup);
	*place = NULL;
	return error == NULL;
}

PGconn *
db_hosts_start(const DbConn *conn)
{
	const DbHosts *hosts = &conn->hosts;
	const DbHost *host = &hosts->list[hosts->next];
	Changes changes = {attributes(conn), host->host, host->address, host->port, NULL};

	if (hosts->found.count > 0)
		changes.address = hosts->found.text[hosts->address];
	return start(conn->settings->conninfo, &changes);
}

static void
begin_host(DbHosts *hosts, unsigned number)
{
	hosts->next = number;
	hosts->address = 0;
	hosts->found.count = 0;
}

bool
db_hosts_next(DbConn *conn)
{
	DbHosts *hosts = &conn->hosts;

	if (++hosts->address < hosts->found.count)
		return true;
	begin_host(hosts, hosts->next + 1);
	if (hosts->next < hosts->count)
		return true;
	begin_host(hosts, 0);
	hosts->second_round = hosts->wish == DB_WISH_PREFER_STANDBY &&
						  conn->settings->target == DB_ANY_SERVER && !hosts->second_round;
	if (!hosts->second_round)
		forget_list(hosts);
	return hosts->second_round;
}

static void
leave_lookups(DbHosts *hosts)
{
	for (unsigned i = 0; i < DB_MAX_HOSTS; i++)
	{
		db_lookup_leave(hosts->lookups[i]);
		hosts->lookups[i] = NULL;
	}
}

void
db_hosts_rewind(DbHosts *hosts)
{
	begin_host(hosts, 0);
	hosts->second_round = false;
	leave_lookups(hosts);
	forget_list(hosts);
}

int64_t
db_hosts_patience(const DbHosts *hosts, int64_t started, int64_t now)
{
	int64_t whole = hosts->timeout_us > 0 ? hosts->timeout_us : CONNECT_TIMEOUT_US;
	bool others_wait = hosts->count > 1 || hosts->found.count > 1;
	int64_t silence = hosts->timeout_us > 0 || !others_wait ? whole : HOST_SILENCE_US;

	return now + silence < started + whole ? now + silence : started + whole;
}

void
db_hosts_free(DbHosts *hosts)
{
	leave_lookups(hosts);
	forget_list(hosts);
}
