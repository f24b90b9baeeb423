/*
 * t_fill.c - small reads of a group in one page: where they go on, who may, and what a word that
 * names a page of an earlier life leads to.
 */
#include "net_fixture.h"

#include "net/fill.h"

static struct memcg_frag read_some(struct memcg *g, size_t n)
{
	struct memcg_frag f[2];

	CHECK(memcg_pool_recv(pool, ends[0], g, f, 2, MSG_DONTWAIT) == (ssize_t)n);
	CHECK(f[0].page && f[0].length == n && !f[1].page);
	return f[0];
}

static struct memcg_frag pass(struct memcg *g, u64 at, size_t n)
{
	struct memcg_frag f;

	put_payload(ends[1], at, n);
	f = read_some(g, n);
	CHECK(holds_payload(&f, 1, at) == n);
	return f;
}

static void begin(void)
{
	open_pool(0, 0);
	open_ends(SOCK_STREAM);
}

static void end(void)
{
	close_ends();
	all_is_back();
}

static struct fill claim(struct memcg *g)
{
	return fill_claim(pool_ref(pool), g->handle->index);
}

static void one_page_for_many(void)
{
	struct memcg_frag f[30], g;

	begin();
	for (unsigned i = 0; i < 30; i++) {
		f[i] = pass(cg, i * 100, 100);
		CHECK(f[i].page == f[0].page && f[i].offset == i * 112);
	}
	CHECK(held(cg) == 4096 && sock(cg) == 4096 && pool_stat().out == 1);
	g = pass(other, 7, 50);
	CHECK(g.page != f[0].page && held(other) == 4096);
	closes();
	for (unsigned i = 0; i < 30; i++)
		CHECK(holds_payload(&f[i], 1, i * 100) == 100);
	memcg_frags_put(f, 29);
	CHECK(held(cg) == 4096);
	memcg_frags_put(f + 29, 1);
	CHECK(!held(cg)); /* rest and all */
	memcg_frags_put(&g, 1);
	end();
}

/* A large read begins in what is left, and goes on in pages of its own. */
static void then_whole_pages(void)
{
	struct memcg_frag f, g[4];

	begin();
	f = pass(cg, 0, 1000);
	put_payload(ends[1], 1000, 10000);
	CHECK(memcg_pool_recv(pool, ends[0], cg, g, 4, 0) == 10000);
	CHECK(g[0].page == f.page && g[0].offset == 1008 && g[0].length == 4096 - 1008);
	CHECK(holds_payload(g, 4, 1000) == 10000 && held(cg) == 3 * 4096);
	memcg_frags_put(&f, 1);
	memcg_frags_put(g, 4);
	end();
}

/* What is too short to be worth a fragment is left. */
static void a_short_rest_is_left(void)
{
	struct memcg_frag f, g;

	begin();
	f = pass(cg, 0, 4096 - FILL_LEAST + 1);
	g = pass(cg, 0, 10);
	CHECK(g.page != f.page);
	memcg_frags_put(&f, 1);
	memcg_frags_put(&g, 1);
	end();
}

static u64 max_events(void)
{
	struct memcg_events e = {.rose = 0};

	CHECK(!memcg_event_read(cg, &e, sizeof(e)));
	return e.max;
}

/* The group is at its max, and the page is paid for: no more is asked for. */
static void at_max(void)
{
	struct memcg_frag f, g, h;
	u64 before;

	begin();
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 4096));
	f = pass(cg, 0, 100);
	before = max_events();
	g = pass(cg, 100, 4096 - 112);
	CHECK(g.page == f.page && !throttled(cg) && max_events() == before);
	put_payload(ends[1], 0, 1);
	CHECK(memcg_pool_recv(pool, ends[0], cg, &h, 1, 0) == -ENOBUFS && throttled(cg) == 1);
	memcg_frags_put(&f, 1);
	memcg_frags_put(&g, 1);
	h = read_some(cg, 1);
	put_payload(ends[1], 0, 5000); /* more than there is room for, and it is read in part */
	f = read_some(cg, 4096 - 16);
	CHECK(f.page == h.page && throttled(cg) == 1 && pool_stat().refused == 1);
	memcg_frags_put(&h, 1);
	memcg_frags_put(&f, 1);
	h = read_some(cg, 5000 - 4080);
	memcg_frags_put(&h, 1);
	end();
}

