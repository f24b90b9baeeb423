/*
 * t_fault_oom.c - a fault that a max refuses asks no handler, whatever the handler allows; the
 * thread's next call does, once.
 */
#include "faults_fixture.h"

#include <setjmp.h>
#include <signal.h>

#include <sys/mman.h>

#include <memcg/event.h>
#include <memcg/mm.h>

#include "reclaim/owed.h"
#include "reclaim/reclaimer.h"
#include "sys/clock.h"
#include "group/record.h"

#define RW (PROT_READ | PROT_WRITE)
#define N  64u

static struct memcg_mm *mm;
static char *range;
static sigjmp_buf back;
static u32 calls;
static struct task *faulting; /* the thread that is in one */

static void on_sigbus(int sig)
{
	siglongjmp(back, sig);
}

static unsigned oom(struct memcg *limited, uint64_t wanted, void *arg)
{
	CHECK(limited == cg && wanted >= PAGE_SIZE && arg == &calls);
	CHECK(memcg__self != atomic_load(&faulting));
	(void)atomic_add(&calls, 1u);
	return MEMCG_OOM_FAIL;
}

static void fault_set_up(unsigned flags)
{
	struct memcg_oom_config config = MEMCG_OOM_CONFIG_INIT;

	signal(SIGBUS, on_sigbus);
	set_up();
	config.oom = oom;
	config.arg = &calls;
	config.flags = flags;
	CHECK(!memcg_set_oom_handler(cg, &config));
	CHECK((mm = memcg_mm_create(cg)));
	CHECK((range = memcg_mmap(mm, 4 * N << PAGE_SHIFT, RW, 0, NULL, 0)));
	CHECK(!memcg_pin(range, N << PAGE_SHIFT) && !memcg_set_limit(cg, MEMCG_SWAP_MAX, 0));
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, held(cg)));
}

static void fault_tests_end(void)
{
	memcg_unpin(range, N << PAGE_SHIFT);
	memcg_mm_destroy(mm);
	CHECK(!held(cg));
	closes();
}

/* Touches new pages until the reserve is used up. */
static void be_refused(void)
{
	volatile size_t i = N;

	atomic_store(&faulting, memcg__self);
	if (!sigsetjmp(back, 1))
		for (; i < 4 * N; i++)
			((volatile char *)range)[i << PAGE_SHIFT] = 1;
	atomic_store(&faulting, (struct task *)NULL);
	CHECK(i > N && i < 4 * N);
}

static void asked_by_the_next_call(unsigned flags)
{
	fault_set_up(flags);
	be_refused();
	CHECK(calls == 0 && atomic_load(&group_record(cg)->events[EV_OOM]) == 1);
	memcg_throttle();
	CHECK(calls == 1 && atomic_load(&group_record(cg)->events[EV_OOM]) == 1);
	memcg_throttle();
	memcg_leave(memcg_enter(cg));
	CHECK(calls == 1);
	be_refused();
	memcg_leave(memcg_enter(cg));
	CHECK(calls == 2 && atomic_load(&group_record(cg)->events[EV_OOM]) == 2);
	fault_tests_end();
}

static void test_inline(void)
{
	asked_by_the_next_call(MEMCG_OOM_INLINE);
}

static void test_not_inline(void)
{
	asked_by_the_next_call(0);
}

/* An allocation asks it inside, and owes no second question, whatever a fault owed before. */
static void test_allocation_asks_once(void)
{
	fault_set_up(MEMCG_OOM_INLINE);
	be_refused();
	CHECK(!memcg_malloc_in(cg, 100000) && calls == 1);
	memcg_throttle();
	CHECK(calls == 1);
	fault_tests_end();
}

/* With a reclaimer it is that thread which asks, of either refusal. */
static void test_reclaimer_asks(void)
{
	fault_set_up(MEMCG_OOM_INLINE);
	CHECK(!memcg_reclaimer_start());
	be_refused();
	while (!atomic_load(&calls))
		sys_sleep_ns(1000 * 1000);
	CHECK(!memcg__self->owed && !memcg_reclaimer_stop() && calls == 1);
	fault_tests_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(test_inline),
		FAULTS_TEST(test_not_inline),
		FAULTS_TEST(test_allocation_asks_once),
		FAULTS_TEST(test_reclaimer_asks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
