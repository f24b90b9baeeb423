/* groups.c - making and destroying the tree. Theory in groups.h. */
#include "groups.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lineage.h"

struct memcg *top;

static struct place {
	pthread_mutex_t lock;
	struct memcg *cg; /* referenced; may have been destroyed by somebody else */
} place[GROUPS_MAX];

static u64 data_set, data_dropped;

void groups_begin(void)
{
	for (unsigned i = 0; i < GROUPS_MAX; i++)
		pthread_mutex_init(&place[i].lock, NULL);
	lineage_add(memcg_id(memcg_root()), 0);
	top = memcg_create(NULL, "top");
	EXPECT(top, "no first group: %d", errno);
	lineage_add(memcg_id(top), memcg_id(memcg_root()));
	if (opt.limits)
		memcg_set_limit(top, MEMCG_MAX, opt.top_max);
}

struct memcg *group_random(struct chance *c)
{
	struct place *at = &place[below(c, opt.groups)];
	struct memcg *cg;

	pthread_mutex_lock(&at->lock);
	cg = memcg_get(at->cg ? at->cg : top);
	pthread_mutex_unlock(&at->lock);
	return cg;
}

/* --- making ---------------------------------------------------------------------- */

static void limit_new(struct memcg *cg, struct chance *c)
{
	if (opt.limits && one_in(c, 8))
		memcg_set_limit(cg, MEMCG_MAX, 64 * KIB + below(c, MIB));
}

static void make_locked(struct place *at, struct memcg *parent, struct chance *c)
{
	struct memcg *cg;
	char name[32];

	snprintf(name, sizeof(name), "g%u", (unsigned)(at - place));
	cg = memcg_create(parent, name);
	if (!cg) {
		EXPECT(errno == ENODEV || errno == EAGAIN, "creating %s: errno %d", name, errno);
		return;
	}
	lineage_add(memcg_id(cg), memcg_id(parent));
	limit_new(cg, c);
	at->cg = cg;
	DID(made);
}

/* --- unmaking ---------------------------------------------------------------------- */

/* The caller's reference goes with it, unless it has children. Others may have been first. */
static bool unmake(struct memcg *cg)
{
	u64 id = memcg_id(cg);
	int err = memcg_destroy(cg);

	EXPECT(err == 0 || err == -EBUSY, "destroying group %lu: %d", id, err);
	if (err)
		return false;
	lineage_dead(id);
	DID(destroyed);
	return true;
}

/* Half are leaves, whatever their number; and a few levels more than chance would give. */
static struct memcg *parent_random(struct chance *c, bool callback)
{
	return callback || one_in(c, 16) ? memcg_get(top) : group_random(c);
}

void group_flip(struct chance *c, bool callback)
{
	struct memcg *parent = parent_random(c, callback);
	struct place *at = &place[below(c, opt.groups)];

	if (callback ? pthread_mutex_trylock(&at->lock) : pthread_mutex_lock(&at->lock)) {
		memcg_put(parent);
		return;
	}
	if (!at->cg)
		make_locked(at, parent, c);
	else if (unmake(at->cg))
		at->cg = NULL;
	pthread_mutex_unlock(&at->lock);
	memcg_put(parent);
}

void group_destroy_again(struct chance *c)
{
	struct memcg *cg = group_random(c);

	if (cg == top || !unmake(cg))
		memcg_put(cg);
}

/* --- a word of ours ------------------------------------------------------------------ */

static void drop(void *data)
{
	free(data);
	atomic_add_relaxed(&data_dropped, 1ul);
}

void group_data(struct chance *c)
{
	struct memcg *cg = group_random(c);

	atomic_add_relaxed(&data_set, 1ul);
	memcg_set_data(cg, malloc(16), drop);
	memcg_put(cg);
}

/* --- all of them ----------------------------------------------------------------------- */

void groups_each(void (*each)(struct memcg *cg))
{
	each(top);
	for (unsigned i = 0; i < opt.groups; i++)
		if (place[i].cg && memcg_online(place[i].cg))
			each(place[i].cg);
}

void groups_settle(void)
{
	for (unsigned i = 0; i < opt.groups; i++)
		if (place[i].cg)
			lineage_keep(memcg_id(place[i].cg));
}

void groups_end(void)
{
	unsigned left;

	do {
		left = 0;
		for (unsigned i = 0; i < opt.groups; i++)
			if (place[i].cg && unmake(place[i].cg))
				place[i].cg = NULL;
			else
				left += place[i].cg != NULL;
	} while (left);
	EXPECT(unmake(top), "a group is left below top");
}

/* Structs go with their last references, after a grace period for each level. */
void groups_gone(void)
{
	memcg_put(memcg_get(NULL)); /* runs the drops that are due */
	EXPECT(data_set == data_dropped, "%lu words of groups were set, %lu dropped", data_set,
	       data_dropped);
}
