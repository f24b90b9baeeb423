/* t_oom.c - handlers: who is asked, when, about whom, and that a wrong one harms nobody else. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memcg.h>

#include "reclaim/charge.h"
#include "reclaim/oom.h"
#include "reclaim/owed.h"
#include "sys/fault.h"
#include "group/record.h"

static struct memcg *top, *mid, *low;

static int make_groups(void **state)
{
	(void)state;
	top = memcg_create(NULL, "top");
	mid = memcg_create(top, "mid");
	low = memcg_create(mid, "low");
	return low ? 0 : -1;
}

static int drop_groups(void **state)
{
	(void)state;
	memcg__self->owed = 0;
	return memcg_destroy(low) | memcg_destroy(mid) | memcg_destroy(top);
}

/* ---- a handler that gives back what it is told to ---- */

static unsigned calls, answer;
static struct memcg *told;
static u64 told_bytes;
static struct memcg_charge *to_give;

static unsigned handler(struct memcg *limited, uint64_t wanted, void *arg)
{
	(void)arg;
	calls++;
	told = limited;
	told_bytes = wanted;
	memcg_uncharge(to_give);
	to_give = NULL;
	return answer;
}

static void set_handler(struct memcg *cg, unsigned flags)
{
	struct memcg_oom_config c = MEMCG_OOM_CONFIG_INIT;

	c.oom = handler;
	c.flags = flags;
	calls = 0;
	told = NULL;
	answer = MEMCG_OOM_RETRY;
	assert_int_equal(memcg_set_oom_handler(cg, &c), 0);
}

static void test_asked_before_a_refusal(void **state)
{
	struct memcg_charge *c;

	(void)state;
	set_handler(mid, MEMCG_OOM_INLINE);
	memcg_set_limit(mid, MEMCG_MAX, MIB);
	to_give = memcg_charge(low, MIB);
	c = memcg_charge(low, 10000);
	assert_non_null(c);
	assert_int_equal(calls, 1);
	assert_ptr_equal(told, mid); /* whose max it is */
	assert_int_equal(told_bytes, 10000);
	assert_int_equal(group_record(mid)->events[EV_OOM], 1);
	assert_int_equal(group_record(mid)->events[EV_OOM_KILL], 0);
	memcg_uncharge(c);
}

static void test_the_nearest_one_decides(void **state)
{
	(void)state;
	set_handler(top, MEMCG_OOM_INLINE);
	memcg_set_limit(mid, MEMCG_MAX, MIB);
	answer = MEMCG_OOM_FAIL;
	assert_null(memcg_charge(low, 2 * MIB));
	assert_int_equal(calls, 1);
	assert_ptr_equal(told, mid);
	/* A nearer one that may not run here is not passed over for one farther away. */
	set_handler(mid, 0);
	assert_null(memcg_charge(low, 2 * MIB));
	assert_int_equal(calls, 0);
	/* None any more: the farther one is the nearest again. */
	assert_int_equal(memcg_set_oom_handler(mid, NULL), 0);
	answer = MEMCG_OOM_FAIL;
	assert_null(memcg_charge(low, 2 * MIB));
	assert_int_equal(calls, 1);
	/* A limit above every handler is nobody's. */
	memcg_set_limit(mid, MEMCG_MAX, MEMCG_UNLIMITED);
	assert_int_equal(memcg_set_oom_handler(top, NULL), 0);
	set_handler(low, MEMCG_OOM_INLINE);
	memcg_set_limit(mid, MEMCG_MAX, MIB);
	assert_null(memcg_charge(low, 2 * MIB));
	assert_int_equal(calls, 0);
}

/* What may not run inside an allocation runs when the thread leaves. */
static void test_owed_to_memcg_leave(void **state)
{
	struct memcg *was = memcg_enter(low);

	(void)state;
	set_handler(mid, 0);
	memcg_set_limit(mid, MEMCG_MAX, MIB);
	to_give = memcg_charge(low, MIB);
	assert_null(memcg_malloc(100000));
	assert_int_equal(calls, 0);
	assert_int_equal(memcg__self->owed, OWED_SHORT);
	memcg_leave(was);
	assert_int_equal(calls, 1);
	assert_int_equal(group_record(mid)->events[EV_OOM],
			 1); /* one refusal, whoever is asked when */
	assert_int_equal(memcg__self->owed, 0);
	assert_int_equal(memcg_current(mid), 0);
	memcg_leave(memcg_enter(low)); /* served */
	assert_int_equal(calls, 1);
}

