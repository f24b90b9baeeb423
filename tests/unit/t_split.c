/* t_split.c - a counted page becomes several: charged, owned and found as before, each by itself.
 */
#include "alloc_fixture.h"

#include <errno.h>

#include <memcg/page.h>

static struct memcg_page *page_of_order(unsigned order, unsigned kind, unsigned flags)
{
	struct memcg_page *page = memcg_pages_alloc(order, kind, flags);

	CHECK(page);
	return page;
}

static u64 item_of(unsigned kind)
{
	struct memcg_stat s;

	CHECK(!memcg_stat(cg, &s, sizeof(s)));
	return kind == MEMCG_PAGE_BUFFER ? s.buffer : s.pagetables;
}

/* The i-th piece: found by any address in it, with one reference and the kind and the owner. */
static struct memcg_page *piece_at(char *base, u32 i, unsigned order, struct memcg *owner)
{
	char *start = base + ((size_t)i << order << PAGE_SHIFT);
	struct memcg_page *piece = memcg_page_of(start);
	struct page *pg = (struct page *)piece;

	CHECK(piece && memcg_page_address(piece) == start);
	CHECK(memcg_page_of(start + (PAGE_SIZE << order) - 1) == piece);
	CHECK(page_count(pg) == 1 && pg->order == order && pg->npages == 1u << order);
	CHECK(memcg_owner_id(start + (PAGE_SIZE << order) - 1) == (owner ? memcg_id(owner) : 0));
	return piece;
}

/* In some order, each page once: step is odd and n a power of two. */
static void put_all(struct memcg_page **piece, u32 n, u64 bytes_each)
{
	u64 left = n * bytes_each;

	for (u32 i = 0, at = n / 3; i < n; i++, at = (at + 5) % n) {
		memcg_page_put(piece[at]);
		left -= bytes_each;
		if (n <= 16)
			CHECK(held(cg) == left);
	}
}

static void split_once(unsigned from, unsigned to, unsigned kind, unsigned flags)
{
	static struct memcg_page *piece[CHUNK_PAGES];
	struct memcg_page *page = page_of_order(from, kind, flags);
	u64 bytes = flags & MEMCG_ACCOUNT ? PAGE_SIZE << from : 0;
	char *base = memcg_page_address(page);
	u32 n = 1u << (from - to);

	memset(base, 0x5a, PAGE_SIZE << from);
	CHECK(!memcg_page_split(page, to));
	CHECK(held(cg) == bytes && item_of(kind) == bytes);
	for (u32 i = 0; i < n; i++)
		piece[i] = piece_at(base, i, to, bytes ? cg : NULL);
	CHECK(piece[0] == page);
	for (size_t i = 0; i < PAGE_SIZE << from; i += 1021)
		CHECK(base[i] == 0x5a);
	closes();
	put_all(piece, n, bytes >> (from - to));
	CHECK(!held(cg) && !item_of(kind));
}

static void every_order_into_every_other(void)
{
	set_up();
	for (unsigned from = 0; from <= MAX_ORDER; from++)
		for (unsigned to = 0; to <= from; to++) {
			split_once(from, to, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT);
			split_once(from, to, MEMCG_PAGE_TABLE, to % 2 ? MEMCG_ACCOUNT : 0);
		}
	closes();
}

/* Pieces are pages like others: shared, moved to another group, split again. */
static void pieces_go_their_own_ways(void)
{
	struct memcg_page *page, *piece;
	char *base;

	set_up();
	page = page_of_order(4, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT);
	base = memcg_page_address(page);
	CHECK(!memcg_page_split(page, 2));
	piece = piece_at(base, 1, 2, cg);
	CHECK(!memcg_page_recharge(piece, other));
	CHECK(held(cg) == 12 * PAGE_SIZE && held(other) == 4 * PAGE_SIZE);
	CHECK(!memcg_page_split(piece, 0));
	CHECK(piece_at(base + 16 * KIB, 3, 0, other));
	memcg_page_get(memcg_page_of(base + 60 * KIB));
	memcg_page_put(memcg_page_of(base + 60 * KIB));
	memcg_page_put(memcg_page_of(base + 16 * KIB));
	CHECK(held(cg) == 12 * PAGE_SIZE && held(other) == 3 * PAGE_SIZE);
	closes();
	for (size_t at = 0; at < 64 * KIB; at += PAGE_SIZE)
		memcg_page_put(memcg_page_of(base + at)); /* NULL: inside of none any more */
	CHECK(!held(cg) && !held(other));
	closes();
}

