/*
 * t_frag.c - network pages that change hands: recharged by who has them alone, in pipes by
 * reference, taken out of them, and home at last.
 */
#include "effort.h"
#include "managed_fixture.h"

#include <pthread.h>

#include <memcg.h>

#include "net/pool.h"

static struct memcg_pool *pool;
static struct memcg_frag f[16];

static void frag_set_up(unsigned flags)
{
	struct memcg_pool_config c = MEMCG_POOL_CONFIG_INIT;

	set_up();
	c.flags = flags;
	CHECK((pool = memcg_pool_create(&c)));
}

static u64 out_of(struct memcg_pool *p)
{
	struct memcg_pool_stat s;

	CHECK(!memcg_pool_stat(p, &s, sizeof(s)));
	return s.out;
}

static void frag_tear_down(void)
{
	CHECK(!out_of(pool) && !held(cg) && !held(other) && !page_bad_count);
	CHECK(!STAT(cg, sock) && !STAT(other, sock) && !STAT(memcg_root(), sock));
	closes();
	CHECK(!memcg_pool_destroy(pool));
}

static void take(struct memcg *g, size_t n)
{
	CHECK(memcg_pool_alloc(pool, g, f, n) == (ssize_t)n);
}

/* n network pages are the group's, and nothing else. */
static bool pays(struct memcg *g, u64 n)
{
	return held(g) == n * PAGE_SIZE && STAT(g, sock) == n * PAGE_SIZE;
}

static void into(struct memcg *g)
{
	memcg_put(memcg_enter(g));
}

/* --- recharged ----------------------------------------------------------------------------- */

static void to_another_group(void)
{
	void *at;

	frag_set_up(0);
	take(cg, 2);
	at = memcg_page_address(f[0].page);
	CHECK(!memcg_frag_recharge(&f[0], other) && pays(cg, 1) && pays(other, 1));
	CHECK(memcg_owner_id(at) == memcg_id(other) && page_count((struct page *)f[0].page) == 1);
	CHECK(!memcg_page_recharge(f[0].page, cg) && pays(cg, 2) && pays(other, 0));
	CHECK(!memcg_recharge(at, other) && pays(cg, 1) && pays(other, 1));
	CHECK(memcg_recharge((char *)at + 1, cg) == -EINVAL);
	CHECK(!memcg_frag_recharge(&f[0], NULL) && pays(other, 0));
	CHECK(STAT(memcg_root(), sock) == 2 * PAGE_SIZE);
	memcg_frags_put(f, 2);
	frag_tear_down();
}

/* Not by looking for a count of one: whoever has a reference makes it fail. */
static void somebody_else_has_it(void)
{
	struct memcg_frag half;
	struct memcg_mm *mm;
	void *p;

	frag_set_up(0);
	take(cg, 1);
	half = (struct memcg_frag){f[0].page, 2048, 2048};
	memcg_frags_get(&half, 1);
	CHECK(memcg_frag_recharge(&f[0], other) == -EBUSY && pays(cg, 1) && pays(other, 0));
	CHECK(memcg_recharge(memcg_page_address(f[0].page), other) == -EBUSY);
	CHECK(page_count((struct page *)half.page) == 2);
	memcg_frags_put(&half, 1);
	CHECK(!memcg_frag_recharge(&f[0], other) && pays(other, 1));
	mm = memcg_mm_create(cg);
	p = memcg_frags_map(mm, f, 1);
	CHECK(p && memcg_frag_recharge(&f[0], cg) == -EBUSY);
	half = f[0];
	memcg_frags_put(f, 1);
	CHECK(memcg_frag_recharge(&half, cg) == -EBUSY); /* the one there is, is the view's */
	CHECK(page_count((struct page *)half.page) == 1 && STAT(other, sock) == PAGE_SIZE);
	memcg_mm_destroy(mm);
	frag_tear_down();
}

