/*
 * walk.h - the recount: what every group owns, counted from the memory.
 *
 * 1. Concepts
 * 1.1 The walk goes over the descriptors of all opened pages, block by block, and over
 *     the slots of slabs; each byte goes to the handle that the owner word or entry names, or
 *     to one of the lines of nobody: unaccounted, cached, metadata. No counter is looked at.
 * 1.2 Then it compares, and says a line for each difference: a handle's charge with what
 *     was found (and what CPUs hold in stock) under it; a group's counter with what it and all
 *     below it own; free memory and our own structures with their sums.
 * 1.3 It works over a reader, so the same code looks at its own process, at another
 *     that is stopped, and at a core dump. It calls nothing of the library.
 *
 * 2. Limits
 * 2.1 Exact when nothing is in motion. A thread stopped between charge and mark shows as a
 *     difference of one object, slab or batch.
 * 2.2 Every address taken from the memory is held against the region, the table of handles
 *     and the sizes before it is followed, and every loop is bounded: memory that was
 *     overwritten gives differences, not a crash.
 * 2.3 The memory for its tables comes from the environment's `map`, never from the heap that
 *     is being counted: 48 bytes a handle, 104 a group, 200 KiB of buffers.
 */
#ifndef MEMCG_CTL_WALK_H
#define MEMCG_CTL_WALK_H

#include "ctl/layout.h"

struct walk;

/* What a handle was found to be charged for. */
struct walk_find {
	unsigned kind; /* enum page_kind, or one of these */
#define WALK_EXTERNAL ((unsigned)PAGE_KIND_NR)
#define WALK_MAPS     ((unsigned)PAGE_KIND_NR + 1)
#define WALK_STOCK    ((unsigned)PAGE_KIND_NR + 2)
#define WALK_SWAP     ((unsigned)PAGE_KIND_NR + 3) /* no memory: a page that is swapped out */
	u32 size;				   /* of the slots of a slab */
	u32 objects;
	u64 bytes;
};

struct walk_env {
	/* n bytes at an address of the process looked at. False: there is nothing to read. */
	bool (*read)(void *arg, u64 from, void *to, size_t n);
	void *(*map)(size_t n); /* zeroed; NULL */
	void (*unmap)(void *p, size_t n);
	void (*say)(void *arg,
		    const char *line); /* a difference, without newline; NULL: count only */
	/* Calls walk_extra for each charge that no page shows. False: unreadable. NULL: none. */
	bool (*extra)(struct walk *w, void *arg);
	/* Told of everything that is charged to a handle; NULL: nobody is. */
	void (*found)(struct walk *w, u32 handle, const struct walk_find *f);
	void *arg, *say_arg;
	u32 handles;		   /* indices below this have been used; 0: find out */
	bool folded;		   /* statistics have been folded: they can be compared too */
	s64 external, sock, large; /* of these lines, held by CPUs: for that comparison */
	u64 kept;		   /* free network pages that CPUs keep: with `folded` */
};

/* Bytes unless it says otherwise. */
struct recount_result {
	u64 differences;       /* lines said */
	u64 groups;	       /* number, with the root */
	u64 owned;	       /* by all groups: slabs, pages, external, maps */
	u64 counted;	       /* what the root's counter says */
	u64 unaccounted;       /* live objects that are nobody's */
	u64 unaccounted_pages; /* number: of such objects over a slab's sizes, and of bare slabs in
				  use */
	u64 balloon;	       /* free, kept out of use: memory.balloon */
	u64 cached;	       /* free and resident, hollow slabs with it */
	u64 stacked;	       /* free network pages that CPUs keep, not within cached */
	u64 net_out, net_free; /* network pages, in number: somebody's; resident in their pools */
	u64 metadata;
	u64 stock;
	u64 hollow;	   /* own slabs, empty, uncharged, still with their thread */
	u64 item[STAT_NR]; /* owned, by line of memory.stat */
	u64 slab;	   /* owned in slabs, entries with it */
	u64 swapped;	   /* pages that are not in memory */
	u64 bad;	   /* kept out of use: failed the check at free */
	u64 slabs_own, slabs_shared, slabs_bare, slabs_exceptions, slabs_hollow; /* numbers */
};

