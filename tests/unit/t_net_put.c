/*
 * t_net_put.c - the last put of a network page: what does not belong there is reported and kept out
 * of use; who comes too late gets nothing; batches come home at one go; and pools that end
 * while others are at them.
 */
#include "alloc_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memcg.h>

#include "net/pool.h"

static struct memcg_pool *pool;

static void make_pool(u64 bytes)
{
	struct memcg_pool_config c = MEMCG_POOL_CONFIG_INIT;

	set_up();
	c.bytes = bytes;
	CHECK((pool = memcg_pool_create(&c)));
}

static struct page *take_one(void)
{
	struct memcg_frag f;

	CHECK(memcg_pool_alloc(pool, cg, &f, 1) == 1);
	return (struct page *)f.page;
}

/* ---- what is planted ---- */

static u64 bad_before;

/* It is reported once, has the kind that says so, and its owner word and charge as they were. */
static void put_is_refused(struct page *pg)
{
	bad_before = page_bad_count;
	*page_count_of(pg) = 1;
	page_put(pg);
	CHECK(page_bad_count == bad_before + 1 && pg->kind == PAGE_BAD);
}

/* A kind that was left behind. Whatever the other bytes look like: a pool is not made of them. */
static void stale_kind_on_a_free_block(void)
{
	struct page *pg;

	make_pool(0);
	pg = block_alloc(0);
	CHECK(pg);
	memset(pg->room, 0xff, sizeof(pg->room));
	pg->npages = 1;
	kind_set(pg, PAGE_NET);
	put_is_refused(pg);
	CHECK(block_alloc(0) != pg && !pool->taken);
	CHECK(!memcg_pool_destroy(pool));
}

static void stale_kind_on_a_truncated_file(void)
{
	char name[] = "/tmp/t_net_put-XXXXXX";
	struct memcg_file *file;
	struct memcg_mm *mm;
	struct page *pg;
	char *p;
	int fd;

	make_pool(0);
	CHECK((fd = mkstemp(name)) >= 0 && !unlink(name) && !ftruncate(fd, 3 * PAGE_SIZE));
	CHECK((mm = memcg_mm_create(cg)) && (file = memcg_file_open(fd, 0)));
	p = memcg_mmap(mm, 3 * PAGE_SIZE, PROT_READ | PROT_WRITE, 0, file, 0);
	CHECK(p);
	CHECK(!memcg_pin(p + 2 * PAGE_SIZE, 1)); /* where faults cannot be served, too */
	p[2 * PAGE_SIZE] = 1;
	memcg_unpin(p + 2 * PAGE_SIZE, 1);
	for (u32 i = regn.managed_end - 1; (pg = page_at(i))->kind != PAGE_FILE || !page_count(pg);
	     i--)
		CHECK(i > regn.managed);
	memcg_munmap(mm, p, 3 * PAGE_SIZE);
	CHECK(!ftruncate(fd, 0));
	memcg_file_close(file);
	CHECK(!page_count(pg));
	memset(pg->room, 0xff, sizeof(pg->room));
	pg->npages = 1;
	kind_set(pg, PAGE_NET);
	put_is_refused(pg);
	CHECK(!pool->taken && !memcg_pool_destroy(pool));
	memcg_mm_destroy(mm);
	close(fd);
}

/* Free in its pool, and somebody puts it: it is never handed out again. */
static void unreferenced(bool stacked)
{
	struct memcg_frag f[8];
	struct page *pg;

	make_pool(8 * PAGE_SIZE);
	CHECK(memcg_pool_alloc(pool, cg, f, 8) == 8);
	pg = (struct page *)f[3].page;
	if (stacked)
		memcg_frags_put(&f[3], 1);
	memcg_frags_put(f, 8);
	CHECK(cache_pages(pool) == stacked);
	put_is_refused(pg);
	if (stacked)
		CHECK(memcg_pool_alloc(pool, cg, f, 1) == 1 && (struct page *)f[0].page != pg);
	for (unsigned i = stacked; i < 7; i++)
		CHECK(memcg_pool_alloc(pool, cg, &f[i], 1) == 1 && (struct page *)f[i].page != pg);
	CHECK(memcg_pool_alloc(pool, cg, &f[7], 1) == -ENOBUFS && pg->kind == PAGE_BAD);
	memcg_frags_put(f, 7);
	CHECK(!held(cg) && !memcg_pool_destroy(pool));
	CHECK(pool_at(1) && pg->kind == PAGE_BAD); /* evidence: its extent stays */
}

static void unreferenced_on_a_stack(void)
{
	unreferenced(true);
}

static void unreferenced_in_the_bits(void)
{
	unreferenced(false);
}

