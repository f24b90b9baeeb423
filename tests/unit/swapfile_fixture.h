/*
 * swapfile_fixture.h - a swap file in a directory of the test's own: pages with known content go
 * there and come back, and what the library says is read.
 */
#ifndef MEMCG_TESTS_SWAPFILE_FIXTURE_H
#define MEMCG_TESTS_SWAPFILE_FIXTURE_H

#include "swap_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "vm/swapfile.h"

#define MAX_SLOTS 20000u

static char dir[64], path[128];
static u32 slots[MAX_SLOTS];
static char said_text[8192];
static int said_fd;

/* The library with a swap file of so many bytes: at `file`, or NULL: one without a name. */
static inline void use(const char *file, u64 size)
{
	set_up();
	swap_setup = (struct swap_setup){.file = file, .dir = dir, .size = size};
	said_fd = stderr_to_pipe();
	CHECK(!fcntl(said_fd, F_SETFL, O_NONBLOCK));
}

/* What was said since the last look. */
static inline const char *said(void)
{
	ssize_t n = read(said_fd, said_text, sizeof(said_text) - 1);

	said_text[n > 0 ? n : 0] = '\0';
	return said_text;
}

static inline unsigned lines(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static inline bool said_one(const char *words)
{
	const char *text = said();

	return lines(text) == 1 && strstr(text, words);
}

static inline bool said_nothing(void)
{
	return !*said();
}

/* n pages of content first, first + 1 ... to fresh slots. */
static inline void put(u64 first, unsigned n, u32 to[])
{
	static __thread char *buffer;
	const void *pages[SWAP_CLUSTER];

	buffer = buffer ? buffer : pages_map(SWAP_CLUSTER);
	CHECK(swap_alloc(to, n) == (int)n);
	for (unsigned i = 0; i < n; i++) {
		page_write(buffer + i * PAGE_SIZE, first + i, CONTENT_RANDOM);
		pages[i] = buffer + i * PAGE_SIZE;
	}
	CHECK(!swap_write(pages, to, n));
}

/* 0 and the page is content n; or what swap_read says. */
static inline int get(u32 slot, u64 n)
{
	static __thread char *buffer;
	int err;

	buffer = buffer ? buffer : pages_map(1);
	memset(buffer, 0xa5, PAGE_SIZE);
	err = swap_read(slot, buffer);
	CHECK(err || page_is(buffer, n, CONTENT_RANDOM));
	return err;
}

static inline bool in_a_row(const u32 to[], unsigned n)
{
	for (unsigned i = 1; i < n; i++)
		if (to[i] != to[0] + i)
			return false;
	return true;
}

/* Takes all there is, by n at a time; how many. */
static inline u32 take_all(unsigned n)
{
	static bool seen[MAX_SLOTS];
	u32 got = 0;
	int r;

	memset(seen, 0, sizeof(seen));
	for (; (r = swap_alloc(slots + got, n)) > 0; got += (u32)r) {
		CHECK(r <= (int)n && got + (u32)r < MAX_SLOTS);
		for (int i = 0; i < r; i++) {
			CHECK(slots[got + (u32)i] && slots[got + (u32)i] < MAX_SLOTS);
			CHECK(!seen[slots[got + (u32)i]]);
			seen[slots[got + (u32)i]] = true;
		}
	}
	CHECK(r == -ENOSPC);
	return got;
}

/* The open file, by what the system says of the process's descriptors. */
static inline int descriptor_of(const struct stat *file)
{
	struct stat st;

	for (int fd = 3; fd < 256; fd++)
		if (!fstat(fd, &st) && st.st_dev == file->st_dev && st.st_ino == file->st_ino)
			return fd;
	return -1;
}

static inline int descriptor_of_path(void)
{
	struct stat st;

	return stat(path, &st) ? -1 : descriptor_of(&st);
}

static inline int unnamed_descriptor(void)
{
	struct stat st, in;

	CHECK(!stat(dir, &in));
	for (int fd = 3; fd < 256; fd++)
		if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_dev == in.st_dev &&
		    !st.st_nlink)
			return fd;
	return -1;
}

static inline void make_file(const void *data, size_t n, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

	CHECK(fd >= 0 && !fchmod(fd, mode) && write(fd, data, n) == (ssize_t)n);
	close(fd);
}

/* No slot, now and ever, and one line. */
static inline void is_refused(const char *words)
{
	u32 slot;

	CHECK(swap_alloc(&slot, 1) == -ENOSPC);
	CHECK(said_one(words) && strstr(said_text, swap_name()) &&
	      strstr(said_text, "pages stay in memory"));
	CHECK(swap_alloc(&slot, 1) == -ENOSPC && said_nothing());
	CHECK(!swap_slots() && !swap_slots_free());
}

/* --- each test has a directory of its own ------------------------------------------------- */

static inline int remove_one(const char *name, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(name);
}

static inline void in_a_directory(void **state)
{
	const char *at = getenv("TMPDIR");

	snprintf(dir, sizeof(dir), "%s/t_swapfile.XXXXXX", at && strlen(at) < 40 ? at : "/tmp");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/swap", dir);
	run_in_child(state);
}

static inline int remove_directory(void **state)
{
	(void)state;
	(void)chmod(dir, 0700);
	(void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

#define SWAP_TEST(fn)                                                     \
	{                                                                 \
#fn, in_a_directory, NULL, remove_directory, (void *)(fn) \
	}

#endif
