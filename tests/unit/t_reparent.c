/*
 * t_reparent.c - destroying a group: what it touches, and what happens to whoever was in the middle
 * of something. The races are brought about by hand, in debug builds: a hook point holds one
 * thread between two steps while another does what must not come between.
 */
#include "alloc_fixture.h"

#include <sched.h>
#include <sys/mman.h>

#include <memcg.h>
#include <memcg/page.h>

#include "group/tally.h"

static struct memcg *top, *going;
static struct handle *h; /* going's */

static void settle(void)
{
	stock_drain(NULL);
	while (rcu_pending())
		rcu_poll(true);
}

/* "a" is the active group, and has nothing to do with it. */
static void make_family(void)
{
	set_up();
	CHECK((top = memcg_create(NULL, "top")) && (going = memcg_create(top, "going")));
	h = going->handle;
}

/* ---- what it costs ---- */

#define INHERITED 20000u

/* Pages that lie in [from, to) whole. */
static void protect(void *from, void *to, int how)
{
	char *first = (char *)ALIGN_UP((uintptr_t)from, PAGE_SIZE);
	char *end = (char *)((uintptr_t)to & ~(PAGE_SIZE - 1));

	CHECK(end > first && !mprotect(first, (size_t)(end - first), how));
}

/*
 * Whatever is left and was inherited, none of it is looked at: neither the handles, nor the
 * objects, nor (what names their owner) the descriptors of their pages. A visit would be a fault.
 */
static void nothing_is_visited(void)
{
	static void *object[INHERITED];
	struct page *first, *last;
	u32 from = 0, to = 0;
	char *large;

	make_family();
	CHECK((large = memcg_malloc_in(going, 32 * MIB))); /* a range of pages to itself */
	memset(large, 1, 32 * MIB);
	for (unsigned i = 0; i < INHERITED; i++) {
		struct memcg *child = memcg_create(going, "child");

		CHECK(child && (object[i] = memcg_malloc_in(child, 16)));
		if (!i)
			from = child->handle->index;
		to = child->handle->index;
		CHECK(!memcg_destroy(child));
	}
	settle();
	CHECK(to - from >= INHERITED - 1 && group_dying(top) == INHERITED);
	first = page_at(page_index(large)) + 1;
	last = first + 32 * MIB / PAGE_SIZE - 1;
	protect(handle_of(from), handle_of(to), PROT_NONE);
	protect(first, last, PROT_NONE);
	protect(large, large + 32 * MIB, PROT_NONE);
	CHECK(!memcg_destroy(going));
	protect(handle_of(from), handle_of(to), PROT_READ | PROT_WRITE);
	protect(first, last, PROT_READ | PROT_WRITE);
	protect(large, large + 32 * MIB, PROT_READ | PROT_WRITE);
	CHECK(group_dying(top) == INHERITED + 1);
	CHECK(memcg_owner_id(large) == memcg_id(top) && memcg_owner_id(object[7]) == memcg_id(top));
	closes();
	memcg_free(large);
	for (unsigned i = 0; i < INHERITED; i++)
		memcg_free(object[i]);
	settle();
	CHECK(!group_dying(top) && !held(top));
	closes();
}

/* One word of one handle: every other entry of the table is what it was, but for its heir's pin. */
static void one_word_is_written(void)
{
	static struct handle was[2000];
	u32 n, differ = 0;

	make_family();
	for (unsigned i = 0; i < 1000; i++) {
		struct memcg *child = memcg_create(going, "child");

		CHECK(child && memcg_malloc_in(child, 16) && !memcg_destroy(child));
	}
	settle();
	n = handle_count();
	CHECK(n <= ARRAY_SIZE(was));
	memcpy(was, handle_table, n * sizeof(*was));
	memcg_get(going);
	CHECK(!memcg_destroy(going));
	for (u32 i = HANDLE_ROOT; i < n; i++) {
		differ += memcmp(&was[i], handle_of(i), sizeof(*was)) != 0;
		CHECK(handle_of(i) == h || was[i].word == handle_of(i)->word);
	}
	CHECK(differ == 2 && h->refs == was[h->index].refs);
	CHECK(h->word == ((u64)top->handle | HANDLE_REDIRECT));
	CHECK(top->handle->refs == was[top->handle->index].refs + HANDLE_PIN);
	memcg_put(going);
}

