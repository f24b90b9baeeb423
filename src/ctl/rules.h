/*
 * rules.h - rules of grouping, from `memcg run --rules` to the processes it starts.
 *
 * `run` reads the user's file, says what is wrong with it, and puts what it means into a sealed
 * memfd: this header and an array. The environment says where (MEMCG_RULES=/proc/PID-OF-RUN/fd/N);
 * a process maps it and never writes. Nothing has to be parsed where nobody could be told of a
 * mistake, and all processes go by the file as it was when the program started.
 *
 * The first rule whose pattern matches a name says its group; its limits belong to the group,
 * and are set when a process makes it.
 */
#ifndef MEMCG_CTL_RULES_H
#define MEMCG_CTL_RULES_H

#include "base/types.h"

#define RULES_MAGIC	  0x73656c7572636d65ull /* "emcrules" */
#define RULES_MAX	  256u
#define RULES_PATTERN_MAX 64u  /* with the NUL */
#define RULES_GROUP_MAX	  192u /* as well */

struct rule {
	char pattern[RULES_PATTERN_MAX]; /* "": none matches; limits alone */
	char group[RULES_GROUP_MAX];	 /* "/a/b" */
	u64 max, high, low;		 /* MEMCG_UNLIMITED, MEMCG_UNLIMITED, 0: not limited */
};

struct rules {
	u64 magic;
	u64 nr;
	struct rule rule[];
};

static inline u64 rules_size(u64 nr)
{
	return sizeof(struct rules) + nr * sizeof(struct rule);
}

#endif
