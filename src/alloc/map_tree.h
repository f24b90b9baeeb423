/*
 * map_tree.h - maps ordered by address: a treap, that is a search tree by start which is a heap by
 * priorities drawn at random. Split and merge are all there is; both walk one path from
 * the top, O(log n) expected, without recursion or links upward. Knows no lock.
 */
#ifndef MEMCG_ALLOC_MAP_TREE_H
#define MEMCG_ALLOC_MAP_TREE_H

#include "base/types.h"

enum standing { UNKNOWN = 0, CHARGED = 1, RESERVED = 2, LAZY = 3 };

struct map {
	uintptr_t start, end;
	struct map *left, *right; /* in the tree; right: also links spares */
	u32 handle;		  /* CHARGED: who pays */
	u32 prio;
	u32 standing;
	u32 spare32;
};

static inline u64 map_len(const struct map *m)
{
	return m->end - m->start;
}

/* Maps that begin below `at` to the left. Top down: each node is looked at once. */
static inline void tree_split(struct map *t, uintptr_t at, struct map **left, struct map **right)
{
	while (t) {
		if (t->start < at) {
			*left = t;
			left = &t->right;
			t = t->right;
		} else {
			*right = t;
			right = &t->left;
			t = t->left;
		}
	}
	*left = *right = NULL;
}

/* Everything in a begins below everything in b. */
static inline struct map *tree_merge(struct map *a, struct map *b)
{
	struct map *merged, **link = &merged;

	while (a && b) {
		if (a->prio > b->prio) {
			*link = a;
			link = &a->right;
			a = a->right;
		} else {
			*link = b;
			link = &b->left;
			b = b->left;
		}
	}
	*link = a ? a : b;
	return merged;
}

static inline struct map *tree_first(struct map *t)
{
	while (t && t->left)
		t = t->left;
	return t;
}

static inline struct map *tree_last(struct map *t)
{
	while (t && t->right)
		t = t->right;
	return t;
}

/* Takes the lowest map off. Rotates its ancestors away, so taking all of n costs O(n). */
static inline struct map *tree_pop(struct map **tree)
{
	struct map *t = *tree, *l;

	if (!t)
		return NULL;
	while ((l = t->left)) {
		t->left = l->right;
		l->right = t;
		t = l;
	}
	*tree = t->right;
	t->right = NULL;
	return t;
}

/* The map that `at` lies inside of, not at its start. */
static inline struct map *tree_across(struct map *t, uintptr_t at)
{
	struct map *below = NULL;

	while (t) {
		if (t->start < at) {
			below = t;
			t = t->right;
		} else {
			t = t->left;
		}
	}
	return below && below->end > at ? below : NULL;
}

#endif
