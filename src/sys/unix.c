/* unix.c - by number, as in file.c. */
#include "sys/unix.h"

#include "sys/fault.h"
#include "sys/result.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

int sys_unix_socket(void)
{
	int saved = errno;

	if (sys_fault(SYS_FAULT_SOCKET))
		return -EMFILE;
	return (int)sys_result(
		syscall(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), saved);
}

static struct sockaddr_un address_of(int dir, const char *name)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	_Static_assert(sizeof(at.sun_path) >= sizeof("/proc/self/fd/2147483647/") + SYS_UNIX_NAME,
		       "room for the way and the name");
	snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/%s", dir, name);
	return at;
}

/* The file gets its mode from the socket's inode, which is nobody's to see before. */
int sys_unix_bind(int fd, int dir, const char *name)
{
	struct sockaddr_un at = address_of(dir, name);
	int saved = errno, err;

	if (sys_fault(SYS_FAULT_BIND))
		return -EACCES;
	err = (int)sys_result(syscall(SYS_fchmod, fd, 0600), saved);
	if (err)
		return err;
	return (int)sys_result(syscall(SYS_bind, fd, &at, sizeof(at)), saved);
}

int sys_unix_connect(int fd, int dir, const char *name)
{
	struct sockaddr_un at = address_of(dir, name);
	int saved = errno;

	return (int)sys_result(syscall(SYS_connect, fd, &at, sizeof(at)), saved);
}

int sys_unix_listen(int fd, int backlog)
{
	int saved = errno;

	return (int)sys_result(syscall(SYS_listen, fd, backlog), saved);
}

int sys_unix_accept(int fd)
{
	int saved = errno;

	if (sys_fault(SYS_FAULT_SOCKET))
		return -EMFILE;
	return (int)sys_result(syscall(SYS_accept4, fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK),
			       saved);
}

int sys_unix_peer(int fd, u32 *user)
{
	struct ucred who;
	socklen_t size = sizeof(who);
	int saved = errno, err;

	err = (int)sys_result(syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &who, &size),
			      saved);
	if (!err)
		*user = who.uid;
	return err;
}