/* The pool has gone: there is nobody to give it to. */
static void the_pool_has_gone(void)
{
	struct page *pg;

	make_pool(0);
	pg = take_one();
	page_put(pg);
	CHECK(!memcg_pool_destroy(pool) && !pool_at(1));
	pg->npages = 1;
	pg->net.flags = NET_OUT;
	kind_set(pg, PAGE_NET);
	put_is_refused(pg);
}

/* ---- batches ---- */

static void batches_stay_together(void)
{
	struct memcg_frag f[64], g[64], one;
	struct memcg_pool *second;
	u64 was;

	make_pool(0);
	CHECK((second = memcg_pool_create(NULL)));
	CHECK(memcg_pool_alloc(pool, cg, f, 16) == 16 &&
	      memcg_pool_alloc(second, cg, f + 16, 16) == 16);
	CHECK(memcg_pool_alloc(pool, other, f + 32, 16) == 16);
	memcpy(g, f, sizeof(g));
	memcg_frags_get(f + 5, 1); /* one of them lives on */
	was = pool->returned;
	memcg_frags_put(f, 48);
	CHECK(!cache_pages(pool) && !cache_pages(second) && pool->returned == was + 31);
	CHECK(held(cg) == PAGE_SIZE && !held(other));
	closes();
	one = g[5];
	memcg_frags_put(&one, 1);
	for (unsigned i = 0; i < 48; i++)
		CHECK(i == 5 || !g[i].page || !page_count((struct page *)g[i].page));
	CHECK(memcg_pool_alloc(second, cg, f, 16) == 16 && f[0].page == g[16].page);
	for (unsigned i = 1; i < 16; i++)
		CHECK((struct page *)f[i].page == (struct page *)f[i - 1].page + 1);
	memcg_frags_put(f, 16);
	CHECK(!memcg_pool_destroy(pool) && !memcg_pool_destroy(second));
	closes();
}

/* ---- children ---- */

/* The child has no pools: what it puts is uncharged there, and nothing is said. */
static void child_of_a_fork(void)
{
	struct memcg_frag f[70];
	pid_t pid;
	int status;

	make_pool(0);
	CHECK(memcg_pool_alloc(pool, cg, f, 70) == 70);
	memcg_frags_put(f, 20);
	for (unsigned i = 20; i < 40; i++)
		memcg_frags_put(&f[i], 1);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		struct memcg_pool *mine;
		struct memcg_frag g;

		closes();
		CHECK(memcg_pool_alloc(pool, cg, &g, 1) == -ESHUTDOWN);
		memcg_frags_put(f + 40, 20);
		memcg_frags_put(f + 60, 1);
		CHECK(held(cg) == 9 * PAGE_SIZE && !page_bad_count);
		closes();
		memcg_reclaim(memcg_root(), UINT64_MAX);
		CHECK((mine = memcg_pool_create(NULL)) && memcg_pool_alloc(mine, cg, &g, 1) == 1);
		memset(memcg_page_address(g.page), 7, PAGE_SIZE);
		memcg_frags_put(&g, 1);
		closes();
		CHECK(!memcg_pool_destroy(mine));
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	memcg_frags_put(f + 40, 30);
	CHECK(!held(cg) && !memcg_pool_destroy(pool) && !pool_at(1));
	closes();
}

#ifdef MEMCG_DEBUG
/* ---- by hand ---- */

static struct page *victim, *again;

/* The count was 1; now the page is at home, or out again as another's. */
static void goes_home(void)
{
	hook_tryget_loaded = NULL;
	page_put(victim);
}

static void goes_home_and_out(void)
{
	hook_tryget_loaded = NULL;
	page_put(victim);
	again = take_one();
}

static void tryget_against_the_last_put(void)
{
	make_pool(0);
	victim = take_one();
	hook_tryget_loaded = goes_home;
	CHECK(!page_tryget(victim) && !page_count(victim) && !hook_tryget_loaded);
	closes();
	victim = take_one();
	hook_tryget_loaded = goes_home_and_out;
	/* It is a page of a pool, made and owned; whether it is the one that was meant the caller
	 * asks where it was found. */
	CHECK(page_tryget(victim) == (again == victim));
	if (again == victim)
		page_put(victim);
	CHECK(page_count(again) == 1 && memcg_owner_id(page_address(again)) == memcg_id(cg));
	page_put(again);
	CHECK(!memcg_pool_destroy(pool) && !held(cg));
	closes();
}

/* The count has become 0, and nothing was done since. */
static bool got_a_dead_one;

static void try_it(void)
{
	hook_page_dropped = NULL;
	got_a_dead_one = page_tryget(victim);
}