/* ---- groups that come, leave one object, and go ---- */

static u64 resident(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	CHECK(f && fscanf(f, "%*u %lu", &pages) == 1);
	fclose(f);
	return pages * PAGE_SIZE;
}

#define KEPT   512u  /* bytes of the object that stays */
#define BEYOND 128ul /* beyond its slot: handle, group, entry */

/* Enough of one size for slabs of the group's own; all but the last are freed again. */
static void *leave_one_of_own(struct memcg *g)
{
	void *p[500];
	unsigned n = 0;

	memcg_leave(memcg_get(g));
	do {
		CHECK(n < ARRAY_SIZE(p) && (p[n] = memcg_malloc(KEPT)));
		memset(p[n], 1, KEPT);
	} while (!is_own(p[n++]));
	for (unsigned i = 0; i < n - 1; i++)
		memcg_free(p[i]);
	memcg_leave(memcg_get(other));
	return p[n - 1];
}

static void *leave_one_shared(struct memcg *g)
{
	void *p = memcg_malloc_in(g, KEPT);

	return p ? memset(p, 1, KEPT) : NULL;
}

static bool first_rounds(unsigned i, unsigned rounds)
{
	return i < rounds / 40; /* a slab of the group's own has some thirty slots */
}

static bool in_turn(unsigned i, unsigned rounds)
{
	(void)rounds;
	return i % 64 == 0;
}

static bool never(unsigned i, unsigned rounds)
{
	return i > rounds;
}

/*
 * Of handle, group and entries no more than that is left, and the slabs are no more than the
 * slots that are used in them: what had been a group's own is shared once that is gone, and filled
 * by the next groups.
 */
static void leave_many(bool (*own)(unsigned i, unsigned rounds))
{
	unsigned rounds = effort(100000);
	u64 before, structs, grown;
	struct memcg *g;
	void *p;

	set_up();
	memcg_leave(memcg_get(other));
	before = resident();
	structs = meta_bytes + handle_count() * sizeof(struct handle);
	for (unsigned i = 0; i < rounds; i++) {
		CHECK((g = memcg_create(cg, "round")));
		CHECK((p = own(i, rounds) ? leave_one_of_own(g) : leave_one_shared(g)));
		CHECK(!memcg_destroy(g));
		if (i % 1000 == 7)
			CHECK(memcg_owner_id(p) == memcg_id(cg));
	}
	grown = resident() - before;
	structs = meta_bytes + handle_count() * sizeof(struct handle) - structs;
	fprintf(stderr, "# %.1f bytes a round beyond the slot, of them structs %.1f\n",
		(double)grown / rounds - KEPT, (double)structs / rounds);
	CHECK(structs <= rounds * BEYOND + 4 * MIB); /* groups that wait for their grace period */
#ifndef SANITIZED
	CHECK(grown <= rounds * (KEPT + BEYOND) + 8 * MIB);
#endif
	closes();
	CHECK(group_dying(cg) == rounds);
}

static void own_slabs_first(void)
{
	leave_many(first_rounds);
}

static void own_slabs_in_turn(void)
{
	leave_many(in_turn);
}

static void shared_slabs_alone(void)
{
	leave_many(never);
}

/* ---- by hand, between two steps ---- */
#ifdef MEMCG_DEBUG

static void in_another_thread(void *(*run)(void *), void *arg)
{
	pthread_t thread;

	CHECK(!pthread_create(&thread, NULL, run, arg) && !pthread_join(thread, NULL));
}

static void *destroy_it(void *arg)
{
	CHECK(!memcg_destroy(going));
	return arg;
}

