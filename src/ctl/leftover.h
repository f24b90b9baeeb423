/*
 * leftover.h - what a destroyed group still owned, for who asked to be told.
 *
 * 1. Nobody asked: a load of a pointer in each destroy. Asked: each destroy of a group that leaves
 *    something walks all memory (walk.h), as memory.owners does, and says by kind what is found
 *    under the group's handle and under those that had been redirected to it.
 * 2. It runs when the group is offline and its stock has left: what is found is owned by objects,
 *    pages and charges. Other threads may allocate and free meanwhile: what they do may be counted
 *    or not. No lock is held, of ours or for the walk, and the program's function may call
 *    anything: also memcg_destroy, for which it is called again.
 * 3. MEMCG_LEFTOVERS=1 says the same in a line of the log.
 */
#ifndef MEMCG_CTL_LEFTOVER_H
#define MEMCG_CTL_LEFTOVER_H

#include <memcg/report.h>

#include "base/compiler.h"

__hidden_ void leftovers_init(bool say); /* say: a line of the log for each such group */

#endif
