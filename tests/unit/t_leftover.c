/*
 * t_leftover.c - who asked is told what a destroyed group still owned, by kind, and nobody else
 * pays for it.
 */
#include "alloc_fixture.h"

#include <errno.h>
#include <sys/mman.h>

#include <memcg.h>
#include <memcg/mm.h>
#include <memcg/page.h>

#include "ctl/leftover.h"
#include "sync/lock.h"

static struct memcg_leftovers last;
static unsigned told;

static void note(const struct memcg_leftovers *left, void *arg)
{
	CHECK(left->size == sizeof(*left) && arg == &last);
	CHECK(!lock_holds_any());
#ifdef MEMCG_DEBUG
	CHECK(!rcu_read_lock_held());
#endif
	last = *left;
	told++;
}

static bool is(const struct memcg_leftover *l, u64 objects, u64 bytes)
{
	return l->objects == objects && l->bytes == bytes;
}

static void every_kind(void)
{
	struct memcg *top, *gone;
	struct memcg_page *page;
	struct memcg_charge *c;
	void *small[3], *large, *stack;
	u64 id;

	set_up();
	CHECK(!memcg_set_leftovers(note, &last));
	CHECK((top = memcg_create(NULL, "top")) && (gone = memcg_create(top, "gone")));
	id = memcg_id(gone);
	for (unsigned i = 0; i < 3; i++)
		CHECK((small[i] = memcg_malloc_in(gone, 100)));
	CHECK((large = memcg_malloc_in(gone, 100000)) && (c = memcg_charge(gone, 777)));
	memcg_leave(memcg_get(gone));
	CHECK((page = memcg_pages_alloc(1, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT)));
	CHECK((stack = memcg_stack_alloc(256 * KIB)));
	memcg_leave(memcg_get(other));
	CHECK(memcg_malloc(5000)); /* somebody else's */
	CHECK(!memcg_destroy(gone) && told == 1);
	CHECK(last.id == id && !strcmp(last.path, "/top/gone"));
	CHECK(is(&last.slab, 3, 3ul * slab_cost(slab_of(small[0])->slab.size)));
	CHECK(last.large.objects == 1 && last.large.bytes >= 100000);
	CHECK(is(&last.buffer, 1, 2 * PAGE_SIZE) && is(&last.external, 1, 777));
	CHECK(last.kernel_stack.objects == 1 && last.kernel_stack.bytes >= 256 * KIB);
	CHECK(!last.pagetables.objects && !last.maps.objects && last.all.objects == 7);
	CHECK(last.all.bytes == held(top));
	closes();
	/* The parent goes too: it leaves what it inherited, and a little of its own. */
	memcg_free(small[0]);
	memcg_uncharge(c);
	CHECK((small[0] = memcg_malloc_in(top, 100)));
	CHECK(!memcg_destroy(top) && told == 2 && !strcmp(last.path, "/top"));
	CHECK(is(&last.slab, 3, 3ul * slab_cost(slab_of(small[0])->slab.size)));
	CHECK(!last.external.objects && last.all.objects == 6);
	memcg_free(large);
	memcg_page_put(page);
	memcg_stack_free(stack);
	for (unsigned i = 0; i < 3; i++)
		memcg_free(small[i]);
	closes();
}

/* Managed pages, with the table that leads to them. */
static void managed_pages(void)
{
	const int prot = PROT_READ | PROT_WRITE;
	struct memcg_mm *mm;
	struct memcg *gone;

	set_up();
	CHECK(!memcg_set_leftovers(note, &last) && (gone = memcg_create(cg, "gone")));
	CHECK((mm = memcg_mm_create(gone)));
	CHECK(memcg_mmap(mm, 5 * PAGE_SIZE, prot, MEMCG_MAP_PREFAULT, NULL, 0));
	CHECK(memcg_mmap(mm, 3 * PAGE_SIZE, prot, MEMCG_MAP_SHARED | MEMCG_MAP_PREFAULT, NULL, 0));
	CHECK(!memcg_destroy(gone) && told == 1);
	CHECK(is(&last.anon, 5, 5 * PAGE_SIZE) && is(&last.file, 3, 3 * PAGE_SIZE));
	CHECK(last.pagetables.bytes && last.all.bytes == held(cg));
	memcg_mm_destroy(mm);
	CHECK(!held(cg));
	closes();
}

/* Pages that are swapped out: as a word, compressed, in memory beside them; and nothing else. */
static void swapped_pages(void)
{
	const int prot = PROT_READ | PROT_WRITE;
	struct memcg_mm *mm;
	struct memcg *gone;
	char *p;

	set_up();
	CHECK(!memcg_set_leftovers(note, &last) && (gone = memcg_create(cg, "gone")));
	CHECK((mm = memcg_mm_create(gone)));
	CHECK((p = memcg_mmap(mm, 4 * PAGE_SIZE, prot, MEMCG_MAP_PREFAULT, NULL, 0)));
	CHECK(!memcg_pin(p, 4 * PAGE_SIZE));
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		p[i] = (char)(i / 64);
	memcg_unpin(p, 4 * PAGE_SIZE);
	CHECK(!memcg_madvise(mm, p, 3 * PAGE_SIZE, MEMCG_PAGEOUT));
	CHECK(!memcg_destroy(gone) && told == 1);
	CHECK(is(&last.swap, 3, 3 * PAGE_SIZE) && is(&last.anon, 1, PAGE_SIZE));
	CHECK(last.slab.objects == 1 && last.slab.bytes < PAGE_SIZE);
	CHECK(last.all.bytes == held(cg)); /* swap is no memory */
	memcg_mm_destroy(mm);
	CHECK(!held(cg));
	closes();
}

