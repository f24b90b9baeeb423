/* file.h - the parser of sizes, and what the files of a group need of higher layers. */
#ifndef MEMCG_CTL_FILE_H
#define MEMCG_CTL_FILE_H

#include "group/group.h"

/* "4096", "64K" (K M G T P E, either case), "max", white space around. -EINVAL: *bytes is as it
 * was. */
__hidden_ int size_parse(const char *text, size_t len, u64 *bytes);

/* The switch behind memory.accounting; set at start-up. */
extern __hidden_ u32 *file_accounting_off;

#endif
