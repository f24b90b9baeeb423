/*
 * noise.c - see noise.h.
 */
#include "noise.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define LOOPS	    2000000u
#define SPIN_MAX    0.10
#define OTHERS_MAX  0.10
#define STOLEN_MAX  0.01
#define PROBE_TIMES 3

struct account {
	double total, busy, stolen, ours; /* seconds */
};

static struct account before;
static double fastest, slowest;

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static struct account account_now(void)
{
	unsigned long long v[8] = {0};
	struct account a = {0};
	struct rusage u;
	double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
	FILE *f = fopen("/proc/stat", "re");
	int n = 0;

	if (f) {
		n = fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2],
			   &v[3], &v[4], &v[5], &v[6], &v[7]);
		fclose(f);
	}
	for (int i = 0; n == 8 && i < 8; i++) {
		a.total += (double)v[i] * tick;
		if (i != 3 && i != 4 && i != 7)
			a.busy += (double)v[i] * tick;
	}
	a.stolen = (double)v[7] * tick;
	for (int who = RUSAGE_CHILDREN; who <= RUSAGE_SELF; who++)
		if (!getrusage(who, &u))
			a.ours += seconds(u.ru_utime) + seconds(u.ru_stime);
	return a;
}

static double spin(void)
{
	volatile uint64_t x = 1;
	struct timespec from, to;

	clock_gettime(CLOCK_MONOTONIC, &from);
	for (unsigned i = 0; i < LOOPS; i++)
		x = x * 6364136223846793005u + 1;
	clock_gettime(CLOCK_MONOTONIC, &to);
	return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

void noise_probe(void)
{
	double best = spin();

	/* The best of a few: one interrupt is no noise. */
	for (int i = 1; i < PROBE_TIMES; i++) {
		double took = spin();

		best = took < best ? took : best;
	}
	if (!fastest || best < fastest)
		fastest = best;
	if (best > slowest)
		slowest = best;
}

void noise_begin(void)
{
	before = account_now();
	noise_probe();
}

struct noise noise_end(void)
{
	struct account now;
	struct noise n = {0};
	double total;

	noise_probe();
	now = account_now();
	total = now.total - before.total;
	n.spin = slowest / fastest - 1;
	if (total > 0) {
		n.others = (now.busy - before.busy - (now.ours - before.ours)) / total;
		n.stolen = (now.stolen - before.stolen) / total;
	}
	if (n.others < 0)
		n.others = 0;
	n.noisy = n.spin > SPIN_MAX || n.others > OTHERS_MAX || n.stolen > STOLEN_MAX;
	return n;
}