static void over_its_max(void)
{
	struct memcg_events e = {0};

	frag_set_up(0);
	take(cg, 2);
	CHECK(!memcg_set_limit(other, MEMCG_MAX, PAGE_SIZE));
	CHECK(!memcg_frag_recharge(&f[0], other));
	CHECK(memcg_frag_recharge(&f[1], other) == -ENOMEM && pays(cg, 1) && pays(other, 1));
	CHECK(page_count((struct page *)f[1].page) == 1);
	CHECK(!memcg_event_read(other, &e, sizeof(e)) && e.max);
	CHECK(!memcg_frag_recharge(&f[0], other)); /* it pays: nothing is charged */
	CHECK(pays(other, 1));
	memcg_frags_put(f, 2);
	frag_tear_down();
}

static void no_fragments(void)
{
	struct memcg_page *buffer = memcg_pages_alloc(0, MEMCG_PAGE_BUFFER, 0);
	struct memcg_frag g = {buffer, 0, 1};

	frag_set_up(0);
	CHECK(memcg_frag_recharge(NULL, other) == -EINVAL);
	CHECK(memcg_frag_recharge(&g, other) == -EINVAL && !held(other));
	g.page = NULL;
	CHECK(memcg_frag_recharge(&g, other) == -EINVAL);
	take(cg, 1);
	g = f[0];
	memcg_frags_put(f, 1);
	CHECK(memcg_frag_recharge(&g, other) == -EINVAL && !held(other)); /* at home */
	memcg_page_put(buffer);
	frag_tear_down();
}

/* Taken while accounting is off: nobody's, until somebody takes it in. */
static void nobodys(void)
{
	frag_set_up(0);
	atomic_store(&accounting_off, 1u);
	take(cg, 1);
	atomic_store(&accounting_off, 0u);
	CHECK(pays(cg, 0));
	CHECK(!memcg_frag_recharge(&f[0], other) && pays(other, 1));
	memcg_frags_put(f, 1);
	frag_tear_down();
}

/* Through two groups that go: the charge is where the last one's parent is. */
static void groups_go(void)
{
	struct memcg *a, *b;

	frag_set_up(0);
	a = memcg_create(cg, "a");
	b = memcg_create(other, "b");
	take(a, 1);
	CHECK(!memcg_destroy(a) && pays(cg, 1));
	CHECK(!memcg_frag_recharge(&f[0], b) && pays(cg, 0));
	CHECK(!memcg_destroy(b) && pays(other, 1));
	CHECK(!memcg_frag_recharge(&f[0], other) && pays(other, 1)); /* by another handle */
	memcg_frags_put(f, 1);
	frag_tear_down();
}

/* --- in pipes ----------------------------------------------------------------------------------
 */

static void write_frag(struct memcg_pipe *p, const struct memcg_frag *frag)
{
	CHECK(memcg_pipe_write_page(p, frag->page, frag->offset, frag->length) ==
	      (ssize_t)frag->length);
}

static void through_a_pipe(void)
{
	struct memcg_pipe *p;
	struct memcg_frag part;
	char got_back[64];

	frag_set_up(0);
	CHECK((p = memcg_pipe_create(2, MEMCG_PIPE_NONBLOCK)));
	take(cg, 1);
	memcpy((char *)memcg_page_address(f[0].page) + 100, "by reference", 13);
	part = (struct memcg_frag){f[0].page, 100, 13};
	into(other);
	write_frag(p, &part);
	CHECK(page_count((struct page *)f[0].page) == 2 && pays(cg, 1) && pays(other, 0));
	memcg_frags_put(f, 1);
	CHECK(pays(cg, 1) && out_of(pool) == 1);
	CHECK(memcg_pipe_read(p, got_back, 64) == 13 && !strcmp(got_back, "by reference"));
	CHECK(pays(cg, 0) && !out_of(pool));
	into(NULL);
	memcg_pipe_destroy(p);
	frag_tear_down();
}

