/*
 * cache.c - objects of one size, constructed once per slot. Slabs of a cache
 * are held by no thread; one lock per cache covers their bits and its list.
 * The constructor runs before the slab is known to anybody, with nothing locked.
 *
 * A slab is bare until its first owned object: with live unowned ones in it, it gets its owner
 * vector under the lock, by whoever allocates that object. Lists: slabs with room first,
 * so that the head is the one to take from.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "alloc/alloc.h"
#include "sync/lock.h"
#include "sys/log.h"

struct memcg_cache {
	struct lock lock;
	struct list link; /* all caches; list lock */
	u32 size;	  /* of a slot */
	unsigned order;
	void (*ctor)(void *);
	u64 live;	/* objects handed out; lock */
	u32 room, full; /* first slab with room, first full one; lock */
	char name[64];
};

static struct lock caches_lock = LOCK_INIT(RANK_CACHE);
static struct list caches = LIST_INIT(caches);

/* All of one rank, so taken by trying: whoever holds one of them waits for nobody. */
void caches_fork_prepare(void)
{
	struct list *at;

	lock_acquire(&caches_lock);
	list_for_each(at, &caches) while (
		!lock_try(&list_entry(at, struct memcg_cache, link)->lock)) cpu_relax();
}

void caches_fork_done(void)
{
	struct list *at;

	list_for_each(at, &caches) lock_release(&list_entry(at, struct memcg_cache, link)->lock);
	lock_release(&caches_lock);
}

struct memcg_cache *memcg_cache_create(const char *name, size_t size, size_t align,
				       void (*ctor)(void *))
{
	struct memcg_cache *c;

	lib_up();
	align = align ? align : 16;
	if (!name || !*name || !size || !is_pow2(align) || align > PAGE_SIZE ||
	    size > CLASS_MAX_SIZE || ALIGN_UP(size, MAX(align, 16ul)) > CLASS_MAX_SIZE) {
		errno = EINVAL;
		return NULL;
	}
	c = meta_alloc(sizeof(*c));
	if (!c) {
		errno = ENOMEM;
		return NULL;
	}
	lock_init(&c->lock, RANK_CACHE_ONE);
	c->size = (u32)ALIGN_UP(size, MAX(align, 16ul));
	c->order = c->size <= 1024 ? 2 : 4;
	c->ctor = ctor;
	snprintf(c->name, sizeof(c->name), "%s", name);
	lock_acquire(&caches_lock);
	list_add_tail(&caches, &c->link);
	lock_release(&caches_lock);
	return c;
}

/* --- lists of slabs; the cache's lock ------------------------------------------------ */

static void slab_link(u32 *head, struct page *pg)
{
	struct slab_local *l = slab_local(pg);

	l->prev = 0;
	l->next = *head;
	if (*head)
		slab_local(page_at(*head))->prev = page_to_index(pg);
	*head = page_to_index(pg);
}

static void slab_unlink(u32 *head, struct page *pg)
{
	struct slab_local *l = slab_local(pg);

	if (l->next)
		slab_local(page_at(l->next))->prev = l->prev;
	if (l->prev)
		slab_local(page_at(l->prev))->next = l->next;
	else
		*head = l->next;
}

static struct page *slab_new(struct memcg_cache *c)
{
	struct page *pg = block_alloc(c->order);
	unsigned i;

	if (!pg)
		return NULL;
	slab_make(pg, c->size, SLAB_CLASS_CACHE, 0, false);
	pg->slab.cache = c;
	for (i = 0; c->ctor && i < pg->slab.capacity; i++)
		c->ctor(slab_slot(pg, i));
	return pg;
}

static unsigned first_free(const struct page *pg)
{
	unsigned w = 0;

	while (!slab_idle(pg)[w])
		w++;
	return w * 64 + bit_first(slab_idle(pg)[w]);
}

static void *take_locked(struct memcg_cache *c, struct page *pg, u32 handle)
{
	struct slab_local *l = slab_local(pg);
	unsigned i = first_free(pg);

	/* Before the slot is taken, so that there is nothing to undo. The lock makes us the holder:
	 * the bits that a vector is made from are right. */
	if (!slab_set_payer(pg, i, handle))
		return NULL;
	atomic_store(&l->idle[i / 64], l->idle[i / 64] & ~BIT(i % 64)); /* owner look-ups read it */
	slab_free_bits(pg)[i / 64] &= ~BIT(i % 64);
	c->live++;
	if (++l->used == pg->slab.capacity) {
		slab_unlink(&c->room, pg);
		slab_link(&c->full, pg);
	}
	return slab_slot(pg, i);
}

static void *take(struct memcg_cache *c, u32 handle)
{
	struct page *fresh = NULL;
	void *p = NULL;

	lock_acquire(&c->lock);
	if (!c->room) {
		lock_release(&c->lock);
		fresh = slab_new(c);
		lock_acquire(&c->lock);
		if (fresh)
			slab_link(&c->room, fresh);
	}
	if (c->room)
		p = take_locked(c, page_at(c->room), handle);
	lock_release(&c->lock);
	return p;
}

