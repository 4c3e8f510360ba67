/*
 * option_table.c
 *		The options of the bridge, one row each, and --help, which follows from
 *		them.
 */
#include "option_table.h"

#include <ctype.h>
#include <string.h>

#include "lane.h"

#define ENVIRONMENT_PREFIX "PAT_BRIDGE_"

static const char *const poolers[] = {"none", "transaction", NULL};
static const char *const log_formats[] = {"text", "json", NULL};
static const char *const log_levels[] = {"error", "warning", "notice", "info", "debug", NULL};

#define FIELD(name) offsetof(Options, name)

const Option option_table[] = {
	{"listen", OPTION_ADDRESSES, FIELD(listen), "127.0.0.1:4242", 0, 0, NULL, "ADDRESS",
	 "where to listen: host:port, [v6]:port or unix:/path; may be repeated"},
	{"admin-listen", OPTION_ADDRESSES, FIELD(admin_listen), NULL, 0, 0, NULL, "ADDRESS",
	 "where to serve /health, /ready and /metrics apart from the API; may be repeated"},
	{"db", OPTION_CONNINFO, FIELD(db), "", 0, 0, NULL, "CONNINFO",
	 "connection string or URI; the rest comes from libpq's PG* variables"},
	{"read-db", OPTION_CONNINFO, FIELD(read_db), NULL, 0, 0, NULL, "CONNINFO",
	 "where GET goes, such as a standby; default: the primary of --db"},
	{"pooler", OPTION_CHOICE, FIELD(pooler), "none", 0, 0, poolers, "MODE",
	 "none, or transaction if a pooler hands out servers for a transaction at a time"},
	{"workers", OPTION_NUMBER, FIELD(workers), "auto", 1, 256, NULL, "N",
	 "event loops, each with its own connections; default: one per two processors"},
	{"read-connections", OPTION_NUMBER, FIELD(read_connections), "2", 1, LANE_MAX_CONNECTIONS, NULL,
	 "N", "database connections per worker for GET"},
	{"write-connections", OPTION_NUMBER, FIELD(write_connections), "1", 1, LANE_MAX_CONNECTIONS,
	 NULL, "N", "database connections per worker for POST, PUT and DELETE"},
	{"request-timeout", OPTION_DURATION, FIELD(request_timeout_ms), "10s", 10, 600000, NULL, "TIME",
	 "longest time in the database, then 504; in milliseconds or as 500ms, 10s"},
	{"max-connections", OPTION_NUMBER, FIELD(max_connections), "4096", 1, 1000000, NULL, "N",
	 "client connections in all; beyond them, idle or slow clients make room"},
	{"max-queue", OPTION_NUMBER, FIELD(max_queue), "1024", 1, 1000000, NULL, "N",
	 "requests waiting per worker and kind of connection; more are answered 503"},
	{"max-response-memory", OPTION_NUMBER, FIELD(max_response_memory), "268435456", 1048576,
	 INT64_C(1099511627776), NULL, "BYTES",
	 "lists that clients have not read yet; beyond that, reads are answered 503"},
	{"drain-timeout", OPTION_DURATION, FIELD(drain_timeout_ms), "15s", 0, 3600000, NULL, "TIME",
	 "longest time to finish what is under way when told to stop"},
	{"reuse-port", OPTION_SWITCH, FIELD(reuse_port), "off", 0, 0, NULL, NULL,
	 "share the addresses with another bridge: for a restart without a gap"},
	{"unix-socket-mode", OPTION_MODE, FIELD(unix_socket_mode), "0660", 0, 0, NULL, "MODE",
	 "permissions of unix: sockets, in octal; to connect takes the right to write"},
	{"unix-socket-group", OPTION_NAME, FIELD(unix_socket_group), NULL, 0, 0, NULL, "NAME",
	 "group of unix: sockets; default: the process's own"},
	{"user", OPTION_NAME, FIELD(user), NULL, 0, 0, NULL, "NAME",
	 "user to become when started as root, which is refused otherwise"},
	{"group", OPTION_NAME, FIELD(group), NULL, 0, 0, NULL, "NAME",
	 "group to become together with --user; default: that user's own"},
	{"core-dumps", OPTION_SWITCH, FIELD(core_dumps), "off", 0, 0, NULL, NULL,
	 "allow core files and debuggers, which would see tokens"},
	{"max-connections-per-address", OPTION_NUMBER, FIELD(max_connections_per_address), "0", 0,
	 1000000, NULL, "N", "client connections of one IPv4 address or IPv6 /64; 0: no limit"},
	{"max-header-size", OPTION_NUMBER, FIELD(max_header_size), "10240", 1024, 65536, NULL, "BYTES",
	 "request line and headers; more is answered 431; sets the memory of a connection"},
	{"max-body-size", OPTION_NUMBER, FIELD(max_body_size), "102400", 1, 102400, NULL, "BYTES",
	 "request body; more is answered 413"},
	{"client-timeout", OPTION_DURATION, FIELD(client_timeout_ms), "30s", 100, 3600000, NULL, "TIME",
	 "longest time for a client to send a request, and to take the answer"},
	{"idle-timeout", OPTION_DURATION, FIELD(idle_timeout_ms), "60s", 100, 3600000, NULL, "TIME",
	 "longest time from an answer to the next request of a connection"},
	{"tls-cert", OPTION_FILE, FIELD(tls_cert), NULL, 0, 0, NULL, "FILE",
	 "certificate chain, PEM: with --tls-key, all TCP addresses of --listen speak TLS"},
	{"tls-key", OPTION_FILE, FIELD(tls_key), NULL, 0, 0, NULL, "FILE",
	 "its key, PEM; readable by nobody else"},
	{"log-format", OPTION_CHOICE, FIELD(log_format), "text", 0, 0, log_formats, "FORMAT",
	 "text or json"},
	{"log-level", OPTION_CHOICE, FIELD(log_level), "notice", 0, 0, log_levels, "LEVEL",
	 "error, warning, notice, info (every request) or debug"},
	{"log-file", OPTION_PATH, FIELD(log_file), NULL, 0, 0, NULL, "FILE",
	 "file to append the log to, opened again on SIGHUP; default: standard error"},
	{"server-timing", OPTION_SWITCH, FIELD(server_timing), "on", 0, 0, NULL, NULL,
	 "answers say in a Server-Timing header how long the database took"},
	{"config", OPTION_FILE, FIELD(config), NULL, 0, 0, NULL, "FILE",
	 "file of lines name = value, with these names; # starts a comment"},
	{"check", OPTION_FLAG, FIELD(check), NULL, 0, 0, NULL, NULL,
	 "validate the configuration and exit"},
	{"version", OPTION_FLAG, FIELD(version), NULL, 0, 0, NULL, NULL, "print the version and exit"},
	{"help", OPTION_FLAG, FIELD(help), NULL, 0, 0, NULL, NULL, "print this and exit"},
};