/* What is behind the fragment may be about to be received: nothing is put there. */
static void nothing_is_appended(void)
{
	struct memcg_pipe *p;
	struct memcg_frag part;
	char got_back[8], *at;

	frag_set_up(0);
	CHECK((p = memcg_pipe_create(4, MEMCG_PIPE_NONBLOCK)));
	into(other);
	take(cg, 1);
	at = memcg_page_address(f[0].page);
	memset(at, '-', PAGE_SIZE);
	part = (struct memcg_frag){f[0].page, 0, 4};
	write_frag(p, &part);
	memcg_frags_put(f, 1); /* the pipe's is the only reference */
	CHECK(memcg_pipe_write(p, "tail", 4) == 4);
	CHECK(at[4] == '-' && held(other) == PAGE_SIZE);
	CHECK(memcg_pipe_read(p, got_back, 8) == 8 && !memcmp(got_back, "----tail", 8));
	into(NULL);
	memcg_pipe_destroy(p);
	frag_tear_down();
}

/* A small fragment behind bytes is not copied to them. */
static void never_copied(void)
{
	struct memcg_page *page = NULL;
	struct memcg_pipe *p;
	struct memcg_frag part;
	size_t offset;
	char c[4];

	frag_set_up(0);
	CHECK((p = memcg_pipe_create(4, MEMCG_PIPE_NONBLOCK)));
	take(cg, 1);
	CHECK(memcg_pipe_write(p, "head", 4) == 4);
	part = (struct memcg_frag){f[0].page, 8, 4};
	write_frag(p, &part);
	memcg_frags_put(f, 1);
	CHECK(memcg_pipe_read(p, c, 4) == 4 && memcg_pipe_steal(p, &page, &offset) == 4);
	CHECK(page == part.page && offset == 8);
	memcg_page_put(page);
	memcg_pipe_destroy(p);
	frag_tear_down();
}

/* The taker pays, the writer does not, and the page is its pool's as before. */
static void stolen(void)
{
	struct memcg_page *page = NULL;
	struct memcg_pipe *p;
	size_t offset;

	frag_set_up(0);
	CHECK((p = memcg_pipe_create(2, MEMCG_PIPE_NONBLOCK)));
	take(cg, 2);
	write_frag(p, &f[0]);
	into(other);
	CHECK(memcg_pipe_steal(p, &page, &offset) == -EBUSY && pays(cg, 2) && pays(other, 0));
	memcg_page_put(f[0].page);
	CHECK(memcg_pipe_steal(p, &page, &offset) == (ssize_t)PAGE_SIZE && page == f[0].page);
	CHECK(pays(cg, 1) && pays(other, 1) && page_count((struct page *)page) == 1);
	CHECK(memcg_owner_id(memcg_page_address(page)) == memcg_id(other));
	CHECK(!memcg_set_limit(other, MEMCG_MAX, PAGE_SIZE));
	write_frag(p, &f[1]);
	memcg_page_put(f[1].page);
	CHECK(memcg_pipe_steal(p, &page, &offset) == -ENOMEM && pays(cg, 1) && pays(other, 1));
	memcg_page_put(page);
	CHECK(pays(other, 0) && out_of(pool) == 1);
	CHECK(memcg_pipe_steal(p, &page, &offset) == (ssize_t)PAGE_SIZE && page == f[1].page);
	CHECK(pays(cg, 0) && pays(other, 1));
	memcg_page_put(page);
	into(NULL);
	memcg_pipe_destroy(p);
	frag_tear_down();
}

