/* t_event.c - events: counts that add up, and descriptors that tell of each and of none twice. */
#include "alloc_fixture.h"

#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>

#include <memcg/event.h>

#include "group/event.h"
#include "sys/file.h"
#include "group/record.h"

#define ALL	0x7fu
#define RACE_NS 1500000000ul /* how long a race is looked for */
#define LONG_MS 20000 /* a waiter that is told waits microseconds; one that is not, this long */

static struct memcg *new_group(struct memcg *up, const char *name)
{
	struct memcg *made = memcg_create(up, name);

	CHECK(made);
	return made;
}

/* How often fd was signalled since it was looked at last. */
static u64 told(int fd)
{
	u64 n = 0;

	if (read(fd, &n, sizeof(n)) != sizeof(n))
		CHECK(errno == EAGAIN);
	return n;
}

static u64 rose(struct memcg *g, struct memcg_events *ev)
{
	CHECK(!memcg_event_read(g, ev, sizeof(*ev)));
	return ev->rose;
}

static unsigned open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	CHECK(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* ---- counts ---- */

static void events_count_upwards(void)
{
	struct memcg *low = (set_up(), new_group(cg, "low"));
	u64 root[EV_NR];

	for (unsigned i = 0; i < EV_NR; i++)
		root[i] = event_count(root_group, i);
	for (unsigned i = 0; i < EV_NR; i++)
		for (unsigned n = 0; n <= i; n++)
			group_event(low, i);
	for (unsigned i = 0; i < EV_NR; i++) {
		CHECK(event_count(low, i) == i + 1 && event_count(cg, i) == i + 1);
		CHECK(event_count(root_group, i) == root[i] + i + 1 && !event_count(other, i));
		if (i >= EV_KERNEL_NR)
			continue;
		CHECK(atomic_load(&group_record(low)->events_local[i]) == i + 1 &&
		      !atomic_load(&group_record(cg)->events_local[i]));
	}
}

static void flags_have_lines_of_memory_stat(void)
{
	struct memcg_stat s;
	char text[4096];

	set_up();
	for (int i = 0; i < 4; i++)
		group_event(cg, EV_REFUSED);
	group_event(cg, EV_NOWAIT);
	for (int i = 0; i < 2; i++)
		group_event(cg, EV_NOFAIL);
	for (int i = 0; i < 3; i++)
		group_event(cg, EV_RESERVE);
	CHECK(!memcg_stat(cg, &s, sizeof(s)));
	CHECK(s.charge_refused == 4 && s.charge_nowait == 1 && s.charge_nofail == 2 &&
	      s.charge_reserve == 3);
	CHECK(memcg_read(cg, "memory.stat", text, sizeof(text)) > 0);
	CHECK(strstr(text,
		     "\ncharge_refused 4\ncharge_nowait 1\ncharge_nofail 2\ncharge_reserve 3\n"));
	CHECK(memcg_read(cg, "memory.events", text, sizeof(text)) > 0);
	CHECK(!strcmp(text, "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n"
			    "sock_throttled 0\n"));
}

/* A tree that grows and dies while events happen anywhere in it: whatever goes, each count of a
 * group is what it and all that were ever below it counted for themselves. */
struct node {
	struct memcg *g;
	int up; /* index; its own: the top */
	u64 mine[EV_KERNEL_NR];
};

static struct node nodes[4000];
static int nodes_nr;

static bool node_below(int i, int top)
{
	while (i != top && nodes[i].up != i)
		i = nodes[i].up;
	return i == top;
}

static void check_sums(int top)
{
	for (unsigned ev = 0; ev < EV_KERNEL_NR; ev++) {
		u64 sum = 0;

		for (int i = 0; i < nodes_nr; i++)
			if (node_below(i, top))
				sum += nodes[i].mine[ev];
		CHECK(event_count(nodes[top].g, ev) == sum);
		CHECK(atomic_load(&group_record(nodes[top].g)->events_local[ev]) ==
		      nodes[top].mine[ev]);
	}
}

static int node_new(int up)
{
	struct node *n = &nodes[nodes_nr];
	char name[16];

	snprintf(name, sizeof(name), "n%d", nodes_nr);
	n->g = new_group(nodes_nr ? nodes[up].g : NULL, name);
	n->up = up;
	return nodes_nr++;
}

static void the_dead_stay_counted_above_them(void)
{
	u64 seed = 11;

	node_new(0);
	for (int turn = 0; turn < 3000; turn++) {
		int i = (int)(next_random(&seed) % (u32)nodes_nr);
		unsigned ev = next_random(&seed) % EV_KERNEL_NR;

		if (!nodes[i].g)
			continue;
		group_event(nodes[i].g, ev);
		nodes[i].mine[ev]++;
		if (turn % 2)
			node_new(i);
		else if (i && !memcg_destroy(nodes[i].g))
			nodes[i].g = NULL;
		rcu_poll(turn % 16 == 0); /* structs go, too */
	}
	for (int i = 0; i < nodes_nr; i++)
		if (nodes[i].g)
			check_sums(i);
	for (int i = nodes_nr - 1; i > 0; i--)
		if (nodes[i].g)
			CHECK(!memcg_destroy(nodes[i].g));
	rcu_poll(true);
	check_sums(0);
}

/* ---- reading ---- */

static void reading_says_what_rose(void)
{
	struct memcg_events ev = {0};
	struct {
		struct memcg_events ev;
		u64 more;
	} longer = {.more = 7};
	u64 two[2] = {0};

	set_up();
	CHECK(!rose(cg, &ev) && !ev.max);
	group_event(cg, EV_MAX);
	group_event(cg, EV_MAX);
	group_event(cg, EV_SOCK_THROTTLED);
	CHECK(rose(cg, &ev) == (MEMCG_EVENT_MAX | MEMCG_EVENT_SOCK_THROTTLED));
	CHECK(ev.max == 2 && ev.sock_throttled == 1 && !ev.low && !ev.oom);
	CHECK(!rose(cg, &ev) && ev.max == 2);
	group_event(cg, EV_LOW);
	CHECK(!memcg_event_read(NULL, &ev, sizeof(ev))); /* the active group's */
	CHECK(ev.rose == MEMCG_EVENT_LOW && ev.low == 1);
	CHECK(!memcg_event_read(cg, (struct memcg_events *)two, sizeof(two)));
	CHECK(two[0] == 1 && two[1] == 0);
	CHECK(!memcg_event_read(cg, &longer.ev, sizeof(longer)) && longer.ev.max == 2);
	CHECK(longer.ev.rose == 0x45 && !longer.more);
	CHECK(memcg_event_read(cg, NULL, sizeof(ev)) == -EINVAL);
	CHECK(memcg_event_read(cg, &ev, 0) == -EINVAL);
}

/* ---- descriptors ---- */

static void a_descriptor_tells_once_until_the_counts_are_read(void)
{
	struct memcg_events ev = {0};
	int fd;

	set_up();
	fd = memcg_eventfd(cg, ALL);
	CHECK(fd >= 0 && fcntl(fd, F_GETFD) & FD_CLOEXEC && fcntl(fd, F_GETFL) & O_NONBLOCK);
	CHECK(!told(fd));
	for (int i = 0; i < 100; i++)
		group_event(cg, EV_MAX);
	CHECK(told(fd) == 1);
	group_event(cg, EV_MAX);
	CHECK(!told(fd)); /* the counts were not read */
	CHECK(rose(cg, &ev) && ev.max == 101 && !told(fd));
	group_event(cg, EV_OOM);
	group_event(cg, EV_OOM);
	CHECK(told(fd) == 1 && rose(cg, &ev) == MEMCG_EVENT_OOM);
	CHECK(!memcg_eventfd_close(fd));
}

static void each_is_told_what_it_asked_for(void)
{
	struct memcg *low = (set_up(), new_group(cg, "low"));
	int of_max = memcg_eventfd(cg, MEMCG_EVENT_MAX), of_all = memcg_eventfd(cg, ALL);
	int of_other = memcg_eventfd(other, ALL), of_low = memcg_eventfd(low, ALL);
	int of_root = memcg_eventfd(memcg_root(), MEMCG_EVENT_HIGH | MEMCG_EVENT_OOM);
	struct memcg_events ev = {0};

	CHECK(of_max >= 0 && of_all >= 0 && of_other >= 0 && of_low >= 0 && of_root >= 0);
	group_event(low, EV_HIGH);
	CHECK(!told(of_max) && told(of_all) == 1 && told(of_low) == 1 && told(of_root) == 1);
	group_event(low, EV_MAX); /* of_max was not told yet, of_all was */
	CHECK(told(of_max) == 1 && !told(of_all));
	rose(cg, &ev);
	for (unsigned i = EV_KERNEL_NR; i < EV_NR; i++)
		group_event(cg, i); /* ours, which nobody can ask for */
	CHECK(!told(of_max) && !told(of_all));
	group_event(cg, EV_LOW);
	CHECK(!told(of_max) && told(of_all) == 1 && !told(of_low) && !told(of_root));
	CHECK(!told(of_other));
	for (unsigned i = 0; i < EV_KERNEL_NR; i++) {
		int one = memcg_eventfd(low, 1u << i);

		for (unsigned k = 0; k < EV_KERNEL_NR; k++)
			if (k != i)
				group_event(low, k);
		CHECK(one >= 0 && !told(one));
		group_event(low, i);
		CHECK(told(one) == 1 && !memcg_eventfd_close(one));
	}
}

static void local_watches_are_told_of_the_group_alone(void)
{
	struct memcg *low = (set_up(), new_group(cg, "low"));
	int fd = sys_eventfd(), both = sys_eventfd();
	struct event_watch *w, *v;

	w = event_watch_add(cg, EVENT_LOCAL(ALL), fd);
	v = event_watch_add(cg, EVENT_LOCAL(MEMCG_EVENT_MAX) | MEMCG_EVENT_OOM, both);
	CHECK(w && v);
	group_event(low, EV_MAX);
	CHECK(!told(fd) && !told(both));
	group_event(low, EV_OOM);
	CHECK(!told(fd) && told(both) == 1);
	group_event(cg, EV_MAX);
	CHECK(told(fd) == 1 && !told(both));
	event_watch_arm(v);
	group_event(cg, EV_MAX);
	CHECK(!told(fd) && told(both) == 1); /* each is armed by its own reader */
	event_watch_arm(w);
	rose(cg, &(struct memcg_events){0});
	group_event(cg, EV_MAX);
	CHECK(told(fd) == 1 && !told(both));
	event_watch_del(w);
	event_watch_del(v);
	CHECK(fcntl(fd, F_GETFD) == -1 && fcntl(both, F_GETFD) == -1);
}

static void what_is_refused(void)
{
	unsigned fds;

	set_up();
	fds = open_fds();
	CHECK(memcg_eventfd(cg, 0) == -EINVAL && memcg_eventfd(cg, 1u << 7) == -EINVAL);
	CHECK(memcg_eventfd(cg, ALL | 1u << 31) == -EINVAL);
	sys_fault_arm(SYS_FAULT_EVENTFD, 1, 0, 0, 0);
	CHECK(memcg_eventfd(cg, ALL) == -EMFILE);
	sys_fault_arm(SYS_FAULT_DUP, 1, 0, 0, 0);
	CHECK(memcg_eventfd(cg, ALL) == -EMFILE);
	CHECK(memcg_destroy(memcg_get(cg)) == 0);
	CHECK(memcg_eventfd(cg, ALL) == -ENODEV);
	errno = 0;
	CHECK(!event_watch_add(cg, ALL, 0) && errno == ENODEV);
	CHECK(memcg_eventfd_close(-1) == -EBADF && memcg_eventfd_close(0) == -EBADF);
	CHECK(open_fds() == fds);
}

static void no_memory_for_a_watch(void)
{
	int fd = 0, n = 0;
	unsigned fds;

	set_up();
	sys_fault_arm(SYS_FAULT_OPEN_RANGE, 1, 1, 0, 0);
	while (meta_alloc(64) || meta_alloc(48))
		;
	fds = open_fds();
	while ((fd = memcg_eventfd(cg, ALL)) >= 0) /* of what is left in other sizes */
		CHECK(!memcg_eventfd_close(fd) && ++n < 100);
	CHECK(fd == -ENOMEM && open_fds() == fds);
	errno = 0;
	CHECK(!event_watch_add(cg, ALL, 0) && errno == ENOMEM);
	group_event(cg, EV_MAX);
	sys_fault_disarm_all();
	CHECK((fd = memcg_eventfd(cg, ALL)) >= 0);
	group_event(cg, EV_MAX);
	CHECK(told(fd) == 1);
}

/* Not written, not told: the next event tries again. */
static void a_failed_write_leaves_it_armed(void)
{
	int fd;

	set_up();
	CHECK((fd = memcg_eventfd(cg, ALL)) >= 0);
	sys_fault_arm(SYS_FAULT_WRITE, 1, 0, 0, 0);
	group_event(cg, EV_MAX);
	CHECK(sys_fault_count(SYS_FAULT_WRITE) == 1 && !told(fd));
	group_event(cg, EV_MAX);
	group_event(cg, EV_MAX);
	CHECK(told(fd) == 1);
}

static void closing(void)
{
	unsigned fds = (set_up(), open_fds());
	int fd[200];

	for (int i = 0; i < 200; i++)
		CHECK((fd[i] = memcg_eventfd(i % 2 ? cg : other, ALL)) >= 0);
	CHECK(open_fds() == fds + 400);
	for (int i = 0; i < 200; i += 2)
		CHECK(!memcg_eventfd_close(fd[i]) && memcg_eventfd_close(fd[i]) == -EBADF);
	CHECK(open_fds() == fds + 200);
	group_event(other, EV_OOM);
	group_event(cg, EV_OOM);
	for (int i = 1; i < 200; i += 2)
		CHECK(told(fd[i]) == 1 && !memcg_eventfd_close(fd[i]));
	CHECK(open_fds() == fds);
}

/* The number of one that the program closed itself comes back with the next: that is meant. */
static void the_newest_of_a_number_is_closed(void)
{
	unsigned fds = (set_up(), open_fds());
	int fd = memcg_eventfd(cg, ALL), again;

	CHECK(fd >= 0 && !close(fd));
	again = memcg_eventfd(other, ALL);
	CHECK(again == fd && open_fds() == fds + 3);
	CHECK(!memcg_eventfd_close(again) && open_fds() == fds + 1);
	group_event(cg, EV_MAX); /* written to the library's end: harms nobody */
	group_event(other, EV_MAX);
	memcg_leave(NULL);
	CHECK(!memcg_destroy(cg));
	rcu_poll(true);
	CHECK(open_fds() == fds); /* with the group */
}

/* ---- the end of a group ---- */

static void offline_is_told_and_the_struct_closes(void)
{
	struct memcg *g = (set_up(), new_group(cg, "gone"));
	int fd = memcg_eventfd(g, MEMCG_EVENT_MAX), up = memcg_eventfd(cg, ALL);
	unsigned fds = open_fds();

	CHECK(fd >= 0 && up >= 0);
	group_event(g, EV_MAX);
	CHECK(told(fd) == 1 && told(up) == 1); /* so it is not armed */
	CHECK(memcg_online(g) && !memcg_destroy(memcg_get(g)));
	CHECK(told(fd) == 1 && !memcg_online(g) && !told(up));
	CHECK(!memcg_destroy(memcg_get(g)) && !told(fd)); /* offline already */
	rcu_poll(true);
	CHECK(open_fds() == fds);
	memcg_put(g);
	rcu_poll(true);
	CHECK(open_fds() == fds - 1); /* the library's end */
	CHECK(memcg_eventfd_close(fd) == -EBADF && !close(fd));
	CHECK(event_count(cg, EV_MAX) == 1);
}

/* ---- forks ---- */

static void children_have_no_watches(void)
{
	struct memcg *g = (set_up(), new_group(cg, "g"));
	int fd = memcg_eventfd(g, ALL), mine = sys_eventfd(), status;
	struct event_watch *w = event_watch_add(g, ALL, mine);
	pid_t pid;

	CHECK(fd >= 0 && w);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		unsigned fds = open_fds();
		int own;

		group_event(g, EV_MAX);
		rose(g, &(struct memcg_events){0}); /* arms nothing */
		event_watch_arm(w);
		group_event(g, EV_MAX);
		CHECK(memcg_eventfd_close(fd) == -EBADF && open_fds() == fds);
		event_watch_del(w);
		CHECK(open_fds() == fds);
		own = memcg_eventfd(g, ALL);
		group_event(g, EV_MAX);
		CHECK(told(own) == 1 && event_count(g, EV_MAX) == 3);
		CHECK(!memcg_destroy(g) && told(own) == 1);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	CHECK(!told(fd) && !told(mine) && !event_count(g, EV_MAX));
	group_event(g, EV_MAX);
	CHECK(told(fd) == 1 && told(mine) == 1);
	event_watch_del(w);
	CHECK(!memcg_eventfd_close(fd));
}

/* ---- races ---- */

static u32 stop;
static u64 raised, seen;

/* Raises some, then waits until the reader has seen them: he is told of the last, or never. */
static void *raise_in_bursts(void *arg)
{
	u64 seed = 3, n = 0;
	u64 end = sys_clock_ns() + RACE_NS;

	while (sys_clock_ns() < end) {
		for (unsigned i = next_random(&seed) % 40; i < 40; i++) {
			group_event(arg, EV_MAX);
			n++;
		}
		while (atomic_load(&seen) < n)
			sched_yield();
	}
	atomic_store(&raised, n);
	group_event(arg, EV_OOM);
	return NULL;
}

static void wait_told(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	CHECK(poll(&p, 1, LONG_MS) == 1); /* else an event was missed */
	CHECK(told(fd) == 1);
}

static void no_event_is_missed(void)
{
	struct memcg *low = (set_up(), new_group(cg, "low"));
	struct memcg_events ev = {0};
	pthread_t thread;
	int fd = memcg_eventfd(cg, ALL);

	CHECK(fd >= 0 && !pthread_create(&thread, NULL, raise_in_bursts, low));
	do {
		wait_told(fd);
		CHECK(!memcg_event_read(cg, &ev, sizeof(ev)));
		atomic_store(&seen, ev.max);
	} while (!ev.oom);
	CHECK(!pthread_join(thread, NULL) && ev.max == raised);
}

/* Threads raise events while watches of all kinds come and go, and groups with them. */
static void *raise_all_the_time(void *arg)
{
	u64 n = 0;

	for (; !atomic_load(&stop) || !n; n++)
		group_event(n % 2 ? arg : cg, n % EV_KERNEL_NR);
	atomic_add(&raised, n);
	return NULL;
}

static void *come_and_go(void *arg)
{
	u64 seed = (uintptr_t)&arg;
	u64 end = sys_clock_ns() + RACE_NS;
	char name[16];

	for (int i = 0; sys_clock_ns() < end; i++) {
		int fd = memcg_eventfd(i % 3 ? arg : cg, 1 + next_random(&seed) % ALL);
		struct event_watch *w = event_watch_add(cg, EVENT_LOCAL(ALL), sys_eventfd());
		struct memcg *mine;
		int left;

		snprintf(name, sizeof(name), "%lx.%d", (unsigned long)pthread_self() >> 12 & 0xffff,
			 i);
		mine = memcg_create(arg, name);
		CHECK(fd >= 0 && w && mine);
		CHECK((left = memcg_eventfd(mine, ALL)) >=
		      0); /* its other end goes with the group */
		group_event(mine, EV_LOW);
		atomic_add(&raised, 1ul);
		rose(cg, &(struct memcg_events){0});
		event_watch_arm(w);
		event_watch_del(w);
		CHECK(!memcg_destroy(mine) && !memcg_eventfd_close(fd));
		close(left);
		rcu_poll(true);
	}
	return NULL;
}

static void watches_come_and_go_among_events(void)
{
	struct memcg *low = (set_up(), new_group(cg, "low"));
	pthread_t raiser[2], watcher[2];
	u64 sum = 0;

	for (int i = 0; i < 2; i++) {
		CHECK(!pthread_create(&raiser[i], NULL, raise_all_the_time, low));
		CHECK(!pthread_create(&watcher[i], NULL, come_and_go, low));
	}
	for (int i = 0; i < 2; i++)
		CHECK(!pthread_join(watcher[i], NULL));
	atomic_store(&stop, 1u);
	for (int i = 0; i < 2; i++)
		CHECK(!pthread_join(raiser[i], NULL));
	for (unsigned i = 0; i < EV_KERNEL_NR; i++)
		sum += event_count(cg, i);
	CHECK(sum == raised);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(events_count_upwards),
		PAGE_TEST(flags_have_lines_of_memory_stat),
		PAGE_TEST(the_dead_stay_counted_above_them),
		PAGE_TEST(reading_says_what_rose),
		PAGE_TEST(a_descriptor_tells_once_until_the_counts_are_read),
		PAGE_TEST(each_is_told_what_it_asked_for),
		PAGE_TEST(local_watches_are_told_of_the_group_alone),
		PAGE_TEST(what_is_refused),
		PAGE_TEST(no_memory_for_a_watch),
		PAGE_TEST(a_failed_write_leaves_it_armed),
		PAGE_TEST(closing),
		PAGE_TEST(the_newest_of_a_number_is_closed),
		PAGE_TEST(offline_is_told_and_the_struct_closes),
		PAGE_TEST(children_have_no_watches),
		PAGE_TEST(no_event_is_missed),
		PAGE_TEST(watches_come_and_go_among_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
