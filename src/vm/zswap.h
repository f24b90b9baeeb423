/*
 * zswap.h - the content of an evicted page as a word, or as a compressed copy in memory.
 *
 * 1. A page that is one 64-bit word all over is that word: no memory, no charge. It is looked at
 *    first, which costs a few loads for any other page.
 * 2. Otherwise LZ4, at most ZSWAP_MAX bytes: what does not come down to three quarters is not worth
 *    its time, and the caller puts the page elsewhere (-E2BIG).
 * 3. A copy is an object of zswap's own arena (alloc/arena.h), charged to the handle that paid for
 *    the page: past max if need be, because the page it replaces is more. Who uncharges the page
 *    does it after. An entry is the object's address: the caller keeps it, gives it to whoever
 *    may free it, and frees it once. Loading does not free.
 * 4. Each copy has a checksum over what is stored, held against it before anything is unpacked.
 * 5. The compressor's state (16 KiB) and the room it writes to come from a small pool of presses,
 *    one for each thread that is compressing this moment: neither the program's stack, which may be
 *    a signal's, nor its heap will do. They are made on demand and kept. RANK_ZSWAP is held to take
 *    one from the pool, never while compressing.
 * 6. Loading and freeing wait for no lock, and may be done on any thread at any moment; storing not
 *    in a fault that interrupted a busy thread (arena.h 3), nor with a lock after RANK_SWAP held.
 * Cost of a store: LZ4's own (some 7 us) and some 5 % of it; of a load the same on 1.5 us.
 */
#ifndef MEMCG_VM_ZSWAP_H
#define MEMCG_VM_ZSWAP_H

#include "page/desc.h"

#define ZSWAP_MAX 3072u /* bytes of a compressed copy, without its header */

/*
 * WHERE_SAME: *entry is the word; WHERE_ZSWAP: *entry names a copy, charged to the handle (0:
 * nobody's). -E2BIG: it does not compress; -ENOMEM. The page does not change meanwhile.
 */
__hidden_ int zswap_store(const void *page, u32 handle, u64 *entry);
/* 0; -EIO: the copy was damaged, one line says so, and the page's content is undefined. */
__hidden_ int zswap_load(u64 entry, void *page);
__hidden_ void zswap_free(u64 entry);

/* What a WHERE_SAME entry stands for. */
__hidden_ void zswap_fill(u64 word, void *page);

__hidden_ u32 zswap_bytes(u64 entry); /* charged for it */
__hidden_ u32 zswap_owner(u64 entry); /* the handle that pays; 0: nobody */

/*
 * Has `to` pay for a copy that `from` (0: whoever) pays for; `from` is credited. charged: its
 * zswap_bytes are charged to `to` already, by the caller, and stay so whatever the answer; `from`
 * is the caller's to credit. 0; -EINVAL: not from's; -ENOMEM: `to` is over its max. Nothing is
 * changed then.
 */
__hidden_ int zswap_recharge(u64 entry, u32 from, u32 to, bool charged);

/* Gives back memory that no copy is in; bytes. As arena_trim. */
__hidden_ u64 zswap_trim(bool all);

__hidden_ void zswap_fork_prepare(void);
__hidden_ void zswap_fork_done(void); /* in both: the child has the same copies */

#endif
