/*
 * settings.c
 *		The extension's settings and the start of the module.
 *
 * All are for superusers: each bears on what every caller may do or see.
 */
#include "postgres.h"

#include <limits.h>

#include "fmgr.h"
#include "utils/guc.h"

#include "compat.h"
#include "key_file.h"
#include "settings.h"
#include "stat.h"

#define SEEN_RESOLUTION_DEFAULT 60
#define SEEN_RESOLUTION_MAX     86400
#define MAX_TOKENS_DEFAULT      100
#define JWT_LEEWAY_MAX          60

PAT_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

int pat_seen_resolution = SEEN_RESOLUTION_DEFAULT;
int pat_max_tokens_per_account = MAX_TOKENS_DEFAULT;
int pat_jwt_leeway = 0;

void
pat_define_settings(void)
{
	DefineCustomIntVariable("pat.seen_resolution",
							"Sets how far a token's last-seen time may lag behind its use.",
							"A use of the token writes the time only if the stored one is older. "
							"0 writes it at every use.",
							&pat_seen_resolution, SEEN_RESOLUTION_DEFAULT, 0, SEEN_RESOLUTION_MAX,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("pat.max_tokens_per_account",
							"Sets how many unexpired tokens an account may have.",
							"0 means no limit.", &pat_max_tokens_per_account, MAX_TOKENS_DEFAULT, 0,
							INT_MAX, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pat.jwt_leeway",
							"Sets how far the clocks of issuers of JSON Web Tokens may differ.",
							NULL, &pat_jwt_leeway, 0, 0, JWT_LEEWAY_MAX, PGC_SUSET, GUC_UNIT_S,
							NULL, NULL, NULL);
	pat_key_file_define_setting();
	pat_reserve_settings("pat");
}

void
_PG_init(void)
{
	pat_define_settings();
	pat_stat_init();
}
