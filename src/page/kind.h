/*
 * kind.h - what a page can be, every value side by side.
 *
 * Numbers are public for the kinds a program may ask for (BUFFER, TABLE) and
 * read by memcg-check from other processes: never renumber.
 * kind_table[] (kind.c) says of each who sets it, who clears it, how long it
 * stands and which descriptor fields it overlays.
 */
#ifndef MEMCG_PAGE_KIND_H
#define MEMCG_PAGE_KIND_H

#include "base/compiler.h"
#include "base/types.h"

enum page_kind {
	PAGE_NONE = 0,	  /* tail of a block, or memory never handed out */
	PAGE_BUDDY = 1,	  /* free, head of a block on a buddy list */
	PAGE_BALLOON = 2, /* free, on no list: its memory goes back to the system, or is kept out */
	PAGE_PCP = 3,	  /* free, head of a block on a CPU's list */
	PAGE_SLAB = 4,	  /* head of a slab; its tails' descriptors hold the slot bitmap */
	PAGE_LARGE = 5,	  /* an object larger than the largest class */
	PAGE_BUFFER = 6,  /* kernel-style: data passed by reference */
	PAGE_TABLE = 7,	  /* kernel-style: page tables */
	PAGE_STACK = 8,	  /* kernel-style: a thread's stack with its guard */
	PAGE_NET = 9,	  /* goes back to its pool at the last put */
	PAGE_ANON = 10,	  /* managed, private */
	PAGE_FILE = 11,	  /* managed, of a file */
	PAGE_META = 12,	  /* our own structures */
	PAGE_RANGE = 13,  /* free run of whole chunks */
	PAGE_BAD = 14,	  /* failed the check at free: reported, kept out of use */
	PAGE_STACK_KEPT = 15, /* a stack between two lives, with its guard: alloc/stack_cache.c */
	PAGE_SHMEM = 16,      /* managed, anonymous and shared */
	PAGE_KIND_NR = 17
};

struct kind_info {
	const char *name;
	const char *set_by, *cleared_by, *stands;
	const char *overlays; /* which view of the descriptor's last 40 bytes it uses */
	bool counted;	      /* has a reference count a program can hold */
	bool owned;	      /* its owner word may name a handle */
	bool free;	      /* nobody's memory: its desc must not name an owner */
};

extern __hidden_ const struct kind_info kind_table[PAGE_KIND_NR];

#endif
