/*
 * walk_pages.c - the walk over opened pages and the slots of slabs.
 *
 * The descriptors are read a chunk at a time. A block of at most 2^MAX_ORDER pages lies
 * within its chunk, so a slab's bits, which stand in its tails, are there with its head; a
 * range is as many chunks, of which the head is enough.
 */
#include <errno.h>
#include <string.h>

#include "ctl/walk.h"

static struct page *page_of(struct walk *w, u32 index)
{
	u32 chunk = index / CHUNK_PAGES;
	u64 from = (u64)w->region.desc + (u64)chunk * CHUNK_PAGES * sizeof(struct page);

	if (chunk != w->chunk &&
	    !w->env->read(w->env->arg, from, w->desc, CHUNK_PAGES * sizeof(struct page)))
		return NULL;
	w->chunk = chunk;
	return &w->desc[index % CHUNK_PAGES];
}

static unsigned long address_of(const struct walk *w, u32 index)
{
	return w->region.base + ((unsigned long)index << PAGE_SHIFT);
}

static const char *kind_name(unsigned kind)
{
	static const char *const name[PAGE_KIND_NR] = {
		"none",	  "buddy", "balloon", "pcp",	    "slab",  "large",
		"buffer", "table", "stack",   "net",	    "anon",  "file",
		"meta",	  "range", "bad",     "kept stack", "shmem",
	};

	return kind < PAGE_KIND_NR ? name[kind] : "unknown";
}

static void say_owner(struct walk *w, u32 index, const struct page *pg)
{
	walk_say(w, "page %u (%#lx, %s of %u pages): its owner word %#lx names no handle in use",
		 index, address_of(w, index), kind_name(pg->kind), pg->npages,
		 (unsigned long)page_owner_word(pg));
}

static void say_page(struct walk *w, u32 index, const struct page *pg, const char *what)
{
	walk_say(w, "page %u (%#lx, %s of %u pages): %s", index, address_of(w, index),
		 kind_name(pg->kind), pg->npages, what);
}

/* --- pages ------------------------------------------------------------------ */

static void count_owned(struct walk *w, u32 index, const struct page *pg, unsigned item)
{
	u64 word = page_owner_word(pg), bytes = page_bytes(pg);
	struct walk_find f = {.kind = pg->kind, .objects = 1, .bytes = bytes};

	if (!word) {
		w->sum.unaccounted += bytes;
		w->sum.unaccounted_pages += pg->npages;
		return;
	}
	if (owner_is_objcgs(word) || !walk_charge(w, walk_handle_at(w, owner_address(word)), f))
		say_owner(w, index, pg);
	else
		w->sum.item[item] += bytes;
}

static void count_free(struct walk *w, u32 index, const struct page *pg)
{
	if (page_owned(pg))
		say_page(w, index, pg, "is free and has an owner");
	if (pg->kind == PAGE_BALLOON && pg->flags & PG_ZEROED)
		w->sum.balloon += page_bytes(pg);
	else if (pg->kind == PAGE_RANGE)
		w->sum.cached += (u64)pg->free.dirty << PAGE_SHIFT;
	else if (pg->flags & PG_DIRTY || pg->kind == PAGE_STACK_KEPT)
		w->sum.cached += page_bytes(pg);
}

/* --- slabs ------------------------------------------------------------------ */

/* Its slots fit its pages, its bits its tails, and those its chunk. */
static bool slab_sane(u32 index, const struct page *pg)
{
	u32 room = CHUNK_PAGES - index % CHUNK_PAGES, words = slab_words(pg);
	size_t bits = (pg->slab.size > 16 ? 2 : 1) * words * sizeof(u64);

	return pg->npages > 1 && pg->npages <= SLAB_PAGES_MAX && pg->npages <= room &&
	       pg->slab.size >= 16 && pg->slab.capacity &&
	       (u64)pg->slab.capacity * pg->slab.size <= page_bytes(pg) &&
	       offsetof(struct slab_local, idle) + bits <= (pg->npages - 1) * sizeof(*pg);
}

/* Slots on the remote list are free, though their bits do not say so yet. */
static bool mark_remote(struct walk *w, u32 index, const struct page *pg)
{
	unsigned n = REMOTE_COUNT(pg->slab.remote);
	u16 next = REMOTE_HEAD(pg->slab.remote);

	if (!n)
		return true;
	if (!walk_read_region(w, address_of(w, index), w->slab, page_bytes(pg)))
		return false;
	for (; n && next; n--) {
		if (next > pg->slab.capacity)
			return false;
		w->free[(next - 1) / 64] |= BIT((next - 1) % 64);
		memcpy(&next, w->slab + (size_t)(next - 1) * pg->slab.size, sizeof(next));
	}
	return !n && !next;
}

