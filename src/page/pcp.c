/*
 * pcp.c - each CPU's own lists of small free blocks, before the buddy lists.
 *
 * 1. A CPU's lists hold up to HIGH_BYTES for each order 0..4. Empty, they take half of
 *    that from the buddy lists in one go; full, they give half back.
 * 2. Blocks keep what they are, clean or dirty, and dirty ones keep counting
 *    as cached. Last in, first out: what a CPU freed last is in its caches.
 * 3. A thread may have moved to another CPU when it gets at the lists; so each CPU has a
 *    lock, nearly always free. Where it is not, the buddy lists serve: nobody waits here,
 *    except who empties the lists.
 * 4. Before pcp_init, or when it got no memory, all goes straight to the buddy lists.
 */
#include "page/free.h"

#include "sync/lock.h"
#include "sync/percpu.h"
#include "sys/map.h"

#define PCP_ORDERS 5u
#define HIGH_BYTES (256 * KIB)
#define BATCH_MAX  ((unsigned)(HIGH_BYTES / PAGE_SIZE / 2))

struct pcp_list {
	u32 head, count;
};

struct pcp {
	struct lock lock;
	struct pcp_list list[PCP_ORDERS];
} __cacheline_aligned_;

static struct pcp *pcps; /* one for each CPU; constant after pcp_init */

static unsigned high_mark(unsigned order)
{
	return (unsigned)(HIGH_BYTES >> (PAGE_SHIFT + order));
}

static void push(struct pcp_list *l, struct page *pg)
{
	kind_set(pg, PAGE_PCP);
	pg->free.next = l->head;
	l->head = page_to_index(pg);
	l->count++;
}

static struct page *pop(struct pcp_list *l)
{
	struct page *pg = page_at(l->head);

	l->head = pg->free.next;
	l->count--;
	kind_set(pg, PAGE_NONE);
	pg->free.next = 0;
	return pg;
}

static void refill(struct pcp_list *l, unsigned order)
{
	struct page *batch[BATCH_MAX];
	unsigned n = buddy_take(order, batch, high_mark(order) / 2);

	while (n)
		push(l, batch[--n]);
}

static void drain(struct pcp_list *l, unsigned keep)
{
	struct page *batch[BATCH_MAX];

	while (l->count > keep) {
		unsigned n = 0;

		while (n < BATCH_MAX && l->count > keep)
			batch[n++] = pop(l);
		buddy_put(batch, n);
	}
}

/* Locked, or NULL: no lists for this order, or somebody is at them. */
static struct pcp *try_lock_this(unsigned order)
{
	struct pcp *all = atomic_load_acquire(&pcps), *pcp;

	if (!all || order >= PCP_ORDERS)
		return NULL;
	pcp = &all[pcpu_this()];
	return lock_try(&pcp->lock) ? pcp : NULL;
}

struct page *pcp_take(unsigned order)
{
	struct pcp *pcp = try_lock_this(order);
	struct page *pg = NULL;

	if (!pcp)
		return NULL;
	if (!pcp->list[order].count)
		refill(&pcp->list[order], order);
	if (pcp->list[order].count)
		pg = pop(&pcp->list[order]);
	lock_release(&pcp->lock);
	return pg;
}

bool pcp_give(struct page *pg)
{
	unsigned order = pg->order;
	struct pcp *pcp = try_lock_this(order);

	if (!pcp)
		return false;
	push(&pcp->list[order], pg);
	if (pcp->list[order].count > high_mark(order))
		drain(&pcp->list[order], high_mark(order) / 2);
	lock_release(&pcp->lock);
	return true;
}

void pcp_drain_all(void)
{
	struct pcp *all = atomic_load_acquire(&pcps);

	for (unsigned cpu = 0; all && cpu < pcpu_count; cpu++) {
		lock_acquire(&all[cpu].lock);
		for (unsigned order = 0; order < PCP_ORDERS; order++)
			drain(&all[cpu].list[order], 0);
		lock_release(&all[cpu].lock);
	}
}

void pcp_init(void)
{
	struct pcp *all = sys_map(pcpu_count * sizeof(*all));

	for (unsigned cpu = 0; all && cpu < pcpu_count; cpu++)
		lock_init(&all[cpu].lock, RANK_PCP);
	/* Release: who sees the lists sees their locks made. Pairs with try_lock_this. */
	atomic_store_release(&pcps, all);
}

/* Who holds one of them needs only the buddy lock, which the forking thread takes after these. */
void pcp_fork_lock(void)
{
	for (unsigned cpu = 0; pcps && cpu < pcpu_count; cpu++)
		lock_fork_acquire(&pcps[cpu].lock);
}

void pcp_fork_unlock(void)
{
	for (unsigned cpu = 0; pcps && cpu < pcpu_count; cpu++)
		lock_fork_release(&pcps[cpu].lock);
}
