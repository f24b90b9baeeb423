/* t_balloon.c - free memory out of use: nobody gets it, the system has it, and it comes back. */
#include <memcg.h>

#define walk page_walk /* the recount has one of its own */
#include "page_fixture.h"
#undef walk

#include <errno.h>
#include <sys/mman.h>

#include "alloc/alloc.h"
#include "ctl/recount.h"

/* ---- the page layer by itself ---- */
/* What there is of free memory, in pages. */
static u64 free_pages(void)
{
	u64 sum = 0;

	for (u32 at = 0; at < regn.chunks * CHUNK_PAGES;) {
		const struct page *pg = page_at(at);
		bool is_free =
			pg->kind == PAGE_BUDDY || pg->kind == PAGE_PCP || pg->kind == PAGE_RANGE;

		sum += is_free ? pg->npages : 0;
		at += pg->kind == PAGE_LARGE ? DIV_ROUND_UP(pg->npages, CHUNK_PAGES) * CHUNK_PAGES
					     : pg->npages;
	}
	return sum;
}

/* Blocks of all orders, every second given back dirty. */
static struct page *block[1000];

static void make_holes(void)
{
	u64 seed = 3;

	for (size_t i = 0; i < ARRAY_SIZE(block); i++) {
		CHECK((block[i] = block_alloc(next_random(&seed) % 6)));
		touch(block[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(block); i += 2) {
		block_free(block[i]);
		block[i] = NULL;
	}
}

static void give_rest_back(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(block); i++)
		if (block[i])
			block_free(block[i]);
	memset(block, 0, sizeof(block));
}

/* In steps of every size, up and down: exactly what was asked for, and all comes back. */
static void every_page_exactly(void)
{
	u64 seed = 9, all;

	bring_up(64 * MIB);
	make_holes();
	all = free_pages();
	for (int i = 0; i < 300; i++) {
		u64 want = next_random(&seed) % (i % 3 ? 300 : all + 1);

		page_balloon_set(want * PAGE_SIZE + i % 2 * 4095);
		CHECK(page_balloon == want * PAGE_SIZE && free_pages() == all - want);
		walk_all();
	}
	page_balloon_set(0);
	CHECK(!page_balloon && free_pages() == all);
	give_rest_back();
	pcp_drain_all();
	page_purge_all();
	CHECK(walk_all().handed_out == 1);
}

static void no_more_than_is_free(void)
{
	u64 all;
	u32 chunks;

	bring_up(64 * MIB);
	make_holes();
	all = free_pages();
	chunks = regn.chunks;
	page_balloon_set(UINT64_MAX);
	CHECK(page_balloon == all * PAGE_SIZE && !free_pages() && regn.chunks == chunks);
	CHECK(!page_cached);
	page_balloon_set(GIB);
	CHECK(page_balloon == all * PAGE_SIZE);
	walk_all();
	page_balloon_set(0);
	CHECK(free_pages() == all);
	give_rest_back();
}

/* Runs of freed ranges are taken too, a chunk at a time. */
static void ranges_are_taken(void)
{
	struct page *pg;
	u64 all;

	bring_up(128 * MIB);
	CHECK((pg = range_alloc(9 * CHUNK_PAGES + 5)));
	touch(pg);
	range_free(pg);
	all = free_pages();
	CHECK(all > 9 * CHUNK_PAGES && page_cached == (9 * CHUNK_PAGES + 5) * PAGE_SIZE);
	page_balloon_set(6 * CHUNK_SIZE);
	CHECK(page_balloon == 6 * CHUNK_SIZE);
	page_balloon_set(UINT64_MAX);
	CHECK(page_balloon == all * PAGE_SIZE && !page_cached && !free_pages());
	walk_all();
	page_balloon_set(0);
	CHECK(free_pages() == all && !page_cached);
	CHECK(block_alloc(MAX_ORDER));
}

/* With the whole region open, what is out is what an allocation cannot have. */
static void nobody_gets_it(void)
{
	struct page *pg[16];
	u32 n = 0, again = 0;

	bring_up(64 * MIB);
	while (n < ARRAY_SIZE(pg) && (pg[n] = block_alloc(MAX_ORDER)))
		n++;
	CHECK(n == 15 && regn.chunks == 16);
	for (u32 i = 0; i < n; i++)
		block_free(pg[i]);
	page_balloon_set(10 * CHUNK_SIZE);
	CHECK(page_balloon == 10 * CHUNK_SIZE);
	while (again < n && (pg[again] = block_alloc(MAX_ORDER)))
		again++;
	CHECK(again == 5 && !range_alloc(CHUNK_PAGES + 1));
	while (block_alloc(0))
		;
	page_balloon_set(9 * CHUNK_SIZE);
	CHECK(block_alloc(MAX_ORDER) && !block_alloc(0));
	page_balloon_set(0);
	for (u32 i = 0; i < 9; i++)
		CHECK(block_alloc(MAX_ORDER));
	CHECK(!block_alloc(0));
}

/* Where the region does not end, others are opened. */
static void others_are_opened(void)
{
	struct page *pg;
	u32 chunks;

	bring_up(0);
	CHECK((pg = block_alloc(MAX_ORDER)));
	block_free(pg);
	page_balloon_set(UINT64_MAX);
	chunks = regn.chunks;
	CHECK(block_alloc(MAX_ORDER) != pg && regn.chunks == chunks + 1);
}

static u64 resident(const struct page *pg)
{
	unsigned char in_core[CHUNK_PAGES];
	u64 sum = 0;

	CHECK(!mincore(page_address(pg), page_bytes(pg), in_core));
	for (u32 i = 0; i < pg->npages; i++)
		sum += in_core[i] & 1;
	return sum;
}

/* What is out is not resident; what is resident goes first; it reads as zero afterwards. */
static void the_system_has_it(void)
{
	struct page *pg, *clean;

	bring_up(0);
	CHECK((pg = block_alloc(MAX_ORDER)) && (clean = block_alloc(MAX_ORDER)));
	touch(pg);
	CHECK(resident(pg) == CHUNK_PAGES);
	block_free(clean);
	page_purge_all();
	block_free(pg);
	CHECK(page_cached == CHUNK_SIZE);
	page_balloon_set(CHUNK_SIZE);
	CHECK(page_balloon == CHUNK_SIZE && !page_cached);
	CHECK(pg->kind == PAGE_BALLOON && !resident(pg));
	page_balloon_set(0);
	do
		CHECK((clean = block_alloc(MAX_ORDER)) && clean->flags & PG_ZEROED);
	while (clean != pg);
	CHECK(reads_zero(pg));
}

/* The system refuses: what it refused stays free and resident, and a later write has it. */
static void a_refused_purge(void)
{
	u64 all;

	bring_up(64 * MIB);
	make_holes();
	pcp_drain_all();
	all = free_pages();
	for (u64 nth = 1; nth < 40; nth += 7) {
		u64 dirty = page_cached;

		sys_fault_arm(SYS_FAULT_PURGE, nth, 1, 0, 0);
		page_balloon_set(UINT64_MAX);
		sys_fault_disarm_all();
		CHECK(page_balloon < all * PAGE_SIZE && page_purge_failed);
		CHECK(page_cached <= dirty && page_cached);
		CHECK(page_balloon + free_pages() * PAGE_SIZE == all * PAGE_SIZE);
		walk_all();
		page_balloon_set(0);
		CHECK(free_pages() == all);
	}
	page_balloon_set(UINT64_MAX);
	CHECK(page_balloon == all * PAGE_SIZE);
}

/* ---- as a file, with everything above ---- */
static void put(const char *text)
{
	CHECK(!memcg_write(memcg_root(), "memory.balloon", text, strlen(text)));
}

static u64 get(void)
{
	char text[64];

	CHECK(memcg_read(memcg_root(), "memory.balloon", text, sizeof(text)) > 0);
	return strtoul(text, NULL, 10);
}

static void closes_with(u64 balloon)
{
	struct recount_result r;

	stock_drain(NULL);
	CHECK(!recount(&r, NULL, NULL) && !r.differences && r.balloon == balloon);
}

static void the_file(void)
{
	struct memcg *cg = memcg_create(NULL, "a");
	u64 before, all;
	void *p[100];

	CHECK(cg);
	for (int i = 0; i < 100; i++)
		CHECK((p[i] = memset(memcg_malloc(300000), 1, 300000)));
	for (int i = 0; i < 100; i++)
		memcg_free(p[i]);
	before = memcg_current(memcg_root());
	CHECK(!get());
	put("8M");
	CHECK(get() == 8 * MIB);
	CHECK(memcg_current(memcg_root()) <= before - 8 * MIB); /* it was cached */
	closes_with(8 * MIB);
	put(" max\n");
	all = get();
	CHECK(all > 25 * MIB);
	closes_with(all);
	for (int i = 0; i < 100; i++)
		CHECK((p[i] = memcg_malloc(100 * i)));
	CHECK(get() == all);
	closes_with(all);
	put("5000");
	CHECK(get() == 4096);
	put("0");
	CHECK(!get());
	closes_with(0);
	CHECK(memcg_write(cg, "memory.balloon", "0", 1) == -EACCES);
	CHECK(memcg_write(memcg_root(), "memory.balloon", "-1", 2) == -EINVAL && !get());
}

static void a_child_has_it_too(void)
{
	int status;
	pid_t pid;

	for (int i = 0; i < 10; i++)
		memcg_free(memset(memcg_malloc(3 * MIB), 1, 3 * MIB));
	put("1M");
	pid = fork();
	if (!pid) {
		CHECK(get() == MIB);
		closes_with(MIB);
		put("0");
		put("2M");
		CHECK(get() == 2 * MIB);
		closes_with(2 * MIB);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status));
	CHECK(get() == MIB);
	closes_with(MIB);
}

