/*
 * net.c - network pages without a socket: what a pool adds to a page, and what handing one over
 * costs. Against the block alone and a copy, which are what a program would do without.
 */
#include "cases.h"

#include <string.h>

#include <memcg/net.h>

#include "page/page.h"

#define RUN 16u

struct net {
	struct memcg_pool *pool;
	struct memcg_frag frag[RUN];
	char copy[PAGE_SIZE];
};

static void take(struct net *net, size_t n)
{
	if (memcg_pool_alloc(net->pool, NULL, net->frag, n) != (ssize_t)n)
		bench_die("memcg_pool_alloc");
}

static void pages(void *arg, uint64_t n)
{
	struct net *net = arg;

	while (n--) {
		take(net, 1);
		memcg_frags_put(net->frag, 1);
	}
}

/* A page each. */
static void runs(void *arg, uint64_t n)
{
	struct net *net = arg;

	for (uint64_t i = 0; i < n; i += RUN) {
		take(net, RUN);
		memcg_frags_put(net->frag, RUN);
	}
}

static void blocks(void *arg, uint64_t n)
{
	(void)arg;
	while (n--) {
		struct page *pg = block_alloc(0);

		if (!pg)
			bench_die("block_alloc");
		block_free(pg);
	}
}

/* The other holder's reference, which goes on a copy of the fragment. */
static void hand_overs(void *arg, uint64_t n)
{
	struct net *net = arg;

	while (n--) {
		net->frag[1] = net->frag[0];
		memcg_frags_get(&net->frag[1], 1);
		__asm__ volatile("" ::: "memory");
		memcg_frags_put(&net->frag[1], 1);
	}
}

static void copies(void *arg, uint64_t n)
{
	struct net *net = arg;

	while (n--) {
		memcpy(net->copy, memcg_page_address(net->frag[0].page), sizeof(net->copy));
		__asm__ volatile("" ::: "memory");
	}
}

void measure_net(const struct bench_time *t, const char *arg)
{
	static struct net net;

	if (!strncmp(arg, "receive/", 8)) {
		measure_receive(t, arg + 8);
		return;
	}
	if (!strncmp(arg, "receiver/", 9)) {
		measure_receiver(t, arg + 9);
		return;
	}
	if (!strncmp(arg, "send/", 5)) {
		measure_send(t, arg + 5);
		return;
	}
	if (!strncmp(arg, "borrow/", 7)) {
		measure_borrow(t, arg + 7);
		return;
	}
	memcg_enter(group_make(group_make(NULL, "net", 0), "tenant", 0));
	net.pool = bench_need(memcg_pool_create(NULL));
	if (!strcmp(arg, "page")) {
		bench_print("ns", bench_measure(t, pages, &net));
		bench_print("block", bench_measure(t, blocks, &net));
	} else if (!strcmp(arg, "run")) {
		bench_print("ns", bench_measure(t, runs, &net));
		bench_print("block", bench_measure(t, blocks, &net));
	} else if (!strcmp(arg, "hand-over")) {
		take(&net, 1);
		memset(memcg_page_address(net.frag[0].page), 1, PAGE_SIZE);
		bench_print("ns", bench_measure(t, hand_overs, &net));
		bench_print("copy", bench_measure(t, copies, &net));
	} else {
		bench_die("net: page, run or hand-over");
	}
}
