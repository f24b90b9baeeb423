/*
 * file.h - the files of a group.
 *
 * 1. One table (file.c) says of each file its name, what reads and writes it, and what its
 *    manual says. memcg_read, memcg_write, readers (reader.h) and the documentation
 *    (memcg-files(5), docs/files.md) go by it.
 * 2. Names, formats and answers are those of cgroup v2. A refused write changes nothing.
 *    What the kernel does not have on its root is not on ours, save memory.* usage and limits:
 *    the root here is a process, not a machine.
 * 3. Before a store function sees a text: over 4096 bytes is -E2BIG, nothing at all and a NUL
 *    inside are -EINVAL, a group that is offline is -ENODEV. So they parse short plain text.
 */
#ifndef MEMCG_CTL_FILE_H
#define MEMCG_CTL_FILE_H

#include "ctl/text.h"
#include "group/group.h"

enum file_flags {
	FILE_OURS = 1u << 0,	    /* not the kernel's */
	FILE_NOT_ON_ROOT = 1u << 1, /* -ENOENT there */
	/* What a reader does beyond show and store. */
	FILE_PEAK = 1u << 2,	     /* has a peak of its own once written */
	FILE_EVENTS = 1u << 3,	     /* its descriptor tells of events of the subtree, */
	FILE_EVENTS_LOCAL = 1u << 4, /* of the group's own, */
	FILE_END = 1u << 5,	     /* of the group's end alone, */
	FILE_PRESSURE = 1u << 6,     /* of stalls, once a trigger was written */
	FILE_SWAP_PEAK = 1u << 7,    /* as FILE_PEAK, of swap */
};

#define FILE_NOTIFIES (FILE_EVENTS | FILE_EVENTS_LOCAL | FILE_END | FILE_PRESSURE)

struct file {
	const char *name;
	/* 0, or what reading ends with. NULL: write only. */
	int (*show)(struct memcg *cg, struct text *t);
	/* NULL: read only. */
	int (*store)(struct memcg *cg, const char *buf, size_t len);
	unsigned flags;
	const char *reads;  /* the format; NULL as show */
	const char *writes; /* what may be written; NULL as store */
	const char *about;  /* sentences of the manual; `code` between back quotes */
};

extern __hidden_ const struct file file_table[];
extern __hidden_ const size_t file_count;

/* NULL: the group has no such file. */
__hidden_ const struct file *file_find(struct memcg *cg, const char *name);
/* As memcg_read and memcg_write. */
__hidden_ ssize_t file_read(const struct file *f, struct memcg *cg, char *buf, size_t size);
__hidden_ int file_write(const struct file *f, struct memcg *cg, const void *buf, size_t len);

#define FILE_WRITE_MAX 4096u /* the kernel's: one page */

/* The switch behind memory.accounting; set at start-up. */
extern __hidden_ u32 *file_accounting_off;

#endif
