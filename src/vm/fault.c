/*
 * fault.c - faults. Theory in fault.h, page_lock.h, table.h.
 *
 * Order: window reference, table (made if need be, which may reclaim), page lock, content, then the
 * table lock and under it entry and mapping in one step. What is found gone there (a hole, another
 * window) ends the fault. No lock is held while memory is charged.
 *
 * A fault of a page that is in memory maps its neighbours too, of the same 64 KiB, as far as they
 * are in memory and nobody is at them: it costs a quarter of a microsecond each now and four
 * later. They are not counted as used.
 */
#include "vm/fault.h"

#include <errno.h>
#include <signal.h>
#include <ucontext.h>

#include "alloc/thread.h"
#include "group/owner.h"
#include "sys/log.h"
#include "vm/dirty.h"
#include "vm/file.h"
#include "vm/lists.h"
#include "vm/mech.h"
#include "vm/resident.h"
#include "vm/rmap.h"

#define AROUND 16u /* pages; a power of two, dividing BLOCK_PAGES */

HOOK_DEFINE(fault_begun);
HOOK_DEFINE(fault_ready);
HOOK_DEFINE(fault_installs);

/* --- mapping ---------------------------------------------------------------------------- */

static bool is_present(const struct page *t, u32 i)
{
	return pte_type(table_entries(t)[i % BLOCK_PAGES]) == PTE_PRESENT;
}

/* Of [i, i + n), mapped in part, what has no entry; the rest may be pinned, and stays. -errno. */
static int unmap_absent(struct window *w, const struct page *t, u32 i, u32 n)
{
	int err = 0, one;

	for (u32 end = i + n, k = i; i < end; i = ++k) {
		struct span span = {(void *)window_address(w, i), 0};

		while (k < end && !is_present(t, k))
			k++;
		span.len = (size_t)(k - i) << PAGE_SHIFT;
		one = span.len ? mech_zap(&span, 1) : 0;
		err = err ? err : one;
	}
	return err;
}

/*
 * Maps n locked pages that have memory, then writes their entries. Table lock held. The other way
 * round a failure would have to be taken back page by page; this way zaps do it. When the system
 * refuses those the entries are written all the same: what is mapped must have one.
 */
static int map_locked(struct window *w, struct page *t, u32 i, u32 n, bool noticed)
{
	int err = mech_map(w, window_address(w, i), n, noticed);
	struct mapped_run run;

	if (err == -ENOENT)
		err = -EFAULT;
	if (unlikely(err) && !unmap_absent(w, t, i, n))
		return err;
	mapped_run_begin(&run);
	for (u32 k = i; k < i + n; k++) {
		struct page *pg = window_page(w, k);

		if (is_present(t, k))
			continue; /* the system took it away by itself, or has it still */
		table_set(t, k % BLOCK_PAGES, pte_make(PTE_PRESENT, page_to_index(pg)));
		page_uncache(pg);
		rmap_add(pg, w->object, w->offset + k, &run);
	}
	mapped_run_end(&run);
	return err;
}

/* Of a moment. */
static bool stands_now(struct window *w, struct page *t, u32 i)
{
	bool it_does;

	table_lock(t);
	it_does = table_stands(w, t, i);
	table_unlock(t);
	return it_does;
}

/* n locked pages that have memory. */
static int map_run(struct window *w, struct page *t, u32 i, u32 n, bool noticed)
{
	int err = -EFAULT;

	table_lock(t);
	if (table_all_stand(w, t, i, n))
		err = map_locked(w, t, i, n, noticed);
	table_unlock(t);
	return err;
}

/*
 * Nothing has mapped a private page yet, so nothing says what it is of; and it is on a list, or
 * will be, for whoever evicts it.
 */
static void came_unmapped(struct window *w, u32 i, u32 n)
{
	for (u32 k = i; k < i + n; k++)
		if (!page_mapped(window_page(w, k))) {
			window_page(w, k)->managed.object = w->object;
			window_page(w, k)->managed.index = w->offset + k;
		}
}

