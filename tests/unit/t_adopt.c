/*
 * t_adopt.c - memory of nobody's that is given an owner: exact, whatever kind it is of, and a
 * slab's first vector installed by whoever has an object of it while the holder goes on.
 */
#include "alloc_fixture.h"

#include <errno.h>

#include <memcg/page.h>

static void accounting(bool on)
{
	CHECK(memcg_write(memcg_root(), "memory.accounting", on ? "1" : "0", 1) >= 0);
}

static void *run(void *(*what)(void *), void *arg)
{
	pthread_t thread;
	void *result;

	CHECK(!pthread_create(&thread, NULL, what, arg) && !pthread_join(thread, &result));
	return result;
}

static void *free_it(void *p)
{
	memcg_free(p);
	return NULL;
}

static void *take_in(void *p)
{
	CHECK(!memcg_recharge(p, other));
	return NULL;
}

/* ---- every kind ---- */
static void *bare_object(size_t size)
{
	void *p = memcg_alloc(NULL, size, 0, MEMCG_UNACCOUNTED);

	CHECK(p && !memcg_owner_id(p));
	return p;
}

static void taken_in_and_freed(void *p, u64 cost, bool elsewhere)
{
	CHECK(!held(cg) && !held(other) && !memcg_owner(p));
	CHECK(!memcg_recharge(p, other) && held(other) == cost);
	CHECK(memcg_owner_id(p) == memcg_id(other));
	closes();
	CHECK(!memcg_recharge(p, cg) && held(cg) == cost && !held(other));
	closes();
	if (elsewhere)
		run(free_it, p);
	else
		memcg_free(p);
	CHECK(!held(cg));
	closes();
}

static void objects_of_every_size(void)
{
	set_up();
	for (size_t n = 1; n < 5 * MIB; n = n * 5 / 3 + 7)
		for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
			void *p = bare_object(n);
			u64 size = memcg_usable_size(p);

			taken_in_and_freed(p, size <= CLASS_MAX_SIZE ? size + 4 : size, elsewhere);
		}
}

static void objects_of_caches(void)
{
	struct memcg_cache *c;
	void *p, *q;

	set_up();
	CHECK((c = memcg_cache_create("c", 96, 0, NULL)));
	CHECK((p = memcg_cache_alloc(c, MEMCG_UNACCOUNTED)));
	CHECK((q = memcg_cache_alloc(c, MEMCG_UNACCOUNTED)));
	run(take_in, p);
	CHECK(held(other) == 100 && !memcg_owner_id(q));
	closes();
	CHECK(!memcg_recharge(q, cg) && held(cg) == 100);
	memcg_cache_free(c, p);
	memcg_cache_free(c, q);
	CHECK(!held(other) && !held(cg) && !memcg_cache_destroy(c));
	closes();
}

static void pages_and_stacks(void)
{
	static const size_t sizes[] = {300, 4000, 20000};
	struct memcg_page *page[2];
	struct memcg_stat s;

	set_up();
	for (int i = 0; i < 2; i++) {
		CHECK((page[i] = memcg_pages_alloc(2, MEMCG_PAGE_BUFFER + i, 0)));
		CHECK(!memcg_page_owner(page[i]) && !memcg_page_recharge(page[i], other));
	}
	CHECK(!memcg_stat(other, &s, sizeof(s)) && s.buffer == 16 * KIB &&
	      s.pagetables == 16 * KIB);
	CHECK(held(other) == 32 * KIB && memcg_page_recharge(NULL, other) == -EINVAL);
	CHECK(owner_type(page_owner_word((struct page *)page[0])) == MEMCG_DATA_KMEM);
	closes();
	memcg_pages_release(page, 2);
	CHECK(!held(other));
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		void *stack;

		accounting(false);
		CHECK((stack = memcg_stack_alloc(sizes[i])) && !memcg_owner_id(stack));
		accounting(true);
		CHECK(!memcg_recharge(stack, other) && held(other) >= sizes[i]);
		CHECK(memcg_owner_id(stack) == memcg_id(other));
		closes();
		memcg_stack_free(stack);
		CHECK(!held(other));
		closes();
	}
}

