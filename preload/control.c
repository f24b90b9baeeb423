/*
 * control.c - the control socket of a child (MEMCG_CONTROL=1). The library opens the process's
 * own when it comes up; a child of a fork has neither socket nor thread.
 *
 * A thread is made in the child right after the fork, where that is safe: where its parent had no
 * threads but this one and the library's. Another one may have been inside libc at the fork, with a
 * lock that nobody gives back in the child. Nor is it safe when malloc is another library's, which
 * may have its own handlers to come. Such a child is without until it executes a program.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <memcg/report.h>

#include "preload.h"

#define OURS 2 /* this thread, and the socket's */

static bool safe; /* of the fork that is under way; forks of one process at once have threads */

/* A directory has a link for each below it, itself, and where it stands. 0: unknown. */
static unsigned threads_now(void)
{
	struct stat st;

	return stat("/proc/self/task", &st) || st.st_nlink < 2 ? 0 : (unsigned)st.st_nlink - 2;
}

/* Asked of malloc itself: a program's own address of it may be that of a jump to ours. */
static bool malloc_is_ours(void)
{
	void *volatile p = malloc(1);
	bool ours = p && region_has(p);

	free(p);
	return ours;
}

static void before_fork(void)
{
	int saved = errno;
	unsigned n = threads_now();

	atomic_store(&safe, n && n <= OURS);
	errno = saved;
}

static void in_child(void)
{
	int saved = errno, err;

	if (atomic_load(&safe)) {
		err = memcg_serve(NULL);
		if (err)
			say("MEMCG_CONTROL: no control socket in this child: %s", strerror(-err));
	}
	errno = saved;
}

void control_start(void)
{
	if (malloc_is_ours())
		pthread_atfork(before_fork, NULL, in_child);
}
