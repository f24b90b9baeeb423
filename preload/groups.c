/*
 * groups.c - a group for each thread (MEMCG_GROUP_BY=thread), "thread-N" below the root, N the
 * library's number of the thread.
 *
 * Numbers are given again, and so is the group: what an ended thread left behind is
 * still counted where it was, and there are never more groups than there were threads at once.
 */
#include <errno.h>
#include <stdio.h>

#include "preload.h"

static struct memcg *group_of_thread(u32 number)
{
	char path[32];
	struct memcg *cg;

	snprintf(path, sizeof(path), "/thread-%u", number);
	cg = memcg_create(NULL, path + 1);
	if (!cg && errno == EEXIST)
		cg = memcg_lookup(path);
	return cg;
}

/* Inside the thread's first slow path. Without memory for a group the root goes on paying. */
static void enter_own_group(void)
{
	int saved = errno;
	struct memcg *cg = group_of_thread(memcg__self->tid);

	if (cg) {
		memcg_put(memcg_enter(cg));
		memcg_put(cg);
	}
	errno = saved;
}

/* The thread that is here already has been allocating for the root: from now on it has its group.
 */
void groups_by_thread(void)
{
	memcg__thread_hook = enter_own_group;
	if (!task_self())
		memcg_leave(memcg_enter(NULL));
	else
		enter_own_group();
}
