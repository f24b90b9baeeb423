/*
 * protect.c - memory.min and memory.low: A (max 200M) holds B (50M protected) and G, which takes
 * what it can get; B holds C (75M), D (25M), E (0) and F (500M, unused). The caches of C, D and E
 * are filled by threads that stay, and made smaller by the thread that is refused in G.
 *
 * B's sum is mere arithmetic as long as G gets what it asks for, A's max less that; that min is
 * kept shows where G is refused. That low is kept first shows in the events, and in the split: C
 * and D stay near their shares of B's 50M, 29 and 21, and E goes. The kernel's tolerances of the
 * split are wide, since it holds exactly for its classic LRU alone; the figures are reported.
 * Twice: with caches of the program, and with pages of files.
 */
#include "cache.h"
#include "pagecache.h"
#include "row.h"
#include "rows.h"
#include "stay.h"
#include "tenant.h"

enum { C, D, E, F, CHILDREN };

static struct {
	struct memcg *a, *b, *g, *child[CHILDREN];
	bool pages;
	struct cache cache[F];
	struct pagecache file[F];
	struct stay process[F];
	struct tenant anon;
} t;

static void fill_cache(void *arg)
{
	cache_read(arg, MIB(50));
}

static void fill_file(void *arg)
{
	pagecache_read(arg);
}

static void make_tree(const char *file)
{
	static const char *const name[] = {"C", "D", "E", "F"};
	static const char *const setting[] = {"75M", "25M", "0", "500M"};

	t.a = group_make(NULL, "A");
	t.b = group_make(t.a, "B");
	t.g = group_make(t.a, "G");
	file_write(t.a, "memory.max", "200M");
	file_write(t.a, "memory.swap.max", "0");
	for (unsigned i = 0; i < CHILDREN; i++) {
		t.child[i] = group_make(t.b, name[i]);
		file_write(t.child[i], file, setting[i]);
	}
	file_write(t.a, file, "50M");
	file_write(t.b, file, "50M");
	t.anon = (struct tenant)TENANT(t.g);
}

static void fill_caches(void)
{
	for (unsigned i = 0; i < F; i++) {
		if (t.pages) {
			pagecache_init(&t.file[i], t.child[i], MIB(50));
			stay_start(&t.process[i], fill_file, &t.file[i]);
			continue;
		}
		cache_init(&t.cache[i], t.child[i]);
		stay_start(&t.process[i], fill_cache, &t.cache[i]);
	}
}

static void end_tree(void)
{
	tenant_free(&t.anon);
	for (unsigned i = 0; i < F; i++) {
		stay_end(&t.process[i]);
		if (t.pages)
			pagecache_exit(&t.file[i]);
		else
			cache_exit(&t.cache[i]);
	}
	for (unsigned i = 0; i < CHILDREN; i++)
		group_end(t.child[i]);
	group_end(t.g);
	group_end(t.b);
	group_end(t.a);
}

static void note_split(const char *when)
{
	uint64_t m[] = {current_of(t.b), current_of(t.child[C]), current_of(t.child[D]),
			current_of(t.child[E])};

	note("%s B/C/D/E %.1f/%.1f/%.1f/%.1f", when, (double)m[0] / MIB(1), (double)m[1] / MIB(1),
	     (double)m[2] / MIB(1), (double)m[3] / MIB(1));
}

static void squeeze(const char *file, bool min)
{
	make_tree(file);
	fill_caches();
	EXPECT_CLOSE(current_of(t.b), MIB(150), 3);
	EXPECT(tenant_grow(&t.anon, MIB(148)));
	note_split("148M:");
	EXPECT_CLOSE(current_of(t.b), MIB(50), 3);
	EXPECT_CLOSE(current_of(t.child[C]), MIB(29), 15);
	EXPECT_CLOSE(current_of(t.child[D]), MIB(21), 20);
	EXPECT_IS(current_of(t.child[F]), ==, 0);
	EXPECT_IS(event_of(t.b, "low"), ==, 0); /* E had enough: nobody's was broken */
	tenant_free(&t.anon);

	EXPECT(tenant_grow(&t.anon, MIB(170)) == !min);
	note_split("170M:");
	EXPECT_CLOSE(current_of(t.b), min ? MIB(50) : MIB(30), 3);
	EXPECT_CLOSE(t.anon.bytes, min ? MIB(150) : MIB(170), 3);
	tenant_free(&t.anon);
	EXPECT(reclaim_until(t.child[C], MIB(10)));
}

static void min(void)
{
	squeeze("memory.min", true);
	for (unsigned i = 0; i < CHILDREN; i++)
		EXPECT_IS(event_of(t.child[i], "low"), ==, 0);
	end_tree();
}

/* E is not asked about: with recursive protection, which is always on here, it counts. */
static void low(void)
{
	squeeze("memory.low", false);
	for (unsigned i = 0; i < CHILDREN; i++)
		EXPECT_IS(event_of(t.child[i], "oom"), ==, 0);
	EXPECT_IS(event_of(t.child[C], "low"), >, 0);
	EXPECT_IS(event_of(t.child[D], "low"), >, 0);
	EXPECT_IS(event_of(t.child[F], "low"), ==, 0);
	end_tree();
}

void row_min(void)
{
	min();
}

void row_low(void)
{
	low();
}

void row_min_pages(void)
{
	t.pages = true;
	min();
}

void row_low_pages(void)
{
	t.pages = true;
	low();
}
