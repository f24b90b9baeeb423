/* t_move_race.c - moving pages that somebody else has in hand, and what happens meanwhile. */
#include "move_scene.h"

#include <sched.h>

static void busy_pages_stay(void)
{
	struct memcg_move r;
	struct page *pg;
	char *p;

	two_mms(false);
	p = range(mm, 100, 0);
	fill(p, 100, CONTENT_TEXT);
	pg = page_of(p + 40 * PAGE_SIZE);
	CHECK(page_trylock(pg, PAGE_BUSY));
	r = move_to(other, MOVE_ALL);
	page_unlock(pg);
	CHECK(r.moved == 99 * PAGE_SIZE && r.busy == PAGE_SIZE);
	CHECK(held(cg) == PAGE_SIZE && held(other) == 100 * PAGE_SIZE);
	closes();
	r = move_to(cg, MOVE_ALL); /* one is there, and not other's */
	CHECK(r.moved == 99 * PAGE_SIZE && r.not_ours == PAGE_SIZE);
	closes();
	tear_down();
}

/* What the system alone knows to be written is dirty when it arrives, before anybody asks. */
static void writes_are_looked_for(void)
{
	struct scene s;

	scene_set(&s);
	clean(&s, CACHED);
	CHECK(!(page_of(s.p)->managed.flags & MG_DIRTY));
	*(volatile char *)s.p = *(volatile char *)s.p;
	CHECK(!(page_of(s.p)->managed.flags & MG_DIRTY)); /* not seen by us */
	CHECK(move_to(s.to, MOVE_ALL).moved == (u64)N << PAGE_SHIFT);
	CHECK(page_of(s.p)->managed.flags & MG_DIRTY);
	CHECK(STAT(s.to, file_dirty) == PAGE_SIZE && !STAT(s.from, file_dirty));
	scene_strike(&s);
}

/* Dropped while somebody holds it: not the range's any more. */
static void a_dropped_page_stays(void)
{
	struct memcg_move r;
	struct page *pg;
	char *p;

	two_mms(false);
	p = range(mm, 10, 0);
	fill(p, 10, CONTENT_TEXT);
	advise(mm, p, 10, MEMCG_COLD);
	pg = page_of(p + 4 * PAGE_SIZE);
	page_get(pg);
	object_drop(pg->managed.object, pg->managed.index, 1); /* as the end of a file does */
	CHECK(pg->managed.flags & MG_DROPPED);
	r = move_to(other, MOVE_ALL);
	CHECK(r.moved == 9 * PAGE_SIZE && !r.busy && !r.not_ours);
	CHECK(held(cg) == PAGE_SIZE);
	closes();
	page_put(pg);
	tear_down();
}

/* Pinned ones move: whoever holds a page for input and output does not care who pays. */
static void pinned_pages_move(void)
{
	char *p;

	two_mms(false);
	p = range(mm, 10, 0);
	fill(p, 10, CONTENT_TEXT);
	CHECK(!memcg_pin(p, 10 * PAGE_SIZE));
	CHECK(move_to(other, MOVE_ALL).moved == 10 * PAGE_SIZE);
	memcg_unpin(p, 10 * PAGE_SIZE);
	CHECK(held(other) == 11 * PAGE_SIZE && !held(cg));
	closes();
	tear_down();
}

/* --- between two steps --------------------------------------------------------------- */

#ifdef MEMCG_DEBUG

static void *(*meanwhile)(void *); /* what another thread does at the hook, once */
static unsigned hooked;
static struct scene stage;

/* The mover holds a table's lock: what needs one is another thread's to do. */
static void do_meanwhile(void)
{
	pthread_t t;

	if (hooked++)
		return;
	CHECK(!pthread_create(&t, NULL, meanwhile, NULL));
	CHECK(!pthread_join(t, NULL));
}

static void set_stage(void *(*fn)(void *))
{
	scene_set(&stage);
	meanwhile = fn;
	hooked = 0;
	hook_move_halfway = do_meanwhile;
}

static char *second_at; /* the other window */

static void *unmap_second(void *arg)
{
	CHECK(!memcg_munmap(stage.second, second_at, (size_t)N << PAGE_SHIFT));
	return arg;
}

/* Mapped here and elsewhere, where it is unmapped when it is in no statistic: it stays mapped. */
static void unmapped_elsewhere_meanwhile(void)
{
	set_stage(unmap_second);
	touched(&stage, SHMEM, 0);
	stage.second = memcg_mm_create(stage.third);
	second_at = map_again(stage.second, stage.p);
	is_filled(second_at, N, stage.content);
	CHECK(move_to(stage.to, MOVE_ALL).moved == (u64)N << PAGE_SHIFT && hooked == N);
	CHECK(STAT(stage.to, file_mapped) == (u64)N << PAGE_SHIFT &&
	      !STAT(stage.from, file_mapped));
	closes();
	CHECK(!memcg_munmap(mm, stage.p, (size_t)N << PAGE_SHIFT));
	CHECK(!STAT(stage.to, file_mapped) && !STAT(stage.parent, file));
	scene_strike(&stage);
}

