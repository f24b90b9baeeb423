/* t_thread.c - records of threads: who pays, what a thread leaves behind, forks. */
#include "alloc_fixture.h"

#include <errno.h>

#include <memcg/page.h>

static void run(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	CHECK(!pthread_create(&thread, NULL, fn, arg) && !pthread_join(thread, NULL));
}

static void entering_and_leaving(void)
{
	struct memcg *before, *middle;

	CHECK((cg = memcg_create(NULL, "a")) && (other = memcg_create(NULL, "b")));
	CHECK(memcg_active() == memcg_root());
	before = memcg_enter(cg);
	CHECK(before == memcg_root() && memcg_active() == cg);
	middle = memcg_enter(other);
	CHECK(middle == cg && memcg_malloc(100) && held(other) == 116 && !held(cg));
	memcg_leave(middle);
	CHECK(memcg_active() == cg && memcg_malloc(100) && held(cg) == 116);
	{
		MEMCG_SCOPE(other);
		CHECK(memcg_active() == other);
	}
	CHECK(memcg_active() == cg);
	memcg_leave(before);
	CHECK(memcg_active() == memcg_root());
	memcg_leave(memcg_get(cg));
	memcg_leave(NULL);
	CHECK(memcg_active() == memcg_root());
	CHECK(memcg_enter(NULL) == memcg_root());
}

/* The active group is destroyed under a thread: its parent pays. */
static void the_active_group_goes(void)
{
	struct memcg *child;
	void *p;

	set_up();
	CHECK((child = memcg_create(cg, "c")));
	memcg_leave(memcg_get(child));
	CHECK(memcg_malloc(100) && !memcg_destroy(child) && held(cg) == 116);
	CHECK((p = memcg_malloc(100)) && memcg_owner_id(p) == memcg_id(cg) && held(cg) == 232);
	for (int i = 0; i < 200; i++)
		CHECK(memcg_malloc(1024));
	closes();
}

static void *own_and_shared[40];

static void *leave_objects(void *arg)
{
	(void)arg;
	memcg_leave(memcg_get(cg));
	for (int i = 0; i < 40; i++)
		CHECK((own_and_shared[i] = memcg_malloc(1024)));
	for (int i = 5; i < 16; i++) /* eleven of the shared slab's */
		memcg_free(own_and_shared[i]);
	return NULL;
}

static void *take_over(void *arg)
{
	void *p;

	(void)arg;
	memcg_leave(memcg_get(other));
	CHECK((p = memcg_malloc(1024)) && slab_of(p) == slab_of(own_and_shared[0]));
	CHECK(memcg_owner_id(p) == memcg_id(other));
	memcg_free(p);
	return NULL;
}

/* What a thread leaves others take; its own slabs stay charged until they are empty or sparse. */
static void a_threads_slabs_are_orphaned(void)
{
	u64 orphaned;
	u32 threads;

	set_up();
	threads = task_count();
	orphaned = slab_counts.orphaned;
	run(leave_objects, NULL);
	CHECK(task_count() == threads && slab_counts.orphaned > orphaned);
	for (int i = 0; i < 40; i++)
		CHECK(i == 5 || (i > 5 && i < 16) || !slab_holder(slab_of(own_and_shared[i])));
	closes();
	run(take_over, NULL);
	closes();
	for (int i = 0; i < 40; i++)
		if (i < 5 || i >= 16)
			memcg_free(own_and_shared[i]);
	CHECK(!held(cg) && !held(other));
	closes();
}

static void *little(void *arg)
{
	void *p[20];

	memcg_leave(memcg_get(arg ? cg : other));
	for (int i = 0; i < 20; i++)
		CHECK((p[i] = memcg_malloc(16u << i % 8)));
	for (int i = 0; i < 20; i++)
		memcg_free(p[i]);
	return NULL;
}

static void ten_thousand_threads(void)
{
	u32 chunks, threads;
	u64 meta;

	set_up();
	for (int i = 0; i < 200; i++)
		run(little, i % 2 ? &chunks : NULL);
	chunks = regn.chunks;
	meta = meta_bytes;
	threads = task_count();
	for (u32 i = 0; i < effort(9800); i++)
		run(little, i % 2 ? &chunks : NULL);
	CHECK(regn.chunks == chunks && meta_bytes <= meta + 256 * KIB);
	CHECK(task_count() == threads && !held(cg) && !held(other));
	closes();
}

/* The program's words run at the very end of a thread, when the last reference to its group is
 * dropped: they may allocate and free. */
static void *dropped;

static void allocate_at_the_end(void *data)
{
	void *p[200];

	memcg_free(data);
	for (int i = 0; i < 200; i++)
		p[i] = memcg_malloc(16u << i % 8);
	for (int i = 0; i < 200; i++)
		if (p[i])
			memset(p[i], 1, 16u << i % 8);
	for (int i = 0; i < 200; i++)
		memcg_free(p[i]);
	dropped = data;
}

