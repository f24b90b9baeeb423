/*
 * tenant.h - tenants: a group, its keys, and the shrinker that keeps the one in the other.
 *
 * 1. A tenant is a user (AUTH name password) or a database of whoever is no user (SELECT n:
 * "db<n>"). Its group is below the root or below a plan, a group that several tenants share a limit
 * in.
 *    No tenant has the name of a plan: its group would be one, and go with DROP.
 * 2. lock covers the store, and which group it is. No lock is taken while it is held but, by
 *    whom it is dropped or moved, the registry's before it.
 * 3. The shrinker may run in any allocation that the group is refused, on any thread. The thread
 *    that has the lock may be in it: it lets the shrinker in where that does no harm (store.open),
 *    and is known by `locked`. Everybody else only tries the lock.
 * 4. TENANT DROP: the group is destroyed, at once, whatever it has; what it had is the parent's,
 * and is freed in steps (chore.h). TENANT MOVE: a new group below the other plan pays from then on,
 * and what is there already is charged to it in steps; then the old group goes.
 * 5. The struct goes with the last connection.
 */
#ifndef TENANTD_TENANT_H
#define TENANTD_TENANT_H

#include <pthread.h>
#include <sys/queue.h>

#include "store.h"

#define TENANT_NAME 64 /* bytes, with the NUL */
#define DATABASES   16

struct tenant {
	char name[TENANT_NAME], password[TENANT_NAME];
	pthread_mutex_t lock;
	struct memcg *cg; /* lock; atomic: compared without it, by who has a reference of its own */
	struct store store;
	struct memcg_shrinker *shrinker;
	unsigned refs;	    /* atomic: connections, chores, the registry */
	bool dropped;	    /* atomic */
	bool user;	    /* may not administer, has one database */
	struct memcg *from; /* lock: the group that a chore is moving it out of; NULL */
	struct memcg_shrinker *shrinker_from;
	TAILQ_ENTRY(tenant) list; /* the registry's lock */
};

int tenants_init(void);
/* A new reference, or NULL. */
struct tenant *tenant_login(const char *name, const char *password);
struct tenant *tenant_database(long n);
struct tenant *tenant_guest(void); /* who pays for those who have not logged in */
bool tenant_is_guest(const struct tenant *t);
struct tenant *tenant_find(const char *name);
struct tenant *tenant_get(struct tenant *t); /* NULL is nobody, here and in put */
void tenant_put(struct tenant *t);

/* NULL and a text for the client. plan: "" is the root. */
struct tenant *tenant_create(const char *name, const char *password, const char *plan,
			     const char **why);
const char *tenant_drop(struct tenant *t);		     /* NULL, or why not */
const char *tenant_move(struct tenant *t, const char *plan); /* NULL, or why not */
/* Slots that threads keep for speed, and the slabs they lie in, go back to who paid for them: after
 * many objects were freed, by the thread that did. */
void tenants_trim(void);
/* Those there are, each with a new reference, for who looks at them without the registry's lock.
 * NULL: no memory for the list. */
struct tenant **tenants_get(size_t *n);
void tenants_put(struct tenant **all, size_t n);

static inline bool tenant_is_dropped(const struct tenant *t)
{
	return __atomic_load_n(&t->dropped, __ATOMIC_ACQUIRE);
}

/* Whether *cg, a reference of the caller's or NULL, is the group that pays now; if not it becomes
 * it. */
void tenant_group(struct tenant *t, struct memcg **cg);

void tenant_lock(struct tenant *t);
void tenant_unlock(struct tenant *t);
/* For memory that was refused where no shrinker could get in. False: there is nothing to evict. */
bool tenant_evict(struct tenant *t, uint64_t bytes);

#endif