/* All that a group leaves may be in swap: shared memory, with another group's window to it. */
static void swap_alone(void)
{
	const int prot = PROT_READ | PROT_WRITE;
	const unsigned flags = MEMCG_MAP_SHARED | MEMCG_MAP_PREFAULT;
	struct memcg_mm *mm, *others;
	struct memcg *gone;
	char *p;

	set_up();
	CHECK(!memcg_set_leftovers(note, &last) && (gone = memcg_create(cg, "gone")));
	CHECK((mm = memcg_mm_create(gone)) && (others = memcg_mm_create(other)));
	CHECK((p = memcg_mmap(mm, 2 * PAGE_SIZE, prot, flags, NULL, 0)));
	CHECK(memcg_mmap_same(others, p, 2 * PAGE_SIZE, prot, 0));
	CHECK(!memcg_madvise(mm, p, 2 * PAGE_SIZE, MEMCG_PAGEOUT));
	memcg_mm_destroy(mm);
	CHECK(!memcg_destroy(gone) && told == 1);
	CHECK(is(&last.swap, 2, 2 * PAGE_SIZE) && is(&last.all, 0, 0));
	memcg_mm_destroy(others);
	closes();
}

static void nothing_left(void)
{
	struct memcg *gone, *child;
	void *p;

	set_up();
	CHECK(!memcg_set_leftovers(note, &last) && (gone = memcg_create(cg, "gone")));
	CHECK((p = memcg_malloc_in(gone, 100)));
	memcg_free(p); /* what is charged ahead is no leftover */
	CHECK(memcg_slack(gone) && !memcg_destroy(gone) && !told);
	CHECK((gone = memcg_create(cg, "gone")) && memcg_malloc_in(gone, 100));
	CHECK(!memcg_set_leftovers(NULL, NULL) && !memcg_destroy(gone) && !told);
	/* A child's struct that the program still has keeps the child's handle, and that the
	 * group's. */
	CHECK(!memcg_set_leftovers(note, &last) && (gone = memcg_create(cg, "gone")));
	CHECK((child = memcg_get(memcg_create(gone, "child"))));
	CHECK(!memcg_destroy(child) && !memcg_destroy(gone) && !told);
	memcg_put(child);
}

/* The function may do what programs do; also what it is called for. */
static void destroys_another(const struct memcg_leftovers *left, void *arg)
{
	struct memcg *child = arg;

	told++;
	CHECK(left->all.objects == 1);
	if (told == 1)
		CHECK(memcg_malloc(1000) && memcg_create(cg, "made") && !memcg_destroy(child));
}

static void may_call_anything(void)
{
	struct memcg *a, *b;

	set_up();
	CHECK((a = memcg_create(cg, "a")) && (b = memcg_create(cg, "b")));
	CHECK(memcg_malloc_in(a, 64) && memcg_malloc_in(b, 64));
	CHECK(!memcg_set_leftovers(destroys_another, b) && !memcg_destroy(a) && told == 2);
	CHECK(memcg_lookup("/a/made") && !memcg_lookup("/a/a") && !memcg_lookup("/a/b"));
	closes();
}

static void without_memory(void)
{
	struct memcg *gone;

	set_up();
	CHECK(!memcg_set_leftovers(note, &last) && (gone = memcg_create(cg, "gone")));
	CHECK(memcg_malloc_in(gone, 100));
	sys_fault_arm(SYS_FAULT_MAP, 0, 1, 0, 0);
	CHECK(!memcg_destroy(gone) && !told);
	sys_fault_disarm_all();
	closes();
}

/* What the line says, by a descriptor 2 of our own. */
static void a_line_of_the_log(void)
{
	char line[LOG_LINE_MAX] = "";
	struct memcg *gone;
	int fd[2];

	CHECK(!setenv("MEMCG_LEFTOVERS", "1", 1));
	set_up();
	CHECK((gone = memcg_create(cg, "gone")) && memcg_charge(gone, 5) && memcg_charge(gone, 6));
	CHECK(!pipe(fd) && dup2(fd[1], 2) == 2);
	CHECK(!memcg_destroy(gone) && read(fd[0], line, sizeof(line) - 1) > 0);
	CHECK(strstr(line, "/a/gone was destroyed and leaves 11 bytes in 2 objects, external 11 "
			   "bytes in 2\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(every_kind),	      PAGE_TEST(nothing_left),
		PAGE_TEST(may_call_anything), PAGE_TEST(without_memory),
		PAGE_TEST(a_line_of_the_log), PAGE_TEST(managed_pages),
		PAGE_TEST(swapped_pages),     PAGE_TEST(swap_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
