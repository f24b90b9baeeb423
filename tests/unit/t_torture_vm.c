/*
 * t_torture_vm.c - managed memory with everything at once: ranges, private, shared and of files,
 * mapped, written, unmapped and mapped again, two windows of one object, pages evicted, files
 * synced, views of network pages, groups destroyed, address spaces moved from group to group, by
 * as many threads. Every word that is read is checked. After every round all threads rest, every
 * page is read, and the recount must close.
 *
 * Usage: t_torture_vm [SECONDS [SEED]]. The seed is printed.
 */
#define THREADS 4
#define SPACES	5
#define GROUPS	7
#include "vm_torture_fixture.h"

#include <memcg/net.h>

#include "vm/mech.h"

#define SLOTS 14
#define PAGES 620 /* of a slot, at most: more than a block */
#define STEPS 120 /* of a thread in a round */
#define VIEWS 6

/* A range, and what is in each page. The lock is for the range's life and its contents; eviction,
 * moves and the ends of groups go on without it. */
static struct slot {
	pthread_mutex_t lock;
	char *at[2]; /* the second: another window of the same pages, or NULL */
	unsigned space[2];
	unsigned pages;
	bool shared; /* anonymous or of the file: what is unmapped is not lost */
	struct memcg_file *file;
	u64 version[PAGES]; /* 0: never written */
} slots[SLOTS];

static u64 views, moves, moved, synced, elsewhere, busy, not_ours, refused, died, evicted, mapped;

/* --- groups -------------------------------------------------------------------------------- */

/* One in seven has little room: moves to it are refused, and its pages go early. Lock held. */
static void furnish(unsigned i)
{
	group_make(i, i < 4 ? top : groups[i % 2]);
	if (i == 3)
		CHECK(!memcg_set_limit(groups[i], MEMCG_MAX, 6 * MIB));
}

static void kill_group(u64 *seed)
{
	unsigned i = next_random(seed) % GROUPS;

	pthread_mutex_lock(&groups_lock);
	if (!memcg_destroy(groups[i])) { /* else it has children */
		furnish(i);
		died++;
	}
	pthread_mutex_unlock(&groups_lock);
}

/* --- ranges --------------------------------------------------------------------------------- */

static u64 value_of(const struct slot *s, unsigned i)
{
	return s->version[i] * SLOTS + (u64)(s - slots) + (u64)i * 1000003;
}

static enum content kind_of(const struct slot *s, unsigned i)
{
	return (enum content)((s->version[i] + i) % CONTENT_KINDS);
}

static bool is_zero(const u64 *word)
{
	return !word[0] && !memcmp(word, word + 1, PAGE_SIZE - sizeof(*word));
}

static void page_check(const struct slot *s, unsigned i, unsigned window)
{
	const char *p = s->at[window] + ((size_t)i << PAGE_SHIFT);

	if (s->version[i])
		CHECK(page_is(p, value_of(s, i), kind_of(s, i)));
	else
		CHECK(is_zero((const u64 *)p));
}

static unsigned a_window(const struct slot *s, u64 *seed)
{
	return s->at[1] ? next_random(seed) % 2 : 0;
}

static void page_use(struct slot *s, u64 *seed)
{
	unsigned i = next_random(seed) % s->pages, by = a_window(s, seed);

	page_check(s, i, by);
	if (next_random(seed) % 2)
		return;
	s->version[i]++;
	page_write(s->at[by] + ((size_t)i << PAGE_SHIFT), value_of(s, i), kind_of(s, i));
	page_check(s, i, a_window(s, seed));
}

static struct memcg_file *file_new(unsigned pages)
{
	char name[] = "/tmp/t_torture_vm.XXXXXX";
	int fd = mkstemp(name);
	struct memcg_file *f;

	CHECK(fd >= 0 && !unlink(name) && !ftruncate(fd, (off_t)pages << PAGE_SHIFT));
	f = memcg_file_open(fd, 0);
	CHECK(f && !close(fd));
	return f;
}