HOOK_DEFINE(fault_mapped);

/*
 * The same, with a reference of each when they are to be pinned: it comes before the mapping that
 * it keeps (evict.c, stays_mapped). Given back here it is never the last: the object's is left.
 */
static int map_for(struct window *w, struct page *t, u32 i, u32 n, bool noticed, unsigned flags)
{
	int err;

	for (u32 k = i; k < i + n && flags & FAULT_PIN; k++)
		page_get(window_page(w, k));
	err = map_run(w, t, i, n, noticed);
	HOOK(fault_mapped);
	if (likely(!err))
		return 0;
	for (u32 k = i; k < i + n && flags & FAULT_PIN; k++)
		page_put(window_page(w, k));
	came_unmapped(w, i, n);
	return err;
}

/* --- around ------------------------------------------------------------------------------- */

static bool wants_mapping(struct window *w, struct page *t, u32 i)
{
	return i < w->npages &&
	       pte_type(atomic_load(&table_entries(t)[i % BLOCK_PAGES])) != PTE_PRESENT &&
	       atomic_load(&window_page(w, i)->managed.where) == WHERE_RESIDENT;
}

HOOK_DEFINE(neighbour_seen);

/* Locked; what was seen may have changed meanwhile, and is looked at again: still_resident. */
static bool take_neighbour(struct window *w, struct page *t, u32 i)
{
	if (!wants_mapping(w, t, i))
		return false;
	HOOK(neighbour_seen);
	return page_trylock(window_page(w, i), PAGE_BUSY);
}

/* Locks the neighbours of i in its 64 KiB that can be mapped with it, in a row around it. */
static u32 lock_around(struct window *w, struct page *t, u32 i, u32 *first)
{
	u32 from = ALIGN_DOWN(i, AROUND), end = i + 1;

	for (*first = i; *first > from && take_neighbour(w, t, *first - 1); --*first)
		;
	while (end < from + AROUND && take_neighbour(w, t, end))
		end++;
	return end - *first;
}

/* The page is locked: pairs with set_limit (file_read.c). */
static bool past_end(const struct window *w, u32 i)
{
	return w->offset + i >= atomic_load_seq(&w->object->limit);
}

/* What was locked may have changed between look and lock; what has no memory is not mapped. */
static bool still_resident(struct window *w, u32 i, u32 n)
{
	for (u32 k = i; k < i + n; k++)
		if (window_page(w, k)->managed.where != WHERE_RESIDENT ||
		    window_page(w, k)->managed.flags & MG_DROPPED || past_end(w, k))
			return false;
	return true;
}

/* Page i is locked and resident: it is mapped, with its neighbours where that is easy. */
static int map_around(struct window *w, struct page *t, u32 i)
{
	u32 first, n = lock_around(w, t, i, &first);
	int err = -EFAULT;

	if (n > 1 && still_resident(w, first, n))
		err = map_run(w, t, first, n, window_page(w, i)->kind == PAGE_FILE);
	for (u32 k = first; k < first + n; k++)
		if (k != i)
			page_unlock(window_page(w, k));
	return err;
}

/* --- one page ------------------------------------------------------------------------------ */

/* Those that nobody has to fault. */
static u32 mapped_of(struct page *t, u32 i, u32 n)
{
	u32 got = 0;

	for (u32 k = i; k < i + n; k++)
		got += pte_type(atomic_load(&table_entries(t)[k % BLOCK_PAGES])) == PTE_PRESENT;
	return got;
}

/* At who faults, as the kernel does: the page may be another group's. */
static void count_faults(u32 payer, u32 n, bool major)
{
	handle_vm_event(handle_of(payer), VM_FAULT, n);
	if (major)
		handle_vm_event(handle_of(payer), VM_MAJFAULT, n);
}

