/*
 * child.c - clock, CPU, rounds, and what the cases print.
 */
#include "child.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t bench_now(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

void bench_die(const char *what)
{
	fprintf(stderr, "memcg-bench-child: %s: %s\n", what, strerror(errno));
	exit(1);
}

void *bench_need(void *p)
{
	if (!p)
		bench_die("malloc");
	return p;
}

/* The CPUs the process had before any thread of it was pinned. */
static cpu_set_t may;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void ask_cpus(void)
{
	if (sched_getaffinity(0, sizeof(may), &may))
		bench_die("sched_getaffinity");
}

void bench_pin(unsigned nth)
{
	cpu_set_t one;

	pthread_once(&once, ask_cpus);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &may) || nth--)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof(one), &one))
			bench_die("sched_setaffinity");
		return;
	}
	fprintf(stderr, "memcg-bench-child: this case needs one CPU more than there are\n");
	exit(CHILD_SKIPPED);
}

bool bench_counting;

void bench_spread(unsigned nth)
{
	if (!bench_counting)
		return;
	pthread_once(&once, ask_cpus);
	bench_pin(nth % (unsigned)CPU_COUNT(&may));
}

/* The thread lives as long as the process: its end is nobody's to measure. */
void bench_thread(void *(*body)(void *), void *arg)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, body, arg);
	if (errno)
		bench_die("pthread_create");
	pthread_detach(thread);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct bench_cost timed(bench_run run, void *arg, uint64_t n)
{
	uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID), start = bench_now();

	run(arg, n);
	return (struct bench_cost){(double)(bench_now() - start),
				   (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu)};
}

/* How many operations take a round's time. Doubling until then is the warm-up too. */
static uint64_t calibrate(const struct bench_time *t, bench_run run, void *arg)
{
	double want = t->ms * 1e6;

	for (uint64_t n = t->first ? t->first : 1024;; n *= 2) {
		double took = timed(run, arg, n).ns;

		if (took >= want)
			return n;
		if (took > want / 4)
			return (uint64_t)((double)n * want / took);
	}
}

static double median_of(double *value, size_t n)
{
	qsort(value, n, sizeof(value[0]), compare);
	return value[n / 2];
}

/* In a build of the library that counts (src/sync/traffic.h): as many again, warmed up by now. */
static void count_traffic(bench_run run, void *arg, uint64_t n)
{
	void (*reset)(void);
	void (*report)(uint64_t operations);
	void *symbol = dlsym(RTLD_DEFAULT, "memcg__traffic_reset");

	if (!symbol)
		return;
	memcpy(&reset, &symbol, sizeof(reset));
	symbol = dlsym(RTLD_DEFAULT, "memcg__traffic_report");
	memcpy(&report, &symbol, sizeof(report));
	reset();
	run(arg, n);
	report(n);
}

struct bench_cost bench_measure_cost(const struct bench_time *t, bench_run run, void *arg)
{
	double ns[CHILD_ROUNDS_MAX], cpu[CHILD_ROUNDS_MAX];
	uint64_t n;

	if (t->ops) {
		run(arg, t->ops);
		count_traffic(run, arg, t->ops);
		return (struct bench_cost){0, 0};
	}
	n = calibrate(t, run, arg);
	for (unsigned i = 0; i < t->rounds; i++) {
		struct bench_cost round = timed(run, arg, n);

		ns[i] = round.ns / (double)n;
		cpu[i] = round.cpu / (double)n;
	}
	return (struct bench_cost){median_of(ns, t->rounds), median_of(cpu, t->rounds)};
}

double bench_measure(const struct bench_time *t, bench_run run, void *arg)
{
	return bench_measure_cost(t, run, arg).ns;
}

void bench_print(const char *key, double value)
{
	printf("%s %.6g\n", key, value);
}

void bench_print_cost(struct bench_cost cost)
{
	bench_print("ns", cost.ns);
	bench_print("cpu", cost.cpu);
}

uint64_t bench_rss(void)
{
	char line[128];
	unsigned long kb = 0;
	FILE *f = fopen("/proc/self/status", "re");

	if (!f)
		bench_die("/proc/self/status");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "RssAnon: %lu", &kb) == 1)
			break;
	fclose(f);
	return kb * 1024;
}
