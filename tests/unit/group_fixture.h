/* group_fixture.h - groups, who pays, and a moment when nothing is held ahead or put off. */
#ifndef MEMCG_TESTS_GROUP_FIXTURE_H
#define MEMCG_TESTS_GROUP_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <memcg.h>

#include "group/group.h"
#include "group/stock.h"

static inline struct memcg *group(struct memcg *parent, const char *name)
{
	struct memcg *cg = memcg_create(parent, name);

	assert_non_null(cg);
	return cg;
}

static inline void destroy(struct memcg *cg)
{
	assert_int_equal(memcg_destroy(cg), 0);
}

/* Who pays through the handle now; the group stays while the test has it. */
static inline struct memcg *payer(const struct handle *h)
{
	struct memcg *cg;

	rcu_read_lock(NULL);
	cg = handle_group(h);
	rcu_read_unlock(NULL);
	return cg;
}

static inline void settle(void)
{
	stock_drain(NULL);
	while (rcu_pending()) /* freeing one puts off another */
		rcu_poll(true);
}

static inline void *alloc_in(struct memcg *cg, size_t size)
{
	void *p = memcg_malloc_in(cg, size);

	assert_non_null(p);
	return p;
}

#endif