/* A handler that was asked inside the allocation has said what it has to say about it. */
static void test_not_asked_twice_about_one_refusal(void **state)
{
	struct memcg *was = memcg_enter(low);

	(void)state;
	set_handler(mid, MEMCG_OOM_INLINE);
	answer = MEMCG_OOM_FAIL;
	memcg_set_limit(mid, MEMCG_MAX, MIB);
	assert_null(memcg_malloc(2 * MIB));
	assert_int_equal(calls, 1);
	memcg_leave(was);
	assert_int_equal(calls, 1);
}

static void test_what_has_room_by_then_is_not_asked(void **state)
{
	struct memcg *was = memcg_enter(low);
	struct memcg_charge *c;

	(void)state;
	set_handler(mid, 0);
	memcg_set_limit(mid, MEMCG_MAX, MIB);
	c = memcg_charge(low, MIB);
	assert_null(memcg_malloc(100000));
	memcg_uncharge(c);
	memcg_leave(was);
	assert_int_equal(calls, 0);
}

static void test_kills_are_counted(void **state)
{
	(void)state;
	set_handler(mid, MEMCG_OOM_INLINE);
	answer = MEMCG_OOM_KILLED;
	memcg_set_limit(mid, MEMCG_MAX, MIB);
	to_give = memcg_charge(low, MIB);
	memcg_uncharge(memcg_charge(low, 4096));
	assert_int_equal(group_record(mid)->events[EV_OOM_KILL], 1);
	assert_int_equal(group_record(top)->events[EV_OOM_KILL], 1);
	assert_int_equal(group_record(mid)->events[EV_OOM_GROUP_KILL], 0);
}

/* memory.oom.group: once, for the topmost that has it, between the charger and the limit. */
static void test_groups_go_whole(void **state)
{
	struct memcg *leaf = memcg_create(low, "leaf");

	(void)state;
	set_handler(mid, MEMCG_OOM_INLINE);
	answer = MEMCG_OOM_KILLED;
	top->oom_group = low->oom_group = leaf->oom_group = 1; /* top is above the limit */
	memcg_set_limit(mid, MEMCG_MAX, MIB);
	to_give = memcg_charge(leaf, MIB);
	memcg_uncharge(memcg_charge(leaf, 4096));
	assert_int_equal(calls, 1);
	assert_ptr_equal(told, low);
	assert_int_equal(group_record(low)->events[EV_OOM_KILL], 1);
	assert_int_equal(group_record(low)->events_local[EV_OOM_GROUP_KILL], 1);
	assert_int_equal(group_record(leaf)->events[EV_OOM_KILL], 0);
	assert_int_equal(memcg_destroy(leaf), 0);
}

/* It says that there is room, and there is none: bounded all the same. */
static void test_a_liar_is_asked_only_so_often(void **state)
{
	(void)state;
	set_handler(mid, MEMCG_OOM_INLINE);
	memcg_set_limit(mid, MEMCG_MAX, MIB);
	assert_null(memcg_charge(low, 2 * MIB));
	assert_in_range(calls, 1, 64);
	answer = 77; /* no such answer */
	calls = 0;
	assert_null(memcg_charge(low, 2 * MIB));
	assert_int_equal(calls, 1);
}

static void test_lowering_max_asks(void **state)
{
	(void)state;
	set_handler(mid, 0);
	to_give = memcg_charge(low, 2 * MIB);
	assert_int_equal(memcg_set_limit(mid, MEMCG_MAX, MIB), 0);
	assert_int_equal(calls, 1);
	assert_int_equal(told_bytes, MIB);
	assert_int_equal(memcg_current(mid), 0);
	/* No handler, nothing to free: the limit stands, and nobody is hurt. */
	assert_int_equal(memcg_set_oom_handler(mid, NULL), 0);
	to_give = memcg_charge(low, MIB);
	assert_int_equal(memcg_set_limit(mid, MEMCG_MAX, 4096), 0);
	assert_int_equal(memcg_current(mid), MIB);
	memcg_uncharge(to_give);
	to_give = NULL;
}

/* What a handler allocates in the group it is asked about comes from its reserve. */
static void *from_reserve[3];

