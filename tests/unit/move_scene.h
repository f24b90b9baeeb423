/*
 * move_scene.h - one mm that may move: alone with two groups, or in a scene with a parent, a
 * source, a target and a third group, where pages are of any kind and in any state.
 */
#ifndef MEMCG_TESTS_MOVE_SCENE_H
#define MEMCG_TESTS_MOVE_SCENE_H

#include "move_fixture.h"

#include <memcg/net.h>

static struct memcg_mm *mm, *mm2;

static inline struct memcg_move move_to(struct memcg *to, unsigned flags)
{
	struct memcg_move r;

	CHECK(!memcg_mm_move(mm, to, flags, &r, sizeof(r)));
	return r;
}

/* cg's mm, and other's. */
static inline void two_mms(bool both)
{
	set_up();
	mm = memcg_mm_create(cg);
	mm2 = both ? memcg_mm_create(other) : NULL;
	CHECK(mm && (mm2 || !both));
}

/* The mm is a child's of cg. */
static inline struct memcg *mm_of_a_child(void)
{
	struct memcg *child;

	two_mms(false);
	child = memcg_create(cg, "child");
	memcg_mm_destroy(mm);
	mm = memcg_mm_create(child);
	CHECK(child && mm);
	return child;
}

static inline void tear_down(void)
{
	memcg_mm_destroy(mm);
	memcg_mm_destroy(mm2);
	CHECK(held(cg) == 0 && held(other) == 0);
	closes();
}

/* --- scenes -------------------------------------------------------------------------- */

#define N 70u /* pages of a row: more than are moved under one hold of a lock */

enum kind { ANON, SHMEM, CACHED, NET };

struct scene {
	struct memcg *parent, *from, *to, *third;
	struct memcg_mm *second;
	struct memcg_file *file;
	struct memcg_pool *pool;
	struct memcg_frag frags[N];
	char *p;
	enum content content;
	bool table; /* the mover has one, from's */
};

static inline void scene_set(struct scene *s)
{
	*s = (struct scene){.content = CONTENT_MIXED};
	s->parent = memcg_create(NULL, "parent");
	s->from = memcg_create(s->parent, "from");
	s->to = memcg_create(s->parent, "to");
	s->third = memcg_create(s->parent, "third");
	mm = memcg_mm_create(s->from);
	CHECK(s->parent && s->from && s->to && s->third && mm);
}

static inline void scene_strike(struct scene *s)
{
	struct bill left;

	memcg_mm_destroy(mm);
	memcg_mm_destroy(s->second);
	memcg_file_close(s->file);
	memcg_frags_put(s->frags, N);
	CHECK(!memcg_pool_destroy(s->pool));
	left = bill_of(s->parent);
	CHECK(same_bill(&left, &(struct bill){0}));
	CHECK(!memcg_destroy(s->third) && !memcg_destroy(s->to) && !memcg_destroy(s->from) &&
	      !memcg_destroy(s->parent));
	closes();
}

/* A file with the content in it. */
static inline void make_file(struct scene *s)
{
	char name[] = "/tmp/t_move.XXXXXX";
	u64 page[PAGE_SIZE / sizeof(u64)];
	int fd = mkstemp(name);

	CHECK(fd >= 0 && !unlink(name));
	for (unsigned i = 0; i < N; i++) {
		page_write(page, i + 1, s->content);
		CHECK(write(fd, page, PAGE_SIZE) == (ssize_t)PAGE_SIZE);
	}
	s->file = memcg_file_open(fd, 0);
	CHECK(s->file && !close(fd));
}

static inline char *map_first(struct scene *s, enum kind kind, struct memcg_mm *by, unsigned flags)
{
	char *p;

	if (kind == CACHED) {
		make_file(s);
		p = memcg_mmap(by, (size_t)N << PAGE_SHIFT, RW, flags, s->file, 0);
		CHECK(p);
		return p;
	}
	return range(by, N, flags | (kind == SHMEM ? MEMCG_MAP_SHARED : 0));
}

static inline char *map_again(struct memcg_mm *by, const char *p)
{
	char *q = memcg_mmap_same(by, p, (size_t)N << PAGE_SHIFT, RW, 0);

	CHECK(q);
	return q;
}

static inline void touched(struct scene *s, enum kind kind, unsigned flags)
{
	s->p = map_first(s, kind, mm, flags);
	fill(s->p, N, s->content);
	s->table = true;
}

/* Network pages of the group, filled. */
static inline void received(struct scene *s, struct memcg *group)
{
	CHECK((s->pool = memcg_pool_create(NULL)));
	CHECK(memcg_pool_alloc(s->pool, group, s->frags, N) == N);
	for (unsigned i = 0; i < N; i++)
		page_write(memcg_page_address(s->frags[i].page), i + 1, s->content);
	s->p = memcg_page_address(s->frags[0].page); /* a new pool's lie side by side */
}

static inline char *view_in(struct scene *s, struct memcg_mm *by)
{
	char *p = memcg_frags_map(by, s->frags, N);

	CHECK(p);
	return p;
}

/* Read, and nothing written. */
static inline void clean(struct scene *s, enum kind kind)
{
	s->p = map_first(s, kind, mm, 0);
	is_filled(s->p, N, s->content);
	s->table = true;
	CHECK(!STAT(s->from, file_dirty));
}

#endif
