/*
 * log.h - one line to descriptor 2, and the end of the process.
 *
 * A line is written in one write(2) from the stack: lines of several threads
 * and processes do not mix, and nothing is allocated. No stdio: its locks and
 * buffers are the program's. A line too long ends in "...".
 */
#ifndef MEMCG_SYS_LOG_H
#define MEMCG_SYS_LOG_H

#include "base/compiler.h"

#define LOG_LINE_MAX 512 /* with prefix and newline */

__hidden_ __printf_(1, 2) void log_line(const char *fmt, ...);

/*
 * memcg_bug() of base/assert.h gives its line here instead of ending the
 * process; a test sets this and leaves by longjmp. When it returns, the process ends.
 */
typedef void (*log_bug_hook_t)(const char *line);
extern __hidden_ log_bug_hook_t log_bug_hook;

#endif
