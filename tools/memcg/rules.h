/*
 * rules.h - the file of `memcg run --rules`: which names go to which groups, and their limits.
 *
 *     # names     group         limits
 *     bio_*       /redis/bio    memory.max=64M
 *     io_thd_*    /redis/io
 *     -           /redis        memory.high=1G memory.low=128M
 *
 * A line is a pattern (glob.h; - for a line that is only there for its limits), the path of a
 * group, and limits of that group. The first line that matches a name counts. All of the file is
 * looked at before the program starts; the first line that is wrong is said, by its number, and
 * nothing is done.
 */
#ifndef MEMCG_TOOL_RULES_H
#define MEMCG_TOOL_RULES_H

#include "ctl/rules.h"

/*
 * Reads the file into a sealed memfd as of ctl/rules.h, *fd. 0; or after one line that says why,
 * STATUS_USAGE for what is written there and STATUS_OURS for a file that cannot be read.
 */
int rules_load(const char *file, int *fd);

#endif