/* The group dies: its heir pays for every piece. */
static void pieces_are_inherited(void)
{
	struct memcg *child;
	struct memcg_page *page;
	char *base;

	set_up();
	CHECK((child = memcg_create(cg, "child")));
	memcg_leave(memcg_get(child));
	page = page_of_order(3, MEMCG_PAGE_TABLE, MEMCG_ACCOUNT);
	base = memcg_page_address(page);
	memcg_leave(memcg_get(cg));
	CHECK(!memcg_page_split(page, 1) && held(child) == 8 * PAGE_SIZE);
	CHECK(!memcg_destroy(child));
	for (u32 i = 0; i < 4; i++)
		memcg_page_put(piece_at(base, i, 1, cg));
	CHECK(!held(cg));
	closes();
}

static void only_who_has_it_alone(void)
{
	struct memcg_page *page;
	void *p, *stack;

	set_up();
	page = page_of_order(3, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT);
	memcg_page_get(page);
	CHECK(memcg_page_split(page, 0) == -EBUSY && page_count((struct page *)page) == 2);
	memcg_page_put(page);
	((struct page *)page)->mapcount = 1;
	CHECK(memcg_page_split(page, 0) == -EBUSY && page_count((struct page *)page) == 1);
	((struct page *)page)->mapcount = 0;
	CHECK(memcg_page_split(page, 4) == -EINVAL &&
	      memcg_page_split(page, UINT32_MAX) == -EINVAL);
	CHECK(memcg_page_split(NULL, 0) == -EINVAL);
	CHECK((p = memcg_malloc(100000)) && (stack = memcg_stack_alloc(100000)));
	CHECK(memcg_page_split(memcg_page_of(p), 0) == -EINVAL);
	CHECK(memcg_page_split(memcg_page_of(stack), 0) == -EINVAL);
	CHECK(((struct page *)page)->npages == 8 && held(cg) >= 8 * PAGE_SIZE);
	CHECK(!memcg_page_split(page, 3)); /* it is that already */
	memcg_free(p);
	memcg_stack_free(stack);
	memcg_page_put(page);
	closes();
}

/* Of a trimmed block the last piece is short, and what was cut off is somebody else's. */
static void trimmed_blocks(void)
{
	set_up();
	for (u32 npages = 1; npages <= 64; npages += 1 + npages / 9)
		for (unsigned to = 0; 1u << to <= npages; to++) {
			unsigned order = log2_up(npages);
			struct page *pg = block_alloc(order), *at, *end;
			u32 sum = 0;

			CHECK(pg);
			block_trim(pg, npages);
			page_publish(pg, PAGE_TABLE);
			CHECK(!page_split(pg, to));
			for (at = pg, end = pg + npages; at < end; at += at->npages)
				sum += at->npages;
			CHECK(sum == npages);
			for (at = pg; at < end;) {
				struct page *next = at + at->npages;

				for (u32 i = 0; i < at->npages; i++)
					CHECK(page_head(page_to_index(at) + i) == at);
				page_put(at);
				at = next;
			}
		}
	closes();
}

/* Pieces given back one by one become the block again. */
static void pieces_coalesce(void)
{
	struct memcg_page *page;
	struct page *pg;
	u32 chunks;

	set_up();
	for (int round = 0; round < 20; round++) {
		page = page_of_order(MAX_ORDER, MEMCG_PAGE_BUFFER, 0);
		pg = (struct page *)page;
		CHECK(!memcg_page_split(page, round % 10));
		for (struct page *at = pg, *end = pg + CHUNK_PAGES; at < end;
		     at += 1u << (round % 10))
			page_put(at);
		pcp_drain_all();
		chunks = round ? chunks : regn.chunks;
	}
	CHECK(regn.chunks == chunks);
	closes();
}

#ifdef MEMCG_DEBUG
/* ---- by hand: between two steps ---- */
static char *watched;
static u32 looks;

static void look_at_all(void)
{
	for (size_t at = 0; at < PAGE_SIZE << 8; at += PAGE_SIZE) {
		struct memcg_page *page = memcg_page_of(watched + at);

		CHECK(memcg_owner_id(watched + at) == memcg_id(cg));
		CHECK(page && !memcg_page_tryget(page));
	}
	looks++;
}

static void looked_at_between(void)
{
	for (unsigned to = 0; to < 8; to++) {
		struct memcg_page *page = page_of_order(8, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT);

		watched = memcg_page_address(page);
		hook_split_made = hook_split_claimed = look_at_all;
		CHECK(!memcg_page_split(page, to));
		hook_split_made = hook_split_claimed = NULL;
		for (size_t at = 0; at < PAGE_SIZE << 8; at += PAGE_SIZE << to)
			memcg_page_put(memcg_page_of(watched + at));
	}
	CHECK(looks == 510 && !held(cg));
}

