/* tenant.c - see tenant.h. */
#include "tenant.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chore.h"

#define GUEST_MAX (16ul << 20) /* all of those together who have not logged in */
#define EVICT_MS  50	       /* what one call of the shrinker may take */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the registry */
static TAILQ_HEAD(, tenant) tenants = TAILQ_HEAD_INITIALIZER(tenants);
static size_t tenants_count; /* on the list */
static struct tenant *guest;
static _Thread_local struct tenant *locked; /* whose lock this thread has */

/* ---- the lock, and who may evict under it ---- */

void tenant_lock(struct tenant *t)
{
	pthread_mutex_lock(&t->lock);
	locked = t;
}

void tenant_unlock(struct tenant *t)
{
	locked = NULL;
	pthread_mutex_unlock(&t->lock);
}

static size_t shrinker_count(struct memcg *cg, void *tenant)
{
	(void)cg;
	/* Without the lock: it is an estimate, and looked at again by who evicts. */
	return __atomic_load_n(&((struct tenant *)tenant)->store.bytes, __ATOMIC_RELAXED);
}

static size_t shrinker_scan(struct memcg *cg, size_t bytes, uint64_t deadline_ns, void *tenant)
{
	struct tenant *t = tenant;
	size_t freed;

	(void)cg;
	if (locked == t) /* this thread allocates for the store, or for what may not change it */
		return t->store.open ? store_evict(&t->store, bytes, deadline_ns)
				     : MEMCG_SHRINK_STOP;
	if (pthread_mutex_trylock(&t->lock))
		return MEMCG_SHRINK_STOP;
	freed = store_evict(&t->store, bytes, deadline_ns);
	pthread_mutex_unlock(&t->lock);
	return freed;
}

bool tenant_evict(struct tenant *t, uint64_t bytes)
{
	uint64_t freed;

	tenant_lock(t);
	freed = store_evict(&t->store, bytes, UINT64_MAX);
	tenant_unlock(t);
	return freed;
}

/* ---- groups ---- */

static struct memcg_shrinker *add_shrinker(struct tenant *t, struct memcg *cg)
{
	struct memcg_shrinker_config config = MEMCG_SHRINKER_CONFIG_INIT;

	config.name = t->name;
	config.count = shrinker_count;
	config.scan = shrinker_scan;
	config.arg = t;
	config.flags = MEMCG_SHRINK_INLINE;
	config.deadline_ms = EVICT_MS;
	return memcg_shrinker_register(cg, &config);
}

/* The plan's group, made when it is first named. A new reference. */
static struct memcg *plan_group(const char *plan)
{
	char path[TENANT_NAME + 2];
	struct memcg *cg;

	snprintf(path, sizeof(path), "/%s", plan);
	cg = memcg_lookup(path);
	return cg ? cg : memcg_create(NULL, plan);
}

/* A group of the tenant's name below the plan, and its shrinker. */
static struct memcg *group_new(struct tenant *t, const char *plan, struct memcg_shrinker **shrinker)
{
	struct memcg *parent = plan_group(plan), *cg;

	cg = parent ? memcg_create(parent, t->name) : NULL;
	memcg_put(parent);
	if (!cg)
		return NULL;
	*shrinker = add_shrinker(t, cg);
	if (*shrinker)
		return cg;
	memcg_destroy(cg);
	return NULL;
}

void tenant_group(struct tenant *t, struct memcg **cg)
{
	/* Who has a reference on it knows it by its address. */
	if (__atomic_load_n(&t->cg, __ATOMIC_ACQUIRE) == *cg)
		return;
	memcg_put(*cg);
	tenant_lock(t);
	*cg = memcg_get(t->cg);
	tenant_unlock(t);
}

/* ---- the registry ---- */

struct tenant *tenant_get(struct tenant *t)
{
	if (t)
		__atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
	return t;
}

void tenant_put(struct tenant *t)
{
	if (!t || __atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL))
		return;
	memcg_put(t->cg);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static struct tenant *find_locked(const char *name)
{
	struct tenant *t;

	TAILQ_FOREACH(t, &tenants, list)
	{
		if (!strcmp(t->name, name))
			return t;
	}
	return NULL;
}

struct tenant *tenant_find(const char *name)
{
	struct tenant *t;

	pthread_mutex_lock(&lock);
	t = tenant_get(find_locked(name));
	pthread_mutex_unlock(&lock);
	return t;
}

static bool is_plan(const char *name)
{
	char path[TENANT_NAME + 2];
	struct memcg *cg;
	bool is;

	snprintf(path, sizeof(path), "/%s", name);
	cg = memcg_lookup(path);
	is = cg;
	memcg_put(cg);
	return is;
}

/* NULL: nobody has the names in the other's sense. */
static const char *taken(const char *name, const char *plan)
{
	if (find_locked(name))
		return "ERR there is a tenant of that name";
	if (is_plan(name))
		return "ERR there is a plan of that name";
	return !strcmp(name, plan) || find_locked(plan) ? "ERR the plan has a tenant's name" : NULL;
}

static struct tenant *tenant_new(const char *name, const char *password, const char *plan)
{
	struct tenant *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	pthread_mutex_init(&t->lock, NULL);
	snprintf(t->name, sizeof(t->name), "%s", name);
	snprintf(t->password, sizeof(t->password), "%s", password);
	t->user = *password;
	t->refs = 1;
	t->cg = group_new(t, plan, &t->shrinker);
	if (t->cg)
		return t;
	pthread_mutex_destroy(&t->lock);
	free(t);
	return NULL;
}

