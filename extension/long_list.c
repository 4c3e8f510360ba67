/*
 * long_list.c
 *		What a session that makes long lists keeps for the next ones.
 *
 * Owns nothing: it tells the C library and the kernel, once.
 */
#include "postgres.h"

#include <sys/socket.h>

#undef ENABLE_GSS /* or Kerberos' headers would be needed; what they add is laid out the same */
#include "libpq/libpq-be.h"
#include "miscadmin.h"

#include "compat.h"
#include "long_list.h"

/* From this length on a list's buffers are worth keeping: where glibc begins to give them back. */
#define LONG_LIST (32 * 1024)

/* The free memory that a session keeps then, and the largest buffer that it keeps, in bytes. */
#define MEMORY_KEPT_MAX (8 * 1024 * 1024)
#define BUFFER_KEPT_MAX (2 * 1024 * 1024)

/* The kernel takes twice as much for its own records, and net.core.wmem_max at most. */
#define SEND_BUFFER (1024 * 1024)

/* What the kernel gives by default where nobody has set anything: 212992. */
#define SEND_BUFFER_USUAL (256 * 1024)

/*
 * A Unix socket holds little more than one list of a thousand tokens, and does not
 * grow as TCP's do: the session would stop until its client has read that, and both
 * would wake each other for every piece.  A buffer that somebody has enlarged stays.
 */
static void
enlarge_send_buffer(const Port *client)
{
	int size = 0;
	socklen_t length = sizeof(size);

	if (client == NULL || client->laddr.addr.ss_family != AF_UNIX ||
		getsockopt(client->sock, SOL_SOCKET, SO_SNDBUF, &size, &length) != 0 ||
		size > SEND_BUFFER_USUAL)
		return;
	size = SEND_BUFFER;
	(void) setsockopt(client->sock, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

/*
 * A long list goes through three buffers of its size: ours, the output function's
 * and the protocol's.  glibc would give them back to the kernel after each, and
 * get them anew, page by page, for the next.
 */
void
pat_suit_list(int len)
{
	static bool suited = false;

	if (suited || len < LONG_LIST)
		return;
	pat_keep_freed_memory(MEMORY_KEPT_MAX, BUFFER_KEPT_MAX);
	enlarge_send_buffer(MyProcPort);
	suited = true;
}
