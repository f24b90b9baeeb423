/* t_psi.c - pressure: stalls of threads, groups above them, triggers. The arithmetic is in
 * t_psi_time.c. */
#include "alloc_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "reclaim/psi.h"
#include "reclaim/psi_time.h"
#include "sys/file.h"
#include "group/record.h"

#define SECOND 1000000000ul
#define MS     1000000ul
#define LONG   (150 * SECOND) /* a condition that does not come true in that time never does */

/* ---- stalls ---- */

static struct psi_numbers numbers(struct memcg *g, bool full)
{
	struct psi_pressure p;

	psi_show(g, &p);
	return full ? p.full : p.some;
}

static u64 some(struct memcg *g)
{
	return numbers(g, false).total_us;
}

static u64 full(struct memcg *g)
{
	return numbers(g, true).total_us;
}

static u64 told(int fd)
{
	u64 n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void pass_at_least(u64 ns)
{
	u64 end = sys_clock_ns() + ns;

	while (sys_clock_ns() < end)
		sys_sleep_ns(ns);
}

/* This thread is all there is in the group, so that full goes on as long as some does. */
static void full_is_never_more_than_some(void)
{
	struct psi_stall s;
	char text[256];

	set_up();
	psi_begin(&s, cg);
	for (unsigned i = 0; i < 1000; i++) {
		unsigned long some_us, full_us;
		const char *second;

		CHECK(memcg_read(cg, "memory.pressure", text, sizeof(text)) > 0);
		second = strchr(text, '\n');
		CHECK(second && sscanf(strstr(text, "total="), "total=%lu", &some_us) == 1);
		CHECK(sscanf(strstr(second, "total="), "total=%lu", &full_us) == 1);
		CHECK(full_us <= some_us);
	}
	psi_end(&s);
}

static void a_stall_is_counted_upwards(void)
{
	struct memcg *low = (set_up(), memcg_create(cg, "low"));
	struct memcg *beside = memcg_create(cg, "beside");
	struct psi_stall s;
	u64 last;

	CHECK(low && beside);
	CHECK(!some(low) && !some(cg) && !some(root_group) &&
	      !group_record(low)->psi); /* costs nothing */
	memcg_leave(memcg_get(low));
	psi_begin(&s, NULL);
	CHECK(s.cg == low);
	pass_at_least(20 * MS);
	last = some(low);
	CHECK(last >= 20000 && full(low) >= 20000); /* while it goes on */
	pass_at_least(20 * MS);
	CHECK(some(low) >= last + 20000);
	psi_end(&s);
	last = some(low);
	CHECK(last >= 40000 && some(cg) >= last && some(root_group) >= some(cg));
	CHECK(!some(beside) && !some(other) && !group_record(beside)->psi);
	pass_at_least(5 * MS);
	CHECK(some(low) == last && full(low) == last); /* this thread alone is in there */
	psi_begin(&s, other);
	pass_at_least(MS);
	psi_end(&s);
	CHECK(some(other) >= 1000 && some(low) == last);
}

static void stalls_nest(void)
{
	struct psi_stall outer, inner, same;

	set_up();
	psi_begin(&outer, cg);
	psi_begin(&inner, other);
	psi_begin(&same, cg);
	psi_end(&same);
	psi_end(&inner);
	pass_at_least(10 * MS);
	CHECK(some(cg) >= 10000 && full(cg) >= 10000 && some(other) < some(cg));
	memcg_leave(NULL); /* the group it began in is the one it ends in */
	psi_end(&outer);
	CHECK(!memcg__self->stalls);
	psi_end(&outer); /* nothing */
	CHECK(!memcg__self->stalls && !memcg__self->busy);
}

/* A thread beside: what it is to do, and that it has. */
enum { REST, GO_IN, STALL, WORK, GO_OUT, END };
static u32 wanted, done;

static void *obey(void *arg)
{
	struct psi_stall s;

	for (;;) {
		u32 now = atomic_load_acquire(&wanted);

		if (now == atomic_load(&done)) {
			sys_sleep_ns(MS / 10);
			continue;
		}
		if (now == GO_IN)
			memcg_leave(memcg_get(arg));
		else if (now == STALL)
			psi_begin(&s, NULL);
		else if (now == WORK)
			psi_end(&s);
		else if (now == GO_OUT)
			memcg_leave(NULL);
		atomic_store_release(&done, now);
		if (now == END)
			return NULL;
	}
}

static void order(u32 what)
{
	u64 end = sys_clock_ns() + LONG;

	atomic_store_release(&wanted, what);
	while (atomic_load_acquire(&done) != what) {
		CHECK(sys_clock_ns() < end);
		sys_sleep_ns(MS / 10);
	}
}

static void full_is_when_nobody_works(void)
{
	struct memcg *low = (set_up(), memcg_create(cg, "low"));
	struct psi_stall s;
	pthread_t thread;
	u64 low_full, cg_full;

	memcg_leave(memcg_get(low));
	CHECK(!pthread_create(&thread, NULL, obey, cg));
	order(GO_IN);
	psi_begin(&s, NULL); /* all of low; in cg somebody works */
	pass_at_least(10 * MS);
	CHECK(full(low) >= 10000 && some(cg) >= 10000 && !full(cg) && !full(root_group));
	order(STALL);
	pass_at_least(10 * MS);
	cg_full = full(cg);
	CHECK(cg_full >= 10000 && cg_full < some(cg) && full(root_group) >= 10000);
	psi_end(&s); /* now low works; nobody else is in it */
	low_full = full(low);
	cg_full = full(cg);
	pass_at_least(10 * MS);
	CHECK(full(low) == low_full && some(low) == low_full);
	order(WORK);
	CHECK(full(cg) == cg_full && some(cg) >= 30000);
	psi_begin(&s, NULL);
	order(GO_OUT); /* tells nobody: but who looks sees it */
	(void)full(cg);
	cg_full = full(cg);
	pass_at_least(10 * MS);
	CHECK(full(cg) >= cg_full + 10000);
	psi_end(&s);
	order(END);
	CHECK(!pthread_join(thread, NULL));
}

/* Where looking at all threads takes long it is not done for every stall; but it is done. */
static u32 idle, idle_no_more;

static void *be_idle(void *arg)
{
	memcg_leave(memcg_get(arg));
	atomic_add(&idle, 1u);
	while (!atomic_load_acquire(&idle_no_more))
		sys_sleep_ns(10 * MS);
	return NULL;
}

static void full_among_many_threads(void)
{
	static pthread_t thread[200], worker;
	struct psi_stall s;
	u64 was;

	set_up();
	for (unsigned i = 0; i < ARRAY_SIZE(thread); i++)
		CHECK(!pthread_create(&thread[i], NULL, be_idle, other));
	while (atomic_load(&idle) < ARRAY_SIZE(thread))
		sched_yield();
	psi_begin(&s, cg);
	pass_at_least(10 * MS);
	CHECK(full(cg) >= 10000);
	memcg_leave(memcg_get(other)); /* nobody in cg: nobody works in it */
	pass_at_least(MS);
	was = full(cg);
	pass_at_least(10 * MS);
	CHECK(full(cg) >= was + 10000);
	CHECK(!pthread_create(&worker, NULL, obey, cg));
	order(GO_IN);
	pass_at_least(MS); /* longer than an answer stands */
	psi_tick(&s);
	was = full(cg);
	pass_at_least(10 * MS);
	CHECK(full(cg) == was);
	order(END);
	CHECK(!pthread_join(worker, NULL));
	psi_end(&s);
	memcg_leave(memcg_get(cg));
	psi_begin(&s, other);
	was = full(other);
	pass_at_least(10 * MS);
	CHECK(full(other) == was && some(other) >= 10000);
	psi_end(&s);
	atomic_store_release(&idle_no_more, 1u);
	for (unsigned i = 0; i < ARRAY_SIZE(thread); i++)
		CHECK(!pthread_join(thread[i], NULL));
	psi_begin(&s, other); /* they are gone from it */
	pass_at_least(MS);
	psi_tick(&s);
	was = full(other);
	pass_at_least(10 * MS);
	CHECK(full(other) >= was + 10000);
	psi_end(&s);
}

/* Short in one group, at home in another: that one waits too, if others are short there. */
static void who_waits_for_others_memory_waits(void)
{
	struct psi_stall s, mine;
	pthread_t thread;
	u64 was;

	set_up();
	CHECK(!pthread_create(&thread, NULL, obey, cg));
	order(GO_IN);
	order(STALL);
	pass_at_least(10 * MS);
	CHECK(some(cg) >= 10000 && !full(cg)); /* this thread works in cg */
	was = full(cg);
	psi_begin(&s, other);
	pass_at_least(10 * MS);
	CHECK(full(cg) >= was + 10000);
	psi_begin(&mine, cg);
	psi_end(&mine);
	psi_end(&s);
	was = full(cg);
	pass_at_least(10 * MS);
	CHECK(full(cg) == was);
	order(WORK);
	order(END);
	CHECK(!pthread_join(thread, NULL));
}

/* A whole period lies in it, wherever periods began: the averages show it while it still goes on.
 */
static void a_long_stall_is_seen_while_it_lasts(void)
{
	struct psi_stall s;
	struct psi_numbers n;

	set_up();
	psi_begin(&s, cg);
	pass_at_least(2 * PSI_PERIOD_NS);
	n = numbers(cg, false);
	CHECK(n.avg10 >= 1811 && n.avg60 >= 327 && n.avg300 >= 66 && n.total_us >= 4000000);
	n = numbers(NULL, true);
	CHECK(n.avg10 >= 1811 && n.total_us >= 4000000);
	psi_end(&s);
	CHECK(!numbers(other, false).avg10);
}

static void a_dead_groups_stall_ends(void)
{
	struct memcg *low = (set_up(), memcg_create(cg, "low"));
	struct psi_stall s;
	u64 last;

	psi_begin(&s, low);
	CHECK(!memcg_destroy(low));
	rcu_poll(true); /* the stall keeps it */
	pass_at_least(10 * MS);
	CHECK(some(low) >= 10000);
	psi_end(&s);
	rcu_poll(true);
	last = some(cg);
	CHECK(last >= 10000 && full(cg) <= last);
	pass_at_least(5 * MS);
	CHECK(some(cg) == last); /* what was lost stays with the parent */
}

static void without_memory_nothing_is_counted(void)
{
	struct psi_stall s;
	int n = 0;

	set_up();
	sys_fault_arm(SYS_FAULT_OPEN_RANGE, 1, 1, 0, 0);
	for (size_t size = 64; size <= 64 * KIB; size += size < KIB ? 64 : size)
		while (meta_alloc(size))
			n++;
	psi_begin(&s, cg);
	CHECK(!s.cg && !group_record(cg)->psi && !memcg__self->stalls);
	psi_tick(&s);
	psi_end(&s);
	CHECK(!psi_trigger_add(cg, false, 100000, SECOND / 1000, 0) && errno == ENOMEM);
	CHECK(!some(cg) && !memcg__self->busy && n);
	sys_fault_disarm_all();
	psi_begin(&s, cg);
	CHECK(s.cg == cg && memcg__self->stalls == 1);
	psi_end(&s);
}

/* ---- triggers ---- */

static void what_triggers_are_refused(void)
{
	static const u64 bad[][2] = {{0, 1000000},	 {1, 499999},	   {1, 10000001},  {1, 0},
				     {1000001, 1000000}, {500001, 500000}, {1, UINT64_MAX}};
	static const u64 good[][2] = {{1, 500000}, {500000, 500000}, {10000000, 10000000}};

	set_up();
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		errno = 0;
		CHECK(!psi_trigger_add(cg, i % 2, bad[i][0], bad[i][1], 0) && errno == EINVAL);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
		int fd = sys_eventfd();
		struct psi_trigger *trigger;

		trigger = psi_trigger_add(cg, i % 2, good[i][0], good[i][1], fd);
		CHECK(trigger);
		psi_trigger_del(trigger);
		CHECK(fcntl(fd, F_GETFD) == -1);
	}
	CHECK(!memcg_destroy(memcg_get(other)));
	CHECK(!psi_trigger_add(other, false, 1, 500000, 0) && errno == ENODEV);
}

