/*
 * hollow.c - slabs that a thread holds without knowing that nothing in them is
 * alive. The thread may sleep for ever, and its lists are its own: nobody else can take the
 * slab from it. But nothing in it is anybody's, so its memory can go to the
 * system: HOLLOW -> PURGING -> PURGED, and the holder, should it come by meanwhile, waits
 * for the system call to end.
 *
 * Heads are found by back[] being 0: descriptors alone do not tell, a slab's tails
 * hold bits. A head that changes hands meanwhile fails the swap by its generation.
 */
#include "slab/slab.h"
#include "sys/cpu.h"
#include "sys/map.h"

u64 hollow_slabs;

u64 hollow_settled(struct page *pg)
{
	u64 word = atomic_load_acquire(&pg->slab.remote);

	while (REMOTE_STATE(word) == SLAB_PURGING) {
		sys_cpu_yield();
		word = atomic_load_acquire(&pg->slab.remote);
	}
	return word;
}

/* PURGING is ours alone: the holder waits, and nobody frees into a slab where nothing lives. */
static void set_purged(struct page *pg, bool purged)
{
	u64 word = atomic_load(&pg->slab.remote) & ~(REMOTE_STATE_MASK | 0xfffffffful);

	atomic_store_release(&pg->slab.remote,
			     word | REMOTE_STATE_OF(purged ? SLAB_PURGED : SLAB_HOLLOW));
}

static u64 purge(struct page *pg)
{
	u64 word = atomic_load_acquire(&pg->slab.remote), bytes;
	bool purged;

	if (REMOTE_STATE(word) != SLAB_HOLLOW ||
	    !atomic_cas(&pg->slab.remote, &word,
			((word & ~REMOTE_STATE_MASK) | REMOTE_STATE_OF(SLAB_PURGING)) + REMOTE_GEN))
		return 0;
	bytes = page_bytes(pg);
	slab_take_back(pg, word); /* the list is in the memory that goes */
	purged = sys_purge(page_address(pg), bytes) == 0;
	if (purged) {
		atomic_sub(&page_cached, bytes);
		atomic_sub(&hollow_slabs, 1ul);
	}
	set_purged(pg, purged);
	return purged ? bytes : 0;
}

u64 hollow_purge(void)
{
	u32 index, pages = atomic_load_acquire(&regn.chunks) * CHUNK_PAGES;
	u64 bytes = 0;

	for (index = 1; index < pages && atomic_load(&hollow_slabs); index++)
		if (!atomic_load(&regn.back[index]) &&
		    atomic_load(&page_at(index)->kind) == PAGE_SLAB)
			bytes += purge(page_at(index));
	return bytes;
}