static void (**at)(void);

static void destroy_between(void)
{
	*at = NULL;
	in_another_thread(destroy_it, NULL);
}

static void destroy_at(void (**hook)(void))
{
	at = hook;
	*at = destroy_between;
}

/* A charge has found its group; then that is gone; then it counts. */
static void between_look_and_count(void)
{
	make_family();
	memcg_get(going);
	destroy_at(&hook_charge_found);
	CHECK(charge_bytes(h->index, 5000, 0) && !hook_charge_found);
	CHECK(handle_bytes(h) == 5000);
	CHECK(memcg_current(top) == 5000 && group_local_bytes(going) == 0);
	uncharge_bytes(h->index, 5000);
	memcg_put(going);
	CHECK(!held(top));
	closes();
}

static void between_look_and_force(void)
{
	make_family();
	memcg_get(going);
	destroy_at(&hook_charge_found);
	charge_force(h->index, 5000);
	CHECK(!hook_charge_found && memcg_current(top) == 5000 && group_local_bytes(going) == 0);
	uncharge_bytes(h->index, 5000);
	memcg_put(going);
	CHECK(!held(top) && !group_local_bytes(top));
	closes();
}

static void between_look_and_fold(void)
{
	make_family();
	memcg_get(going);
	CHECK(charge_bytes(h->index, 7000, 0));
	destroy_at(&hook_fold_found);
	uncharge_bytes(h->index, 5000);
	CHECK(!hook_fold_found && memcg_current(top) == 2000);
	CHECK(group_local_bytes(going) == 0 && group_local_bytes(top) == 2000);
	uncharge_bytes(h->index, 2000);
	memcg_put(going);
	CHECK(!held(top) && !group_local_bytes(top));
	closes();
}

/* A batch was charged for a group that is gone when it comes to be parked. */
static void between_batch_and_stock(void)
{
	void *p;

	make_family();
	destroy_at(&hook_batch_charged);
	CHECK((p = memcg_malloc_in(going, 100)) && !hook_batch_charged);
	CHECK(!stock_of(h->index) && !memcg_slack(top));
	CHECK(handle_bytes(h) == memcg_current(top) && memcg_current(top) < PAGE_SIZE);
	CHECK(memcg_owner_id(p) == memcg_id(top));
	closes();
	memcg_free(p);
	CHECK(!h->refs && !group_dying(top) && !held(top));
	closes();
}

/* The group lived when that was asked, and is gone when the word is written. */
static void between_look_and_stock(void)
{
	void *p;

	make_family();
	destroy_at(&hook_stock_putting);
	CHECK((p = memcg_malloc_in(going, 100)) && !hook_stock_putting);
	CHECK(!stock_of(h->index) && !memcg_slack(top));
	CHECK(handle_bytes(h) == memcg_current(top));
	memcg_free(p);
	CHECK(!h->refs && !group_dying(top) && !held(top));
	closes();
}

/* ---- the steps of destroy itself ---- */

static void *use_it(void *arg)
{
	void *p;

	/* By the handle, as a thread does that is in the group. */
	CHECK(charge_bytes(h->index, 3000, 0));
	CHECK(charge(h->index, 500));
	uncharge_bytes(h->index, 1000);
	CHECK((p = memcg_malloc_in(going, 200)));
	memcg_free(p);
	stat_add(h->index, STAT_LARGE, 4096);
	tally_add(TALLY_EXTERNAL, h->index, 4096);
	tally_sub(TALLY_EXTERNAL, h->index, 4096);
	stat_add(h->index, STAT_LARGE, -4096);
	return arg;
}

static void use_it_meanwhile(void)
{
	*at = NULL;
	in_another_thread(use_it, NULL);
}

