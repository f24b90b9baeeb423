/*
 * serve_rows.c - all groups as lines of numbers, for who looks at all of them again and again.
 *
 * A piece is as many rows as fit; the walk goes on from a reference to the group that is next, so
 * no lock is held and groups may come and go meanwhile. Numbers are folded once, before the first
 * row: a row costs two microseconds or so, and those of one answer are not of one moment.
 */
#include <errno.h>
#include <string.h>

#include "ctl/files.h"
#include "ctl/parse.h"
#include "ctl/serve.h"
#include "group/record.h"
#include "group/vm.h"
#include "page/page.h"
#include "reclaim/psi.h"

/* clang-format off */
#define ROWS_FIRST(X) \
	X(id) X(current) X(peak) X(min) X(low) X(high) X(max)
#define ROWS_SWAP(X) \
	X(swap_current) X(swap_high) X(swap_max) X(zswap_current) X(zswap_max)
#define ROWS_WHAT(X) \
	X(anon) X(file) X(shmem) X(sock) X(slab) X(large) X(buffer) X(kernel_stack) \
	X(pagetables) X(external) X(maps) X(zswap) X(cached) X(metadata) X(stock) X(reclaimable)
#define ROWS_EVENTS(X) \
	X(low_events) X(high_events) X(max_events) X(oom) X(oom_kill) X(refused) \
	X(sock_throttled) X(pgfault) X(pgmajfault) X(pgscan) X(pgsteal) X(pswpin) X(pswpout) \
	X(zswpin) X(zswpout)
#define ROWS_REST(X) \
	X(some_avg10) X(full_avg10) X(some_total) X(full_total) X(threads) X(children)
#define ROWS_LATER(X) X(inactive_file)
#define ROWS(X) ROWS_FIRST(X) ROWS_SWAP(X) ROWS_WHAT(X) ROWS_EVENTS(X) ROWS_REST(X) ROWS_LATER(X)
/* clang-format on */

/* In the order of the columns behind `path`: printed as an array. */
struct row {
#define MEMBER(name) u64 name;
	ROWS(MEMBER)
#undef MEMBER
};
#define COLUMNS (sizeof(struct row) / sizeof(u64))

#define HEADING(name) "\t" #name
static const char heading[] = "path" ROWS(HEADING) "\n";
#undef HEADING

#define UNKNOWN	    (UINT64_MAX - 1)
#define NUMBER_MOST 20u /* digits */
#define ROW_MOST    (COLUMNS * (NUMBER_MOST + 1) + 2)

/* --- whose threads there are ------------------------------------------------------------------ */

/* How many threads each group has, by its id: one walk over them for a piece, not for a row. */
struct census {
	struct {
		u64 id;
		u64 threads;
	} * of;
	u32 size, left; /* slots, a power of two; NULL and 0: there was no memory for it */
};

static u32 census_slot(const struct census *n, u64 id)
{
	u32 at = (u32)(id * 0x9e3779b97f4a7c15ul >> 32);

	for (; n->of[at & (n->size - 1)].id; at++)
		if (n->of[at & (n->size - 1)].id == id)
			break;
	return at & (n->size - 1);
}

static bool census_count(struct task *task, void *arg)
{
	const struct memcg *cg = file_task_home(task);
	struct census *n = arg;
	u32 at;

	if (!cg)
		return true;
	at = census_slot(n, cg->id);
	n->left -= !n->of[at].id;
	n->of[at].id = cg->id;
	n->of[at].threads++;
	return n->left; /* threads that came meanwhile may be too many: they are not counted */
}

static void census_take(struct census *n)
{
	struct rcu_reader *self = self_rcu();

	n->size = 1u << log2_up(2ul * task_count() + 16);
	n->left = n->size - 1;
	n->of = meta_alloc(n->size * sizeof(*n->of));
	if (!n->of)
		return;
	rcu_read_lock(self);
	tasks_each(census_count, n);
	rcu_read_unlock(self);
}

static void census_drop(struct census *n)
{
	if (n->of)
		meta_free(n->of, n->size * sizeof(*n->of));
}

static u64 census_of(const struct census *n, const struct memcg *cg)
{
	return n->of ? n->of[census_slot(n, cg->id)].threads : UNKNOWN;
}

/* --- a row ------------------------------------------------------------------------------------ */

static u64 less(u64 a, u64 b)
{
	return a > b ? a - b : 0;
}

/* Without swap and without asking anybody's cache. What the library keeps is the root's. */
static u64 reclaimable(const struct memcg_stat *s)
{
	return less(s->file, s->shmem + s->file_dirty + s->file_writeback) + s->swapcached +
	       s->slab_reclaimable + s->cached;
}

static void fill_limits(struct row *r, struct memcg *cg)
{
	const struct group_vm *vm = atomic_load_acquire(&cg->vm);

	r->min = atomic_load(&cg->counter.min);
	r->low = atomic_load(&cg->counter.low);
	r->high = atomic_load(&cg->counter.high);
	r->max = atomic_load(&cg->counter.max);
	r->swap_current = vm ? counter_read(&vm->swap) : 0;
	r->swap_high = atomic_load(&group_record(cg)->swap_high);
	r->swap_max = atomic_load(&group_record(cg)->swap_max);
	r->zswap_max = atomic_load(&group_record(cg)->zswap_max);
}

