/*
 * poller.h - waiting for many descriptors at once (epoll), level-triggered unless asked otherwise.
 * Errors are -errno, errno itself is untouched; nothing allocates, nothing is a cancellation point.
 * (Not poll.h: libc's includes <sys/poll.h>, which would be this one.)
 */
#ifndef MEMCG_SYS_POLLER_H
#define MEMCG_SYS_POLLER_H

#include "base/compiler.h"
#include "base/types.h"

enum sys_poll {
	SYS_POLL_IN = 1u << 0,	  /* something to read, or the end of it */
	SYS_POLL_OUT = 1u << 1,	  /* room to write */
	SYS_POLL_END = 1u << 2,	  /* nobody is there any more, or its error queue has something;
				   * always told of */
	SYS_POLL_CHANGE = 1u << 3 /* told of now, and then with each change, not as long as it is */
};

struct sys_polled {
	u64 key;
	unsigned what;
};

__hidden_ int sys_poll_new(void); /* descriptor, close-on-exec */
/* Tells of fd under that key from now on; what 0: of its end alone. */
__hidden_ int sys_poll_add(int poll, int fd, u64 key, unsigned what);
__hidden_ int sys_poll_change(int poll, int fd, u64 key, unsigned what);
__hidden_ void sys_poll_remove(int poll, int fd);
/* Is the file that has this number now in there, by this number? poll may be any descriptor. */
__hidden_ bool sys_poll_has(int poll, int fd);
/* How many there are, at most n; 0 after ms milliseconds (-1: never), or when interrupted. */
__hidden_ int sys_poll_wait(int poll, struct sys_polled *out, unsigned n, int ms);

#define SYS_POLLED_MAX 64u /* in one wait */

#endif
