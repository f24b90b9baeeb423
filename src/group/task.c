/* task.c - the registry of threads, and their numbers. */
#include "group/task.h"

#include "base/bits.h"
#include "sync/lock.h"
#include "sys/id.h"

static struct lock tasks_lock = LOCK_INIT(RANK_TASKS);
static struct list tasks = LIST_INIT(tasks);
static u32 tids[1024]; /* bitmap of numbers in use; 0 is never used */
static u32 task_nr;

void tasks_init(void)
{
	lock_init(&tasks_lock, RANK_TASKS);
	tids[0] |= 1;
}

static u32 tid_take_locked(void)
{
	unsigned w;

	for (w = 0; w < ARRAY_SIZE(tids); w++)
		if (tids[w] != ~0u) {
			u32 bit = bit_first(~tids[w] & 0xffffffffu);

			tids[w] |= 1u << bit;
			return w * 32 + bit;
		}
	return 0;
}

static void tid_give_locked(u32 tid)
{
	tids[tid / 32] &= ~(1u << tid % 32);
}

bool task_register(struct task *t)
{
	t->system_id = sys_thread_id();
	lock_acquire(&tasks_lock);
	t->tid = tid_take_locked();
	if (t->tid) {
		list_add_tail(&tasks, &t->link);
		atomic_store(&task_nr, task_nr + !t->ours);
	}
	lock_release(&tasks_lock);
	return t->tid != 0;
}

void task_unregister(struct task *t)
{
	lock_acquire(&tasks_lock);
	list_del(&t->link);
	tid_give_locked(t->tid);
	atomic_store(&task_nr, task_nr - !t->ours);
	lock_release(&tasks_lock);
}

u32 task_count(void)
{
	return atomic_load(&task_nr);
}

void tasks_each(bool (*each)(struct task *t, void *arg), void *arg)
{
	struct list *at;

	lock_acquire(&tasks_lock);
	list_for_each(at, &tasks) if (!each(list_entry(at, struct task, link), arg)) break;
	lock_release(&tasks_lock);
}

void tasks_fork_prepare(void)
{
	lock_acquire(&tasks_lock);
}

void tasks_fork_parent(void)
{
	lock_release(&tasks_lock);
}

/* Numbers of the others are not given out again: slabs are held by them. */
void tasks_fork_child(void)
{
	struct task *self = task_self();

	list_init(&tasks);
	task_nr = 0;
	if (self) {
		self->system_id = sys_thread_id();
		self->ours = false; /* a callback forked: the child goes on in it */
		list_add_tail(&tasks, &self->link);
		task_nr = 1;
	}
	lock_release(&tasks_lock);
}
