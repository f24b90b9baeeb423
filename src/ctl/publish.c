/* publish.c - telling `memcg run`. Theory in publish.h. */
#include "ctl/publish.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "alloc/maps.h"
#include "alloc/thread.h"
#include "ctl/recount.h"
#include "group/handle.h"
#include "group/record.h"
#include "page/page.h"
#include "reclaim/owed.h"
#include "sys/clock.h"

#define PUBLISH_NS   200000000ul /* between two publications, at least */
#define RECOUNTS     4u		 /* tries, when other threads may be at work */
#define RECOUNT_REST 2000000ul	 /* ns between them */
#define START_ROOM   (256 * KIB) /* below this nothing starts: libc alone takes as much */
#define OTHERS	     (SLOT_ROWS - 1)

HOOK_DEFINE(publish_usage);

static u64 due;		    /* when the next publication may be; whoever moves it makes it */
static u32 refused;	    /* the first refusal has been published with all groups */
static u32 forking;	    /* forks under way: the child must not write into its parent's slot */
static u32 missed;	    /* a row could not be stored: whoever publishes does it again */
static bool hold_in_malloc; /* also without a high of the root's */
static u64 seen_max = MEMCG_UNLIMITED,
	   seen_high = MEMCG_UNLIMITED; /* racy: applied twice is once */

/* ---- numbers ------------------------------------------------------------------ */

static u64 at_least_zero(s64 n)
{
	return n > 0 ? (u64)n : 0;
}

static void fill_row(struct slot_row *row, struct memcg *cg)
{
	*row = (struct slot_row){.current = group_current(cg),
				 .peak = counter_peak(&cg->counter),
				 .max = atomic_load(&cg->counter.max),
				 .refusals = atomic_load(&group_record(cg)->events[EV_REFUSED])};
	strncpy(row->name, cg->name, sizeof(row->name) - 1);
}

static void add_to_others(struct slot_row *others, const struct slot_row *row)
{
	others->current += row->current;
	others->peak += row->peak;
	others->refusals += row->refusals;
}

/* The row stays if its peak is among the highest; the one it displaces joins the others. */
static void compete(struct slot_view *v, struct slot_row *row)
{
	unsigned lowest = 0, i;

	for (i = 1; i < OTHERS; i++)
		if (v->rows[i].peak < v->rows[lowest].peak)
			lowest = i;
	if (row->peak > v->rows[lowest].peak) {
		struct slot_row loser = v->rows[lowest];

		v->rows[lowest] = *row;
		*row = loser;
	}
	add_to_others(&v->rows[OTHERS], row);
}

/* One more group than rows: from then on the last row is for all that have none. */
static void make_others(struct slot_view *v)
{
	struct slot_row last = v->rows[OTHERS];

	v->rows[OTHERS] = (struct slot_row){.name = SLOT_OTHERS, .max = MEMCG_UNLIMITED};
	compete(v, &last);
}

static void add_row(struct slot_view *v, struct memcg *cg, unsigned before)
{
	struct slot_row row;

	fill_row(&row, cg);
	if (before < SLOT_ROWS) {
		v->rows[v->nr_rows++] = row;
		return;
	}
	if (before == SLOT_ROWS)
		make_others(v);
	compete(v, &row);
}

/* Rows are the groups directly below the root: they hold what is below them. */
static void fill_rows(struct slot_view *v)
{
	struct memcg *cg = NULL;
	unsigned n = 0;

	while ((cg = memcg_next(NULL, cg))) {
		if (cg->parent == root_group)
			add_row(v, cg, n++);
		v->groups++;
	}
}

void publish_view(struct slot_view *v)
{
	struct counter *c = &root_group->counter;
	u64 usage = counter_read(c);

	memset(v, 0, sizeof(*v));
	v->current = group_current(root_group);
	v->peak = counter_peak(c);
	v->max = atomic_load(&c->max);
	v->high = atomic_load(&c->high);
	v->refusals = atomic_load(&group_record(root_group)->events[EV_REFUSED]);
	v->cached = page_cached_now();
	v->metadata = atomic_load(&meta_bytes);
	v->maps = at_least_zero(atomic_load(&group_record(root_group)->stat[STAT_MAPS]));
	v->allocated = at_least_zero((s64)(usage - v->metadata - v->maps - stock_sum(root_group)));
	v->foreign = atomic_load(&memcg__foreign);
	fill_rows(v);
}

