/*
 * foreign.c - pointers that are not ours: from before us, from a library that calls
 * __libc_malloc, or from another malloc that was preloaded behind us.
 *
 * They go to the next definition of the function. It is looked up when the first such
 * pointer comes, not at start-up: most programs never have one. dlsym may allocate; our own heap is
 * alive by then and answers. Two threads may both look: they find the same.
 */
#include <dlfcn.h>
#include <errno.h>

#include "alloc/maps.h"
#include "preload.h"

static void *next(void **known, const char *name)
{
	void *found = atomic_load_acquire(known);
	int saved = errno;

	if (found)
		return found;
	found = dlsym(RTLD_NEXT, name);
	atomic_store_release(known, found); /* pairs with the load above */
	errno = saved;
	return found;
}

static void *next_free, *next_realloc, *next_usable_size;

/* Without a next malloc nobody could free it: it stays. */
void foreign_free(void *p)
{
	void (*call)(void *) = (void (*)(void *))next(&next_free, "free");
	int saved = errno;

	atomic_add_relaxed(&memcg__foreign, 1ul);
	if (call)
		call(p);
	errno = saved;
}

void *foreign_realloc(void *p, size_t size)
{
	void *(*call)(void *, size_t) = (void *(*)(void *, size_t))next(&next_realloc, "realloc");

	atomic_add_relaxed(&memcg__foreign, 1ul);
	if (call)
		return call(p, size);
	errno = ENOMEM;
	return NULL;
}

size_t foreign_usable_size(void *p)
{
	size_t (*call)(void *) = (size_t(*)(void *))next(&next_usable_size, "malloc_usable_size");

	return call ? call(p) : 0;
}
