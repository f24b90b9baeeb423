/*
 * t_torture_ranges.c - what programs do with managed ranges, by six threads at once: private and
 * shared ones, several windows of an object in address spaces of different groups, written through
 * any of them, pinned, advised, unmapped in parts, short of memory by limits at which pages are
 * evicted, while groups are destroyed and address spaces end. Each thread has the pages of its own
 * number in every range, so that many are in the same block and the same 64 KiB at once, and
 * knows what has to be in them: every word read back is compared.
 *
 * Between rounds nobody is at it. Then every page is read, the recount closes, and the system
 * has given the file as many bytes as the counters say are in memory.
 *
 * Usage: t_torture_ranges [SECONDS [SEED]]. The seed is printed.
 */
#define THREADS 6u
#define SPACES	4u
#define GROUPS	5u
#include "vm_torture_fixture.h"

#include "vm/object.h"
#include "vm/window.h"

#define RANGES	10u
#define PAGES	(3u * 512 / 2) /* of a range, at most: it ends within a block */
#define WINDOWS 3u
#define STEPS	60u /* of a thread in a round */

struct view {
	char *at;	/* NULL: none */
	unsigned space; /* in whose address space */
	bool hole[PAGES];
};

/* For reading: its pages are used, by whom they belong to. For writing: windows change, and what
 * pages of all threads hold. */
static struct range {
	pthread_rwlock_t lock;
	unsigned pages;
	bool shared;
	struct view view[WINDOWS]; /* of a private one, the first */
	u64 version[PAGES];	   /* what was written last; 0: never */
} ranges[RANGES];

static struct {
	u64 checked, written, pinned, refused, parts, ranges, died, spaces, reclaims;
} did;

static void count(u64 *n)
{
	atomic_add_relaxed(n, 1ul);
}

static unsigned pick(u64 *seed, unsigned n)
{
	return next_random(seed) % n;
}

/* --- groups ------------------------------------------------------------------------------ */

/* The first is never short, the last always. */
static void furnish(unsigned i)
{
	group_make(i, top);
	if (i)
		CHECK(!memcg_set_limit(groups[i], MEMCG_MAX, (5 - i) * 2 * MIB));
	if (i == 2) /* everything of it goes to the file */
		CHECK(memcg_write(groups[i], "memory.zswap.max", "0", 1) >= 0);
}

static void kill_group(u64 *seed)
{
	unsigned i = pick(seed, GROUPS);

	pthread_mutex_lock(&groups_lock);
	CHECK(!memcg_destroy(groups[i]));
	furnish(i);
	pthread_mutex_unlock(&groups_lock);
	count(&did.died);
}

static void reclaim_some(u64 *seed)
{
	struct memcg *g = some_group(seed);

	(void)memcg_reclaim(g, (1 + pick(seed, 256)) * PAGE_SIZE);
	memcg_put(g);
	count(&did.reclaims);
}

/* --- what is in a page ------------------------------------------------------------------- */

static u64 content_of(const struct range *r, unsigned i)
{
	return (r->version[i] * RANGES + (u64)(r - ranges)) * PAGES + i;
}

static enum content kind_of(const struct range *r, unsigned i)
{
	return (enum content)((r->version[i] + i) % CONTENT_KINDS);
}

static char *page_in(const struct view *v, unsigned i)
{
	return v->at + ((size_t)i << PAGE_SHIFT);
}

static void page_look(const struct range *r, const struct view *v, unsigned i)
{
	static const char zero[PAGE_SIZE];

	if (r->version[i])
		CHECK(page_is(page_in(v, i), content_of(r, i), kind_of(r, i)));
	else
		CHECK(!memcmp(page_in(v, i), zero, PAGE_SIZE));
	count(&did.checked);
}

static void page_renew(struct range *r, const struct view *v, unsigned i)
{
	r->version[i]++;
	page_write(page_in(v, i), content_of(r, i), kind_of(r, i));
	count(&did.written);
}

/* --- ranges come and go: their locks are held for writing --------------------------------- */

static void view_open(struct range *r, struct view *v, const struct view *same, u64 *seed)
{
	size_t length = (size_t)r->pages << PAGE_SHIFT;
	unsigned shared = r->shared ? MEMCG_MAP_SHARED : 0;
	unsigned prefault = pick(seed, 8) ? 0 : MEMCG_MAP_PREFAULT;

	*v = (struct view){.space = pick(seed, SPACES)};
	for (; !v->at; prefault = 0) { /* which meets a max, maybe */
		v->at = same ? memcg_mmap_same(spaces[v->space], same->at, length, RW, prefault)
			     : memcg_mmap(spaces[v->space], length, RW, shared | prefault, NULL, 0);
		CHECK(v->at || (prefault && errno == ENOMEM));
	}
}

