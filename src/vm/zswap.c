/* zswap.c - pages as words and as compressed copies. Theory in zswap.h. */
#include "vm/zswap.h"

#include <errno.h>
#include <lz4.h>
#include <string.h>

#include "alloc/alloc.h"
#include "alloc/arena.h"
#include "sys/log.h"
#include "vm/sum.h"

/* --- presses ----------------------------------------------------------------------- */

struct press {
	struct press *next; /* in the pool; lock */
	char out[ZSWAP_MAX];
	LZ4_stream_t state;
};

static struct lock pool_lock = LOCK_INIT(RANK_ZSWAP);
static struct press *pool; /* pool_lock */

static struct press *press_get(void)
{
	struct press *p;

	task_busy_begin();
	lock_acquire(&pool_lock);
	p = pool;
	if (p)
		pool = p->next;
	lock_release(&pool_lock);
	if (!p)
		p = meta_alloc(sizeof(*p));
	task_busy_end();
	return p;
}

static void press_put(struct press *p)
{
	task_busy_begin();
	lock_acquire(&pool_lock);
	p->next = pool;
	pool = p;
	lock_release(&pool_lock);
	task_busy_end();
}

/* --- copies ------------------------------------------------------------------------ */

struct copy {
	u32 sum; /* of data */
	u32 length;
	char data[];
};

static struct heap heap;
static struct arena arena = ARENA_INIT(&heap);

static struct copy *copy_of(u64 entry)
{
	return (struct copy *)entry;
}

static struct copy *copy_make(u32 handle, const char *data, u32 length)
{
	struct copy *c = arena_alloc(&arena, handle, sizeof(*c) + length);

	if (!c)
		return NULL;
	c->length = length;
	memcpy(c->data, data, length);
	c->sum = sum_of(c->data, length);
	return c;
}

/* Each word is like the one before it; the last first, because the middle of a page costs more. */
static bool is_same(const u64 *word)
{
	const size_t n = PAGE_SIZE / sizeof(*word);

	return word[0] == word[n - 1] && !memcmp(word, word + 1, PAGE_SIZE - sizeof(*word));
}

static int store_copy(const void *page, u32 handle, u64 *entry)
{
	struct press *p = press_get();
	struct copy *c = NULL;
	int length;

	if (!p)
		return -ENOMEM;
	length = LZ4_compress_fast_extState(&p->state, page, p->out, PAGE_SIZE, ZSWAP_MAX, 1);
	if (length > 0)
		c = copy_make(handle, p->out, (u32)length);
	press_put(p);
	if (!c)
		return length > 0 ? -ENOMEM : -E2BIG;
	*entry = (u64)(uintptr_t)c;
	return WHERE_ZSWAP;
}

int zswap_store(const void *page, u32 handle, u64 *entry)
{
	const u64 *word = page;

	if (!is_same(word))
		return store_copy(page, handle, entry);
	*entry = *word;
	return WHERE_SAME;
}

/* The length before the sum is taken over it: it may be what was damaged. */
static bool intact(const struct copy *c)
{
	return c->length && c->length <= ZSWAP_MAX && c->sum == sum_of(c->data, c->length);
}

int zswap_load(u64 entry, void *page)
{
	const struct copy *c = copy_of(entry);
	int n = -1;

	if (likely(intact(c)))
		n = LZ4_decompress_safe(c->data, page, (int)c->length, PAGE_SIZE);
	if (likely(n == (int)PAGE_SIZE))
		return 0;
	log_line("zswap: the compressed copy of a page at %p is damaged: something wrote over it",
		 (const void *)c);
	return -EIO;
}

void zswap_free(u64 entry)
{
	arena_free(&arena, copy_of(entry));
}

void zswap_fill(u64 word, void *page)
{
	u64 *at = page, *end = at + PAGE_SIZE / sizeof(word);

	while (at < end)
		*at++ = word;
}

/* --- who pays ----------------------------------------------------------------------- */

u32 zswap_bytes(u64 entry)
{
	return slab_cost(page_head(page_index(copy_of(entry)))->slab.size);
}

u32 zswap_owner(u64 entry)
{
	return payer_of(copy_of(entry));
}

int zswap_recharge(u64 entry, u32 from, u32 to, bool charged)
{
	int err = object_recharge(copy_of(entry), from, to, charged);

	if (err == -ENOMEM)
		charge_forgive(); /* the mover decides what it does about it */
	return err;
}

u64 zswap_trim(bool all)
{
	return arena_trim(&arena, all);
}

/* --- fork ----------------------------------------------------------------------------- */

/* A press that another thread was using is lost to the child. */
void zswap_fork_prepare(void)
{
	lock_acquire(&pool_lock);
	arena_fork_prepare(&arena);
}

void zswap_fork_done(void)
{
	arena_fork_done(&arena);
	lock_release(&pool_lock);
}
