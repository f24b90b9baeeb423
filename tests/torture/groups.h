/*
 * groups.h - the tree that everything happens in: a table of places, each with a group or none.
 * All are below `top`. A place holds a reference and the name "g<place>".
 *
 * A place's lock is held while its group is made or destroyed; callbacks only try it.
 */
#ifndef MEMCG_TORTURE_GROUPS_H
#define MEMCG_TORTURE_GROUPS_H

#include "torture.h"

extern struct memcg *top;

void groups_begin(void);
struct memcg *group_random(struct chance *c);	  /* a reference; top when the place is empty */
void group_flip(struct chance *c, bool callback); /* makes one or destroys one */
void group_destroy_again(struct chance *c);	  /* behind the back of its place */
void group_data(struct chance *c);		  /* a word of ours, which is dropped once */
void groups_each(void (*each)(struct memcg *cg)); /* nobody moves; those that are not destroyed */
void groups_settle(void);			  /* nobody moves: what places have is remembered */
void groups_end(void);				  /* destroys all, top with them */
void groups_gone(void);				  /* and nothing of them is left, by now */

#endif
