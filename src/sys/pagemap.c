/* pagemap.c - the numbers of Linux 6.7 are written out: headers here are from 6.1. */
#include "sys/pagemap.h"

#include "base/bits.h"
#include "sys/fault.h"
#include "sys/file.h"
#include "sys/result.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct region {
	u64 start, end, categories;
};

struct scan {
	u64 size, flags, start, end, walk_end, regions, nr_regions, max_pages;
	u64 inverted, mask, any_of, returned;
};

#define SCAN	   _IOWR('f', 16, struct scan)
#define IS_WRITTEN (1ull << 1)
#define IS_PRESENT (1ull << 3)
#define IS_SWAPPED (1ull << 4) /* also the mark that a zap leaves of a protected page */

int sys_pagemap(void)
{
	struct region one;
	struct scan s = {.size = sizeof(s), .regions = (u64)&one, .nr_regions = 1};
	int fd = sys_open("/proc/self/pagemap", O_RDONLY, 0), saved = errno;
	long got;

	if (fd < 0)
		return fd;
	got = sys_result(syscall(SYS_ioctl, fd, SCAN, &s), saved);
	if (!got)
		return fd;
	sys_close(fd);
	return (int)got;
}

static void set_bits(u64 *bits, uintptr_t at, const struct region *r)
{
	for (u64 p = r->start; p < r->end; p += PAGE_SIZE)
		bits[(p - at) >> PAGE_SHIFT >> 6] |= BIT((p - at) >> PAGE_SHIFT & 63);
}

/* Few regions at a time: a fault may run on a small signal stack. */
int sys_unwritten(int pagemap, uintptr_t at, u32 n, u64 *bits)
{
	struct region found[16];
	struct scan s = {
		.size = sizeof(s),
		.start = at,
		.end = at + ((u64)n << PAGE_SHIFT),
		.regions = (u64)found,
		.nr_regions = ARRAY_SIZE(found),
		.inverted = IS_WRITTEN,
		.mask = IS_WRITTEN,
		.any_of = IS_PRESENT | IS_SWAPPED,
		.returned = IS_PRESENT | IS_SWAPPED,
	};
	int saved = errno;

	if (sys_fault(SYS_FAULT_PAGEMAP))
		return -ENOMEM;
	for (; s.start < s.end; s.start = s.walk_end) {
		long got = sys_result(syscall(SYS_ioctl, pagemap, SCAN, &s), saved);

		if (got < 0)
			return (int)got;
		for (long i = 0; i < got; i++)
			set_bits(bits, at, &found[i]);
	}
	return 0;
}