static unsigned allocating(struct memcg *limited, uint64_t wanted, void *arg)
{
	struct memcg *was = memcg_enter(limited);

	(void)wanted;
	calls++;
	from_reserve[0] = memcg_malloc(1000);
	from_reserve[1] = memcg_malloc(100000);
	from_reserve[2] = memcg_malloc(16 * MIB); /* more than any reserve */
	memcg_leave(was);
	(void)arg;
	return MEMCG_OOM_FAIL;
}

static void test_the_reserve(void **state)
{
	struct memcg_oom_config c = MEMCG_OOM_CONFIG_INIT;
	struct memcg_charge *full;

	(void)state;
	c.oom = allocating;
	c.flags = MEMCG_OOM_INLINE;
	calls = 0;
	assert_int_equal(memcg_set_oom_handler(mid, &c), 0);
	memcg_set_limit(mid, MEMCG_MAX, 16 * MIB);
	full = memcg_charge(low, 16 * MIB);
	assert_non_null(full);
	assert_null(memcg_charge(low, 4096));
	assert_int_equal(calls, 1); /* never from within itself */
	assert_non_null(from_reserve[0]);
	assert_non_null(from_reserve[1]);
	assert_null(from_reserve[2]);
	assert_true(group_record(mid)->events[EV_RESERVE] >= 2);
	assert_true(memcg_current(mid) > 16 * MIB);
	memcg_free(from_reserve[0]);
	memcg_free(from_reserve[1]);
	memcg_uncharge(full);
	/* The program may ask for it itself. */
	full = memcg_charge(low, 16 * MIB);
	assert_int_equal(memcg_set_oom_handler(mid, NULL), 0);
	assert_null(memcg_alloc(low, 1000, 0, 0));
	from_reserve[0] = memcg_alloc(low, 1000, 0, MEMCG_RESERVE);
	assert_non_null(from_reserve[0]);
	assert_null(memcg_alloc(low, 4 * MIB, 0, MEMCG_RESERVE));
	memcg_free(from_reserve[0]);
	memcg_uncharge(full);
}

static void test_bad_configs(void **state)
{
	struct {
		struct memcg_oom_config c;
		u64 more;
	} big = {.c = {.size = sizeof(big), .oom = handler}};
	struct memcg_oom_config c = MEMCG_OOM_CONFIG_INIT;

	(void)state;
	assert_int_equal(memcg_set_oom_handler(mid, &c), -EINVAL); /* no function */
	c.oom = handler;
	c.flags = 2;
	assert_int_equal(memcg_set_oom_handler(mid, &c), -EINVAL);
	c.flags = 0;
	c.size = 8;
	assert_int_equal(memcg_set_oom_handler(mid, &c), -EINVAL);
	c.size = 5000;
	assert_int_equal(memcg_set_oom_handler(mid, &c), -E2BIG);
	big.more = 1;
	assert_int_equal(memcg_set_oom_handler(mid, &big.c), -E2BIG);
	assert_false(oom_handled(mid));
	big.more = 0;
	assert_int_equal(memcg_set_oom_handler(mid, &big.c), 0);
	assert_true(oom_handled(low));
	c.size = offsetof(struct memcg_oom_config, arg); /* a program that knows of no more */
	c.flags = 2;
	assert_int_equal(memcg_set_oom_handler(mid, &c), 0);
}

/* ---- one at a time ---- */

static u32 in_handler, go_on;

static unsigned waiting(struct memcg *limited, uint64_t wanted, void *arg)
{
	(void)limited;
	(void)wanted;
	(void)arg;
	atomic_add(&calls, 1u);
	atomic_store_release(&in_handler, 1u);
	while (!atomic_load_acquire(&go_on))
		usleep(1000);
	return MEMCG_OOM_FAIL;
}

static void *charger(void *arg)
{
	(void)arg;
	memcg_leave(memcg_enter(NULL));
	assert_null(memcg_charge(low, 2 * MIB));
	return NULL;
}

static void *setter(void *arg)
{
	memcg_set_oom_handler(mid, NULL);
	atomic_store_release((u32 *)arg, 1u);
	return NULL;
}

static void start_waiting(pthread_t *t)
{
	struct memcg_oom_config c = MEMCG_OOM_CONFIG_INIT;

	c.oom = waiting;
	c.flags = MEMCG_OOM_INLINE;
	calls = in_handler = go_on = 0;
	assert_int_equal(memcg_set_oom_handler(mid, &c), 0);
	memcg_set_limit(mid, MEMCG_MAX, MIB);
	assert_int_equal(pthread_create(t, NULL, charger, NULL), 0);
	while (!atomic_load_acquire(&in_handler))
		usleep(1000);
}

