/*
 * t_view.c - fragments of network pages side by side: where a view may begin and end, what it
 * holds and how long, and what is refused.
 */
#include "mm_fixture.h"

#include <sys/wait.h>

#include <memcg.h>

#include "net/pool.h"
#include "vm/mech.h"

static struct memcg_pool *pool;
static struct memcg_frag f[64];

static void view_set_up(unsigned flags)
{
	struct memcg_pool_config c = MEMCG_POOL_CONFIG_INIT;

	mm_set_up();
	c.flags = flags;
	CHECK((pool = memcg_pool_create(&c)));
}

static void view_tear_down(void)
{
	struct memcg_pool_stat s;

	memcg_mm_destroy(mm);
	CHECK(!memcg_pool_stat(pool, &s, sizeof(s)) && !s.out);
	CHECK(!held(cg) && !held(other) && !STAT(cg, sock) && !page_bad_count);
	closes();
	CHECK(!memcg_pool_destroy(pool));
}

static void take(struct memcg *g, size_t n)
{
	CHECK(memcg_pool_alloc(pool, g, f, n) == (ssize_t)n);
}

static char *at_of(size_t i)
{
	return memcg_page_address(f[i].page);
}

static struct page *desc_of(size_t i)
{
	return (struct page *)f[i].page;
}

static u64 mappings(size_t i)
{
	return (u32)desc_of(i)->mapcount;
}

static void refused(int err, struct memcg_mm *by, const struct memcg_frag *frags, size_t n)
{
	errno = 0;
	CHECK(!memcg_frags_map(by, frags, n) && errno == err);
}

/* --- what is seen ------------------------------------------------------------------------- */

/* One page for every fragment, adjacent or not, through both addresses. */
static void both_ways(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		write_page(at_of(i), i, 0);
		check_page(p + (i << PAGE_SHIFT), i, 0);
		write_page(p + (i << PAGE_SHIFT), i + 99, 0);
		check_page(at_of(i), i + 99, 0);
	}
}

static void adjacent_pages(void)
{
	char *p;

	view_set_up(0);
	take(cg, 16);
	write_page(at_of(3), 5, 0);
	p = memcg_frags_map(mm, f, 16);
	CHECK(p && IS_ALIGNED((uintptr_t)p, PAGE_SIZE));
	check_page(p + 3 * PAGE_SIZE, 5, 0);
	both_ways(p, 16);
	CHECK(STAT(cg, sock) == 16 * PAGE_SIZE && !STAT(cg, file_mapped) && !STAT(cg, anon));
	CHECK(held(cg) == 16 * PAGE_SIZE + STAT(cg, pagetables));
	CHECK(page_count(desc_of(7)) == 2 && mappings(7) == 1);
	closes();
	memcg_frags_put(f, 16);
	check_page(p + 15 * PAGE_SIZE, 15 + 99, 0); /* the view's own references */
	CHECK(STAT(cg, sock) == 16 * PAGE_SIZE);
	CHECK(!memcg_munmap(mm, p, 16 * PAGE_SIZE) && !STAT(cg, sock) && !held(cg));
	view_tear_down();
}

/* Pages in any order: each is a run. Sixteen of those and no more. */
static void scattered_pages(void)
{
	struct memcg_frag rev[17];
	char *p;

	view_set_up(0);
	take(cg, 34);
	for (unsigned i = 0; i < 17; i++)
		rev[i] = f[33 - 2 * i];
	refused(E2BIG, mm, rev, 17);
	CHECK(page_count((struct page *)rev[0].page) == 1 && !STAT(cg, pagetables));
	p = memcg_frags_map(mm, rev, 16);
	CHECK(p);
	for (unsigned i = 0; i < 16; i++) {
		write_page(p + (i << PAGE_SHIFT), i, 0);
		check_page(at_of(33 - 2 * i), i, 0);
	}
	closes();
	memcg_frags_put(f, 34);
	CHECK(STAT(cg, sock) == 16 * PAGE_SIZE);
	CHECK(!memcg_munmap(mm, p, 16 * PAGE_SIZE));
	view_tear_down();
}

