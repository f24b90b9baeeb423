/*
 * pools.h - pools of network pages, which are destroyed while their pages are out: those go on as
 * items from thread to thread, singly and in batches, are charged elsewhere, outlive their group
 * and their pool, and find home by themselves. No thread begins a call of a pool that another
 * destroys: each place has a lock for that, which puts do not take.
 */
#ifndef MEMCG_TORTURE_POOLS_H
#define MEMCG_TORTURE_POOLS_H

#include "torture.h"

void pools_begin(void);
void pools_end(bool child);	   /* a child has none of them */
void pool_pages(struct chance *c); /* some, charged here: to the exchange */
void pool_renew(struct chance *c); /* another in its place */

#endif