/* The first use of a page of a file says nothing: much is read once. */
static void page_used(struct page *pg)
{
	if (!(pg->managed.flags & MG_AHEAD))
		pg->managed.flags |= MG_REFERENCED;
	pg->managed.flags &= (u8) ~(MG_PROBATION | MG_AHEAD);
}

/* A write, or what may be one as long as it is pinned; and what the system would not notice. */
static void note_write(struct window *w, struct page *pg, unsigned flags)
{
	if (pg->kind == PAGE_FILE && w->writable && flags & (FAULT_WRITE | FAULT_PIN))
		page_dirty(pg);
}

/*
 * Not to be had: behind the end of the file, or let go by it with somebody holding it still. Of
 * addresses that are gone neither is said: what was unmapped while it was pinned is let go, too.
 */
static int is_lost(struct window *w, struct page *t, u32 i)
{
	int err = 0;

	if (past_end(w, i))
		err = -ENXIO;
	else if (atomic_load_acquire(&window_page(w, i)->managed.flags) & MG_DROPPED)
		err = -EIO;
	return err && !stands_now(w, t, i) ? -EFAULT : err;
}

/* The page is locked. What it brought in stays the object's, mapped or not. */
static int fault_locked(struct window *w, struct page *t, u32 i, u32 payer, unsigned flags)
{
	struct page *pg = window_page(w, i);
	int err = is_lost(w, t, i); /* first: see page_clear */
	bool was_in = pg->managed.where == WHERE_RESIDENT, major;
	bool faults = !(flags & FAULT_ASKED) || !mapped_of(t, i, 1);

	if (!err)
		err = page_bring(w->object, w->offset + i, payer, &major);
	if (err)
		return err;
	dirty_before_map(w, i);
	err = was_in && !(flags & (FAULT_PIN | FAULT_WRITE)) ? map_around(w, t, i) : -EFAULT;
	if (err)
		err = map_for(w, t, i, 1, pg->kind == PAGE_FILE && !(flags & FAULT_WRITE), flags);
	if (!was_in)
		page_enlist(pg);
	if (err)
		return err;
	note_write(w, pg, flags);
	page_used(pg);
	if (faults)
		count_faults(payer, 1, major);
	return 0;
}

/* A private page that was brought in for addresses that are unmapped meanwhile is nobody's. */
static int fault_end(struct window *w, u32 i, int err)
{
	page_unlock(window_page(w, i));
	if (err == -EFAULT && w->object->kind == OBJECT_ANON)
		object_drop_unheld(w->object, w->offset + i, 1);
	return err;
}

int fault_page(struct window *w, u32 i, unsigned flags)
{
	struct handle *payer;
	struct page *t;
	int err;

	if (unlikely(w->object->kind == OBJECT_NET))
		return view_fault(w, i, flags);
	payer = mm_payer(w->mm);
	HOOK(fault_begun);
	t = table_need(block_at(window_address(w, i)), payer->index);
	err = t ? 0 : -ENOMEM;
	HOOK(fault_ready);
	if (t && w->object->kind == OBJECT_FILE)
		err = file_look(w->object->file);
	if (!err) {
		page_lock(window_page(w, i));
		err = fault_end(w, i, fault_locked(w, t, i, payer->index, flags));
	}
	handle_sub(payer, HANDLE_PIN);
	return err;
}

/* --- ranges ---------------------------------------------------------------------------------- */

#define RUN_MAX 128u

/* Locks pages from i on that are where i is: i waiting, the rest as far as they can be had. */
static u32 lock_run(struct window *w, u32 i, u32 end, enum page_where where)
{
	u32 k = i + 1;

	page_lock(window_page(w, i));
	while (k < end && atomic_load(&window_page(w, k)->managed.where) == where &&
	       page_trylock(window_page(w, k), PAGE_BUSY))
		k++;
	return k - i;
}

/* The flags first: see page_clear. */
static bool run_is(struct window *w, u32 i, u32 n, enum page_where where)
{
	for (u32 k = i; k < i + n; k++)
		if (atomic_load_acquire(&window_page(w, k)->managed.flags) & MG_DROPPED ||
		    window_page(w, k)->managed.where != where)
			return false;
	return true;
}