static void slot_map(struct slot *s, u64 *seed)
{
	unsigned flags = next_random(seed) % 8 ? 0 : MEMCG_MAP_PREFAULT;
	unsigned kind = next_random(seed) % 3;

	s->pages = 1 + next_random(seed) % PAGES;
	s->shared = kind;
	s->file = kind == 2 ? file_new(s->pages) : NULL;
	flags |= kind == 1 ? MEMCG_MAP_SHARED : 0;
	s->space[0] = next_random(seed) % SPACES;
	s->space[1] = next_random(seed) % SPACES;
	memset(s->version, 0, sizeof(s->version));
	s->at[0] = memcg_mmap(spaces[s->space[0]], (size_t)s->pages << PAGE_SHIFT, RW, flags,
			      s->file, 0);
	if (!s->at[0] && errno == ENOMEM) /* prefault met a max */
		s->at[0] = memcg_mmap(spaces[s->space[0]], (size_t)s->pages << PAGE_SHIFT, RW,
				      flags & ~(unsigned)MEMCG_MAP_PREFAULT, s->file, 0);
	CHECK(s->at[0]);
	s->at[1] = s->shared ? memcg_mmap_same(spaces[s->space[1]], s->at[0],
					       (size_t)s->pages << PAGE_SHIFT, RW, 0)
			     : NULL;
	CHECK(s->at[1] || !s->shared);
	atomic_add_relaxed(&mapped, 1ul);
}

static void slot_unmap(struct slot *s)
{
	for (unsigned k = 0; k < 2; k++)
		if (s->at[k])
			CHECK(!memcg_munmap(spaces[s->space[k]], s->at[k],
					    (size_t)s->pages << PAGE_SHIFT));
	s->at[0] = s->at[1] = NULL;
	memcg_file_close(s->file);
}

/* One of two windows goes and another comes, while the other stays. */
static void slot_remap(struct slot *s, u64 *seed)
{
	unsigned k = next_random(seed) % 2;
	size_t length = (size_t)s->pages << PAGE_SHIFT;

	CHECK(!memcg_munmap(spaces[s->space[k]], s->at[k], length));
	s->space[k] = next_random(seed) % SPACES;
	s->at[k] = memcg_mmap_same(spaces[s->space[k]], s->at[!k], length, RW, 0);
	CHECK(s->at[k]);
}

/* Private pages are gone then; shared ones are only unmapped. */
static void slot_forget(struct slot *s, u64 *seed)
{
	unsigned k = a_window(s, seed), i = next_random(seed) % s->pages;
	unsigned n = 1 + next_random(seed) % (s->pages - i);

	CHECK(!memcg_madvise(spaces[s->space[k]], s->at[k] + ((size_t)i << PAGE_SHIFT),
			     (size_t)n << PAGE_SHIFT, MEMCG_DONTNEED));
	if (!s->shared)
		memset(&s->version[i], 0, n * sizeof(s->version[0]));
}

static void slot_advise(struct slot *s, u64 *seed)
{
	unsigned k = a_window(s, seed), i = next_random(seed) % s->pages;
	unsigned n = 1 + next_random(seed) % (s->pages - i);

	CHECK(!memcg_madvise(spaces[s->space[k]], s->at[k] + ((size_t)i << PAGE_SHIFT),
			     (size_t)n << PAGE_SHIFT,
			     next_random(seed) % 2 ? MEMCG_PAGEOUT : MEMCG_COLD));
	atomic_add_relaxed(&evicted, 1ul);
}

static void slot_pin(struct slot *s, u64 *seed)
{
	char *p = s->at[0] + ((size_t)(next_random(seed) % s->pages) << PAGE_SHIFT);
	int err = memcg_pin(p, PAGE_SIZE);

	CHECK(!err || err == -ENOMEM);
	if (!err)
		memcg_unpin(p, PAGE_SIZE);
}