static void refused_it_stays_nobodys(void)
{
	struct memcg_page *page;
	void *small, *large;

	set_up();
	small = bare_object(1000);
	large = bare_object(100000);
	CHECK((page = memcg_pages_alloc(0, MEMCG_PAGE_TABLE, 0)));
	CHECK(!memcg_set_limit(other, MEMCG_MAX, 0));
	CHECK(memcg_recharge(small, other) == -ENOMEM && memcg_recharge(large, other) == -ENOMEM);
	CHECK(memcg_page_recharge(page, other) == -ENOMEM && !held(other));
	CHECK(!memcg_owner_id(small) && !memcg_owner_id(large) && !memcg_page_owner(page));
	closes();
	memcg_free(small);
	CHECK(memcg_recharge(small, cg) == -EINVAL); /* freed */
	memcg_free(large);
	CHECK(memcg_recharge(large, cg) == -EINVAL && !held(cg));
	memcg_page_put(page);
	closes();
}

/* No memory for a vector: nothing is changed, nothing charged. */
static void without_a_vector(void)
{
	void *p[200];

	set_up();
	for (int i = 0; i < 200; i++) /* many slabs, so that the store of small vectors runs out */
		p[i] = bare_object(4000);
	stock_drain(NULL);
	sys_fault_arm(SYS_FAULT_OPEN_RANGE, 0, 1, 0, 0);
	while (meta_alloc(64))
		;
	for (int i = 0; i < 200; i++)
		CHECK(memcg_recharge(p[i], other) == -ENOMEM && !memcg_owner_id(p[i]));
	sys_fault_disarm_all();
	CHECK(!held(other));
	for (int i = 0; i < 200; i++)
		memcg_free(p[i]); /* its hold is marked, and there is no vector */
	closes();
}

#ifdef MEMCG_DEBUG
/* ---- by hand: a vector is filled in, and not installed yet ---- */
static void *mine, *theirs;

static void they_install(void)
{
	hook_vector_made = NULL;
	run(take_in, theirs);
}

/* The loser of the swap uses the winner's, and frees its own. */
static void two_install_at_once(void)
{
	struct memcg_cache *c;
	u64 had = 0;

	set_up();
	for (int round = 0; round < 2000; round++) {
		CHECK((c = memcg_cache_create("c", 16, 0, NULL)));
		CHECK((mine = memcg_cache_alloc(c, MEMCG_UNACCOUNTED)));
		CHECK((theirs = memcg_cache_alloc(c, MEMCG_UNACCOUNTED)));
		hook_vector_made = they_install;
		CHECK(!memcg_recharge(mine, cg) && !hook_vector_made);
		CHECK(memcg_owner_id(mine) == memcg_id(cg));
		CHECK(memcg_owner_id(theirs) == memcg_id(other));
		if (round < 2)
			CHECK(held(cg) == 20 && held(other) == 20);
		memcg_cache_free(c, mine);
		memcg_cache_free(c, theirs);
		CHECK(!memcg_cache_destroy(c));
		had = round < 100 ? meta_bytes : had;
	}
	CHECK(!held(cg) && !held(other) && meta_bytes == had);
	closes();
}

/* Another recharges the page when we have charged its taker: that one is who is credited. */
static void they_recharge(void)
{
	hook_recharge_charged = NULL;
	CHECK(!memcg_recharge(theirs, cg));
}

static void the_payer_changes_between(void)
{
	set_up();
	for (int owned = 0; owned < 2; owned++) {
		CHECK((theirs = memcg_alloc(NULL, 100000, 0, owned ? 0 : MEMCG_UNACCOUNTED)));
		if (owned)
			CHECK(!memcg_recharge(theirs, NULL));
		hook_recharge_charged = they_recharge;
		CHECK(!memcg_recharge(theirs, other) && !hook_recharge_charged);
		CHECK(held(other) == 102400 && !held(cg));
		closes();
		memcg_free(theirs);
		CHECK(!held(other));
	}
	closes();
}

/* The holder's own first owned object, while a stranger is about to install a vector. */
static void *at_the_holder[3];
static pthread_t holder_thread;
static u32 turn;

