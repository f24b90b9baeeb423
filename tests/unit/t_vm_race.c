/*
 * t_vm_race.c - two threads at one page, window or group, one of them held between two steps: what
 * comes about by chance once in a million, by hand. Debug builds have the hook points.
 */
#include "vm_fixture.h"

#include <pthread.h>
#include <sched.h>

#include "effort.h"
#include "group/owner.h"
#include "group/vm.h"
#include "vm/move.h"
#include "vm/reclaim.h"
#include "vm/rmap.h"

static char *range;
static pthread_t thread;

static void start(void *(*fn)(void *))
{
	CHECK(!pthread_create(&thread, NULL, fn, NULL));
}

static void join(void)
{
	CHECK(!pthread_join(thread, NULL));
}

static char *map_shared(struct memcg_mm *m, size_t npages)
{
	char *p = memcg_mmap(m, npages << PAGE_SHIFT, RW, MEMCG_MAP_SHARED, NULL, 0);

	CHECK(p);
	return p;
}

/* --- by chance: any build ------------------------------------------------------------------ */

static u32 done;

static void *evict_all(void *arg)
{
	while (!atomic_load(&done)) {
		(void)managed_pages.scan(cg, MIB, RECLAIM_ANY);
		sched_yield();
	}
	return arg;
}

/* Windows of the same pages come and go while these are taken out of them. */
static void test_windows_come_and_go(void)
{
	rules_set_up();
	range = map_shared(mm, 8);
	memset(range, 1, 8 * PAGE_SIZE);
	start(evict_all);
	for (unsigned i = 0; i < effort(5000); i++) {
		char *p = memcg_mmap_same(mm, range, 8 * PAGE_SIZE, RW, 0);

		CHECK(p);
		for (size_t k = 0; k < 8; k++)
			CHECK(p[k << PAGE_SHIFT] == 1);
		CHECK(!memcg_munmap(mm, p, 8 * PAGE_SIZE));
	}
	atomic_store(&done, 1u);
	join();
	CHECK(!memcg_munmap(mm, range, 8 * PAGE_SIZE) && !managed_resident());
	rules_end();
}

#ifdef MEMCG_DEBUG
static char *second;
static struct memcg_mm *mm2;

/* What the other thread has come to; written by one, waited for by the other. */
static u32 step;

static void now_at(u32 n)
{
	atomic_store_release(&step, n);
}

static void wait_for(u32 n)
{
	while (atomic_load_acquire(&step) < n)
		sched_yield();
}

/* --- a window ends while a page of it is taken out ---------------------------------------- */

static void *unmap_all(void *arg)
{
	CHECK(!memcg_munmap(mm, range, 4 * PAGE_SIZE));
	return arg;
}

/* Until munmap is through with it: it has given up the reference of being mapped, and its own. */
static void window_goes(void)
{
	struct window *w = block_at((uintptr_t)range)->window;
	u64 refs = atomic_load(&w->refs);

	hook_unmapped_in = NULL;
	start(unmap_all);
	while (atomic_load(&w->refs) != refs - 1)
		sched_yield();
}

/* Shared memory: of private memory munmap would wait for the page. */
static void test_window_ends_meanwhile(void)
{
	rules_set_up();
	range = map_shared(mm, 4);
	memset(range, 1, 4 * PAGE_SIZE);
	hook_unmapped_in = window_goes;
	(void)managed_pages.scan(cg, PAGE_SIZE, RECLAIM_ANY);
	CHECK(!hook_unmapped_in);
	join();
	CHECK(!STAT(cg, anon) && !STAT(cg, shmem) && !managed_resident());
	rules_end();
}

/* --- the owner changes while a mapping is taken off --------------------------------------------
 */

enum { MOVER_WAITS = 1, MAPPED_AGAIN, MOVED };

static struct memcg_move moved;

static void *move_second(void *arg)
{
	CHECK(!memcg_mm_move(mm2, other, MEMCG_MOVE_ANON | MEMCG_MOVE_FILE, &moved, sizeof(moved)));
	now_at(MOVED);
	return arg;
}

/* At a page of the first range: the mm is the target's, and nothing waits for readers any more. */
static void mover_waits(void)
{
	hook_move_chosen = NULL;
	now_at(MOVER_WAITS);
	wait_for(MAPPED_AGAIN);
}

/* A third thread: the one at the hook has a table's lock, and may not wait for a page's. */
static void *map_and_unmap(void *arg)
{
	CHECK(second[0] == 1);
	now_at(MAPPED_AGAIN);
	wait_for(MOVED);
	CHECK(!memcg_madvise(mm2, second, PAGE_SIZE, MEMCG_DONTNEED));
	return arg;
}