/* The registry has the first reference, the caller gets one more. */
static struct tenant *create_locked(const char *name, const char *password, const char *plan)
{
	struct tenant *t = tenant_new(name, password, plan);

	if (!t)
		return NULL;
	TAILQ_INSERT_TAIL(&tenants, t, list);
	tenants_count++;
	return tenant_get(t);
}

struct tenant *tenant_create(const char *name, const char *password, const char *plan,
			     const char **why)
{
	struct tenant *t = NULL;

	pthread_mutex_lock(&lock);
	*why = taken(name, plan);
	if (!*why) {
		t = create_locked(name, password, plan);
		*why = "ERR no group can be made of that name";
	}
	pthread_mutex_unlock(&lock);
	return t;
}

/* As long whatever is in them: says nothing about how much of a password was right. */
static bool same(const char *a, const char *b)
{
	char different = 0;

	for (int i = 0; i < TENANT_NAME; i++)
		different |= a[i] ^ b[i];
	return !different;
}

struct tenant *tenant_login(const char *name, const char *password)
{
	char given[TENANT_NAME] = {0}, has[TENANT_NAME] = {0};
	struct tenant *t = tenant_find(name);

	snprintf(given, sizeof(given), "%s", password);
	if (t)
		memcpy(has, t->password, strlen(t->password));
	if (t && t->user && same(given, has))
		return t;
	tenant_put(t);
	return NULL;
}

struct tenant *tenant_database(long n)
{
	char name[TENANT_NAME];
	struct tenant *t;

	snprintf(name, sizeof(name), "db%ld", n);
	pthread_mutex_lock(&lock);
	t = tenant_get(find_locked(name));
	if (!t)
		t = create_locked(name, "", "");
	pthread_mutex_unlock(&lock);
	return t;
}

struct tenant *tenant_guest(void)
{
	return tenant_get(guest);
}

bool tenant_is_guest(const struct tenant *t)
{
	return t == guest;
}

int tenants_init(void)
{
	guest = tenant_new("guests", "", "");
	return guest ? memcg_set_limit(guest->cg, MEMCG_MAX, GUEST_MAX) : -ENOMEM;
}

/* Guests keep nothing, so nobody is asked to evict; the threads are asked all the same. */
void tenants_trim(void)
{
	memcg_reclaim(guest->cg, PAGE);
}

struct tenant **tenants_get(size_t *n)
{
	struct tenant **all, *t;

	*n = 0;
	pthread_mutex_lock(&lock);
	all = malloc((tenants_count + 1) * sizeof(*all)); /* NULL has one meaning */
	if (all) {
		TAILQ_FOREACH(t, &tenants, list)
		{
			all[(*n)++] = tenant_get(t);
		}
	}
	pthread_mutex_unlock(&lock);
	return all;
}

void tenants_put(struct tenant **all, size_t n)
{
	while (n)
		tenant_put(all[--n]);
	free(all);
}

/* ---- drop and move ---- */

static bool take_out(struct tenant *t)
{
	bool was;

	pthread_mutex_lock(&lock);
	was = !t->dropped;
	if (was) {
		TAILQ_REMOVE(&tenants, t, list);
		tenants_count--;
	}
	__atomic_store_n(&t->dropped, true, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&lock);
	return was;
}

const char *tenant_drop(struct tenant *t)
{
	struct store gone;

	if (!take_out(t))
		return "ERR the tenant was dropped";
	tenant_lock(t);
	store_take(&t->store, &gone);
	memcg_get(t->cg); /* for who looks at t->cg until the last tenant_put */
	tenant_unlock(t);
	/* Not under the lock: a call of it that is running may be waiting for that. */
	memcg_shrinker_unregister(t->shrinker);
	memcg_destroy(t->cg);
	chore_free(&gone);
	tenant_put(t);
	return NULL;
}

/* Limits go along. */
static void copy_limits(struct memcg *from, struct memcg *to)
{
	uint64_t bytes;

	for (unsigned which = MEMCG_MIN; which <= MEMCG_MAX; which++)
		if (!memcg_get_limit(from, which, &bytes))
			memcg_set_limit(to, which, bytes);
}

static const char *begin_move(struct tenant *t, const char *plan)
{
	struct memcg_shrinker *shrinker;
	struct memcg *to;

	if (tenant_is_dropped(t) || t->from)
		return t->from ? "ERR the tenant is being moved" : "ERR the tenant was dropped";
	if (find_locked(plan))
		return "ERR the plan has a tenant's name";
	to = group_new(t, plan, &shrinker);
	if (!to)
		return "ERR no group of that name can be made there";
	if (memcg_headroom(to) < memcg_current(t->cg)) {
		memcg_shrinker_unregister(shrinker);
		memcg_destroy(to);
		return "ERR there is no room for what the tenant has";
	}
	copy_limits(t->cg, to);
	t->from = t->cg;
	t->shrinker_from = t->shrinker;
	t->shrinker = shrinker;
	__atomic_store_n(&t->cg, to, __ATOMIC_RELEASE);
	return NULL;
}

const char *tenant_move(struct tenant *t, const char *plan)
{
	const char *why;

	pthread_mutex_lock(&lock); /* nobody takes the plan's name meanwhile */
	tenant_lock(t);
	why = begin_move(t, plan);
	tenant_unlock(t);
	pthread_mutex_unlock(&lock);
	if (!why)
		chore_move(t);
	return why;
}
