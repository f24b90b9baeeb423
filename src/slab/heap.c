/* heap.c - a thread's bins and lists of slabs. Theory in heap.h. */
#include <string.h>

#include "slab/slab_fast.h"

#define STACK_MOST 2048u /* entries: 32 KiB of them */
#define PARK_MOST  64u	 /* slots at a refill */

u64 heap_grown;

/* --- the stacks ------------------------------------------------------------ */

/* Entries of a small stack: 8 KiB worth of slots, at least 2, at most 64. Their sum is
 * HEAP_ENTRIES.
 */
static u32 stack_room(unsigned class)
{
	u32 n = 8 * KIB / class_size[class];

	return MIN(MAX(n, 2u), 64u);
}

static void stack_at(struct bin *b, struct parked *entry, u32 room)
{
	b->top = b->bottom = entry;
	b->limit = entry + room;
	b->room = room;
}

void heap_init(struct heap *h, u32 tid, u32 handle, u8 slot)
{
	unsigned c, home = 0;

	memset(h, 0, sizeof(*h));
	h->tid = tid;
	h->handle = handle;
	h->slot = slot;
	for (c = 0; c < CLASS_NR; c++) {
		h->bin[c].home = (u16)home;
		h->bin[c].most = stack_room(c);
		stack_at(&h->bin[c], h->entry + home, stack_room(c));
		home += stack_room(c);
	}
	BUG_ON(home > HEAP_ENTRIES);
}

static bool stack_small(const struct heap *h, const struct bin *b)
{
	return b->bottom == h->entry + b->home;
}

static u64 stack_bytes(const struct heap *h, const struct bin *b, u32 room)
{
	return (u64)room * class_size[b - h->bin];
}

/* Empty. */
static void stack_shrink(struct heap *h, struct bin *b)
{
	if (stack_small(h, b))
		return;
	atomic_sub(&heap_grown, stack_bytes(h, b, b->room));
	meta_free(b->bottom, b->room * sizeof(*b->bottom));
	stack_at(b, h->entry + b->home, stack_room((unsigned)(b - h->bin)));
}

void heap_count_grown(const struct heap *h)
{
	for (unsigned c = 0; c < CLASS_NR; c++)
		if (!stack_small(h, &h->bin[c]))
			atomic_add_relaxed(&heap_grown, stack_bytes(h, &h->bin[c], h->bin[c].room));
}

void heap_allow(struct heap *h, u64 bytes)
{
	h->allowed = bytes;
	for (unsigned c = 0; c < CLASS_NR; c++) {
		struct bin *b = &h->bin[c];

		b->most = (u32)MIN(MAX(bytes / class_size[c], (u64)stack_room(c)), (u64)STACK_MOST);
		if (b->room > b->most && b->top == b->bottom)
			stack_shrink(h, b);
	}
}

/* Threads that ask at once may pass the sum by a stack each: tolerated. */
static bool stack_may_grow(const struct heap *h, const struct bin *b, u32 room)
{
	return room > b->room &&
	       atomic_load(&heap_grown) + stack_bytes(h, b, room) <= HEAP_GROWN_MOST;
}

/* Empty. Without memory it stays as it is. */
static void stack_grow(struct heap *h, struct bin *b)
{
	u32 room = MIN(2 * b->room, b->most);
	struct parked *entry;

	b->spilled = false;
	if (!stack_may_grow(h, b, room))
		return;
	entry = meta_alloc(room * sizeof(*entry));
	if (!entry)
		return;
	stack_shrink(h, b);
	atomic_add_relaxed(&heap_grown, stack_bytes(h, b, room));
	stack_at(b, entry, room);
}

/* --- lists: oldest at the head ------------------------------------------ */

static void list_push(struct slab_list *list, struct page *pg, enum slab_where where)
{
	struct slab_local *l = slab_local(pg);
	u32 index = page_to_index(pg);

	atomic_store(&l->where, (u8)where);
	l->next = 0;
	l->prev = list->tail;
	if (list->tail)
		slab_local(page_at(list->tail))->next = index;
	else
		list->head = index;
	list->tail = index;
}

static void list_remove(struct slab_list *list, struct page *pg)
{
	struct slab_local *l = slab_local(pg);

	if (l->next)
		slab_local(page_at(l->next))->prev = l->prev;
	else
		list->tail = l->prev;
	if (l->prev)
		slab_local(page_at(l->prev))->next = l->next;
	else
		list->head = l->next;
	atomic_store(&l->where, (u8)SLAB_NOWHERE);
}