/* More than the entries of a table, the end of one extent and the start of another among them. */
static void several_tables(void)
{
	static struct memcg_frag many[1300];
	size_t taken = 0, n = ARRAY_SIZE(many);
	ssize_t r;
	char *p;

	view_set_up(0);
	while (taken < n) {
		r = memcg_pool_alloc(pool, cg, many + taken, MIN(n - taken, 256ul));
		CHECK(r > 0);
		taken += (size_t)r;
	}
	p = memcg_frags_map(mm, many, n);
	CHECK(p && STAT(cg, pagetables) == 3 * PAGE_SIZE);
	for (size_t i = 0; i < n; i++)
		*(u64 *)(p + (i << PAGE_SHIFT) + 8) = i + 1;
	for (size_t i = 0; i < n; i++)
		CHECK(((u64 *)memcg_page_address(many[i].page))[1] == i + 1);
	memcg_frags_put(many, n);
	closes();
	CHECK(!memcg_munmap(mm, p + 500 * PAGE_SIZE, 30 * PAGE_SIZE));
	CHECK(STAT(cg, sock) == (n - 30) * PAGE_SIZE);
	for (size_t i = 0; i < n; i++)
		CHECK((i >= 500 && i < 530) || *(u64 *)(p + (i << PAGE_SHIFT) + 8) == i + 1);
	closes();
	view_tear_down(); /* the rest goes with the mm */
}

/* Bytes that follow each other: begun and ended anywhere, split anywhere. */
static void bytes_side_by_side(void)
{
	struct memcg_frag g[5];
	char *p;

	view_set_up(0);
	take(cg, 4);
	g[0] = (struct memcg_frag){f[0].page, 4000, 90};
	g[1] = (struct memcg_frag){f[0].page, 4090, 6};
	g[2] = f[1];
	g[3] = (struct memcg_frag){f[3].page, 0, 50};
	g[4] = (struct memcg_frag){f[3].page, 50, 1};
	for (unsigned i = 0; i < 4; i++)
		memset(at_of(i), 'a' + (int)i, PAGE_SIZE);
	p = memcg_frags_map(mm, g, 5);
	CHECK(p && (uintptr_t)p % PAGE_SIZE == 4000);
	CHECK(p[0] == 'a' && p[95] == 'a' && p[96] == 'b' && p[96 + 4095] == 'b');
	CHECK(p[96 + 4096] == 'd' && p[96 + 4096 + 50] == 'd');
	p[96 + 4096 + 50] = 'x';
	CHECK(at_of(3)[50] == 'x');
	CHECK(page_count(desc_of(0)) == 2 && page_count(desc_of(2)) == 1);
	closes();
	CHECK(memcg_munmap(mm, p, 3 * PAGE_SIZE) == -EINVAL);
	CHECK(!memcg_munmap(mm, p - 4000, 3 * PAGE_SIZE));
	CHECK(page_count(desc_of(0)) == 1);
	memcg_frags_put(f, 4);
	view_tear_down();
}

/* In two views of two groups' spaces, and twice in one of them. */
static void seen_from_everywhere(void)
{
	struct memcg_frag twice[2];
	struct memcg_mm *theirs;
	char *p, *q;

	view_set_up(0);
	theirs = memcg_mm_create(other);
	CHECK(theirs);
	take(cg, 2);
	twice[0] = twice[1] = f[1];
	p = memcg_frags_map(mm, twice, 2);
	q = memcg_frags_map(theirs, f, 2);
	CHECK(p && q && page_count(desc_of(1)) == 4 && mappings(1) == 3);
	write_page(q, 8, 1);
	check_page(p - PAGE_SIZE, 8, 1);
	check_page(p, 8, 1);
	CHECK(STAT(cg, sock) == 2 * PAGE_SIZE && !STAT(other, sock));
	CHECK(held(other) == PAGE_SIZE); /* a table */
	closes();
	memcg_frags_put(f, 2);
	CHECK(!memcg_munmap(mm, p, 2 * PAGE_SIZE));
	check_page(q, 8, 1);
	memcg_mm_destroy(theirs);
	view_tear_down();
}

/* --- what is refused ---------------------------------------------------------------------- */

static void gaps(void)
{
	struct memcg_frag g[3];

	view_set_up(0);
	take(cg, 4);
	g[0] = f[0], g[1] = f[1], g[2] = f[2];
	g[1].length = 4095;
	refused(EINVAL, mm, g, 3); /* the middle one ends early */
	g[1] = (struct memcg_frag){f[1].page, 1, 4095};
	refused(EINVAL, mm, g, 3); /* begins late */
	g[1] = f[1];
	g[0].length = 100;
	refused(EINVAL, mm, g, 3); /* so does the first end */
	g[0] = (struct memcg_frag){f[0].page, 0, 100};
	g[1] = (struct memcg_frag){f[0].page, 101, 3995};
	refused(EINVAL, mm, g, 2); /* a byte is missing */
	g[1] = (struct memcg_frag){f[1].page, 100, 3996};
	refused(EINVAL, mm, g, 2); /* goes on in another page */
	memcg_frags_put(f, 4);
	view_tear_down();
}

