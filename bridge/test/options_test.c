/*
 * options_test.c
 *		The three sources of options, their order, and how mistakes are named.
 */
#include "options.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "suites.h"
#include "test.h"

#define MAX_ARGS 8

static Options options;
static char message[OPTIONS_MESSAGE_MAX];

/* Reads a command line of up to four words; false leaves the message. */
static bool
parse(const char *a, const char *b, const char *c, const char *d)
{
	char *argv[] = {"pat-bridge", (char *) a, (char *) b, (char *) c, (char *) d, NULL};
	int argc = 1;

	while (argv[argc] != NULL)
		argc++;
	message[0] = '\0';
	return options_read(&options, argc, argv, message);
}

static bool
refused(const char *word, const char *value, const char *complaint)
{
	if (parse(word, value, NULL, NULL))
	{
		options_free(&options);
		return false;
	}
	return strstr(message, complaint) != NULL;
}

static void
has_defaults(void)
{
	CHECK(parse(NULL, NULL, NULL, NULL));
	CHECK_NUMBER(options.listen_count, 1);
	CHECK_TEXT(options.listen[0], "127.0.0.1:4242");
	CHECK_TEXT(options.db, "");
	CHECK_NUMBER(options.workers, options_default_workers());
	CHECK_NUMBER(options.request_timeout_ms, 10000);
	CHECK_NUMBER(options.read_connections, 2);
	CHECK_NUMBER(options.log_level, LOG_NOTICE);
	CHECK(options.log_file == NULL);
	CHECK_NUMBER(options.admin_listen_count, 0);
	CHECK_NUMBER(options.server_timing, 1);
	CHECK_NUMBER(options.max_connections_per_address, 0);
	CHECK_NUMBER(options.max_header_size, 10240);
	CHECK_NUMBER(options.max_body_size, 102400);
	CHECK_NUMBER(options.client_timeout_ms, 30000);
	CHECK_NUMBER(options.idle_timeout_ms, 60000);
	CHECK(options.tls_cert == NULL && options.tls_key == NULL);
	CHECK(!options.check && !options.help && !options.version && options.config == NULL);
	options_free(&options);
}

static void
reads_values(void)
{
	CHECK(parse("--listen=[::1]:0", "--listen", "unix:/tmp/x", "--check"));
	CHECK_NUMBER(options.listen_count, 2);
	CHECK_TEXT(options.listen[0], "[::1]:0");
	CHECK_TEXT(options.listen[1], "unix:/tmp/x");
	CHECK(options.check);
	options_free(&options);
	CHECK(parse("--request-timeout", "500ms", "--log-format", "json"));
	CHECK_NUMBER(options.request_timeout_ms, 500);
	CHECK_NUMBER(options.log_format, LOG_JSON);
	options_free(&options);
	CHECK(parse("--request-timeout", "2s", "--db", "host=/tmp dbname=x"));
	CHECK_NUMBER(options.request_timeout_ms, 2000);
	CHECK_TEXT(options.db, "host=/tmp dbname=x");
	CHECK(options.read_db == NULL);
	CHECK_NUMBER(options.pooler, OPTIONS_POOLER_NONE);
	options_free(&options);
	CHECK(parse("--read-db", "host=a,b port=1,2", "--pooler", "transaction"));
	CHECK_TEXT(options.read_db, "host=a,b port=1,2");
	CHECK_NUMBER(options.pooler, OPTIONS_POOLER_TRANSACTION);
	options_free(&options);
	CHECK(parse("--request-timeout", "2000", "--db", "postgres://u@h/d"));
	CHECK_NUMBER(options.request_timeout_ms, 2000);
	options_free(&options);
}