static struct slab_list *list_of(struct heap *h, struct page *pg)
{
	unsigned class = pg->slab.class;

	return slab_local(pg)->where == SLAB_FULL ? &h->full[class] : &h->partial[class];
}

/* --- the current slab ----------------------------------------------------- */

/* The next word with a free bit, going round from the cursor. */
static bool slab_advance(struct page *pg)
{
	struct slab_local *l = slab_local(pg);
	unsigned words = slab_words(pg), n, w = l->cursor;
	const u64 *free = slab_free_bits(pg);

	if (l->used == pg->slab.capacity)
		return false;
	for (n = 0; n < words; n++, w = w + 1 < words ? w + 1 : 0)
		if (free[w]) {
			l->cursor = (u16)w;
			return true;
		}
	return false;
}

void heap_install(struct heap *h, unsigned class, struct page *pg)
{
	struct bin *b = &h->bin[class];

	atomic_store(&slab_local(pg)->where, (u8)SLAB_CURRENT);
	slab_local(pg)->heap = h->slot;
	pg->slab.bin = b;
	b->slab = pg;
	b->slabs++;
	slab_advance(pg);
}

static void leave(struct heap *h, struct page *pg)
{
	h->bin[pg->slab.class].slabs--;
	pg->slab.bin = NULL;
}

static void give_up(struct heap *h, struct page *pg, bool hollow, heap_drop drop)
{
	leave(h, pg);
	drop(pg, hollow);
}

/*
 * The slab is this thread's alone to allocate from or to end; false: it was hollow. "Current"
 * comes before the claim: a remote free that still saw another place fails its swap because the
 * claim changed the generation, one that comes later sees current.
 */
static bool claim(struct heap *h, struct page *pg)
{
	atomic_store(&slab_local(pg)->where, (u8)SLAB_CURRENT);
	if (h->handle)
		return slab_claim(pg);
	slab_collect(pg);
	return true;
}

static bool make_current(struct heap *h, struct page *pg, heap_drop drop)
{
	list_remove(list_of(h, pg), pg);
	if (!claim(h, pg)) {
		give_up(h, pg, true, drop);
		return false;
	}
	h->bin[pg->slab.class].slab = pg;
	return slab_advance(pg);
}

/* Up to HEAP_LOOK of the oldest full slabs: has anybody freed into them? Those without go to the
 * end. */
static bool look_at_full(struct heap *h, unsigned class, heap_drop drop)
{
	struct slab_list *full = &h->full[class];
	unsigned n;

	for (n = 0; n < HEAP_LOOK && full->head; n++) {
		struct page *pg = page_at(full->head);
		u64 word = atomic_load(&pg->slab.remote);

		if (REMOTE_COUNT(word) || REMOTE_HOLLOW(word)) {
			if (make_current(h, pg, drop))
				return true;
		} else if (full->head != full->tail) {
			list_remove(full, pg);
			list_push(full, pg, SLAB_FULL);
		}
	}
	return false;
}

bool heap_refill(struct heap *h, unsigned class, heap_drop drop)
{
	struct bin *b = &h->bin[class];

	if (b->slab) {
		if (slab_advance(b->slab) || (slab_collect(b->slab) && slab_advance(b->slab)))
			return true;
		list_push(&h->full[class], b->slab, SLAB_FULL);
		b->slab = NULL;
	}
	while (h->partial[class].head)
		if (make_current(h, page_at(h->partial[class].head), drop))
			return true;
	return look_at_full(h, class, drop);
}

/* --- slots out of the current slab ------------------------------------------- */

void *heap_take(struct heap *h, unsigned class, unsigned *slot)
{
	struct page *pg = h->bin[class].slab;
	struct slab_local *l;
	u64 *free, *idle;

	if (!pg)
		return NULL;
	l = slab_local(pg);
	free = &slab_free_bits(pg)[l->cursor];
	idle = &l->idle[l->cursor];
	if (!*free)
		return NULL;
	*slot = l->cursor * 64u + bit_first(*free);
	atomic_store(idle, *idle & ~BIT(*slot % 64));
	*free &= *free - 1;
	atomic_store(&l->used, (u16)(l->used + 1));
	return slab_slot(pg, *slot);
}

