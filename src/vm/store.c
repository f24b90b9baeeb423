/*
 * store.c - where a copy is kept. Theory in store.h.
 *
 * A group's compressed copies are bounded by memory.zswap.max at it and at every group above: it is
 * looked at before a copy is made, so that CPUs that do so at once may pass it by a copy each; and
 * of other groups below a limit by what CPUs hold back (count/stat.h 3). Where there is no room,
 * copies of the group are written to the file first, the oldest: so that what is fetched next is
 * not what went to the disk because it came last. 0: nothing is compressed. memory.zswap.writeback
 * 0, at the group or above: nothing of it is written to a file.
 */
#include "vm/store.h"

#include <errno.h>
#include <string.h>

#include "group/owner.h"
#include "group/record.h"
#include "group/vm.h"
#include "vm/lists.h"
#include "vm/swapfile.h"
#include "vm/zswap.h"

/* --- what the group allows ----------------------------------------------------------- */

static bool has_room(const struct memcg *cg)
{
	u64 max = atomic_load(&group_record(cg)->zswap_max);

	return max == MEMCG_UNLIMITED || group_vm_stat(cg, STAT_ZSWAP) + PAGE_SIZE <= max;
}

/* At the group, and all above. */
static bool all_from(const struct memcg *cg, bool (*allows)(const struct memcg *cg))
{
	while (cg && allows(cg))
		cg = cg->parent;
	return !cg;
}

/* At the group that pays, and all above. */
static bool all_above(const struct page *pg, bool (*allows)(const struct memcg *cg))
{
	struct rcu_reader *self = self_rcu();
	bool all;

	rcu_read_lock(self);
	all = all_from(page_memcg_rcu(pg), allows);
	rcu_read_unlock(self);
	return all;
}

static bool writes_back(const struct memcg *cg)
{
	return !atomic_load(&cg->no_zswap_writeback);
}

bool store_may_write(const struct page *pg)
{
	return all_above(pg, writes_back);
}

bool store_may_write_back(const struct memcg *cg)
{
	return swap_slots_free() && all_from(cg, writes_back);
}

/* The second look is at counters that CPUs have told what they hold back. */
bool store_has_room(const struct memcg *cg)
{
	if (all_from(cg, has_room) || store_may_write_back(cg))
		return true;
	stat_fold(cg->handle->index);
	return all_from(cg, has_room);
}

/* --- making copies ------------------------------------------------------------------------ */

static void count_copy(const struct page *pg, s64 times)
{
	u32 h = page_objcg(pg)->index;

	stat_add(h, STAT_ZSWAP, times * (s64)zswap_bytes(pg->managed.entry));
	stat_add(h, STAT_ZSWAPPED, times * (s64)PAGE_SIZE);
}

void store_tally(const struct page *pg, s64 times)
{
	if (pg->managed.where == WHERE_ZSWAP)
		count_copy(pg, times);
}

/* Room for a cluster of pages, made at the first need and kept; one thread at a time. */
static struct lock room_lock = LOCK_INIT(RANK_ROOM);
static struct page *room;

static u64 write_back(struct memcg *cg, u64 bytes);

/*
 * Of the page's group alone: others need not pay for its limit with their copies. Who calls this
 * has pages locked and waits for nobody: where another is at it, this page is written itself.
 */
static u64 write_back_for(const struct page *pg)
{
	struct rcu_reader *self = self_rcu();
	struct memcg *cg;
	u64 freed = 0;

	rcu_read_lock(self);
	cg = group_tryget(page_memcg_rcu(pg));
	rcu_read_unlock(self);
	if (cg && lru_bytes(&cg->vm->lru, LRU_COPIES) && lock_try(&room_lock)) {
		freed = write_back(cg, PAGE_SIZE);
		lock_release(&room_lock);
	}
	group_put(cg);
	return freed;
}

static bool is_unlimited(const struct memcg *cg)
{
	return atomic_load(&group_record(cg)->zswap_max) == MEMCG_UNLIMITED;
}

/* As the counters stand once CPUs have told what they hold back of the page's group. */
static bool may_compress(const struct page *pg)
{
	stat_fold(page_objcg(pg)->index);
	return all_above(pg, has_room);
}

static bool make_room(const struct page *pg)
{
	if (all_above(pg, is_unlimited) || may_compress(pg))
		return true;
	return write_back_for(pg) && may_compress(pg);
}

int store_compress(struct page *pg)
{
	u64 entry;
	int where;

	if (!make_room(pg))
		return -E2BIG;
	where = zswap_store(page_address(pg), page_objcg(pg)->index, &entry);
	if (where < 0)
		return where;
	pg->managed.entry = entry;
	atomic_store(&pg->managed.where, (u8)where);
	if (where == WHERE_ZSWAP)
		count_copy(pg, 1);
	page_vm_event(pg, where == WHERE_ZSWAP ? VM_ZSWPOUT : VM_SWPOUT_ZERO);
	return 0;
}

unsigned store_write(struct page **pages, unsigned n)
{
	const void *from[SWAP_CLUSTER];
	u32 slots[SWAP_CLUSTER];
	int got = swap_alloc(slots, n);

	for (int i = 0; i < got; i++)
		from[i] = page_address(pages[i]);
	if (got <= 0 || swap_write(from, slots, (unsigned)got))
		return 0;
	for (int i = 0; i < got; i++) {
		pages[i]->managed.entry = slots[i];
		atomic_store(&pages[i]->managed.where, (u8)WHERE_SWAP);
		page_vm_event(pages[i], VM_SWPOUT);
	}
	return (unsigned)got;
}