static struct psi_trigger *trigger_of(struct memcg *g, bool is_full, u64 stall_us, int *fd)
{
	struct psi_trigger *made;

	CHECK((*fd = sys_eventfd()) >= 0);
	CHECK((made = psi_trigger_add(g, is_full, stall_us, 10000000, *fd)));
	return made;
}

/* Of trigger_of(): on a machine that stood still for so long, more is told, or less. */
static bool within_a_window(u64 start)
{
	return sys_clock_ns() - start < 9 * SECOND;
}

static void triggers_tell_of_their_groups_stalls(void)
{
	struct memcg *low = (set_up(), memcg_create(cg, "low"));
	struct psi_trigger *trigger[5];
	u64 start = sys_clock_ns();
	struct psi_stall s;
	int fd[5];

	memcg_leave(memcg_get(low));
	trigger[0] = trigger_of(low, false, 20000, &fd[0]);
	trigger[1] = trigger_of(cg, true, 20000, &fd[1]);
	trigger[2] = trigger_of(other, false, 1, &fd[2]);
	trigger[3] = trigger_of(root_group, false, 10000000, &fd[3]); /* asks for more */
	psi_begin(&s, NULL);
	CHECK(!told(fd[0]) && !told(fd[1]));
	pass_at_least(25 * MS);
	CHECK(!told(fd[0])); /* nobody has looked */
	psi_tick(&s);
	CHECK(told(fd[0]) == 1 && told(fd[1]) == 1 && !told(fd[2]));
	CHECK(!told(fd[3]) || !within_a_window(start));
	pass_at_least(25 * MS);
	psi_end(&s);
	CHECK((!told(fd[0]) && !told(fd[1])) || !within_a_window(start)); /* once in it */
	psi_trigger_del(trigger[0]);
	trigger[0] =
		trigger_of(low, false, 20000, &fd[0]); /* knows nothing of what was before it */
	trigger[4] = trigger_of(low, true, 10000, &fd[4]);
	psi_begin(&s, low);
	pass_at_least(25 * MS);
	sys_fault_arm(SYS_FAULT_WRITE, 0, 1, 0, 0);
	psi_end(&s);
	CHECK(sys_fault_count(SYS_FAULT_WRITE) && !told(fd[0]) && !told(fd[4]));
	sys_fault_disarm_all();
	some(low); /* what could not be written is tried again */
	CHECK((told(fd[0]) == 1 && told(fd[4]) == 1) || !within_a_window(start));
	for (int i = 0; i < 5; i++)
		psi_trigger_del(trigger[i]);
}

