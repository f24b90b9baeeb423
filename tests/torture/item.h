/*
 * item.h - one piece of charged memory of any sort, and what is known of it.
 *
 * 1. An item is held by one thread, or lies in the exchange or in a cache, where one thread at a
 *    time takes it from. Its bytes follow from its salt: all of a small one, of a large one both
 *    ends and a word in each 256 bytes. They are looked at when it is freed, grown, and at
 *    quiet points.
 * 2. payer is the id of the group it was charged to last, or 0: nobody's. While groups come and go
 *    the payer is that group or an ancestor of it; when nobody moves, its nearest living one.
 * 3. Nobody's may be what was asked to be; and, while memory.accounting is switched and for two
 *    rounds more, whatever was allocated then (threads follow at their next slow path).
 */
#ifndef MEMCG_TORTURE_ITEM_H
#define MEMCG_TORTURE_ITEM_H

#include "torture.h"

#define CACHES 3u

enum way { WAY_OBJECT, WAY_CACHE, WAY_PAGE, WAY_STACK, WAY_CHARGE, WAY_NET };

struct item {
	enum way way;
	unsigned cache; /* WAY_CACHE */
	void *p;	/* WAY_CHARGE: the charge, which has no bytes */
	size_t size;	/* of its bytes */
	u64 salt, payer;
	struct memcg_page *page; /* WAY_PAGE, WAY_NET */
};

extern struct memcg_cache *item_cache[CACHES];
extern const size_t item_cache_size[CACHES];

void items_begin(void);
void items_end(void); /* frees what is left in the exchange, and the caches */

/* Each allocates in the active group, or in `cg`; NULL: refused. */
struct item *item_object(size_t size, struct chance *c);
struct item *item_object_in(struct memcg *cg, size_t size, unsigned flags, struct chance *c);
struct item *item_of_cache(struct chance *c);
struct item *item_pages(unsigned order, unsigned flags, struct chance *c);
struct item *item_stack(size_t size, struct chance *c);
struct item *item_charge(size_t size, struct chance *c);
/* A page that is the caller's and paid for by the active group. */
struct item *item_of_page(struct memcg_page *page, struct chance *c);
/* The same of a pool's; others may have it too. Its bytes are not there in the child of a fork. */
struct item *item_of_net(struct memcg_page *page, struct chance *c);
struct item *item_any(struct chance *c);
size_t item_size(struct chance *c); /* mostly small */

void item_free(struct item *it); /* NULL: nothing */
/* Gives the struct back, not the memory, which was looked at. */
void item_forget(struct item *it);
void item_recharge(struct item *it, struct chance *c); /* to any group */
void item_regrow(struct item *it, struct chance *c);   /* objects; others stay */
/* Pages: into pieces, each an item of its own that is passed on. False: it is no item for that. */
bool item_split(struct item *it, struct chance *c);
void item_look(const struct item *it, struct chance *c); /* who is said to pay, while all moves */

/* The exchange: puts one in, frees what it displaces; takes one out, or NULL. */
void item_pass_on(struct item *it, struct chance *c);
struct item *item_take(struct chance *c);

void item_settle(struct item *it); /* nobody moves: bytes and payer are exactly what they must be */
void items_settle(void);	   /* all in the exchange */
void items_note_switch(void);	   /* memory.accounting is being written */

#endif
