/* beside.c - a second thread that does the same on another CPU. */
#include "cases.h"

#include <pthread.h>
#include <sched.h>

#define OPS 1000u

static struct {
	bench_run run;
	void *arg;
	bool runs, stop;
	pthread_t thread;
} other;

static void *run_on(void *arg)
{
	bench_pin(1);
	other.run(other.arg, OPS);
	__atomic_store_n(&other.runs, true, __ATOMIC_RELAXED);
	while (!__atomic_load_n(&other.stop, __ATOMIC_RELAXED))
		other.run(other.arg, OPS);
	return arg;
}

double measure_beside(const struct bench_time *t, bench_run run, void *mine, void *its)
{
	double ns;

	other.run = run;
	other.arg = its;
	other.runs = other.stop = false;
	if (pthread_create(&other.thread, NULL, run_on, NULL))
		bench_die("pthread_create");
	while (!__atomic_load_n(&other.runs, __ATOMIC_RELAXED))
		sched_yield();
	ns = bench_measure(t, run, mine);
	__atomic_store_n(&other.stop, true, __ATOMIC_RELAXED);
	pthread_join(other.thread, NULL);
	return ns;
}