/* Counted in both pipes, charged once; dropped with the pipe. */
static void teed(void)
{
	struct memcg_pipe *p, *q;
	char byte;

	frag_set_up(0);
	p = memcg_pipe_create(4, MEMCG_PIPE_NONBLOCK);
	q = memcg_pipe_create(4, MEMCG_PIPE_NONBLOCK);
	CHECK(p && q);
	take(cg, 3);
	for (unsigned i = 0; i < 3; i++)
		write_frag(p, &f[i]);
	memcg_frags_put(f, 3);
	CHECK(memcg_pipe_tee(p, q, 3 * PAGE_SIZE) == 3 * (ssize_t)PAGE_SIZE && pays(cg, 3));
	memcg_pipe_destroy(p);
	CHECK(pays(cg, 3) && memcg_pipe_read(q, &byte, 1) == 1);
	memcg_pipe_destroy(q);
	frag_tear_down();
}

static void refused_by_a_pipe(void)
{
	struct memcg_page *big = memcg_pages_alloc(1, MEMCG_PAGE_BUFFER, 0);
	struct memcg_page *table = memcg_pages_alloc(0, MEMCG_PAGE_TABLE, 0);
	struct memcg_pipe *p;

	frag_set_up(0);
	CHECK((p = memcg_pipe_create(1, MEMCG_PIPE_NONBLOCK)));
	take(cg, 1);
	CHECK(memcg_pipe_write_page(p, NULL, 0, 1) == -EINVAL);
	CHECK(memcg_pipe_write_page(p, big, 0, 1) == -EINVAL);
	CHECK(memcg_pipe_write_page(p, table, 0, 1) == -EINVAL);
	CHECK(memcg_pipe_write_page(p, f[0].page, 0, 0) == -EINVAL);
	CHECK(memcg_pipe_write_page(p, f[0].page, 4096, 1) == -EINVAL);
	CHECK(memcg_pipe_write_page(p, f[0].page, 4000, 97) == -EINVAL);
	CHECK(memcg_pipe_write_page(p, f[0].page, 1, SIZE_MAX) == -EINVAL);
	CHECK(memcg_pipe_write_page(p, f[0].page, 4000, 96) == 96);
	CHECK(memcg_pipe_write_page(p, f[0].page, 0, 1) == -EAGAIN);
	CHECK(page_count((struct page *)f[0].page) == 2);
	CHECK(!memcg_pipe_close(p, MEMCG_PIPE_READ));
	CHECK(memcg_pipe_write_page(p, f[0].page, 0, 1) == -EPIPE);
	CHECK(page_count((struct page *)f[0].page) == 1);
	memcg_pipe_destroy(p);
	memcg_frags_put(f, 1);
	memcg_page_put(big);
	memcg_page_put(table);
	frag_tear_down();
}

/* The program's buffers too: given away, and what is written after may follow in them. */
static void buffers_by_reference(void)
{
	struct memcg_page *buffer, *page;
	struct memcg_pipe *p;
	size_t offset;
	char both[8];

	frag_set_up(0);
	into(cg);
	buffer = memcg_pages_alloc(0, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT);
	CHECK(buffer && (p = memcg_pipe_create(4, MEMCG_PIPE_NONBLOCK)));
	memcpy(memcg_page_address(buffer), "mine", 4);
	CHECK(memcg_pipe_write_page(p, buffer, 0, 4) == 4);
	CHECK(memcg_pipe_write(p, "more", 4) == 4); /* beside it: it is not the pipe's alone */
	CHECK(held(cg) == 2 * PAGE_SIZE);
	CHECK(memcg_pipe_read(p, both, 8) == 8 && !memcmp(both, "minemore", 8));
	CHECK(memcg_pipe_write_page(p, buffer, 0, 4) == 4);
	memcg_page_put(buffer);
	CHECK(memcg_pipe_steal(p, &page, &offset) == 4 && page == buffer && !offset);
	memcg_page_put(page);
	into(NULL);
	memcg_pipe_destroy(p);
	frag_tear_down();
}

/* --- between two steps ------------------------------------------------------------------------ */

#ifdef MEMCG_DEBUG

static struct memcg_page *between;

static void get_it(void)
{
	hook_recharge_charged = NULL;
	memcg_page_get(between);
}

