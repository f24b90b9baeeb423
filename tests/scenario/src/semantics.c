/* semantics.c - malloc and its family do what glibc's do, at the edges too. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "preload.h"

#define ALIGNED(p, a) (((uintptr_t)(p) & ((a)-1)) == 0)

/* Sizes the compiler would object to, and calls it would remove. */
static volatile size_t big = PTRDIFF_MAX, half = SIZE_MAX / 2 + 1, zero, two = 2;
static void *volatile sink;

static void *keep(void *p)
{
	return sink = p;
}

static void sizes(void)
{
	void *p = keep(malloc(zero)), *q = keep(malloc(zero));

	CHECK(p && q && p != q);
	free(p);
	free(q);
	for (size_t size = 1; size < 300000; size += size / 3 + 1) {
		p = keep(malloc(size));
		CHECK(p && ALIGNED(p, 16) && malloc_usable_size(p) >= size);
		memset(p, 0xa5, malloc_usable_size(p));
		free(p);
		p = keep(calloc(1, size));
		CHECK(p && !*(char *)p && !memcmp(p, (char *)p + 1, size - 1));
		free(p);
	}
	CHECK(malloc_usable_size(NULL) == 0);
}

static void refusals(void)
{
	errno = 0;
	CHECK(!keep(malloc(big + 1)) && errno == ENOMEM);
	errno = 0;
	CHECK(!keep(calloc(half, two)) && errno == ENOMEM);
	errno = 0;
	CHECK(!keep(reallocarray(NULL, half, two)) && errno == ENOMEM);
	errno = 0;
	CHECK(!keep(memalign(64, big + 1)) && errno == ENOMEM);
	errno = 0;
	CHECK(!keep(memalign(half + 1, 1)) && errno == EINVAL);
	errno = 0;
	CHECK(!keep(pvalloc(big + 1)) && errno == ENOMEM);
}

static void reallocs(void)
{
	char *p = keep(realloc(NULL, 100)), *q;

	CHECK(p);
	strcpy(p, "kept");
	p = keep(realloc(p, 100000));
	CHECK(p && !strcmp(p, "kept"));
	errno = 0;
	q = keep(realloc(p, big + 1));
	CHECK(!q && errno == ENOMEM && !strcmp(p, "kept"));
	p = keep(realloc(p, 10));
	CHECK(p && !strcmp(p, "kept"));
	CHECK(!keep(realloc(p, zero)));
	p = keep(reallocarray(NULL, 10, 10));
	CHECK(p);
	free(p);
}

static void aligned(void)
{
	void *p = &p, *was = p;

	CHECK(posix_memalign(&p, 3, 10) == EINVAL && p == was);
	CHECK(posix_memalign(&p, 4, 10) == EINVAL && posix_memalign(&p, 0, 10) == EINVAL);
	errno = 55;
	CHECK(posix_memalign(&p, 64, big + 1) == ENOMEM && p == was && errno == 55);
	for (size_t align = 8; align <= 1 << 21; align *= 2) {
		CHECK(!posix_memalign(&p, align, 100) && ALIGNED(p, align));
		free(p);
		p = keep(aligned_alloc(align, 3 * align));
		CHECK(p && ALIGNED(p, align));
		memset(p, 1, 3 * align);
		free(p);
	}
	p = keep(memalign(48, 10)); /* not a power of two: the next one */
	CHECK(p && ALIGNED(p, 64));
	free(p);
	p = keep(valloc(10));
	CHECK(p && ALIGNED(p, 4096));
	free(p);
	p = keep(pvalloc(4097));
	CHECK(p && ALIGNED(p, 4096) && malloc_usable_size(p) >= 8192);
	free(p);
}

static void errno_is_kept(void)
{
	for (size_t size = 16; size < 64u << 20; size *= 8) {
		void *p = keep(malloc(size));

		CHECK(p);
		errno = 4711;
		free(p);
		CHECK(errno == 4711);
	}
	errno = 4711;
	free(NULL);
	CHECK(errno == 4711);
}

static void about(void)
{
	char *text = NULL, *p = keep(malloc(10 << 20));
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	CHECK(p && to);
	CHECK(mallinfo2().uordblks >= 10u << 20);
	CHECK(mallopt(M_MMAP_THRESHOLD, 1 << 20) == 1);
	CHECK(malloc_info(1, to) == EINVAL && malloc_info(0, to) == 0);
	fclose(to);
	CHECK(strstr(text, "<malloc version=") && strstr(text, "</malloc>"));
	free(text);
	memset(p, 1, 10 << 20);
	free(p);
	malloc_trim(0);
	CHECK(mallinfo2().fordblks < 10u << 20);
	CHECK(malloc_trim(0) == 0);
}

int main(void)
{
	find("memcg_root");
	sizes();
	refusals();
	reallocs();
	aligned();
	errno_is_kept();
	about();
	CHECK(FIND(memcg_report)(2, MEMCG_REPORT_QUIET) == 0);
	return 0;
}
