/*
 * file.h - whole reads and writes: interrupted and short ones are continued.
 * Errors are -errno, errno itself is untouched; nothing allocates, nothing is a
 * cancellation point (a thread cancelled here would take our locks with it).
 */
#ifndef MEMCG_SYS_FILE_H
#define MEMCG_SYS_FILE_H

#include "base/compiler.h"
#include "base/types.h"

__hidden_ int sys_open(const char *path, int flags, unsigned mode); /* descriptor, O_CLOEXEC */
__hidden_ void sys_close(int fd);

/* A counter to poll on, at 0, O_CLOEXEC and O_NONBLOCK; and a second descriptor of the same file.
 */
__hidden_ int sys_eventfd(void);
__hidden_ int sys_dup(int fd); /* O_CLOEXEC */

/*
 * Makes an eventfd readable: 0, also when it is already and cannot count further. It does
 * not block unless somebody took O_NONBLOCK off it and filled its counter.
 */
__hidden_ int sys_eventfd_signal(int fd);

/* Makes it unreadable. Should that fail it stays readable, which is news of nothing. */
__hidden_ void sys_eventfd_clear(int fd);

/* Bytes read: fewer than n only at the end of the file. */
__hidden_ ssize_t sys_read_full(int fd, void *buf, size_t n);
__hidden_ ssize_t sys_pread_full(int fd, void *buf, size_t n, u64 offset);

/* 0 when all of it is written; else part of it may be. */
__hidden_ int sys_write_full(int fd, const void *buf, size_t n);
__hidden_ int sys_pwrite_full(int fd, const void *buf, size_t n, u64 offset);
__hidden_ int sys_fsync(int fd);      /* what was written is on the device */
__hidden_ int sys_open_flags(int fd); /* what the descriptor was opened with: O_ACCMODE and more */

/*
 * A small text file into buf, NUL-terminated: its length, or -errno.
 * -EFBIG: longer than n - 1; buf then holds the first n - 1 bytes. n >= 1; on
 * any other error buf is the empty string.
 */
__hidden_ int sys_read_text(const char *path, char *buf, size_t n);

#endif
