/*
 * layout.h - where things are in a process that runs libmemcg, for a look from outside.
 *
 * 1. memcg__layout stands in the library's writable data and is filled by the loader:
 *    nothing has to run for it. A reader finds it by its magic and its own address in `self`.
 * 2. The reader is built from the same headers and reads whole structs. `shape` holds
 *    the sizes, offsets and values those headers gave when the library was built: a reader
 *    that differs in one of them must not look. Whoever changes the meaning of a field
 *    without changing its place raises LAYOUT_VERSION.
 * 3. Before start-up has finished root is NULL, or the region has no base.
 */
#ifndef MEMCG_CTL_LAYOUT_H
#define MEMCG_CTL_LAYOUT_H

#include "group/group.h"
#include "group/record.h"
#include "group/stock.h"
#include "group/vm.h"
#include "slab/slab.h"
#include "alloc/external.h"
#include "alloc/map_tree.h"
#include "alloc/maps.h"

#define LAYOUT_MAGIC   0x3179616c67636d6dull /* "mmcglay1" */
#define LAYOUT_VERSION 1u

/* One line for each thing that both sides must see alike. */
#define LAYOUT_SHAPE(X)                          \
	X(sizeof(struct page))                   \
	X(offsetof(struct page, kind))           \
	X(offsetof(struct page, order))          \
	X(offsetof(struct page, flags))          \
	X(offsetof(struct page, npages))         \
	X(offsetof(struct page, free.dirty))     \
	X(offsetof(struct page, slab.remote))    \
	X(offsetof(struct page, managed.where))  \
	X(offsetof(struct page, mapcount))       \
	X(sizeof(struct group_vm))               \
	X(offsetof(struct group_vm, swap.usage)) \
	X(offsetof(struct group_vm, stat))       \
	X(offsetof(struct memcg, vm))            \
	X(offsetof(struct region, managed_end))  \
	X(offsetof(struct page, slab.size))      \
	X(offsetof(struct page, slab.capacity))  \
	X(offsetof(struct slab_local, used))     \
	X(offsetof(struct slab_local, idle))     \
	X(offsetof(struct objcgs, fallback))     \
	X(offsetof(struct objcgs, entry))        \
	X(sizeof(struct region))                 \
	X(offsetof(struct region, desc))         \
	X(offsetof(struct region, chunk_use))    \
	X(offsetof(struct region, chunks))       \
	X(sizeof(struct handle))                 \
	X(offsetof(struct handle, word))         \
	X(offsetof(struct handle, index))        \
	X(sizeof(struct memcg))                  \
	X(offsetof(struct memcg, counter.usage)) \
	X(offsetof(struct memcg, counter.peak))  \
	X(offsetof(struct memcg, counter.max))   \
	X(offsetof(struct memcg, parent))        \
	X(offsetof(struct memcg, handle))        \
	X(offsetof(struct memcg, record))        \
	X(sizeof(struct group_record))           \
	X(offsetof(struct group_record, events)) \
	X(offsetof(struct group_record, stat))   \
	X(offsetof(struct memcg, children))      \
	X(offsetof(struct memcg, sibling))       \
	X(offsetof(struct memcg, name_len))      \
	X(offsetof(struct memcg, name))          \
	X(sizeof(struct stock_area))             \
	X(offsetof(struct stock_area, word))     \
	X(sizeof(struct memcg_charge))           \
	X(offsetof(struct memcg_charge, handle)) \
	X(offsetof(struct memcg_charge, bytes))  \
	X(CHARGE_LIVE)                           \
	X(sizeof(struct map))                    \
	X(offsetof(struct map, left))            \
	X(offsetof(struct map, handle))          \
	X(offsetof(struct map, standing))        \
	X(CHARGED)                               \
	X(STOCK_SHIFT)                           \
	X(STOCK_SLOTS)                           \
	X(STOCK_BYTE_WORDS)                      \
	X(PAGE_SHIFT)                            \
	X(MAX_ORDER)                             \
	X(PAGE_KIND_NR)                          \
	X(PAGE_BALLOON)                          \
	X(PAGE_SLAB)                             \
	X(PAGE_STACK)                            \
	X(PAGE_STACK_KEPT)                       \
	X(PAGE_META)                             \
	X(PAGE_RANGE)                            \
	X(PG_DIRTY)                              \
	X(PG_ZEROED)                             \
	X(SLAB_HOLLOW)                           \
	X(SLAB_DEAD)                             \
	X(EV_MAX)                                \
	X(EV_REFUSED)                            \
	X(STAT_NR)                               \
	X(MEMCG_DATA_OBJCGS)                     \
	X(MEMCG_DATA_MASK)                       \
	X(OWNER_NOBODY)                          \
	X(HANDLE_ROOT)                           \
	X(HANDLE_REDIRECT)

#define LAYOUT_VALUE(x) (u32)(x),
#define LAYOUT_NAME(x)	#x,
#define LAYOUT_COUNT(x) +1
#define LAYOUT_SHAPE_NR (0 LAYOUT_SHAPE(LAYOUT_COUNT))

/* Pointers are the process's own; a reader outside takes them as numbers. */
struct layout {
	u64 magic;
	u32 version;
	u32 size; /* of this struct */
	const struct layout *self;
	const struct region *region;
	struct handle *const *handles;
	struct memcg *const *root;
	void *const *stock;
	const unsigned *cpus;
	const u64 *cached;
	const u64 *metadata;
	const u64 *balloon;
	struct charge_page *const *external; /* charges that no page shows */
	struct map *const *const *maps;
	u32 shape[LAYOUT_SHAPE_NR];
};

extern __private_ struct layout memcg__layout;

#endif
