/*
 * memcg/alloc.h - charged objects. Include <memcg.h>.
 * SPDX-License-Identifier: MIT
 */
#ifndef MEMCG_ALLOC_H
#define MEMCG_ALLOC_H

#include <memcg/group.h>

MEMCG_BEGIN_DECLS

enum memcg_alloc_flags {
	MEMCG_ZERO = 1u << 0,	     /**< zeroed */
	MEMCG_NOWAIT = 1u << 1,	     /**< no reclaim: refuse at once */
	MEMCG_NOFAIL = 1u << 2,	     /**< charged past max rather than refused */
	MEMCG_RESERVE = 1u << 3,     /**< may use the reserve kept for reclaim */
	MEMCG_UNACCOUNTED = 1u << 4, /**< nobody's */
	MEMCG_ACCOUNT = 1u << 5	     /**< pages: charge the active group */
};

/**
 * As malloc(3) and its family, charged to the active group. 16-byte alignment;
 * a size of 0 gives a block of its own; over PTRDIFF_MAX is ENOMEM; realloc keeps the block's
 * owner, leaves the block alone when it fails, and frees it when size is 0. A block of more than
 * 32 KiB gets longer where it is while what is behind it is free, and is charged for the
 * difference alone; else it is copied, and both are charged meanwhile.
 */
MEMCG_API MEMCG_MALLOC MEMCG_ALLOC_SIZE(1) void *memcg_malloc(size_t size);
MEMCG_API MEMCG_MALLOC MEMCG_ALLOC_SIZE2(1, 2) void *memcg_calloc(size_t n, size_t size);
MEMCG_API MEMCG_NODISCARD MEMCG_ALLOC_SIZE(2) void *memcg_realloc(void *p, size_t size);
MEMCG_API MEMCG_NODISCARD MEMCG_ALLOC_SIZE2(2, 3) void *memcg_reallocarray(void *p, size_t n,
									   size_t size);
/** align: a power of two, else EINVAL. */
MEMCG_API MEMCG_MALLOC MEMCG_ALLOC_SIZE(2) void *memcg_aligned_alloc(size_t align, size_t size);
/** The general form. cg NULL: the active group; align 0: 16; EINVAL for unknown flags. */
MEMCG_API MEMCG_MALLOC MEMCG_ALLOC_SIZE(2) void *memcg_alloc(struct memcg *cg, size_t size,
							     size_t align, unsigned flags);
#define memcg_malloc_in(cg, size) memcg_alloc((cg), (size), 0, 0)

/**
 * Credits the group that pays for the object, from whichever thread. Keeps
 * errno. A double free, an inner pointer, or a pointer that is not ours ends the
 * process with one line.
 */
MEMCG_API void memcg_free(void *p);
MEMCG_API void memcg_free_sized(void *p, size_t size); /**< also checks that size fits the block */
MEMCG_API size_t memcg_usable_size(const void *p);     /**< 0 for NULL */

/**
 * The online group that pays for the object now; any inner address of an
 * allocated object, or of a stack and its guard. New reference; NULL: not ours, or nobody's.
 */
MEMCG_API MEMCG_NODISCARD struct memcg *memcg_owner(const void *p);
MEMCG_API uint64_t memcg_owner_id(const void *p); /**< the same without a reference; 0: none */

/**
 * Moves the object's charge to `to` (NULL: the root); an object of nobody's (MEMCG_UNACCOUNTED, or
 * made while accounting was off) is charged to `to` from now on. 0; -ENOMEM over `to`'s max
 * (nothing changed); -EINVAL when p is not an allocated object; -EBUSY as memcg_page_recharge. Of a
 * stack any address. The caller must hold the object: a recharge that races with its free is the
 * program's error.
 */
MEMCG_API int memcg_recharge(void *object, struct memcg *to);

/** Objects of one size, constructed once per slot. */
struct memcg_cache;
/** align 0: 16. ctor may be NULL; runs once when a slot's memory is made. EINVAL, ENOMEM. */
MEMCG_API MEMCG_NODISCARD struct memcg_cache *
memcg_cache_create(const char *name, size_t size, size_t align, void (*ctor)(void *));
/**
 * One object, charged to the active group. flags: MEMCG_ZERO (not with a ctor), NOWAIT, NOFAIL,
 * RESERVE, UNACCOUNTED. NULL and ENOMEM or EINVAL.
 */
MEMCG_API MEMCG_MALLOC void *memcg_cache_alloc(struct memcg_cache *cache, unsigned flags);
/** Credits whoever pays for it, and keeps errno. NULL is allowed. What is no
 * object of this cache, or one freed twice, ends the process with one line. */
MEMCG_API void memcg_cache_free(struct memcg_cache *cache, void *object);
/** -EBUSY with live objects: logs their count and owners. */
MEMCG_API int memcg_cache_destroy(struct memcg_cache *cache);

/**
 * Charges memory we did not allocate (cg NULL: active). NULL and ENOMEM over max. The first few
 * charges a thread makes to a group are made to the byte; from then on some is charged ahead
 * (memcg_slack). About 5 ns, then: no lock, and nothing that another CPU writes too.
 */
struct memcg_charge;
MEMCG_API MEMCG_NODISCARD struct memcg_charge *memcg_charge(struct memcg *cg, size_t bytes);
/**
 * Credits whoever owns the charge now, from any thread, and keeps errno. Twice ends the process
 * with one line. NULL is allowed.
 */
MEMCG_API void memcg_uncharge(struct memcg_charge *charge);

/**
 * A stack for a thread (pthread_attr_setstack) or a context (makecontext): at least size bytes
 * (rounded up to 4096) above a guard page, charged with it to the active group. Returns its lowest
 * address, aligned to a page; what is in it is undefined. A write to the guard is a SIGSEGV;
 * without Linux 6.13, once guards take a quarter of vm.max_map_count, an overflow is found
 * when the stack is freed, and a line says so once. Up to 4096 bytes there is no guard page but a
 * canary of 64 bytes, checked when it is freed: aligned to 64 bytes, sizes 512, 1024, 2048
 * and 4096, counted as slab. NULL and EINVAL for 0, ENOMEM over a max (after reclaim)
 * or without memory. One that was freed on this CPU is used again without a system call.
 */
MEMCG_API MEMCG_MALLOC void *memcg_stack_alloc(size_t size);
/**
 * Credits whoever pays for it now. Nobody runs on it any more. Keeps errno; NULL is allowed. What
 * is not the base of a stack, one freed twice, or a stack that was run over and has no guard page
 * ends the process with one line.
 */
MEMCG_API void memcg_stack_free(void *base);

MEMCG_END_DECLS

#endif
