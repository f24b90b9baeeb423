/* item.c - making, looking at, and freeing items. Theory in item.h. */
#include "item.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "groups.h"
#include "lineage.h"

#define WHOLE 1024u /* bytes up to which all are written and looked at */
#define STEP  256u
#define WORD  sizeof(u64)

static struct item *exchange[EXCHANGE];
static u64 switched; /* rounds that may still have objects that are nobody's by accident; atomic */

void items_note_switch(void)
{
	atomic_store(&switched, 3ul);
}

/* --- bytes -------------------------------------------------------------------------- */

static size_t stride(size_t size)
{
	return size <= WHOLE ? WORD : STEP;
}

static u64 word_at(u64 salt, size_t off)
{
	return chance_mix(salt + off);
}

/* Words from the start, one each stride; then the last bytes, on whatever boundary they end. */
static void fill(const struct item *it)
{
	size_t end = MIN(it->size, WORD);
	u64 word;

	for (size_t off = 0; off + 2 * WORD <= it->size; off += stride(it->size)) {
		word = word_at(it->salt, off);
		memcpy((char *)it->p + off, &word, WORD);
	}
	word = word_at(it->salt, it->size);
	memcpy((char *)it->p + it->size - end, &word, end);
}

/* Of the words that lie in the first `size` bytes; the end is looked at by who has all of it. */
static bool words_stand(const void *p, const struct item *it, size_t size)
{
	for (size_t off = 0; off + 2 * WORD <= size; off += stride(it->size)) {
		u64 word = word_at(it->salt, off);

		if (memcmp((const char *)p + off, &word, WORD))
			return false;
	}
	return true;
}

static bool end_stands(const struct item *it)
{
	size_t end = MIN(it->size, WORD);
	u64 word = word_at(it->salt, it->size);

	return !memcmp((const char *)it->p + it->size - end, &word, end);
}

static void verify(const struct item *it)
{
	if (it->way == WAY_NET && torture_is_child())
		return;
	EXPECT(words_stand(it->p, it, it->size) && end_stands(it),
	       "item %p of way %u, %zu bytes, payer %lu: overwritten", it->p, it->way, it->size,
	       it->payer);
}

static bool reads_zero(const char *p, size_t size)
{
	for (size_t off = 0; off < size; off += size <= WHOLE ? 1 : 61)
		if (p[off])
			return false;
	return true;
}

/* --- making ---------------------------------------------------------------------------- */

/* asked: the id of who should pay; 0: nobody. What is true is asked of the library once. */
static u64 payer_now(const void *p, u64 asked)
{
	u64 id = memcg_owner_id(p);

	if (!id) {
		EXPECT(!asked || atomic_load(&switched), "%p, charged to %lu, is nobody's", p,
		       asked);
		DID(nobodys);
		return 0;
	}
	EXPECT(asked && lineage_covers(asked, id), "%p, charged to %lu, is of %lu", p, asked, id);
	return asked;
}

static u64 active_id(void)
{
	return memcg_id(memcg_active());
}

static struct item *item_new(enum way way, void *p, size_t size, u64 asked, struct chance *c)
{
	struct item *it;

	if (!p) {
		EXPECT(errno == ENOMEM, "way %u, %zu bytes: errno %d", way, size, errno);
		DID(refused);
		return NULL;
	}
	it = malloc(sizeof(*it));
	EXPECT(it, "no memory for the program's own");
	*it = (struct item){.way = way, .p = p, .size = size, .salt = draw(c)};
	if (way == WAY_CHARGE) {
		it->payer = asked;
		it->size = 0;
		return it;
	}
	it->payer = payer_now(p, asked);
	fill(it);
	return it;
}

size_t item_size(struct chance *c)
{
	u64 r = below(c, 1000);

	if (r < 900)
		return 1 + below(c, 700);
	if (r < 980)
		return 1 + below(c, 12000);
	return 1 + below(c, r < 999 ? 120000 : 3 * MIB);
}

struct item *item_object(size_t size, struct chance *c)
{
	struct item *it;
	void *p;

	errno = 0;
	if (!one_in(c, 8))
		return item_new(WAY_OBJECT, memcg_malloc(size), size, active_id(), c);
	p = memcg_calloc(1, size);
	EXPECT(!p || reads_zero(p, size), "calloc of %zu: not zero", size);
	it = item_new(WAY_OBJECT, p, size, active_id(), c);
	return it;
}

struct item *item_object_in(struct memcg *cg, size_t size, unsigned flags, struct chance *c)
{
	size_t align = one_in(c, 4) ? 16ul << below(c, 9) : 0;
	u64 asked = flags & MEMCG_UNACCOUNTED ? 0 : cg ? memcg_id(cg) : active_id();
	void *p;

	errno = 0;
	p = memcg_alloc(cg, size, align, flags);
	EXPECT(!p || !align || !((uintptr_t)p & (align - 1)), "%p is not aligned to %zu", p, align);
	EXPECT(!p || !(flags & MEMCG_ZERO) || reads_zero(p, size), "%zu zeroed: not zero", size);
	return item_new(WAY_OBJECT, p, size, asked, c);
}