/* Again while somebody had a row to store meanwhile, and left it to us. */
static void publish(void)
{
	struct slot_view v;

	do {
		(void)atomic_xchg(&missed, 0u);
		publish_view(&v);
		slot_publish(&v);
	} while (atomic_load_seq(&missed));
}

/* ---- while it runs ------------------------------------------------------------- */

/*
 * What is freed moves from the usage to what is cached: of two looks, one before the usage was
 * loaded, the lower counts none of it twice. What moves the other way may be missing, for a moment.
 */
static u64 cached_beside(u64 before)
{
	HOOK(publish_usage);
	return MIN(before, page_cached_now());
}

/*
 * The root's numbers, after every slow charge, refusal and fold; a dozen loads and stores. Two
 * threads may store in another order than they loaded: the next event puts it right, and exit()
 * publishes once more. Stock counts as allocated here: summing it up takes a walk.
 */
static void watch_root(struct slot_view *v)
{
	struct counter *c = &root_group->counter;
	u64 before = page_cached_now(), usage = atomic_load(&c->usage),
	    cached = cached_beside(before);
	u64 metadata = atomic_load(&meta_bytes), peak = counter_peak(c);
	u64 maps = at_least_zero(atomic_load(&group_record(root_group)->stat[STAT_MAPS]));

	/* Not below current: a reader that meets a new current should find its peak. */
	atomic_store(&v->peak, MAX(peak, usage + cached));
	atomic_store(&v->current, usage + cached);
	atomic_store(&v->max, atomic_load(&c->max));
	atomic_store(&v->refusals, atomic_load(&group_record(root_group)->events[EV_REFUSED]));
	atomic_store(&v->cached, cached);
	atomic_store(&v->metadata, metadata);
	atomic_store(&v->maps, maps);
	atomic_store(&v->allocated, at_least_zero((s64)(usage - metadata - maps)));
}

/* By the thread that was refused, in its slow path: it holds no lock there. */
static bool first_refusal(void)
{
	return unlikely(task_self() && memcg__self->failed) && !atomic_load(&refused) &&
	       !atomic_xchg(&refused, 1u);
}

static void watch(void)
{
	struct slot_view *v = slot_live();

	if (!v || atomic_load(&forking))
		return;
	watch_root(v);
	if (first_refusal())
		publish();
}

/* The group below the root that holds what is charged to the handle. False: the root itself. */
static bool row_of(u32 handle, struct slot_row *row)
{
	struct rcu_reader *self = self_rcu();
	struct memcg *cg;
	bool has;

	rcu_read_lock(self);
	cg = handle_group(handle_of(handle));
	while (cg->parent && cg->parent != root_group)
		cg = cg->parent;
	has = cg->parent && memcg_online(cg) && cg->name_len < SLOT_NAME_MAX;
	if (has)
		fill_row(row, cg);
	rcu_read_unlock(self);
	return has;
}

/*
 * The row of who was charged, so that it is true when nothing follows. A group without one gets it
 * at once, if there is room. Who finds another thread publishing says so and looks once more:
 * either the slot is free by then, or that thread has yet to look at `missed`.
 */
static void told(u32 handle)
{
	struct slot_row row;
	int err;

	if (!slot_attached() || atomic_load(&forking) || !row_of(handle, &row))
		return;
	err = slot_publish_row(&row);
	if (err == -EBUSY) {
		(void)atomic_xchg(&missed, 1u);
		err = slot_publish_row(&row);
	}
	if (err == -ENOENT || (!err && atomic_load_seq(&missed)))
		publish();
}

void memcg__publish_watch(void)
{
	if (charge_watch)
		charge_watch();
}

/*
 * Two threads may apply limits at once, the slower one the older: so whoever has applied one
 * looks again, and the last to apply has seen what stands.
 */
