/*
 * fault.h - system calls that fail on demand.
 *
 * Every call of this directory that can fail asks sys_fault() first. Armed, the
 * call does nothing and returns the error the system itself would give
 * (named below). A rule is about the calls made since it was armed:
 *   nth    the nth of them fails, counted from 1 (0: none)
 *   every  after that, each every-th one too (0: only the nth); with nth 0, each
 *          every-th one from the start
 *   ppm    besides, each one fails with this chance in a million, by a hash of
 *          (seed, number of the call): the same seed gives the same failures
 * Rules are changed while no other thread makes system calls; the counts may be
 * read at any time. With nothing armed a call costs one predicted branch.
 */
#ifndef MEMCG_SYS_FAULT_H
#define MEMCG_SYS_FAULT_H

#include "base/compiler.h"
#include "base/types.h"

enum sys_call {
	SYS_FAULT_RESERVE = 0,	  /* ENOMEM */
	SYS_FAULT_OPEN_RANGE = 1, /* ENOMEM */
	SYS_FAULT_PURGE = 2,	  /* EINVAL, as for locked memory */
	SYS_FAULT_MAP = 3,	  /* ENOMEM */
	SYS_FAULT_UNMAP = 4,	  /* nothing is reported, the range stays mapped */
	SYS_FAULT_FUTEX = 5,	  /* EINTR from the wait; a wake never fails, that would lose it */
	SYS_FAULT_MEMBARRIER = 6, /* ENOSYS */
	SYS_FAULT_OPEN = 7,	  /* EMFILE */
	SYS_FAULT_READ = 8,	  /* EIO */
	SYS_FAULT_WRITE = 9,	  /* ENOSPC */
	SYS_FAULT_EVENTFD = 10,	  /* EMFILE */
	SYS_FAULT_DUP = 11,	  /* EMFILE */
	SYS_FAULT_THREAD = 12,	  /* EAGAIN */
	SYS_FAULT_GUARD = 13,	  /* EINVAL, as before Linux 6.13; by protection: open_range */
	SYS_FAULT_PEEK = 14,	  /* EFAULT */
	SYS_FAULT_MEMFD = 15,	  /* EMFILE */
	SYS_FAULT_UFFD = 16,	  /* EPERM, as where it is forbidden */
	SYS_FAULT_WINDOW = 17,	  /* ENOMEM from a mapping of the memfd, or its registration */
	SYS_FAULT_FILL = 18,	  /* ENOSPC */
	SYS_FAULT_PUNCH = 19,	  /* EIO */
	SYS_FAULT_ZAP = 20,	  /* ENOSYS from the vectored call: one by one then */
	SYS_FAULT_TMPFILE = 21,	  /* EOPNOTSUPP */
	SYS_FAULT_STAT = 22,	  /* EIO */
	SYS_FAULT_LOCK = 23,	  /* EAGAIN, as for a file that another process has locked */
	SYS_FAULT_DIRECT = 24,	  /* EINVAL, from switching it on */
	SYS_FAULT_ALLOCATE = 25,  /* ENOSPC */
	SYS_FAULT_PWRITEV = 26,	  /* ENOSPC */
	SYS_FAULT_PREADV = 27,	  /* EIO */
	SYS_FAULT_FSYNC = 28,	  /* EIO */
	SYS_FAULT_PAGEMAP = 29,	  /* ENOMEM: all counts as written */
	SYS_FAULT_PIDFD = 30,	  /* EBADF from the vectored zap without a descriptor */
	SYS_FAULT_RECV = 31,	  /* ECONNRESET from a socket, EIO from what is none */
	SYS_FAULT_SEND = 32,	  /* the same */
	SYS_FAULT_SOCKOPT = 33,	  /* ENOMEM from setting it */
	SYS_FAULT_DONTNEED = 34, /* EINVAL from a zap one by one, as of locked memory before 5.18 */
	SYS_FAULT_ZEROCOPY = 35, /* ENOBUFS from a send that is not to be copied */
	SYS_FAULT_SOCKET = 36,	 /* EMFILE from making one, or from accepting */
	SYS_FAULT_BIND = 37,	 /* EACCES */
	SYS_FAULT_POLL =
		38, /* EMFILE from a new one, ENOSPC from one descriptor more, or otherwise */
	SYS_FAULT_MKDIR = 39,	      /* ENOSPC */
	SYS_FAULT_URING_SETUP = 40,   /* EPERM, as where it is forbidden */
	SYS_FAULT_URING = 41,	      /* EINTR, and nothing was submitted */
	SYS_FAULT_URING_BUFFERS = 42, /* EINVAL, from giving them and from taking them back */
	SYS_FAULT_CALLS
};

/* Which of a sequence of calls fail: also for what is no system call (group/fail.h). */
struct fault_rule {
	u64 nth, every, ppm, seed;
};

/* True: call number n (from 1) is to fail. */
__hidden_ bool fault_rule_hits(const struct fault_rule *r, u64 n);
/* "nth=3", "every=2", "p=100ppm", "seed=7", moving *s past it; else false, and nothing is taken. */
__hidden_ bool fault_option_parse(const char **s, struct fault_rule *r);

extern __hidden_ bool sys_fault_armed; /* any rule at all */

__hidden_ void sys_fault_arm(enum sys_call call, u64 nth, u64 every, u64 ppm, u64 seed);
__hidden_ void sys_fault_disarm_all(void);
__hidden_ u64 sys_fault_count(enum sys_call call); /* failures given since it was armed */
__hidden_ u64 sys_fault_seen(enum sys_call call);  /* calls counted since it was armed */

/*
 * "map:nth=3,open:p=1000ppm:seed=7": calls by the names above in lower case,
 * each once, with any of nth=, every=, p=...ppm, seed=. Arms the calls
 * named and leaves the others. -EINVAL: nothing changed.
 */
__hidden_ int sys_fault_parse(const char *text);

__hidden_ bool sys_fault_slow(enum sys_call call);

/* True: this call is to fail. */
static inline bool sys_fault(enum sys_call call)
{
	return unlikely(__atomic_load_n(&sys_fault_armed, __ATOMIC_RELAXED)) &&
	       sys_fault_slow(call);
}

#endif
