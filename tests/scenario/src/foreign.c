/* foreign.c - blocks of glibc's own malloc are freed and grown by it, and counted. */
#define _GNU_SOURCE
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "preload.h"

extern void *__libc_malloc(size_t size);

int main(void)
{
	uint64_t *foreign = dlvsym(RTLD_DEFAULT, "memcg__foreign", "MEMCG_PRIVATE");
	uint64_t before;
	char *p, *q;

	CHECK(foreign);
	before = *foreign;
	p = __libc_malloc(100);
	q = __libc_malloc(200);
	CHECK(p && q && !FIND(memcg_owner_id)(p));
	strcpy(q, "kept");
	CHECK(malloc_usable_size(p) >= 100);
	q = realloc(q, 5000);
	CHECK(q && !strcmp(q, "kept"));
	free(p);
	free(q);
	CHECK(*foreign == before + 3);
	free(malloc(10));
	CHECK(*foreign == before + 3);
	return 0;
}
