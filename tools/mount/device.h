/* device.h - whether FUSE is open to us, and what to do where it is not. */
#ifndef MEMCG_MOUNT_DEVICE_H
#define MEMCG_MOUNT_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#define DEVICE "/dev/fuse"

/* helpers: directories with a colon between, where fusermount3 is looked for unless we are root. */
bool device_check(const char *device, const char *helpers, bool root, char *why, size_t size);
/* DIR is a directory; `whole` (PATH_MAX) is its name from anywhere: a daemon has another `.`. */
bool device_check_dir(const char *dir, char *whole, char *why, size_t size);
/* Why a mount was refused although device_check had nothing to say. */
const char *device_refused(bool root);

#endif