static void used_at(void (**hook)(void))
{
	make_family();
	memcg_get(going);
	CHECK(charge_bytes(h->index, 10000, 0));
	at = hook;
	*at = use_it_meanwhile;
	CHECK(!memcg_destroy(going) && !*at);
	CHECK(!stock_of(h->index) && handle_bytes(h) == 12500);
	CHECK(held(top) == 12500 && group_local_bytes(top) == 12500);
	CHECK(group_local_bytes(going) == 0);
	uncharge_bytes(h->index, 12500);
	memcg_put(going);
	CHECK(!h->refs && !held(top) && !group_local_bytes(top) && !group_dying(top));
	closes();
}

/* The word leads on, and what the group owned is still with it. */
static void used_when_redirected(void)
{
	used_at(&hook_group_redirected);
}

/* Offline, and CPUs still hold its stock. */
static void used_when_offline(void)
{
	used_at(&hook_group_offline);
}

/* Its words stand on both CPUs, where there are two, and one is given back to meanwhile. */
static void *park(void *arg)
{
	CHECK(charge(h->index, 100));
	uncharge(h->index, 100);
	return arg;
}

static void stock_arrives_when_offline(void)
{
	make_family();
	in_another_thread(park, NULL);
	CHECK(charge(h->index, 100));
	at = &hook_group_offline;
	hook_group_offline = use_it_meanwhile;
	memcg_get(going);
	CHECK(!memcg_destroy(going));
	CHECK(!stock_of(h->index) && handle_bytes(h) == 2600);
	uncharge(h->index, 2600);
	memcg_put(going);
	CHECK(!h->refs && !held(top));
	closes();
}
#endif

/* ---- late statistics ---- */

static u64 external(struct memcg *g)
{
	struct memcg_stat s;

	CHECK(!memcg_stat(g, &s, sizeof(s)) && s.external + s.large + s.stock <= s.current);
	return s.external + s.large;
}

/* What comes after the destroy is counted for who lives; parent and all above are exact. */
static void late_updates(void)
{
	struct memcg_charge *c[2];
	struct memcg *low;
	void *p[2];
	u64 each;

	make_family();
	CHECK((low = memcg_create(going, "low")));
	for (unsigned i = 0; i < 2; i++)
		CHECK((p[i] = memcg_malloc_in(low, 100000)) && (c[i] = memcg_charge(low, 300)));
	each = external(low) / 2;
	CHECK(external(going) == 2 * each && external(memcg_root()) == 2 * each);
	CHECK(!memcg_destroy(low));
	memcg_free(p[0]);
	memcg_uncharge(c[0]);
	CHECK(external(going) == each && external(top) == each && external(memcg_root()) == each);
	CHECK(!memcg_destroy(going));
	CHECK(external(top) == each);
	closes();
	memcg_free(p[1]);
	memcg_uncharge(c[1]);
	CHECK(!external(top) && !external(memcg_root()));
	settle();
	CHECK(!group_dying(top));
	closes();
}

#ifdef MEMCG_DEBUG
/* ---- a put that a stopped CPU finds under way (portable back end) ---- */

static struct memcg *rival;   /* its words have going's places */
static struct pcpu_area *was; /* of the CPU that holds them; another does the destroying */

static bool on_cpu(unsigned cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return !sched_setaffinity(0, sizeof(one), &one);
}

/* As somebody who looked at `stopped` before it was set, and comes to his exchange now. */
static void start_once(void)
{
	*at = NULL;
	was->stopped = 0;
	CHECK(on_cpu(0));
}

static void stop_again(void)
{
	CHECK(on_cpu(1));
	was->stopped = 1;
}

/* Both CPUs' places are empty: it is written on the second, and found there. */
static void moves_on(void)
{
	*at = NULL;
	CHECK(on_cpu(1));
}

static void moved_with_stock(void)
{
	make_family();
	if (pcpu_count < 2 || !on_cpu(1) || !on_cpu(0))
		return;
	CHECK(charge_bytes(h->index, 12000, 0));
	at = &hook_stock_putting;
	*at = moves_on;
	stock_put(STOCK_OBJECTS, h->index, 12000, true);
	CHECK(!*at && memcg_slack(going) == 12000);
	CHECK(stock_drain(NULL) >= 12000 && !handle_bytes(h) && !memcg_current(going));
	closes();
}

