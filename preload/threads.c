/*
 * threads.c - a group for each thread, by its number (MEMCG_GROUP_BY=thread) or by its name
 * (thread-name).
 *
 * By number: "thread-N", N the library's number of the thread. Numbers are given again, and so is
 * the group: what an ended thread left behind is still counted where it was, and there are never
 * more groups than there were threads at once.
 *
 * By name: threads with one name share a group. A thread begins with the name of the one that
 * created it. When it takes another, by pthread_setname_np or prctl, its group follows with the
 * call; a name that another thread gives it counts from its next slow path on, for a thread's group
 * is entered by the thread. What it allocated before stays where it was. Names that are given past
 * these two functions (a write to /proc, a system call by number) are seen only by threads that
 * have not allocated yet.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "alloc/regroup.h"
#include "groups.h"

static bool by_name;

static void enter_by_number(void)
{
	char name[32];
	struct memcg *cg;

	snprintf(name, sizeof(name), "thread-%u", memcg__self->tid);
	cg = group_of_name(name);
	if (!cg)
		return;
	memcg_put(memcg_enter(cg));
	memcg_put(cg);
}

static void enter_by_name(void)
{
	char name[17] = "";
	int saved = errno;

	syscall(SYS_prctl, PR_GET_NAME, name, 0l, 0l, 0l);
	group_enter(group_named(name));
	errno = saved;
}

/* Inside the thread's first slow path, or when it is asked. Without memory the root goes on paying.
 */
static void enter_own_group(void)
{
	if (by_name)
		enter_by_name();
	else
		enter_by_number();
}

/* The thread that is here already has been allocating for the root: from now on it has its group.
 */
void groups_by_thread(bool name)
{
	by_name = name;
	memcg__thread_hook = enter_own_group;
	if (!task_self())
		memcg_leave(memcg_enter(NULL));
	else
		enter_own_group();
}

/* ---- names that change --------------------------------------------------------------- */

/* A child of vfork has its own name, and its parent's memory. */
static bool is_this_thread(void)
{
	return task_self() && memcg__self->system_id == (u32)syscall(SYS_gettid);
}

static void renamed(void)
{
	if (by_name && is_this_thread() && !memcg__self->busy)
		enter_by_name();
}

typedef int (*setname_fn)(pthread_t, const char *);
static setname_fn next_setname;

static setname_fn setname(void)
{
	if (unlikely(!next_setname)) /* a constructor before ours */
		next_setname = (setname_fn)dlsym(RTLD_NEXT, "pthread_setname_np");
	return next_setname;
}

void threads_start(void)
{
	setname();
}

__public_ int pthread_setname_np(pthread_t thread, const char *name)
{
	int err = setname()(thread, name);

	if (err || likely(!by_name))
		return err;
	if (pthread_equal(thread, pthread_self()))
		renamed();
	else
		memcg__threads_regroup();
	return 0;
}

/* By number, with five arguments as glibc passes them on, whatever the option takes. */
__public_ int prctl(int option, ...)
{
	unsigned long a[4];
	va_list args;
	int result;

	va_start(args, option);
	for (unsigned i = 0; i < 4; i++)
		a[i] = va_arg(args, unsigned long);
	va_end(args);
	result = (int)syscall(SYS_prctl, option, a[0], a[1], a[2], a[3]);
	if (unlikely(by_name) && option == PR_SET_NAME && !result)
		renamed();
	return result;
}
