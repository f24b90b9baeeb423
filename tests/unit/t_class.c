/* t_class.c - every size has the right class, and every offset of every slab the right slot. */
#include "page_fixture.h"

#include "slab/slab.h"

static void sizes_grow_in_steps_of_16(void)
{
	CHECK(class_size[0] == 16 && class_size[CLASS_NR - 1] == CLASS_MAX_SIZE);
	for (unsigned c = 0; c < CLASS_NR; c++) {
		CHECK(IS_ALIGNED(class_size[c], 16u));
		CHECK(!c || class_size[c] > class_size[c - 1]);
		/* A quarter of waste at most, but for the smallest. */
		CHECK(c < 8 || class_size[c] - class_size[c - 1] <= class_size[c - 1] / 4);
	}
}

static void every_size_has_the_smallest_class(void)
{
	for (size_t size = 0; size <= CLASS_MAX_SIZE; size++) {
		unsigned c = class_of(size);

		CHECK(c < CLASS_NR && class_size[c] >= size);
		CHECK(!c || class_size[c - 1] < size);
	}
}

static void check_aligned(size_t size, size_t align)
{
	unsigned c = class_aligned(size, align), first = class_of(size);

	for (unsigned k = first; k < c; k++)
		CHECK(class_size[k] % align);
	CHECK(c == CLASS_NR || class_size[c] % align == 0);
}

static void alignment_takes_the_first_that_fits(void)
{
	for (size_t align = 1; align <= PAGE_SIZE; align *= 2)
		for (size_t size = 0; size <= CLASS_MAX_SIZE; size++)
			check_aligned(size, align);
	CHECK(class_aligned(1, 2 * PAGE_SIZE) == CLASS_NR); /* slabs are no better aligned */
	CHECK(class_aligned(CLASS_MAX_SIZE + 1, 16) == CLASS_NR);
	CHECK(class_size[class_aligned(33, 64)] == 64);
	CHECK(class_size[class_aligned(1, PAGE_SIZE)] == PAGE_SIZE);
	CHECK(class_size[class_aligned(PAGE_SIZE + 1, PAGE_SIZE)] == 2 * PAGE_SIZE);
}

/* Division says what the product with the inverse must say. */
static void check_offset(const struct page *pg, u32 off)
{
	const char *p = (const char *)page_address(pg) + off;
	u32 size = pg->slab.size;
	bool inside = off / size < pg->slab.capacity;
	unsigned i = ~0u;

	CHECK(slab_slot_of(pg, p, &i) == inside);
	CHECK(!inside || i == off / size);
	CHECK(slab_slot_start(pg, p, &i) == (inside && off % size == 0));
	CHECK(!inside || i == off / size);
}

static struct page *make(u32 size, unsigned order)
{
	struct page *pg = block_alloc(order);

	CHECK(pg);
	slab_make(pg, size, class_of(size), 1, false);
	return pg;
}

static void every_offset_of_every_class(void)
{
	bring_up(0);
	for (unsigned c = 0; c < CLASS_NR; c++)
		for (unsigned order = 2; order <= 6; order++) {
			struct page *pg;

			if (class_size[c] > PAGE_SIZE << order)
				continue;
			pg = make(class_size[c], order);
			for (u32 off = 0; off < page_bytes(pg); off++)
				check_offset(pg, off);
			slab_unmake(pg);
		}
}

/* A cache has any multiple of 16: the ends of every slot. */
static void every_size_a_cache_can_have(void)
{
	bring_up(0);
	for (u32 size = 16; size <= CLASS_MAX_SIZE; size += 16) {
		struct page *pg = make(size, 4);

		for (u32 start = 0; start + size <= page_bytes(pg); start += size) {
			check_offset(pg, start);
			check_offset(pg, start + 1);
			check_offset(pg, start + size / 2);
			check_offset(pg, start + size - 1);
		}
		slab_unmake(pg);
	}
}

/* A pointer that stale back-links lead to a smaller slab, or below it: in no slot. */
static void outside_is_in_no_slot(void)
{
	struct page *pg;
	unsigned i;

	bring_up(0);
	pg = make(48, 2);
	for (u32 off = 0; off < 256 * KIB; off += 16) {
		char *start = page_address(pg);

		CHECK(!slab_slot_of(pg, start + page_bytes(pg) + off, &i));
		CHECK(!slab_slot_start(pg, start + page_bytes(pg) + off, &i));
		CHECK(!slab_slot_of(pg, start - 1 - off, &i));
	}
}

/* The free bits of 16-byte slots lie in memory that no slot has; all others in tail descriptors. */
static void bits_lie_apart_from_slots(void)
{
	bring_up(0);
	for (unsigned c = 0; c < CLASS_NR; c++)
		for (unsigned order = 2; order <= 6; order++) {
			struct page *pg;
			char *bits, *tails_end;

			if (class_size[c] > PAGE_SIZE << order)
				continue;
			pg = make(class_size[c], order);
			bits = (char *)slab_free_bits(pg);
			tails_end = (char *)(pg + pg->npages);
			CHECK(bits >= (char *)(slab_idle(pg) + slab_words(pg)) || c == 0);
			if (c)
				CHECK(bits + slab_words(pg) * sizeof(u64) <= tails_end);
			else
				CHECK(bits >= (char *)page_address(pg) + pg->slab.end);
			CHECK((char *)(slab_idle(pg) + slab_words(pg)) <= tails_end);
			slab_unmake(pg);
		}
}

static void orders(void)
{
	for (unsigned c = 0; c < CLASS_NR; c++) {
		unsigned first = class_order_shared(c), last = 0;
		u64 bytes = 0;

		CHECK(first == (class_size[c] > 1024 ? 4 : 2) && class_order_own(c, 0) == first);
		CHECK(PAGE_SIZE << first >= 2 * class_size[c]);
		for (u32 slabs = 0; slabs < 100; slabs++) { /* grows, and to no more than allowed */
			CHECK(class_order_own(c, slabs) >= last);
			last = class_order_own(c, slabs);
			CHECK(first == 2 || slabs < 4 || PAGE_SIZE << last <= bytes / 4);
			bytes += PAGE_SIZE << last;
		}
		bytes = PAGE_SIZE << last; /* eight of them, and no more than are worth it */
		CHECK(bytes >= 8 * class_size[c] && last <= bit_last(SLAB_PAGES_MAX));
		CHECK(bytes <= MAX(64 * KIB, 26ul * class_size[c]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(sizes_grow_in_steps_of_16),
		PAGE_TEST(every_size_has_the_smallest_class),
		PAGE_TEST(alignment_takes_the_first_that_fits),
		PAGE_TEST(every_offset_of_every_class),
		PAGE_TEST(every_size_a_cache_can_have),
		PAGE_TEST(outside_is_in_no_slot),
		PAGE_TEST(bits_lie_apart_from_slots),
		PAGE_TEST(orders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
