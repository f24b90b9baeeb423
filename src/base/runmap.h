/*
 * runmap.h - runs of adjacent numbers, one bit each: first fit from where the last search ended.
 * No locking of its own and no memory of its own: the caller gives the words, all zero.
 */
#ifndef MEMCG_BASE_RUNMAP_H
#define MEMCG_BASE_RUNMAP_H

#include "base/bits.h"
#include "base/compiler.h"
#include "base/types.h"

struct runmap {
	u64 *word;
	u32 nr;	  /* numbers 0 .. nr - 1 */
	u32 used; /* taken now */
	u32 hint; /* nothing below it is free */
};

#define RUNMAP_NONE UINT32_MAX

static inline size_t runmap_bytes(u32 nr)
{
	return DIV_ROUND_UP(nr, 64u) * sizeof(u64);
}

static inline bool runmap_taken(const struct runmap *m, u32 i)
{
	return m->word[i / 64] >> (i % 64) & 1;
}

/* The first number from i on that is (is not) taken; nr: none. */
static inline u32 runmap_next(const struct runmap *m, u32 i, bool taken)
{
	while (i < m->nr) {
		u64 w = (taken ? m->word[i / 64] : ~m->word[i / 64]) >> (i % 64);

		if (w)
			return MIN(i + bit_first(w), m->nr);
		i = ALIGN_DOWN(i, 64u) + 64;
	}
	return m->nr;
}

static inline void runmap_set(struct runmap *m, u32 i, u32 n, bool taken)
{
	for (u32 end = i + n; i < end; i++)
		if (taken)
			m->word[i / 64] |= BIT(i % 64);
		else
			m->word[i / 64] &= ~BIT(i % 64);
}

/* n adjacent numbers, n > 0: the first; RUNMAP_NONE. Costs a walk over the taken ones. */
static inline u32 runmap_take(struct runmap *m, u32 n)
{
	u32 at = runmap_next(m, m->hint, false), end;

	m->hint = at;
	while (at < m->nr && n <= m->nr - at) {
		end = runmap_next(m, at, true);
		if (end - at >= n) {
			runmap_set(m, at, n, true);
			m->used += n;
			return at;
		}
		at = runmap_next(m, end, false);
	}
	return RUNMAP_NONE;
}

static inline void runmap_give(struct runmap *m, u32 i, u32 n)
{
	runmap_set(m, i, n, false);
	m->used -= n;
	m->hint = MIN(m->hint, i);
}

#endif
