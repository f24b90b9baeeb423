/*
 * unix.h - listening on a name in a directory, and who is at the other end. Streams, close-on-exec
 * and non-blocking. Errors are -errno, errno itself is untouched; nothing allocates, nothing is a
 * cancellation point.
 *
 * A name is bound and asked for through a descriptor of its directory, so that no directory on the
 * way can become another's in between, and a long way does not matter; /proc must be mounted.
 */
#ifndef MEMCG_SYS_UNIX_H
#define MEMCG_SYS_UNIX_H

#include "base/compiler.h"
#include "base/types.h"

#define SYS_UNIX_NAME 80u /* bytes of a name in its directory, with the NUL */

__hidden_ int sys_unix_socket(void);
/*
 * The name is there with mode 0600 from its first moment on, whatever the umask. -EADDRINUSE:
 * something has that name, whatever it is; nothing is followed.
 */
__hidden_ int sys_unix_bind(int fd, int dir, const char *name);
/* 0 or -EAGAIN: somebody listens there. -ECONNREFUSED: a socket, and nobody behind it. */
__hidden_ int sys_unix_connect(int fd, int dir, const char *name);
__hidden_ int sys_unix_listen(int fd, int backlog);
/* A descriptor; -EAGAIN: nobody waits. */
__hidden_ int sys_unix_accept(int fd);
__hidden_ int sys_unix_peer(int fd, u32 *user); /* who connected, as it was then */

#endif