static void tryget_after_the_last_put(void)
{
	struct memcg_frag f[2];

	make_pool(0);
	victim = take_one();
	hook_page_dropped = try_it;
	page_put(victim);
	CHECK(!got_a_dead_one && !hook_page_dropped);
	CHECK(memcg_pool_alloc(pool, cg, f, 2) == 2);
	victim = (struct page *)f[0].page;
	hook_page_dropped = try_it;
	memcg_frags_put(f, 2);
	CHECK(!got_a_dead_one && !hook_page_dropped && !held(cg));
	CHECK(!memcg_pool_destroy(pool));
	closes();
}

/* Says where a thread runs; false: the machine has no such CPU for us. */
static bool run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return !sched_setaffinity(0, sizeof(set), &set);
}

/* Interrupted between look and exchange, and on another CPU then, where the same page is on top. */
static struct page *pages[3];

static void to_the_other_cpu(void)
{
	struct page *top;

	hook_cache_looked = NULL;
	top = take_one();
	CHECK(top == pages[0] && run_on(1));
	page_put(top);
}

static void another_cpus_stack(void)
{
	struct memcg_frag f[3];
	struct page *a, *b, *c;

	if (!run_on(1) || !run_on(0))
		return; /* one CPU cannot be confused with another */
	make_pool(0);
	CHECK(memcg_pool_alloc(pool, cg, f, 3) == 3);
	for (unsigned i = 0; i < 3; i++)
		pages[i] = (struct page *)f[i].page;
	page_put(pages[1]);
	page_put(pages[0]);
	CHECK(run_on(1));
	page_put(pages[2]);
	CHECK(run_on(0));
	hook_cache_looked = to_the_other_cpu;
	a = take_one();
	CHECK(!hook_cache_looked && cache_pages(pool) == 2);
	b = take_one();
	CHECK(run_on(0));
	c = take_one();
	CHECK(a != b && b != c && a != c && !cache_pages(pool) && pool->taken == 3);
	page_put(a);
	page_put(b);
	page_put(c);
	CHECK(!memcg_pool_destroy(pool) && !pool_at(1));
	closes();
}

/* A put has seen the pool alive. Its destroy may not empty the stacks before that is over. */
static bool putting, dying, destroyed;

static void stand_there(void)
{
	hook_untake_live = NULL;
	atomic_store_release(&putting, true);
	while (!atomic_load_acquire(&dying))
		sched_yield();
	/* So long a destroy that waits for nobody has to be wrong. */
	for (unsigned i = 0; i < 2000 && !atomic_load_acquire(&destroyed); i++)
		usleep(100);
}

static void now_dying(void)
{
	hook_pool_dying = NULL;
	atomic_store_release(&dying, true);
}

static void *put_it(void *arg)
{
	page_put(arg);
	return NULL;
}

static void destroy_against_a_put(void)
{
	pthread_t thread;

	make_pool(0);
	victim = take_one();
	hook_untake_live = stand_there;
	hook_pool_dying = now_dying;
	CHECK(!pthread_create(&thread, NULL, put_it, victim));
	while (!atomic_load_acquire(&putting))
		sched_yield();
	CHECK(!memcg_pool_destroy(pool));
	atomic_store_release(&destroyed, true);
	CHECK(!pthread_join(thread, NULL));
	CHECK(!pool_at(1) && !managed_resident());
	closes();
}

/* The pool has a page on this CPU's stack, and its destroy has begun. */
static void nobody_takes(void)
{
	struct memcg_frag f[2];

	hook_pool_dying = NULL;
	CHECK(cache_pages(pool) == 1);
	CHECK(memcg_pool_alloc(pool, cg, f, 1) == -ESHUTDOWN && !held(cg));
	CHECK(memcg_pool_alloc(pool, cg, f, 2) == -ESHUTDOWN && !held(cg));
	CHECK(cache_pages(pool) == 1);
}

static void take_against_the_destroy(void)
{
	make_pool(0);
	page_put(take_one());
	hook_pool_dying = nobody_takes;
	CHECK(!memcg_pool_destroy(pool) && !hook_pool_dying);
	CHECK(!pool_at(1) && !managed_resident());
	closes();
}

/* The last page comes home while a purge has others: the purge ends the pool. */
static void the_last_one(void)
{
	hook_purge_taken = NULL;
	page_put(victim);
	CHECK(pool_at(1));
}

static void purge_against_the_end(void)
{
	struct memcg_frag f[9];

	make_pool(0);
	CHECK(memcg_pool_alloc(pool, cg, f, 9) == 9);
	for (unsigned i = 0; i < 9; i++)
		memset(memcg_page_address(f[i].page), 1, PAGE_SIZE);
	victim = (struct page *)f[0].page;
	CHECK(!memcg_pool_destroy(pool));
	memcg_frags_put(f + 3, 6);
	hook_purge_taken = the_last_one;
	memcg_frags_put(f + 1, 2);
	net_purge(true);
	CHECK(!hook_purge_taken && !pool_at(1) && !managed_resident() && !held(cg));
	closes();
}

