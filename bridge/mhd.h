/*
 * mhd.h
 *		The only file that includes <microhttpd.h>, and the differences between
 *		its versions.
 *
 * Written for libmicrohttpd 0.9.75 (Debian 12) and 1.0.
 */
#ifndef PAT_BRIDGE_MHD_H
#define PAT_BRIDGE_MHD_H

#include <microhttpd.h>
#include <stdbool.h>
#include <string.h>

#if MHD_VERSION < 0x00097500
#error "libmicrohttpd 0.9.75 or later is needed"
#endif

/*
 * One daemon belongs to one thread here; what follows release 0.9.77 can be told
 * so, and then leaves its locks out.
 */
#if MHD_VERSION >= 0x00097707
#define MHD_FLAGS_OF_VERSION MHD_USE_NO_THREAD_SAFETY
#else
#define MHD_FLAGS_OF_VERSION 0
#endif

/*
 * From 0.9.77 on it can be as strict as before: by default it redirects from a
 * URI with a blank in it, and takes folded headers and bare line feeds.
 */
#if MHD_VERSION >= 0x00097701
#define MHD_OPTIONS_OF_VERSION MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1,
#else
#define MHD_OPTIONS_OF_VERSION
#endif

/*
 * Before 1.0 it cuts strings at a NUL, drops the rest of a folded header
 * (raw_head.h), answers some malformed heads twice (library_answer.h), loses its
 * way when a query has more parts than it has memory for (request.c), takes line
 * feeds alone between chunks and in their extensions (request_head.c), waits for ever
 * for the end of a line between chunks that fills its memory (clients.c), and takes
 * what follows a request without a body for its body if 100 (Continue) was expected
 * (request.c).
 *
 * 1.0 refuses a chunk extension that fills its memory twice: the second time it gives up
 * the answer, and closes the connection without a word about the end of the request
 * (library_answer.h).
 */
#if MHD_VERSION < 0x01000000
#define MHD_SERIES           "before 1.0"
#define MHD_HIDES_BYTES      true
#define MHD_ANSWERS_TWICE    true
#define MHD_LOSES_ON_QUERY   true
#define MHD_LENIENT_CHUNKS   true
#define MHD_STALLS_ON_CHUNKS true
#define MHD_LOSES_ON_EXPECT  true
#define MHD_REFUSES_TWICE    false
#else
#define MHD_SERIES           "from 1.0 on"
#define MHD_HIDES_BYTES      false
#define MHD_ANSWERS_TWICE    false
#define MHD_LOSES_ON_QUERY   false
#define MHD_LENIENT_CHUNKS   false
#define MHD_STALLS_ON_CHUNKS false
#define MHD_LOSES_ON_EXPECT  false
#define MHD_REFUSES_TWICE    true
#endif

/*
 * Whether the library of this version is one that the above holds for: those before
 * and after 1.0 have the same name for the dynamic linker.
 */
static inline bool
mhd_fits(const char *version)
{
	return (strncmp(version, "0.", 2) == 0) == MHD_HIDES_BYTES;
}

#endif