static void unlock_run(struct window *w, u32 i, u32 n)
{
	for (u32 k = i; k < i + n; k++)
		page_unlock(window_page(w, k));
}

/*
 * As many of *n new pages as fit, by halves; those behind are unlocked. 1: it has not been tried,
 * because a page alone is reclaimed for.
 */
static void bring_fitting(struct window *w, u32 i, u32 *n, u32 payer)
{
	for (u32 fits; *n > 1 && pages_bring_new(w->object, w->offset + i, *n, payer); *n = fits) {
		fits = *n / 2;
		unlock_run(w, i + fits, *n - fits);
	}
}

/*
 * A locked run, all new or all in memory: brought in, mapped, on its list, as far as it fits.
 * -EAGAIN: page by page.
 */
static int run_locked(struct window *w, struct page *t, u32 i, u32 *len, u32 payer, unsigned flags)
{
	bool fresh = run_is(w, i, *len, WHERE_NONE);
	u32 n, faults;

	if (!fresh && !run_is(w, i, *len, WHERE_RESIDENT))
		return -EAGAIN;
	if (fresh)
		bring_fitting(w, i, len, payer);
	n = *len;
	if (n == 1)
		return -EAGAIN;
	if (fresh)
		pages_enlist(w->object, w->offset + i, n);
	faults = n - mapped_of(t, i, n);
	if (map_for(w, t, i, n, w->object->kind == OBJECT_FILE, flags))
		return -EAGAIN;
	count_faults(payer, faults, false);
	for (u32 k = i; k < i + n; k++)
		window_page(w, k)->managed.flags |= MG_REFERENCED;
	return 0;
}

/* What a run brought in for addresses that are unmapped meanwhile is nobody's, mapped or swapped.
 */
static void drop_in_holes(struct window *w, struct page *t, u32 i, u32 n)
{
	for (u32 k = i; k < i + n && w->object->kind == OBJECT_ANON; k++)
		if (!stands_now(w, t, k))
			object_drop_unheld(w->object, w->offset + k, 1);
}

static int fault_run(struct window *w, struct page *t, u32 i, u32 n, u32 payer, unsigned flags)
{
	int err;

	n = lock_run(w, i, i + n, atomic_load(&window_page(w, i)->managed.where));
	err = n > 1 ? run_locked(w, t, i, &n, payer, flags) : -EAGAIN;
	unlock_run(w, i, n);
	if (err && n > 1)
		drop_in_holes(w, t, i, n);
	return err ? err : (int)n;
}

/* How many pages from i on, at least one; or -errno. */
static int fault_some(struct window *w, u32 i, u32 n, u32 payer, unsigned flags)
{
	int got = -EAGAIN, err;
	struct page *t;

	HOOK(fault_begun);
	t = table_need(block_at(window_address(w, i)), payer);
	if (!t)
		return -ENOMEM;
	n = MIN(block_step(i, i + n), RUN_MAX);
	if (w->object->kind < OBJECT_FILE)
		got = fault_run(w, t, i, n, payer, flags);
	if (got != -EAGAIN)
		return got;
	err = fault_page(w, i, flags | FAULT_ASKED);
	return err ? err : 1;
}

int fault_range(struct window *w, u32 i, u32 n, unsigned flags, u32 *done)
{
	struct handle *payer = mm_payer(w->mm);
	int got = 0;

	for (*done = 0; *done < n && got >= 0; *done += got > 0 ? (u32)got : 0)
		got = fault_some(w, i + *done, n - *done, payer->index, flags);
	handle_sub(payer, HANDLE_PIN);
	return got < 0 ? got : 0;
}

/* --- SIGBUS ------------------------------------------------------------------------------------
 */

/* Who had the signal before us. Written by who installs ours; and by chain, once. */
static struct sigaction before;

