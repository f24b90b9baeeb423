/* life.c - see life.h. */
#include "life.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit/fork_fixture.h"
#include "groups.h"
#include "item.h"
#include "shrinkers.h"

#define STACK (256 * KIB)

/* --- threads ------------------------------------------------------------------------- */

static void *short_life(void *arg)
{
	struct chance c = {.at = (u64)(uintptr_t)arg};
	struct memcg *cg = group_random(&c);

	memcg_put(memcg_enter(cg));
	memcg_put(cg);
	for (unsigned i = 0; i < 40; i++)
		item_pass_on(item_any(&c), &c);
	if (opt.limits)
		cache_fill(&c);
	return NULL;
}

/* Sanitizers want to know of stacks. */
static void *own_stack(pthread_attr_t *attr, struct chance *c)
{
#ifdef SANITIZED
	(void)attr;
	(void)c;
	return NULL;
#else
	void *stack = one_in(c, 2) ? memcg_stack_alloc(STACK) : NULL;

	if (stack)
		EXPECT(!pthread_attr_setstack(attr, stack, STACK), "a stack that does not fit");
	return stack;
#endif
}

void life_thread(struct chance *c)
{
	pthread_attr_t attr;
	pthread_t thread;
	void *stack;
	int err;

	pthread_attr_init(&attr);
	stack = own_stack(&attr, c);
	err = pthread_create(&thread, &attr, short_life, (void *)(uintptr_t)draw(c));
	EXPECT(!err || err == EAGAIN, "no thread: %d", err);
	if (!err)
		pthread_join(thread, NULL);
	memcg_stack_free(stack);
	pthread_attr_destroy(&attr);
	DID(threads);
}

/* --- forks ------------------------------------------------------------------------------- */

static __unused_ void await_child(pid_t pid, const char *which)
{
	int status = 0;

	EXPECT(pid > 0, "no fork: %d", errno);
	while (waitpid(pid, &status, 0) < 0)
		EXPECT(errno == EINTR, "waiting for the child of a fork: %d", errno);
	EXPECT(status == 0, "the child of a fork, %s, ended with %#x", which, status);
	DID(forks);
}

#define MINE 64u

/*
 * It is alone with what it inherits: it must get on, reclaim included, and end. What other threads
 * had a hand in it leaves alone: the system copies page by page while they run, so an item
 * may stand in the exchange here and be freed already in the memory that was copied later.
 */
static __unused_ void child_of_busy(struct item *mine[MINE], struct chance *c)
{
	struct memcg *cg = memcg_create(memcg_root(), "child"), *previous;
	void *fresh[MINE];

	EXPECT(cg, "a child makes no group: %d", errno);
	previous = memcg_enter(cg);
	for (unsigned i = 0; i < MINE; i++) {
		item_free(mine[i]);
		fresh[i] = memcg_malloc(1 + below(c, i % 8 ? 700 : 50000));
	}
	for (unsigned i = 0; i < MINE; i++)
		memcg_free(fresh[i]);
	memcg_reclaim(memcg_root(), MIB);
	memcg_set_oom_handler(cg, NULL);
	memcg_reclaimer_stop();
	memcg_leave(previous);
	EXPECT(!memcg_destroy(cg), "a child destroys no group");
}

void life_fork(struct chance *c)
{
#ifdef SANITIZED
	(void)c; /* whose locks are not at rest */
#else
	struct item *mine[MINE];
	pid_t pid;

	for (unsigned i = 0; i < MINE; i++)
		mine[i] = item_any(c);
	pid = fork();
	if (!pid) {
		torture_child();
		child_of_busy(mine, c);
		_exit(0);
	}
	await_child(pid, "of a busy process");
	for (unsigned i = 0; i < MINE; i++)
		item_pass_on(mine[i], c);
#endif
}

void life_fork_quiet(u64 round)
{
	pid_t pid = fork();

	if (!pid) {
		torture_child();
		check_end(true);
		_exit(0);
	}
	await_child(pid, round ? "when nobody moved" : "at the end");
}