static void what_is_no_fragment(void)
{
	struct memcg_page *buffer = memcg_pages_alloc(0, MEMCG_PAGE_BUFFER, 0);
	struct memcg_frag g;
	char *p;

	view_set_up(0);
	take(cg, 1);
	refused(EINVAL, NULL, f, 1);
	refused(EINVAL, mm, NULL, 1);
	refused(EINVAL, mm, f, 0);
	g = (struct memcg_frag){NULL, 0, 1};
	refused(EINVAL, mm, &g, 1);
	g = (struct memcg_frag){buffer, 0, 1};
	refused(EINVAL, mm, &g, 1);
	g = (struct memcg_frag){f[0].page, 0, 0};
	refused(EINVAL, mm, &g, 1);
	g = (struct memcg_frag){f[0].page, 4096, 1};
	refused(EINVAL, mm, &g, 1);
	g = (struct memcg_frag){f[0].page, 1, 4096};
	refused(EINVAL, mm, &g, 1);
	g = (struct memcg_frag){f[0].page, 1, UINT32_MAX};
	refused(EINVAL, mm, &g, 1);
	p = memcg_frags_map(mm, f, 1);
	CHECK(p && !memcg_mmap_same(mm, p, PAGE_SIZE, RW, 0) && errno == EINVAL);
	CHECK(!memcg_munmap(mm, p, PAGE_SIZE));
	g = f[0];
	memcg_frags_put(f, 1);
	refused(EINVAL, mm, &g, 1); /* it has gone home */
	memcg_page_put(buffer);
	view_tear_down();
}

/* Nothing is left of a view that the system refuses, at any of its calls. */
static void the_system_refuses(void)
{
	struct memcg_frag g[3];
	char *p;

	view_set_up(0);
	take(cg, 8);
	g[0] = f[6], g[1] = f[0], g[2] = f[3];
	memset(at_of(6), 1, PAGE_SIZE); /* the others have no memory */
	memset(at_of(0), 2, PAGE_SIZE);
	for (unsigned nth = 1; nth <= 4; nth++) { /* three mappings, and the registration */
		sys_fault_arm(SYS_FAULT_WINDOW, 0, nth, 0, 0);
		refused(ENOMEM, mm, g, 3);
		sys_fault_disarm_all();
	}
	sys_fault_arm(SYS_FAULT_FILL, 0, 1, 0, 0);
	refused(ENOMEM, mm, g, 3); /* with two pages mapped */
	sys_fault_disarm_all();
	for (unsigned i = 0; i < 3; i++)
		CHECK(page_count((struct page *)g[i].page) == 1 &&
		      !((struct page *)g[i].page)->mapcount);
	closes();
	p = memcg_frags_map(mm, g, 3);
	CHECK(p && p[0] == 1 && p[PAGE_SIZE] == 2 && p[2 * PAGE_SIZE] == 0);
	CHECK(!memcg_munmap(mm, p, 3 * PAGE_SIZE));
	memcg_frags_put(f, 8);
	view_tear_down();
}

/* There is no room for a table, the reserve is used up. */
static void no_table(void)
{
	u32 views = 0;

	view_set_up(0);
	take(cg, 3);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 4 * PAGE_SIZE));
	while (memcg_frags_map(mm, f, 2))
		views++;
	CHECK(errno == ENOMEM && views && views < 64);
	CHECK(page_count(desc_of(1)) == 1 + views && mappings(1) == views);
	refused(ENOMEM, mm, f, 3);
	CHECK(page_count(desc_of(2)) == 1 && !mappings(2));
	closes();
	memcg_frags_put(f, 3);
	view_tear_down();
}

/* --- how long ---------------------------------------------------------------------------- */

