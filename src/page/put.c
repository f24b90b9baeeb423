/*
 * put.c - counts, and the one way a page is freed.
 *
 * 1. The kind is looked at when the count *has become* zero, never by looking for a count of
 *    one: between the look and the drop somebody may have taken or dropped a reference.
 *    Who needs a page to itself that has one reference freezes it: 1 -> 0 by compare-and-swap.
 * 2. A page is uncharged because its mark says so, by page_ops[kind].uncharge,
 *    after the mark is gone. No switch anywhere else is asked.
 * 3. The check at free is always on: kind, count, mappings and type of the owner word
 *    must fit. What fails is reported and never used again (PAGE_BAD), with its owner word and
 *    its charge: they are evidence, and a wrong uncharge is worse than a page lost. A page
 *    that is not a counted kind at all is somebody else's: it is reported and left alone.
 */
#include "page/free.h"

#include "sys/log.h"

struct page_ops page_ops[PAGE_KIND_NR];
u64 page_bad_count;

/* ---- the check ---- */
static bool kind_is_counted(const struct page *pg)
{
	return pg->kind < PAGE_KIND_NR && kind_table[pg->kind].counted;
}

static bool kind_is_kernel_style(unsigned kind)
{
	return kind == PAGE_BUFFER || kind == PAGE_TABLE || kind == PAGE_STACK;
}

/* No owner at all, or a handle; never a vector; kernel-style pages are typed so. */
static bool owner_fits(const struct page *pg)
{
	u64 word = page_owner_word(pg), type = owner_type(word);

	if (!word)
		return true;
	if (word == type)
		return false;
	return type == MEMCG_DATA_KMEM || (type == 0 && !kind_is_kernel_style(pg->kind));
}

static const char *fault_of(const struct page *pg)
{
	if (!kind_is_counted(pg))
		return "its kind has no count";
	if (page_count(pg))
		return "it still has references";
	if (pg->mapcount)
		return "it is still mapped";
	if (!owner_fits(pg))
		return "its owner word does not fit its kind";
	if (!pg->npages)
		return "it is not the head of a block";
	if (unlikely(page_ops[pg->kind].fits) && !page_ops[pg->kind].fits(pg))
		return "no pool that lives has handed it out";
	return NULL;
}

static __cold_ void page_bad(struct page *pg, const char *why)
{
	log_line("page %u (%s) is freed but %s: refcount %u mapcount %d owner word %#lx; "
		 "kept out of use",
		 page_to_index(pg), pg->kind < PAGE_KIND_NR ? kind_table[pg->kind].name : "?", why,
		 page_count(pg), pg->mapcount, (unsigned long)page_owner_word(pg));
	atomic_add_relaxed(&page_bad_count, 1ul);
	if (kind_is_counted(pg))
		kind_set(pg, PAGE_BAD);
}

static bool page_check_free(struct page *pg)
{
	const char *why = fault_of(pg);

	if (likely(!why))
		return true;
	page_bad(pg, why);
	return false;
}

/* ---- the free path ---- */
static void page_leave(struct page *pg, struct handle *h)
{
	BUG_ON(!page_ops[pg->kind].leave || !page_ops[pg->kind].uncharge);
	page_clear_objcg(pg);
	page_ops[pg->kind].leave(h, pg->kind, page_bytes(pg));
}

void page_uncharge(struct page *pg)
{
	struct handle *h = page_objcg(pg);

	page_leave(pg, h);
	page_ops[pg->kind].uncharge(h, page_bytes(pg));
}

static void page_release(struct page *pg)
{
	if (page_ops[pg->kind].release) {
		page_ops[pg->kind].release(pg);
		return;
	}
	kind_set(pg, PAGE_NONE);
	if (pg->npages > CHUNK_PAGES)
		range_free(pg);
	else
		block_free(pg);
}

/* Outlined, so that a page of nobody's pays for the question and for nothing else. */
static __noinline_ void page_free_owned(struct page *pg)
{
	struct handle *h = page_objcg(pg);

	if (page_ops[pg->kind].finish) {
		page_clear_objcg(pg);
		page_ops[pg->kind].finish(pg, h);
		return;
	}
	page_uncharge(pg);
	page_release(pg);
}

