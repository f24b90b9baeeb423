/* lineage.c - a hash of ids, open addressing. Theory in lineage.h. */
#include "lineage.h"

#include <pthread.h>
#include <stdlib.h>

#include "torture.h"

struct ancestor {
	u64 id, parent; /* id 0: no entry */
	bool dead, kept;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ancestor *table;
static u64 size, used;

static struct ancestor *slot_of(struct ancestor *in, u64 n, u64 id)
{
	u64 i = chance_mix(id) & (n - 1);

	while (in[i].id && in[i].id != id)
		i = (i + 1) & (n - 1);
	return &in[i];
}

static struct ancestor *find_locked(u64 id)
{
	struct ancestor *a = size ? slot_of(table, size, id) : NULL;

	EXPECT(a && a->id == id, "group %lu was never made here", id);
	return a;
}

/* All, or all but the dead that nobody has; into a table of n. */
static void rebuild_locked(u64 n, bool forget)
{
	struct ancestor *to = calloc(n, sizeof(*to));

	EXPECT(to, "no memory for the lineage");
	used = 0;
	for (u64 i = 0; i < size; i++)
		if (table[i].id && !(forget && table[i].dead && !table[i].kept)) {
			struct ancestor *a = slot_of(to, n, table[i].id);

			*a = table[i];
			a->kept &= !forget;
			used++;
		}
	free(table);
	table = to;
	size = n;
}

void lineage_add(u64 id, u64 parent)
{
	pthread_mutex_lock(&lock);
	if (2 * used >= size)
		rebuild_locked(size ? 2 * size : 4096, false);
	*slot_of(table, size, id) = (struct ancestor){.id = id, .parent = parent};
	used++;
	pthread_mutex_unlock(&lock);
}

void lineage_dead(u64 id)
{
	pthread_mutex_lock(&lock);
	find_locked(id)->dead = true;
	pthread_mutex_unlock(&lock);
}

static u64 heir_locked(u64 id)
{
	const struct ancestor *a;

	for (a = find_locked(id); a->dead; a = find_locked(a->parent))
		;
	return a->id;
}

u64 lineage_heir(u64 id)
{
	pthread_mutex_lock(&lock);
	id = heir_locked(id);
	pthread_mutex_unlock(&lock);
	return id;
}

/* Its heir stands for whoever was between them. */
void lineage_keep(u64 id)
{
	struct ancestor *a;

	pthread_mutex_lock(&lock);
	a = find_locked(id);
	if (a->dead) {
		a->parent = heir_locked(id);
		a->kept = true;
	}
	pthread_mutex_unlock(&lock);
}

bool lineage_covers(u64 id, u64 ancestor)
{
	pthread_mutex_lock(&lock);
	while (id && id != ancestor)
		id = find_locked(id)->parent;
	pthread_mutex_unlock(&lock);
	return id != 0;
}

void lineage_forget(void)
{
	pthread_mutex_lock(&lock);
	rebuild_locked(size, true);
	pthread_mutex_unlock(&lock);
}