/* The pool that the purge has found ends, and another has its slot and pages on the stack. */
static struct memcg_pool *next;

static void another_has_the_slot(void)
{
	struct memcg_frag f;

	hook_purge_found = NULL;
	page_put(victim);
	CHECK(!pool_at(1) && (next = memcg_pool_create(NULL)) && pool_at(1) == next);
	CHECK(memcg_pool_alloc(next, cg, &f, 1) == 1);
	memcg_frags_put(&f, 1);
	CHECK(cache_pages(next) == 1);
}

static void purge_against_the_next(void)
{
	make_pool(0);
	victim = take_one();
	CHECK(!memcg_pool_destroy(pool) && pool_at(1) == pool);
	hook_purge_found = another_has_the_slot;
	net_purge(true);
	CHECK(!hook_purge_found && cache_pages(next) == 1);
	CHECK(!memcg_pool_destroy(next) && !pool_at(1) && !managed_resident());
	closes();
}
#endif

/* ---- by chance: finders of addresses against holders, purges and ends of pools ---- */

#define PLACES	64u
#define FINDERS 2u
#define LIVES	3000u

static struct page *place[PLACES]; /* with a reference */
static bool over;

/* What is got from a place it still stands in has the place's number in it. */
static void *find(void *arg)
{
	u64 seed = (u64)(uintptr_t)arg;

	while (!atomic_load(&over)) {
		u32 i = next_random(&seed) % PLACES;
		struct page *pg = atomic_load_acquire(&place[i]);

		if (!pg || !page_tryget(pg))
			continue;
		if (atomic_load_acquire(&place[i]) == pg)
			CHECK(*(u32 *)page_address(pg) == i);
		page_put(pg);
	}
	return NULL;
}

static void *replace(void *arg)
{
	u64 seed = 99 + (u64)(uintptr_t)arg;
	struct memcg_pool *mine = memcg_pool_create(NULL);

	for (u32 k = 0; k < LIVES * 4 / effort_divisor(); k++) {
		u32 i = next_random(&seed) % PLACES;
		struct memcg_frag f;
		struct page *pg, *was;

		if (k % LIVES == LIVES - 1) {
			CHECK(!memcg_pool_destroy(mine) && (mine = memcg_pool_create(NULL)));
			memcg_reclaim(memcg_root(), MIB);
		}
		CHECK(memcg_pool_alloc(mine, k % 2 ? cg : other, &f, 1) == 1);
		pg = (struct page *)f.page;
		*(u32 *)page_address(pg) = i;
		/* Out of its place before it is put: who looks again sees that. */
		was = __atomic_exchange_n(&place[i], NULL, __ATOMIC_ACQ_REL);
		if (was)
			page_put(was);
		was = __atomic_exchange_n(&place[i], pg, __ATOMIC_ACQ_REL);
		if (was)
			page_put(was);
	}
	CHECK(!memcg_pool_destroy(mine));
	return NULL;
}

static void found_by_chance(void)
{
	pthread_t finder[FINDERS], replacer[2];

	set_up();
	for (u64 i = 0; i < FINDERS; i++)
		CHECK(!pthread_create(&finder[i], NULL, find, (void *)i));
	for (u64 i = 0; i < 2; i++)
		CHECK(!pthread_create(&replacer[i], NULL, replace, (void *)i));
	for (u64 i = 0; i < 2; i++)
		CHECK(!pthread_join(replacer[i], NULL));
	atomic_store(&over, true);
	for (u64 i = 0; i < FINDERS; i++)
		CHECK(!pthread_join(finder[i], NULL));
	closes();
	for (u32 i = 0; i < PLACES; i++)
		if (place[i])
			page_put(place[i]);
	CHECK(!held(cg) && !held(other) && !managed_resident() && !page_bad_count);
	for (u32 slot = 1; slot <= POOLS_MAX; slot++)
		CHECK(!pool_at(slot));
	closes();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(stale_kind_on_a_free_block),
		PAGE_TEST(stale_kind_on_a_truncated_file),
		PAGE_TEST(unreferenced_on_a_stack),
		PAGE_TEST(unreferenced_in_the_bits),
		PAGE_TEST(the_pool_has_gone),
		PAGE_TEST(batches_stay_together),
		PAGE_TEST(child_of_a_fork),
#ifdef MEMCG_DEBUG
		PAGE_TEST(tryget_against_the_last_put),
		PAGE_TEST(tryget_after_the_last_put),
		PAGE_TEST(another_cpus_stack),
		PAGE_TEST(destroy_against_a_put),
		PAGE_TEST(take_against_the_destroy),
		PAGE_TEST(purge_against_the_end),
		PAGE_TEST(purge_against_the_next),
#endif
		PAGE_TEST(found_by_chance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
