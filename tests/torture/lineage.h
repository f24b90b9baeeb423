/*
 * lineage.h - which group is whose heir. An id of every group there was since the last quiet point,
 * its parent's id, and whether it was destroyed.
 *
 * Written by whoever makes and destroys groups, under a lock that is held over no call of the
 * library. A group stands here before anybody but its maker can know it.
 */
#ifndef MEMCG_TORTURE_LINEAGE_H
#define MEMCG_TORTURE_LINEAGE_H

#include "base/types.h"

void lineage_add(u64 id, u64 parent);
void lineage_dead(u64 id); /* again: nothing */
u64 lineage_heir(u64 id);  /* itself, or its nearest ancestor that was not destroyed */
bool lineage_covers(u64 id, u64 ancestor); /* the same, or an ancestor */
void lineage_keep(u64 id); /* over the next forgetting: it is dead, and somebody has it */
void lineage_forget(void); /* the dead, at a quiet point */

#endif
