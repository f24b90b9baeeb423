/* slab.c - making, claiming and taking apart slabs. Theory in slab.h. */
#include <string.h>

#include "slab/slab.h"

struct slab_counts slab_counts;

static void bits_fill(u64 *bits, unsigned n)
{
	unsigned whole = n / 64;

	memset(bits, 0xff, whole * sizeof(*bits));
	if (n % 64)
		bits[whole] = BIT(n % 64) - 1;
}

/* 16-byte slots lend their last ones to the free bits. */
static u32 capacity_of(u32 bytes, u32 size)
{
	u32 n = bytes / size;

	return size > 16 ? n : n - n / 8 / size;
}

void slab_make(struct page *pg, u32 size, unsigned class, u32 tid, bool own)
{
	struct slab_local *l = slab_local(pg);
	u32 bytes = (u32)page_bytes(pg);

	pg->slab = (struct slab_head){
		.remote = own ? SLAB_OWN : 0,
		.hold = slab_hold_of(tid),
		.size = size,
		.inverse = (u32)DIV_ROUND_UP(1ul << 32, size),
		.capacity = (u16)capacity_of(bytes, size),
		.class = (u16) class,
	};
	pg->slab.end = pg->slab.capacity * size;
	*l = (struct slab_local){.where = SLAB_NOWHERE}; /* the rest of the tails is zero */
	bits_fill(l->idle, pg->slab.capacity);
	bits_fill(slab_free_bits(pg), pg->slab.capacity);
	pg->flags &= (u16)~PG_ZEROED;
	/* Publishes the rest to a recount or an owner look-up that comes by address. */
	__atomic_store_n(&pg->kind, PAGE_SLAB, __ATOMIC_RELEASE);
	atomic_add_relaxed(own ? &slab_counts.own : &slab_counts.shared, 1ul);
}

/* Slot i comes back from the remote list: the second free of it ends here at the latest. */
static void take_back(struct page *pg, unsigned i, struct objcgs *v)
{
	u64 *idle = &slab_idle(pg)[i / 64], *free = &slab_free_bits(pg)[i / 64];

	if (unlikely(i >= pg->slab.capacity || *idle >> (i % 64) & 1))
		memcg_bug("double free of %p: slab %p (%u-byte slots) has it free already",
			  slab_slot(pg, i), page_address(pg), pg->slab.size);
	if (v && !v->fallback)
		atomic_store(&v->entry[i], 0u);
	atomic_store(idle, *idle | BIT(i % 64));
	*free |= BIT(i % 64);
}

bool slab_inherited;

/* Each slot once, all of them in use, and no more than are counted. */
static bool list_is_whole(const struct page *pg, u64 word)
{
	unsigned n = REMOTE_COUNT(word), next = REMOTE_HEAD(word);
	u64 seen[SLAB_SLOTS_MAX / 64] = {0};

	for (; n && next; n--) {
		unsigned i = next - 1;

		if (i >= pg->slab.capacity || slab_slot_idle(pg, i) || seen[i / 64] >> i % 64 & 1)
			return false;
		seen[i / 64] |= BIT(i % 64);
		next = *(u16 *)slab_slot(pg, i);
	}
	return !n && !next;
}

bool slab_list_lost(const struct page *pg, u64 word)
{
	return unlikely(slab_inherited) && !list_is_whole(pg, word);
}

void slab_take_back(struct page *pg, u64 word)
{
	struct slab_local *l = slab_local(pg);
	struct objcgs *v = page_objcgs_check(pg);
	unsigned n = REMOTE_COUNT(word), next = REMOTE_HEAD(word);

	if (slab_list_lost(pg, word))
		return;
	for (; n && next; n--) {
		unsigned i = next - 1;

		next = *(u16 *)slab_slot(pg, i);
		take_back(pg, i, v);
		atomic_store(&l->used, (u16)(l->used - 1));
	}
	if (unlikely(n || next))
		memcg_bug("slab %p (%u-byte slots): list of freed slots is broken: "
			  "written to after free",
			  page_address(pg), pg->slab.size);
}

/* What a slab has written of its tail pages' descriptors. */
static size_t local_bytes(const struct page *pg)
{
	size_t kinds =
		pg->slab.size > 16 ? 2 : 1; /* of bits; 16-byte slots have theirs elsewhere */

	return sizeof(struct slab_local) + kinds * slab_words(pg) * sizeof(u64);
}

void slab_unmake(struct page *pg)
{
	struct objcgs *v = page_objcgs_check(pg);

	slab_take_back(pg, pg->slab.remote); /* the last look for double frees */
	if (v)
		meta_free(v, objcgs_bytes(v->nr));
	page_clear_objcgs(pg);
	memset(slab_local(pg), 0, local_bytes(pg));
	memset(&pg->slab, 0, sizeof(pg->slab));
	__atomic_store_n(&pg->kind, PAGE_NONE, __ATOMIC_RELEASE);
	block_free(pg);
}

bool slab_collect(struct page *pg)
{
	u64 old = atomic_load_acquire(&pg->slab.remote);

	if (!REMOTE_COUNT(old) || REMOTE_HOLLOW(old))
		return false;
	while (!atomic_cas(&pg->slab.remote, &old, (old & ~0xfffffffful) + REMOTE_GEN))
		if (REMOTE_HOLLOW(old))
			return false;
	slab_take_back(pg, old);
	return true;
}

bool slab_claim(struct page *pg)
{
	u64 old = hollow_settled(pg), new;

	do {
		if (REMOTE_HOLLOW(old)) {
			hollow_settled(pg);
			return false;
		}
		new = (old & ~(0xfffffffful | REMOTE_STATE_MASK)) + REMOTE_GEN;
	} while (!atomic_cas(&pg->slab.remote, &old, new));
	slab_take_back(pg, old);
	return true;
}

/* The mark stays once it is set: a stranger sets it before it installs the vector. */
void slab_set_hold(struct page *pg, u32 tid)
{
	u32 old = atomic_load(&pg->slab.hold);

	while (!atomic_cas(&pg->slab.hold, &old, slab_hold_of(tid) | (old & SLAB_HOLD_VEC)))
		;
}

u32 slab_live(const struct page *pg)
{
	return (u32)slab_local(pg)->used - REMOTE_COUNT(atomic_load(&pg->slab.remote));
}

bool slab_valid(const struct page *pg)
{
	unsigned free = 0, w;

	for (w = 0; w < slab_words(pg); w++) {
		if (slab_free_bits(pg)[w] & ~slab_idle(pg)[w])
			return false; /* free, but the program has it */
		free += bit_count(slab_free_bits(pg)[w]);
	}
	return free + slab_local(pg)->used == pg->slab.capacity &&
	       REMOTE_COUNT(pg->slab.remote) <= slab_local(pg)->used;
}
