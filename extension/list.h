/*
 * list.h
 *		What lists are asked for and by whom: checks that functions that raise
 *		share with those that answer.
 */
#ifndef PAT_LIST_H
#define PAT_LIST_H

#include "postgres.h"

#include "caller.h"
#include "refusal.h"

/*
 * The living service account that a text names; NULL names none.  404, unless
 * there is one.  Only for callers who may know which exist.
 */
extern const PatRefusal *pat_find_service_account(const text *id_text, int32 *id);

/* 403 for a caller who is nobody who could have tokens of their own. */
extern const PatRefusal *pat_check_has_own(const PatCaller *caller);

#endif /* PAT_LIST_H */