static void slot_sync(struct slot *s, u64 *seed)
{
	u64 word[2];
	unsigned i = next_random(seed) % s->pages;

	CHECK(!memcg_file_sync(s->file));
	CHECK(memcg_file_read(s->file, word, sizeof(word), (u64)i << PAGE_SHIFT) == sizeof(word));
	CHECK(!memcmp(word, s->at[0] + ((size_t)i << PAGE_SHIFT), sizeof(word)));
	atomic_add_relaxed(&synced, 1ul);
}

static void slot_use(u64 *seed)
{
	struct slot *s = &slots[next_random(seed) % SLOTS];
	unsigned what = next_random(seed) % 40;

	pthread_mutex_lock(&s->lock);
	if (what == 0) {
		slot_unmap(s);
		slot_map(s, seed);
	} else if (what == 1 && s->shared) {
		slot_remap(s, seed);
	} else if (what < 4) {
		slot_forget(s, seed);
	} else if (what < 8) {
		slot_advise(s, seed);
	} else if (what == 8) {
		slot_pin(s, seed);
	} else if (what == 9 && s->file) {
		slot_sync(s, seed);
	} else {
		for (unsigned n = 1 + next_random(seed) % 40; n; n--)
			page_use(s, seed);
	}
	pthread_mutex_unlock(&s->lock);
}

/* --- views ----------------------------------------------------------------------------------- */

/* Network pages in a view, or none. The lock is for its life and its words. */
static struct view_slot {
	pthread_mutex_t lock;
	char *at; /* NULL: none */
	unsigned space, pages;
	u64 version;
	struct memcg_frag
		frags[2 * VIEWS]; /* pages NULL: put, the view's are the only references */
} view_slots[VIEWS];

static struct memcg_pool *pool;

/* Through the view and, where they are held, as fragments. */
static void view_check(const struct view_slot *v)
{
	for (unsigned i = 0; i < v->pages; i++) {
		const u64 *word = (const u64 *)(v->at + ((size_t)i << PAGE_SHIFT)) + i;

		CHECK(*word == v->version + i);
		if (v->frags[i].page)
			CHECK(((u64 *)memcg_page_address(v->frags[i].page))[i] == v->version + i);
	}
}

static void view_write(struct view_slot *v)
{
	v->version += 1000;
	for (unsigned i = 0; i < v->pages; i++)
		((u64 *)(v->at + ((size_t)i << PAGE_SHIFT)))[i] = v->version + i;
}

/* A group's that may have no room for them, nor the space's for a table. */
static void view_make(struct view_slot *v, u64 *seed)
{
	struct memcg *g = some_group(seed);
	ssize_t got = memcg_pool_alloc(pool, g, v->frags, 1 + next_random(seed) % (2 * VIEWS));

	memcg_put(g);
	CHECK(got > 0 || got == -ENOBUFS);
	if (got < 0)
		return;
	v->pages = (unsigned)got;
	v->space = next_random(seed) % SPACES;
	v->at = memcg_frags_map(spaces[v->space], v->frags, v->pages);
	CHECK(v->at || errno == ENOMEM);
	if (v->at)
		view_write(v);
	if (!v->at || next_random(seed) % 2)
		memcg_frags_put(v->frags, v->pages);
	atomic_add_relaxed(&views, 1ul);
}

/* All of it, or its last pages. */
static void view_cut(struct view_slot *v, u64 *seed)
{
	unsigned left = next_random(seed) % 2 ? 0 : next_random(seed) % v->pages;

	CHECK(!memcg_munmap(spaces[v->space], v->at + ((size_t)left << PAGE_SHIFT),
			    (size_t)(v->pages - left) << PAGE_SHIFT));
	memcg_frags_put(v->frags + left, v->pages - left);
	v->pages = left;
	if (!left)
		v->at = NULL;
}

/* It is in a view: who has a fragment of it has it not alone. */
static void view_recharge(struct view_slot *v, u64 *seed)
{
	struct memcg *g = some_group(seed);

	if (v->frags[0].page)
		CHECK(memcg_frag_recharge(&v->frags[0], g) == -EBUSY);
	memcg_put(g);
}

