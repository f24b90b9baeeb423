/*
 * t_torture_limits.c - limits, protection, reclaim and handlers, all at once and changing: threads
 * fill caches, charge, enter and leave, set every limit to anything, register and unregister
 * shrinkers (from inside them, too), set OOM handlers, watch events and pressure, start and
 * stop the reclaimer, fork, make groups and destroy them.
 *
 * After every round, with all threads gone: nothing was ever below 0, the recount closes, the
 * root's usage is the sum of what its groups own, every sum of protection is that of the children,
 * no stall is left standing. At the end nothing is left: no group, dead handle, shrinker's node, or
 * descriptor.
 *
 * Usage: t_torture_limits [SECONDS [SEED]]; or MEMCG_TORTURE_SECONDS. The seed is printed.
 */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <memcg.h>

#include "ctl/recount.h"
#include "group/fail.h"
#include "group/group.h"
#include "reclaim/psi.h"
#include "reclaim/shrinker.h"
#include "sync/percpu.h"
#include "sys/clock.h"
#include "sys/futex.h"

#define THREADS	   6
#define GROUPS	   40
#define CACHES	   24
#define CACHE_SLOT 512
#define EXCHANGE   1024
#define TOP_MAX	   (24 * MIB)
#define ROUND_NS   1000000000ul

/* In a child of a fork sanitizers that keep locks of their own may hang: none is made there. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FORKS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FORKS 0
#endif
#endif
#ifndef FORKS
#define FORKS 1
#endif

static struct memcg *top; /* all groups are below it: it is the one that is always short */
static struct {
	pthread_mutex_t lock;
	struct memcg *cg; /* referenced by the table */
} groups[GROUPS];

/* A cache of the program's. Its lock is only tried inside callbacks. */
static struct cache {
	pthread_mutex_t lock;
	void *object[CACHE_SLOT];
	size_t size[CACHE_SLOT];
	unsigned nr;
	size_t bytes;
	pthread_mutex_t life; /* of the registration; never waited for in a callback */
	struct memcg_shrinker *shrinker;
	struct memcg *home; /* whom it was registered for, referenced: mostly filled there */
} caches[CACHES];

static void *exchange[EXCHANGE];
static u64 round_end;
static u64 did_scans, did_ooms, did_refused, did_forks, did_self;

static __thread u64 callback_seed;