void page_free(struct page *pg)
{
	if (!page_check_free(pg))
		return;
	if (page_owned(pg))
		page_free_owned(pg);
	else
		page_release(pg);
}

/* ---- counts ---- */
HOOK_DEFINE(tryget_loaded);
HOOK_DEFINE(page_dropped);

/* pg may have become anything since: what is looked at and written to is a count for ever. */
bool page_tryget(struct page *pg)
{
	u32 n = page_count(pg);

	HOOK(tryget_loaded);
	while (n)
		if (atomic_cas(page_count_of(pg), &n, n + 1))
			return true;
	return false;
}

static bool drop(struct page *pg)
{
	u32 left = atomic_sub(page_count_of(pg), 1u);

	if (unlikely(left == UINT32_MAX))
		memcg_bug("page %u (%s): put without a reference; it was put once too often",
			  page_to_index(pg),
			  pg->kind < PAGE_KIND_NR ? kind_table[pg->kind].name : "?");
	if (left == 0)
		HOOK(page_dropped);
	return left == 0;
}

void page_put(struct page *pg)
{
	if (drop(pg))
		page_free(pg);
}

bool page_freeze(struct page *pg)
{
	u32 one = 1;

	return atomic_cas(page_count_of(pg), &one, 0u);
}

/* Kinds may be credited in different ways; the same way is what makes them one run. */
static bool same_owner(const struct page *a, const struct page *b)
{
	return page_objcg(a) == page_objcg(b) &&
	       page_ops[a->kind].uncharge == page_ops[b->kind].uncharge;
}

/* Those of one kind leave together; bytes. *i: the first of another. */
static u64 leave_run(struct page **pages, size_t end, size_t *i, struct handle *h)
{
	unsigned kind = pages[*i]->kind;
	u64 bytes = 0;

	for (; *i < end && pages[*i]->kind == kind; ++*i) {
		page_clear_objcg(pages[*i]);
		bytes += page_bytes(pages[*i]);
	}
	page_ops[kind].leave(h, kind, bytes);
	return bytes;
}

/* One uncharge for as many pages from the first on as have one owner; how many. */
static size_t uncharge_run(struct page **pages, size_t n)
{
	struct page first = *pages[0];
	struct handle *h = page_objcg(&first);
	size_t end = 0, i = 0;
	u64 bytes = 0;

	while (end < n && h && same_owner(&first, pages[end]))
		end++;
	while (i < end)
		bytes += leave_run(pages, end, &i, h);
	if (h)
		page_ops[first.kind].uncharge(h, bytes);
	return MAX(end, 1ul);
}

/* Those from the first on that go the same way together; how many. */
static size_t release_run(struct page **pages, size_t n)
{
	void (*all)(struct page **, size_t) = page_ops[pages[0]->kind].release_run;
	size_t i = 1;

	if (!all) {
		page_release(pages[0]);
		return 1;
	}
	while (i < n && page_ops[pages[i]->kind].release_run == all)
		i++;
	all(pages, i);
	return i;
}

HOOK_DEFINE(release_dead);

/*
 * Drops the batch's reference. The page died meanwhile, all others having put it: frozen, as who
 * takes a page does it; else it is dropped, and may turn out to be the last one's still.
 */
static bool dies(struct page *pg)
{
	if (!page_freeze(pg))
		return drop(pg);
	HOOK(page_dropped);
	return true;
}

/* The dead are gathered at the front of the caller's array, which is not the caller's any more. */
void pages_release(struct page **pages, size_t n)
{
	size_t dead = 0;

	for (size_t i = 0; i < n; i++)
		if (pages[i] && dies(pages[i]) && page_check_free(pages[i]))
			pages[dead++] = pages[i];
	HOOK(release_dead);
	for (size_t i = 0; i < dead;)
		i += uncharge_run(pages + i, dead - i);
	for (size_t i = 0; i < dead;)
		i += release_run(pages + i, dead - i);
}