static void view_use(u64 *seed)
{
	struct view_slot *v = &view_slots[next_random(seed) % VIEWS];

	pthread_mutex_lock(&v->lock);
	if (!v->at) {
		view_make(v, seed);
	} else {
		view_check(v);
		view_write(v);
		view_recharge(v, seed);
		if (next_random(seed) % 3 == 0)
			view_cut(v, seed);
	}
	pthread_mutex_unlock(&v->lock);
}

/* --- moves ------------------------------------------------------------------------------------ */

static void space_move(u64 *seed)
{
	struct memcg_mm *mm = spaces[next_random(seed) % SPACES];
	struct memcg *to = some_group(seed);
	struct memcg_move r;
	int err = memcg_mm_move(mm, to, next_random(seed) % 8, &r, sizeof(r));

	memcg_put(to);
	if (err == -EBUSY)
		return;
	CHECK(!err || err == -ENOMEM);
	atomic_add_relaxed(&moves, 1ul);
	atomic_add_relaxed(&moved, r.moved);
	atomic_add_relaxed(&elsewhere, r.mapped_elsewhere);
	atomic_add_relaxed(&busy, r.busy);
	atomic_add_relaxed(&not_ours, r.not_ours);
	atomic_add_relaxed(&refused, !!err);
}

static void reclaim(u64 *seed)
{
	struct memcg *g = some_group(seed);

	(void)memcg_reclaim(g, (1 + next_random(seed) % 64) * PAGE_SIZE);
	memcg_put(g);
	atomic_add_relaxed(&evicted, 1ul);
}

static void *work(void *arg)
{
	u64 seed = ((struct worker *)arg)->seed;

	for (unsigned i = 0; i < STEPS; i++) {
		unsigned what = next_random(&seed) % 16;

		if (what == 0)
			reclaim(&seed);
		else if (what == 1)
			kill_group(&seed);
		else if (what < 5)
			space_move(&seed);
		else if (what < 8)
			view_use(&seed);
		else
			slot_use(&seed);
	}
	memcg_leave(NULL);
	return NULL;
}

/* --- rounds ------------------------------------------------------------------------------------
 */

static void all_is_there(void)
{
	for (unsigned k = 0; k < SLOTS; k++)
		for (unsigned i = 0; i < slots[k].pages; i++)
			page_check(&slots[k], i, slots[k].at[1] ? i % 2 : 0);
	for (unsigned k = 0; k < VIEWS; k++)
		if (view_slots[k].at)
			view_check(&view_slots[k]);
}

static void one_round(u64 *seed)
{
	run_threads(work, seed);
	closes();
	all_is_there();
	closes();
}

static void begin(u64 *seed)
{
	world_begin(furnish);
	CHECK((pool = memcg_pool_create(NULL)));
	for (unsigned i = 0; i < VIEWS; i++)
		pthread_mutex_init(&view_slots[i].lock, NULL);
	for (unsigned i = 0; i < SLOTS; i++) {
		pthread_mutex_init(&slots[i].lock, NULL);
		slot_map(&slots[i], seed);
	}
}

static void end(void)
{
	spaces_end();
	for (unsigned i = 0; i < VIEWS; i++)
		memcg_frags_put(view_slots[i].frags, ARRAY_SIZE(view_slots[i].frags));
	CHECK(!memcg_pool_destroy(pool) && !page_bad_count);
	for (unsigned i = 0; i < SLOTS; i++)
		memcg_file_close(slots[i].file);
	world_end();
}

static void tell(void)
{
	printf("# %lu ranges, %lu views, %lu syncs, %lu moves (%lu refused), pages moved %lu, elsewhere %lu, busy %lu, "
	       "not ours %lu; %lu groups died\n",
	       mapped, views, synced, moves, refused, moved >> PAGE_SHIFT, elsewhere >> PAGE_SHIFT,
	       busy >> PAGE_SHIFT, not_ours >> PAGE_SHIFT, died);
}

int main(int argc, char **argv)
{
	return vm_torture(&(struct vm_torture){begin, one_round, end, tell}, argc, argv);
}