static u64 rnd(u64 *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static __attribute__((noreturn)) void fail(const char *what)
{
	printf("not ok - %s\n", what);
	fflush(stdout);
	exit(1);
}

static void expect(bool ok, const char *what)
{
	if (!ok)
		fail(what);
}

static void count_did(u64 *what)
{
	atomic_add_relaxed(what, 1ul);
}

/* --- groups ------------------------------------------------------------------------ */

static struct memcg *random_group(u64 *s)
{
	unsigned i = rnd(s) % GROUPS;
	struct memcg *cg;

	pthread_mutex_lock(&groups[i].lock);
	cg = memcg_get(groups[i].cg ? groups[i].cg : top);
	pthread_mutex_unlock(&groups[i].lock);
	return cg;
}

/* Makes one or destroys one. In a callback the table's lock is only tried. */
static void group_flip(u64 *s, bool callback)
{
	struct memcg *parent = callback || rnd(s) % 2 ? memcg_get(top) : random_group(s);
	unsigned i = rnd(s) % GROUPS;
	char name[32];

	snprintf(name, sizeof(name), "g%lu", rnd(s) % 1000000007);
	if (callback ? pthread_mutex_trylock(&groups[i].lock)
		     : pthread_mutex_lock(&groups[i].lock)) {
		memcg_put(parent);
		return;
	}
	if (!groups[i].cg)
		groups[i].cg = memcg_create(parent, name);
	else if (memcg_destroy(groups[i].cg) == 0)
		groups[i].cg = NULL;
	pthread_mutex_unlock(&groups[i].lock);
	memcg_put(parent);
}

static u64 random_bytes(u64 *s)
{
	static const u64 odd[] = {0, 4096, MEMCG_UNLIMITED, MEMCG_UNLIMITED - 1, 65536, 1};
	u64 r = rnd(s);

	return r % 3 ? (r >> 8) % (8 * MIB) : odd[(r >> 8) % ARRAY_SIZE(odd)];
}

/* A high that is passed by far costs 2 s for each memcg_leave: it stands for an instant only. */
static void set_limits(u64 *s)
{
	static const unsigned which[] = {MEMCG_MIN, MEMCG_LOW, MEMCG_MAX, MEMCG_HIGH};
	struct memcg *cg = random_group(s);
	unsigned i = rnd(s) % 16;

	i = i < 4 ? i : i % 3;
	if (cg == top && which[i] == MEMCG_MAX)
		memcg_set_limit(cg, MEMCG_MAX, rnd(s) % 2 ? TOP_MAX : TOP_MAX / 2);
	else
		memcg_set_limit(cg, which[i], random_bytes(s));
	if (which[i] == MEMCG_HIGH || rnd(s) % 4 == 0)
		memcg_set_limit(cg, which[i], which[i] < MEMCG_HIGH ? 0 : MEMCG_UNLIMITED);
	memcg_put(cg);
}

/* --- caches -------------------------------------------------------------------------- */

static size_t cache_count(struct memcg *cg, void *arg)
{
	struct cache *c = arg;

	(void)cg;
	return atomic_load(&c->bytes);
}

static size_t cache_shed(struct cache *c, size_t bytes)
{
	size_t freed = 0;

	while (c->nr && freed < bytes) {
		size_t size = c->size[--c->nr];

		memcg_free(c->object[c->nr]);
		atomic_store(&c->bytes, c->bytes - size);
		freed += size;
	}
	return freed;
}

static void cache_register(struct cache *c, struct memcg *cg, u64 *s);

/* What a cache may also do when it is asked to shrink. */
static void meddle(struct cache *c, struct memcg *cg, u64 *s)
{
	switch (rnd(s) % 32) {
	case 0:
		group_flip(s, true);
		break;
	case 1: /* itself, and perhaps at once again */
		if (pthread_mutex_trylock(&c->life))
			break;
		memcg_shrinker_unregister(c->shrinker);
		c->shrinker = NULL;
		count_did(&did_self);
		if (rnd(s) % 2)
			cache_register(c, cg, s);
		pthread_mutex_unlock(&c->life);
		break;
	case 2:
		memcg_free(atomic_xchg(&exchange[rnd(s) % EXCHANGE],
				       memcg_malloc_in(cg, rnd(s) % 4000)));
		break;
	case 3:
		memcg_leave(memcg_enter(cg));
		memcg_reclaim(cg, MIB);
		break;
	default:
		break;
	}
}

static size_t cache_scan(struct memcg *cg, size_t bytes, uint64_t deadline_ns, void *arg)
{
	struct cache *c = arg;
	size_t freed;

	(void)deadline_ns;
	count_did(&did_scans);
	callback_seed |= 1 + (u64)(uintptr_t)&freed;
	meddle(c, cg, &callback_seed);
	if (pthread_mutex_trylock(&c->lock))
		return MEMCG_SHRINK_STOP;
	freed = cache_shed(c, bytes);
	pthread_mutex_unlock(&c->lock);
	return rnd(&callback_seed) % 64 ? freed : 2 * freed; /* who counts exactly? */
}

static void cache_register(struct cache *c, struct memcg *cg, u64 *s)
{
	struct memcg_shrinker_config config = MEMCG_SHRINKER_CONFIG_INIT;

	config.name = "torture";
	config.count = cache_count;
	config.scan = cache_scan;
	config.arg = c;
	config.priority = rnd(s) % 16 ? 0 : 12;
	config.flags = rnd(s) % 3 ? MEMCG_SHRINK_INLINE : 0;
	config.deadline_ms = 100000; /* lines about busy machines say nothing here */
	c->shrinker = memcg_shrinker_register(cg, &config);
	memcg_put(c->home);
	c->home = memcg_get(cg);
}

static void cache_flip(u64 *s)
{
	struct cache *c = &caches[rnd(s) % CACHES];
	struct memcg *cg = random_group(s);

	pthread_mutex_lock(&c->life);
	if (!c->shrinker)
		cache_register(c, cg, s);
	else if (rnd(s) % 4 == 0) {
		memcg_shrinker_unregister(c->shrinker);
		c->shrinker = NULL;
	}
	pthread_mutex_unlock(&c->life);
	memcg_put(cg);
}

static struct memcg *cache_home(struct cache *c, u64 *s)
{
	struct memcg *cg;

	pthread_mutex_lock(&c->life);
	cg = c->home && rnd(s) % 16 ? memcg_get(c->home) : memcg_get(NULL);
	pthread_mutex_unlock(&c->life);
	return cg;
}

/* Takes what a cache takes without holding its lock: shrinkers of others may try it meanwhile. */
static void cache_fill(u64 *s)
{
	struct cache *c = &caches[rnd(s) % CACHES];
	struct memcg *home = cache_home(c, s), *previous = memcg_enter(home);
	unsigned i, n = 1 + rnd(s) % 64;

	memcg_put(home);
	for (i = 0; i < n; i++) {
		size_t size = rnd(s) % 8 ? 100 + rnd(s) % 3000 : 4000 + rnd(s) % 100000;
		void *p = memcg_malloc(size);

		if (!p) {
			count_did(&did_refused);
			continue;
		}
		pthread_mutex_lock(&c->lock);
		if (c->nr < CACHE_SLOT) {
			c->object[c->nr] = p;
			c->size[c->nr++] = size;
			atomic_store(&c->bytes, c->bytes + size);
			p = NULL;
		}
		pthread_mutex_unlock(&c->lock);
		memcg_free(p);
	}
	memcg_leave(previous);
}

/* --- handlers -------------------------------------------------------------------------- */

static unsigned out_of_memory(struct memcg *limited, uint64_t wanted, void *arg)
{
	unsigned i, says = (unsigned)(uintptr_t)arg;

	(void)wanted;
	count_did(&did_ooms);
	expect(limited && memcg__self->reclaiming && !memcg__self->busy, "a handler's place");
	callback_seed |= 1 + (u64)(uintptr_t)&i;
	for (i = 0; i < 16; i++)
		memcg_free(atomic_xchg(&exchange[rnd(&callback_seed) % EXCHANGE], NULL));
	if (rnd(&callback_seed) % 8 == 0)
		group_flip(&callback_seed, true);
	return says;
}

static void handler_flip(u64 *s)
{
	struct memcg_oom_config c = MEMCG_OOM_CONFIG_INIT;
	struct memcg *cg = random_group(s);

	c.oom = out_of_memory;
	c.arg = (void *)(uintptr_t)(rnd(s) % 3);
	c.flags = rnd(s) % 2 ? MEMCG_OOM_INLINE : 0;
	memcg_set_oom_handler(cg, rnd(s) % 3 ? &c : NULL);
	if (rnd(s) % 4 == 0)
		memcg_write(cg, "memory.oom.group", rnd(s) % 2 ? "1" : "0", 1);
	memcg_put(cg);
}

static void reclaimer_flip(u64 *s)
{
	if (rnd(s) % 2)
		memcg_reclaimer_start();
	else
		memcg_reclaimer_stop();
}

/* --- onlookers ------------------------------------------------------------------------- */

static void watch(u64 *s)
{
	static const char trigger[] = "some 1000 500000";
	struct memcg_events ev = {.rose = 0};
	struct memcg *cg = random_group(s);
	struct memcg_ctl *ctl = memcg_ctl_open(cg, "memory.pressure");
	struct memcg_ctl *events = memcg_ctl_open(cg, "memory.events");
	int fd = memcg_eventfd(cg, MEMCG_EVENT_MAX | MEMCG_EVENT_OOM);
	char buf[1024];

	if (ctl) {
		memcg_ctl_write(ctl, trigger, sizeof(trigger) - 1);
		memcg_ctl_read(ctl, buf, sizeof(buf));
	}
	if (events && memcg_ctl_fd(events) >= 0)
		memcg_ctl_read(events, buf, sizeof(buf));
	memcg_event_read(cg, &ev, sizeof(ev));
	memcg_throttle();
	memcg_ctl_close(events);
	memcg_ctl_close(ctl);
	if (fd >= 0)
		expect(memcg_eventfd_close(fd) == 0, "an eventfd that was open");
	memcg_put(cg);
}

/* The child is alone with what it inherits: it must get on, reclaim included, and end. */
static void fork_once(u64 *s)
{
	struct memcg *cg;
	int status = 0;
	pid_t pid;

	if (!FORKS || rnd(s) % 16)
		return;
	pid = fork();
	if (pid) {
		waitpid(pid, &status, 0);
		expect(pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0,
		       "the child of a fork");
		count_did(&did_forks);
		return;
	}
	alarm(100);
	cg = memcg_create(top, "child");
	memcg_leave(memcg_enter(cg));
	memcg_free(memcg_malloc_in(cg, 1000));
	memcg_reclaim(top, MIB);
	memcg_set_oom_handler(cg, NULL);
	memcg_reclaimer_stop();
	memcg_destroy(cg);
	_exit(0);
}

/* --- charges ------------------------------------------------------------------------------ */

static void charges(u64 *s)
{
	static const unsigned flags[] = {MEMCG_NOWAIT, MEMCG_NOFAIL, MEMCG_RESERVE, 0};
	struct memcg *cg = random_group(s);
	struct memcg_charge *c = memcg_charge(cg, rnd(s) % MIB);
	void *p = memcg_alloc(cg, 1 + rnd(s) % 20000, 0, flags[rnd(s) % 4]);
	struct memcg_page *pg = memcg_pages_alloc(rnd(s) % 3, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT);
	struct memcg *to = random_group(s);

	if (p)
		memcg_recharge(p, to);
	memcg_free(atomic_xchg(&exchange[rnd(s) % EXCHANGE], p));
	memcg_page_put(pg);
	memcg_uncharge(c);
	memcg_put(to);
	memcg_put(cg);
}

static void reclaim_some(u64 *s)
{
	struct memcg *cg = random_group(s);

	memcg_reclaim(cg, random_bytes(s));
	memcg_put(cg);
}

static void refuse_some(u64 *s)
{
	struct memcg *cg = random_group(s);
	const char *rule = rnd(s) % 2 ? "every=7" : "0";

	memcg_write(cg, "memory.fail", rule, strlen(rule));
	memcg_put(cg);
}

/* Ends in a group that it never leaves, with whatever it owes. */
static void *short_life(void *arg)
{
	u64 seed = (u64)(uintptr_t)arg | 1;
	struct memcg *cg = random_group(&seed);

	memcg_put(memcg_enter(cg));
	memcg_put(cg);
	cache_fill(&seed);
	charges(&seed);
	return NULL;
}

static void thread_once(u64 *s)
{
	pthread_t thread;

	if (!pthread_create(&thread, NULL, short_life, (void *)(uintptr_t)rnd(s)))
		pthread_join(thread, NULL);
}

static void visit(u64 *s)
{
	switch (rnd(s) % 24) {
	case 0:
		set_limits(s);
		break;
	case 1:
		cache_flip(s);
		break;
	case 2:
		handler_flip(s);
		break;
	case 3:
		watch(s);
		break;
	case 4:
		reclaim_some(s);
		break;
	case 5:
		reclaimer_flip(s);
		break;
	case 6:
		fork_once(s);
		break;
	case 7:
		refuse_some(s);
		break;
	case 8:
		thread_once(s);
		break;
	case 9:
	case 10:
	case 11:
		charges(s);
		break;
	default:
		cache_fill(s);
	}
}

static void *worker(void *arg)
{
	u64 seed = *(u64 *)arg;

	do {
		struct memcg *cg, *previous;

		group_flip(&seed, false);
		cg = random_group(&seed);
		previous = memcg_enter(cg);
		memcg_put(cg);
		visit(&seed);
		memcg_leave(previous);
	} while (sys_clock_ns() < round_end);
	return NULL;
}

/* --- what must be true ------------------------------------------------------------------ */

static void say(void *arg, const char *line)
{
	(void)arg;
	printf("# %s\n", line);
}

static u64 claim_of(u64 usage, u64 setting)
{
	return MIN(usage, setting);
}

/* Sums of protection, level by level. */
static void check_claims(struct memcg *cg)
{
	u64 min = 0, low = 0;
	struct list *l;

	list_for_each(l, &cg->children)
	{
		struct counter *c = &list_entry(l, struct memcg, sibling)->counter;

		expect(c->min_usage == claim_of(c->usage, c->min), "a claim of min");
		expect(c->low_usage == claim_of(c->usage, c->low), "a claim of low");
		min += c->min_usage;
		low += c->low_usage;
	}
	expect(cg->counter.children_min == min, "the sum of the children's min");
	expect(cg->counter.children_low == low, "the sum of the children's low");
}

/* A stall that is left standing makes the total grow. */
static void check_no_stall(struct memcg *cg)
{
	struct psi_pressure before, after;

	psi_show(cg, &before);
	sys_sleep_ns(2000000);
	psi_show(cg, &after);
	expect(before.some.total_us == after.some.total_us, "no thread is left, but its stall is");
}

static void check_tree(void)
{
	struct memcg *cg = NULL;
	u64 own = 0;

	while ((cg = memcg_next(NULL, cg))) {
		expect((s64)cg->counter.own >= 0, "bytes of a group itself below 0");
		own += cg->counter.own;
		check_claims(cg);
	}
	expect(own == root_group->counter.usage, "the root's usage is what its groups own");
}

static void check(unsigned round)
{
	struct recount_result r;

	memcg_reclaimer_stop();
	rcu_poll(true); /* groups that end let go of handles, which let go of theirs */
	check_no_stall(root_group);
	check_tree();
	expect(counter_underflows == 0, "a counter was below 0");
	expect(recount(&r, say, NULL) == 0, "no recount");
	printf("# round %u: owned %lu groups %lu differences %lu | scans %lu ooms %lu refused %lu "
	       "forks %lu, unregistered inside %lu\n",
	       round, r.owned, r.groups, r.differences, did_scans, did_ooms, did_refused, did_forks,
	       did_self);
	expect(!r.differences, "the recount does not close");
}

/* --- rounds --------------------------------------------------------------------------------- */

static void run_round(u64 *seed, unsigned round)
{
	pthread_t thread[THREADS];
	u64 seeds[THREADS];
	unsigned i;

	round_end = sys_clock_ns() + ROUND_NS;
	for (i = 0; i < THREADS; i++) {
		seeds[i] = rnd(seed) | 1;
		expect(!pthread_create(&thread[i], NULL, worker, &seeds[i]), "no thread");
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	check(round);
}

static void caches_end(void)
{
	unsigned i;

	for (i = 0; i < CACHES; i++) {
		memcg_shrinker_unregister(caches[i].shrinker);
		memcg_put(caches[i].home);
		cache_shed(&caches[i], SIZE_MAX);
	}
	for (i = 0; i < EXCHANGE; i++)
		memcg_free(atomic_xchg(&exchange[i], NULL));
}

static void groups_end(void)
{
	unsigned i, left = 1;

	while (left)
		for (i = 0, left = 0; i < GROUPS; i++)
			if (groups[i].cg && memcg_destroy(groups[i].cg) == 0)
				groups[i].cg = NULL;
			else if (groups[i].cg)
				left++;
	expect(memcg_destroy(top) == 0, "something is left below");
}

static unsigned open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

/* Each level of the dead needs grace periods of its own. */
static void end(void)
{
	unsigned i;

	caches_end();
	groups_end();
	for (i = 0; i < 4 * GROUPS && rcu_pending(); i++) {
		memcg_reclaim(NULL, MEMCG_UNLIMITED);
		rcu_poll(true);
	}
	check(0);
	expect(!root_group->descendants && list_empty(&root_group->children), "a group is left");
	expect(!root_group->shrinkers, "a shrinker's node is left");
	expect(!group_dying(root_group), "a dead handle is still held");
	expect(!fail_rules, "a rule of memory.fail is left");
}

int main(int argc, char **argv)
{
	const char *env = getenv("MEMCG_TORTURE_SECONDS");
	double seconds = argc > 1 ? atof(argv[1]) : env ? atof(env) : 5;
	u64 seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (u64)time(NULL) * 2654435761u | 1;
	time_t until = time(NULL) + (time_t)seconds;
	unsigned i, round = 0, files;

	top = memcg_create(NULL, "top");
	printf("# seed %lu, %g s, per-CPU back end %s\n", seed, seconds,
	       pcpu_backend == PCPU_RSEQ ? "rseq" : "portable");
	memcg_set_limit(top, MEMCG_MAX, TOP_MAX);
	files = open_files();
	for (i = 0; i < GROUPS; i++)
		pthread_mutex_init(&groups[i].lock, NULL);
	for (i = 0; i < CACHES; i++) {
		pthread_mutex_init(&caches[i].lock, NULL);
		pthread_mutex_init(&caches[i].life, NULL);
	}
	do {
		run_round(&seed, ++round);
	} while (time(NULL) < until);
	end();
	expect(open_files() == files, "a descriptor is left");
	expect(did_scans && did_ooms && did_refused, "nothing was short");
	printf("1..1\nok 1 - %u rounds, everything held\n", round);
	return 0;
}
