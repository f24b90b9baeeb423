/* table.c - making tables. */
#include "vm/table.h"

#include "alloc/alloc.h"

HOOK_DEFINE(table_made);

struct page *table_need(struct block *b, u32 handle)
{
	struct page *t = atomic_load_acquire(&b->table), *none = NULL;

	if (likely(t))
		return t;
	t = kmem_try(handle, 1, 0, PAGE_TABLE, MEMCG_ZERO | MEMCG_RESERVE | CHARGE_OWN);
	if (!t)
		return NULL;
	lock_init(&t->table.lock, RANK_PT);
	t->table.used = 0;
	HOOK(table_made);
	if (atomic_cas(&b->table, &none, t)) /* release; pairs with the load above */
		return t;
	page_put(t);
	return none;
}
