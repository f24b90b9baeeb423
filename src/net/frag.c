/*
 * frag.c - fragments as what they are part of: pages that lie side by side, and that somebody pays
 * for.
 *
 * A fragment ends where the next one begins if that goes on in the same page, or if one fills its
 * page to the end and the other begins a page. So the first may begin anywhere and the last end
 * anywhere, and what is between has no gap.
 */
#include <errno.h>

#include "net/net.h"
#include "vm/view.h"

/* And its memory is here: in the child of a fork it is not. */
static bool is_out(const struct page *pg)
{
	const struct memcg_pool *p = pool_of(pg);

	return p && atomic_load(&p->state) != POOL_FORKED && atomic_load(&pg->net.flags) & NET_OUT;
}

static bool frag_fits(const struct memcg_frag *f)
{
	return f->page && f->length && f->offset < PAGE_SIZE &&
	       f->length <= PAGE_SIZE - f->offset && is_out((const struct page *)f->page);
}

/* Of a fragment, and the one before it; NULL: it is the first. */
static bool follows(const struct memcg_frag *f, const struct memcg_frag *before, bool *same_page)
{
	u32 end = before ? before->offset + before->length : PAGE_SIZE;

	*same_page = end < PAGE_SIZE;
	if (*same_page)
		return f->page == before->page && f->offset == end;
	return !before || !f->offset;
}

/* 0, -EINVAL, -E2BIG. */
static int runs_of(const struct memcg_frag *frags, size_t n, struct view_runs *r)
{
	bool same_page;

	*r = (struct view_runs){0};
	for (size_t i = 0; i < n; i++) {
		if (!frag_fits(&frags[i]) ||
		    !follows(&frags[i], i ? &frags[i - 1] : NULL, &same_page))
			return -EINVAL;
		if (!same_page && !view_runs_add(r, page_to_index((struct page *)frags[i].page)))
			return -E2BIG;
	}
	return 0;
}

void *memcg_frags_map(struct memcg_mm *mm, const struct memcg_frag *frags, size_t n)
{
	struct view_runs r;
	int err = mm && frags && n && n <= UINT32_MAX ? runs_of(frags, n, &r) : -EINVAL;
	uintptr_t at = 0;

	if (!err) {
		thread_need();
		at = view_map(mm, &r);
		err = at ? 0 : -ENOMEM;
	}
	if (!err)
		return (void *)(at + frags[0].offset);
	errno = -err;
	return NULL;
}

int memcg_frag_recharge(struct memcg_frag *frag, struct memcg *to)
{
	if (!frag || !frag->page || ((struct page *)frag->page)->kind != PAGE_NET)
		return -EINVAL;
	return memcg_page_recharge(frag->page, to);
}
