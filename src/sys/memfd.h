/*
 * memfd.h - a sparse file in memory, mapped twice: what managed memory is made of. Errors are
 * -errno, errno itself is untouched; nothing allocates.
 */
#ifndef MEMCG_SYS_MEMFD_H
#define MEMCG_SYS_MEMFD_H

#include "base/compiler.h"
#include "base/types.h"

__hidden_ int sys_memfd(u64 size); /* descriptor of a file of so many bytes that has no memory */

/*
 * Maps [offset, offset + len) of the file at the very address `at`, over whatever is there. Shared;
 * not inherited by fork; left out of dumps; no huge pages; nothing comes in by it, whatever
 * mlockall has said.
 */
__hidden_ int sys_map_shared(void *at, size_t len, int prot, int fd, u64 offset);
/* Addresses without memory again, reserved. */
__hidden_ int sys_unreserve_shared(void *at, size_t len);

__hidden_ int sys_punch(int fd, u64 offset, u64 len); /* memory goes, also out of every mapping */
__hidden_ int sys_fill(int fd, u64 offset, u64 len);  /* memory comes, zero where there was none */
/* The same, of a mapping that may be written to: no huge pages. -EINVAL before Linux 5.14. */
__hidden_ int sys_populate(void *at, u64 len);
__hidden_ u64 sys_file_memory(int fd); /* bytes it has: st_blocks */

/* A range of addresses for sys_zap. */
struct span {
	void *at;
	size_t len;
};
/*
 * The pages leave the mappings, not the file; when it returns no thread of the process reaches them
 * through these addresses any more, whether the program has locked them (mlock) or not. One call
 * for all where the system can. n <= SYS_ZAP_MAX. -errno: some are as they were; which is told by
 * doing it again, one by one. Before Linux 5.18 those are the locked ones.
 */
#define SYS_ZAP_MAX 1024u
__hidden_ int sys_zap(const struct span *spans, unsigned n);

#endif
