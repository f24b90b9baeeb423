/* life.h - threads that come and go, on stacks of ours too, and children of forks. */
#ifndef MEMCG_TORTURE_LIFE_H
#define MEMCG_TORTURE_LIFE_H

#include "torture.h"

void life_thread(struct chance *c); /* one that ends in a group it never leaves */
void life_fork(struct chance *c);   /* while others are anywhere */
void life_fork_quiet(u64 round);    /* nobody moves: the child ends everything, and checks that */

#endif