static void range_open(struct range *r, u64 *seed)
{
	r->pages = 1 + pick(seed, PAGES);
	r->shared = pick(seed, 2);
	memset(r->version, 0, sizeof(r->version));
	view_open(r, &r->view[0], NULL, seed);
	for (unsigned k = 1; r->shared && k < WINDOWS; k++)
		view_open(r, &r->view[k], &r->view[0], seed);
	count(&did.ranges);
}

static bool is_open(const struct range *r)
{
	return r->view[0].at || r->view[1].at || r->view[2].at;
}

static unsigned run_of(const struct view *v, unsigned i, unsigned end)
{
	unsigned k = i;

	while (k < end && !v->hole[k] == !v->hole[i])
		k++;
	return k - i;
}

/* Pages [i, end) of a window go, those that are there. */
static void view_cut(struct range *r, struct view *v, unsigned i, unsigned end)
{
	for (unsigned n; i < end; i += n) {
		n = run_of(v, i, end);
		if (v->hole[i])
			continue;
		CHECK(!memcg_munmap(spaces[v->space], page_in(v, i), (size_t)n << PAGE_SHIFT));
		memset(&v->hole[i], 1, n);
	}
	if (run_of(v, 0, r->pages) == r->pages && v->hole[0])
		v->at = NULL;
}

static void range_close(struct range *r)
{
	for (unsigned k = 0; k < WINDOWS; k++)
		if (r->view[k].at)
			view_cut(r, &r->view[k], 0, r->pages);
}

static struct view *some_view(struct range *r, u64 *seed)
{
	return &r->view[r->shared ? pick(seed, WINDOWS) : 0];
}

static void cut_part(struct range *r, u64 *seed)
{
	struct view *v = some_view(r, seed);
	unsigned i = pick(seed, r->pages), n = 1 + pick(seed, r->pages - i);

	if (v->at)
		view_cut(r, v, i, i + n);
	count(&did.parts);
}

static void remake(struct range *r, u64 *seed)
{
	struct view *v = &r->view[1 + pick(seed, WINDOWS - 1)], *first = &r->view[0];
	bool whole = first->at && !first->hole[0] && run_of(first, 0, r->pages) == r->pages;

	if (!r->shared || !whole)
		return;
	if (v->at)
		view_cut(r, v, 0, r->pages);
	view_open(r, v, first, seed);
}

/* Private pages read as zero then; of a shared object the window forgets where they are. */
static void forget_part(struct range *r, u64 *seed)
{
	struct view *v = some_view(r, seed);
	unsigned i = pick(seed, r->pages), n;

	if (!v->at || v->hole[i])
		return;
	n = 1 + pick(seed, run_of(v, i, r->pages));
	CHECK(!memcg_madvise(spaces[v->space], page_in(v, i), (size_t)n << PAGE_SHIFT,
			     MEMCG_DONTNEED));
	if (!r->shared)
		memset(&r->version[i], 0, n * sizeof(r->version[0]));
}

static void range_change(u64 *seed)
{
	struct range *r = &ranges[pick(seed, RANGES)];
	unsigned what = pick(seed, 8);

	pthread_rwlock_wrlock(&r->lock);
	if (!is_open(r)) {
		range_open(r, seed);
	} else if (!what) {
		range_close(r);
	} else if (what < 3) {
		cut_part(r, seed);
	} else if (what < 5) {
		remake(r, seed);
	} else {
		forget_part(r, seed);
	}
	pthread_rwlock_unlock(&r->lock);
}

/* All windows of an address space end with it, in whatever range they are. */
static void space_change(u64 *seed)
{
	unsigned s = pick(seed, SPACES);
	struct memcg *g = some_group(seed);

	for (unsigned i = 0; i < RANGES; i++)
		pthread_rwlock_wrlock(&ranges[i].lock);
	memcg_mm_destroy(spaces[s]);
	spaces[s] = memcg_mm_create(g);
	CHECK(spaces[s]);
	for (unsigned i = 0; i < RANGES; i++) {
		for (unsigned k = 0; k < WINDOWS; k++)
			if (ranges[i].view[k].space == s)
				ranges[i].view[k].at = NULL;
		pthread_rwlock_unlock(&ranges[i].lock);
	}
	memcg_put(g);
	count(&did.spaces);
}

/* --- pages are used: the range's lock is held for reading ---------------------------------- */

/* Page i as one of its windows shows it. */
static struct view *a_view_of(struct range *r, unsigned i, u64 *seed)
{
	unsigned k = pick(seed, WINDOWS);

	for (unsigned n = 0; n < WINDOWS; n++, k = (k + 1) % WINDOWS)
		if (r->view[k].at && !r->view[k].hole[i])
			return &r->view[k];
	return NULL;
}

