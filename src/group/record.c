/* record.c - making it. Theory in record.h. */
#include "group/record.h"

#include "page/page.h"

const struct group_record no_record = {
	.swap_high = MEMCG_UNLIMITED,
	.swap_max = MEMCG_UNLIMITED,
	.zswap_max = MEMCG_UNLIMITED,
	.max_descendants = GROUP_NO_MAX,
	.max_depth = GROUP_NO_MAX,
};

static struct group_record *make(struct memcg *cg)
{
	struct group_record *r = meta_alloc(sizeof(*r)), *first = NULL;

	if (!r)
		return NULL;
	*r = no_record;
	if (atomic_cas(&cg->record, &first, r)) /* release; pairs with group_record */
		return r;
	meta_free(r, sizeof(*r));
	return first;
}

struct group_record *group_record_make(struct memcg *cg)
{
	struct group_record *r = atomic_load_seq(&cg->record);

	return likely(r) ? r : make(cg);
}

/* Its own last: where there is one, all above have theirs, unless somebody set something here. */
bool group_records_make_slow(struct memcg *cg)
{
	for (struct memcg *up = cg->parent; up; up = up->parent)
		if (!group_record_make(up))
			return false;
	return group_record_make(cg);
}

void group_record_free(struct memcg *cg)
{
	meta_free(cg->record, sizeof(*cg->record));
}
