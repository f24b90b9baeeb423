/*
 * t_race.c - what comes between the steps of charging and of freeing, brought about by hand: a hook
 * point holds this thread (debug builds) while another switches accounting off, destroys the group
 * that pays, or asks who owns what is on its way. Whatever it is, bytes that were charged have a
 * mark, and what had a mark is credited to whoever inherited it.
 *
 * Others are where their subject is: t_owner_word.c (the vector comes between, the group dies
 * between), t_reparent.c (destroying, charging, folding), t_tryget.c, t_recharge.c, t_pipe.c.
 */
#include "alloc_fixture.h"

#include <memcg/page.h>

#include "sys/map.h"

static void switch_accounting(const char *to)
{
	CHECK(!memcg_write(memcg_root(), "memory.accounting", to, 1));
}

#ifdef MEMCG_DEBUG

/* ---- the other thread, while this one is held ---- */

static struct memcg *going; /* below cg */
static bool met;

static void *in_another_thread(void *(*run)(void *), void *arg)
{
	pthread_t thread;
	void *result;

	met = true;
	CHECK(!pthread_create(&thread, NULL, run, arg) && !pthread_join(thread, &result));
	return result;
}

static void *switch_off(void *arg)
{
	switch_accounting("0");
	return arg;
}

static void *destroy_going(void *arg)
{
	CHECK(!memcg_destroy(going));
	return arg;
}

static void *get_page(void *page)
{
	return memcg_page_tryget(page) ? page : NULL;
}

static void *owner_of(void *p)
{
	return memcg_owner(p);
}

/* cg's child is active, and nothing is charged anywhere. */
static void make_child(void)
{
	set_up();
	CHECK((going = memcg_create(cg, "going")));
	memcg_leave(memcg_get(going));
	met = false;
}

/* What this thread still holds empty, and what CPUs hold, is nobody's business here. */
static u64 left_in(struct memcg *g)
{
	memcg_reclaim(NULL, MEMCG_UNLIMITED);
	return held(g);
}

static void nothing_is_left(void)
{
	CHECK(met);
	switch_accounting("1");
	CHECK(!left_in(cg) && !left_in(other));
	closes();
}

/* ---- freeing pages: the count is 0, the mark has not been looked at ---- */

static struct memcg_page *dropped;

static void off_after_the_drop(void)
{
	hook_page_dropped = NULL;
	in_another_thread(switch_off, NULL);
}

static void gone_after_the_drop(void)
{
	hook_page_dropped = NULL;
	in_another_thread(destroy_going, NULL);
}

static void got_after_the_drop(void)
{
	hook_page_dropped = NULL;
	CHECK(!in_another_thread(get_page, dropped));
}

static void put_it(void)
{
	memcg_page_put(dropped);
}

static void release_it(void)
{
	struct memcg_page *two[] = {dropped, NULL};

	memcg_pages_release(two, 2);
}

static void dropped_by(void (*drop)(void), void (*between)(void))
{
	make_child();
	CHECK((dropped = memcg_pages_alloc(1, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT)));
	hook_page_dropped = between;
	drop();
	nothing_is_left();
}

static void switched_off_after_a_put(void)
{
	dropped_by(put_it, off_after_the_drop);
}

static void switched_off_in_a_release(void)
{
	dropped_by(release_it, off_after_the_drop);
}

static void destroyed_after_a_put(void)
{
	dropped_by(put_it, gone_after_the_drop);
}

static void destroyed_in_a_release(void)
{
	dropped_by(release_it, gone_after_the_drop);
}

/* The page is on its way out, whoever has its address. */
static void asked_for_after_a_put(void)
{
	dropped_by(put_it, got_after_the_drop);
}

static void asked_for_in_a_release(void)
{
	dropped_by(release_it, got_after_the_drop);
}

/* ---- allocating: charged, and no mark says so ---- */

static void off_after_the_charge(void)
{
	hook_page_charged = hook_object_charged = NULL;
	in_another_thread(switch_off, NULL);
}

static void gone_after_the_charge(void)
{
	hook_page_charged = hook_object_charged = NULL;
	in_another_thread(destroy_going, NULL);
}

/* The mark is set, because it was charged; nobody asks again whether it should have been. */
static void charged_object(size_t size, void (*between)(void), struct memcg **payer)
{
	struct memcg *owner;
	void *p;

	make_child();
	hook_page_charged = hook_object_charged = between;
	CHECK((p = memcg_malloc(size)) && met);
	CHECK((owner = memcg_owner(p)) == *payer);
	memcg_put(owner);
	CHECK(held(cg) >= size);
	memcg_free(p);
	nothing_is_left();
}

static void switched_off_before_the_mark(void)
{
	charged_object(100000, off_after_the_charge, &going);
}

static void destroyed_before_the_mark(void)
{
	charged_object(100000, gone_after_the_charge, &cg);
}

static void switched_off_before_the_entry(void)
{
	charged_object(200, off_after_the_charge, &going);
}

static void destroyed_before_the_entry(void)
{
	charged_object(200, gone_after_the_charge, &cg);
}

/* ---- freeing another thread's object: its payer has been taken, the slot is nowhere ---- */

