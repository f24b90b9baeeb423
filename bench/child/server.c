/*
 * server.c - N threads that serve four connections each. A visit replaces blocks of the
 * connection at random, most small, some of pages, and hands the connection with all its blocks to
 * the next thread: what one allocated another frees. Each connection has a group; who visits it
 * is in that group meanwhile. There may be many more threads than CPUs.
 *
 * The unit is a block freed and one allocated.
 */
#include "child.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hatch.h"

#define THREADS_MAX 64u
#define EACH	    4u
#define SLOTS	    200u
#define VISIT	    200u

struct connection {
	uint64_t random;
	struct memcg *group;
	char *block[SLOTS];
};

struct worker {
	struct hatch inbox;
	struct server *server;
	struct worker *next;
};

struct server {
	unsigned threads;
	int64_t left;	   /* operations of this round; taken from by every worker, atomically */
	struct hatch home; /* connections whose round is over */
	struct worker worker[THREADS_MAX];
	struct connection connection[THREADS_MAX * EACH];
};

/* 15 of 20 to 256 bytes, 4 to 4 KiB, 1 to 32 KiB. */
static size_t size_of(uint64_t *random)
{
	uint32_t kind = bench_below(random, 20);

	if (kind < 15)
		return 16 + bench_below(random, 241);
	return kind < 19 ? 257 + bench_below(random, 3840) : 4097 + bench_below(random, 28672);
}

static void visit(struct connection *c)
{
	struct memcg *before = c->group ? groups_enter(c->group) : NULL;

	for (unsigned i = 0; i < VISIT; i++) {
		char **slot = &c->block[bench_below(&c->random, SLOTS)];
		size_t size = size_of(&c->random);

		free(*slot);
		*slot = bench_need(malloc(size));
		(*slot)[0] = (*slot)[size - 1] = 1;
	}
	if (c->group)
		groups_leave(before);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	bench_spread((unsigned)(w - w->server->worker));
	for (;;) {
		struct connection *c = hatch_take(&w->inbox);

		if (__atomic_fetch_sub(&w->server->left, VISIT, __ATOMIC_RELAXED) <= 0) {
			hatch_put(&w->server->home, c);
			continue;
		}
		visit(c);
		hatch_put(&w->next->inbox, c);
	}
	return NULL;
}

static void serve(void *arg, uint64_t n)
{
	struct server *s = arg;
	unsigned connections = s->threads * EACH;

	__atomic_store_n(&s->left, (int64_t)n, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < connections; i++)
		hatch_put(&s->worker[i % s->threads].inbox, &s->connection[i]);
	for (unsigned i = 0; i < connections; i++)
		(void)hatch_take(&s->home);
}

static void set_up(struct server *s)
{
	char name[32];

	hatch_init(&s->home);
	for (unsigned i = 0; i < s->threads * EACH; i++) {
		s->connection[i].random = CHILD_SEED * (2 * i + 1);
		snprintf(name, sizeof(name), "connection-%u", i);
		s->connection[i].group = groups_present() ? groups_leaf(name) : NULL;
	}
	for (unsigned i = 0; i < s->threads; i++) {
		hatch_init(&s->worker[i].inbox);
		s->worker[i].server = s;
		s->worker[i].next = &s->worker[(i + 1) % s->threads];
	}
	for (unsigned i = 0; i < s->threads; i++)
		bench_thread(worker_main, &s->worker[i]);
}

void server(const struct bench_time *t, const char *arg)
{
	static struct server s;
	struct bench_time time = *t;
	uint64_t empty;

	s.threads = (unsigned)strtoul(arg, NULL, 10);
	if (!s.threads || s.threads > THREADS_MAX)
		bench_die("server/N: 1 to 64 threads");
	time.first = (uint64_t)s.threads * EACH * VISIT;
	memset(s.connection, 0, sizeof(s.connection)); /* touched now: not what is measured */
	set_up(&s);
	empty = bench_rss();
	serve(&s, 4 * time.first); /* every slot taken */
	bench_print_cost(bench_measure_cost(&time, serve, &s));
	bench_print("rss_mib", (double)(bench_rss() - empty) / 1048576);
}
