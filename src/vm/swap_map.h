/*
 * swap_map.h - which slots of the swap file are in use, and what their content sums up to.
 *
 * 1. A slot is a page of the file. Slot 0 is the file's header and never given out: 0 means none.
 *    The file has slots up to `end`; it grows, and never shrinks.
 * 2. Slots are described in chunks of SWAP_CHUNK, made as the file grows: a bit and a checksum for
 *    each, 4.2 bytes for a page of 4096. A bit is set while the slot is in use, or not there yet.
 * 3. A cluster is 32 slots, aligned: what one write should cover. Who wants n slots gets them in a
 *    row, behind those given out last, or from the start of a cluster that is free altogether.
 * Where there is none: scattered ones.
 * 4. Bits are set under the swap lock, and cleared by anybody without: a fault gives its slot back
 *    and waits for nobody. So a clear bit may be seen late, which costs a slot for a moment. The
 *    counts follow the bits and lag: they are looked at to spare a search, never to decide.
 * 5. A checksum is its slot's holder's: written before the page is, read when it comes back.
 */
#ifndef MEMCG_VM_SWAP_MAP_H
#define MEMCG_VM_SWAP_MAP_H

#include "base/compiler.h"
#include "base/types.h"

#define SWAP_CLUSTER 32u
#define SWAP_CHUNK   4096u

/* Empty, for a file that may have up to max slots, its header included. False: no memory. */
__hidden_ bool swap_map_make(u32 max);
/* The memory goes, whatever is in use: the child of a fork, with the lock held. */
__hidden_ void swap_map_drop(void);

/*
 * The file reaches to `end` now, which lies in the chunk that it ended in or began to need, and is
 * a whole number of clusters or the map's max. Caller: the only one who makes it longer; no lock.
 * False: no memory, nothing changed.
 */
__hidden_ bool swap_map_extend(u32 end);

/* Lock held. n <= SWAP_CLUSTER slots in a row, or none at all; and up to n anywhere: how many. */
__hidden_ unsigned swap_map_take_row(u32 slots[], unsigned n);
__hidden_ unsigned swap_map_take_scattered(u32 slots[], unsigned n);

/* No lock. Ends the process when the slot is not in use. */
__hidden_ void swap_map_give(u32 slot);
__hidden_ bool swap_map_used(u32 slot);
__hidden_ u32 swap_map_end(void);  /* slots that the file has, its header included; 0: no map */
__hidden_ u32 swap_map_free(void); /* of them, nobody's */
__hidden_ u32 *swap_map_sum(u32 slot);

#endif