static void
names_mistakes(void)
{
	CHECK(refused("--nope", NULL, "\"--nope\""));
	CHECK(refused("--nope=1", NULL, "\"--nope\""));
	CHECK(refused("-x", NULL, "\"-x\""));
	CHECK(refused("word", NULL, "\"word\""));
	CHECK(refused("--workers", NULL, "\"--workers\" needs a value"));
	CHECK(refused("--check=1", NULL, "\"--check\" takes no value"));
	CHECK(refused("--workers", "0", "option \"--workers\": \"0\" is outside the range"));
	CHECK(refused("--workers", "99999", "outside the range"));
	CHECK(refused("--workers", "2x", "not a number"));
	CHECK(refused("--workers", "-1", "not a number"));
	CHECK(refused("--workers", "", "not a number"));
	CHECK(refused("--max-queue", "99999999999999999999", "not a number"));
	CHECK(refused("--request-timeout", "5m", "not a time"));
	CHECK(refused("--request-timeout", "1", "outside the range"));
	CHECK(refused("--request-timeout", "s", "not a time"));
	CHECK(refused("--log-level", "loud", "option \"--log-level\": \"loud\""));
	CHECK(refused("--listen", "nowhere", "option \"--listen\": \"nowhere\""));
	CHECK(refused("--listen", "", "no address"));
	CHECK(refused("--pooler", "session", "option \"--pooler\": \"session\""));
	CHECK(refused("--max-header-size", "1023", "outside the range"));
	CHECK(refused("--max-body-size", "102401", "outside the range"));
	CHECK(refused("--tls-cert", "x", "option \"--tls-key\" is missing"));
	CHECK(refused("--tls-key", "x", "option \"--tls-cert\" is missing"));
	CHECK(refused("--config", "/nonexistent/file", "\"/nonexistent/file\""));
}

/* A configuration may be read again: what an earlier reading stumbled over does not count then. */
static void
starts_afresh(void)
{
	CHECK(refused("-abc", NULL, "\"-abc\""));
	CHECK(parse("--workers", "3", NULL, NULL));
	CHECK_NUMBER(options.workers, 3);
	options_free(&options);
}

static void
never_shows_the_connection_string(void)
{
	CHECK(refused("--db", "password=s3cret =", "option \"--db\""));
	CHECK(strstr(message, "s3cret") == NULL);
	CHECK(refused("--read-db", "password=s3cret =", "option \"--read-db\""));
	CHECK(strstr(message, "s3cret") == NULL);
	CHECK(refused("--db", "postgres://u:s3cret@[::1/x", "option \"--db\""));
	CHECK(strstr(message, "s3cret") == NULL);
}

/* A file with this text; the caller unlinks it. */
static void
write_file(char *path, const char *text)
{
	int fd;

	strcpy(path, "/tmp/pat-options-XXXXXX");
	fd = mkstemp(path);
	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t) strlen(text));
	close(fd);
}

static void
reads_a_file(void)
{
	char path[32];

	write_file(path, "# comment\n\n  workers = 3 \nlisten=127.0.0.1:1\nlisten = 127.0.0.1:2\n"
					 "db = \"dbname=x password=a#b\"\nlog-level = info");
	CHECK(parse("--config", path, NULL, NULL));
	CHECK_NUMBER(options.workers, 3);
	CHECK_NUMBER(options.listen_count, 2);
	CHECK_TEXT(options.listen[1], "127.0.0.1:2");
	CHECK_TEXT(options.db, "dbname=x password=a#b");
	CHECK_NUMBER(options.log_level, LOG_INFO);
	options_free(&options);
	unlink(path);
}

static bool
file_refused(const char *text, const char *place, const char *complaint)
{
	char path[32];
	char where[64];
	bool good;

	write_file(path, text);
	good = refused("--config", path, complaint);
	snprintf(where, sizeof(where), "%s%s", path, place);
	unlink(path);
	return good && strstr(message, where) != NULL;
}