static void *holder(void *arg)
{
	(void)arg;
	memcg_leave(memcg_get(cg));
	mine = bare_object(2000);
	at_the_holder[0] = bare_object(2000);
	atomic_store_release(&turn, 1u);
	while (atomic_load_acquire(&turn) != 2)
		sched_yield();
	memcg_free(at_the_holder[0]); /* by whatever path the hold says */
	for (int i = 0; i < 3; i++) {
		CHECK((at_the_holder[i] = memcg_malloc(2000)));
		CHECK(memcg_owner_id(at_the_holder[i]) == memcg_id(cg));
	}
	for (int i = 0; i < 3; i++)
		memcg_free(at_the_holder[i]);
	CHECK(!held(cg));
	atomic_store_release(&turn, 3u);
	while (atomic_load_acquire(&turn) != 4)
		sched_yield();
	memcg_free(mine); /* what was taken in meanwhile */
	return NULL;
}

static void the_holder_goes_on(void)
{
	hook_vector_made = hook_vector_installed = NULL;
	atomic_store_release(&turn, 2u);
	while (atomic_load_acquire(&turn) != 3)
		sched_yield();
}

static void at_the_holders(void (**hook)(void))
{
	set_up();
	CHECK(!pthread_create(&holder_thread, NULL, holder, NULL));
	while (atomic_load_acquire(&turn) != 1)
		sched_yield();
	CHECK(slab_of(mine) == slab_of(at_the_holder[0]) && !page_owned(slab_of(mine)));
	*hook = the_holder_goes_on;
	CHECK(!memcg_recharge(mine, other) && !*hook && held(other) == memcg_usable_size(mine) + 4);
	closes();
	atomic_store_release(&turn, 4u);
	CHECK(!pthread_join(holder_thread, NULL) && !held(other) && !held(cg));
	closes();
}

static void the_holder_is_first(void)
{
	at_the_holders(&hook_vector_made);
}

static void a_stranger_is_first(void)
{
	at_the_holders(&hook_vector_installed);
}

/* The holder ends and another takes the slab, before the vector is there. */
static void *hold_one(void *arg)
{
	mine = bare_object(2000);
	return arg;
}

static void another_takes_it(void)
{
	void *p;

	hook_vector_made = NULL;
	for (int i = 0; i < 200; i++) {
		CHECK((p = memcg_malloc(2000)));
		if (slab_of(p) == slab_of(mine))
			return;
	}
}

static void the_hold_stays_marked(void)
{
	set_up();
	run(hold_one, NULL);
	CHECK(!slab_holder(slab_of(mine)) && !page_owned(slab_of(mine)));
	hook_vector_made = another_takes_it;
	CHECK(!memcg_recharge(mine, other) && !hook_vector_made);
	CHECK(slab_holder(slab_of(mine)) && page_objcgs(slab_of(mine)));
	CHECK(atomic_load(&slab_of(mine)->slab.hold) & SLAB_HOLD_VEC);
	memcg_free(mine);
	CHECK(!held(other));
	closes();
}
#endif

/* ---- by force: strangers take in objects of slabs whose holder allocates and frees ---- */
#define ADOPTERS 2
static void *offered[ADOPTERS], *given_back[ADOPTERS];
static u64 taken_in;
static u32 stop;

static void *adopt(void *arg)
{
	uintptr_t me = (uintptr_t)arg;

	while (!atomic_load(&stop)) {
		void *p = atomic_load_acquire(&offered[me]);

		if (!p) {
			sched_yield();
			continue;
		}
		CHECK(!memcg_recharge(p, other) && memcg_owner_id(p) == memcg_id(other));
		atomic_add_relaxed(&taken_in, 1ul);
		atomic_store(&offered[me], NULL);
		atomic_store_release(&given_back[me], p);
	}
	return NULL;
}

/* What the holder has beside what it gave away: nobody's and its own, in slabs both ways. */
#define BESIDE 24
static void churn(void *beside[BESIDE], u64 *seed)
{
	for (int n = 0; n < 40; n++) {
		void **at = &beside[next_random(seed) % BESIDE];
		unsigned flags = next_random(seed) % 3 ? MEMCG_UNACCOUNTED : 0;

		memcg_free(*at);
		*at = NULL;
		if (next_random(seed) % 4)
			CHECK((*at = memcg_alloc(NULL, 1800, 0, flags)));
		if (*at)
			CHECK(memcg_owner_id(*at) == (flags ? 0 : memcg_id(cg)));
	}
}

static void empty(void *beside[BESIDE])
{
	for (int i = 0; i < BESIDE; i++) {
		memcg_free(beside[i]);
		beside[i] = NULL;
	}
}

