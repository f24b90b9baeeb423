/*
 * directory.h - a directory and names in it. Errors are -errno, errno itself is untouched; nothing
 * allocates, nothing is a cancellation point.
 */
#ifndef MEMCG_SYS_DIRECTORY_H
#define MEMCG_SYS_DIRECTORY_H

#include "base/compiler.h"
#include "base/types.h"

/* 0 also when something has that name already: who opens it sees what. */
__hidden_ int sys_dir_make(const char *path, unsigned mode);
/*
 * A descriptor to look names up from, for nothing else; close-on-exec. -ENOTDIR. own: the last part
 * of the path is no symbolic link (-ENOTDIR too), and the directory is this user's, not writable by
 * others (-EPERM).
 */
__hidden_ int sys_dir_open(const char *path, bool own);

/* What has that name; nothing is followed. */
struct sys_dir_entry {
	u64 device, inode;
	u32 owner;
	bool socket;
};
__hidden_ int sys_dir_look(int dir, const char *name, struct sys_dir_entry *out);
__hidden_ int sys_dir_remove(int dir, const char *name);

/* The same file under a number from 512 up, close-on-exec, out of the program's way; the old
 * number is closed. Where there is no such number: fd, as it was. */
__hidden_ int sys_fd_high(int fd);

#endif