static void
names_the_line(void)
{
	CHECK(file_refused("workers = 1\nwrkers = 2\n", ":2", "\"wrkers\""));
	CHECK(file_refused("workers\n", ":1", "\"workers\""));
	CHECK(file_refused("\n\nworkers = none\n", ":3", "workers"));
	CHECK(file_refused("config = x\n", ":1", "\"config\""));
	CHECK(file_refused("check = 1\n", ":1", "\"check\""));
	CHECK(file_refused("--workers = 1\n", ":1", "\"--workers\""));
}

static void
respects_precedence(void)
{
	char path[32];

	write_file(path, "workers = 3\nread-connections = 3\nmax-queue = 3\nlisten = 127.0.0.1:3\n");
	setenv("PAT_BRIDGE_WORKERS", "2", 1);
	setenv("PAT_BRIDGE_READ_CONNECTIONS", "4", 1);
	setenv("PAT_BRIDGE_LISTEN", "127.0.0.1:2, unix:/tmp/two", 1);
	setenv("PAT_BRIDGE_CONFIG", path, 1);
	setenv("PAT_BRIDGE_PORT", "tcp://10.0.0.1:1", 1);
	setenv("PAT_BRIDGE_MAX_CONNECTIONS_PER_ADDRESS", "7", 1);
	CHECK(parse("--workers", "1", NULL, NULL));
	CHECK_NUMBER(options.workers, 1);
	CHECK_NUMBER(options.read_connections, 4);
	CHECK_NUMBER(options.max_queue, 3);
	CHECK_NUMBER(options.write_connections, 1);
	CHECK_NUMBER(options.max_connections_per_address, 7);
	CHECK_NUMBER(options.listen_count, 2);
	CHECK_TEXT(options.listen[1], "unix:/tmp/two");
	options_free(&options);
	setenv("PAT_BRIDGE_READ_CONNECTIONS", "many", 1);
	CHECK(!parse(NULL, NULL, NULL, NULL));
	CHECK(strstr(message, "PAT_BRIDGE_READ_CONNECTIONS") != NULL);
	unsetenv("PAT_BRIDGE_WORKERS");
	unsetenv("PAT_BRIDGE_READ_CONNECTIONS");
	unsetenv("PAT_BRIDGE_LISTEN");
	unsetenv("PAT_BRIDGE_CONFIG");
	unsetenv("PAT_BRIDGE_PORT");
	unsetenv("PAT_BRIDGE_MAX_CONNECTIONS_PER_ADDRESS");
	unlink(path);
}

static void
reads_switches_modes_and_names(void)
{
	CHECK(parse("--reuse-port", "--unix-socket-mode", "600", NULL));
	CHECK(options.reuse_port && !options.core_dumps);
	CHECK_NUMBER(options.unix_socket_mode, 0600);
	options_free(&options);
	CHECK(parse("--reuse-port=off", "--user", "nobody", "--drain-timeout=0"));
	CHECK(!options.reuse_port);
	CHECK_TEXT(options.user, "nobody");
	CHECK_NUMBER(options.drain_timeout_ms, 0);
	options_free(&options);
	CHECK(refused("--reuse-port=yes", NULL, "neither on nor off"));
	CHECK(refused("--unix-socket-mode", "0999", "not a mode"));
	CHECK(refused("--unix-socket-mode", "1777", "not a mode"));
	CHECK(refused("--unix-socket-mode", "rw", "not a mode"));
	CHECK(refused("--unix-socket-mode", "7", "not a mode"));
	CHECK(refused("--user", "", "not a name"));
	CHECK(refused("--group", "a:b", "not a name"));
	CHECK(file_refused("\nreuse-port = 1\n", ":2", "reuse-port"));
}