/* Who sleeps on the descriptor is woken. */
static void *wait_for_it(void *arg)
{
	struct pollfd p = {.fd = *(int *)arg, .events = POLLIN};

	CHECK(poll(&p, 1, LONG / MS) == 1);
	return NULL;
}

static void a_trigger_wakes_a_waiter(void)
{
	struct psi_trigger *trigger;
	struct psi_stall s;
	pthread_t thread;
	int fd;

	set_up();
	trigger = trigger_of(cg, false, 5000, &fd);
	CHECK(!pthread_create(&thread, NULL, wait_for_it, &fd));
	psi_begin(&s, cg);
	pass_at_least(6 * MS);
	psi_end(&s);
	CHECK(!pthread_join(thread, NULL) && told(fd) == 1);
	psi_trigger_del(trigger);
}

/* ---- forks ---- */

static void children_have_no_stalls(void)
{
	struct psi_trigger *trigger;
	struct psi_stall s, again;
	pthread_t thread;
	int fd, status;
	pid_t pid;

	set_up();
	CHECK(!pthread_create(&thread, NULL, obey, cg));
	order(GO_IN);
	order(STALL);
	psi_begin(&s, cg);
	trigger = trigger_of(cg, false, 5000, &fd); /* nobody looks at it until the end */
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		u64 last = some(cg);

		pass_at_least(10 * MS);
		CHECK(some(cg) == last);
		psi_end(&s);
		CHECK(!memcg__self->stalls && some(cg) == last);
		psi_begin(&again, cg);
		pass_at_least(10 * MS);
		psi_end(&again);
		CHECK(some(cg) >= last + 10000 && full(cg) >= 10000);
		psi_trigger_del(trigger);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	CHECK(!told(fd) && fcntl(fd, F_GETFD) >= 0); /* not the child's to write to or close */
	pass_at_least(6 * MS);
	psi_end(&s);
	CHECK(told(fd) == 1);
	psi_trigger_del(trigger);
	order(WORK);
	order(END);
	CHECK(!pthread_join(thread, NULL));
}

