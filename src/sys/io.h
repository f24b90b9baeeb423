/*
 * io.h - a file that is read and written at offsets, page by page: the swap file's calls. Vectors
 * are whole pages; short transfers are continued. Errors are -errno, errno itself is untouched;
 * nothing allocates, nothing is a cancellation point. No frame here is larger than 1 KiB: a fault
 * may be served on a small stack.
 */
#ifndef MEMCG_SYS_IO_H
#define MEMCG_SYS_IO_H

#include "base/compiler.h"
#include "base/types.h"

#define SYS_IO_PAGES 32u /* in one call */

/* A file without a name in the directory, 0600, read and write. Descriptor. */
__hidden_ int sys_open_temp(const char *dir);

/* What a file is; which one, to tell it from another that has got its number since. */
struct sys_file_info {
	u64 device, inode, size;
	u32 owner, mode; /* mode: permissions */
	bool regular;
};
__hidden_ int sys_file_info(int fd, struct sys_file_info *info);
__hidden_ u32 sys_user_id(void); /* the effective one */

/* The file is this process's as long as the descriptor, or a copy of it, is open. -EAGAIN. */
__hidden_ int sys_lock_file(int fd);

/* Transfers past the system's cache, or through it again. -EINVAL: the file system has no such. */
__hidden_ int sys_direct(int fd, bool on);

/* Space for [offset, offset + len): -ENOSPC, -EFBIG; -EOPNOTSUPP: it comes with the writes. */
__hidden_ int sys_allocate(int fd, u64 offset, u64 len);
/* No file of this process may grow past it (RLIMIT_FSIZE): that would be a signal. */
__hidden_ u64 sys_file_size_limit(void);

/* n <= SYS_IO_PAGES pages that follow each other in the file from offset on. 0: all of them. */
__hidden_ int sys_write_pages(int fd, const void *const pages[], unsigned n, u64 offset);
/* Pages read whole, from the first on: fewer than n only where the file ends. */
__hidden_ int sys_read_pages(int fd, void *const pages[], unsigned n, u64 offset);

#endif
