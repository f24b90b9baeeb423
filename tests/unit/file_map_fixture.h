/* file_map_fixture.h - files with known content, in windows of two groups. */
#ifndef MEMCG_TESTS_FILE_MAP_FIXTURE_H
#define MEMCG_TESTS_FILE_MAP_FIXTURE_H

#include "managed_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "vm/mech.h"

static struct memcg_mm *mm, *mm2;

/* Bytes that the file has at an offset: the same for each run of the test. */
static inline char byte_at(size_t at)
{
	return (char)(at * 31 + (at >> 12) * 7 + 1);
}

static inline int temp_file(size_t size)
{
	char name[] = "/tmp/t_file_map.XXXXXX", buf[PAGE_SIZE];
	int fd = mkstemp(name);

	CHECK(fd >= 0 && !unlink(name));
	for (size_t at = 0; at < size; at += PAGE_SIZE) {
		size_t n = size - at < PAGE_SIZE ? size - at : PAGE_SIZE;

		for (size_t i = 0; i < n; i++)
			buf[i] = byte_at(at + i);
		CHECK(pwrite(fd, buf, n, (off_t)at) == (ssize_t)n);
	}
	return fd;
}

static inline int reopen(int fd, int flags)
{
	char path[64];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, flags);
	CHECK(again >= 0);
	return again;
}

static inline char in_file(int fd, size_t at)
{
	char c = 0;

	CHECK(pread(fd, &c, 1, (off_t)at) == 1);
	return c;
}

static inline void mm_set_up(void)
{
	set_up();
	mm = memcg_mm_create(cg);
	mm2 = memcg_mm_create(other);
	CHECK(mm && mm2);
}

static inline void mm_tear_down(void)
{
	memcg_mm_destroy(mm);
	memcg_mm_destroy(mm2);
	CHECK(managed_resident() == 0);
	closes();
}

static inline char *map_file(struct memcg_mm *m, struct memcg_file *f, size_t size, bool write)
{
	char *p = memcg_mmap(m, size, write ? PROT_READ | PROT_WRITE : PROT_READ, 0, f, 0);

	CHECK(p);
	return p;
}

/* One file, open, in a window of mm; and its end. */
static int the_fd;
static struct memcg_file *the_file;

static inline char *file_set_up(size_t size, bool write)
{
	the_fd = temp_file(size);
	mm_set_up();
	the_file = memcg_file_open(the_fd, 0);
	CHECK(the_file);
	return map_file(mm, the_file, size, write);
}

static inline void file_tear_down(void)
{
	memcg_file_close(the_file);
	mm_tear_down();
}

static inline bool shows(const char *p, size_t from, size_t size)
{
	for (size_t i = from; i < from + size; i++)
		if (p[i] != byte_at(i))
			return false;
	return true;
}

static inline void all_out(struct memcg_mm *m, char *p, size_t size)
{
	CHECK(!memcg_madvise(m, p, size, MEMCG_PAGEOUT));
}

#endif