/* The recount finds every byte once at each step, for a look from outside may come there. */
static void recount_between(void)
{
	struct memcg_page *page = page_of_order(8, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT);

	watched = memcg_page_address(page);
	hook_split_made = hook_split_claimed = closes;
	CHECK(!memcg_page_split(page, 1));
	hook_split_made = hook_split_claimed = NULL;
	for (size_t at = 0; at < PAGE_SIZE << 8; at += PAGE_SIZE << 1)
		memcg_page_put(memcg_page_of(watched + at));
}

static void seen_between_the_steps(void)
{
	set_up();
	looked_at_between();
	recount_between();
	closes();
}
#endif

/* ---- by force: who looks up by address, and who tries to get a reference, meanwhile ---- */
static struct memcg_page *target;
static u32 stop;
static u64 asked[3], gotten;

static void *ask_who(void *arg)
{
	u64 seed = (uintptr_t)arg;

	while (!atomic_load(&stop)) {
		char *base = memcg_page_address(atomic_load_acquire(&target));
		struct memcg *g = memcg_owner(base + next_random(&seed) % (PAGE_SIZE << 6));

		CHECK(g == cg);
		memcg_put(g);
		atomic_add_relaxed(&asked[0], 1ul);
	}
	return NULL;
}

/* What is got is whole: a page or a piece, of the kind and the owner. */
static void *try_to_get(void *arg)
{
	u64 *count = arg, seed = (uintptr_t)arg;

	while (!atomic_load(&stop)) {
		char *p = (char *)memcg_page_address(atomic_load_acquire(&target)) +
			  next_random(&seed) % (PAGE_SIZE << 6);
		struct memcg_page *page = memcg_page_of(p);

		if (page && memcg_page_tryget(page)) {
			struct page *pg = (struct page *)page;
			struct memcg *g = memcg_page_owner(page);

			CHECK(g == cg && pg->kind == PAGE_BUFFER && is_pow2(pg->npages));
			memcg_put(g);
			memcg_page_put(page);
			atomic_add_relaxed(&gotten, 1ul);
		}
		atomic_add_relaxed(count, 1ul);
	}
	return NULL;
}

static void wait_for_all(void)
{
	for (int i = 0; i < 3; i++) {
		u64 from = atomic_load(&asked[i]);

		while (atomic_load(&asked[i]) == from)
			sched_yield();
	}
}

/*
 * Who has a reference puts it off. The pieces stay until the end, for who looked up the old one may
 * be stopped at any place.
 */
static char *split_all(u32 round)
{
	struct memcg_page *fresh;
	char *base = memcg_page_address(target);
	int err;

	while ((err = memcg_page_split(target, round % 6)) == -EBUSY)
		sched_yield();
	CHECK(!err);
	for (size_t at = 0; at < PAGE_SIZE << 6; at += PAGE_SIZE << round % 6)
		CHECK(memcg_page_of(base + at));
	if (round % 64 == 0)
		wait_for_all();
	fresh = page_of_order(6, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT);
	atomic_store_release(&target, fresh);
	return base;
}

static void put_pieces(char *base, unsigned order)
{
	for (size_t at = 0; at < PAGE_SIZE << 6; at += PAGE_SIZE << order)
		memcg_page_put(memcg_page_of(base + at));
}

static void under_look_ups(void)
{
	static char *old[1000];
	u32 rounds = effort(ARRAY_SIZE(old));
	pthread_t thread[3];

	set_up();
	target = page_of_order(6, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT);
	CHECK(!pthread_create(&thread[0], NULL, ask_who, (void *)1));
	CHECK(!pthread_create(&thread[1], NULL, try_to_get, &asked[1]));
	CHECK(!pthread_create(&thread[2], NULL, try_to_get, &asked[2]));
	wait_for_all();
	for (u32 round = 0; round < rounds; round++)
		old[round] = split_all(round);
	atomic_store(&stop, 1u);
	for (int i = 0; i < 3; i++)
		CHECK(!pthread_join(thread[i], NULL));
	memcg_page_put(target);
	CHECK(gotten && held(cg) == (u64)rounds * (PAGE_SIZE << 6));
	closes();
	for (u32 round = 0; round < rounds; round++)
		put_pieces(old[round], round % 6);
	CHECK(!held(cg));
	closes();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(every_order_into_every_other),
		PAGE_TEST(pieces_go_their_own_ways),
		PAGE_TEST(pieces_are_inherited),
		PAGE_TEST(only_who_has_it_alone),
		PAGE_TEST(trimmed_blocks),
		PAGE_TEST(pieces_coalesce),
#ifdef MEMCG_DEBUG
		PAGE_TEST(seen_between_the_steps),
#endif
		PAGE_TEST(under_look_ups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