static void find_free(struct walk *w, u32 index, const struct page *pg)
{
	memcpy(w->free, slab_idle(pg), slab_words(pg) * sizeof(u64));
	if (!mark_remote(w, index, pg))
		say_page(w, index, pg, "its list of freed slots is broken: written to after free");
}

static bool slot_live(const struct walk *w, unsigned i)
{
	return !(w->free[i / 64] >> (i % 64) & 1);
}

static void count_bare(struct walk *w, const struct page *pg)
{
	u64 before = w->sum.unaccounted;
	unsigned i;

	w->sum.slabs_bare++;
	for (i = 0; i < pg->slab.capacity; i++)
		if (slot_live(w, i))
			w->sum.unaccounted += pg->slab.size;
	if (w->sum.unaccounted != before)
		w->sum.unaccounted_pages += pg->npages;
}

static struct walk_find slots_found(const struct page *pg, u32 objects, u64 bytes)
{
	return (struct walk_find){
		.kind = PAGE_SLAB, .size = pg->slab.size, .objects = objects, .bytes = bytes};
}

static void charge_slot(struct walk *w, u32 index, const struct page *pg, unsigned i, u32 bytes)
{
	u32 handle = w->entry[i];

	if (walk_charge(w, handle, slots_found(pg, 1, bytes))) {
		w->sum.slab += bytes;
		return;
	}
	walk_say(w,
		 "page %u (%#lx, slab of %u-byte slots): entry of slot %u (%#lx) names handle "
		 "%u, which is not in use",
		 index, address_of(w, index), pg->slab.size, i,
		 address_of(w, index) + (unsigned long)i * pg->slab.size, handle);
}

static void count_shared(struct walk *w, u32 index, const struct page *pg)
{
	unsigned i;

	w->sum.slabs_shared++;
	for (i = 0; i < pg->slab.capacity; i++)
		if (w->entry[i] > OWNER_NOBODY)
			charge_slot(w, index, pg, i, slab_cost(pg->slab.size));
		else if (slot_live(w, i))
			w->sum.unaccounted += pg->slab.size;
}

/* The handle that is charged for the whole slab pays for what is nobody else's. */
static void count_exceptions(struct walk *w, u32 index, const struct page *pg, u32 fallback)
{
	u64 rest = page_bytes(pg);
	u32 objects = 0;
	unsigned i;

	w->sum.slabs_exceptions++;
	for (i = 0; i < pg->slab.capacity; i++)
		if (w->entry[i] != fallback) {
			charge_slot(w, index, pg, i, pg->slab.size);
			rest -= pg->slab.size;
		} else {
			objects += slot_live(w, i);
		}
	if (walk_charge(w, fallback, slots_found(pg, objects, rest)))
		w->sum.slab += rest;
	else
		walk_say(w,
			 "page %u (%#lx, slab of %u-byte slots): its vector falls back to handle "
			 "%u, which is not in use",
			 index, address_of(w, index), pg->slab.size, fallback);
}

static void count_vector(struct walk *w, u32 index, const struct page *pg)
{
	u64 at = owner_address(page_owner_word(pg));
	bool own = pg->slab.remote & SLAB_OWN;
	struct objcgs head;

	if (!walk_read_region(w, at, &head, sizeof(head)) || head.nr != pg->slab.capacity ||
	    !walk_read_region(w, at + sizeof(head), w->entry, head.nr * sizeof(u32))) {
		say_page(w, index, pg, "its owner word leads to no vector of its slots");
		return;
	}
	if (own != !!head.fallback)
		say_page(w, index, pg,
			 "its vector says that it is shared, its kind that it is own, "
			 "or the other way: a conversion is under way");
	if (head.fallback)
		count_exceptions(w, index, pg, head.fallback);
	else
		count_shared(w, index, pg);
}

static void count_own(struct walk *w, u32 index, const struct page *pg)
{
	u64 word = page_owner_word(pg);
	u32 objects = 0;
	unsigned i;

	w->sum.slabs_own++;
	for (i = 0; w->env->found && i < pg->slab.capacity; i++)
		objects += slot_live(w, i);
	if (walk_charge(w, walk_handle_at(w, word), slots_found(pg, objects, page_bytes(pg))))
		w->sum.slab += page_bytes(pg);
	else
		say_owner(w, index, pg);
}

/* The words of the free bits: slab_free_bits() of a slab that may be another process's. */
static bool read_free_bits(struct walk *w, u32 index, const struct page *pg)
{
	size_t bytes = slab_words(pg) * sizeof(u64);

	if (pg->slab.size <= 16)
		return walk_read_region(w, address_of(w, index) + page_bytes(pg) - bytes, w->free,
					bytes);
	memcpy(w->free, slab_idle(pg) + slab_words(pg), bytes);
	return true;
}

