/*
 * db_refusal.h
 *		What a server says that refuses a connection, and how long to wait before the next
 *		attempt.  Pure.
 */
#ifndef PAT_BRIDGE_DB_REFUSAL_H
#define PAT_BRIDGE_DB_REFUSAL_H

#include <stdint.h>

/* The heavier a reason, the later it stands: several hosts are judged by the heaviest. */
typedef enum DbRefusal
{
	DB_UNREACHABLE, /* away, starting, stopping, or a standby: back at any moment */
	DB_REFUSED,     /* lasts until somebody acts: a wrong password, no such database */
	DB_CROWDED_OUT, /* no connection is left (SQLSTATE 53300) */
	DB_UNFIT        /* connected, and the set-up was refused: conn->refusal */
} DbRefusal;

/*
 * Why a server refused, by libpq's message with PQERRORS_VERBOSE.  The message is shortened in
 * place to what is for people: neither SQLSTATE nor place in the source.
 */
extern DbRefusal db_refusal_of(char *message);
extern DbRefusal db_refusal_of_sqlstate(const char *sqlstate);

/*
 * How long to wait before the next attempt, after this number of failed rounds in a row;
 * microseconds.
 */
extern int64_t db_refusal_pause_us(DbRefusal refusal, unsigned failures, unsigned random);

#endif
