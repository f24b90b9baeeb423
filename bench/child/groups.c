/*
 * groups.c - libmemcg's calls, found at run time: with another allocator preloaded the same
 * program runs without groups.
 */
#include "child.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static struct memcg *(*create)(struct memcg *parent, const char *name);

struct memcg *(*groups_enter)(struct memcg *cg);
void (*groups_leave)(struct memcg *previous);

static struct memcg *enter_nothing(struct memcg *cg)
{
	return cg;
}

static void leave_nothing(struct memcg *previous)
{
	(void)previous;
}

/* POSIX gives functions as object pointers; ISO C has no conversion between the two. */
static void find(const char *name, void *pointer)
{
	void *symbol = dlsym(RTLD_DEFAULT, name);

	memcpy(pointer, &symbol, sizeof(symbol));
}

bool groups_present(void)
{
	if (groups_enter)
		return create;
	find("memcg_create", &create);
	find("memcg_enter", &groups_enter);
	find("memcg_leave", &groups_leave);
	if (create && groups_enter && groups_leave)
		return true;
	create = NULL;
	groups_enter = enter_nothing;
	groups_leave = leave_nothing;
	return false;
}

struct memcg *groups_create(struct memcg *parent, const char *name)
{
	struct memcg *cg;

	if (!groups_present())
		return NULL;
	cg = create(parent, name);
	if (!cg)
		bench_die("memcg_create");
	return cg;
}

struct memcg *groups_leaf(const char *name)
{
	static struct memcg *middle;

	if (!middle)
		middle = groups_create(groups_create(NULL, "bench"), "shared");
	return groups_create(middle, name);
}