static void follow_one(unsigned which, const u64 *limit, u64 *seen)
{
	u64 applied, now = atomic_load(limit);

	if (likely(now == atomic_load(seen)))
		return;
	do {
		applied = now;
		atomic_store(seen, applied);
		memcg_set_limit(root_group, which, applied);
		now = atomic_load_acquire(limit);
	} while (now != applied);
}

static void follow_limits(void)
{
	struct slot_header *h = slot_header();

	if (!h)
		return;
	follow_one(MEMCG_MAX, &h->max, &seen_max);
	follow_one(MEMCG_HIGH, &h->high, &seen_high);
	/* A program that does not know of groups never leaves one: its allocations are where it
	 * can be held, and --high is how its user asked for that, or a rule with a high. */
	atomic_store(&owed_in_malloc,
		     atomic_load(&hold_in_malloc) || atomic_load(&seen_high) != MEMCG_UNLIMITED);
}

void memcg__publish_hold(void)
{
	atomic_store(&hold_in_malloc, true);
	atomic_store(&owed_in_malloc, true);
}

/* In a thread's slow path, no lock held. */
static void refresh(void)
{
	u64 now = sys_clock_coarse_ns(), when = atomic_load(&due);

	follow_limits();
	if (now < when || !slot_attached() || atomic_load(&forking) ||
	    !atomic_cas(&due, &when, now + PUBLISH_NS))
		return;
	publish();
}

static void fork_prepare(void)
{
	(void)atomic_add(&forking, 1u);
}

static void fork_parent(void)
{
	(void)atomic_sub(&forking, 1u);
	watch(); /* what happened meanwhile */
}

/*
 * The child's counters are copies; the slot they go to must be its own. The library's own
 * handlers have run and given charges back, unseen.
 */
static void fork_child(void)
{
	atomic_store(&due, 0ul);
	atomic_store(&refused, 0u);
	if (slot_attached())
		slot_fork_child();
	atomic_store(&forking, 0u); /* those of other threads too: they are not here */
	watch();
}

bool memcg__publish_start(const char *path)
{
	bool attached = slot_attach(path) == 0;
	u64 max, high;

	if (!slot_limits(&max, &high))
		return false;
	follow_limits();
	charge_refresh = refresh;
	charge_watch = watch;
	charge_told = told;
	pthread_atfork(fork_prepare, fork_parent, fork_child);
	watch();
	return attached;
}

/*
 * Refusals before the program's first instruction: the loader has been told that there is no
 * memory. With less than START_ROOM left the program would be told so in its own start.
 */
u64 memcg__publish_too_small(void)
{
	struct counter *c = &root_group->counter;
	u64 usage = counter_read(c), max = atomic_load(&c->max);

	if (max >= usage + START_ROOM &&
	    !atomic_load(&group_record(root_group)->events[EV_REFUSED]))
		return 0;
	slot_mark(SLOT_TOO_SMALL);
	return usage;
}

/* ---- the end --------------------------------------------------------------------- */

/* A difference while other threads run may be an allocation under way: looks again, then says so.
 */
static void take_recount(struct slot_recount *out)
{
	struct recount_result r = {.differences = 0};
	bool alone = task_count() <= 1;
	unsigned i;

	for (i = 0; i < RECOUNTS; i++) {
		if (recount(&r, NULL, NULL))
			return;
		if (alone || !r.differences)
			break;
		sys_sleep_ns(RECOUNT_REST);
	}
	*out = (struct slot_recount){.state = alone || !r.differences ? SLOT_RECOUNT_TAKEN
								      : SLOT_RECOUNT_BUSY,
				     .differences = r.differences,
				     .memory = r.owned,
				     .counters = r.counted,
				     .groups = r.groups};
}

void memcg__publish_exit(void)
{
	struct slot_recount r = {.state = SLOT_RECOUNT_NONE};

	if (!slot_attached())
		return;
	charge_refresh = NULL;
	charge_watch = NULL;
	charge_told = NULL;
	stat_fold_all();
	publish();
	take_recount(&r);
	slot_recount(&r);
	slot_mark(SLOT_EXITED);
}