/* --- writing copies back ------------------------------------------------------------------ */

static bool claim(struct page *pg)
{
	return page_trylock(pg, PAGE_EVICTING);
}

static unsigned oldest_copies(struct memcg *cg, struct page **out)
{
	struct lruvec *lv = &cg->vm->lru;
	unsigned n;

	lock_acquire(&lv->lock);
	n = lru_isolate(lv, LRU_COPIES, claim, out, SWAP_CLUSTER);
	lock_release(&lv->lock);
	return n;
}

/* The copies that are whole, unpacked into the room; the others stay where they are. */
static unsigned unpack(struct page **pages, unsigned n, const void **at)
{
	unsigned whole = 0;

	for (unsigned i = 0; i < n; i++) {
		char *to = (char *)page_address(room) + (size_t)whole * PAGE_SIZE;

		if (zswap_load(pages[i]->managed.entry, to)) {
			page_unlock(pages[i]);
			continue;
		}
		at[whole] = to;
		pages[whole++] = pages[i];
	}
	return whole;
}

static u64 replace_copy(struct page *pg, u32 slot)
{
	u64 bytes = zswap_bytes(pg->managed.entry);

	store_drop(pg);
	pg->managed.entry = slot;
	atomic_store(&pg->managed.where, (u8)WHERE_SWAP);
	page_vm_event(pg, VM_ZSWPWB);
	page_vm_event(pg, VM_SWPOUT);
	page_unlock(pg);
	return bytes;
}

HOOK_DEFINE(copies_chosen);
HOOK_DEFINE(room_taken);

/* One cluster; 0: nothing more can be had. Room lock held. */
static u64 write_back_some(struct memcg *cg)
{
	struct page *pages[SWAP_CLUSTER];
	const void *at[SWAP_CLUSTER];
	u32 slots[SWAP_CLUSTER];
	unsigned n = unpack(pages, oldest_copies(cg, pages), at), done = 0;
	int got = n ? swap_alloc(slots, n) : 0;
	u64 bytes = 0;

	HOOK(copies_chosen);
	if (got > 0 && !swap_write(at, slots, (unsigned)got))
		for (; done < (unsigned)got; done++)
			bytes += replace_copy(pages[done], slots[done]);
	for (; done < n; done++) {
		page_enlist_copy(pages[done]);
		page_unlock(pages[done]);
	}
	return bytes;
}

static bool room_there(void)
{
	if (!room)
		room = block_alloc(log2_up(SWAP_CLUSTER));
	return room;
}

/* Room lock held. */
static u64 write_back(struct memcg *cg, u64 bytes)
{
	u64 freed = 0, some = 1;

	while (store_may_write_back(cg) && room_there() && freed < bytes && some) {
		some = write_back_some(cg);
		freed += some;
	}
	return freed;
}

/*
 * Another who is at it is waited for: where copies are all that a group has, "nothing" would be a
 * refusal, and the end of a thread that had only to wait. It has pages locked and waits for none.
 */
u64 store_write_back(struct memcg *cg, u64 bytes)
{
	u64 freed;

	if (!store_may_write_back(cg))
		return 0; /* it might when they were made */
	if (!lock_try(&room_lock)) {
		HOOK(room_taken);
		lock_acquire(&room_lock);
	}
	freed = write_back(cg, bytes);
	lock_release(&room_lock);
	return freed;
}

void store_fork_child(void)
{
	lock_init(&room_lock, RANK_ROOM);
}

/* --- using and dropping them ------------------------------------------------------------------ */

void store_drop(struct page *pg)
{
	if (pg->managed.where == WHERE_ZSWAP) {
		if (atomic_load(&pg->managed.list))
			page_delist(pg);
		count_copy(pg, -1);
		zswap_free(pg->managed.entry);
	} else if (pg->managed.where == WHERE_SWAP) {
		swap_free((u32)pg->managed.entry);
	}
	pg->managed.entry = 0;
}

static int load(const struct page *pg)
{
	void *to = page_address(pg);

	switch (pg->managed.where) {
	case WHERE_ZSWAP:
		page_vm_event(pg, VM_ZSWPIN);
		return zswap_load(pg->managed.entry, to);
	case WHERE_SWAP:
		page_vm_event(pg, VM_SWPIN);
		return swap_read((u32)pg->managed.entry, to);
	default:
		page_vm_event(pg, VM_SWPIN_ZERO);
		zswap_fill(pg->managed.entry, to);
		return 0;
	}
}

u32 store_read_run(struct page **pages, unsigned n)
{
	void *to[SWAP_CLUSTER] = {NULL};
	u32 there;

	for (unsigned i = 0; i < n; i++)
		to[i] = page_address(pages[i]);
	there = swap_read_run((u32)pages[0]->managed.entry, n, to);
	for (unsigned i = 0; i < n; i++)
		if (there >> i & 1)
			page_vm_event(pages[i], VM_SWPIN);
	return there;
}

int store_load(struct page *pg)
{
	int err = load(pg);

	if (!err)
		store_drop(pg);
	return err;
}
