/*
 * stat.c - struct memcg_stat: what the memory of a group and all below it is.
 *
 * 1. Pages are told apart when they are charged (count/stat.h); objects in slabs are not. Slab
 *    bytes are what is left of the counter when everything else is taken off.
 * 2. Numbers are read one by one: exact when nothing is in motion, and while something is, a
 *    difference that would be negative is 0.
 * 3. Most lines are about things that a process's own memory does not have. They are 0, and
 *    stand in the struct so that a line of memory.stat and a member are the same list.
 */
#include <errno.h>
#include <string.h>

#include "group/group.h"
#include "group/record.h"
#include "group/stat_lines.h"
#include "group/stock.h"
#include "group/tally.h"
#include "group/vm.h"
#include "page/page.h"

/* memory.stat is printed by walking the struct: a member out of order would be a wrong name. */
#define PLACE(name) PLACE_##name,
enum { PLACE_current, STAT_LINES(PLACE) PLACE_NR };
#undef PLACE

#define IN_PLACE(name)                                                                          \
	_Static_assert(offsetof(struct memcg_stat, name) == (size_t)PLACE_##name * sizeof(u64), \
		       "struct memcg_stat has " #name                                           \
		       " at another place than stat_lines.h: bring them in line");
IN_PLACE(current)
STAT_LINES(IN_PLACE)
#undef IN_PLACE
_Static_assert(sizeof(struct memcg_stat) == PLACE_NR * sizeof(u64),
	       "struct memcg_stat has a member that stat_lines.h does not name: add it there");

static u64 positive(s64 n)
{
	return n > 0 ? (u64)n : 0;
}

static u64 item(struct memcg *cg, enum stat_item i)
{
	return positive(atomic_load(&group_record(cg)->stat[i]));
}

/* What was handed on, and what CPUs still hold. */
static u64 tallied(struct memcg *cg, enum stat_item i, enum tally_line line)
{
	return positive(atomic_load(&group_record(cg)->stat[i]) + tally_sum(line, cg->handle));
}

/* What is charged ahead by hand is counted, and nobody's yet. */
static u64 by_hand(struct memcg *cg)
{
	return positive((s64)(tallied(cg, STAT_EXTERNAL, TALLY_EXTERNAL) - stock_hand_sum(cg)));
}

static void fill_events(struct memcg_stat *s, const struct group_vm *vm)
{
	u64 e[VM_EVENT_NR];

	for (unsigned i = 0; i < VM_EVENT_NR; i++)
		e[i] = atomic_load(&vm->event[i]);
	s->workingset_refault_anon = e[VM_REFAULT_ANON];
	s->workingset_refault_file = e[VM_REFAULT_FILE];
	s->workingset_activate_anon = e[VM_ACTIVATE_ANON];
	s->workingset_activate_file = e[VM_ACTIVATE_FILE];
	s->workingset_restore_anon = e[VM_RESTORE_ANON];
	s->workingset_restore_file = e[VM_RESTORE_FILE];
	s->pgsteal_kswapd = e[VM_STEAL_KSWAPD];
	s->pgsteal_direct = e[VM_STEAL_DIRECT];
	s->pgsteal_proactive = e[VM_STEAL_PROACTIVE];
	s->pgscan_kswapd = e[VM_SCAN_KSWAPD];
	s->pgscan_direct = e[VM_SCAN_DIRECT];
	s->pgscan_proactive = e[VM_SCAN_PROACTIVE];
	s->pgsteal = s->pgsteal_kswapd + s->pgsteal_direct + s->pgsteal_proactive;
	s->pgscan = s->pgscan_kswapd + s->pgscan_direct + s->pgscan_proactive;
	s->pgrefill = e[VM_REFILL];
	s->pswpin = e[VM_SWPIN];
	s->pswpout = e[VM_SWPOUT];
	s->pgfault = e[VM_FAULT];
	s->pgmajfault = e[VM_MAJFAULT];
	s->pgactivate = e[VM_ACTIVATED];
	s->pgdeactivate = e[VM_DEACTIVATED];
	s->swpin_zero = e[VM_SWPIN_ZERO];
	s->swpout_zero = e[VM_SWPOUT_ZERO];
	s->zswpin = e[VM_ZSWPIN];
	s->zswpout = e[VM_ZSWPOUT];
	s->zswpwb = e[VM_ZSWPWB];
}

