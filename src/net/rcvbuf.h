/*
 * rcvbuf.h - the receive windows of sockets whose readers are over their memory.high.
 *
 * 1. A receive for a group over its high lowers SO_RCVBUF of the socket it reads from, so that the
 *    peer is stopped there, and nobody else. The first receive through the same descriptor for a
 * group under high sets it back: the size and, where the system knows SO_BUF_LOCK, that the system
 * may choose it. A size that the program has changed meanwhile stays what it is.
 * 2. A descriptor is a number that may be another socket's by the next call. So a record names
 * device and inode too, and is dropped when they are no longer what they were. There is at most one
 * for a number. A socket lowered through one descriptor is not set back through a copy of it:
 *    a record by socket would outlive the socket, with no number whose next use ends it.
 * 3. Records are in chains by number, under one lock (RANK_RCVBUF), no system call under it: a
 *    record that a thread is at is BUSY, and others leave its socket alone. As long as no socket is
 *    lowered, a receive looks at one word.
 * 4. Limits: the system doubles what it is told, and lets a size over rmem_max be set back only by
 *    the privileged (SO_RCVBUFFORCE); else the socket has rmem_max, and grows by itself unless
 *    the program had chosen. Datagrams that come while as much waits unread are lost by the system.
 */
#ifndef MEMCG_NET_RCVBUF_H
#define MEMCG_NET_RCVBUF_H

#include "base/compiler.h"
#include "base/types.h"
#include "sync/atomic.h"

#define RCVBUF_LOW 8192 /* the system doubles it: some sixteen KiB wait unread */

extern __hidden_ u32 rcvbuf_lowered; /* records; atomic */

__hidden_ void rcvbuf_lower(int fd);
__hidden_ void rcvbuf_restore_slow(int fd);
__hidden_ void rcvbuf_fork_child(void);

static inline void rcvbuf_restore(int fd)
{
	if (unlikely(atomic_load(&rcvbuf_lowered)))
		rcvbuf_restore_slow(fd);
}

#endif
