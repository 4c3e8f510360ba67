/*
 * key_file.h
 *		The key of sealed storage, read from the file that pat.secret_key_file
 *		names.
 */
#ifndef PAT_KEY_FILE_H
#define PAT_KEY_FILE_H

#include "postgres.h"

/*
 * Is sealed storage on and its key loaded?  Reads the file at the first call
 * and after a change of the setting.  A file that cannot be used is reported
 * at elevel: ERROR for those who seal; LOG_SERVER_ONLY, once, for those who only
 * read (the path is nothing for them to see), and then false.
 */
extern bool pat_key_file_ready(int elevel);

/* Define the setting pat.secret_key_file: path of the 32-byte key, "" = no sealed storage. */
extern void pat_key_file_define_setting(void);

#endif /* PAT_KEY_FILE_H */
