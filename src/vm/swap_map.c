/* swap_map.c - bits of slots. Theory in swap_map.h. */
#include "vm/swap_map.h"

#include <string.h>

#include "base/assert.h"
#include "base/bits.h"
#include "page/page.h"
#include "sync/atomic.h"

#define CHUNK_CLUSTERS (SWAP_CHUNK / SWAP_CLUSTER)
#define CLUSTER_FULL   0xffffffffu

struct chunk {
	u32 cluster[CHUNK_CLUSTERS]; /* set: in use, or not there. See swap_map.h 4 */
	s32 free, whole; /* clear bits, clear clusters: they lag, for a moment also below 0 */
	u32 *sum;	 /* one for each slot */
};

static struct map {
	struct chunk **chunk; /* of room for all; published with release, never changed */
	u32 max, end;	      /* slots; constant; written by who makes it longer */
	u32 next;	      /* behind the last row given out; lock */
	u32 at;		      /* chunk where scattered ones were found; lock */
	s32 free;
} map;

static struct chunk *chunk_of(u32 slot)
{
	return atomic_load_acquire(&map.chunk[slot / SWAP_CHUNK]); /* pairs with chunk_new */
}

static u32 *cluster_of(struct chunk *c, u32 slot)
{
	return &c->cluster[slot % SWAP_CHUNK / SWAP_CLUSTER];
}

static u32 row_mask(u32 slot, unsigned n)
{
	return (CLUSTER_FULL >> (SWAP_CLUSTER - n)) << slot % SWAP_CLUSTER;
}

/* --- the map itself ------------------------------------------------------------- */

static u32 chunks_of(u32 slots)
{
	return DIV_ROUND_UP(slots, SWAP_CHUNK);
}

bool swap_map_make(u32 max)
{
	struct chunk **table = meta_alloc(chunks_of(max) * sizeof(*table));

	if (!table)
		return false;
	map = (struct map){.chunk = table, .max = max, .end = 1, .next = 1};
	return true;
}

static void chunk_drop(struct chunk *c)
{
	meta_free(c->sum, SWAP_CHUNK * sizeof(*c->sum));
	meta_free(c, sizeof(*c));
}

void swap_map_drop(void)
{
	u32 i;

	if (!map.chunk)
		return;
	for (i = 0; i < chunks_of(map.max); i++)
		if (map.chunk[i])
			chunk_drop(map.chunk[i]);
	meta_free(map.chunk, chunks_of(map.max) * sizeof(*map.chunk));
	map = (struct map){0};
}

/* Nothing of it is there yet. */
static struct chunk *chunk_new(void)
{
	struct chunk *c = meta_alloc(sizeof(*c));

	if (!c)
		return NULL;
	c->sum = meta_alloc(SWAP_CHUNK * sizeof(*c->sum));
	if (!c->sum) {
		meta_free(c, sizeof(*c));
		return NULL;
	}
	memset(c->cluster, 0xff, sizeof(c->cluster));
	return c;
}

/* --- giving back ------------------------------------------------------------------ */

/* Slots of one cluster; false: one of them was clear already, and nothing is counted. */
static bool clear(struct chunk *c, u32 slot, unsigned n)
{
	u32 mask = row_mask(slot, n), old = atomic_and(cluster_of(c, slot), ~mask);

	if ((old & mask) != mask)
		return false;
	(void)atomic_add(&c->free, (s32)n);
	(void)atomic_add(&map.free, (s32)n);
	if (old == mask)
		(void)atomic_add(&c->whole, 1);
	return true;
}

bool swap_map_extend(u32 end)
{
	u32 slot = map.end, n;
	struct chunk *c = chunk_of(slot);

	ASSERT(end > slot && end <= map.max && (end - 1) / SWAP_CHUNK == slot / SWAP_CHUNK);
	if (!c) {
		c = chunk_new();
		if (!c)
			return false;
		atomic_store_release(&map.chunk[slot / SWAP_CHUNK], c); /* pairs with chunk_of */
	}
	atomic_store(&map.end, end);
	for (; slot < end; slot += n) {
		n = MIN(SWAP_CLUSTER - slot % SWAP_CLUSTER, end - slot);
		BUG_ON(!clear(c, slot, n));
	}
	return true;
}