struct walk_group {
	u64 address;
	u64 first_child, next; /* links of the tree's lists */
	u32 parent;	       /* place in the array; the root: its own */
	u32 depth;
	u32 handle;
	u32 name_len;
	u64 usage, peak, max, refusals, max_hits;
	u64 below;    /* usage of its children */
	u64 owned;    /* found in the memory, stock with it */
	u64 expected; /* owned, and all below */
};

struct walk_handle {
	u64 refs, word;
	u64 counted, stock;
	u64 swapped; /* what is in swap, and held by its bytes too */
	u32 group;   /* place in the array + 1; 0: not looked for yet, or none */
	u32 index;   /* as the entry says it */
};

struct walk {
	const struct walk_env *env;
	struct layout at;
	struct region region;
	u64 table; /* of handles */
	struct walk_handle *handle;
	u32 handles;
	struct walk_group *group;
	u32 groups, groups_max;
	u64 cached, metadata, balloon; /* what the sums say */
	u32 chunk;		       /* in desc[]; UINT32_MAX: none */
	struct page *desc;
	char *slab; /* memory of one slab, read when a question needs it */
	u32 *entry; /* entries of one vector */
	u64 *free;  /* slots of one slab that are free: bits and remote list */
	struct recount_result sum;
};

#define WALK_PATH_MAX 512 /* longer paths are cut from the left */

/*
 * Reads heads and tables. 0; -ENODEV: the library is not up in there; -ENOMEM; -EFAULT: what
 * must be readable is not. walk_close in every case.
 */
__hidden_ int walk_open(struct walk *w, const struct walk_env *env, const struct layout *at);
__hidden_ void walk_close(struct walk *w);
__hidden_ int walk_tree(struct walk *w);    /* the groups; after open. 0, -EFAULT, -ENOMEM */
__hidden_ int walk_recount(struct walk *w); /* pages, stock, comparison; after tree. 0, -EFAULT */

/* For env->extra. */
__hidden_ void walk_extra(struct walk *w, u32 handle, u64 bytes, unsigned stat_item);

/* The living group that pays for a handle, its place + 1; 0: the chain is broken. After tree. */
__hidden_ u32 walk_paying_group(struct walk *w, u32 handle);
/* The place of the group at that address; w->groups: it is not in the tree. After tree. */
__hidden_ u32 walk_place(const struct walk *w, u64 address);
/* The place behind the last group below this one: they stand in pre-order. */
__hidden_ u32 walk_end(const struct walk *w, u32 group);

/* The group's path, into buf. Its name, into buf: 256 bytes. Return buf. */
__hidden_ const char *walk_path(struct walk *w, u32 group, char buf[WALK_PATH_MAX]);
__hidden_ const char *walk_name(struct walk *w, u32 group, char buf[256]);

/* --- between walk.c and walk_pages.c --- */
__hidden_ int walk_pages(struct walk *w);
__hidden_ int walk_managed(struct walk *w);
__hidden_ __printf_(2, 3) void walk_say(struct walk *w, const char *fmt, ...);
/* n bytes of the region's opened memory. */
__hidden_ bool walk_read_region(struct walk *w, u64 from, void *to, size_t n);
/* Found for a handle. False: no live handle has that index. */
__hidden_ bool walk_charge(struct walk *w, u32 handle, struct walk_find f);
/* The same, of swap. */
__hidden_ bool walk_charge_swap(struct walk *w, u32 handle, u64 bytes);
/* The index a handle's address means; 0: it is not one. */
__hidden_ u32 walk_handle_at(const struct walk *w, u64 address);

#endif
