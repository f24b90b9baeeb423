/*
 * external.c - charges for memory we did not allocate. A charge is an object
 * of ours that names a handle, so it survives its group; it is on one list,
 * because nothing but the list knows that the bytes exist.
 */
#include <errno.h>

#include "alloc/alloc.h"
#include "alloc/external.h"
#include "sync/lock.h"

#define CHARGE_LIVE 0x636861726765ul

static struct lock external_lock = LOCK_INIT(RANK_EXTERNAL);
static struct list charges = LIST_INIT(charges);
const struct list *const external_registry = &charges;

void external_init(void)
{
	lock_init(&external_lock, RANK_EXTERNAL);
}

static struct memcg_charge *charge_new(u32 handle, u64 bytes)
{
	struct memcg_charge *c = meta_alloc(sizeof(*c));

	if (!c)
		return NULL;
	if (!charge_bytes(handle, bytes, 0)) {
		meta_free(c, sizeof(*c));
		return NULL;
	}
	handle_add(handle_of(handle), HANDLE_PIN); /* also a charge of 0 bytes names it */
	c->bytes = bytes;
	c->handle = handle;
	atomic_store_release(&c->live, CHARGE_LIVE);
	return c;
}

struct memcg_charge *memcg_charge(struct memcg *cg, size_t bytes)
{
	struct memcg_charge *c;

	thread_need();
	cg = cg ? cg : group_active();
	c = bytes < HANDLE_PIN ? charge_new(cg->handle->index, bytes) : NULL;
	if (!c) {
		errno = ENOMEM;
		return NULL;
	}
	stat_add(c->handle, STAT_EXTERNAL, (s64)bytes);
	lock_acquire(&external_lock);
	list_add_tail(&charges, &c->link);
	lock_release(&external_lock);
	return c;
}

void memcg_uncharge(struct memcg_charge *c)
{
	int saved = errno;

	if (!c)
		return;
	if (atomic_xchg(&c->live, 0ul) != CHARGE_LIVE)
		memcg_bug("memcg_uncharge(%p): not a charge, or returned before", (void *)c);
	lock_acquire(&external_lock);
	list_del(&c->link);
	lock_release(&external_lock);
	stat_add(c->handle, STAT_EXTERNAL, -(s64)c->bytes);
	uncharge_bytes(c->handle, c->bytes);
	handle_sub(handle_of(c->handle), HANDLE_PIN);
	meta_free(c, sizeof(*c));
	errno = saved;
}

void external_each(void (*each)(u32 handle, u64 bytes, unsigned stat_item, void *arg), void *arg)
{
	struct list *at;

	list_for_each(at, &charges)
	{
		struct memcg_charge *c = list_entry(at, struct memcg_charge, link);

		each(c->handle, c->bytes, STAT_EXTERNAL, arg);
	}
}

void external_fork_prepare(void)
{
	lock_acquire(&external_lock);
}

void external_fork_done(void)
{
	lock_release(&external_lock);
}