/* ---- races ---- */

#define GROUPS 4
static struct memcg *group[GROUPS];

/* Stalls anywhere, groups and triggers come and go, and somebody looks. */
static void *stall_anywhere(void *arg)
{
	u64 seed = (uintptr_t)arg, end = sys_clock_ns() + 1500 * MS;
	char name[16];

	for (int i = 0; i < 200 || sys_clock_ns() < end; i++) {
		struct memcg *before = memcg_enter(group[next_random(&seed) % GROUPS]), *mine;
		struct psi_stall s, inner;
		struct psi_trigger *trigger;
		int fd;

		snprintf(name, sizeof(name), "%lu.%d", (unsigned long)(uintptr_t)arg, i);
		mine = memcg_create(group[next_random(&seed) % GROUPS], name);
		CHECK(mine);
		trigger = trigger_of(next_random(&seed) % 2 ? mine : group[0], i % 2, 1, &fd);
		psi_begin(&s, next_random(&seed) % 2 ? mine : NULL);
		psi_begin(&inner, group[next_random(&seed) % GROUPS]);
		psi_tick(&s);
		CHECK(full(mine) <= some(mine));
		psi_end(&inner);
		psi_end(&s);
		psi_trigger_del(trigger);
		CHECK(!memcg_destroy(mine));
		memcg_leave(before);
		rcu_poll(i % 64 == 0);
	}
	return NULL;
}