/* A part that is unmapped gives its pages back, and its addresses are nobody's. */
static void in_part(void)
{
	char *p;

	view_set_up(0);
	catch (SIGSEGV);
	take(cg, 8);
	p = memcg_frags_map(mm, f, 8);
	CHECK(p);
	for (unsigned i = 0; i < 8; i++)
		write_page(at_of(i), i, 0);
	memcg_frags_put(f, 8);
	CHECK(!memcg_munmap(mm, p + 2 * PAGE_SIZE, 3 * PAGE_SIZE));
	CHECK(STAT(cg, sock) == 5 * PAGE_SIZE);
	CHECK(touch_is(p + 2 * PAGE_SIZE) == SIGSEGV && touch_is(p + 4 * PAGE_SIZE) == SIGSEGV);
	check_page(p + PAGE_SIZE, 1, 0);
	check_page(p + 5 * PAGE_SIZE, 5, 0);
	closes();
	CHECK(!memcg_munmap(mm, p, 4 * PAGE_SIZE)); /* some again */
	CHECK(STAT(cg, sock) == 3 * PAGE_SIZE);
	check_page(p + 7 * PAGE_SIZE, 7, 0);
	CHECK(!memcg_munmap(mm, p + 4 * PAGE_SIZE, 4 * PAGE_SIZE) && !STAT(cg, sock));
	view_tear_down();
}

/* The pages stay, whoever else goes: their group, their pool, its mm. */
static void outlives_its_owners(void)
{
	struct memcg *child;
	char *p;

	view_set_up(0);
	child = memcg_create(cg, "child");
	CHECK(child);
	take(child, 4);
	p = memcg_frags_map(mm, f, 4);
	CHECK(p);
	write_page(p, 1, 2);
	memcg_frags_put(f, 4);
	CHECK(!memcg_destroy(child) && STAT(cg, sock) == 4 * PAGE_SIZE);
	CHECK(!memcg_pool_destroy(pool));
	check_page(p, 1, 2);
	closes();
	CHECK(!memcg_munmap(mm, p, 4 * PAGE_SIZE) && !STAT(cg, sock) && !held(cg));
	closes();
	CHECK((pool = memcg_pool_create(NULL)));
	view_tear_down();
}

/* Advice does not take them out, and neither does reclaim. */
static void nobody_takes_them(void)
{
	char *p;

	view_set_up(0);
	take(cg, 8);
	p = memcg_frags_map(mm, f, 8);
	CHECK(p);
	for (unsigned i = 0; i < 8; i++)
		write_page(p + (i << PAGE_SHIFT), i, 0);
	memcg_frags_put(f, 8);
	for (unsigned advice = MEMCG_COLD; advice <= MEMCG_DONTNEED; advice++)
		CHECK(!memcg_madvise(mm, p, 8 * PAGE_SIZE, advice));
	(void)memcg_reclaim(cg, UINT64_MAX);
	(void)memcg_reclaim(memcg_root(), UINT64_MAX);
	CHECK(STAT(cg, sock) == 8 * PAGE_SIZE);
	for (unsigned i = 0; i < 8; i++)
		check_page(p + (i << PAGE_SHIFT), i, 0);
	closes();
	CHECK(!memcg_munmap(mm, p, 8 * PAGE_SIZE));
	view_tear_down();
}

/* Taken out behind our back, by a call of the system: the next touch maps it again. */
static void zapped_by_others(void)
{
	char *p;

	view_set_up(0);
	take(cg, 3);
	p = memcg_frags_map(mm, f, 3);
	CHECK(p);
	for (unsigned i = 0; i < 3; i++)
		write_page(at_of(i), i, 0);
	memcg_frags_put(f, 3);
	CHECK(!madvise(p, 3 * PAGE_SIZE, MADV_DONTNEED));
	for (unsigned i = 0; i < 3; i++)
		check_page(p + (i << PAGE_SHIFT), i, 0);
	CHECK(STAT(cg, sock) == 3 * PAGE_SIZE);
	closes();
	CHECK(!memcg_munmap(mm, p, 3 * PAGE_SIZE) && !STAT(cg, sock));
	view_tear_down();
}

/* A pin is a reference more, of the page and of the window. */
static void pinned(void)
{
	struct page *pg;
	char *p, *q;

	view_set_up(0);
	take(cg, 4);
	pg = desc_of(2);
	p = memcg_frags_map(mm, f, 4);
	CHECK(p && !memcg_pin(p + PAGE_SIZE, 2 * PAGE_SIZE));
	memcg_frags_put(f, 4);
	CHECK(page_count(pg) == 2);
	CHECK(!memcg_munmap(mm, p, 4 * PAGE_SIZE));
	CHECK(page_count(pg) == 1 && STAT(cg, sock) == 2 * PAGE_SIZE);
	closes();
	q = map_pages(4);
	CHECK(q != p);
	memcg_unpin(p + PAGE_SIZE, 2 * PAGE_SIZE);
	CHECK(!STAT(cg, sock));
	view_tear_down();
}

/* --- strict ------------------------------------------------------------------------------ */

