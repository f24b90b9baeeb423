/*
 * file_task.c - who is in a group: the threads whose active group it is, or was destroyed below
 * it. Known are threads that have a record, which is those that ever entered a group or allocated
 * more than the first path can; others pay the root, and are not listed.
 *
 * Threads enter and leave without telling anybody, so this is how it was at some moment of each.
 */
#include "ctl/files.h"
#include "sys/id.h"

struct who {
	const struct memcg *cg;
	struct text *t;
	bool any;
};

/*
 * Where its charges go: the active group, or the nearest above it that is online. NULL: it is no
 * thread of the program's.
 */
const struct memcg *file_task_home(const struct task *task)
{
	/* Acquire pairs with the release in thread_use: the group's parent. */
	const struct memcg *cg = atomic_load_acquire(&task->active);

	if (task->ours)
		return NULL;
	while (cg && !atomic_load(&cg->online))
		cg = cg->parent;
	return cg ? cg : root_group;
}

static bool say_thread(struct task *task, void *arg)
{
	struct who *who = arg;

	if (file_task_home(task) == who->cg)
		text_number(who->t, atomic_load(&task->system_id));
	return true;
}

static bool is_there(struct task *task, void *arg)
{
	struct who *who = arg;

	who->any = file_task_home(task) == who->cg;
	return !who->any;
}

static bool is_below(struct task *task, void *arg)
{
	struct who *who = arg;

	who->any = group_below(file_task_home(task), who->cg);
	return !who->any;
}

/* In a read section: groups that others are in stay valid memory. */
static void ask(bool (*each)(struct task *, void *), struct who *who)
{
	struct rcu_reader *self = self_rcu();

	rcu_read_lock(self);
	tasks_each(each, who);
	rcu_read_unlock(self);
}

int show_threads(struct memcg *cg, struct text *t)
{
	ask(say_thread, &(struct who){.cg = cg, .t = t});
	return 0;
}

int show_procs(struct memcg *cg, struct text *t)
{
	struct who who = {.cg = cg};

	ask(is_there, &who);
	if (who.any)
		text_number(t, sys_process_id());
	return 0;
}

int show_cgroup_events(struct memcg *cg, struct text *t)
{
	struct who who = {.cg = cg};

	ask(is_below, &who);
	text_line(t, "populated", who.any);
	text_line(t, "frozen", 0);
	return 0;
}