/* Who finds it running waits a little and is refused; who replaces it waits until it is back. */
static void test_one_at_a_time(void **state)
{
	pthread_t running, replacing;
	u32 replaced = 0;

	(void)state;
	start_waiting(&running);
	sys_fault_arm(SYS_FAULT_FUTEX, UINT64_MAX, 0, 0, 0); /* counts them */
	assert_null(memcg_charge(low, 2 * MIB));
	assert_true(sys_fault_seen(SYS_FAULT_FUTEX) > 1);
	sys_fault_disarm_all();
	assert_int_equal(atomic_load(&calls), 1);
	assert_int_equal(pthread_create(&replacing, NULL, setter, &replaced), 0);
	usleep(20000);
	assert_int_equal(atomic_load_acquire(&replaced), 0);
	atomic_store_release(&go_on, 1u);
	pthread_join(running, NULL);
	pthread_join(replacing, NULL);
	assert_int_equal(replaced, 1);
	assert_null(memcg_charge(low, 2 * MIB));
	assert_int_equal(calls, 1);
}

/* A handler that another thread of the parent was running is free in the child. */
static void test_fork_while_it_runs(void **state)
{
	pthread_t running;
	int status;
	pid_t pid;

	(void)state;
	start_waiting(&running);
	pid = fork();
	if (!pid) {
		atomic_store(&go_on, 1u);
		atomic_store(&calls, 0u);
		if (memcg_charge(low, 2 * MIB) || calls != 1)
			_exit(1);
		_exit(memcg_set_oom_handler(mid, NULL) ? 2 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	atomic_store_release(&go_on, 1u);
	pthread_join(running, NULL);
}

static unsigned replaces_itself(struct memcg *limited, uint64_t wanted, void *arg)
{
	(void)wanted;
	(void)arg;
	calls++;
	return memcg_set_oom_handler(limited, NULL) ? 99 : MEMCG_OOM_FAIL;
}

static void test_from_its_own_call(void **state)
{
	struct memcg_oom_config c = MEMCG_OOM_CONFIG_INIT;

	(void)state;
	c.oom = replaces_itself;
	c.flags = MEMCG_OOM_INLINE;
	calls = 0;
	assert_int_equal(memcg_set_oom_handler(mid, &c), 0);
	memcg_set_limit(mid, MEMCG_MAX, MIB);
	assert_null(memcg_charge(low, 2 * MIB));
	assert_null(memcg_charge(low, 2 * MIB));
	assert_int_equal(calls, 1);
}

static unsigned makes_room(struct memcg *limited, uint64_t wanted, void *arg)
{
	(void)wanted;
	(void)arg;
	errno = EDOM;
	memcg_set_limit(limited, MEMCG_MAX, 4 * MIB);
	return MEMCG_OOM_RETRY;
}

static void test_errno_is_left(void **state)
{
	struct memcg_oom_config c = MEMCG_OOM_CONFIG_INIT;
	void *p;

	(void)state;
	c.oom = makes_room;
	c.flags = MEMCG_OOM_INLINE;
	assert_int_equal(memcg_set_oom_handler(mid, &c), 0);
	memcg_set_limit(mid, MEMCG_MAX, MIB);
	errno = 0;
	p = memcg_malloc_in(low, 2 * MIB);
	assert_non_null(p);
	assert_int_equal(errno, 0);
	memcg_free(p);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, make_groups, drop_groups)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_asked_before_a_refusal),
		TEST(test_the_nearest_one_decides),
		TEST(test_owed_to_memcg_leave),
		TEST(test_not_asked_twice_about_one_refusal),
		TEST(test_what_has_room_by_then_is_not_asked),
		TEST(test_kills_are_counted),
		TEST(test_groups_go_whole),
		TEST(test_a_liar_is_asked_only_so_often),
		TEST(test_lowering_max_asks),
		TEST(test_the_reserve),
		TEST(test_bad_configs),
		TEST(test_one_at_a_time),
		TEST(test_fork_while_it_runs),
		TEST(test_from_its_own_call),
		TEST(test_errno_is_left),
	};

	memcg_leave(memcg_enter(NULL)); /* this thread has a record */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
