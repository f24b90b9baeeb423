/*
 * objects.c - a group for each object that allocates: the program, or a library by its file's name
 * (MEMCG_GROUP_BY=object).
 *
 * Who allocates is told by the return address of the hook. Code of the C library, the C++ library
 * and this one allocates for others: then it is the first frame outside them (frames.h). Where
 * there is none (a thread of the C library's own), it is whoever called. Code that is in no object
 * is "unknown": made while the program runs. A call of malloc that is the last thing its function
 * does is compiled as a jump, and leaves no frame of that function behind.
 *
 * Pages to groups. Code of one page belongs to one object. A table of words, one for each page that
 * has allocated, of all threads: a thread that lives for a moment finds it warm, and there is
 * nothing to make or give back for any thread. A word is page, group and generation, read and
 * written whole.
 *
 * Objects that go. `state` counts generations, and calls of dlclose under way. While there is one
 * nothing is believed or kept, for addresses may change hands before it comes back; at its end the
 * tables are emptied and the generation moves on, for a word that was being made meanwhile. The
 * group of an object that has gone stays, and is its again when it is loaded again. Objects that
 * the C library unloads by itself (character sets) are not noticed: what comes to lie where one was
 * counts as it until the next dlclose. Tolerated.
 *
 * Which group a thread is in between its allocations is that of its last one; what does not come
 * through a hook is charged there.
 */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <string.h>

#include "frames.h"
#include "groups.h"

#define PAGES_SHIFT 10
#define NR_PAGES    (1u << PAGES_SHIFT)

#define GENERATION_BITS 20
#define INDEX_BITS	9
#define ADDRESS_BITS	47
_Static_assert(ADDRESS_BITS - PAGE_SHIFT + INDEX_BITS + GENERATION_BITS == 64, "one word");

/* Beside the groups' own indices. */
#define FOR_OTHERS 511u /* this code allocates for its callers */
_Static_assert(FOR_OTHERS > NO_GROUP && FOR_OTHERS < 1u << INDEX_BITS, "an index of its own");

#define WALK_MAX 48 /* frames */

/* Generation, from 1, above the number of dlcloses under way. */
#define ONE_CLOSE      1ull
#define ONE_GENERATION (1ull << 16)
#define CLOSES(state)  ((state) & (ONE_GENERATION - 1))

bool by_caller;
static u64 state = ONE_GENERATION;
static u64 pages[NR_PAGES];

/* 0: some object is on its way out. */
static u64 generation_now(void)
{
	u64 s = atomic_load_acquire(&state); /* pairs with dlclose's end: the tables are empty */

	return CLOSES(s) ? 0 : s / ONE_GENERATION;
}

/* ---- which group a page's code allocates for ------------------------------------------- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The program's own link map has no name; nor has one of the kernel's. */
static const char *object_name(const struct link_map *map)
{
	const char *name = base_name(map->l_name);

	return *name ? name : program_invocation_short_name;
}

static bool allocates_for_others(const char *name)
{
	static const char *const these[] = {"libc.so.",	      "ld-linux",	    "libstdc++.so.",
					    "libgcc_s.so.",   "libc++.so.",	    "libc++abi.so.",
					    "libpthread.so.", "libdl.so.",	    "libresolv.so.",
					    "libmemcg.so",    "libmemcg-preload.so"};

	for (size_t i = 0; i < ARRAY_SIZE(these); i++)
		if (!strncmp(name, these[i], strlen(these[i])))
			return true;
	return false;
}

static unsigned index_of_object(uintptr_t pc)
{
	struct dl_find_object found;
	const char *name;

	if (_dl_find_object((void *)pc, &found))
		return group_index_named("unknown");
	name = object_name(found.dlfo_link_map);
	return allocates_for_others(name) ? FOR_OTHERS : group_index_named(name);
}

static u64 page_word(uintptr_t pc, unsigned index, u64 generation)
{
	u64 mask = (1ull << GENERATION_BITS) - 1;

	return pc >> PAGE_SHIFT << (INDEX_BITS + GENERATION_BITS) | (u64)index << GENERATION_BITS |
	       (generation & mask);
}

static u64 *page_slot(uintptr_t pc)
{
	return &pages[(pc >> PAGE_SHIFT ^ pc >> (PAGE_SHIFT + PAGES_SHIFT)) & (NR_PAGES - 1)];
}

static __cold_ unsigned index_missed(uintptr_t pc, u64 generation)
{
	int saved = errno;
	unsigned index = index_of_object(pc);

	if (generation && index != NO_GROUP && !(pc >> ADDRESS_BITS))
		atomic_store(page_slot(pc),
			     page_word(pc, index, generation)); /* racy: or another's */
	errno = saved;
	return index;
}

static inline unsigned index_at(uintptr_t pc, u64 generation)
{
	u64 word = atomic_load(page_slot(pc));
	unsigned index = word >> GENERATION_BITS & ((1u << INDEX_BITS) - 1);

	if (likely(generation && word == page_word(pc, index, generation)))
		return index;
	return index_missed(pc, generation);
}

/* ---- whoever it allocates for ------------------------------------------------------------- */

/* Nobody outside: the caller of the hook answers for itself. */
static unsigned index_of_caller(uintptr_t pc)
{
	struct dl_find_object found;

	if (_dl_find_object((void *)pc, &found))
		return NO_GROUP;
	return group_index_named(object_name(found.dlfo_link_map));
}

static __noinline_ unsigned index_outside(uintptr_t caller, u64 generation)
{
	struct frame f;
	unsigned index;

	FRAME_HERE(f);
	for (unsigned i = 0; i < WALK_MAX && frame_up(&f, generation); i++) {
		index = index_at(f.pc - 1, generation);
		if (index != FOR_OTHERS)
			return index;
	}
	return index_of_caller(caller);
}

/* In a slow path that a signal handler came into the tree may be locked: its memory is whose it
 * was. */
void object_enter(const void *caller)
{
	uintptr_t pc = (uintptr_t)caller - 1;
	u64 generation = generation_now();
	unsigned index;

	if (unlikely(memcg__self->busy))
		return;
	index = index_at(pc, generation);
	if (index == FOR_OTHERS)
		index = index_outside(pc, generation);
	group_enter(group_at(index));
}

void *alloc_for(size_t size, const void *caller)
{
	object_enter(caller);
	return alloc_fast(size);
}

/* ---- objects that go ------------------------------------------------------------------------ */

typedef int (*dlclose_fn)(void *);
static dlclose_fn next_dlclose;

static dlclose_fn close_next(void)
{
	if (unlikely(!next_dlclose)) /* a constructor before ours */
		next_dlclose = (dlclose_fn)dlsym(RTLD_NEXT, "dlclose");
	return next_dlclose;
}

void objects_start(void)
{
	close_next();
}

static void forget(void)
{
	for (unsigned i = 0; i < NR_PAGES; i++)
		atomic_store(&pages[i], 0ull);
	frames_forget();
}

__public_ int dlclose(void *handle)
{
	int result;

	if (likely(!by_caller))
		return close_next()(handle);
	atomic_add(&state, ONE_CLOSE);
	result = close_next()(handle);
	forget();
	atomic_add(&state, ONE_GENERATION - ONE_CLOSE); /* pairs with generation_now() */
	return result;
}

void groups_by_object(void)
{
	by_caller = true;
}