/* What a reload takes over, and what it leaves as it is. */
static void
keeps_what_needs_a_restart(void)
{
	Options running;
	char names[64];

	CHECK(parse("--listen=127.0.0.1:1", "--max-queue=1", "--db=dbname=one", "--workers=3"));
	running = options;
	CHECK(parse("--listen=127.0.0.1:2 127.0.0.1:3", "--max-queue=2", "--reuse-port",
				"--log-level=debug"));
	CHECK(options_keep_fixed(&options, &running, names, sizeof(names)));
	CHECK_TEXT(names, "listen, db, workers, reuse-port");
	CHECK_NUMBER(options.listen_count, 1);
	CHECK_TEXT(options.listen[0], "127.0.0.1:1");
	CHECK_TEXT(options.db, "dbname=one");
	CHECK_NUMBER(options.workers, 3);
	CHECK(!options.reuse_port);
	CHECK_NUMBER(options.max_queue, 2);
	CHECK_NUMBER(options.log_level, LOG_DEBUG);
	CHECK(options_keep_fixed(&options, &running, names, sizeof(names)));
	CHECK_TEXT(names, "");
	options_free(&options);
	CHECK(parse("--user", "one", NULL, NULL));
	CHECK(options_keep_fixed(&options, &running, names, 8));
	CHECK_NUMBER(strlen(names), 7);
	CHECK(options.user == NULL);
	options_free(&options);
	options_free(&running);
}

/* Tests run wherever they are started: a caller's own settings must not matter. */
/* The two lists of addresses are apart. */
static void
reads_what_is_for_monitoring(void)
{
	CHECK(parse("--admin-listen=unix:/run/admin", "--admin-listen=:9000", "--listen=:8000",
				"--log-file=/var/log/pat.log"));
	CHECK_NUMBER(options.admin_listen_count, 2);
	CHECK_TEXT(options.admin_listen[0], "unix:/run/admin");
	CHECK_TEXT(options.admin_listen[1], ":9000");
	CHECK_NUMBER(options.listen_count, 1);
	CHECK_TEXT(options.listen[0], ":8000");
	CHECK_TEXT(options.log_file, "/var/log/pat.log");
	options_free(&options);
	CHECK(parse("--server-timing=off", NULL, NULL, NULL));
	CHECK_NUMBER(options.server_timing, 0);
	options_free(&options);
	CHECK(refused("--server-timing=yes", NULL, "option \"--server-timing\": \"yes\""));
	CHECK(refused("--admin-listen", "nowhere", "option \"--admin-listen\": \"nowhere\""));
}

static void
clear_environment(void)
{
	static const char *const names[] = {"PAT_BRIDGE_LISTEN",
										"PAT_BRIDGE_ADMIN_LISTEN",
										"PAT_BRIDGE_DB",
										"PAT_BRIDGE_WORKERS",
										"PAT_BRIDGE_READ_CONNECTIONS",
										"PAT_BRIDGE_WRITE_CONNECTIONS",
										"PAT_BRIDGE_REQUEST_TIMEOUT",
										"PAT_BRIDGE_MAX_CONNECTIONS",
										"PAT_BRIDGE_MAX_QUEUE",
										"PAT_BRIDGE_LOG_FORMAT",
										"PAT_BRIDGE_LOG_LEVEL",
										"PAT_BRIDGE_LOG_FILE",
										"PAT_BRIDGE_SERVER_TIMING",
										"PAT_BRIDGE_DRAIN_TIMEOUT",
										"PAT_BRIDGE_REUSE_PORT",
										"PAT_BRIDGE_UNIX_SOCKET_MODE",
										"PAT_BRIDGE_UNIX_SOCKET_GROUP",
										"PAT_BRIDGE_USER",
										"PAT_BRIDGE_GROUP",
										"PAT_BRIDGE_CORE_DUMPS",
										"PAT_BRIDGE_CONFIG"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
}

void
test_options_suite(void)
{
	clear_environment();
	has_defaults();
	reads_values();
	names_mistakes();
	starts_afresh();
	never_shows_the_connection_string();
	reads_a_file();
	names_the_line();
	reads_switches_modes_and_names();
	keeps_what_needs_a_restart();
	respects_precedence();
	reads_what_is_for_monitoring();
}