struct item *item_of_cache(struct chance *c)
{
	unsigned n = (unsigned)below(c, CACHES);
	unsigned flags = one_in(c, 4) ? MEMCG_UNACCOUNTED : 0;
	struct item *it;

	errno = 0;
	it = item_new(WAY_CACHE, memcg_cache_alloc(item_cache[n], flags), item_cache_size[n],
		      flags ? 0 : active_id(), c);
	if (it)
		it->cache = n;
	return it;
}

static struct item *page_item(struct memcg_page *page, size_t size, u64 asked, struct chance *c)
{
	struct item *it =
		item_new(WAY_PAGE, page ? memcg_page_address(page) : NULL, size, asked, c);

	if (it)
		it->page = page;
	return it;
}

struct item *item_pages(unsigned order, unsigned flags, struct chance *c)
{
	unsigned kind = one_in(c, 2) ? MEMCG_PAGE_BUFFER : MEMCG_PAGE_TABLE;
	size_t size = PAGE_SIZE << order;
	struct memcg_page *page;

	errno = 0;
	page = memcg_pages_alloc(order, kind, flags);
	EXPECT(!page || !(flags & MEMCG_ZERO) || reads_zero(memcg_page_address(page), size),
	       "pages of order %u: not zero", order);
	return page_item(page, size, flags & MEMCG_ACCOUNT ? active_id() : 0, c);
}

struct item *item_of_page(struct memcg_page *page, struct chance *c)
{
	return page_item(page, PAGE_SIZE, active_id(), c);
}

struct item *item_of_net(struct memcg_page *page, struct chance *c)
{
	struct item *it = item_of_page(page, c);

	if (it)
		it->way = WAY_NET;
	return it;
}

struct item *item_stack(size_t size, struct chance *c)
{
	errno = 0;
	return item_new(WAY_STACK, memcg_stack_alloc(size), size, active_id(), c);
}

struct item *item_charge(size_t size, struct chance *c)
{
	errno = 0;
	return item_new(WAY_CHARGE, memcg_charge(NULL, size), size, active_id(), c);
}

static unsigned page_flags(struct chance *c)
{
	static const unsigned more[] = {0, 0, MEMCG_ZERO, MEMCG_NOWAIT, MEMCG_NOFAIL};

	return (one_in(c, 8) ? 0 : MEMCG_ACCOUNT) | more[below(c, ARRAY_SIZE(more))];
}

static unsigned object_flags(struct chance *c)
{
	static const unsigned flags[] = {
		0, 0, MEMCG_ZERO, MEMCG_NOWAIT, MEMCG_NOFAIL, MEMCG_RESERVE, MEMCG_UNACCOUNTED};

	return flags[below(c, ARRAY_SIZE(flags))];
}

struct item *item_any(struct chance *c)
{
	switch (below(c, 8)) {
	case 0:
	case 1:
		return item_of_cache(c);
	case 2:
		return item_pages((unsigned)below(c, one_in(c, 64) ? 11 : 3), page_flags(c), c);
	case 3:
		return item_stack(1 + below(c, one_in(c, 2) ? 4096 : 100000), c);
	case 4:
		return item_charge(below(c, one_in(c, 8) ? 10 * MIB : 100000), c);
	default:
		return item_object_in(NULL, item_size(c), object_flags(c), c);
	}
}

/* --- ends -------------------------------------------------------------------------------- */

void item_forget(struct item *it)
{
	free(it);
}

static void give_back(struct item *it)
{
	switch (it->way) {
	case WAY_OBJECT:
		if (it->salt % 4)
			memcg_free(it->p);
		else
			memcg_free_sized(it->p, it->size);
		break;
	case WAY_CACHE:
		memcg_cache_free(item_cache[it->cache], it->p);
		break;
	case WAY_PAGE:
	case WAY_NET:
		memcg_page_put(it->page);
		break;
	case WAY_STACK:
		memcg_stack_free(it->p);
		break;
	case WAY_CHARGE:
		memcg_uncharge(it->p);
		break;
	}
}

void item_free(struct item *it)
{
	if (!it)
		return;
	if (it->size)
		verify(it);
	give_back(it);
	item_forget(it);
}

/* --- changes ------------------------------------------------------------------------------- */

/* What was nobody's is somebody's from then on. A charge is not moved by its address. */
void item_recharge(struct item *it, struct chance *c)
{
	struct memcg *to;
	int err;

	if (it->way == WAY_CHARGE)
		return;
	to = group_random(c);
	err = it->page ? memcg_page_recharge(it->page, to) : memcg_recharge(it->p, to);
	EXPECT(err == 0 || err == -ENOMEM || (err == -EBUSY && it->way == WAY_NET),
	       "recharging %p of way %u, payer %lu: %d", it->p, it->way, it->payer, err);
	if (!err) {
		it->payer = memcg_id(to);
		DID(moved);
	}
	memcg_put(to);
}

