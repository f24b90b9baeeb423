/*
 * hooks.c - malloc and its family, as glibc defines them: 16-byte alignment, malloc(0) a block
 * of its own, realloc(p, 0) frees, over PTRDIFF_MAX is ENOMEM, free keeps errno.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "preload.h"

__public_ void cfree(void *p); /* gone from the headers, not from old programs */

__public_ void *malloc(size_t size)
{
	return alloc_called(size, CALLER);
}

__public_ void free(void *p)
{
	if (likely(region_has(p)))
		free_fast(p);
	else if (p)
		foreign_free(p);
}

__public_ void cfree(void *p)
{
	free(p);
}

static __noinline_ void *calloc_large(size_t n, size_t size, const void *caller)
{
	if (unlikely(by_caller))
		object_enter(caller);
	return memcg_calloc(n, size);
}

/* Small blocks come from slabs and are used memory; only larger ones can be known to be zero. */
__public_ void *calloc(size_t n, size_t size)
{
	size_t total;
	void *p;

	if (unlikely(__builtin_mul_overflow(n, size, &total) || total > CLASS_MAX_SIZE))
		return calloc_large(n, size, CALLER);
	p = alloc_called(total, CALLER);
	return likely(p) ? memset(p, 0, total) : NULL;
}

/* A block stays its group's: only one that is new asks who calls. */
__always_inline_ void *realloc_for(void *p, size_t size, const void *caller)
{
	if (!p)
		return alloc_called(size, caller);
	if (likely(region_has(p)))
		return memcg_realloc(p, size);
	return foreign_realloc(p, size);
}

__public_ void *realloc(void *p, size_t size)
{
	return realloc_for(p, size, CALLER);
}

__public_ void *reallocarray(void *p, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc_for(p, total, CALLER);
}

__public_ size_t malloc_usable_size(void *p)
{
	if (!p)
		return 0;
	return region_has(p) ? memcg_usable_size(p) : foreign_usable_size(p);
}

/* ---- aligned ---------------------------------------------------------------- */

/* Not a power of two: the next one, as in glibc. */
static void *aligned_for(size_t align, size_t size, const void *caller)
{
	if (unlikely(by_caller))
		object_enter(caller);
	if (align <= 16)
		return alloc_fast(size);
	if (align > (size_t)1 << 62) {
		errno = EINVAL;
		return NULL;
	}
	return memcg_aligned_alloc((size_t)1 << log2_up(align), size);
}

__public_ void *memalign(size_t align, size_t size)
{
	return aligned_for(align, size, CALLER);
}

__public_ void *aligned_alloc(size_t align, size_t size)
{
	return aligned_for(align, size, CALLER);
}

__public_ int posix_memalign(void **out, size_t align, size_t size)
{
	int saved = errno;
	void *p;

	if (!is_pow2(align) || align % sizeof(void *))
		return EINVAL;
	p = aligned_for(align, size, CALLER);
	errno = saved;
	if (!p)
		return ENOMEM;
	*out = p;
	return 0;
}

__public_ void *valloc(size_t size)
{
	return aligned_for(PAGE_SIZE, size, CALLER);
}

__public_ void *pvalloc(size_t size)
{
	if (size > PTRDIFF_MAX) {
		errno = ENOMEM;
		return NULL;
	}
	return aligned_for(PAGE_SIZE, size ? ALIGN_UP(size, PAGE_SIZE) : PAGE_SIZE, CALLER);
}
