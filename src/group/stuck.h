/*
 * stuck.h - groups whose anonymous pages cannot go anywhere this moment.
 *
 * 1. Whether a page can be put away is seen by trying: out of its windows, compressed, a slot of
 *    the swap file asked for. Where every page of a group fails that, each fault over its max would
 *    try them all again, a hundred times until its reserve is used up. So who has tried them all to
 *    no avail says so, and until something changes they count as nothing that can be reclaimed:
 *    faults are served from the reserve, or refused, at once.
 * 2. What changes it: room for anybody's page (a slot given back, a page unpinned, a limit written,
 *    reclaim asked for by the program), which ends it for all groups; pages of the group that are
 *    new, one in 256; or STUCK_MOST has passed, for what nobody tells, a disk that works again.
 * 3. An epoch is odd while somebody relies on it. Who begins to try makes it odd, room makes it
 *    even; a group is stuck only in the epoch that its trial began in: so room that came during the
 *    trial is not missed.
 * 4. All of it is a hint. The words of a group are read one by one, and may be of two moments: then
 *    it is tried once more, or left alone for STUCK_MOST at the longest. Tolerated.
 */
#ifndef MEMCG_GROUP_STUCK_H
#define MEMCG_GROUP_STUCK_H

#include "group/group.h"

#define STUCK_MOST (100ul * 1000 * 1000) /* ns */

extern __hidden_ u32 stuck_epoch;

/* Before a group's pages are tried; to be told with what came of it. */
__hidden_ u32 stuck_begin(void);
/* None of cg's anonymous pages could go, and hardly one was left alone for being used. */
__hidden_ void stuck_found(struct memcg *cg, u32 epoch);
__hidden_ bool group_is_stuck(const struct memcg *cg);
__hidden_ void stuck_over_slow(void);

/* There is room, or may be. A load, while nobody is stuck. */
static inline void stuck_over(void)
{
	if (unlikely(atomic_load(&stuck_epoch) & 1))
		stuck_over_slow();
}

#endif
