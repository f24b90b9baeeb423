/*
 * recount.h - this process's own recount. What is counted, and how: walk.h.
 *
 * For quiet points: the caller sees to it that no other thread allocates, charges, or
 * creates or destroys groups meanwhile. Allocates nothing from the heap; takes the locks
 * of stat, external and maps for short, one at a time.
 */
#ifndef MEMCG_CTL_RECOUNT_H
#define MEMCG_CTL_RECOUNT_H

#include "ctl/walk.h"

/*
 * Every difference is one line for `say` (NULL: they are only counted). 0 when the walk could be
 * made, whatever it found; -ENOMEM: no memory for its tables; -EFAULT: the tree's root is
 * overwritten.
 */
__hidden_ int recount(struct recount_result *result, void (*say)(void *arg, const char *line),
		      void *arg);

/* The parts, for the report: the caller fills say and say_arg; walk_open's rules. */
__hidden_ void recount_env(struct walk_env *env);

#endif
