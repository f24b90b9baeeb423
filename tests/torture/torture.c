/* torture.c - workers, rounds, and failing. Theory in torture.h. */
#include "torture.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl/recount.h"
#include "sync/percpu.h"

#include "../unit/effort.h"
#include "groups.h"
#include "item.h"
#include "life.h"
#include "pipes.h"
#include "pools.h"
#include "shrinkers.h"

#define CALLBACKS                                                                      \
	0x63616c6c6261636bul /* the stream of callbacks, where a step's has its number \
			      */
#define ROUND_MAX 900u	     /* seconds: a round takes one or two, and CI is busy */

struct options opt;
struct deeds did;

static struct worker worker[THREADS_MAX];
static pthread_barrier_t start, stop;
static __thread struct chance callbacks;
static bool child;

/* --- failing ------------------------------------------------------------------------ */

static const char *const mix_name[MIX_NR] = {"all", "memory", "limits"};

/* What tells this run from others, as the options that make it again. */
static int describe(char *text, size_t size)
{
	return snprintf(text, size,
			"--seed %lu --threads %u --groups %u --steps %u --mix %s --limits %s",
			opt.seed, opt.threads, opt.groups, opt.steps, mix_name[opt.mix],
			opt.limits ? "on" : "off");
}

/* Also from a signal handler: then the process is past caring what printf may do there. */
static void tell(const char *what)
{
	char text[256];

	describe(text, sizeof(text));
	printf("%s\n# again: memcg-torture %s\n", what, text);
	for (unsigned i = 0; i < opt.threads && !child; i++)
		printf("# worker %u: round %lu step %u: %s\n", i, worker[i].round, worker[i].step,
		       worker[i].doing ? atomic_load(&worker[i].doing) : "not begun");
	fflush(stdout);
}

void fail(const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int n = snprintf(text, sizeof(text),
			 "memcg-torture: failed%s: ", child ? " in a child" : "");

	va_start(ap, fmt);
	vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
	va_end(ap);
	tell(text);
	_exit(1);
}

static void on_signal(int sig)
{
	signal(sig, SIG_DFL);
	tell(sig == SIGALRM ? "memcg-torture: failed: it hangs"
			    : "memcg-torture: failed: a signal");
	if (sig == SIGALRM)
		_exit(1);
	raise(sig);
}

/* Sanitizers have handlers of their own for faults, which say more. */
static void catch_signals(void)
{
	static const int all[] = {SIGALRM, SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE};

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		struct sigaction old;

		sigaction(all[i], NULL, &old);
		if (old.sa_handler == SIG_DFL)
			signal(all[i], on_signal);
	}
}

void deadline(unsigned seconds)
{
	alarm(seconds);
}

bool torture_is_child(void)
{
	return child;
}

void torture_child(void)
{
	child = true;
	deadline(300);
}

struct chance *callback_chance(void)
{
	if (!callbacks.at) /* a thread of the library's, or one that lives short */
		callbacks = chance_of(opt.seed, CALLBACKS, (u64)(uintptr_t)&callbacks, 0);
	return &callbacks;
}

/* --- workers ---------------------------------------------------------------------------- */

static void *work(void *arg)
{
	struct worker *w = arg;
	bool leaves;

	do {
		pthread_barrier_wait(&start);
		leaves = w->leaves;
		for (w->step = 0; w->step < opt.steps; w->step++) {
			struct chance c = chance_of(opt.seed, w->round, w->number, w->step);

			callbacks = chance_of(opt.seed, c.at, CALLBACKS, w->number);
			step(w, &c);
		}
		pthread_barrier_wait(&stop);
	} while (!leaves);
	return NULL;
}

static void begin_worker(struct worker *w)
{
	EXPECT(!pthread_create(&w->thread, NULL, work, w), "no thread");
}

/* One in four ends with its round: what a thread holds must do without it. */
static void announce(u64 round, bool last)
{
	for (unsigned i = 0; i < opt.threads; i++) {
		struct chance c = chance_of(opt.seed, round, i, CALLBACKS);

		worker[i].round = round;
		worker[i].leaves = last || one_in(&c, 4);
	}
}

static void replace_workers(bool last)
{
	for (unsigned i = 0; i < opt.threads; i++) {
		if (!worker[i].leaves)
			continue;
		pthread_join(worker[i].thread, NULL);
		if (!last)
			begin_worker(&worker[i]);
	}
}

/* --- rounds ------------------------------------------------------------------------------- */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void progress(u64 round, double seconds)
{
	if (!opt.progress)
		return;
	printf("\r%6.0f s  round %lu  steps %lu  groups made %lu destroyed %lu  refused %lu  moved %lu ",
	       seconds, round, did.steps, did.made, did.destroyed, did.refused, did.moved);
	fflush(stdout);
}

static void run_round(u64 round, bool last)
{
	announce(round, last);
	deadline(ROUND_MAX);
	pthread_barrier_wait(&start);
	pthread_barrier_wait(&stop);
	replace_workers(last);
	check(round);
	if (round % 16 == 0)
		life_fork_quiet(round);
}

/* A busy machine may have done little in the seconds; that much later it is not the machine. */
static bool enough(double seconds)
{
	if (!opt.enough || opt.enough())
		return true;
	EXPECT(seconds < opt.seconds + 100, "what the test is for has not come about");
	return false;
}

/* The number of rounds. Which one is the last is known before it begins. */
static u64 run_rounds(void)
{
	double began = now(), longest = 0;
	u64 round = 0;
	bool last;

	do {
		double at = now();

		round++;
		last = opt.rounds ? round == opt.rounds
				  : at + longest - began >= opt.seconds && enough(at - began);
		run_round(round, last);
		longest = MAX(longest, now() - at);
		progress(round, now() - began);
	} while (!last);
	if (opt.progress)
		printf("\n");
	return round;
}

static void summary(u64 rounds, double seconds)
{
	printf("memcg-torture: passed: seed %lu, %lu rounds, %lu steps in %.0f s; groups made %lu "
	       "destroyed %lu, recharged %lu, refused %lu, stolen %lu, split %lu, looks %lu, nobody's %lu, "
	       "threads %lu, forks %lu, scans %lu, handlers %lu\n",
	       opt.seed, rounds, did.steps, seconds, did.made, did.destroyed, did.moved,
	       did.refused, did.stolen, did.split, did.looks, did.nobodys, did.threads, did.forks,
	       did.scans, did.ooms);
}

int torture(const struct options *options)
{
	double began = now();
	char text[256];
	unsigned files;
	u64 rounds;

	opt = *options;
	opt.steps = effort(opt.steps);
	describe(text, sizeof(text));
	printf("# memcg-torture %s, %g s, per-CPU back end %s\n", text, opt.seconds,
	       (memcg_root(), pcpu_backend == PCPU_RSEQ) ? "rseq" : "portable");
	fflush(stdout);
	catch_signals();
	pthread_barrier_init(&start, NULL, opt.threads + 1);
	pthread_barrier_init(&stop, NULL, opt.threads + 1);
	groups_begin();
	pools_begin();
	files = check_files();
	items_begin();
	pipes_begin();
	shrinkers_begin();
	for (unsigned i = 0; i < opt.threads; i++) {
		worker[i].number = i;
		begin_worker(&worker[i]);
	}
	rounds = run_rounds();
	check_end(false);
	EXPECT(check_files() == files, "a descriptor is left");
	deadline(0);
	summary(rounds, now() - began);
	fflush(stdout);
	return 0;
}