/* ---- by force: it goes up and down under programs that allocate, free, purge and fork ---- */
static u32 stop;
static u64 done[2];

static void *use_memory(void *arg)
{
	u64 *count = arg, seed = (uintptr_t)arg;
	char *p[32] = {NULL};

	while (!atomic_load(&stop)) {
		char **at = &p[next_random(&seed) % 32];
		size_t n = 1 + next_random(&seed) % (next_random(&seed) % 8 ? 20000 : 6 * MIB);

		memcg_free(*at);
		CHECK((*at = memcg_malloc(n)));
		(*at)[0] = (*at)[n - 1] = (char)n;
		CHECK((*at)[0] == (char)n);
		atomic_add_relaxed(count, 1ul);
	}
	for (int i = 0; i < 32; i++)
		memcg_free(p[i]);
	return NULL;
}

static void wait_for_both(void)
{
	for (int i = 0; i < 2; i++) {
		u64 from = atomic_load(&done[i]);

		while (atomic_load(&done[i]) == from)
			sched_yield();
	}
}

/* Stacks that are kept are resident and nobody's: a balloon that grows has them. */
static void kept_stacks_go(void)
{
	void *stack[4];
	u32 kept = 0;
	struct page *head[4];

	CHECK(memcg_root());
	for (unsigned i = 0; i < 4; i++) {
		CHECK((stack[i] = memcg_stack_alloc(64 * KIB)));
		memset(stack[i], 1, 64 * KIB);
		head[i] = page_head(page_index(stack[i]));
	}
	for (unsigned i = 0; i < 4; i++)
		memcg_stack_free(stack[i]);
	for (unsigned i = 0; i < 4; i++)
		kept += head[i]->kind == PAGE_STACK_KEPT;
	CHECK(kept && !memcg_write(NULL, "memory.balloon", "0", 1));
	for (unsigned i = 0; i < 4; i++)
		kept -= head[i]->kind == PAGE_STACK_KEPT;
	CHECK(!kept); /* it is no larger: they stay */
	CHECK(!memcg_write(memcg_root(), "memory.balloon", "max", 3));
	for (unsigned i = 0; i < 4; i++)
		CHECK(head[i]->kind != PAGE_STACK_KEPT && *(char *)stack[i] == 0);
	closes_with(page_balloon);
	CHECK(!memcg_write(memcg_root(), "memory.balloon", "0", 1));
	CHECK((stack[0] = memcg_stack_alloc(64 * KIB)));
	memcg_stack_free(stack[0]);
	closes_with(0);
}