/* Up to n free slots of word w go below e, the lowest on top: programs that fill memory get it in
 * order. */
static unsigned park_word(struct page *pg, unsigned w, struct parked *e, unsigned n)
{
	u64 *free = &slab_free_bits(pg)[w], bits = *free, idle = (u64)&slab_idle(pg)[w];
	char *base = slab_slot(pg, w * 64u);
	unsigned left = n;

	for (; bits && left; bits &= bits - 1, left--) {
		unsigned i = bit_first(bits);

		*--e = (struct parked){base + (size_t)i * pg->slab.size,
				       idle | (u64)i << PARKED_BIT_SHIFT};
	}
	*free = bits;
	return n - left;
}

/* Half a stack at most, so that frees that follow have room. */
void heap_park(struct heap *h, struct bin *b)
{
	struct page *pg = b->slab;
	struct slab_local *l = slab_local(pg);
	unsigned want, left, words = slab_words(pg), n;

	if (b->spilled)
		stack_grow(h, b);
	left = want = MIN(b->room / 2, PARK_MOST);
	for (n = 0; n < words && left && l->used + (want - left) < pg->slab.capacity; n++) {
		left -= park_word(pg, l->cursor, b->bottom + left, left);
		if (left)
			l->cursor = l->cursor + 1u < words ? (u16)(l->cursor + 1) : 0;
	}
	memmove(b->bottom, b->bottom + left, (want - left) * sizeof(*b->bottom));
	b->top = b->bottom + (want - left);
	atomic_store(&l->used, (u16)(l->used + (want - left)));
}

void *heap_take_more(struct heap *h, unsigned class)
{
	struct bin *b = &h->bin[class];
	unsigned slot;
	void *p = heap_take(h, class, &slot);

	if (p && b->top == b->bottom)
		heap_park(h, b);
	return p;
}

/* --- slots back into their slabs --------------------------------------------------- */

/* One empty slab of a class is kept when nothing else of it is partial: a pair at its edge must not
 * thrash. */
static bool keep_empty(const struct heap *h, const struct page *pg)
{
	const struct slab_list *partial = &h->partial[pg->slab.class];

	return !partial->head ||
	       (partial->head == page_to_index(pg) && partial->head == partial->tail);
}

static bool looks_empty(const struct page *pg)
{
	return slab_local(pg)->used == REMOTE_COUNT(atomic_load(&pg->slab.remote));
}

/* A slot came back to a slab that is not current: it may have been full, it may be empty now. */
static void slab_back(struct heap *h, struct page *pg, heap_drop drop)
{
	struct slab_local *l = slab_local(pg);
	struct slab_list *partial = &h->partial[pg->slab.class];

	if (l->where == SLAB_FULL) {
		list_remove(&h->full[pg->slab.class], pg);
		list_push(partial, pg, SLAB_PARTIAL);
	}
	if (!looks_empty(pg) || keep_empty(h, pg))
		return;
	list_remove(partial, pg);
	give_up(h, pg, !claim(h, pg), drop); /* the last free by others may have found it hollow */
}

/* Slots of one word of the bits, idle already, become free. */
static void slots_in(struct heap *h, struct page *pg, unsigned word, u64 mask, heap_drop drop)
{
	struct slab_local *l = slab_local(pg);

	slab_free_bits(pg)[word] |= mask;
	atomic_store(&l->used, (u16)(l->used - bit_count(mask)));
	if (l->where != SLAB_CURRENT && (l->where == SLAB_FULL || looks_empty(pg)))
		slab_back(h, pg, drop);
}

void heap_give(struct heap *h, struct page *pg, unsigned slot, heap_drop drop)
{
	u64 *idle = &slab_idle(pg)[slot / 64];

	atomic_store(idle, *idle | BIT(slot % 64));
	slots_in(h, pg, slot / 64, BIT(slot % 64), drop);
}

/*
 * Entries that follow each other often are neighbours: those of one word go
 * back together. A parked slot's slab is held by this heap, because to the slab the
 * slot is in use. Returns how many.
 */