static void free_what_comes_back(void)
{
	for (int i = 0; i < ADOPTERS; i++) {
		void *p;

		while (!(p = __atomic_exchange_n(&given_back[i], NULL, __ATOMIC_ACQUIRE)))
			sched_yield();
		memcg_free(p);
	}
}

static void while_the_holder_goes_on(void)
{
	pthread_t thread[ADOPTERS];
	void *beside[BESIDE] = {NULL};
	u64 seed = 11;

	set_up();
	for (uintptr_t i = 0; i < ADOPTERS; i++)
		CHECK(!pthread_create(&thread[i], NULL, adopt, (void *)i));
	for (u32 round = 0; round < effort(2000); round++) {
		for (int i = 0; i < ADOPTERS; i++)
			atomic_store_release(&offered[i], bare_object(1800));
		churn(beside, &seed);
		free_what_comes_back();
		if (round % 4 == 0)
			empty(beside); /* so that the next slab is bare again */
		if (round % 256 == 0)
			CHECK(!held(other));
	}
	atomic_store(&stop, 1u);
	for (int i = 0; i < ADOPTERS; i++)
		CHECK(!pthread_join(thread[i], NULL));
	empty(beside);
	CHECK(taken_in && !held(cg) && !held(other));
	closes();
}

/* Accounting off: the holder's first path takes and frees without a look, until it sees the mark.
 */
static void while_accounting_is_off(void)
{
	pthread_t thread[ADOPTERS];
	void *beside[BESIDE] = {NULL};

	set_up();
	accounting(false);
	for (uintptr_t i = 0; i < ADOPTERS; i++)
		CHECK(!pthread_create(&thread[i], NULL, adopt, (void *)i));
	for (u32 round = 0; round < effort(1500); round++) {
		for (int i = 0; i < ADOPTERS; i++)
			atomic_store_release(&offered[i], memcg_malloc(1800));
		for (int n = 0; n < 60; n++) {
			memcg_free(beside[n % BESIDE]);
			CHECK((beside[n % BESIDE] = memcg_malloc(1800)));
		}
		free_what_comes_back();
		if (round % 4 == 0)
			empty(beside);
	}
	atomic_store(&stop, 1u);
	for (int i = 0; i < ADOPTERS; i++)
		CHECK(!pthread_join(thread[i], NULL));
	empty(beside);
	accounting(true);
	CHECK(taken_in && !held(cg) && !held(other));
	closes();
}

/* Several want the same: each that succeeds is the payer for a while, one in the end. */
static struct memcg_page *wanted_page;
static void *wanted;

static void *want(void *arg)
{
	for (u32 i = 0; i < 200; i++)
		CHECK(!memcg_recharge(wanted, arg) && !memcg_page_recharge(wanted_page, arg));
	return NULL;
}

static void by_several_at_once(void)
{
	pthread_t thread[3];

	set_up();
	for (u32 round = 0; round < effort(40); round++) {
		wanted = bare_object(1800);
		CHECK((wanted_page = memcg_pages_alloc(1, MEMCG_PAGE_BUFFER, 0)));
		for (int i = 0; i < 3; i++)
			CHECK(!pthread_create(&thread[i], NULL, want, i % 2 ? cg : other));
		for (int i = 0; i < 3; i++)
			CHECK(!pthread_join(thread[i], NULL));
		CHECK(held(cg) + held(other) == memcg_usable_size(wanted) + 4 + 8 * KIB);
		closes();
		memcg_free(wanted);
		memcg_page_put(wanted_page);
		CHECK(!held(cg) && !held(other));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(objects_of_every_size),    PAGE_TEST(objects_of_caches),
		PAGE_TEST(pages_and_stacks),	     PAGE_TEST(refused_it_stays_nobodys),
		PAGE_TEST(without_a_vector),
#ifdef MEMCG_DEBUG
		PAGE_TEST(two_install_at_once),	     PAGE_TEST(the_payer_changes_between),
		PAGE_TEST(the_holder_is_first),	     PAGE_TEST(a_stranger_is_first),
		PAGE_TEST(the_hold_stays_marked),
#endif
		PAGE_TEST(while_the_holder_goes_on), PAGE_TEST(while_accounting_is_off),
		PAGE_TEST(by_several_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