/* What may change while the bridge runs; everything else waits for a restart. */
static const char *const reloaded[] = {"request-timeout", "max-connections", "max-queue",
									   "drain-timeout",   "log-format",      "log-level"};

const size_t option_count = sizeof(option_table) / sizeof(option_table[0]);

_Static_assert(sizeof(option_table) / sizeof(option_table[0]) <= OPTION_MAX, "raise OPTION_MAX");

const Option *
option_find(const char *name, size_t length)
{
	for (size_t i = 0; i < option_count; i++)
		if (strlen(option_table[i].name) == length &&
			strncmp(option_table[i].name, name, length) == 0)
			return &option_table[i];
	return NULL;
}

bool
option_reloads(const Option *option)
{
	for (size_t i = 0; i < sizeof(reloaded) / sizeof(reloaded[0]); i++)
		if (strcmp(reloaded[i], option->name) == 0)
			return true;
	return false;
}

void
option_environment_name(const Option *option, char name[OPTION_NAME_MAX])
{
	size_t used = (size_t) snprintf(name, OPTION_NAME_MAX, ENVIRONMENT_PREFIX "%s", option->name);

	for (size_t i = 0; i < used; i++)
		name[i] = name[i] == '-' ? '_' : (char) toupper((unsigned char) name[i]);
}

/* How the option is written: --name, --name VALUE, --name[=on|off]. */
static void
describe(const Option *option, char left[64])
{
	if (option->kind == OPTION_SWITCH)
		snprintf(left, 64, "--%s[=on|off]", option->name);
	else
		snprintf(left, 64, "--%s%s%s", option->name, option->argument != NULL ? " " : "",
				 option->argument != NULL ? option->argument : "");
}

void
options_help(FILE *out)
{
	fputs("pat-bridge serves the HTTP API of the PostgreSQL extension pat.\n\n"
		  "Usage: pat-bridge [OPTION]...\n\n",
		  out);
	for (size_t i = 0; i < option_count; i++)
	{
		const Option *option = &option_table[i];
		char left[64];

		describe(option, left);
		fprintf(out, "  %-31s %s", left, option->help);
		if (option->initial != NULL && *option->initial != '\0' &&
			strcmp(option->initial, "auto") != 0)
			fprintf(out, " (default: %s)", option->initial);
		fputc('\n', out);
	}
	fputs(
		"\nEvery option with a value is also an environment variable, PAT_BRIDGE_ and its name in\n"
		"capitals with _ for -, and a line of the configuration file. The command line outweighs\n"
		"the environment, and that the file.\n",
		out);
}
