/*
 * sock.h - what arrives at a descriptor and what is sent through it: each call once, as the system
 * does it, so that short transfers and interruptions are the caller's. Errors are -errno, errno
 * itself is untouched; nothing allocates, nothing is a cancellation point: who sleeps in one of
 * these holds what a cancelled thread would take with it.
 */
#ifndef MEMCG_SYS_SOCK_H
#define MEMCG_SYS_SOCK_H

#include "base/compiler.h"
#include "base/types.h"

struct msghdr;
struct iovec;

#define SYS_IOV_MAX 1024u /* entries in one call */

__hidden_ ssize_t sys_recv(int fd, void *to, size_t n, int flags);
__hidden_ ssize_t sys_recvmsg(int fd, struct msghdr *msg, int flags);
__hidden_ ssize_t sys_readv(int fd, const struct iovec *iov, unsigned n);
__hidden_ ssize_t sys_sendmsg(int fd, const struct msghdr *msg, int flags);
__hidden_ ssize_t sys_writev(int fd, const struct iovec *iov, unsigned n);
/* From offset on of the file `from`, uncopied where the system can. */
__hidden_ ssize_t sys_sendfile(int fd, int from, u64 offset, size_t n);

/* Bytes that could be read now, of a stream; of messages those of the first. -errno. */
__hidden_ long sys_readable(int fd);
__hidden_ bool sys_keeps_messages(int fd); /* a socket, and no stream */
__hidden_ int sys_is_stream(int fd);	   /* 0; -EPROTOTYPE: another socket; -ENOTSOCK, -EBADF */

/* SO_PEEK_OFF: where the next MSG_PEEK begins; negative: always in front. */
__hidden_ int sys_peek_offset(int fd);
__hidden_ void sys_peek_offset_set(int fd, int offset);

/* What names the socket, and no other there was or will be. -errno. */
__hidden_ int sys_cookie(int fd, u64 *cookie);
/*
 * SO_ZEROCOPY of a TCP socket that does not have it: 0. -EOPNOTSUPP: no TCP; -EBUSY: it is set
 * already; -errno.
 */
__hidden_ int sys_zerocopy_begin(int fd);
/*
 * The next message of the error queue: the sends of numbers first to last are through. -EAGAIN:
 * there is none; -ENOMSG: it was about something else, and is gone.
 */
__hidden_ int sys_zerocopy_done(int fd, u32 *first, u32 *last);

/* Addresses that payload of any TCP socket can be mapped to. NULL and errno. sys_unmap. */
__hidden_ void *sys_zerocopy_window(size_t len);
/*
 * Maps what the system can of the next n bytes: how many; 0: none, for whatever reason, which
 * reading tells. *skip: that have to be read before more can be mapped; 0: the system does not say.
 */
__hidden_ size_t sys_zerocopy_receive(int fd, void *at, size_t n, size_t *skip);

/* What a socket may keep unread (SO_RCVBUF, as the system counts it) and who chose it. */
struct sys_window {
	int size;
	int locks; /* SO_BUF_LOCK; -1: the system does not know it */
};
__hidden_ int sys_window_get(int fd, struct sys_window *w);
__hidden_ int sys_window_set(int fd, int bytes); /* the system makes it twice that */
/* To what was got; less than that where the system does not let this process have as much. */
__hidden_ void sys_window_restore(int fd, const struct sys_window *w);

#endif
