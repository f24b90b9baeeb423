/*
 * uffd.h - userfaultfd: faults of registered mappings of a memfd come to the faulting thread as
 * SIGBUS, and are served by the calls here. Errors are -errno, errno itself is untouched. Headers
 * older than a feature lack its numbers: uffd.c carries them.
 */
#ifndef MEMCG_SYS_UFFD_H
#define MEMCG_SYS_UFFD_H

#include "base/compiler.h"
#include "base/types.h"

enum sys_uffd_flags {
	/* Writes to protected pages resolve themselves, and sys_written finds them (Linux 6.7). */
	UFFD_ASYNC = 1u << 0,
};

/* A descriptor that serves faults by SIGBUS; -errno: the system does not have or not allow it. */
__hidden_ int sys_uffd(unsigned flags);

/* Faults of these addresses, pages missing in file or mapping, and writes to protected ones. */
__hidden_ int sys_uffd_register(int uffd, void *at, size_t len);

/*
 * Maps pages that the file has. 0 when all are mapped now, whoever did it; protect: reading only,
 * a write is noticed. -ENOENT: the mapping is gone or the file has no such page.
 */
__hidden_ int sys_uffd_continue(int uffd, void *at, size_t len, bool protect);
/* The same for a page that the file does not have: it comes, zero. */
__hidden_ int sys_uffd_zero(int uffd, void *at, size_t len);
/* What is mapped becomes reading only, or writable again. */
__hidden_ int sys_uffd_protect(int uffd, void *at, size_t len, bool on);

#endif
