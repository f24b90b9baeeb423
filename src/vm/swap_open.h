/*
 * swap_open.h - finding, checking and opening the swap file.
 *
 * 1. Either the program or its user named a file; or it is one without a name, in a directory. A
 *    named file is opened where it is, no link followed, or made, 0600. It must be a regular one,
 *    this user's, nobody else's to read, not another process's swap file now; and empty, or zero at
 *    its start (made large beforehand), or a swap file of ours by its first page: whatever else
 *    lies there is somebody's data, and is not written over.
 * 2. Its first page, slot 0, is the header: a mark and a checksum over it. The rest of its cluster
 * is written with it, once.
 * 3. Transfers go past the system's cache (O_DIRECT) where that works, which writing the header and
 *    reading it back shows; else the cache holds what was swapped out a second time.
 * 4. Whatever goes wrong is one line that names the file and says what. There is no second try.
 */
#ifndef MEMCG_VM_SWAP_OPEN_H
#define MEMCG_VM_SWAP_OPEN_H

#include "base/compiler.h"
#include "base/types.h"
#include "sys/io.h"

struct swap_setup {
	const char *file; /* absolute path; NULL: one without a name, in dir */
	const char *dir;
	u64 size; /* the file may have so many bytes, its header included */
};
/* Set at start-up, then constant. */
extern __hidden_ struct swap_setup swap_setup;
__hidden_ const char *swap_name(void); /* for lines: the file's path, or the directory's */

/* Descriptor, *info says which file it is; -errno after a line. Calls the system: no lock held. */
__hidden_ int swap_open(struct sys_file_info *info);

#endif
