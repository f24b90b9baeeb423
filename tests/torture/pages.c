/* pages.c - gets, trygets, puts, releases and recharges of pages. Theory in pages.h. */
#include "pages.h"

#include "groups.h"
#include "item.h"

#define SHARED 64u
#define BATCH  24u

static struct entry {
	pthread_mutex_t lock;
	struct memcg_page *page; /* with a reference */
} shared[SHARED] = {[0 ... SHARED - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER}};

static struct memcg_page *shared_get(struct chance *c)
{
	struct entry *e = &shared[below(c, SHARED)];
	struct memcg_page *page;

	pthread_mutex_lock(&e->lock);
	page = e->page ? memcg_page_get(e->page) : NULL;
	pthread_mutex_unlock(&e->lock);
	return page;
}

void pages_replace(struct chance *c)
{
	struct entry *e = &shared[below(c, SHARED)];
	struct memcg_page *page = memcg_pages_alloc((unsigned)below(c, 3), MEMCG_PAGE_BUFFER,
						    MEMCG_ACCOUNT),
			  *old;

	pthread_mutex_lock(&e->lock);
	old = e->page;
	e->page = page;
	pthread_mutex_unlock(&e->lock);
	memcg_page_put(old);
}

/* The caller has a reference, and gets more. Returns how many it put into `to`. */
static unsigned use(struct memcg_page *page, struct memcg_page **to, struct chance *c)
{
	struct memcg *cg;
	unsigned n = 0;

	to[n++] = page;
	if (one_in(c, 2)) {
		EXPECT(memcg_page_tryget(page), "a page that is held cannot be got");
		to[n++] = page;
	}
	if (one_in(c, 4)) {
		cg = group_random(c);
		memcg_page_recharge(page, cg);
		memcg_put(cg);
	}
	EXPECT(memcg_page_of(memcg_page_address(page)) == page, "a page is not at its address");
	memcg_put(memcg_page_owner(page));
	return n;
}

void pages_shared(struct chance *c)
{
	struct memcg_page *held[3 * BATCH];
	unsigned n = 0;

	for (unsigned i = 0; i < BATCH; i++) {
		struct memcg_page *page = shared_get(c);

		if (page)
			n += use(page, held + n, c);
		else
			held[n++] = NULL;
	}
	if (one_in(c, 4))
		while (n)
			memcg_page_put(held[--n]);
	memcg_pages_release(held, n);
}

/* What is in the exchange and is no page goes back there. */
void pages_batch(struct chance *c)
{
	struct memcg_page *dead[BATCH];
	unsigned n = 0;

	for (unsigned i = 0; i < 4 * BATCH && n < BATCH; i++) {
		struct item *it = item_take(c);

		if (!it || (it->way != WAY_PAGE && it->way != WAY_NET)) {
			item_pass_on(it, c);
			continue;
		}
		item_look(it, c);
		dead[n++] = it->page;
		item_forget(it);
	}
	memcg_pages_release(dead, n);
}

void pages_end(void)
{
	for (unsigned i = 0; i < SHARED; i++) {
		memcg_page_put(shared[i].page);
		shared[i].page = NULL;
	}
}