/* As often mapped as before, and another group's. */
static void owner_changes(void)
{
	pthread_t t;

	hook_owner_read = NULL;
	CHECK(!pthread_create(&t, NULL, map_and_unmap, NULL));
	CHECK(!pthread_join(t, NULL));
}

static void test_owner_changes_meanwhile(void)
{
	char *p;

	rules_set_up();
	mm2 = memcg_mm_create(cg);
	p = memcg_mmap(mm2, PAGE_SIZE, RW, 0, NULL, 0);
	CHECK(p);
	p[0] = 1;
	range = map_shared(mm, 1);
	range[0] = 1;
	second = memcg_mmap_same(mm2, range, PAGE_SIZE, RW, 0);
	CHECK(second && STAT(cg, file_mapped) == PAGE_SIZE);
	hook_move_chosen = mover_waits;
	start(move_second);
	wait_for(MOVER_WAITS);
	hook_owner_read = owner_changes;
	CHECK(!memcg_munmap(mm, range, PAGE_SIZE));
	CHECK(!hook_owner_read);
	join();
	CHECK(moved.moved == 2 * PAGE_SIZE && STAT(other, shmem) == PAGE_SIZE);
	CHECK(!STAT(cg, file_mapped) && !STAT(other, file_mapped));
	memcg_mm_destroy(mm2);
	rules_end();
}

/* --- the mm goes to another group while its payer is looked up ------------------------------- */

enum { READER_LEAVES = 1, MOVER_PAST };

static u64 epoch;
static const struct handle *old;
static bool waited;

static void *move_first(void *arg)
{
	CHECK(!memcg_mm_move(mm, other, MEMCG_MOVE_ANON, NULL, 0));
	return arg;
}

/* Nobody who has read the old handle is about to pin it. */
static void mover_lets_go(void)
{
	waited = atomic_load_acquire(&step) == READER_LEAVES;
	now_at(MOVER_PAST);
}

/* In the middle of mm_payer: until the mover has begun to wait for us, or has not waited. */
static void payer_is_read(void)
{
	hook_payer_read = NULL;
	epoch = atomic_load(&rcu_epoch);
	start(move_first);
	while (atomic_load(&mm->handle) == old ||
	       (atomic_load(&rcu_epoch) == epoch && atomic_load_acquire(&step) != MOVER_PAST))
		sched_yield();
	if (atomic_load_acquire(&step) != MOVER_PAST)
		now_at(READER_LEAVES);
}

static void test_payer_changes_meanwhile(void)
{
	rules_set_up();
	range = map(2);
	old = mm->handle;
	hook_payer_read = payer_is_read;
	hook_move_lets_go = mover_lets_go;
	CHECK(!memcg_pin(range, PAGE_SIZE));
	join();
	CHECK(!hook_payer_read && waited && mm->handle == other->handle);
	memcg_unpin(range, PAGE_SIZE);
	rules_end();
	CHECK(!held(other));
}

/* --- the group dies while a page of its is about to join its list ------------------------------
 */

static struct memcg *child;

static void offline(void)
{
	now_at(1);
}

static void *end_child(void *arg)
{
	CHECK(!memcg_destroy(child));
	return arg;
}

static void group_dies(void)
{
	hook_lruvec_found = NULL;
	start(end_child);
	wait_for(1);
}

/* What it would join there nobody would find again. */
static void test_group_dies_meanwhile(void)
{
	set_up();
	child = memcg_create(cg, "child");
	mm = memcg_mm_create(child);
	CHECK(child && mm);
	range = map(2);
	range[0] = 1;
	hook_group_offline = offline;
	hook_lruvec_found = group_dies;
	CHECK(!memcg_pin(range + PAGE_SIZE, PAGE_SIZE));
	join();
	CHECK(!hook_lruvec_found);
	CHECK(lru_bytes(&cg->vm->lru, LRU_ACTIVE_ANON) == 2 * PAGE_SIZE);
	memcg_unpin(range + PAGE_SIZE, PAGE_SIZE);
	CHECK(!memcg_madvise(mm, range, 2 * PAGE_SIZE, MEMCG_PAGEOUT) && !STAT(cg, anon));
	rules_end();
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(test_windows_come_and_go),
#ifdef MEMCG_DEBUG
		FAULTS_TEST(test_window_ends_meanwhile),
		FAULTS_TEST(test_owner_changes_meanwhile),
		FAULTS_TEST(test_payer_changes_meanwhile),
		FAULTS_TEST(test_group_dies_meanwhile),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