static void fill_managed(struct memcg *cg, struct memcg_stat *s)
{
	const struct group_vm *vm = atomic_load_acquire(&cg->vm);

	if (!vm)
		return;
	s->anon = group_vm_stat(cg, STAT_ANON);
	s->file = group_vm_stat(cg, STAT_FILE);
	s->shmem = group_vm_stat(cg, STAT_SHMEM);
	s->zswap = group_vm_stat(cg, STAT_ZSWAP);
	s->zswapped = group_vm_stat(cg, STAT_ZSWAPPED);
	s->file_mapped = group_vm_stat(cg, STAT_FILE_MAPPED);
	s->file_dirty = group_vm_stat(cg, STAT_FILE_DIRTY);
	s->file_writeback = group_vm_stat(cg, STAT_FILE_WRITEBACK);
	s->swapcached = group_vm_stat(cg, STAT_SWAPCACHED);
	s->inactive_anon = group_vm_stat(cg, lru_stat(LRU_INACTIVE_ANON));
	s->active_anon = group_vm_stat(cg, lru_stat(LRU_ACTIVE_ANON));
	s->inactive_file = group_vm_stat(cg, lru_stat(LRU_INACTIVE_FILE));
	s->active_file = group_vm_stat(cg, lru_stat(LRU_ACTIVE_FILE));
	s->unevictable = group_vm_stat(cg, lru_stat(LRU_UNEVICTABLE));
	fill_events(s, vm);
}

void group_stat_before(const struct memcg *cg)
{
	if (group_vm_look)
		group_vm_look(cg);
	stat_fold_all();
}

void group_stat(struct memcg *cg, struct memcg_stat *s)
{
	u64 usage = atomic_load(&cg->counter.usage), others;

	*s = (struct memcg_stat){
		.current = group_current(cg),
		.kernel_stack = item(cg, STAT_STACK),
		.pagetables = item(cg, STAT_TABLE),
		.sock = tallied(cg, STAT_SOCK, TALLY_SOCK),
		.peak = memcg_peak(cg),
		.large = tallied(cg, STAT_LARGE, TALLY_LARGE),
		.buffer = item(cg, STAT_BUFFER),
		.external = by_hand(cg),
		.maps = item(cg, STAT_MAPS),
		.stock = stock_sum(cg),
		.cached = cg == root_group ? page_cached_now() : 0,
		.metadata = cg == root_group ? atomic_load(&meta_bytes) : 0,
		.charge_refused = atomic_load(&group_record(cg)->events[EV_REFUSED]),
		.charge_nowait = atomic_load(&group_record(cg)->events[EV_NOWAIT]),
		.charge_nofail = atomic_load(&group_record(cg)->events[EV_NOFAIL]),
		.charge_reserve = atomic_load(&group_record(cg)->events[EV_RESERVE]),
		.move_charge = atomic_load(&group_record(cg)->events[EV_MOVE_CHARGE]),
	};
	fill_managed(cg, s);
	others = s->anon + s->file + s->large + s->buffer + s->pagetables + s->kernel_stack +
		 s->external + s->maps + s->sock + s->stock + s->metadata;
	s->slab = positive((s64)(usage - others));
	s->slab_unreclaimable = s->slab; /* objects are the program's: none can be taken back */
	s->kernel = s->slab + s->large + s->buffer + s->pagetables + s->kernel_stack;
	s->local = group_local_bytes(cg);
}

int memcg_stat(struct memcg *cg, struct memcg_stat *out, size_t size)
{
	struct memcg_stat s;
	size_t n = MIN(size, sizeof(s));

	if (!out || !size)
		return -EINVAL;
	if (!cg)
		cg = group_active();
	group_stat_before(cg);
	group_stat(cg, &s);
	memcpy(out, &s, n);
	memset((char *)out + n, 0, size - n);
	return 0;
}