/*
 * What sank the first patch: a page that only others map loses its last mapping when it is in no
 * statistic, so that it is taken off the old group's. It is left alone.
 */
static void mapped_elsewhere_alone_is_left(void)
{
	struct memcg_move r;

	set_stage(unmap_second);
	touched(&stage, SHMEM, 0);
	stage.second = memcg_mm_create(stage.third);
	second_at = map_again(stage.second, stage.p);
	is_filled(second_at, N, stage.content);
	advise(mm, stage.p, N, MEMCG_DONTNEED);
	r = move_to(stage.to, MOVE_ALL);
	CHECK(!hooked && !r.moved && r.mapped_elsewhere == (u64)N << PAGE_SHIFT);
	(void)unmap_second(NULL);
	CHECK(!STAT(stage.from, file_mapped) && !STAT(stage.to, file_mapped));
	CHECK(STAT(stage.from, shmem) == (u64)N << PAGE_SHIFT);
	closes();
	scene_strike(&stage);
}

static pthread_t toucher;
static volatile bool has_touched;

static void *touch_first(void *arg)
{
	CHECK(page_is(stage.p, 1, stage.content));
	has_touched = true;
	return arg;
}

/* Until it waits for the page, or has not had to. */
static void touch_meanwhile(void)
{
	struct page *pg = page_of(stage.p);

	if (hooked++)
		return;
	CHECK(!pthread_create(&toucher, NULL, touch_first, NULL));
	while (!has_touched && !(atomic_load(&pg->managed.lock) & PAGE_LOCK_WAITERS))
		sched_yield();
	CHECK(!has_touched);
}

/* Mapped nowhere and locked: a fault waits until it is the target's, and is counted there. */
static void a_fault_waits(void)
{
	set_stage(NULL);
	hook_move_halfway = touch_meanwhile;
	stage.p = map_first(&stage, SHMEM, mm, 0);
	fill(stage.p, 1, stage.content); /* no neighbours, which a fault would map too */
	advise(mm, stage.p, 1, MEMCG_COLD);
	CHECK(!STAT(stage.from, file_mapped));
	CHECK(move_to(stage.to, MOVE_ALL).moved == PAGE_SIZE);
	CHECK(!pthread_join(toucher, NULL));
	CHECK(STAT(stage.to, file_mapped) == PAGE_SIZE && !STAT(stage.from, file_mapped));
	closes();
	scene_strike(&stage);
}

static void *end_from(void *arg)
{
	CHECK(!memcg_destroy(stage.from));
	return arg;
}

static void *end_to(void *arg)
{
	CHECK(!memcg_destroy(stage.to));
	return arg;
}

static void *end_all(void *arg)
{
	CHECK(!memcg_destroy(stage.from) && !memcg_destroy(stage.to));
	CHECK(!memcg_destroy(stage.third) && !memcg_destroy(stage.parent));
	return arg;
}

/* Some in memory, some compressed, half of the tables' worth of both; groups end at the first. */
static void ends_halfway(void *(*fn)(void *), struct memcg *expect)
{
	struct memcg_move r;

	meanwhile = fn;
	stage.content = CONTENT_TEXT;
	touched(&stage, ANON, 0);
	advise(mm, stage.p + 50 * PAGE_SIZE, 10, MEMCG_PAGEOUT);
	r = move_to(stage.to, MOVE_ALL);
	CHECK(r.moved == (u64)N << PAGE_SHIFT && hooked);
	CHECK(swap_of(expect) == 10 * PAGE_SIZE);
	closes();
	is_filled(stage.p, N, stage.content);
	closes();
	memcg_mm_destroy(mm);
	closes();
}

static void from_ends_halfway(void)
{
	set_stage(NULL);
	ends_halfway(end_from, stage.to);
	CHECK(!held(stage.parent) && !held(stage.to));
}

static void to_ends_halfway(void)
{
	set_stage(NULL);
	ends_halfway(end_to, stage.parent);
	CHECK(!held(stage.parent) && !held(stage.from));
}

/* Target, source and the ancestor that they had in common: all is the root's. */
static void all_end_halfway(void)
{
	set_stage(NULL);
	ends_halfway(end_all, memcg_root());
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(busy_pages_stay),
		FAULTS_TEST(writes_are_looked_for),
		FAULTS_TEST(a_dropped_page_stays),
		FAULTS_TEST(pinned_pages_move),
#ifdef MEMCG_DEBUG
		FAULTS_TEST(unmapped_elsewhere_meanwhile),
		FAULTS_TEST(mapped_elsewhere_alone_is_left),
		FAULTS_TEST(a_fault_waits),
		FAULTS_TEST(from_ends_halfway),
		FAULTS_TEST(to_ends_halfway),
		FAULTS_TEST(all_end_halfway),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
