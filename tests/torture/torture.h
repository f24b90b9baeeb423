/*
 * torture.h - everything at once and changing; and whenever it stands still, everything is true.
 *
 * 1. A run is a number of rounds. In a round each worker takes a fixed number of steps, each in a
 *    group of a tree that is made and destroyed under it. Then all wait at a gate, and one
 *    thread looks (check.c): counters against a recount from the memory, every object's owner and
 *    bytes against what is known of it here. Some workers end there, and others begin.
 * 2. What a step does is drawn from a stream of its own (chance.h): seed, round, worker and step
 *    name it. What it meets depends on the other threads; with one thread a run repeats itself.
 * 3. Objects of all sorts are items (item.h), which know what is in them and who should pay. They
 *    go from thread to thread through the exchange, and are freed by whoever displaces them.
 * 4. Who should pay is known whatever the order of things: memory that was charged to a group is
 *    its nearest living ancestor's, whether the group died before or after (lineage.h).
 * 5. The library is used by its public calls; what is looked at, by the recount and a few sums of
 *    the library's own.
 * 6. Callbacks run anywhere, so they take locks of ours by trying alone, and draw from a stream of
 *    the thread's that no step uses.
 */
#ifndef MEMCG_TORTURE_TORTURE_H
#define MEMCG_TORTURE_TORTURE_H

#include <pthread.h>

#include <memcg.h>

#include "base/bits.h"
#include "base/compiler.h"
#include "sync/atomic.h"

#include "chance.h"

#define THREADS_MAX 256u
#define GROUPS_MAX  65536u
#define EXCHANGE    4096u

/* What is done how often (steps.c). */
enum mix { MIX_ALL, MIX_MEMORY, MIX_LIMITS, MIX_NR };

struct options {
	u64 seed;
	double seconds;	 /* no new round after that; */
	unsigned rounds; /* or after so many, if not 0 */
	/* A test goes on past its seconds until what it is for has come about; or NULL. */
	bool (*enough)(void);
	unsigned threads, groups, steps;
	unsigned exchange; /* places; in a tree that is always short most would stand empty */
	enum mix mix;
	bool limits;   /* limits, shrinkers, handlers, refusals on demand */
	u64 top_max;   /* of the group that all others are below; with limits */
	bool progress; /* a line that changes, for who watches */
};

extern struct options opt;

/* How often something came about: a run in which nothing was refused has shown little. */
struct deeds {
	u64 steps, made, destroyed, refused, moved, stolen, split, forks, threads, scans, ooms,
		self, nobodys, looks;
};

extern struct deeds did;

#define DID(what) atomic_add_relaxed(&did.what, 1ul)

struct worker {
	pthread_t thread;
	unsigned number;
	u64 round;
	unsigned step;
	const char *doing; /* for who reads of a failure; atomic */
	bool leaves;	   /* ends with this round */
};

/* Says what was wrong, with the seed and what every worker was doing; exit status 1. */
__attribute__((noreturn)) __printf_(1, 2) void fail(const char *fmt, ...);

#define EXPECT(cond, ...)                  \
	do {                               \
		if (unlikely(!(cond)))     \
			fail(__VA_ARGS__); \
	} while (0)

struct chance *callback_chance(void); /* this thread's */

void deadline(unsigned seconds); /* a process that still runs by then hangs; 0: none */
void torture_child(void);	 /* in the child of a fork: failures are its own */
bool torture_is_child(void);

int torture(const struct options *options); /* 0; failures do not return */

/* 0; 2: not understood, and said so. */
int options_parse(struct options *o, int argc, char **argv);
/* [SECONDS [SEED]]: five, by the clock. Under a tool (effort.h) whatever came about is enough. */
void options_of_test(struct options *o, int argc, char **argv);

/* The one step of a worker, in whatever group. */
void step(struct worker *w, struct chance *c);

/* check.c: nobody moves. */
void check(u64 round);
unsigned check_files(void); /* descriptors that are open */
void check_end(bool child); /* nothing is left; in a child, but for what others held */

#endif