static void page_use(struct range *r, unsigned i, u64 *seed)
{
	struct view *v = a_view_of(r, i, seed);

	if (!v)
		return;
	page_look(r, v, i);
	if (pick(seed, 2)) {
		page_renew(r, v, i);
		page_look(r, a_view_of(r, i, seed), i);
	}
}

/* Whatever happens around it, a pinned page is mapped and in memory. */
static void page_hold(struct range *r, unsigned i, u64 *seed)
{
	struct view *v = a_view_of(r, i, seed);
	int err = v ? memcg_pin(page_in(v, i), PAGE_SIZE) : -ENOMEM;
	struct window *w;
	struct page *pg;

	CHECK(!err || err == -ENOMEM);
	if (err) {
		count(&did.refused);
		return;
	}
	w = window_find((uintptr_t)page_in(v, i));
	CHECK(w);
	pg = window_page(w, window_index(w, (uintptr_t)page_in(v, i)));
	page_renew(r, v, i);
	reclaim_some(seed);
	CHECK(atomic_load(&pg->managed.where) == WHERE_RESIDENT && page_count(pg) > 1);
	CHECK(!memcmp(page_address(pg), page_in(v, i), PAGE_SIZE));
	page_look(r, v, i);
	window_put(w);
	memcg_unpin(page_in(v, i), PAGE_SIZE);
	count(&did.pinned);
}

static void range_advise(struct range *r, u64 *seed)
{
	static const unsigned advice[] = {MEMCG_COLD, MEMCG_PAGEOUT, MEMCG_WILLNEED};
	unsigned i = pick(seed, r->pages), what = advice[pick(seed, ARRAY_SIZE(advice))], n;
	struct view *v = a_view_of(r, i, seed);
	int err;

	if (!v)
		return;
	n = 1 + pick(seed, run_of(v, i, r->pages));
	err = memcg_madvise(spaces[v->space], page_in(v, i), (size_t)n << PAGE_SHIFT, what);
	CHECK(!err || (err == -ENOMEM && what == MEMCG_WILLNEED));
}

/* Some of the thread's pages, of one stretch: others use those between them. */
static void range_use(unsigned me, u64 *seed)
{
	struct range *r = &ranges[pick(seed, RANGES)];
	unsigned i, n = 1 + pick(seed, 30);

	pthread_rwlock_rdlock(&r->lock);
	i = pick(seed, r->pages) / THREADS * THREADS + me;
	if (is_open(r)) {
		for (; n && i < r->pages; n--, i += THREADS)
			page_use(r, i, seed);
		if (i < r->pages && !pick(seed, 3))
			page_hold(r, i, seed);
		else if (!pick(seed, 3))
			range_advise(r, seed);
	}
	pthread_rwlock_unlock(&r->lock);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	u64 seed = w->seed;

	for (unsigned i = 0; i < STEPS; i++) {
		unsigned what = pick(&seed, 32);

		if (!what)
			kill_group(&seed);
		else if (what == 1)
			space_change(&seed);
		else if (what < 4)
			reclaim_some(&seed);
		else if (what < 9)
			range_change(&seed);
		else
			range_use(w->me, &seed);
	}
	memcg_leave(NULL);
	return NULL;
}

/* --- rounds --------------------------------------------------------------------------------- */

static u64 resident(void)
{
	struct memcg_stat s;

	CHECK(!memcg_stat(memcg_root(), &s, sizeof(s)));
	return s.anon + s.file;
}

static void everything_is_there(u64 *seed)
{
	for (unsigned k = 0; k < RANGES; k++)
		for (unsigned i = 0; i < ranges[k].pages; i++) {
			const struct view *v = a_view_of(&ranges[k], i, seed);

			if (v)
				page_look(&ranges[k], v, i);
		}
}

static void nothing_differs(void)
{
	closes();
	CHECK(managed_resident() == resident());
}

static void one_round(u64 *seed)
{
	run_threads(work, seed);
	nothing_differs();
	everything_is_there(seed);
	nothing_differs();
}

static void begin(u64 *seed)
{
	world_begin(furnish);
	for (unsigned i = 0; i < RANGES; i++) {
		CHECK(!pthread_rwlock_init(&ranges[i].lock, NULL));
		range_open(&ranges[i], seed);
	}
}

static void end(void)
{
	spaces_end();
	world_end();
}

static void tell(void)
{
	printf("# pages read %lu, written %lu, pinned %lu (%lu refused); ranges %lu, parts cut "
	       "%lu, reclaims %lu; groups died %lu, address spaces %lu\n",
	       did.checked, did.written, did.pinned, did.refused, did.ranges, did.parts,
	       did.reclaims, did.died, did.spaces);
}

int main(int argc, char **argv)
{
	return vm_torture(&(struct vm_torture){begin, one_round, end, tell}, argc, argv);
}