/* Free slots are idle, and all others are in `used`. */
static void check_bits(struct walk *w, u32 index, const struct page *pg)
{
	unsigned i, n = 0, had = 0, words = slab_words(pg);

	if (!read_free_bits(w, index, pg))
		return;
	for (i = 0; i < words; i++) {
		n += bit_count(w->free[i]);
		had += bit_count(w->free[i] & ~slab_idle(pg)[i]);
	}
	if (had || n + slab_local(pg)->used != pg->slab.capacity)
		walk_say(
			w,
			"page %u (%#lx, slab of %u-byte slots): %u slots are free by the bits (%u of "
			"them the program's), %u of %u in use by the count",
			index, address_of(w, index), pg->slab.size, n, had, slab_local(pg)->used,
			pg->slab.capacity);
}

static void count_hollow(struct walk *w, const struct page *pg)
{
	w->sum.slabs_hollow++;
	w->sum.hollow += page_bytes(pg);
	if (REMOTE_STATE(pg->slab.remote) == SLAB_HOLLOW) /* else its memory went to the system */
		w->sum.cached += page_bytes(pg);
}

static void count_slab(struct walk *w, u32 index, const struct page *pg)
{
	u64 remote = pg->slab.remote, word = page_owner_word(pg);

	if (!slab_sane(index, pg)) {
		say_page(w, index, pg, "its descriptor contradicts itself");
		return;
	}
	if (REMOTE_HOLLOW(remote)) {
		count_hollow(w, pg);
		return;
	}
	if (REMOTE_STATE(remote) == SLAB_DEAD) {
		say_page(w, index, pg, "a thread is giving it back this moment");
		return;
	}
	check_bits(w, index, pg);
	find_free(w, index, pg);
	if (owner_is_objcgs(word))
		count_vector(w, index, pg);
	else if (word && remote & SLAB_OWN)
		count_own(w, index, pg);
	else if (word || remote & SLAB_OWN)
		say_page(w, index, pg, "owner word and kind differ about who pays for it");
	else
		count_bare(w, pg);
}

/* --- all of them -------------------------------------------------------------- */

static void count_block(struct walk *w, u32 index, const struct page *pg)
{
	switch (pg->kind) {
	case PAGE_NONE:
	case PAGE_BUDDY:
	case PAGE_BALLOON:
	case PAGE_PCP:
	case PAGE_RANGE:
	case PAGE_STACK_KEPT:
		count_free(w, index, pg);
		break;
	case PAGE_SLAB:
		count_slab(w, index, pg);
		break;
	case PAGE_LARGE:
		count_owned(w, index, pg, STAT_LARGE);
		break;
	case PAGE_BUFFER:
		count_owned(w, index, pg, STAT_BUFFER);
		break;
	case PAGE_TABLE:
		count_owned(w, index, pg, STAT_TABLE);
		break;
	case PAGE_STACK:
		count_owned(w, index, pg, STAT_STACK);
		break;
	case PAGE_META:
		w->sum.metadata += page_bytes(pg);
		break;
	case PAGE_BAD:
		w->sum.bad += page_bytes(pg);
		break;
	default:
		walk_say(w, "page %u (%#lx): kind %u is none that is in use", index,
			 address_of(w, index), pg->kind);
	}
}

/*
 * A range that was handed out where a longer one had been leaves pages at the end of its chunks
 * that are resident and nobody's: cached too. Free runs count theirs by themselves.
 */
static bool count_slack(struct walk *w)
{
	u64 from = (u64)w->region.chunk_use;
	struct chunk_use use;
	u32 i;

	for (i = 0; i < w->region.chunks; i++) {
		if (!w->env->read(w->env->arg, from + i * sizeof(use), &use, sizeof(use)))
			return false;
		if (use.used && use.dirty > use.used)
			w->sum.cached += (u64)(use.dirty - use.used) << PAGE_SHIFT;
	}
	return true;
}

/*
 * Page 0 is kept out of use, for index 0 ends lists. A page of no block (the rest of a range)
 * counts as a block of one.
 */
int walk_pages(struct walk *w)
{
	u32 index, step, pages = w->region.chunks * CHUNK_PAGES;

	for (index = 1; index < pages; index += step) {
		struct page *pg = page_of(w, index);

		if (!pg)
			return -EFAULT;
		step = pg->npages ? pg->npages : 1;
		if (step > pages - index) {
			say_page(w, index, pg, "it is larger than what is open");
			step = 1;
			continue;
		}
		count_block(w, index, pg);
	}
	return count_slack(w) ? 0 : -EFAULT;
}