static unsigned unpark_run(struct heap *h, const struct parked *e, unsigned n, heap_drop drop)
{
	struct page *pg = page_head(page_index(e->p));
	const u64 *word = PARKED_WORD(e->idle);
	u64 mask = 0;
	unsigned i;

	for (i = 0; i < n && PARKED_WORD(e[i].idle) == word; i++)
		mask |= BIT(e[i].idle >> PARKED_BIT_SHIFT);
	slots_in(h, pg, (unsigned)(word - slab_idle(pg)), mask, drop);
	return i;
}

static void spill(struct heap *h, struct bin *b, unsigned n, heap_drop drop)
{
	unsigned left = (unsigned)(b->top - b->bottom) - n, i;

	for (i = 0; i < n;)
		i += unpark_run(h, &b->bottom[i], n - i, drop);
	memmove(b->bottom, b->bottom + n, left * sizeof(*b->bottom));
	b->top = b->bottom + left;
}

void heap_spill(struct heap *h, struct bin *b, heap_drop drop)
{
	b->spilled = true;
	spill(h, b, ((unsigned)(b->top - b->bottom) + 1) / 2, drop);
}

void heap_unpark(struct heap *h, heap_drop drop)
{
	unsigned c;

	for (c = 0; c < CLASS_NR; c++)
		spill(h, &h->bin[c], (unsigned)(h->bin[c].top - h->bin[c].bottom), drop);
}

static void stacks_end(struct heap *h, heap_drop drop)
{
	heap_unpark(h, drop);
	for (unsigned c = 0; c < CLASS_NR; c++)
		stack_shrink(h, &h->bin[c]);
}

/* --- letting go --------------------------------------------------------------- */

static void let_go(struct heap *h, struct page *pg, void (*each)(struct page *), heap_drop drop)
{
	if (!claim(h, pg)) {
		give_up(h, pg, true, drop);
		return;
	}
	if (!slab_local(pg)->used) {
		give_up(h, pg, false, drop);
		return;
	}
	leave(h, pg);
	each(pg);
}

static void let_go_list(struct heap *h, struct slab_list *list, void (*each)(struct page *),
			heap_drop drop)
{
	while (list->head) {
		struct page *pg = page_at(list->head);

		list_remove(list, pg);
		let_go(h, pg, each, drop);
	}
}

void heap_dissolve(struct heap *h, void (*each)(struct page *), heap_drop drop)
{
	unsigned c;

	stacks_end(h, drop);
	for (c = 0; c < CLASS_NR; c++) {
		struct page *pg = h->bin[c].slab;

		h->bin[c].slab = NULL;
		if (pg) {
			atomic_store(&slab_local(pg)->where, (u8)SLAB_NOWHERE);
			let_go(h, pg, each, drop);
		}
		let_go_list(h, &h->partial[c], each, drop);
		let_go_list(h, &h->full[c], each, drop);
	}
}

static u64 trim_slab(struct heap *h, struct page *pg, heap_drop drop)
{
	u64 bytes = page_bytes(pg);

	give_up(h, pg, !claim(h, pg), drop);
	return bytes;
}

static u64 trim_list(struct heap *h, struct slab_list *list, heap_drop drop)
{
	u64 bytes = 0;
	u32 index = list->head, next;

	for (; index; index = next) {
		struct page *pg = page_at(index);

		next = slab_local(pg)->next;
		if (looks_empty(pg)) {
			list_remove(list, pg);
			bytes += trim_slab(h, pg, drop);
		}
	}
	return bytes;
}

/* What this thread emptied itself: such a slab is kept alone on its list, others come behind it. */
static u64 trim_kept(struct heap *h, unsigned class, heap_drop drop)
{
	struct slab_list *partial = &h->partial[class];
	struct page *pg = partial->head ? page_at(partial->head) : NULL;

	if (!pg || !looks_empty(pg))
		return 0;
	list_remove(partial, pg);
	return trim_slab(h, pg, drop);
}

u64 heap_trim(struct heap *h, bool all, heap_drop drop)
{
	u64 bytes = 0;
	unsigned c;

	stacks_end(h, drop);
	for (c = 0; c < CLASS_NR; c++) {
		struct page *pg = h->bin[c].slab;

		if (pg && looks_empty(pg)) {
			h->bin[c].slab = NULL;
			bytes += trim_slab(h, pg, drop);
		}
		bytes += trim_kept(h, c, drop);
		if (!all)
			continue;
		bytes += trim_list(h, &h->partial[c], drop);
		bytes += trim_list(h, &h->full[c], drop);
	}
	return bytes;
}
