/* t_mm_process.c - managed memory in the rest of the process: threads, signals, children. */
#include "mm_fixture.h"

#include <sys/time.h>

/* --- threads ------------------------------------------------------------------------- */

struct worker {
	char *p;
	size_t n;
	u64 seed;
};

/* Each thread's pages are its own; all compete for the same limit. */
static void *work(void *arg)
{
	struct worker *w = arg;
	u8 *round = calloc(w->n, 1);
	u64 seed = w->seed;

	memcg_leave(memcg_get(cg));
	for (size_t i = 0; i < w->n; i++)
		write_page(w->p, w->seed, i);
	for (size_t k = 0; k < 6 * w->n; k++) {
		size_t i = next_random(&seed) % w->n;

		check_page(w->p, w->seed + round[i], i);
		write_page(w->p, w->seed + ++round[i], i);
	}
	free(round);
	return NULL;
}

static void test_threads(void)
{
	const size_t n = MIB >> PAGE_SHIFT;
	struct worker w[4];
	pthread_t t[4];

	mm_set_up();
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 2 * MIB));
	for (size_t i = 0; i < 4; i++) {
		w[i] = (struct worker){.n = n, .seed = 1000 * i};
		w[i].p = memcg_mmap(mm, n << PAGE_SHIFT, RW, i % 2 ? MEMCG_MAP_SHARED : 0, NULL, 0);
		CHECK(w[i].p && !pthread_create(&t[i], NULL, work, &w[i]));
	}
	for (size_t i = 0; i < 4; i++)
		CHECK(!pthread_join(t[i], NULL));
	CHECK(memcg_current(cg) <= 2 * MIB);
	closes();
	mm_tear_down();
}

/* --- signals ------------------------------------------------------------------------- */

/* A SIGBUS that somebody sends does what it would do without us; faults are served on. */
static void test_sent_signal(void)
{
	int status = 0;
	pid_t child;

	signal(SIGBUS, SIG_DFL); /* before ours; the test program has one of its own */
	mm_set_up();
	child = fork();
	if (!child) {
		kill(getpid(), SIGBUS);
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	mm_tear_down();
}

static void test_sent_signal_ignored(void)
{
	volatile char *p;

	signal(SIGBUS, SIG_IGN); /* before ours */
	mm_set_up();
	p = map_pages(1);
	CHECK(!kill(getpid(), SIGBUS));
	p[0] = 1;
	CHECK(p[0] == 1 && STAT(cg, anon) == PAGE_SIZE);
	mm_tear_down();
}

#ifndef MEMCG_TSAN /* it runs handlers of other signals later, with SIGBUS held back */

static volatile char *touched;
static volatile unsigned ticks;

static void on_tick(int sig)
{
	(void)sig;
	for (size_t i = 0; i < 64; i++)
		touched[(ticks * 64 + i) % 1024 * PAGE_SIZE]++;
	ticks++;
}

static void on_hang(int sig)
{
	(void)sig;
	_exit(9);
}

static void on_refused(int sig)
{
	(void)sig;
	_exit(0); /* as documented: the program's SIGBUS */
}

/* A handler that touches what is being put away gets SIGBUS, and does not wait for its own thread.
 */
static void test_a_handler_in_between(void)
{
	struct itimerval t = {{0, 300}, {0, 300}};

	CHECK(signal(SIGBUS, on_refused) != SIG_ERR);
	mm_set_up();
	touched = map_pages(4 * MIB >> PAGE_SHIFT);
	for (size_t i = 0; i < 1024; i++)
		write_page((char *)touched, 3, i);
	signal(SIGALRM, on_hang);
	signal(SIGPROF, on_tick);
	alarm(150);
	CHECK(!setitimer(ITIMER_PROF, &t, NULL));
	while (ticks < 400)
		CHECK(!memcg_madvise(mm, (void *)touched, 4 * MIB, MEMCG_PAGEOUT));
}

#endif

/* --- children ------------------------------------------------------------------------ */

static void test_fork(void)
{
	volatile char *p;
	int status;
	pid_t pid;

	mm_set_up();
	p = map_pages(4);
	p[0] = 1;
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		struct memcg_mm *mine;
		volatile char *q;

		signal(SIGSEGV, SIG_DFL);
		mine = memcg_mm_create(cg); /* a file of its own */
		q = mine ? memcg_mmap(mine, PAGE_SIZE, RW, 0, NULL, 0) : NULL;
		if (!q)
			_exit(1);
		q[0] = 77;
		p[0] = 2; /* the parent's: not here */
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	CHECK(p[0] == 1);
	memory_fits();
	mm_tear_down();
}

/* With a window that was to end when the process forked: it is the parent's to end. */
static int reaps_none(const char *parents)
{
	struct memcg_mm *mine = memcg_mm_create(cg);
	char *q;

	windows_reap();
	q = mine ? memcg_mmap(mine, PAGE_SIZE, RW, 0, NULL, 0) : NULL;
	return !q ||
	       q == parents; /* where the parent's window ended here, its addresses are free */
}

static void test_fork_before_a_window_ends(void)
{
	struct window *w;
	int status;
	pid_t pid;
	char *p;

	mm_set_up();
	p = map_pages(1);
	p[0] = 1;
	w = window_find((uintptr_t)p);
	CHECK(w && !memcg_munmap(mm, p, PAGE_SIZE));
	window_put_later(w); /* as who evicts does, with pages locked: the last reference */
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		_exit(reaps_none(p));
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(map_pages(1) != p);
	windows_reap();
	CHECK(map_pages(1) == p);
	mm_tear_down();
}

/* The child is at its limit for what the parent has on its lists: there is nothing to be had of it.
 */
static void test_fork_at_the_limit(void)
{
	char *p;
	int status;
	pid_t pid;

	mm_set_up();
	p = map_pages(2 * MIB >> PAGE_SHIFT);
	memset(p, 1, 2 * MIB);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 3 * MIB));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		unsigned n = 0;

		while (memcg_malloc(64 * KIB) && n < 64)
			n++;
		_exit(n < 64 ? 0 : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(p[0] == 1);
	memory_fits();
	mm_tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(test_threads),
		FAULTS_TEST(test_sent_signal),
		FAULTS_TEST(test_sent_signal_ignored),
#ifndef MEMCG_TSAN
		FAULTS_TEST(test_a_handler_in_between),
#endif
		FAULTS_TEST(test_fork),
		FAULTS_TEST(test_fork_before_a_window_ends),
		FAULTS_TEST(test_fork_at_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
