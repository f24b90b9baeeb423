/*
 * chore.h - what takes long, in steps between the turns of a thread: freeing the keys of a tenant
 * that was dropped or flushed, and charging those of one that was moved to its new group.
 *
 * A chore is on the list of the thread that began it, and nobody else looks at it.
 */
#ifndef TENANTD_CHORE_H
#define TENANTD_CHORE_H

#include "tenant.h"

/* Takes what is in *gone. Where no memory is to be had for the chore it is done at once. */
void chore_free(struct store *gone);
/* Out of t->from into t->cg: what is charged to the one. */
void chore_move(struct tenant *t);
/* A step of each chore; false: there are none. */
bool chores_step(void);

#endif
