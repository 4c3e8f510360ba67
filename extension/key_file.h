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
 * and after a change of the setting; while it cannot be used, once in each
 * statement.  That is reported at elevel: ERROR for those who seal;
 * LOG_SERVER_ONLY for those who only read (the path is nothing for them to see),
 * the first time, and then false.
 */
extern bool pat_key_file_ready(int elevel);

/* Define the setting pat.secret_key_file: path of the 32-byte key, "" = no sealed storage. */
extern void pat_key_file_define_setting(void);

#endif /* PAT_KEY_FILE_H */
