/*
 * socket_file.c
 *		Makes, takes over and removes the files of Unix-domain sockets.
 *
 * Changes the umask for a moment: not for several threads.
 */
#include "socket_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int
close_keeping_errno(int fd)
{
	int error = errno;

	close(fd);
	errno = error;
	return -1;
}

static int
bind_file(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *) addr, sizeof(*addr)) == 0)
		return fd;
	return close_keeping_errno(fd);
}

/* What is there and is no socket is somebody's file. */
static bool
is_socket_or_nothing(const char *path)
{
	struct stat about;

	if (lstat(path, &about) != 0)
		return errno == ENOENT;
	errno = EEXIST;
	return S_ISSOCK(about.st_mode);
}

/* A socket file that refuses connections is left over from a process that died. */
static bool
remove_stale_socket(const struct sockaddr_un *addr)
{
	int fd;
	bool stale;

	if (!is_socket_or_nothing(addr->sun_path))
		return false;
	if (access(addr->sun_path, F_OK) != 0)
		return true;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	stale = connect(fd, (const struct sockaddr *) addr, sizeof(*addr)) != 0 &&
			errno == ECONNREFUSED;
	close(fd);
	if (stale)
		return unlink(addr->sun_path) == 0;
	errno = EADDRINUSE;
	return false;
}

/*
 * A socket file with its permissions and owner from the first moment that
 * somebody can connect: the mode comes from the umask, and nobody is heard
 * before listen().
 */
static int
make_socket_file(const struct sockaddr_un *addr, const SocketFileSettings *settings)
{
	mode_t before = umask(0777 & ~settings->mode);
	int fd = bind_file(addr);

	umask(before);
	if (fd < 0)
		return -1;
	if (((settings->owner == (uid_t) -1 && settings->group == (gid_t) -1) ||
		 lchown(addr->sun_path, settings->owner, settings->group) == 0) &&
		listen(fd, SOCKET_FILE_BACKLOG) == 0)
		return fd;
	close_keeping_errno(fd);
	(void) unlink(addr->sun_path);
	return -1;
}

static int
make_socket_file_anew(const struct sockaddr_un *addr, const SocketFileSettings *settings)
{
	return remove_stale_socket(addr) ? make_socket_file(addr, settings) : -1;
}

/*
 * The new file takes the old one's name in one step: whoever connects finds
 * the old listener or the new one.
 */
static int
take_socket_file_over(const struct sockaddr_un *addr, const SocketFileSettings *settings)
{
	struct sockaddr_un beside = {.sun_family = AF_UNIX};
	int fd;

	errno = ENAMETOOLONG;
	if (snprintf(beside.sun_path, sizeof(beside.sun_path), "%s.new", addr->sun_path) >=
		(int) sizeof(beside.sun_path))
		return -1;
	if (!is_socket_or_nothing(addr->sun_path))
		return -1;
	fd = make_socket_file_anew(&beside, settings);
	if (fd < 0 || rename(beside.sun_path, addr->sun_path) == 0)
		return fd;
	close_keeping_errno(fd);
	(void) unlink(beside.sun_path);
	return -1;
}

int
socket_file_open(SocketFile *file, const char *path, const SocketFileSettings *settings,
				 bool take_over)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct stat about;
	int fd;

	strcpy(addr.sun_path, path);
	fd = take_over ? take_socket_file_over(&addr, settings)
				   : make_socket_file_anew(&addr, settings);
	if (fd < 0)
		return -1;
	strcpy(file->path, path);
	if (lstat(path, &about) == 0)
	{
		file->device = about.st_dev;
		file->inode = about.st_ino;
	}
	return fd;
}

void
socket_file_remove(SocketFile *file)
{
	struct stat about;

	if (file->path[0] != '\0' && lstat(file->path, &about) == 0 && about.st_dev == file->device &&
		about.st_ino == file->inode)
		(void) unlink(file->path);
	file->path[0] = '\0';
}
