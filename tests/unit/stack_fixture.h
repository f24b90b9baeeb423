/* stack_fixture.h - stacks with each kind of guard, and what the system does at it. */
#ifndef MEMCG_TESTS_STACK_FIXTURE_H
#define MEMCG_TESTS_STACK_FIXTURE_H

#include "alloc_fixture.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>

#include "alloc/guard.h"
#include "alloc/stack.h"

#define SIZE  65536ul /* of a usual one */
#define BYTES (SIZE + PAGE_SIZE)

static const size_t sizes[] = {STACK_SMALL_MAX + 1, 16384, SIZE, MIB, CHUNK_SIZE, 9 * MIB + 5};

static inline struct memcg_stat stat_of(struct memcg *g)
{
	struct memcg_stat s;

	CHECK(!memcg_stat(g, &s, sizeof(s)));
	return s;
}

/* What is kept is kept on a CPU: a thread that moved would find another one's. */
static inline void set_up_here(void)
{
	cpu_set_t may, one;

	CHECK(!sched_getaffinity(0, sizeof(may), &may));
	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE && !CPU_COUNT(&one); cpu++)
		if (CPU_ISSET(cpu, &may))
			CPU_SET(cpu, &one);
	CHECK(!sched_setaffinity(0, sizeof(one), &one));
	set_up();
}

static inline struct page *page_of(const void *base)
{
	return page_head(page_index(base));
}

static inline u32 count_kind(unsigned kind)
{
	u32 n = 0;

	for (u32 i = 0; i < regn.chunks * CHUNK_PAGES; i++)
		n += page_at(i)->kind == kind;
	return n;
}

/* The guard by marks is refused from here on, or that by protection as well. */
static inline void refuse_guards(unsigned best)
{
	sys_fault_disarm_all();
	if (best > GUARD_MARKED)
		sys_fault_arm(SYS_FAULT_GUARD, 1, 1, 0, 0);
	if (best > GUARD_PROTECTED)
		sys_fault_arm(SYS_FAULT_OPEN_RANGE, 1, 1, 0, 0);
}

/* A stack with that kind of guard; NULL: the system is older than marks. */
static inline char *stack_with(unsigned how, size_t size)
{
	char *base;

	stack_cache_drain(); /* they have what they were made with */
	refuse_guards(how);
	base = memcg_stack_alloc(size);
	sys_fault_disarm_all();
	CHECK(base);
	if (page_of(base)->stack.how == how)
		return base;
	CHECK(how == GUARD_MARKED && page_of(base)->stack.how == GUARD_PROTECTED);
	memcg_stack_free(base);
	return NULL;
}

static inline bool write_faults(char *at)
{
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		*(volatile char *)at = 1;
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

#endif