static void *take_charged(struct memcg_cache *c, u32 handle, unsigned flags)
{
	u32 cost = slab_cost(c->size);
	void *p;

	if (handle && !charge_slot(handle, cost, flags))
		return NULL;
	p = take(c, handle);
	if (unlikely(!p) && handle)
		uncharge(handle, cost);
	return p;
}

void *memcg_cache_alloc(struct memcg_cache *c, unsigned flags)
{
	u32 handle = flags & MEMCG_UNACCOUNTED ? 0 : handle_for(NULL);
	struct retry r = RETRY(flags & CHARGE_FLAGS);
	void *p = NULL;

	if (flags & ~(unsigned)(MEMCG_ZERO | MEMCG_NOWAIT | MEMCG_NOFAIL | MEMCG_RESERVE |
				MEMCG_UNACCOUNTED) ||
	    (flags & MEMCG_ZERO && c->ctor)) {
		errno = EINVAL;
		return NULL;
	}
	thread_need();
	do
		p = take_charged(c, handle, r.flags);
	while (unlikely(!p) && charge_again(&r));
	if (!p)
		errno = ENOMEM;
	else if (flags & MEMCG_ZERO)
		memset(p, 0, c->size);
	return p;
}

/* --- giving back ------------------------------------------------------------------------ */

static struct page *slab_of(struct memcg_cache *c, void *p, unsigned *i)
{
	struct page *pg = block_of(p);

	if (!pg || pg->kind != PAGE_SLAB || pg->slab.class != SLAB_CLASS_CACHE ||
	    pg->slab.cache != c)
		memcg_bug("memcg_cache_free(%s, %p): not an object of this cache", c->name, p);
	if (!slab_slot_start(pg, p, i))
		memcg_bug("memcg_cache_free(%s, %p): inner pointer, slab %p", c->name, p,
			  page_address(pg));
	return pg;
}

/* An empty slab is kept when it is the only one with room. Returns one to unmake, or NULL. */
static struct page *put_locked(struct memcg_cache *c, struct page *pg, unsigned i)
{
	struct slab_local *l = slab_local(pg);

	atomic_store(&l->idle[i / 64], l->idle[i / 64] | BIT(i % 64));
	slab_free_bits(pg)[i / 64] |= BIT(i % 64);
	c->live--;
	if (l->used-- == pg->slab.capacity) {
		slab_unlink(&c->full, pg);
		slab_link(&c->room, pg);
	}
	if (l->used || (c->room == page_to_index(pg) && !l->next))
		return NULL;
	slab_unlink(&c->room, pg);
	return pg;
}

/* Who is credited; OWNER_NOBODY or 0: nobody. */
static u32 unmark_locked(struct page *pg, unsigned i)
{
	struct objcgs *v = page_objcgs(pg);

	return v ? atomic_xchg(&v->entry[i], 0u) : OWNER_NOBODY;
}

void memcg_cache_free(struct memcg_cache *c, void *p)
{
	int saved = errno;
	struct page *pg, *empty;
	unsigned i;
	u32 owner;

	if (!p)
		return;
	pg = slab_of(c, p, &i);
	lock_acquire(&c->lock);
	if (slab_slot_idle(pg, i))
		memcg_bug("memcg_cache_free(%s, %p): double free, slab %p", c->name, p,
			  page_address(pg));
	owner = unmark_locked(pg, i);
	empty = put_locked(c, pg, i);
	lock_release(&c->lock);
	if (empty)
		slab_unmake(empty);
	if (owner > OWNER_NOBODY)
		uncharge(owner, slab_cost(c->size));
	errno = saved;
}

/* Says who holds what is left, a line for each of the first few owners. */
static void say_owners(struct memcg_cache *c, u32 head)
{
	unsigned lines = 0, i;

	for (; head; head = slab_local(page_at(head))->next) {
		struct page *pg = page_at(head);

		for (i = 0; i < pg->slab.capacity && lines < 8; i++) {
			u64 id;

			if (slab_slot_idle(pg, i))
				continue;
			id = memcg_owner_id(slab_slot(pg, i));
			log_line("cache %s: object %p is alive, owner %s%lu", c->name,
				 slab_slot(pg, i), id ? "group " : "nobody ", (unsigned long)id);
			lines++;
		}
	}
}

static void unmake_all(u32 head)
{
	while (head) {
		struct page *pg = page_at(head);

		head = slab_local(pg)->next;
		slab_unmake(pg);
	}
}

int memcg_cache_destroy(struct memcg_cache *c)
{
	if (!c)
		return -EINVAL;
	lock_acquire(&c->lock);
	if (c->live) {
		log_line("cache %s: %lu objects of %u bytes are alive", c->name,
			 (unsigned long)c->live, c->size);
		say_owners(c, c->full);
		say_owners(c, c->room);
		lock_release(&c->lock);
		return -EBUSY;
	}
	lock_release(&c->lock);
	lock_acquire(&caches_lock);
	list_del(&c->link);
	lock_release(&caches_lock);
	unmake_all(c->room);
	meta_free(c, sizeof(*c));
	return 0;
}