static void *taken;
static struct memcg *said;

static void gone_after_the_entry(void)
{
	hook_free_taken = NULL;
	in_another_thread(destroy_going, NULL);
}

static void asked_after_the_entry(void)
{
	hook_free_taken = NULL;
	said = in_another_thread(owner_of, taken);
}

/* Ends as a thread does: its slabs are orphans then, and this thread frees as a stranger. */
static void *allocate(void *arg)
{
	memcg_leave(memcg_get(going));
	for (unsigned i = 0; i < 8; i++)
		CHECK((((void **)arg)[i] = memcg_malloc(300)));
	return NULL;
}

static void freed_remotely(void (*between)(void))
{
	void *p[8];

	make_child();
	in_another_thread(allocate, p);
	met = false;
	taken = p[3];
	hook_free_taken = between;
	memcg_free(taken);
	CHECK(met);
	for (unsigned i = 0; i < 8; i++)
		if (p[i] != taken)
			memcg_free(p[i]);
	nothing_is_left();
}

static void destroyed_before_the_push(void)
{
	freed_remotely(gone_after_the_entry);
}

/* Who frees it has taken its owner: it is nobody's already. */
static void asked_before_the_push(void)
{
	said = cg;
	freed_remotely(asked_after_the_entry);
	CHECK(!said);
}

#endif

/* ---- looking at all memory, and some of it becomes a guard ---- */

static void *leave_orphans(void *arg)
{
	memcg_leave(memcg_get(cg));
	for (unsigned i = 0; i < 8; i++)
		CHECK((((void **)arg)[i] = memcg_malloc(300)));
	return NULL;
}

/* The slab's list leads through memory that cannot be read: a difference, not the end. */
static void a_guard_under_a_recount(void)
{
	struct recount_result r;
	pthread_t thread;
	struct page *pg;
	void *p[8];

	set_up();
	CHECK(!pthread_create(&thread, NULL, leave_orphans, p) && !pthread_join(thread, NULL));
	pg = slab_of(p[0]);
	memcg_free(p[0]);
	CHECK(REMOTE_COUNT(pg->slab.remote));
	closes();
	CHECK(!sys_guard_protect(page_address(pg), page_bytes(pg), true));
	CHECK(!recount(&r, NULL, NULL) && r.differences);
	CHECK(!sys_guard_protect(page_address(pg), page_bytes(pg), false));
	closes();
}

/* ---- by force: accounting comes and goes under those who allocate, hand on and free ---- */

#define WORKERS	 3
#define EXCHANGE 64

static void *exchange[EXCHANGE];
static u32 stop;

static void *allocate_one(u64 *seed)
{
	switch (next_random(seed) % 4) {
	case 0:
		return memcg_malloc(5000 + next_random(seed) % 200000);
	default:
		return memcg_malloc(1 + next_random(seed) % 3000);
	}
}

static void *come_and_go(void *arg)
{
	u64 seed = (u64)(uintptr_t)arg;

	memcg_leave(memcg_get(seed % 2 ? cg : other));
	while (!atomic_load(&stop)) {
		struct memcg_page *page =
			memcg_pages_alloc(next_random(&seed) % 3, MEMCG_PAGE_TABLE, MEMCG_ACCOUNT);
		void **at = &exchange[next_random(&seed) % EXCHANGE];

		memcg_free(atomic_xchg(at, allocate_one(&seed)));
		memcg_page_put(page);
	}
	return NULL;
}

/* Neither is more than what was on is off, nor less: the marks alone say what is charged. */
static void switched_under_all(void)
{
	pthread_t thread[WORKERS];

	set_up();
	for (uintptr_t i = 0; i < WORKERS; i++)
		CHECK(!pthread_create(&thread[i], NULL, come_and_go, (void *)(i + 1)));
	for (unsigned i = 0; i < effort(400); i++) {
		switch_accounting(i % 2 ? "1" : "0");
		usleep(500);
	}
	switch_accounting("1");
	atomic_store(&stop, 1u);
	for (unsigned i = 0; i < WORKERS; i++)
		CHECK(!pthread_join(thread[i], NULL));
	closes();
	for (unsigned i = 0; i < EXCHANGE; i++)
		memcg_free(exchange[i]);
	memcg_reclaim(NULL, MEMCG_UNLIMITED);
	CHECK(!held(cg) && !held(other));
	closes();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef MEMCG_DEBUG
		PAGE_TEST(switched_off_after_a_put),	  PAGE_TEST(switched_off_in_a_release),
		PAGE_TEST(destroyed_after_a_put),	  PAGE_TEST(destroyed_in_a_release),
		PAGE_TEST(asked_for_after_a_put),	  PAGE_TEST(asked_for_in_a_release),
		PAGE_TEST(switched_off_before_the_mark),  PAGE_TEST(destroyed_before_the_mark),
		PAGE_TEST(switched_off_before_the_entry), PAGE_TEST(destroyed_before_the_entry),
		PAGE_TEST(destroyed_before_the_push),	  PAGE_TEST(asked_before_the_push),
#endif
		PAGE_TEST(a_guard_under_a_recount),	  PAGE_TEST(switched_under_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
