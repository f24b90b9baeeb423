/*
 * slab.h - slabs: blocks of slots of one size, and who may touch what of them.
 * Knows no group and no charging: an owner entry is an opaque u32.
 *
 * 1. Concepts
 * 1.1 A slab is a block of 16 to 256 KiB. Its slots fill it from its start. Two bits for each
 *     slot lie in the descriptors of the slab's tail pages, which describe nothing else:
 *     idle (the program does not have it: what a free is checked against), and
 *     free (it is the slab's to hand out). Idle and not free is *parked*: in a stack of the
 *     holder's bin (heap.h). For 16-byte slots the free bits do not fit there and take the
 *     slab's last slots.
 * 1.2 Kinds. Own (SLAB_OWN in the remote word): charged whole to one handle. Otherwise shared:
 *     charged slot by slot, each slot's payer in the owner vector; bare while it has no vector.
 * 1.3 A slab is *held* by one thread (as the current slab of a bin, or on its partial
 *     or full list), or an *orphan*, held by nobody: because its heap was dissolved.
 *
 * 2. Who writes
 * 2.1 slab_local and the bits: the holder, by plain stores; for an orphan the
 *     orphan lock's owner. `used` = slots without free bit: in use, parked, or freed by
 *     others and not collected yet.
 * 2.2 head->remote: anyone, by compare-and-swap. Frees by others are pushed on a list through
 *     the freed slots' first two bytes; the holder takes the whole list (slab_collect).
 * 2.3 head->hold: holder's thread id << 2. SLAB_HOLD_VEC is or-ed in by whoever installs an
 *     owner vector, so that the holder's one comparison fails and it looks at entries. It stays
 * while the slab stands. The first vector of a bare slab may be a stranger's (memcg_recharge): then
 * it is or-ed in first. Marked and without a vector: the holder looks, and finds none.
 *
 * 3. The remote word: head slot + 1 (16 bits), count (16), state (4), kind (4), generation (24).
 * 3.1 States. HELD; HOLLOW: held, own, and every slot is free: uncharged already, the holder
 *     will find it (PURGING, PURGED: a limit takes, has taken, its memory meanwhile); ORPHAN:
 *     held by nobody, on no list; LISTED: on the orphan list; CLAIMED: an orphan that one thread
 *     converts or lists (it looks at the count when done); DEAD: one thread is giving it back.
 * 3.2 Every decision a remote free takes (hollow, dead, list, convert) is made in the same
 *     compare-and-swap as its push. After the swap only the winner of such a decision touches
 *     the slab again; for everybody else it may be gone.
 * 3.3 Hollow is exact: a slab that is not current gets no allocations, `used` read between load
 *     and swap can only be too high, and making it current changes the generation. When the
 *     last two frees, the holder's and another's, cross, both may miss it (neither pays for a
 *     full barrier); tolerated: the holder finds it at its next refill of the class.
 */
#ifndef MEMCG_SLAB_SLAB_H
#define MEMCG_SLAB_SLAB_H

#include "base/hook.h"
#include "page/page.h"
#include "slab/class.h"

#define SLAB_HOLD_SHIFT 2
#define SLAB_HOLD_VEC	1u

enum slab_state {
	SLAB_HELD = 0,
	SLAB_HOLLOW = 1,
	SLAB_ORPHAN = 2,
	SLAB_LISTED = 3,
	SLAB_CLAIMED = 4,
	SLAB_DEAD = 5,
	SLAB_PURGING = 6, /* hollow, and a thread at a limit gives its memory to the system */
	SLAB_PURGED = 7	  /* hollow, without memory */
};
enum slab_where { SLAB_CURRENT = 0, SLAB_PARTIAL = 1, SLAB_FULL = 2, SLAB_NOWHERE = 3 };

#define SLAB_CLASS_CACHE 0xffffu
#define SLAB_PAGES_MAX	 64u /* see class_order_own() and page_head() */
#define SLAB_SLOTS_MAX	 (SLAB_PAGES_MAX * (u32)PAGE_SIZE / 16)

#define REMOTE_HEAD(w)	   ((u16)(w))
#define REMOTE_COUNT(w)	   ((u16)((w) >> 16))
#define REMOTE_STATE(w)	   ((unsigned)((w) >> 32) & 15)
#define SLAB_OWN	   (1ul << 36)
#define REMOTE_HOLLOW(w)   (REMOTE_STATE(w) == SLAB_HOLLOW || REMOTE_STATE(w) >= SLAB_PURGING)
#define REMOTE_GEN	   (1ul << 40)
#define REMOTE_STATE_OF(s) ((u64)(s) << 32)
#define REMOTE_STATE_MASK  REMOTE_STATE_OF(15)

