/*
 * pagecache.h - the kernel's page cache: a file that is all holes, whose pages are brought in by a
 * group. cache.h is what stands for it where a program has objects.
 */
#ifndef CONFORMANCE_PAGECACHE_H
#define CONFORMANCE_PAGECACHE_H

#include "group.h"

struct pagecache {
	struct memcg *cg;
	struct memcg_file *file;
	struct memcg_mm *mm; /* of its window; NULL: it has none */
	uint64_t bytes;
};

void pagecache_init(struct pagecache *c, struct memcg *cg, uint64_t bytes);
void pagecache_read(struct pagecache *c); /* all of it, by memcg_file_read */
void pagecache_map(struct pagecache *c);  /* all of it, by touching a window, which stays */
void pagecache_exit(struct pagecache *c);

#endif
