/*
 * socket_file.h
 *		Listening Unix-domain sockets and the files they stand in.
 */
#ifndef PAT_BRIDGE_SOCKET_FILE_H
#define PAT_BRIDGE_SOCKET_FILE_H

#include <stdbool.h>
#include <sys/types.h>

/* Longest path with its terminator, and connections the kernel keeps until they are accepted. */
#define SOCKET_FILE_PATH_MAX 108
#define SOCKET_FILE_BACKLOG  1024

typedef struct SocketFileSettings
{
	mode_t mode; /* permissions */
	uid_t owner; /* (uid_t) -1: the process's */
	gid_t group; /* (gid_t) -1: the process's */
} SocketFileSettings;

/* A file of ours; path is "" if there is none. */
typedef struct SocketFile
{
	char path[SOCKET_FILE_PATH_MAX];
	dev_t device;
	ino_t inode;
} SocketFile;

/*
 * A listening socket in a file of this path, shorter than SOCKET_FILE_PATH_MAX.
 * A file that nobody listens on any more is replaced; with take_over, one that
 * is in use as well, in one step.  -1 with errno set.
 */
extern int socket_file_open(SocketFile *file, const char *path, const SocketFileSettings *settings,
							bool take_over) __attribute__((warn_unused_result));

/* Remove the file, unless another one has taken its place.  For handlers of signals, too. */
extern void socket_file_remove(SocketFile *file);

#endif
