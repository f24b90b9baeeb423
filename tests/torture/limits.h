/* limits.h - every limit set to anything, refusals on demand, reclaim on demand, the switch. */
#ifndef MEMCG_TORTURE_LIMITS_H
#define MEMCG_TORTURE_LIMITS_H

#include "torture.h"

void limits_set(struct chance *c);
void limits_refuse(struct chance *c);  /* memory.fail */
void limits_reclaim(struct chance *c); /* memcg_reclaim, memory.reclaim */
void limits_shape(struct chance *c);   /* cgroup.max.descendants and .depth */
void limits_reclaimer(struct chance *c);
void limits_account(struct chance *c); /* memory.accounting, off and on again */
void limits_balloon(struct chance *c); /* memory.balloon, and back */
void limits_quiet(void);	       /* nothing is switched off, no reclaimer runs */

#endif