/* The payer stays, whoever that is by now, and what fits of the bytes. */
void item_regrow(struct item *it, struct chance *c)
{
	size_t size = item_size(c);
	void *p;

	if (it->way != WAY_OBJECT)
		return;
	verify(it);
	p = memcg_realloc(it->p, size);
	if (!p) {
		verify(it);
		return;
	}
	EXPECT(words_stand(p, it, MIN(size, it->size)), "realloc of %zu to %zu bytes lost some",
	       it->size, size);
	it->p = p;
	it->size = size;
	it->salt = draw(c);
	fill(it);
}

static void pass_piece(const struct item *whole, unsigned i, size_t size, struct chance *c)
{
	struct item *piece = malloc(sizeof(*piece));

	EXPECT(piece, "no memory for the program's own");
	*piece = *whole;
	piece->p = (char *)whole->p + i * size;
	piece->page = memcg_page_of(piece->p);
	piece->size = size;
	piece->salt = draw(c);
	EXPECT(piece->page && memcg_page_address(piece->page) == piece->p, "a piece is no page");
	fill(piece);
	item_pass_on(piece, c);
}

/* Who passes by may have a reference for an instant: then it stays whole. */
bool item_split(struct item *it, struct chance *c)
{
	unsigned order = (unsigned)below(c, 3);
	size_t size = PAGE_SIZE << order;
	int err;

	if (it->way != WAY_PAGE || it->size <= size)
		return false;
	verify(it);
	err = memcg_page_split(it->page, order);
	EXPECT(err == 0 || err == -EBUSY, "splitting %zu bytes: %d", it->size, err);
	if (err)
		return false;
	for (unsigned i = 0; i < it->size / size; i++)
		pass_piece(it, i, size, c);
	DID(split);
	item_forget(it);
	return true;
}

void item_look(const struct item *it, struct chance *c)
{
	const char *at = (const char *)it->p + (it->size ? below(c, it->size) : 0);
	struct memcg *cg;
	u64 id;

	if (it->way == WAY_CHARGE)
		return;
	id = memcg_owner_id(at);
	EXPECT(!id == !it->payer, "%p, payer %lu, is said to be of %lu", at, it->payer, id);
	EXPECT(!id || lineage_covers(it->payer, id), "%p is paid for by %lu, not %lu", at, id,
	       it->payer);
	cg = it->page ? memcg_page_owner(it->page) : memcg_owner(at);
	EXPECT(!cg == !it->payer, "%p, payer %lu, %s owned", at, it->payer, cg ? "is" : "is not");
	EXPECT(!cg || lineage_covers(it->payer, memcg_id(cg)), "%p is owned by %lu, not %lu", at,
	       memcg_id(cg), it->payer);
	EXPECT(it->way != WAY_OBJECT || memcg_usable_size(it->p) >= it->size, "%p has shrunk",
	       it->p);
	memcg_put(cg);
	DID(looks);
}

/* --- the exchange ---------------------------------------------------------------------------- */

void item_pass_on(struct item *it, struct chance *c)
{
	item_free(atomic_xchg(&exchange[below(c, opt.exchange)], it));
}

struct item *item_take(struct chance *c)
{
	return atomic_xchg(&exchange[below(c, opt.exchange)], NULL);
}

/* The name of a dead group is not needed beyond this: its heir's stands for it. */
void item_settle(struct item *it)
{
	u64 heir = it->payer ? lineage_heir(it->payer) : 0;

	if (it->size)
		verify(it);
	if (it->way != WAY_CHARGE)
		EXPECT(memcg_owner_id(it->p) == heir,
		       "%p of way %u, %zu bytes: charged to %lu, so %lu's, but paid for by %lu",
		       it->p, it->way, it->size, it->payer, heir, memcg_owner_id(it->p));
	it->payer = heir;
}

void items_settle(void)
{
	for (unsigned i = 0; i < opt.exchange; i++)
		if (exchange[i])
			item_settle(exchange[i]);
	if (atomic_load(&switched))
		atomic_store(&switched, atomic_load(&switched) - 1);
}

/* --- beginning and end -------------------------------------------------------------------------
 */

struct memcg_cache *item_cache[CACHES];
const size_t item_cache_size[CACHES] = {40, 200, 3000};

static void construct(void *p)
{
	memset(p, 0x5a, 8);
}

void items_begin(void)
{
	for (unsigned i = 0; i < CACHES; i++) {
		item_cache[i] = memcg_cache_create("torture", item_cache_size[i], i ? 64 : 0,
						   i == 1 ? construct : NULL);
		EXPECT(item_cache[i], "no cache: %d", errno);
	}
}

void items_end(void)
{
	for (unsigned i = 0; i < opt.exchange; i++)
		item_free(atomic_xchg(&exchange[i], NULL));
	for (unsigned i = 0; i < CACHES; i++)
		EXPECT(!memcg_cache_destroy(item_cache[i]), "cache %u is not empty", i);
}
