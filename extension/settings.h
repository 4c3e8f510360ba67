/*
 * settings.h
 *		The extension's settings (GUC parameters), documented in
 *		doc/configuration.md.
 */
#ifndef PAT_SETTINGS_H
#define PAT_SETTINGS_H

#include "postgres.h"

/* pat.seen_resolution: seconds that seen_at may lag behind; 0 to 86400. */
extern int pat_seen_resolution;

/* pat.max_tokens_per_account: unexpired tokens of an account; 0 = no limit. */
extern int pat_max_tokens_per_account;

/* pat.jwt_leeway: seconds that the clocks of JWT issuers may differ; 0 to 60. */
extern int pat_jwt_leeway;

extern void pat_define_settings(void);

#endif /* PAT_SETTINGS_H */