/* Nothing came: the page is offered as before. */
static void nothing_read(void)
{
	struct memcg_frag f, g, none;

	begin();
	f = pass(cg, 0, 100);
	CHECK(memcg_pool_recv(pool, ends[0], cg, &none, 1, MSG_DONTWAIT) == -EAGAIN);
	CHECK(page_count((struct page *)f.page) == 1);
	g = pass(cg, 100, 100);
	CHECK(g.page == f.page && g.offset == 112);
	memcg_frags_put(&f, 1);
	memcg_frags_put(&g, 1);
	end();
}

/* ---- other lives, other owners ---- */

/* The word names a page that has been home since; it is the same group's again, and not offered. */
static void an_earlier_life(void)
{
	struct memcg_frag f, g, again;

	begin();
	f = pass(cg, 0, 100);
	g = f;
	memcg_frags_put(&f, 1);
	CHECK(memcg_pool_alloc(pool, cg, &again, 1) == 1 && again.page == g.page);
	memset(bytes_of(&again), 5, 4096);
	f = pass(cg, 0, 100);
	CHECK(f.page != again.page);
	for (u32 i = 0; i < 4096; i++)
		CHECK(bytes_of(&again)[i] == 5);
	memcg_frags_put(&f, 1);
	memcg_frags_put(&again, 1);
	end();
}

/* A page that is free has no reference to be got; one of another kind is not looked into. */
static void a_word_that_leads_nowhere(void)
{
	struct memcg_frag f;
	struct page *pg, *buffer;
	u32 slot;

	begin();
	slot = cg->handle->index % FILL_SLOTS;
	f = pass(cg, 0, 100);
	pg = (struct page *)f.page;
	memcg_frags_put(&f, 1);
	CHECK(pool->fill[slot] == page_to_index(pg) && !claim(cg).pg && !pool->fill[slot]);
	buffer = (struct page *)memcg_pages_alloc(0, MEMCG_PAGE_BUFFER, 0);
	CHECK(buffer);
	buffer->net.fill = slot + 1;
	pool->fill[slot] = page_to_index(buffer);
	CHECK(!claim(cg).pg && buffer->net.fill == slot + 1 && page_count(buffer) == 1);
	buffer->net.fill = 0;
	memcg_page_put((struct memcg_page *)buffer);
	end();
}

/* Two handles with one word: neither reads into the other's page. */
static void two_of_one_word(void)
{
	struct memcg_frag f, g;
	struct memcg *twin;
	char name[16];
	u32 i = 0;

	begin();
	do {
		snprintf(name, sizeof(name), "g%u", i++);
		CHECK((twin = memcg_create(NULL, name)));
	} while (twin->handle->index % FILL_SLOTS != cg->handle->index % FILL_SLOTS);
	f = pass(cg, 0, 100);
	g = pass(twin, 100, 100);
	CHECK(g.page != f.page && held(twin) == 4096 && held(cg) == 4096);
	memcg_frags_put(&f, 1);
	memcg_frags_put(&g, 1);
	CHECK(!held(twin));
	end();
}

/* Somebody claimed it, or has it locked to give it to another group: not twice, and not then. */
static void one_claim(void)
{
	struct memcg_frag f;
	struct page *pg;
	struct fill one;
	u32 slot;

	begin();
	slot = cg->handle->index % FILL_SLOTS;
	f = pass(cg, 0, 100);
	pg = (struct page *)f.page;
	one = claim(cg);
	CHECK(one.pg == pg && one.at == 112 && page_count(pg) == 2);
	pool->fill[slot] = page_to_index(pg); /* as who read the word before has it */
	CHECK(!claim(cg).pg && pg->net.fill == NET_FILL_WRITING && page_count(pg) == 2);
	CHECK(!page_freeze(pg)); /* so nobody recharges it */
	fill_unclaim(pool, cg->handle->index, &one);
	CHECK(page_count(pg) == 1);
	pg->net.lock = 1;
	CHECK(!claim(cg).pg && !pg->net.fill && page_count(pg) == 1);
	pg->net.lock = 0;
	memcg_frags_put(&f, 1);
	end();
}

