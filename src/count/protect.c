/*
 * protect.c - effective protection: how much of a counter's usage reclaim above it leaves alone.
 *
 * Shares are handed down from the counter whose reclaim it is, level by level. All figures are
 * read while others change them: a share is right for some mixture of moments, which is all that
 * a decision about whom to ask next needs.
 */
#include "count/counter.h"

#define PATH 32 /* levels handled at a time: trees are shallow, stacks may be small */

static u64 mul_div(u64 a, u64 b, u64 c)
{
	return (u64)((unsigned __int128)a * b / c);
}

/*
 * A child's share of one setting. claimed: the siblings' sum, its own included. When they claim
 * more than the parent has, all get less in proportion; when less, the rest is theirs by what
 * each uses beyond its claim.
 */
static u64 share(u64 usage, u64 parent_usage, u64 setting, u64 parent_has, u64 claimed)
{
	u64 mine = usage < setting ? usage : setting;

	if (claimed > parent_has)
		return mul_div(mine, parent_has, claimed);
	if (parent_has > claimed && parent_usage > claimed && usage > mine)
		mine += mul_div(parent_has - claimed, usage - mine, parent_usage - claimed);
	return mine;
}

/* What c's children claim; below 0 for a moment: counter.c, 5. */
static u64 claims(const u64 *sum)
{
	s64 n = (s64)atomic_load(sum);

	return n > 0 ? (u64)n : 0;
}

static struct protection below(const struct counter *c, struct protection parent)
{
	const struct counter *up = c->parent;
	u64 usage = atomic_load(&c->usage), parent_usage = atomic_load(&up->usage);

	return (struct protection){
		.min = share(usage, parent_usage, atomic_load(&c->min), parent.min,
			     claims(&up->children_min)),
		.low = share(usage, parent_usage, atomic_load(&c->low), parent.low,
			     claims(&up->children_low)),
	};
}

/* The levels from c up to just under top; of a longer way the PATH nearest to top. Returns how
 * many; path[0] is the one next to top. */
static unsigned way_down(const struct counter *c, const struct counter *top,
			 const struct counter *path[PATH])
{
	unsigned depth = 0, n, i;
	const struct counter *at;

	for (at = c; at != top; at = at->parent)
		depth++;
	n = depth < PATH ? depth : PATH;
	for (at = c, i = depth; at != top; at = at->parent)
		if (--i < n)
			path[i] = at;
	return n;
}

struct protection counter_protection(const struct counter *c, const struct counter *top)
{
	const struct counter *path[PATH], *from = top;
	struct protection p = {0};
	unsigned n, i;

	while (from != c) {
		n = way_down(c, from, path);
		for (i = 0; i < n; i++)
			p = path[i]->parent == top ? (struct protection){atomic_load(&path[i]->min),
									 atomic_load(&path[i]->low)}
						   : below(path[i], p);
		from = path[n - 1];
	}
	return p;
}
