/*
 * key_file.c
 *		The key of sealed storage, read from the file that pat.secret_key_file
 *		names.
 *
 * Owns: whether the key has been loaded.  The key itself goes into the cipher
 * (crypto.c); the copies here are wiped.  A file that others may read is refused,
 * as the server refuses such a TLS key.  What is wrong with it is logged without
 * the statement and its context, which may hold a token.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xact.h"
#include "storage/fd.h"
#include "tcop/pquery.h"
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

/* What is wrong with the file, by elevel; the statement and its context may hold a token. */
#define report(elevel, ...)                                                                     \
	ereport(elevel,                                                                             \
			(__VA_ARGS__,                                                                       \
			 errhint("The setting \"pat.secret_key_file\" names this file; while it cannot be " \
					 "used, no token can be created."),                                         \
			 errhidestmt(true), errhidecontext(true)))

/* The server's own rule for its TLS key, of whatever the path has led to. */
static bool
check_access(int fd, const char *path, int elevel)
{
	struct stat st;
	mode_t forbidden;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
	{
		report(elevel, errcode(ERRCODE_CONFIG_FILE_ERROR),
			   errmsg("secret key file \"%s\" is not a regular file", path));
		return false;
	}
	if (st.st_uid != geteuid() && st.st_uid != 0)
	{
		report(elevel, errcode(ERRCODE_CONFIG_FILE_ERROR),
			   errmsg("secret key file \"%s\" must be owned by the server's user or root", path));
		return false;
	}
	forbidden = st.st_uid == 0 ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO;
	if ((st.st_mode & forbidden) == 0)
		return true;
	report(elevel, errcode(ERRCODE_CONFIG_FILE_ERROR),
		   errmsg("secret key file \"%s\" has group or world access", path),
		   errdetail(
			   "It must have permissions u=rw (0600) or less if owned by the server's user, or "
			   "u=rw,g=r (0640) or less if owned by root."));
	return false;
}

static bool
read_key(int fd, const char *path, uint8 key[PAT_KEY_LEN], int elevel)
{
	uint8 content[PAT_KEY_LEN + 1]; /* one more shows a file that is too long */
	ssize_t len = read(fd, content, sizeof(content));

	memcpy(key, content, PAT_KEY_LEN);
	explicit_bzero(content, sizeof(content));
	if (len == PAT_KEY_LEN)
		return true;
	explicit_bzero(key, PAT_KEY_LEN);
	report(elevel, errcode(ERRCODE_CONFIG_FILE_ERROR),
		   errmsg("secret key file \"%s\" does not hold exactly %d bytes", path, PAT_KEY_LEN));
	return false;
}

/* Neither a pipe nor a terminal holds the server up. */
static bool
read_key_file(const char *path, uint8 key[PAT_KEY_LEN], int elevel)
{
	int fd = OpenTransientFile(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	bool good;

	if (fd < 0)
	{
		report(elevel, errcode_for_file_access(),
			   errmsg("could not open secret key file \"%s\": %m", path));
		return false;
	}
	good = check_access(fd, path, elevel) && read_key(fd, path, key, elevel);
	CloseTransientFile(fd);
	return good;
}

/*
 * A file that cannot be used is a warning for whoever is just setting it: SET,
 * ALTER SYSTEM (whose source is the file that it writes), ALTER ROLE, ALTER
 * DATABASE.  It may be there by the time that it is needed.  All else runs
 * outside of commands (start, reload, parallel workers), except for the values
 * that wait for the module when a call has loaded it.
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

/* The copy here is wiped, whatever comes of it. */
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
