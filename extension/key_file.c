/*
 * key_file.c
 *		The key of sealed storage, read from the file that pat.secret_key_file
 *		names.
 *
 * Owns: whether the key has been loaded.  The key itself goes into the cipher
 * (crypto.c); the copies here are wiped.  A file that others may read is refused,
 * as the server refuses such a TLS key.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "tcop/pquery.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "crypto.h"
#include "key_file.h"

typedef enum KeyState
{
	KEY_NOT_READ,
	KEY_LOADED,
	KEY_UNUSABLE /* reported already */
} KeyState;

static char *pat_secret_key_file = NULL;
static KeyState key_state = KEY_NOT_READ;
static TimestampTz tried_by; /* the statement that read the file last, by its start */
static bool defining_setting = false;

/*
 * Reports without the statement and its context, which may hold a token.  The
 * message names the path in the server's log, and to roles that may read the
 * setting.  If sqlstate is 0, the SQLSTATE is that of errno.
 */
static void
report(int elevel, int sqlstate, const char *problem)
{
	int cause = errno;
	bool shown = elevel == LOG_SERVER_ONLY ||
				 has_privs_of_role(GetOuterUserId(), ROLE_PG_READ_ALL_SETTINGS);

	errno = cause;
	ereport(
		elevel,
		(sqlstate == 0 ? errcode_for_file_access() : errcode(sqlstate),
		 shown ? errmsg_internal("%s", problem)
			   : errmsg("the key file of sealed storage cannot be used"),
		 shown ? 0 : errdetail_log("%s.", problem),
		 errhint("The setting \"pat.secret_key_file\" must name a file of %d bytes that belongs "
				 "to the server's user and has mode 0600 or less, or to root and has mode 0640 "
				 "or less. While it cannot be used, no token can be created.",
				 PAT_KEY_LEN),
		 errhidestmt(true), errhidecontext(true)));
}

/* Applies PostgreSQL's rule for TLS keys to the opened file.  NULL: it is met. */
static const char *
access_problem(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return "is not a regular file";
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return "must be owned by the server's user or root";
	if (st.st_mode & (st.st_uid == 0 ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO))
		return "has group or world access";
	return NULL;
}

/* Reads the key; returns NULL, or what is wrong with the file. */
static const char *
read_key(int fd, uint8 key[PAT_KEY_LEN])
{
	const char *problem = access_problem(fd);
	uint8 content[PAT_KEY_LEN + 1]; /* one more shows a file that is too long */

	if (problem != NULL)
		return problem;
	if (read(fd, content, sizeof(content)) == PAT_KEY_LEN)
		memcpy(key, content, PAT_KEY_LEN);
	else
		problem = psprintf("does not hold exactly %d bytes", PAT_KEY_LEN);
	explicit_bzero(content, sizeof(content));
	return problem;
}

/* O_NONBLOCK and O_NOCTTY: opening a pipe or a terminal must not block the server. */
static bool
read_key_file(const char *path, uint8 key[PAT_KEY_LEN], int elevel)
{
	int fd = OpenTransientFile(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	const char *problem;

	if (fd < 0)
	{
		report(elevel, 0, psprintf("could not open secret key file \"%s\": %m", path));
		return false;
	}
	problem = read_key(fd, key);
	CloseTransientFile(fd);
	if (problem != NULL)
		report(elevel, ERRCODE_CONFIG_FILE_ERROR,
			   psprintf("secret key file \"%s\" %s", path, problem));
	return problem == NULL;
}

/*
 * Setting a file that cannot be used is a warning, not an error: it may exist by
 * the time that it is needed.  Only commands warn: SET, ALTER SYSTEM (with source
 * PGC_S_FILE), ALTER ROLE, ALTER DATABASE.  Without a portal this runs at start, at
 * reload or in a parallel worker.  While the setting is being defined, the value
 * was set before the call that loads the module.
 */
static bool
check_secret_key_file(char **newval, void **extra pg_attribute_unused(), GucSource source)
{
	uint8 key[PAT_KEY_LEN];
	bool is_being_set = ActivePortal != NULL && !defining_setting &&
						(source == PGC_S_FILE || source >= PGC_S_TEST);

	if (is_being_set && *newval != NULL && **newval != '\0')
	{
		read_key_file(*newval, key, WARNING);
		explicit_bzero(key, sizeof(key));
	}
	return true;
}

static void
assign_secret_key_file(const char *newval pg_attribute_unused(), void *extra pg_attribute_unused())
{
	key_state = KEY_NOT_READ;
}

void
pat_key_file_define_setting(void)
{
	defining_setting = true;
	DefineCustomStringVariable("pat.secret_key_file",
							   "Names the file whose 32 bytes seal the text of new tokens.",
							   "Empty means that only hashes are stored.", &pat_secret_key_file, "",
							   PGC_SUSET, GUC_SUPERUSER_ONLY, check_secret_key_file,
							   assign_secret_key_file, NULL);
	defining_setting = false;
}

/* Wipes its copy of the key, after an error as well. */
static bool
load_key(int elevel)
{
	uint8 key[PAT_KEY_LEN];

	if (!read_key_file(pat_secret_key_file, key, elevel))
		return false;
	PG_TRY();
	{
		pat_seal_set_key(key);
	}
	PG_FINALLY();
	{
		explicit_bzero(key, sizeof(key));
	}
	PG_END_TRY();
	return true;
}

bool
pat_key_file_ready(int elevel)
{
	if (pat_secret_key_file == NULL || pat_secret_key_file[0] == '\0')
		return false;
	if (key_state == KEY_LOADED)
		return true;
	if (key_state == KEY_UNUSABLE && elevel < ERROR)
	{
		if (tried_by == GetCurrentStatementStartTimestamp())
			return false;
		elevel = DEBUG5;
	}
	tried_by = GetCurrentStatementStartTimestamp();
	key_state = load_key(elevel) ? KEY_LOADED : KEY_UNUSABLE;
	return key_state == KEY_LOADED;
}
