/*
 * child.h - the program that is measured. The driver executes it once for each
 * allocator and case, with LD_PRELOAD choosing who answers malloc; it is linked with no
 * allocator, so a call of malloc costs here what it costs any program.
 *
 * A case is set up, warmed up until a round takes long enough to time, then timed in rounds; it
 * prints lines of `key value` and the driver takes the median over many executions.
 */
#ifndef MEMCG_BENCH_CHILD_H
#define MEMCG_BENCH_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHILD_SKIPPED	 77 /* the case has no meaning with what is loaded */
#define CHILD_SEED	 0x9e3779b97f4a7c15ull
#define CHILD_ROUNDS_MAX 64u

struct bench_time {
	unsigned ms;	 /* how long a round takes */
	unsigned rounds; /* how many are timed; the median counts */
	uint64_t ops;	 /* not 0: run exactly so many, untimed (insn.sh counts instructions) */
	uint64_t first;	 /* operations of the first try; 0: 1024. For those that take long */
};

/* Of one operation; cpu: of all threads together. */
struct bench_cost {
	double ns, cpu;
};

/* n operations of a case. */
typedef void (*bench_run)(void *arg, uint64_t n);

/* --- child.c ------------------------------------------------------------ */

uint64_t bench_now(void);
void bench_pin(unsigned nth);	 /* to the nth CPU this process may use; ends it when refused */
extern bool bench_counting;	 /* no times are taken: something is counted */
void bench_spread(unsigned nth); /* where something is counted, threads must not meet on one CPU */
void bench_thread(void *(*body)(void *), void *arg);
double bench_measure(const struct bench_time *t, bench_run run, void *arg); /* ns an operation */
struct bench_cost bench_measure_cost(const struct bench_time *t, bench_run run, void *arg);
void bench_print_cost(struct bench_cost cost); /* "ns" and "cpu" */
void bench_print(const char *key, double value);
_Noreturn void bench_die(const char *what);
void *bench_need(void *p); /* p, or ends the process: what allocates nothing measures nothing */
uint64_t bench_rss(void);  /* anonymous bytes resident now */

/* xorshift64*: a few cycles, the same numbers for every allocator. */
static inline uint32_t bench_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t)((*state * 0x2545f4914f6cdd1dull) >> 32);
}

/* Evenly below n, without a division. */
static inline uint32_t bench_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)(((uint64_t)bench_random(state) * n) >> 32);
}

/* --- groups.c: libmemcg, where it is what was preloaded ----------------------- */

struct memcg;
bool groups_present(void);
struct memcg *groups_create(struct memcg *parent, const char *name);
struct memcg *groups_leaf(const char *name); /* third level of one tree: parents are shared */
uint64_t slabs_bytes(void); /* slabs.c: their pages and owner entries; 0: not libmemcg */

extern struct memcg *(*groups_enter)(struct memcg *cg);
extern void (*groups_leave)(struct memcg *previous);

/* --- the cases; arg is the rest of the case's name, "64" of "pair/64" --------- */

void object_pair(const struct bench_time *t, const char *arg);
void object_batch(const struct bench_time *t, const char *arg);
void object_rndwin(const struct bench_time *t, const char *arg);
void threads_prodcons(const struct bench_time *t, const char *arg);
void threads_two_groups(const struct bench_time *t, const char *arg);
void threads_crowd(const struct bench_time *t, const char *arg);
void threads_short(const struct bench_time *t, const char *arg);
void chain(const struct bench_time *t, const char *arg);
void server(const struct bench_time *t, const char *arg);
void resize(const struct bench_time *t, const char *arg);
void large_blocks(const struct bench_time *t, const char *arg);
void soak(const struct bench_time *t, const char *arg);
void many(const struct bench_time *t, const char *arg);
void tenants(const struct bench_time *t, const char *arg);

#endif
