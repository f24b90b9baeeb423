/* numbers.h - what groups of managed.c have, in memory and out of it. */
#ifndef NUMBERS_H
#define NUMBERS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <memcg.h>

#include "corpus.h"

#define MIB  (1ul << 20)
#define PAGE 4096ul

static inline double mib(uint64_t bytes)
{
	return (double)bytes / MIB;
}

static inline struct memcg_stat stat_of(struct memcg *cg)
{
	struct memcg_stat s;

	if (memcg_stat(cg, &s, sizeof(s)))
		die("managed: memcg_stat");
	return s;
}

static inline uint64_t file_of(struct memcg *cg, const char *name)
{
	char text[32];

	if (memcg_read(cg, name, text, sizeof(text)) < 0)
		die("managed: memcg_read");
	return strtoull(text, NULL, 10);
}

/* What of its own a tenant has, in memory and out of it; what is in both counts once. */
static inline uint64_t private_of(struct memcg *cg)
{
	struct memcg_stat s = stat_of(cg);

	return s.anon + file_of(cg, "memory.swap.current") - s.swapcached;
}

static inline void show_heading(const char *when)
{
	printf("\n%-13s %8s %8s %8s %8s %11s %10s %8s\n", when, "anon", "file", "zswap", "zswapped",
	       "swap.current", "pgmajfault", "pswpout");
}

static inline void show_stat(const char *name, struct memcg *cg)
{
	struct memcg_stat s = stat_of(cg);

	printf("%-13s %7.2fM %7.2fM %7.2fM %7.2fM %10.2fM %10lu %8lu\n", name, mib(s.anon),
	       mib(s.file), mib(s.zswap), mib(s.zswapped), mib(file_of(cg, "memory.swap.current")),
	       s.pgmajfault, s.pswpout);
}

#endif
