/* kind.c - the table over the kinds of pages. */
#include "page/desc.h"

/* name, set by, cleared by, how long it stands, what of the descriptor it overlays; counted, owned,
 * free */
const struct kind_info kind_table[PAGE_KIND_NR] = {
	[PAGE_NONE] = {"none", "block_claim", "-", "tail or untouched memory",
		       "none; a slab's tails: slot bits", false, false, true},
	[PAGE_BUDDY] = {"buddy", "buddy_insert", "buddy_remove", "while free", "free", false, false,
			true},
	[PAGE_BALLOON] = {"balloon", "purge_take, balloon.c", "purge_put, balloon.c",
			  "while its memory goes back, or memory.balloon keeps it out", "free",
			  false, false, true},
	[PAGE_PCP] = {"pcp", "pcp_push", "pcp_pop", "while free", "free", false, false, true},
	[PAGE_SLAB] = {"slab", "slab_make", "slab_unmake", "first to last object",
		       "slab; slab_local in the first tail", false, true, false},
	[PAGE_LARGE] = {"large", "large_alloc", "page_free", "the object's life", "large", true,
			true, false},
	[PAGE_BUFFER] = {"buffer", "memcg_pages_alloc", "page_free", "last put", "none", true, true,
			 false},
	[PAGE_TABLE] = {"table", "memcg_pages_alloc", "page_free", "last put", "none", true, true,
			false},
	[PAGE_STACK] = {"stack", "memcg_stack_alloc", "page_free", "the stack's life", "stack",
			true, true, false},
	[PAGE_SHMEM] = {"shmem", "settle", "page_clear", "while it has content", "managed", true,
			true, false},
	[PAGE_NET] = {"net", "extent_make", "extents_unmake", "until its pool lets it go", "net",
		      true, true, false},
	[PAGE_ANON] = {"anon", "settle", "page_clear", "while it has content", "managed", true,
		       true, false},
	[PAGE_FILE] = {"file", "settle", "page_clear", "while it has content", "managed", true,
		       true, false},
	[PAGE_META] = {"meta", "meta_grow", "-", "for ever", "meta", false, false, false},
	[PAGE_RANGE] = {"range", "range_insert", "range_take", "while free", "free", false, false,
			true},
	[PAGE_BAD] = {"bad", "page_bad", "-", "for ever", "as before it went bad", false, false,
		      false},
	[PAGE_STACK_KEPT] = {"kept stack", "stack_cache_put", "remove_locked",
			     "until it is a stack again, or memory", "stack", false, false, true},
};

/*
 * What the overlays may share, and what they must not: the first 24 bytes are every
 * kind's; no thread holds a page that is no slab, so where a slab keeps its holder every
 * other view keeps 0.
 */
_Static_assert(offsetof(struct page, slab.hold) == offsetof(struct page, free.zero),
	       "a free block shows no holder");
_Static_assert(offsetof(struct page, slab.hold) >= offsetof(struct page, room) + sizeof(u64),
	       "views of one word (large, meta, stack) end before a slab's holder");
_Static_assert(sizeof(struct slab_head) <= sizeof(((struct page *)0)->room),
	       "a slab's head fits behind what every kind has");
_Static_assert(offsetof(struct page, net.lock) == offsetof(struct page, managed.lock) &&
		       offsetof(struct page, net.where) == offsetof(struct page, managed.where) &&
		       offsetof(struct page, net.list) == offsetof(struct page, managed.list),
	       "a network page is locked, and looked at by a mover, like a managed one");
_Static_assert(sizeof(struct managed) <= sizeof(((struct page *)0)->room),
	       "a managed page's state fits behind what every kind has");
