/*
 * tenant.h - what stands for a process of the kernel's tests: memory in a group that its owner does
 * not give back. It is the kernel's anonymous memory without swap: reclaim cannot have it. A
 * process that dies is a tenant that is refused (NULL and ENOMEM), or that an OOM handler ended.
 */
#ifndef CONFORMANCE_TENANT_H
#define CONFORMANCE_TENANT_H

#include "group.h"

/* What a thread does in one scope, as a server would for one request. Limits are served when it
 * leaves; the kernel serves them when a system call or a fault returns. */
#define REQUEST KIB(128)

struct block;
struct tenant {
	struct memcg *cg;
	struct block *blocks;
	uint64_t bytes;
	bool ended;  /* by a handler; it may not go on. Atomic */
	bool exempt; /* the kernel's oom_score_adj -1000 */
};
#define TENANT(group)         \
	{                     \
		.cg = (group) \
	}

/* Grows by bytes, touching them. False: refused, or ended; what it has stays. */
bool tenant_grow(struct tenant *t, uint64_t bytes);
void tenant_free(struct tenant *t); /* all it has, from whatever thread */
void tenant_end(struct tenant *t);  /* the same, by a handler */

#endif
