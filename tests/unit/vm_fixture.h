/* vm_fixture.h - an address space of a group's, empty at the end: for tests of one rule each. */
#ifndef MEMCG_TESTS_VM_FIXTURE_H
#define MEMCG_TESTS_VM_FIXTURE_H

#include "managed_fixture.h"

#include "group/task.h"
#include "vm/fault.h"
#include "vm/mech.h"
#include "vm/object.h"

static struct memcg_mm *mm;

static inline void rules_set_up(void)
{
	set_up();
	mm = memcg_mm_create(cg);
	CHECK(mm);
}

static inline void rules_end(void)
{
	memcg_mm_destroy(mm);
	CHECK(!held(cg) && !managed_resident());
	closes();
}

static inline char *map(size_t npages)
{
	char *p = memcg_mmap(mm, npages << PAGE_SHIFT, RW, 0, NULL, 0);

	CHECK(p);
	return p;
}

#endif