/* Overlays the descriptor of the slab's first tail page. */
struct slab_local {
	u16 used;   /* slots without free bit; the holder's; read racily by remote frees */
	u16 cursor; /* word of the free bits to look at next */
	u8 where;   /* enum slab_where; the holder's; read racily */
	u8 listed;  /* orphan list; orphan lock */
	u8 spare8;
	u8 heap;	/* which of its thread's heaps holds it */
	u32 next, prev; /* page indices on the holder's or the orphan list */
	u32 spare[2];
	u64 idle[]; /* runs on through the following tails; then the free bits */
};
_Static_assert(__builtin_offsetof(struct slab_local, idle) == 24, "bits follow 24 bytes");
/* Idle bits of 16-byte slots, and both kinds for 32 bytes and more, fit the tails of every order.
 */
_Static_assert(24 + 1024 / 8 <= 3 * 64 && 24 + 2048 / 8 <= 7 * 64 && 24 + 4096 / 8 <= 15 * 64,
	       "idle bits fit into the tails");
_Static_assert(24 + 2 * 512 / 8 <= 3 * 64 && 24 + 2 * 1024 / 8 <= 7 * 64 &&
		       24 + 2 * 2048 / 8 <= 15 * 64,
	       "both kinds of bits fit into the tails");

__always_inline_ struct slab_local *slab_local(const struct page *pg)
{
	return (struct slab_local *)(pg + 1);
}

__always_inline_ u64 *slab_idle(const struct page *pg)
{
	return slab_local(pg)->idle;
}

static inline unsigned slab_words(const struct page *pg)
{
	return DIV_ROUND_UP(pg->slab.capacity, 64u);
}

static inline u64 *slab_free_bits(const struct page *pg)
{
	unsigned words = slab_words(pg);

	if (pg->slab.size > 16)
		return slab_local(pg)->idle + words;
	return (u64 *)((char *)page_address(pg) + page_bytes(pg)) - words;
}

__always_inline_ u32 slab_hold_of(u32 tid)
{
	return tid << SLAB_HOLD_SHIFT;
}

static inline u32 slab_holder(const struct page *pg)
{
	return atomic_load(&pg->slab.hold) >> SLAB_HOLD_SHIFT;
}

static inline void *slab_slot(const struct page *pg, unsigned i)
{
	return (char *)page_address(pg) + (size_t)i * pg->slab.size;
}

/*
 * The slot p lies in (any inner byte); false: not in a slot of pg. page_head() of freed
 * memory can be stale and lead to a slab that does not reach as far as p: also false.
 */
static inline bool slab_slot_of(const struct page *pg, const void *p, unsigned *i)
{
	u64 off = (uintptr_t)p - (uintptr_t)page_address(pg);

	*i = (unsigned)((off * pg->slab.inverse) >> 32);
	return off < pg->slab.end;
}

/*
 * True when p is the start of a slot, its index in *i. The low half of the
 * product with the inverse is small exactly for multiples of the size: an
 * inner byte adds at least the inverse. (Rounding adds less than that: t_class goes through every
 * offset.)
 */
__always_inline_ bool slab_offset_start(const struct page *pg, u64 off, unsigned *i)
{
	u64 product = off * pg->slab.inverse;

	*i = (unsigned)(product >> 32);
	return off < pg->slab.end && (u32)product < pg->slab.inverse;
}

static inline bool slab_slot_start(const struct page *pg, const void *p, unsigned *i)
{
	return slab_offset_start(pg, (uintptr_t)p - (uintptr_t)page_address(pg), i);
}

/* The program does not have slot i. */
static inline bool slab_slot_idle(const struct page *pg, unsigned i)
{
	return atomic_load(&slab_idle(pg)[i / 64]) >> (i % 64) & 1;
}

/* --- slab.c ------------------------------------------------------------- */

/*
 * Makes a fresh block a slab held by tid. `own`: its owner word is set by the
 * caller, who has charged it. Every slot is free.
 */
__hidden_ void slab_make(struct page *pg, u32 size, unsigned class, u32 tid, bool own);
/* Takes it apart and gives the block back. Caller: nobody else can reach it; uncharged. */
__hidden_ void slab_unmake(struct page *pg);
/* Holder, or orphan lock: takes the remote list back, slot by slot; false: nothing there. */
__hidden_ bool slab_collect(struct page *pg);
/* As collect, and the slab is HELD and of a new generation afterwards. False: it was HOLLOW. */
__hidden_ bool slab_claim(struct page *pg);
/* Walks a list taken off the word: its slots are idle and free again. The caller has the slab to
 * itself. */
__hidden_ void slab_take_back(struct page *pg, u64 word);
/*
 * In the child of a fork that list may be broken through nobody's fault. The system copies page by
 * page while other threads free: a link may be as it was before a push whose word was copied after
 * it, or the slot may have been used anew. True: leave it alone; its slots stay in use for ever.
 */