/* It is another group's by now: what is read for the first does not go there. */
static void recharged(void)
{
	struct memcg_frag f, g;

	begin();
	f = pass(cg, 0, 100);
	g = pass(cg, 100, 100);
	CHECK(memcg_frag_recharge(&f, other) == -EBUSY);
	memcg_frags_put(&g, 1);
	CHECK(!memcg_frag_recharge(&f, other) && held(other) == 4096 && !held(cg));
	g = pass(cg, 0, 100);
	CHECK(g.page != f.page && held(cg) == 4096);
	memcg_frags_put(&f, 1);
	memcg_frags_put(&g, 1);
	end();
}

/* Moved with an address space; not while it is read into. */
static void moved(void)
{
	struct memcg_move m;
	struct memcg_frag f, g;
	struct memcg_mm *mm;
	struct fill one;
	char *at;

	begin();
	CHECK((mm = memcg_mm_create(cg)));
	f = pass(cg, 0, 100);
	CHECK((at = memcg_frags_map(mm, &f, 1)));
	one = claim(cg);
	CHECK(one.pg == (struct page *)f.page);
	CHECK(!memcg_mm_move(mm, other, MEMCG_MOVE_ANON, &m, sizeof(m)) && m.busy == 4096);
	CHECK(sock(cg) == 4096 && !sock(other));
	fill_unclaim(pool, cg->handle->index, &one);
	CHECK(!memcg_mm_move(mm, cg, MEMCG_MOVE_ANON, &m, sizeof(m)));
	CHECK(!memcg_mm_move(mm, other, MEMCG_MOVE_ANON, &m, sizeof(m)));
	CHECK(sock(other) == 4096 && !sock(cg));
	g = pass(cg, 0, 100);
	CHECK(g.page != f.page && sock(cg) == 4096);
	CHECK(!memcg_munmap(mm, at, 4096));
	memcg_mm_destroy(mm);
	memcg_frags_put(&f, 1);
	memcg_frags_put(&g, 1);
	end();
}

/* ---- several threads ---- */

#define THREADS 4u
#define KEPT	16u

struct reader {
	pthread_t thread;
	int ends[2];
	u64 seed;
};

/* Its own messages, in pages it shares with the others; all of them are what was sent to the last.
 */
static void *read_small(void *arg)
{
	struct reader *r = arg;
	struct memcg_frag kept[KEPT][3] = {0};
	u64 at[KEPT] = {0}, sent = r->seed << 20;
	size_t len[KEPT] = {0};

	for (u32 i = 0; i < 20000 / effort_divisor(); i++) {
		u32 k = next_random(&r->seed) % KEPT;
		size_t n = 1 + next_random(&r->seed) % (i % 8 ? 300 : 6000);

		CHECK(holds_payload(kept[k], 3, at[k]) == len[k]);
		memcg_frags_put(kept[k], 3);
		put_payload(r->ends[1], sent, n);
		CHECK(memcg_pool_recv(pool, r->ends[0], cg, kept[k], 3, MSG_DONTWAIT) ==
		      (ssize_t)n);
		at[k] = sent;
		len[k] = n;
		sent += n;
	}
	for (u32 k = 0; k < KEPT; k++) {
		CHECK(holds_payload(kept[k], 3, at[k]) == len[k]);
		memcg_frags_put(kept[k], 3);
	}
	return NULL;
}

static void side_by_side(void)
{
	static struct reader r[THREADS];

	begin();
	for (u32 i = 0; i < THREADS; i++) {
		r[i].seed = i * 17 + 1;
		CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, r[i].ends));
		CHECK(!pthread_create(&r[i].thread, NULL, read_small, &r[i]));
	}
	for (u32 i = 0; i < THREADS; i++)
		CHECK(!pthread_join(r[i].thread, NULL) && !close(r[i].ends[0]) &&
		      !close(r[i].ends[1]));
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(one_page_for_many),
		PAGE_TEST(then_whole_pages),
		PAGE_TEST(a_short_rest_is_left),
		PAGE_TEST(at_max),
		PAGE_TEST(nothing_read),
		PAGE_TEST(an_earlier_life),
		PAGE_TEST(a_word_that_leads_nowhere),
		PAGE_TEST(two_of_one_word),
		PAGE_TEST(one_claim),
		PAGE_TEST(recharged),
		PAGE_TEST(moved),
		PAGE_TEST(side_by_side),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
