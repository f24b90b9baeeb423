/* onlook.h - those who only look: files, statistics, events, walks, addresses that are nobody's. */
#ifndef MEMCG_TORTURE_ONLOOK_H
#define MEMCG_TORTURE_ONLOOK_H

#include "torture.h"

void onlook_files(struct chance *c);   /* every file of a group */
void onlook_tree(struct chance *c);    /* walks, paths, look-ups, statistics, the report */
void onlook_watch(struct chance *c);   /* eventfds, readers, triggers */
void onlook_stray(struct chance *c);   /* pages at addresses that may be freed by now */
void onlook_note(const void *address); /* for that; of anything */

#endif