__hidden_ bool slab_list_lost(const struct page *pg, u64 word);
extern __hidden_ bool slab_inherited; /* set in the child of a fork */
__hidden_ void slab_set_hold(struct page *pg, u32 tid);
__hidden_ u32
slab_live(const struct page *pg); /* holder: used less what waits on the remote list */
__hidden_ bool slab_valid(const struct page *pg); /* debug: equations of this file hold */

/* --- remote.c ----------------------------------------------------------- */

enum slab_push {
	PUSH_DONE = 0,	  /* nothing more to do; the slab may be gone */
	PUSH_HOLLOW = 1,  /* own slab, last slot: the caller uncharges it whole */
	PUSH_DEAD = 2,	  /* orphan, last slot: the caller uncharges (own) and calls orphan_bury */
	PUSH_LIST = 3,	  /* shared orphan has room now, CLAIMED: the caller calls orphan_settle */
	PUSH_CONVERT = 4, /* sparse own orphan, CLAIMED: slab_convert, then orphan_settle */
	PUSH_CHANGED = 5  /* the kind is not `own` any more: look again */
};
/*
 * Frees slot i for somebody who does not hold the slab. own: the kind the
 * caller acted on. The caller has dealt with the owner entry. p: the slot.
 */
__hidden_ enum slab_push slab_push(struct page *pg, unsigned i, void *p, bool own);

/* --- hollow.c ----------------------------------------------------------- */

/* Gives the memory of hollow slabs, whoever holds them, to the system; bytes. A limit's path. */
__hidden_ u64 hollow_purge(void);
extern __hidden_ u64 hollow_slabs; /* HOLLOW now, about: 0 spares the search */
/* Waits while another thread purges pg (a system call); the remote word afterwards. */
__hidden_ u64 hollow_settled(struct page *pg);

/* --- convert.c: owner vectors -------------------------------------------- */

/*
 * The vector of a bare slab, or the one that another thread was faster to install. Caller: the
 * holder, or whoever has an object of the slab. NULL: no memory.
 */
__hidden_ struct objcgs *slab_vector(struct page *pg, bool holder);
HOOK_DECLARE(vector_installed); /* convert.c: it can be seen, and nothing was done since */
HOOK_DECLARE(vector_made);	/* convert.c: filled in, and the hold is marked; not installed */
/*
 * The payer of a slot that its holder hands out; a bare slab gets its vector with its first owned
 * object. handle 0: nobody's. False: no memory, nothing changed.
 */
static inline bool slab_set_payer(struct page *pg, unsigned slot, u32 handle)
{
	struct objcgs *v = page_objcgs(pg);

	if (!v && handle)
		v = slab_vector(pg, true);
	if (v)
		atomic_store(&v->entry[slot], handle ? handle : OWNER_NOBODY);
	return v || !handle;
}

/* Own slab with exceptions: entries fall back to the handle it is charged to. True: *v is ours,
 * new. */
__hidden_ bool slab_exceptions(struct page *pg, struct handle *h, u32 index, struct objcgs **v);
/*
 * Own -> shared. Caller: holder, or has CLAIMED it. Returns the number of
 * live slots, each now charged to `index` by its entry; negative: -ENOMEM, or
 * -EEXIST when it has exceptions. Nothing changed then.
 */
__hidden_ int slab_convert(struct page *pg, struct handle *h, u32 index);
__hidden_ size_t objcgs_bytes(u32 nr);

/* What one object costs in a shared slab. */
static inline u32 slab_cost(u32 size)
{
	return size + 4;
}

/* True when an own slab with `live` slots would cost at most 3/4 of itself as a shared one. */
static inline bool slab_sparse(const struct page *pg, u32 live)
{
	return (u64)live * slab_cost(pg->slab.size) * 4 <= (u64)page_bytes(pg) * 3;
}

/* --- orphan.c -------------------------------------------------------------- */

__hidden_ void orphan_init(void);
/*
 * The holder lets go of a slab (used > 0, collected). DONE; or HOLLOW or DEAD as a push says it,
 * when the last frees came meanwhile: then the slab is the caller's to unmake.
 */
__hidden_ enum slab_push orphan_add(struct page *pg);
__hidden_ struct page *orphan_take(unsigned class, u32 tid); /* held by tid; NULL: none */
__hidden_ void orphan_bury(struct page *pg); /* DEAD: off the list, and given back */
/* Ends a claim: listed when shared, else a plain orphan. True: emptied meanwhile, DEAD, the
 * caller's. */
__hidden_ bool orphan_settle(struct page *pg);
__hidden_ void orphan_fork_prepare(void);
__hidden_ void orphan_fork_done(void);

/* Counters for reports and tests: relaxed, never decide anything. */
struct slab_counts {
	u64 own, shared, promoted, demoted, recharged, orphaned, hollow;
};
extern __hidden_ struct slab_counts slab_counts;

#endif
