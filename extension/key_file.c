/*
 * key_file.c
 *		The key of sealed storage, read from the file that pat.secret_key_file
 *		names.
 *
 * Owns: whether the key has been loaded.  The key itself goes into the cipher
 * (crypto.c); the copy here is wiped.  A file that others may read is refused,
 * as the server refuses such a TLS key.  What is wrong with it is logged without
 * the statement and its context, which may hold a token.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/fd.h"
#include "utils/guc.h"

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

static void
assign_secret_key_file(const char *newval pg_attribute_unused(), void *extra pg_attribute_unused())
{
	key_state = KEY_NOT_READ;
}

void
pat_key_file_define_setting(void)
{
	DefineCustomStringVariable("pat.secret_key_file",
							   "Names the file whose 32 bytes seal the text of new tokens.",
							   "Empty means that only hashes are stored.", &pat_secret_key_file, "",
							   PGC_SUSET, GUC_SUPERUSER_ONLY, NULL, assign_secret_key_file, NULL);
}

/* Regular, not readable by others; by the group only if root owns it. */
static bool
check_mode(int fd, int elevel)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & S_IRWXO) == 0 &&
		(st.st_uid == 0 || (st.st_mode & S_IRWXG) == 0))
		return true;
	ereport(elevel,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("secret key file \"%s\" has group or world access", pat_secret_key_file),
			 errdetail("It must be a regular file with permissions u=rw (0600) or less if owned "
					   "by the server's user, or u=rw,g=r (0640) or less if owned by root."),
			 errhidestmt(true), errhidecontext(true)));
	return false;
}

/* What was read is wiped, whatever comes of it. */
static void
use_key(uint8 *key, ssize_t len, size_t room)
{
	PG_TRY();
	{
		if (len == PAT_KEY_LEN)
			pat_seal_set_key(key);
	}
	PG_FINALLY();
	{
		explicit_bzero(key, room);
	}
	PG_END_TRY();
}

static bool
load_key(int fd, int elevel)
{
	uint8 key[PAT_KEY_LEN + 1]; /* one more shows a file that is too long */
	ssize_t len = read(fd, key, sizeof(key));

	use_key(key, len, sizeof(key));
	if (len != PAT_KEY_LEN)
		ereport(elevel, (errcode(ERRCODE_CONFIG_FILE_ERROR),
						 errmsg("secret key file \"%s\" does not hold exactly %d bytes",
								pat_secret_key_file, PAT_KEY_LEN),
						 errhidestmt(true), errhidecontext(true)));
	return len == PAT_KEY_LEN;
}

static bool
read_key_file(int elevel)
{
	int fd = OpenTransientFile(pat_secret_key_file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	bool loaded;

	if (fd < 0)
	{
		ereport(elevel, (errcode_for_file_access(),
						 errmsg("could not open secret key file \"%s\": %m", pat_secret_key_file),
						 errhidestmt(true), errhidecontext(true)));
		return false;
	}
	loaded = check_mode(fd, elevel) && load_key(fd, elevel);
	CloseTransientFile(fd);
	return loaded;
}

bool
pat_key_file_ready(int elevel)
{
	if (pat_secret_key_file == NULL || pat_secret_key_file[0] == '\0')
		return false;
	if (key_state == KEY_LOADED)
		return true;
	if (key_state == KEY_UNUSABLE && elevel < ERROR)
		return false;
	key_state = read_key_file(elevel) ? KEY_LOADED : KEY_UNUSABLE;
	return key_state == KEY_LOADED;
}
