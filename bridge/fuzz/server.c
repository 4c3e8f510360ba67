/*
 * server.c
 *		As much of a PostgreSQL backend as the extension's JSON reader calls, for
 *		fuzzing it outside of one: the rest of it is the server's own libpgcommon.
 *
 * Memory is freed all at once, as a memory context's is.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "nodes/pg_list.h"

#include "server.h"

typedef struct Chunk
{
	struct Chunk *next;
	Size size;
} Chunk;

#define DATA(chunk)  ((void *) ((chunk) + 1))
#define CHUNK(data)  ((Chunk *) (data) -1)
#define FIRST_LENGTH 4

static Chunk *chunks = NULL;

void
server_forget(void)
{
	while (chunks != NULL)
	{
		Chunk *gone = chunks;

		chunks = gone->next;
		free(gone);
	}
}

void *
palloc(Size size)
{
	Chunk *chunk = malloc(sizeof(Chunk) + size);

	*chunk = (Chunk){chunks, size};
	chunks = chunk;
	return DATA(chunk);
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

void *
palloc_extended(Size size, int flags)
{
	return flags & MCXT_ALLOC_ZERO ? palloc0(size) : palloc(size);
}

/* What grows is copied: the old place is not to be used. */
void *
repalloc(void *data, Size size)
{
	void *copy = palloc(size);

	memcpy(copy, data, Min(size, CHUNK(data)->size));
	return copy;
}

void
pfree(void *data pg_attribute_unused())
{
}

char *
pstrdup(const char *text)
{
	return memcpy(palloc(strlen(text) + 1), text, strlen(text) + 1);
}

char *
pnstrdup(const char *text, Size len)
{
	char *copy = palloc(len + 1);

	len = strnlen(text, len);
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

List *
lappend(List *list, void *datum)
{
	if (list == NIL)
	{
		list = palloc0(sizeof(List));
		list->type = T_List;
	}
	if (list->length == list->max_length)
	{
		ListCell *cells = palloc((list->max_length + FIRST_LENGTH) * 2 * sizeof(ListCell));

		if (list->length > 0)
			memcpy(cells, list->elements, list->length * sizeof(ListCell));
		list->elements = cells;
		list->max_length = (list->max_length + FIRST_LENGTH) * 2;
	}
	lfirst(&list->elements[list->length++]) = datum;
	return list;
}

static int encoding = PG_UTF8;

void
server_set_encoding(int which)
{
	encoding = which;
}

int
GetDatabaseEncoding(void)
{
	return encoding;
}

bool
pg_verify_mbstr(int which, const char *text, int len, bool noError pg_attribute_unused())
{
	return pg_encoding_verifymbstr(which, text, len) == len;
}