static void *die_in_a_dead_group(void *arg)
{
	struct memcg *mine = memcg_create(NULL, "mine");

	(void)arg;
	memcg_leave(memcg_get(mine));
	memcg_set_data(mine, memcg_malloc(16), allocate_at_the_end);
	for (int i = 0; i < 3000; i++) /* slabs of its own for the smallest, too */
		CHECK(memcg_malloc(16));
	CHECK(!memcg_destroy(mine));
	return NULL;
}

static void the_last_reference_goes_with_a_thread(void)
{
	set_up();
	for (int i = 0; i < 50; i++) {
		dropped = NULL;
		run(die_in_a_dead_group, NULL);
		CHECK(dropped);
	}
	closes();
}

/* Destructors of the program's keys run in any order with ours. */
static pthread_key_t key;
static u32 late;

static void late_destructor(void *arg)
{
	void *p = memcg_malloc(100);

	CHECK(p);
	memcg_free(p);
	memcg_free(arg);
	atomic_add(&late, 1u);
}

static void *with_a_late_destructor(void *arg)
{
	(void)arg;
	CHECK(!pthread_setspecific(key, memcg_malloc(50)));
	return NULL;
}

static void destructors_after_ours_allocate(void)
{
	u32 threads;

	set_up();
	CHECK(!pthread_key_create(&key, late_destructor));
	threads = task_count();
	for (int i = 0; i < 100; i++)
		run(with_a_late_destructor, NULL);
	CHECK(late == 100 && task_count() == threads && !held(cg));
	closes();
}

/* ---- limits: what others hold is asked for ---- */
static u32 phase;

static void *hold_empty(void *arg)
{
	static void *p[2000];

	(void)arg;
	memcg_leave(memcg_get(cg));
	for (int i = 0; i < 2000; i++)
		CHECK((p[i] = memcg_malloc(1024)));
	for (int i = 0; i < 2000; i++)
		memcg_free(p[i]);
	atomic_store(&phase, 1u);
	while (atomic_load(&phase) < 2)
		sched_yield();
	CHECK(memcg_malloc(50000)); /* any slow path, after which nothing is kept */
	CHECK(memcg_malloc(5000));
	atomic_store(&phase, 3u);
	while (atomic_load(&phase) < 4)
		sched_yield();
	return NULL;
}

static void other_threads_give_back_when_asked(void)
{
	pthread_t thread;

	cg = memcg_create(NULL, "a");
	CHECK(!pthread_create(&thread, NULL, hold_empty, NULL));
	while (atomic_load(&phase) < 1)
		sched_yield();
	memcg_leave(memcg_get(cg));
	CHECK(held(cg) > 16 * KIB);
	CHECK(memcg_reclaim(cg, 1) <= 0);
	atomic_store(&phase, 2u);
	while (atomic_load(&phase) < 3)
		sched_yield();
	CHECK(held(cg) == ALIGN_UP(50000ul, PAGE_SIZE) + 5120 + 4);
	atomic_store(&phase, 4u);
	pthread_join(thread, NULL);
	closes();
}

/* ---- fork ---- */
static u32 stop;

static void *busy(void *arg)
{
	u64 seed = (uintptr_t)arg;
	void *p[64] = {NULL};

	memcg_leave(memcg_get(cg));
	while (!atomic_load(&stop)) {
		unsigned k = next_random(&seed) % 64;

		memcg_free(p[k]);
		p[k] = memcg_malloc(next_random(&seed) % 70000);
	}
	for (int i = 0; i < 64; i++)
		memcg_free(p[i]);
	return NULL;
}

static void in_the_child(void *mine)
{
	static void *p[2000];
	u64 seed = 5;

	CHECK(task_count() == 1);
	memcg_free(mine);
	for (int i = 0; i < 2000; i++)
		CHECK((p[i] = memcg_malloc(next_random(&seed) % 40000)));
	for (int i = 0; i < 2000; i++)
		memcg_free(p[i]);
#ifndef SANITIZED /* whose own malloc is not at rest in a fork */
	run(little, NULL);
#endif
	CHECK(memcg_create(cg, "c"));
	_exit(0);
}

static void forks_in_the_middle_of_threads(void)
{
	pthread_t thread[3];

	set_up();
	for (uintptr_t i = 0; i < 3; i++)
		CHECK(!pthread_create(&thread[i], NULL, busy, (void *)(i + 1)));
	for (u32 i = 0; i < effort(30); i++) {
		void *mine = memcg_malloc(300);
		int status;
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (!pid)
			in_the_child(mine);
		CHECK(waitpid(pid, &status, 0) == pid && !status);
		memcg_free(mine);
	}
	atomic_store(&stop, 1u);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	CHECK(!held(cg));
	closes();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(entering_and_leaving),
		PAGE_TEST(the_active_group_goes),
		PAGE_TEST(a_threads_slabs_are_orphaned),
		PAGE_TEST(ten_thousand_threads),
		PAGE_TEST(the_last_reference_goes_with_a_thread),
		PAGE_TEST(destructors_after_ours_allocate),
		PAGE_TEST(other_threads_give_back_when_asked),
		PAGE_TEST(forks_in_the_middle_of_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