static void moved_with_tally(void)
{
	make_family();
	if (pcpu_count < 2 || !on_cpu(1) || !on_cpu(0))
		return;
	CHECK(charge_bytes(h->index, 8192, 0));
	at = &hook_tally_adding;
	*at = moves_on;
	tally_add(TALLY_EXTERNAL, h->index, 8192);
	CHECK(!*at && tally_sum(TALLY_EXTERNAL, NULL) == 8192 &&
	      tally_sum(TALLY_EXTERNAL, h) == 8192);
	tally_sub(TALLY_EXTERNAL, h->index, 8192);
	uncharge_bytes(h->index, 8192);
	closes();
}

static void put_in_between(void)
{
	start_once();
	CHECK(charge_bytes(rival->handle->index, 12000, 0));
	stock_put(STOCK_OBJECTS, rival->handle->index, 12000, true);
	stop_again();
}

static void tally_in_between(void)
{
	start_once();
	CHECK(charge_bytes(rival->handle->index, 8192, 0));
	tally_add(TALLY_EXTERNAL, rival->handle->index, 8192);
	stop_again();
}

/* False: this machine has one CPU. going and rival share the places of their words on the first. */
static bool make_rivals(void)
{
	make_family();
	if (pcpu_count < 2 || !on_cpu(1) || !on_cpu(0))
		return false;
	for (unsigned i = 0; i < STOCK_SLOTS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "rival%u", i);
		CHECK((rival = memcg_create(NULL, name)));
	}
	return (rival->handle->index - h->index) % STOCK_SLOTS == 0;
}

static void rival_in_stock(void)
{
	if (!make_rivals())
		return;
	CHECK(charge(h->index, 100)); /* and a batch, which waits on this CPU */
	memcg_get(going);
	at = &hook_stock_leaving;
	*at = put_in_between;
	was = memcg__stock;
	CHECK(on_cpu(1) && !memcg_destroy(going) && !*at);
	CHECK(handle_bytes(h) == 100 && memcg_current(top) == 100);
	CHECK(handle_bytes(rival->handle) == memcg_current(rival));
	CHECK(!memcg_current(rival) && !counter_underflows);
	uncharge(h->index, 100);
	memcg_put(going);
	closes();
}

static void rival_in_tally(void)
{
	struct memcg_charge *c;

	if (!make_rivals())
		return;
	CHECK((c = memcg_charge(going, 100)));
	memcg_get(going);
	was = tally_areas;
	at = &hook_tally_ending;
	*at = tally_in_between;
	CHECK(on_cpu(1) && tally_end(h->index) && !*at);
	CHECK(external(going) == 100 && external(rival) == 8192);
	tally_sub(TALLY_EXTERNAL, rival->handle->index, 8192);
	uncharge_bytes(rival->handle->index, 8192);
	memcg_uncharge(c);
	CHECK(!external(going) && !external(rival));
	memcg_put(going);
	closes();
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(nothing_is_visited),	   PAGE_TEST(one_word_is_written),
		PAGE_TEST(own_slabs_first),	   PAGE_TEST(own_slabs_in_turn),
		PAGE_TEST(shared_slabs_alone),	   PAGE_TEST(late_updates),
#ifdef MEMCG_DEBUG
		PAGE_TEST(between_look_and_count), PAGE_TEST(between_look_and_force),
		PAGE_TEST(between_look_and_fold),  PAGE_TEST(between_batch_and_stock),
		PAGE_TEST(between_look_and_stock), PAGE_TEST(used_when_redirected),
		PAGE_TEST(used_when_offline),	   PAGE_TEST(stock_arrives_when_offline),
		PAGE_TEST(rival_in_stock),	   PAGE_TEST(rival_in_tally),
		PAGE_TEST(moved_with_stock),	   PAGE_TEST(moved_with_tally),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
