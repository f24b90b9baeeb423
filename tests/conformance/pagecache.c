/* pagecache.c - see pagecache.h. */
#include "pagecache.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memcg/mm.h>

#include "faults.h"
#include "row.h"
#include "tenant.h"

#define PAGE 4096u

static int file_of_holes(uint64_t bytes)
{
	const char *dir = getenv("TMPDIR");
	char name[4096];
	int fd;

	snprintf(name, sizeof(name), "%s/memcg-conformance-XXXXXX", dir && *dir ? dir : "/tmp");
	fd = mkstemp(name);
	EXPECT_IS(fd, >=, 0);
	EXPECT_IS(unlink(name), ==, 0);
	EXPECT_IS(ftruncate(fd, (off_t)bytes), ==, 0);
	return fd;
}

void pagecache_init(struct pagecache *c, struct memcg *cg, uint64_t bytes)
{
	int fd = file_of_holes(bytes);

	*c = (struct pagecache){.cg = cg, .bytes = bytes};
	c->file = memcg_file_open(fd, 0);
	EXPECT(c->file);
	close(fd);
}

static void request(struct pagecache *c, uint64_t from)
{
	static __thread char buf[REQUEST];
	MEMCG_SCOPE(c->cg);

	EXPECT_IS(memcg_file_read(c->file, buf, sizeof(buf), from), ==, sizeof(buf));
}

void pagecache_read(struct pagecache *c)
{
	for (uint64_t i = 0; i < c->bytes; i += REQUEST)
		request(c, i);
}

/* A page that cannot be had ends the row: SIGBUS. */
void pagecache_map(struct pagecache *c)
{
	const char *at;

	need_faults();
	c->mm = memcg_mm_create(c->cg);
	EXPECT(c->mm);
	at = memcg_mmap(c->mm, c->bytes, PROT_READ, 0, c->file, 0);
	EXPECT(at);
	for (uint64_t i = 0; i < c->bytes; i += PAGE) {
		EXPECT_IS(((const volatile char *)at)[i], ==, 0);
		if (i % REQUEST == REQUEST - PAGE)
			memcg_throttle(); /* a fault does nothing about memory.high */
	}
}

void pagecache_exit(struct pagecache *c)
{
	memcg_mm_destroy(c->mm);
	memcg_file_close(c->file);
}
