/*
 * bare.h - the mechanism that managed memory is made of, and nothing else: a memfd with
 * userfaultfd, SIGBUS and LZ4. No owner, no lists, no locks, no limit but what its user keeps.
 *
 * One at a time. Its pages come through the window, as the library's do: the system pays 45 ns more
 * for mapping a page that is mapped nowhere, so pages that its alias maps already would be no
 * match for the library's.
 */
#ifndef MEMCG_BENCH_GROUP_BARE_H
#define MEMCG_BENCH_GROUP_BARE_H

#include "cases.h"

#include "base/types.h"

#define AROUND 16u /* pages the library maps at a fault, where they are in memory */
#define BATCH  128u

extern struct bare {
	int fd, uffd;
	size_t bytes;
	char *window, *alias;
	size_t around; /* bytes mapped at a fault */
	bool unpack;   /* a fault brings the page from its compressed copy first */
	char **copy;   /* of each page that is out */
	int *length;
} bare;

void bare_up(size_t bytes);
/* Memory for pages [i, i + n) that were nowhere, mapped. */
void bare_bring(size_t i, size_t n);
void bare_map(size_t i, size_t n);
void bare_unmap(size_t i, size_t n);
/* Pages [i, i + n), at most BATCH: unmapped, compressed to `to` one behind the other, gone from
 * memory. Bytes. */
size_t bare_out(size_t i, size_t n, char *to);
/* All of them, to a place of its own that is in memory already. */
void bare_all_out(void);

/* Compresses as text does, page by page: to 0.42 by LZ4, as what is in /usr/include. */
void text_fill(char *p, size_t bytes);

#endif