static bool is_zero(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

/* Whole pages are seen: what another group had in them is not there, nor can it be seen later. */
static void strict_shows_nothing_old(void)
{
	struct page *were[8];
	char *p, *q;

	view_set_up(MEMCG_POOL_STRICT);
	catch (SIGSEGV);
	take(cg, 8);
	p = memcg_frags_map(mm, f, 8);
	CHECK(p);
	for (unsigned i = 0; i < 8; i++) {
		were[i] = desc_of(i);
		memset(at_of(i), 0x5a, PAGE_SIZE);
	}
	memcg_frags_put(f, 8);
	CHECK(!memcg_munmap(mm, p, 8 * PAGE_SIZE));
	CHECK(memcg_pool_alloc(pool, other, f, 8) > 0);
	memcg_frags_put(f, 8);
	for (unsigned round = 0, again = 0; again < 8; round++) {
		CHECK(round < 64); /* batches that are waited for come home */
		ssize_t n = memcg_pool_alloc(pool, other, f, 64);

		CHECK(n > 0);
		q = memcg_frags_map(mm, f, (size_t)MIN(n, 8));
		for (unsigned i = 0; q && i < MIN(n, 8); i++)
			CHECK(is_zero(q + (i << PAGE_SHIFT), PAGE_SIZE));
		for (unsigned i = 0; i < n; i++) {
			CHECK(is_zero(at_of(i), PAGE_SIZE));
			for (unsigned k = 0; k < 8; k++)
				again += desc_of(i) == were[k];
			at_of(i)[1] = 1;
		}
		CHECK(touch_is(p) == SIGSEGV || (q && p >= q && p < q + 8 * PAGE_SIZE));
		if (q)
			CHECK(!memcg_munmap(mm, q, (size_t)MIN(n, 8) << PAGE_SHIFT));
		memcg_frags_put(f, (size_t)n);
	}
	view_tear_down();
}

/* --- fork ------------------------------------------------------------------------------- */

/* The child has neither the pages nor the view, whatever it makes for itself; the parent both. */
static void not_in_the_child(void)
{
	int status;
	pid_t child;
	char *p;

	view_set_up(0);
	take(cg, 2);
	p = memcg_frags_map(mm, f, 2);
	CHECK(p);
	write_page(p, 1, 0);
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		struct memcg_mm *own = memcg_mm_create(NULL);

		CHECK(own);
		refused(EINVAL, own, f, 2);
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	check_page(at_of(0), 1, 0);
	check_page(p, 1, 0);
	memcg_frags_put(f, 2);
	view_tear_down();
}

/* --- without userfaultfd ---------------------------------------------------------------- */

static void by_protection(void)
{
	struct memcg_frag g[4];
	char *p;

	catch (SIGSEGV);
	sys_fault_arm(SYS_FAULT_UFFD, 0, 1, 0, 0);
	view_set_up(0);
	CHECK(mech == MECH_PINS);
	take(cg, 6);
	g[0] = f[4], g[1] = f[5], g[2] = f[1], g[3] = f[2];
	write_page(at_of(1), 3, 0);
	p = memcg_frags_map(mm, g, 4);
	CHECK(p);
	check_page(p + 2 * PAGE_SIZE, 3, 0);
	write_page(p, 4, 0);
	check_page(at_of(4), 4, 0);
	CHECK(!memcg_pin(p, 4 * PAGE_SIZE));
	memcg_unpin(p, 4 * PAGE_SIZE);
	memcg_frags_put(f, 6);
	check_page(p, 4, 0);
	CHECK(STAT(cg, sock) == 4 * PAGE_SIZE);
	CHECK(!memcg_munmap(mm, p, PAGE_SIZE) && touch_is(p) == SIGSEGV);
	CHECK(STAT(cg, sock) == 3 * PAGE_SIZE);
	closes();
	view_tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(adjacent_pages),
		FAULTS_TEST(scattered_pages),
		FAULTS_TEST(several_tables),
		FAULTS_TEST(bytes_side_by_side),
		FAULTS_TEST(seen_from_everywhere),
		FAULTS_TEST(gaps),
		FAULTS_TEST(what_is_no_fragment),
		FAULTS_TEST(the_system_refuses),
		FAULTS_TEST(no_table),
		FAULTS_TEST(in_part),
		FAULTS_TEST(outlives_its_owners),
		FAULTS_TEST(nobody_takes_them),
		FAULTS_TEST(zapped_by_others),
		FAULTS_TEST(pinned),
		FAULTS_TEST(strict_shows_nothing_old),
		FAULTS_TEST(not_in_the_child),
		PAGE_TEST(by_protection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
