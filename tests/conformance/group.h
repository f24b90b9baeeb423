/* group.h - groups as the kernel's tests use them: made, and read and written by their files. */
#ifndef CONFORMANCE_GROUP_H
#define CONFORMANCE_GROUP_H

#include <memcg.h>

struct memcg *group_make(struct memcg *parent, const char *name);
void group_end(struct memcg *cg);

void file_write(struct memcg *cg, const char *file, const char *text); /* must be accepted */
void file_read(struct memcg *cg, const char *file, char *buf, size_t size);
bool file_is(struct memcg *cg, const char *file, const char *text); /* the whole of it */
uint64_t file_number(struct memcg *cg, const char *file);
uint64_t file_key(struct memcg *cg, const char *file, const char *key); /* of "key number" lines */

static inline uint64_t current_of(struct memcg *cg)
{
	return file_number(cg, "memory.current");
}

static inline uint64_t event_of(struct memcg *cg, const char *key)
{
	return file_key(cg, "memory.events", key);
}

/*
 * The kernel's MAXERR, for this library: what may be charged and owned by no object. It is held per
 * CPU, not per thread: a table of SLOTS words keyed by handle, each at most CAP bytes; so it is
 * CPUs x CAP for one group, x groups for several, up to the size of the table (src/group/stock.h).
 */
uint64_t maxerr(unsigned groups);

#endif