static bool is_write(const void *context)
{
#ifdef __x86_64__
	return ((const ucontext_t *)context)->uc_mcontext.gregs[REG_ERR] & 2;
#else
	(void)context;
	return true;
#endif
}

/* A handler of the program came in while this thread held something of ours. */
static bool interrupted(const void *addr)
{
	if (!task_self() || !(memcg__self->busy | memcg__self->paging))
		return false;
	log_line("managed address %p is touched by a signal handler in the middle of a library "
		 "call: handlers may touch pinned memory only",
		 addr);
	return true;
}

/*
 * Nothing but what the system says of an address without memory: broken memory (BUS_MCEERR_AR, AO)
 * is not served by mapping it again, and what was sent is about no address.
 */
static bool serve(const siginfo_t *info, const void *context)
{
	uintptr_t addr = (uintptr_t)info->si_addr;
	struct window *w;
	int err = -EFAULT;
	u32 i;

	if (info->si_code != BUS_ADRERR || !window_has(info->si_addr) || interrupted(info->si_addr))
		return false;
	thread_need();
	w = window_find(addr);
	if (!w)
		return false;
	i = window_index(w, addr);
	if (likely(i < w->npages)) /* it may be the program's own, with any address in it */
		err = fault_page(w, i, is_write(context) ? FAULT_WRITE : 0);
	window_put(w);
	return !err;
}

/* Else somebody has sent it, or the system tells of memory that is broken and not in use now. */
static bool is_of_instruction(const siginfo_t *info)
{
	return info->si_code > 0 && info->si_code != BUS_MCEERR_AO;
}

static bool is_function(const struct sigaction *sa)
{
	return sa->sa_handler != SIG_DFL && sa->sa_handler != SIG_IGN; /* whatever the flags say */
}

static void call(const struct sigaction *to, int sig, siginfo_t *info, void *context)
{
	if (to->sa_flags & SA_SIGINFO)
		to->sa_sigaction(sig, info, context);
	else
		to->sa_handler(sig);
}

/*
 * What is not ours goes where it would have gone, with the signals held back that the program holds
 * back there; but for SIGBUS itself, so that the handler may touch managed memory. One that was to
 * be called once is: who returns from it is ended by running the instruction again. (Two threads at
 * once may call it twice. Tolerated.)
 */
static void chain(int sig, siginfo_t *info, void *context)
{
	struct sigaction to = before;
	sigset_t mask = ((ucontext_t *)context)->uc_sigmask;

	if (is_function(&to))
		sigorset(&mask, &mask, &to.sa_mask);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	if (is_function(&to)) {
		if (to.sa_flags & (int)SA_RESETHAND)
			before.sa_handler = SIG_DFL;
		call(&to, sig, info, context);
	} else if (is_of_instruction(info)) {
		signal(sig, SIG_DFL); /* which is run again, and ends the process */
	} else if (to.sa_handler == SIG_DFL) {
		signal(sig, SIG_DFL); /* nothing is run again */
		raise(sig);
	}
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	int saved = errno;
	bool served = serve(info, context);

	errno = saved;
	if (!served)
		chain(sig, info, context);
}

/*
 * Every signal is held back while a fault is served: a handler of the program must not run in the
 * middle of it. The fault is the thread's own, and on the alternative stack where there is one.
 *
 * Nobody returns before it is installed: of two threads that come here at once both do it, and both
 * find the same before (or ours).
 */
void fault_up(void)
{
	static u32 installed;
	struct sigaction sa = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_ONSTACK}, now;

	if (mech != MECH_FAULTS || atomic_load_acquire(&installed))
		return;
	HOOK(fault_installs);
	sigfillset(&sa.sa_mask);
	sigaction(SIGBUS, NULL, &now);
	if (now.sa_sigaction != on_sigbus) {
		before = now; /* first: what is none of ours may come at once */
		sigaction(SIGBUS, &sa, NULL);
	}
	atomic_store_release(&installed, 1u);
}
