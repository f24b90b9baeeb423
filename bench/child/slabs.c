/*
 * slabs.c - what libmemcg's slabs take of memory, counted from the page descriptors. Its
 * statistics say what groups are charged: in a shared slab that leaves the free slots out.
 *
 * Only layouts come from the library's headers; the region itself is found at run time, because
 * this program is linked with no allocator. Nobody allocates meanwhile.
 */
#include "child.h"

#include <dlfcn.h>

#include "page/owner.h"

static uint64_t entries(const struct page *pg)
{
	uint64_t word = page_owner_word(pg);
	const struct objcgs *vector = owner_objcgs(word);

	if (!vector)
		return 0;
	return sizeof(*vector) + (uint64_t)vector->nr * sizeof(vector->entry[0]);
}

uint64_t slabs_bytes(void)
{
	const struct region *region = dlsym(RTLD_DEFAULT, "memcg__region");
	uint64_t bytes = 0;

	if (!region)
		return 0;
	/* By blocks: a slab's tails hold its bits where another descriptor has its kind. */
	for (size_t i = 0, pages; i < (size_t)region->chunks * CHUNK_PAGES; i += pages) {
		const struct page *pg = &region->desc[i];

		pages = 1;
		if (pg->kind != PAGE_SLAB)
			continue;
		pages = pg->npages;
		bytes += page_bytes(pg) + entries(pg);
	}
	return bytes;
}
