/*
 * glue.h - the file system as FUSE asks for it: requests in, errno and attributes out.
 *
 * What the kernel knows of a directory is good for 10 ms: groups go without its knowing, but each
 * step of a path would ask twice otherwise, what is there and who may pass. A file's name is kept
 * for a second: it goes with its directory. An open file is asked about at each read. Reads and
 * writes are direct (FOPEN_DIRECT_IO): sizes are 0 and nothing is to be cached.
 */
#ifndef MEMCG_MOUNT_GLUE_H
#define MEMCG_MOUNT_GLUE_H

#define FUSE_USE_VERSION 35
#include <fuse_lowlevel.h>

#include "fs.h"

/* NULL: the options make no sense, and FUSE has said so. */
struct fuse_session *glue_session(struct fs *fs, const char *options, bool debug);
/* Until it is unmounted, a signal ends it, or the program does: that is -ENOTCONN, else 0. */
int glue_loop(struct fs *fs, struct fuse_session *se);

#endif
