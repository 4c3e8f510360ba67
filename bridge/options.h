/*
 * options.h
 *		What the bridge is told: command line, environment, configuration file.
 *
 * Every option is one row of a table in option_table.c, from which --help, the
 * environment names and the file's names follow.  No file is opened but the
 * configuration, no name is looked up: that is option_check.h.  Precedence: command
 * line, then PAT_BRIDGE_*, then the file, then the default.
 */
#ifndef PAT_BRIDGE_OPTIONS_H
#define PAT_BRIDGE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "log.h"

#define OPTIONS_MAX_LISTEN  16
#define OPTIONS_MESSAGE_MAX 512

/* What stands between the bridge and the server. */
typedef enum OptionsPooler
{
	OPTIONS_POOLER_NONE, /* nothing that matters: a session of one's own */
	OPTIONS_POOLER_TRANSACTION
} OptionsPooler;

typedef struct Options
{
	char *listen[OPTIONS_MAX_LISTEN];
	unsigned listen_count;
	char *admin_listen[OPTIONS_MAX_LISTEN];
	unsigned admin_listen_count;
	char *db;
	char *read_db; /* NULL: as db */
	char *config;
	char *tls_cert;
	char *tls_key;
	int64_t workers;
	int64_t read_connections;
	int64_t write_connections;
	int64_t request_timeout_ms;
	int64_t max_connections;
	int64_t max_queue;
	int64_t max_response_memory;
	int64_t pooler;                      /* OptionsPooler */
	int64_t max_connections_per_address; /* 0: no limit */
	int64_t max_header_size;
	int64_t max_body_size;
	int64_t idle_timeout_ms;
	int64_t client_timeout_ms;
	int64_t log_format; /* LogFormat */
	int64_t log_level;  /* LogLevel */
	char *log_file;     /* NULL: standard error */
	bool server_timing;
	int64_t drain_timeout_ms;
	int64_t unix_socket_mode;
	char *unix_socket_group;
	char *user;
	char *group;
	bool reuse_port;
	bool core_dumps;
	bool check;
	bool version;
	bool help;
} Options;

/*
 * Read everything.  True, and *options to be freed with options_free; or
 * false with one line in message that names the option, and where it stands.
 */
extern bool options_read(Options *options, int argc, char **argv, char message[OPTIONS_MESSAGE_MAX])
	__attribute__((warn_unused_result));
extern void options_free(Options *options);

/*
 * Give a later reading the values of the running one where a change needs a
 * restart.  names gets the options that differed, apart by commas, or "".
 * False without memory.
 */
extern bool options_keep_fixed(Options *later, const Options *running, char *names, size_t size)
	__attribute__((warn_unused_result));

extern void options_help(FILE *out);

/* One worker per two processors this process may use. */
extern int64_t options_default_workers(void);

#endif