void swap_map_give(u32 slot)
{
	if (unlikely(!slot || slot >= atomic_load(&map.end) || !clear(chunk_of(slot), slot, 1)))
		memcg_bug("swap slot %u is given back and not in use", slot);
}

/* --- taking, with the lock held ----------------------------------------------------- */

static void set(struct chunk *c, u32 slot, unsigned n)
{
	u32 mask = row_mask(slot, n), old = atomic_or(cluster_of(c, slot), mask);

	ASSERT(!(old & mask));
	if (!old)
		(void)atomic_sub(&c->whole, 1);
	(void)atomic_sub(&c->free, (s32)n);
	(void)atomic_sub(&map.free, (s32)n);
}

static void take(struct chunk *c, u32 slot, u32 slots[], unsigned n)
{
	unsigned i;

	set(c, slot, n);
	for (i = 0; i < n; i++)
		slots[i] = slot + i;
	map.next = slot + n;
}

/* Where the last row ended, unless that was a cluster's end. */
static bool take_next(u32 slots[], unsigned n)
{
	u32 slot = map.next;
	struct chunk *c;

	if (!(slot % SWAP_CLUSTER) || slot % SWAP_CLUSTER + n > SWAP_CLUSTER ||
	    slot >= atomic_load(&map.end))
		return false;
	c = chunk_of(slot);
	if (atomic_load(cluster_of(c, slot)) & row_mask(slot, n))
		return false;
	take(c, slot, slots, n);
	return true;
}

static bool take_whole(u32 chunk, u32 slots[], unsigned n)
{
	struct chunk *c = chunk_of(chunk * SWAP_CHUNK);
	u32 i;

	if (!c || atomic_load(&c->whole) <= 0)
		return false;
	for (i = 0; i < CHUNK_CLUSTERS; i++)
		if (!atomic_load(&c->cluster[i])) {
			take(c, chunk * SWAP_CHUNK + i * SWAP_CLUSTER, slots, n);
			return true;
		}
	return false;
}

/* Chunks from the last row's on, each once: the file fills from its start, and goes round. */
unsigned swap_map_take_row(u32 slots[], unsigned n)
{
	u32 nr = chunks_of(atomic_load(&map.end)), first = map.next / SWAP_CHUNK, i;

	ASSERT(n && n <= SWAP_CLUSTER);
	if (atomic_load(&map.free) < (s32)n)
		return 0;
	if (take_next(slots, n))
		return n;
	for (i = 0; i < nr; i++)
		if (take_whole((first + i) % nr, slots, n))
			return n;
	return 0;
}

static unsigned take_bits(u32 chunk, u32 slots[], unsigned n)
{
	struct chunk *c = chunk_of(chunk * SWAP_CHUNK);
	unsigned got = 0, i;
	u32 free;

	if (!c || atomic_load(&c->free) <= 0)
		return 0;
	for (i = 0; i < CHUNK_CLUSTERS && got < n; i++)
		for (free = ~atomic_load(&c->cluster[i]); free && got < n; free &= free - 1) {
			slots[got] = chunk * SWAP_CHUNK + i * SWAP_CLUSTER + bit_first(free);
			set(c, slots[got++], 1);
		}
	return got;
}

unsigned swap_map_take_scattered(u32 slots[], unsigned n)
{
	u32 nr = chunks_of(atomic_load(&map.end)), i;
	unsigned got = 0;

	for (i = 0; i < nr && got < n && atomic_load(&map.free) > 0; i++) {
		u32 chunk = (map.at + i) % nr;
		unsigned found = take_bits(chunk, slots + got, n - got);

		got += found;
		if (found)
			map.at = chunk;
	}
	return got;
}

/* --- looking --------------------------------------------------------------------------- */

bool swap_map_used(u32 slot)
{
	return slot && slot < atomic_load(&map.end) &&
	       atomic_load(cluster_of(chunk_of(slot), slot)) >> slot % SWAP_CLUSTER & 1;
}

u32 swap_map_end(void)
{
	return atomic_load(&map.end);
}

u32 swap_map_free(void)
{
	s32 n = atomic_load(&map.free);

	return n > 0 ? (u32)n : 0;
}

u32 *swap_map_sum(u32 slot)
{
	return &chunk_of(slot)->sum[slot % SWAP_CHUNK];
}