/* A reference taken when the taker is charged already: that is given back. */
static void taken_meanwhile(void)
{
	frag_set_up(0);
	take(cg, 1);
	between = f[0].page;
	hook_recharge_charged = get_it;
	CHECK(memcg_frag_recharge(&f[0], other) == -EBUSY && pays(cg, 1) && pays(other, 0));
	memcg_page_put(between);
	memcg_frags_put(f, 1);
	frag_tear_down();
}

static void *seen_at;
static unsigned frozen;

/* As another thread may at any time. */
static void pin_through_the_view(void)
{
	frozen++;
	if (seen_at && !memcg_pin(seen_at, PAGE_SIZE))
		memcg_unpin(seen_at, PAGE_SIZE);
}

/* The view's reference is never away: what it holds can be pinned. */
static void pinned_meanwhile(void)
{
	struct memcg_frag g;
	struct memcg_mm *mm;

	frag_set_up(0);
	take(cg, 1);
	frozen = 0;
	hook_recharge_frozen = pin_through_the_view;
	CHECK(!memcg_frag_recharge(&f[0], other) && frozen == 2);
	mm = memcg_mm_create(cg);
	CHECK(mm && (seen_at = memcg_frags_map(mm, f, 1)));
	g = f[0];
	memcg_frags_put(f, 1);
	CHECK(memcg_frag_recharge(&g, cg) == -EBUSY && frozen == 2);
	pin_through_the_view();
	CHECK(page_count((struct page *)g.page) == 1 && STAT(other, sock) == PAGE_SIZE);
	hook_recharge_frozen = NULL;
	seen_at = NULL;
	memcg_mm_destroy(mm);
	frag_tear_down();
}

#endif

/* --- at once ---------------------------------------------------------------------------------- */

static u64 got_it, passes;

/* Tries for the page by its address alone, as a slot of unfinished pages does. */
static void *tries(void *arg)
{
	struct memcg_page *page = arg;

	while (!atomic_load_acquire(&passes)) {
		if (!memcg_page_tryget(page))
			continue;
		atomic_add(&got_it, 1ul);
		memcg_page_put(page);
	}
	return NULL;
}

/* One owner for all the references there are: a recharge happens with none besides or not at all.
 */
static void recharged_while_tried(void)
{
	pthread_t t[2];

	frag_set_up(0);
	take(cg, 1);
	for (unsigned i = 0; i < 2; i++)
		CHECK(!pthread_create(&t[i], NULL, tries, f[0].page));
	for (u64 i = 0; i < effort(20000) || !atomic_load(&got_it); i++) {
		int err = memcg_frag_recharge(&f[0], i & 1 ? cg : other);

		CHECK(!err || err == -EBUSY);
	}
	atomic_store(&passes, 1ul);
	for (unsigned i = 0; i < 2; i++)
		CHECK(!pthread_join(t[i], NULL));
	CHECK(!memcg_frag_recharge(&f[0], cg) && pays(cg, 1)); /* nobody tries any more */
	CHECK(held(cg) + held(other) == PAGE_SIZE);
	CHECK(STAT(cg, sock) + STAT(other, sock) == PAGE_SIZE);
	memcg_frags_put(f, 1);
	frag_tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(to_another_group),
		FAULTS_TEST(somebody_else_has_it),
		PAGE_TEST(over_its_max),
		PAGE_TEST(no_fragments),
		PAGE_TEST(nobodys),
		PAGE_TEST(groups_go),
		PAGE_TEST(through_a_pipe),
		PAGE_TEST(nothing_is_appended),
		PAGE_TEST(never_copied),
		PAGE_TEST(stolen),
		PAGE_TEST(teed),
		PAGE_TEST(refused_by_a_pipe),
		PAGE_TEST(buffers_by_reference),
		PAGE_TEST(recharged_while_tried),
#ifdef MEMCG_DEBUG
		PAGE_TEST(taken_meanwhile),
		PAGE_TEST(pinned_meanwhile),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