static void fill_events(struct row *r, const struct memcg *cg)
{
	r->low_events = event_count(cg, EV_LOW);
	r->high_events = event_count(cg, EV_HIGH);
	r->max_events = event_count(cg, EV_MAX);
	r->oom = event_count(cg, EV_OOM);
	r->oom_kill = event_count(cg, EV_OOM_KILL);
	r->refused = event_count(cg, EV_REFUSED);
	r->sock_throttled = event_count(cg, EV_SOCK_THROTTLED);
}

static void fill_pressure(struct row *r, struct memcg *cg)
{
	struct psi_pressure p;

	psi_show(cg, &p);
	r->some_avg10 = p.some.avg10;
	r->full_avg10 = p.full.avg10;
	r->some_total = p.some.total_us;
	r->full_total = p.full.total_us;
}

/* clang-format off */
#define SAME_COLUMNS(X) \
	X(current) X(peak) X(anon) X(file) X(shmem) X(sock) X(slab) X(large) X(buffer) \
	X(kernel_stack) X(pagetables) X(external) X(maps) X(zswap) X(cached) X(metadata) \
	X(stock) X(inactive_file) X(pgfault) X(pgmajfault) X(pgscan) X(pgsteal) X(pswpin) X(pswpout) X(zswpin) \
	X(zswpout)
/* clang-format on */
#define SAME(name) r->name = s.name;

static void fill_stat(struct row *r, struct memcg *cg)
{
	struct memcg_stat s;

	group_stat(cg, &s);
	SAME_COLUMNS(SAME)
	r->zswap_current = s.zswap;
	r->reclaimable = reclaimable(&s);
}

static void fill(struct row *r, struct memcg *cg, const struct census *n)
{
	fill_stat(r, cg);
	fill_limits(r, cg);
	fill_events(r, cg);
	fill_pressure(r, cg);
	r->id = cg->id;
	r->threads = census_of(n, cg);
	r->children = atomic_load(&cg->nr_children);
}

/* --- as text: there are half a million numbers in 10 000 rows, and printf takes 100 ns for one ---
 */

static char *put_number(char *to, u64 n)
{
	char digits[NUMBER_MOST], *at = digits + sizeof(digits);
	size_t len;

	do
		*--at = (char)('0' + n % 10);
	while (n /= 10);
	len = (size_t)(digits + sizeof(digits) - at);
	memcpy(to, at, len);
	return to + len;
}

static char *put_value(char *to, u64 n)
{
	if (n == MEMCG_UNLIMITED)
		return (char *)memcpy(to, "max", 3) + 3;
	if (n == UNKNOWN)
		return (char *)memcpy(to, "-", 1) + 1;
	return put_number(to, n);
}

static void put_row(struct text *t, const struct row *r)
{
	const u64 *value = (const u64 *)r;
	char *to = t->buf + t->len;

	for (size_t i = 0; i < COLUMNS; i++) {
		*to++ = '\t';
		to = put_value(to, value[i]);
	}
	*to++ = '\n';
	t->len = (size_t)(to - t->buf);
}

/* False: it does not fit behind what is there. */
static bool say_row(struct text *t, struct memcg *cg, const struct census *n)
{
	int path;
	struct row r;

	if (t->size - t->len <= ROW_MOST)
		return false;
	path = memcg_path(cg, t->buf + t->len, t->size - t->len - ROW_MOST);
	if (path < 0)
		return false;
	t->len += (size_t)path;
	fill(&r, cg, n);
	put_row(t, &r);
	return true;
}

/* --- the walk -----------------------------------------------------------------------------------
 */

/* Missing in the client's struct meanwhile: see serve.h, 6. */
static struct memcg *take_at(struct serve_rows *rows)
{
	struct memcg *cg = rows->at;

	rows->at = NULL;
	return cg;
}

static bool rows_more(struct serve_client *c, struct text *t)
{
	struct memcg *top = c->rows.top, *cg = take_at(&c->rows);
	struct census n;

	census_take(&n);
	while (cg) {
		/* One whose path is longer than a piece cannot be asked for either. */
		if (!say_row(t, cg, &n) && t->len)
			break;
		cg = group_next_within(top, cg, c->rows.deepest);
	}
	census_drop(&n);
	c->rows.at = cg;
	return cg;
}

static void rows_end(struct serve_client *c)
{
	group_put(take_at(&c->rows));
	group_put(c->rows.top);
}

static bool rows_first(struct serve_client *c, struct text *t)
{
	text_add(t, heading, sizeof(heading) - 1);
	c->more = rows_more;
	return rows_more(c, t);
}

static int parse_depth(struct serve_call *call, u32 from, u32 *deepest)
{
	u32 depth;
	int err;

	*deepest = UINT32_MAX;
	if (call->n < 2)
		return 0;
	err = parse_count(call->arg[1], call->len[1], &depth);
	if (!err)
		*deepest = from + depth;
	return err;
}

int serve_rows(struct serve_call *call)
{
	struct serve_client *c = call->client;
	struct memcg *top;
	u32 deepest;
	int err;

	top = serve_group(call, 0, &err);
	if (!top)
		return err;
	err = parse_depth(call, top->depth, &deepest);
	if (err) {
		group_put(top);
		return err;
	}
	group_stat_before(top);
	serve_lock();
	c->rows = (struct serve_rows){.top = top, .at = memcg_get(top), .deepest = deepest};
	c->give_up = rows_end;
	c->more = rows_first;
	serve_unlock();
	return 0;
}
