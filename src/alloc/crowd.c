/* crowd.c - counting the owners of used-up slabs. Theory in crowd.h. */
#include "alloc/crowd.h"

#include "page/owner.h"

#define SHARE 16ul

/* Of several that share a place the one with more than all others stays. */
static void count(struct crowd_place *p, u32 handle)
{
	if (p->handle == handle) {
		p->n++;
	} else if (p->n) {
		p->n--;
	} else {
		p->handle = handle;
		p->n = 1;
	}
}

/* Entries evenly spread over the slab; how many were looked at. *mine: of them the handle's. */
static u32 sample(struct crowd_place *place, const struct objcgs *v, u32 handle, u32 *mine)
{
	u32 step = DIV_ROUND_UP(v->nr, CROWD_SAMPLE), n = 0;

	for (u32 i = 0; i < v->nr; i += step, n++) {
		u32 owner = atomic_load(&v->entry[i]);

		*mine += owner == handle;
		if (owner > OWNER_NOBODY)
			count(&place[owner % CROWD_PLACES], owner);
	}
	return n;
}

/* SHARE slabs' slots, in all the slabs there are: with less, own slabs are half empty. */
static void decide(struct crowd_place *place, u32 looked, u32 sampled, u32 slabs)
{
	for (unsigned i = 0; i < CROWD_PLACES; i++) {
		struct crowd_place *p = &place[i];

		p->earned = (u64)p->n * slabs >= SHARE * looked * sampled ? p->handle : 0;
		p->n = 0;
	}
}

bool crowd_look(struct crowd *c, const struct page *pg, u32 slabs, u32 handle)
{
	struct objcgs *v = page_objcgs_check(pg);
	unsigned class = pg->slab.class;
	u32 n, mine = 0;

	if (!v)
		return false;
	n = sample(c->place[class], v, handle, &mine);
	if (++c->looked[class] * 3 >= slabs) {
		decide(c->place[class], c->looked[class], n, slabs);
		c->looked[class] = 0;
	}
	return mine * 4 >= n * 3 || c->place[class][handle % CROWD_PLACES].earned == handle;
}

bool crowd_vote(struct crowd *c, unsigned class, u32 handle)
{
	if (c->taker[class].handle != handle) {
		c->taker[class].handle = handle;
		c->taker[class].times = 0;
	}
	return ++c->taker[class].times >= CROWD_VOTES;
}