static void stalls_race(void)
{
	u64 start = sys_clock_ns(), last[GROUPS], all;
	pthread_t thread[3];

	set_up();
	group[0] = cg;
	for (int i = 1; i < GROUPS; i++)
		CHECK((group[i] = memcg_create(group[i / 2], i == 1 ? "x" : i == 2 ? "y" : "z")));
	for (uintptr_t i = 0; i < 3; i++)
		CHECK(!pthread_create(&thread[i], NULL, stall_anywhere, (void *)(i + 1)));
	for (int i = 0; i < 3; i++)
		CHECK(!pthread_join(thread[i], NULL));
	all = (sys_clock_ns() - start) / 1000;
	for (int i = 0; i < GROUPS; i++) {
		last[i] = some(group[i]);
		CHECK(last[i] && full(group[i]) <= last[i] && last[i] <= all);
		CHECK(some(group[i / 2]) >= last[i]);
	}
	pass_at_least(2 * MS);
	for (int i = 0; i < GROUPS; i++)
		CHECK(some(group[i]) == last[i]); /* every stall has ended */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(full_is_never_more_than_some),
		PAGE_TEST(a_stall_is_counted_upwards),
		PAGE_TEST(stalls_nest),
		PAGE_TEST(full_is_when_nobody_works),
		PAGE_TEST(full_among_many_threads),
		PAGE_TEST(who_waits_for_others_memory_waits),
		PAGE_TEST(a_long_stall_is_seen_while_it_lasts),
		PAGE_TEST(a_dead_groups_stall_ends),
		PAGE_TEST(without_memory_nothing_is_counted),
		PAGE_TEST(what_triggers_are_refused),
		PAGE_TEST(triggers_tell_of_their_groups_stalls),
		PAGE_TEST(a_trigger_wakes_a_waiter),
		PAGE_TEST(children_have_no_stalls),
		PAGE_TEST(stalls_race),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
