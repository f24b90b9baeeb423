/*
 * shrinkers.h - caches of the program's that can be made smaller, filled in all groups; and
 * handlers that are asked when memory is out.
 *
 * A cache's lock is only tried inside callbacks; `life`, of its registration, is never waited for
 * in one. What a callback may do besides its duty it does now and then: make and destroy groups,
 * unregister itself, allocate, reclaim.
 */
#ifndef MEMCG_TORTURE_SHRINKERS_H
#define MEMCG_TORTURE_SHRINKERS_H

#include "torture.h"

void shrinkers_begin(void);
void cache_flip(struct chance *c); /* registers one, or at times ends it */
void cache_fill(struct chance *c); /* in the group it was registered for, mostly */
void handler_flip(struct chance *c);
void shrinkers_settle(void); /* nobody moves: item_settle() of all that is in caches */
void shrinkers_end(void);

#endif
