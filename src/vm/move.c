/* move.c - memcg_mm_move: who to whom, the two passes, and what is said about it. */
#include "vm/move.h"

#include <errno.h>
#include <string.h>

#include "alloc/thread.h"
#include "group/record.h"
#include "sys/clock.h"

#define MOVE_FLAGS (MEMCG_MOVE_ANON | MEMCG_MOVE_FILE | MEMCG_MOVE_DRY_RUN)

u64 move_rate;

/* --- who to whom ---------------------------------------------------------------------------- */

/* The living group that pays for h, with a reference. The caller holds h. */
static struct memcg *payer_get(const struct handle *h)
{
	struct rcu_reader *self = self_rcu();
	struct memcg *cg;

	rcu_read_lock(self);
	while (!(cg = group_tryget(handle_group(h))))
		cpu_relax(); /* it is being destroyed: soon it is another */
	rcu_read_unlock(self);
	return cg;
}

static struct memcg *common(struct memcg *a, struct memcg *b)
{
	while (a != b) {
		if (a->depth >= b->depth)
			a = a->parent;
		else
			b = b->parent;
	}
	return a;
}

static void move_begin(struct move *m, struct memcg_mm *mm, struct memcg *to, unsigned flags)
{
	*m = (struct move){.mm = mm, .begin = sys_clock_ns()};
	m->old = mm_payer(mm);
	m->from = payer_get(m->old);
	m->to = payer_get(to->handle);
	m->payer = m->to->handle;
	handle_add(m->payer, HANDLE_PIN);
	m->top = common(m->from, m->to);
	m->what = flags & (MEMCG_MOVE_ANON | MEMCG_MOVE_FILE);
	if (!m->what)
		m->what = atomic_load(&m->to->move_charge); /* the same two bits */
}

static void move_end(struct move *m)
{
	handle_sub(m->payer, HANDLE_PIN);
	handle_sub(m->old, HANDLE_PIN);
	group_put(m->to);
	group_put(m->from);
}

/* --- how long it takes ------------------------------------------------------------------------ */

static u32 page_ns = 400; /* what moving a page took, lately; racy: an estimate */

static void learn(const struct move *m)
{
	u64 pages = m->out.moved >> PAGE_SHIFT;

	if (pages >= BLOCK_PAGES && !move_rate)
		atomic_store(&page_ns, (u32)(m->out.nsec / pages));
}

static u64 estimate(const struct move *m)
{
	u64 ns = (m->out.moved >> PAGE_SHIFT) * atomic_load(&page_ns), paced = 0;

	if (move_rate)
		paced = (u64)((unsigned __int128)m->out.moved * 1000000000u / move_rate);
	return MAX(ns, paced);
}

/* --- moving ------------------------------------------------------------------------------------
 */

HOOK_DEFINE(move_lets_go);

/* Who read the old handle before may be pinning it now: its pin goes a grace period later. */
static void mm_becomes(struct move *m)
{
	struct handle *before;

	handle_add(m->payer, HANDLE_PIN);
	before = atomic_xchg(&m->mm->handle, m->payer);
	rcu_synchronize();
	HOOK(move_lets_go);
	handle_sub(before, HANDLE_PIN);
}

static u64 room_in(const struct counter *c)
{
	u64 max = atomic_load(&c->max), usage = counter_read(c);

	return max - MIN(max, usage);
}

/* Without managed memory nothing is in its swap; the move gives it some first. */
static u64 swap_room(const struct memcg *cg)
{
	const struct group_vm *vm = atomic_load_acquire(&cg->vm);

	return vm ? room_in(&vm->swap) : atomic_load(&group_record(cg)->swap_max);
}

/*
 * What refuses now may reclaim when it comes to it: said, and no failure. What costs nothing is
 * refused by no limit, be it exceeded.
 */
static void look_ahead(struct move *m, struct move_cost cost)
{
	bool fits = true;

	for (const struct memcg *cg = m->to; cg != m->top; cg = cg->parent)
		fits = fits && cost.mem <= room_in(&cg->counter) && cost.swap <= swap_room(cg);
	if (!fits)
		m->out.refused = cost.mem + cost.swap;
	m->out.nsec = estimate(m);
}

static int move_all(struct move *m, bool dry_run)
{
	struct move_cost cost;
	int err;

	move_count(m, &cost);
	if (dry_run) {
		look_ahead(m, cost);
		return 0;
	}
	m->out = (struct memcg_move){0};
	err = group_vm_need(m->to);
	if (!err)
		err = move_charge(m, cost);
	if (err) {
		m->out.refused = cost.mem + cost.swap;
	} else {
		mm_becomes(m);
		move_pages(m);
		move_give_back(m);
	}
	m->out.nsec = sys_clock_ns() - m->begin;
	learn(m);
	return err;
}

static void tell(const struct memcg_move *from, struct memcg_move *out, size_t size)
{
	size_t n = MIN(size, sizeof(*from));

	if (!out)
		return;
	memcpy(out, from, n);
	memset((char *)out + n, 0, size - n);
}

static int move_mm(struct memcg_mm *mm, struct memcg *to, unsigned flags, struct memcg_move *out,
		   size_t size)
{
	struct move m;
	int err = 0;

	move_begin(&m, mm, to, flags);
	if (m.from != m.to)
		err = move_all(&m, flags & MEMCG_MOVE_DRY_RUN);
	move_end(&m);
	tell(&m.out, out, size);
	return err;
}

int memcg_mm_move(struct memcg_mm *mm, struct memcg *to, unsigned flags, struct memcg_move *out,
		  size_t size)
{
	u32 still = 0;
	int err;

	if (!mm || flags & ~(unsigned)MOVE_FLAGS)
		return -EINVAL;
	thread_need();
	if (!atomic_cas(&mm->moving, &still, 1u))
		return -EBUSY;
	err = move_mm(mm, group_or_root(to), flags, out, size);
	atomic_store_release(&mm->moving, 0u); /* pairs with the exchange above */
	return err;
}