static void up_and_down_meanwhile(void)
{
	pthread_t thread[2];
	u64 seed = 4;

	for (int i = 0; i < 2; i++)
		CHECK(!pthread_create(&thread[i], NULL, use_memory, &done[i]));
	wait_for_both();
	for (u32 round = 0; round < effort(400); round++) {
		u64 want = next_random(&seed) % (round % 8 ? 16 * MIB : 512 * MIB);

		page_balloon_set(want);
		CHECK(atomic_load(&page_balloon) <= want);
		if (round % 16 == 0)
			page_purge_all();
		if (round % 64 == 0)
			wait_for_both();
	}
	atomic_store(&stop, 1u);
	for (int i = 0; i < 2; i++)
		CHECK(!pthread_join(thread[i], NULL));
	closes_with(page_balloon);
	page_balloon_set(0);
	closes_with(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(every_page_exactly), PAGE_TEST(no_more_than_is_free),
		PAGE_TEST(ranges_are_taken),   PAGE_TEST(nobody_gets_it),
		PAGE_TEST(others_are_opened),  PAGE_TEST(the_system_has_it),
		PAGE_TEST(a_refused_purge),    PAGE_TEST(the_file),
		PAGE_TEST(a_child_has_it_too), PAGE_TEST(up_and_down_meanwhile),
		PAGE_TEST(kept_stacks_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
