/*
 * web_order.c - what had most comes first: processes by the peak of their root, groups by theirs
 * among those of one parent, which stay below it. Equal ones stay as they are. The account, and
 * with it the page's data, keeps the order of time.
 */
#include "web.h"

#include <stdlib.h>

static int by_peak(uint64_t a, uint64_t b, size_t i, size_t j)
{
	if (a != b)
		return a > b ? -1 : 1;
	return (i > j) - (i < j);
}

static size_t *numbers(size_t n)
{
	size_t *order = malloc((n ? n : 1) * sizeof(*order));

	for (size_t i = 0; order && i < n; i++)
		order[i] = i;
	return order;
}

static int by_root(const void *x, const void *y, void *arg)
{
	const struct account *a = arg;
	size_t i = *(const size_t *)x, j = *(const size_t *)y;

	return by_peak(a->processes[i].groups[0].peak, a->processes[j].groups[0].peak, i, j);
}

size_t *web_order_processes(const struct account *a)
{
	size_t *order = numbers(a->nr_processes);

	if (order)
		qsort_r(order, a->nr_processes, sizeof(*order), by_root, (void *)a);
	return order;
}

/* ---- groups ---- */

struct node {
	uint64_t peak;
	size_t parent;
	unsigned level; /* one below its parent, whatever depth it says */
};

/* Parents come first. NULL: no memory. */
static struct node *make_nodes(const struct account_group *group, size_t n)
{
	struct node *node = calloc(n ? n : 1, sizeof(*node));

	for (size_t i = 0; node && i < n; i++) {
		size_t at = i ? i - 1 : 0;

		while (at && group[at].depth >= group[i].depth)
			at = node[at].parent;
		node[i] = (struct node){group[i].peak, at, i ? node[at].level + 1 : 0};
	}
	return node;
}

/* Where their ways to the root part, siblings decide; whoever is above the other comes first. */
static int by_siblings(const void *x, const void *y, void *arg)
{
	const struct node *node = arg;
	const size_t i = *(const size_t *)x, j = *(const size_t *)y;
	size_t a = i, b = j;

	while (node[a].level > node[b].level)
		a = node[a].parent;
	while (node[b].level > node[a].level)
		b = node[b].parent;
	if (a == b)
		return (i > j) - (i < j);
	while (node[a].parent != node[b].parent) {
		a = node[a].parent;
		b = node[b].parent;
	}
	return by_peak(node[a].peak, node[b].peak, a, b);
}

size_t *web_order_groups(const struct account_process *p)
{
	struct node *nodes = make_nodes(p->groups, p->nr_groups);
	size_t *order = numbers(p->nr_groups);

	if (order && nodes)
		qsort_r(order, p->nr_groups, sizeof(*order), by_siblings, nodes);
	free(nodes);
	return order;
}
