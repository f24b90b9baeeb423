/*
 * maps.h - what an unmodified program has beside our blocks: its own private
 * maps, which are charged, and blocks of another malloc, which are counted.
 *
 * 1. Concepts
 * 1.1 A map is a run of pages, private and anonymous, with one standing:
 *	CHARGED   was writable once: its bytes are charged to `handle`. Stays charged until it is
 *		  unmapped, also when it is made unreadable: its pages may be resident still.
 *	RESERVED  not writable yet (PROT_NONE, read only): counted. Charged when made writable.
 *	LAZY	  writable with MAP_NORESERVE: counted. The program says that it will not use
 *		  it all.
 *     Shared maps, maps of files and memory the loader mapped are not here.
 * 1.2 A map names its payer by handle, and its bytes are in the handle's refs: it outlives the
 *     group without a reference of its own.
 * 1.3 Neighbours alike in payer and standing are one map, so a program that changes its
 *     protection page by page does not make the set grow.
 *
 * 2. Changing
 * 2.1 The set is a treap ordered by address: split and merge cost O(log n).
 * 2.2 A change takes the maps in its range off the tree, charges what it needs, lets the
 *     caller make the system call, then commits or cancels. So the lock is held for the tree
 *     only, never while charging or in the kernel; what a change replaces is known exactly before
 *     it is charged; addresses are off the tree before the kernel can give them to another thread.
 * 2.3 Nodes a commit may need are had beforehand: a change fails at its beginning (-ENOMEM,
 *     nothing changed) or not at all.
 * 2.4 Changes under way are on a list: the child of a fork puts back what the threads it
 *     does not have had taken.
 * 2.5 Maps that went away behind our back (a raw system call) are noticed when the kernel gives
 *     their addresses to a new one.
 * 2.6 Changing overlapping ranges from two threads at once is the program's race; then the
 *     standing of the overlap is either's, but charges and maps still agree.
 */
#ifndef MEMCG_ALLOC_MAPS_H
#define MEMCG_ALLOC_MAPS_H

#include "base/list.h"
#include "base/types.h"

struct map;

/* A change under way; on the caller's stack. The fields are maps.c's. */
struct map_change {
	struct list link;   /* map lock, as are the three trees */
	struct map *taken;  /* what stood in the range changed */
	struct map *target; /* mremap to a fixed address: what stood there */
	struct map *stale;  /* what stood where the kernel put the new map */
	struct map *spare;  /* a list */
	uintptr_t start;    /* range changed, by whole pages */
	u64 old_len, new_len;
	u64 charged; /* bytes charged ahead to `handle` */
	u64 kept;    /* bytes taken that stay charged, now for what is new */
	u32 handle;
	u8 standing; /* of what is new */
	u8 kind;
	bool keep_old; /* mremap that leaves the old addresses mapped */
};

/* Blocks given to us that were another malloc's, a number. Relaxed; written by the preload. */
extern __private_ u64 memcg__foreign;
/* Bytes counted and not charged; nodes in use. Map lock; read racily. */
extern __hidden_ u64 maps_reserved, maps_nodes;
/* The set (alloc/map_tree.h), for who reads it from outside: ctl/layout.h. */
extern __hidden_ struct map *const *const maps_registry;

#define maps_charge  memcg__maps_charge
#define maps_release memcg__maps_release
#define maps_protect memcg__maps_protect
#define maps_move    memcg__maps_move
#define maps_commit  memcg__maps_commit
#define maps_cancel  memcg__maps_cancel

/*
 * Before the system call of that name, with its arguments: 0, or -ENOMEM and it must not be made.
 * Arguments that the kernel will refuse are let through. Then one of commit and cancel.
 * Not async-signal-safe, no lock held; errno is as it was.
 */
__private_ int maps_charge(struct map_change *c, void *addr, size_t len, int prot, int flags);
__private_ int maps_release(struct map_change *c, void *addr, size_t len);
__private_ int maps_protect(struct map_change *c, void *addr, size_t len, int prot);
__private_ int maps_move(struct map_change *c, void *old, size_t old_len, size_t new_len, int flags,
			 void *target);
__private_ void maps_commit(struct map_change *c, void *result); /* of mmap, mremap; else unused */
__private_ void maps_cancel(struct map_change *c);

/* Every charged map, for the recount: `each` runs under the map lock and takes none of lower rank.
 */
__hidden_ void maps_each(void (*each)(u32 handle, u64 bytes, unsigned stat_item, void *arg),
			 void *arg);

/* The child's is called after those of all other locks: it frees nodes and gives charges back. */
__hidden_ void maps_fork_prepare(void);
__hidden_ void maps_fork_parent(void);
__hidden_ void maps_fork_child(void);

#endif
