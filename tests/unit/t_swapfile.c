/*
 * t_swapfile.c - pages on disk: what was written comes back or is an error, each slot is given out
 * once, and whatever the disk or the file's place does, the library goes on without.
 */
#include "swap_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <ucontext.h>

#include "vm/swapfile.h"
#include "vm/zswap.h"

#define MAX_SLOTS 20000u

static char dir[64], path[128];
static u32 slots[MAX_SLOTS];
static char said_text[8192];
static int said_fd;

/* --- what the tests share ------------------------------------------------------------ */

/* The library with a swap file of so many bytes: at `file`, or NULL: one without a name. */
static void use(const char *file, u64 size)
{
	set_up();
	swap_setup = (struct swap_setup){.file = file, .dir = dir, .size = size};
	said_fd = stderr_to_pipe();
	CHECK(!fcntl(said_fd, F_SETFL, O_NONBLOCK));
}

/* What was said since the last look. */
static const char *said(void)
{
	ssize_t n = read(said_fd, said_text, sizeof(said_text) - 1);

	said_text[n > 0 ? n : 0] = '\0';
	return said_text;
}

static unsigned lines(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static bool said_one(const char *words)
{
	const char *text = said();

	return lines(text) == 1 && strstr(text, words);
}

static bool said_nothing(void)
{
	return !*said();
}

/* n pages of content first, first + 1 ... to fresh slots. */
static void put(u64 first, unsigned n, u32 to[])
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
static int get(u32 slot, u64 n)
{
	static __thread char *buffer;
	int err;

	buffer = buffer ? buffer : pages_map(1);
	memset(buffer, 0xa5, PAGE_SIZE);
	err = swap_read(slot, buffer);
	CHECK(err || page_is(buffer, n, CONTENT_RANDOM));
	return err;
}

/* The open file, by what the system says of the process's descriptors. */
static int descriptor_of(const struct stat *file)
{
	struct stat st;

	for (int fd = 3; fd < 256; fd++)
		if (!fstat(fd, &st) && st.st_dev == file->st_dev && st.st_ino == file->st_ino)
			return fd;
	return -1;
}

static int descriptor_of_path(void)
{
	struct stat st;

	return stat(path, &st) ? -1 : descriptor_of(&st);
}

static int unnamed_descriptor(void)
{
	struct stat st, in;

	CHECK(!stat(dir, &in));
	for (int fd = 3; fd < 256; fd++)
		if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_dev == in.st_dev &&
		    !st.st_nlink)
			return fd;
	return -1;
}

static void make_file(const void *data, size_t n, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

	CHECK(fd >= 0 && !fchmod(fd, mode) && write(fd, data, n) == (ssize_t)n);
	close(fd);
}

/* No slot, now and ever, and one line. */
static void is_refused(const char *words)
{
	u32 slot;

	CHECK(swap_alloc(&slot, 1) == -ENOSPC);
	CHECK(said_one(words) && strstr(said_text, swap_name()) &&
	      strstr(said_text, "pages stay in memory"));
	CHECK(swap_alloc(&slot, 1) == -ENOSPC && said_nothing());
	CHECK(!swap_slots() && !swap_slots_free());
}

/* --- there and back ------------------------------------------------------------------- */

static void pages_come_back(void)
{
	u32 to[SWAP_CLUSTER];

	use(NULL, 4 * MIB);
	put(100, SWAP_CLUSTER, to);
	for (unsigned i = 0; i < SWAP_CLUSTER; i++)
		CHECK(!get(to[i], 100 + i));
	put(500, 1, slots);
	CHECK(!get(slots[0], 500) && !get(to[7], 107));
	CHECK(said_nothing());
}

static void a_run_comes_back_at_once(void)
{
	char *buffer = pages_map(SWAP_CLUSTER);
	void *pages[SWAP_CLUSTER];
	u32 to[SWAP_CLUSTER], good;

	use(NULL, 4 * MIB);
	put(0, SWAP_CLUSTER, to);
	for (unsigned holes = 0; holes < 3; holes++) {
		memset(buffer, 0xa5, SWAP_CLUSTER * PAGE_SIZE);
		for (unsigned i = 0; i < SWAP_CLUSTER; i++)
			pages[i] = !holes || i % (holes + 1) ? buffer + i * PAGE_SIZE : NULL;
		good = swap_read_run(to[0], SWAP_CLUSTER, pages);
		for (unsigned i = 0; i < SWAP_CLUSTER; i++) {
			CHECK((good >> i & 1) == !!pages[i]);
			CHECK(page_is(buffer + i * PAGE_SIZE, i, CONTENT_RANDOM) == !!pages[i]);
		}
	}
	CHECK(!swap_read_run(to[0], 0, pages) && said_nothing());
}

/* Slots that are not in a row are written where they are. */
static void scattered_slots_are_written(void)
{
	char *buffer = pages_map(8);
	const void *pages[8];
	u32 to[8];

	use(NULL, MIB);
	CHECK(swap_alloc(slots, 32) == 32);
	for (unsigned i = 0; i < 8; i++) {
		to[i] = slots[i < 3 ? i : 31 - 2 * i + i / 4];
		page_write(buffer + i * PAGE_SIZE, i, CONTENT_RANDOM);
		pages[i] = buffer + i * PAGE_SIZE;
	}
	CHECK(!swap_write(pages, to, 8));
	for (unsigned i = 0; i < 8; i++)
		CHECK(!get(to[i], i));
}

/* --- slots ---------------------------------------------------------------------------- */

static bool in_a_row(const u32 to[], unsigned n)
{
	for (unsigned i = 1; i < n; i++)
		if (to[i] != to[0] + i)
			return false;
	return true;
}

static void clusters_first(void)
{
	u32 a[32], b[8], c[8], d[32];

	use(NULL, 4 * MIB);
	CHECK(swap_alloc(a, 32) == 32 && in_a_row(a, 32) && !(a[0] % SWAP_CLUSTER));
	CHECK(swap_alloc(b, 8) == 8 && in_a_row(b, 8) && !(b[0] % SWAP_CLUSTER));
	CHECK(swap_alloc(c, 8) == 8 && in_a_row(c, 8) && c[0] == b[7] + 1); /* goes on there */
	CHECK(swap_alloc(d, 32) == 32 && in_a_row(d, 32) && !(d[0] % SWAP_CLUSTER));
	CHECK(swap_alloc(d, 40) == SWAP_CLUSTER); /* no more in one call */
}

/* Takes all there is, by n at a time; how many. */
static u32 take_all(unsigned n)
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

/* Every slot but the header, once; none past the size, in whatever pieces. */
static void every_slot_once(void)
{
	static const u64 sizes[] = {2, 3, 32, 33, 64, 100, 4095, 4096, 4097, 8200};

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
		for (unsigned n = 1; n <= 32; n = n * 5 + 2) {
			pid_t pid = fork();
			int status;

			if (!pid) {
				use(NULL, sizes[i] * PAGE_SIZE + 17);
				CHECK(swap_slots() == sizes[i] - 1);
				CHECK(swap_slots_free() == sizes[i] - 1);
				CHECK(take_all(n) == sizes[i] - 1 && !swap_slots_free());
				for (u32 k = 0; k < sizes[i] - 1; k++)
					swap_free(slots[k]);
				CHECK(swap_slots_free() == sizes[i] - 1);
				CHECK(take_all(n) == sizes[i] - 1 && said_nothing());
				_exit(0);
			}
			CHECK(waitpid(pid, &status, 0) == pid && !status);
		}
}

/* No cluster is free: scattered ones, rather than none; and clusters again when there are some. */
static void scattered_when_there_is_no_cluster(void)
{
	u32 to[32], n;

	use(NULL, 2 * MIB);
	n = take_all(32);
	CHECK(n == 511);
	for (u32 i = 0; i < n; i += 3)
		swap_free(slots[i]);
	CHECK(swap_slots_free() == (n + 2) / 3);
	CHECK(swap_alloc(to, 32) == 32 && !in_a_row(to, 32));
	for (u32 i = 0; i < 32; i++) {
		CHECK(swap_map_used(to[i]));
		swap_free(to[i]);
	}
	for (u32 i = 0; i < n; i++)
		if (i % 3 && slots[i] / 32 == 5)
			swap_free(slots[i]);
	CHECK(swap_alloc(to, 32) == 32 && in_a_row(to, 32) && to[0] == 160);
}

static void the_file_is_lengthened_before_slots_scatter(void)
{
	u32 to[32];

	use(NULL, 64 * MIB);
	for (u32 i = 0; i < 127; i++)
		CHECK(swap_alloc(slots + i * 32, 32) == 32 && slots[i * 32] < 4096);
	for (u32 i = 0; i < 127 * 32; i += 2)
		swap_free(slots[i]);
	CHECK(swap_alloc(to, 32) == 32 && in_a_row(to, 32) && to[0] == 4096);
}

static void given_back_twice(void)
{
	u32 slot;

	use(NULL, MIB);
	CHECK(swap_alloc(&slot, 1) == 1);
	EXPECT_BUG(swap_free(slot + 1), "not in use");
	EXPECT_BUG(swap_free(0), "not in use");
	EXPECT_BUG(swap_free(256), "not in use"); /* past the end */
	swap_free(slot);
	EXPECT_BUG(swap_free(slot), "not in use");
	EXPECT_BUG((void)get(slot, 0), "impossible");
}

static void no_swap_file_is_wanted(void)
{
	static const u64 sizes[] = {0, 1, 4096, 8191};

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		if (!fork()) {
			u32 slot;

			use(NULL, sizes[i]);
			CHECK(!swap_slots() && !swap_slots_free());
			CHECK(swap_alloc(&slot, 1) == -ENOSPC && said_nothing());
			CHECK(unnamed_descriptor() < 0);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		int status;

		CHECK(wait(&status) > 0 && !status);
	}
}

static void as_large_as_there_is(void)
{
	u32 to[32];

	use(NULL, UINT64_MAX);
	CHECK(swap_slots() == 0x7ffffffe && swap_slots_free() == 0x7ffffffe);
	put(3, 32, to);
	CHECK(!get(to[31], 34) && swap_slots_free() == 0x7ffffffe - 32 && said_nothing());
}

/* A bit and a checksum for a slot, made as the file grows. */
static void metadata_is_small(void)
{
	u64 before, first;
	u32 n;

	use(NULL, 64 * MIB);
	before = meta_bytes;
	CHECK(swap_alloc(slots, 1) == 1);
	first = meta_bytes - before;
	CHECK(first <= 4 * 64 * KIB); /* a block of each size that is needed */
	n = take_all(32);
	CHECK(n == 16382 && meta_bytes - before - first <= 5 * n);
}

/* --- where it lies ------------------------------------------------------------------------ */

/* Nothing is opened for a program that swaps nothing. */
static void opened_at_first_use(void)
{
	struct stat st;
	int fd;

	use(NULL, MIB);
	CHECK(swap_slots() == 255 && unnamed_descriptor() < 0);
	put(1, 1, slots);
	fd = unnamed_descriptor();
	CHECK(fd >= 0 && !fstat(fd, &st) && (st.st_mode & 07777) == 0600);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	CHECK(st.st_size <= (off_t)MIB);
}

static void without_unnamed_files(void)
{
	struct stat st;
	int fd;

	use(NULL, MIB);
	sys_fault_arm(SYS_FAULT_TMPFILE, 1, 0, 0, 0);
	put(1, 1, slots);
	CHECK(sys_fault_count(SYS_FAULT_TMPFILE) == 1 && !get(slots[0], 1) && said_nothing());
	fd = unnamed_descriptor(); /* it had a name for a moment */
	CHECK(fd >= 0 && !fstat(fd, &st) && (st.st_mode & 07777) == 0600);
	CHECK(!rmdir(dir) && !mkdir(dir, 0700)); /* nothing is in it */
}

static void a_named_file_is_made(void)
{
	struct stat st;

	use(path, MIB);
	put(1, 3, slots);
	CHECK(!stat(path, &st) && (st.st_mode & 07777) == 0600 && S_ISREG(st.st_mode));
	CHECK(fcntl(descriptor_of_path(), F_GETFD) & FD_CLOEXEC);
	CHECK(!get(slots[2], 3) && said_nothing());
}

/* Of an earlier process; or made large beforehand, so that there is room. */
static void a_named_file_is_used_again(void)
{
	static char zeros[64 * KIB];

	for (int round = 0; round < 3; round++) {
		int status;

		if (round == 2)
			make_file(zeros, sizeof(zeros), 0600);
		if (!fork()) {
			use(path, MIB);
			put(7, 3, slots);
			CHECK(!get(slots[2], 9) && said_nothing());
			_exit(0);
		}
		CHECK(wait(&status) > 0 && !status);
	}
}

/* Whatever else is there is somebody's. */
static void a_file_with_other_content(void)
{
	static char data[3 * PAGE_SIZE], now[sizeof(data)];
	int fd;

	memset(data, 'x', sizeof(data));
	make_file(data, sizeof(data), 0600);
	use(path, MIB);
	is_refused("holds data that are no swap file's");
	fd = open(path, O_RDONLY);
	CHECK(read(fd, now, sizeof(now)) == sizeof(now) && !memcmp(now, data, sizeof(data)));
	CHECK(lseek(fd, 0, SEEK_END) == sizeof(data));
}

/* Zero at its start but for one byte is not zero at its start. */
static void a_file_that_begins_with_zeros(void)
{
	static char data[PAGE_SIZE];

	data[PAGE_SIZE - 1] = 1;
	make_file(data, sizeof(data), 0600);
	use(path, MIB);
	is_refused("holds data that are no swap file's");
}

static void a_file_that_is_too_short(void)
{
	make_file("libmemcg swap 1\n", 16, 0600);
	use(path, MIB);
	is_refused("too short");
}

static void a_damaged_header(void)
{
	int fd, status;

	if (!fork()) {
		use(path, MIB);
		put(1, 1, slots);
		_exit(0);
	}
	CHECK(wait(&status) > 0 && !status);
	fd = open(path, O_WRONLY);
	CHECK(fd >= 0 && pwrite(fd, "?", 1, 17) == 1);
	close(fd);
	use(path, MIB);
	is_refused("header is damaged");
}

static void a_symbolic_link(void)
{
	char target[160];

	snprintf(target, sizeof(target), "%s.target", path);
	CHECK(!symlink(target, path));
	use(path, MIB);
	is_refused("is a symbolic link");
	CHECK(access(target, F_OK));
}

static void a_directory(void)
{
	CHECK(!mkdir(path, 0700));
	use(path, MIB);
	is_refused("cannot be opened");
}

static void no_regular_file(void)
{
	CHECK(!mkfifo(path, 0600));
	use(path, MIB);
	is_refused("is no regular file");
}

static void a_missing_directory(void)
{
	strcat(path, "/nowhere/file");
	use(path, MIB);
	is_refused("cannot be opened");
}

static void a_missing_directory_for_unnamed_files(void)
{
	use(NULL, MIB);
	swap_setup.dir = "/nowhere/at/all";
	is_refused("cannot be opened");
}

static void a_file_that_others_may_read(void)
{
	make_file("", 0, 0640);
	use(path, MIB);
	is_refused("others may open it");
}

static void a_file_of_another_user(void)
{
	make_file("", 0, 0600);
	if (geteuid() || chown(path, 65534, 65534))
		return; /* only root can give files away */
	use(path, MIB);
	is_refused("belongs to another user");
}

static void no_permission(void)
{
	CHECK(!chmod(dir, 0500));
	if (!geteuid() && (setegid(65534) || seteuid(65534)))
		return;
	use(path, MIB);
	is_refused("cannot be opened");
}

static void a_file_in_use(void)
{
	int ready[2], over[2], status;
	char byte;

	CHECK(!pipe(ready) && !pipe(over));
	if (!fork()) {
		use(path, MIB);
		put(1, 1, slots);
		CHECK(write(ready[1], "r", 1) == 1 && read(over[0], &byte, 1) == 1);
		CHECK(!get(slots[0], 1));
		_exit(0);
	}
	CHECK(read(ready[0], &byte, 1) == 1);
	use(path, MIB);
	is_refused("another process's swap file");
	CHECK(write(over[1], "o", 1) == 1 && wait(&status) > 0 && !status);
}

/* --- damage --------------------------------------------------------------------------------- */

static void flip(u32 slot, unsigned at)
{
	int fd = open(path, O_RDWR);
	u8 byte;

	CHECK(fd >= 0 && pread(fd, &byte, 1, (off_t)slot * (off_t)PAGE_SIZE + at) == 1);
	byte ^= 0x10;
	CHECK(pwrite(fd, &byte, 1, (off_t)slot * (off_t)PAGE_SIZE + at) == 1);
	close(fd);
}

static void a_byte_flips_on_disk(void)
{
	static const unsigned at[] = {0, 1, 2047, 4095};
	char *buffer = pages_map(4), words[64];
	void *pages[4];
	u32 to[4];

	use(path, MIB);
	put(10, 4, to);
	for (unsigned i = 0; i < 4; i++)
		pages[i] = buffer + i * PAGE_SIZE;
	for (unsigned i = 0; i < 4; i++) {
		flip(to[i], at[i]);
		CHECK(get(to[i], 10 + i) == -EIO);
		snprintf(words, sizeof(words), "slot %u is damaged", to[i]);
		CHECK(said_one(words) && strstr(said_text, path));
		CHECK(swap_read_run(to[0], 4, pages) == (0xfu & ~(1u << i)) && said_one(words));
		flip(to[i], at[i]);
		CHECK(!get(to[i], 10 + i));
	}
	CHECK(swap_read_run(to[0], 4, pages) == 0xf && said_nothing());
}

/* The right bytes of the wrong page: what was in the slot before, or in another. */
static void a_write_that_never_happened(void)
{
	static char old[2 * PAGE_SIZE];
	int fd;

	use(path, MIB);
	put(20, 2, slots);
	fd = open(path, O_RDWR);
	CHECK(pread(fd, old, sizeof(old), (off_t)slots[0] * (off_t)PAGE_SIZE) == sizeof(old));
	CHECK(pwrite(fd, old + PAGE_SIZE, PAGE_SIZE, (off_t)slots[0] * (off_t)PAGE_SIZE) > 0);
	CHECK(get(slots[0], 20) == -EIO && said_one("is damaged"));
	CHECK(!get(slots[1], 21));
}

static void a_file_that_was_cut_off(void)
{
	char *buffer = pages_map(4);
	void *pages[4];
	u32 to[4];

	use(path, MIB);
	put(10, 4, to);
	for (unsigned i = 0; i < 4; i++)
		pages[i] = buffer + i * PAGE_SIZE;
	CHECK(!truncate(path, ((off_t)to[2] * (off_t)PAGE_SIZE) + 512));
	CHECK(!get(to[1], 11) && said_nothing());
	CHECK(get(to[2], 12) == -EIO && said_one("the file ends before it"));
	CHECK(get(to[3], 13) == -EIO && said_one("the file ends before it"));
	CHECK(swap_read_run(to[0], 4, pages) == 3 && said_one("the file ends before it"));
}

/* --- a disk that is full or fails ------------------------------------------------------------- */

static void a_full_disk(void)
{
	u32 to[32];

	use(NULL, 64 * MIB);
	put(1, 8, slots);
	sys_fault_arm(SYS_FAULT_ALLOCATE, 0, 1, 0, 0);
	CHECK(take_all(32) == 4095 - 8); /* what it has got already */
	CHECK(sys_fault_count(SYS_FAULT_ALLOCATE) > 1 && said_nothing());
	CHECK(swap_alloc(to, 4) == -ENOSPC);
	swap_free(slots[0]);
	CHECK(swap_alloc(to, 4) == 1);
	sys_fault_disarm_all();
	CHECK(swap_alloc(to, 32) == 32 && in_a_row(to, 32)); /* there is room again */
}

static void a_full_disk_from_the_start(void)
{
	use(NULL, 64 * MIB);
	sys_fault_arm(SYS_FAULT_ALLOCATE, 0, 1, 0, 0);
	CHECK(swap_alloc(slots, 4) == -ENOSPC && said_nothing());
	CHECK(swap_slots() == 16383 && swap_slots_free() == 16383);
	sys_fault_disarm_all();
	put(1, 4, slots);
	CHECK(!get(slots[3], 4));
}

/* A real one, and small: what fits is kept, what does not is refused, nothing is lost. */
static void a_small_file_system(void)
{
	unsigned n = 0;
	int err;

	if (unshare(CLONE_NEWNS) || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", dir, "tmpfs", 0, "size=1m,mode=0700"))
		return; /* not permitted here; the injected ones are tried everywhere */
	use(NULL, 64 * MIB);
	while ((err = swap_alloc(slots + n, 1)) == 1) {
		const void *page = pages_map(1);

		page_write((void *)page, n, CONTENT_RANDOM);
		CHECK(n < 256);
		if (swap_write(&page, slots + n, 1))
			break;
		n++;
	}
	CHECK(err == -ENOSPC && n > 100 && n < 256);
	for (unsigned i = 0; i < n; i++)
		CHECK(!get(slots[i], i));
	swap_free(slots[--n]);
	CHECK(swap_alloc(slots + n, 2) == 1);
}

/* Past it would be a signal, which ends the process. */
static void a_limit_on_the_size_of_files(void)
{
	struct rlimit limit = {.rlim_cur = MIB, .rlim_max = MIB};

	use(NULL, 64 * MIB);
	CHECK(!setrlimit(RLIMIT_FSIZE, &limit));
	CHECK(take_all(32) == 255);
	swap_free(slots[3]);
	put(1, 1, slots);
	CHECK(!get(slots[0], 1));
}

/* The slots are given back, the page is the caller's still, and there is a line when it begins. */
static void writes_that_fail(void)
{
	const void *pages[8];
	char *buffer = pages_map(8);
	u64 free;

	use(NULL, MIB);
	put(50, 1, slots);
	free = swap_slots_free();
	for (unsigned i = 0; i < 8; i++) {
		pages[i] = buffer + i * PAGE_SIZE;
		page_write(buffer + i * PAGE_SIZE, i, CONTENT_RANDOM);
	}
	for (unsigned round = 0; round < 3; round++) {
		sys_fault_arm(SYS_FAULT_PWRITEV, 1, 0, 0, 0);
		CHECK(swap_alloc(slots + 1, 8) == 8 && swap_slots_free() == free - 8);
		CHECK(swap_write(pages, slots + 1, 8) == -ENOSPC && swap_slots_free() == free);
		if (round < 2)
			CHECK(round ? said_nothing() : said_one("cannot be written"));
		if (round != 1)
			continue;
		put(60, 1, slots + 1); /* it works in between */
		CHECK(!get(slots[1], 60));
		swap_free(slots[1]);
	}
	CHECK(said_one("cannot be written") && !get(slots[0], 50));
	for (unsigned i = 0; i < 8; i++)
		CHECK(page_is(buffer + i * PAGE_SIZE, i, CONTENT_RANDOM));
}

/* One row is out already when the next fails: all of it is the caller's again. */
static void a_write_that_fails_halfway(void)
{
	const void *pages[4];
	char *buffer = pages_map(4);
	u32 to[4];
	u64 free;

	use(NULL, MIB);
	CHECK(swap_alloc(slots, 32) == 32);
	for (unsigned i = 0; i < 4; i++) {
		pages[i] = buffer + i * PAGE_SIZE;
		to[i] = slots[i * 5];
	}
	free = swap_slots_free();
	sys_fault_arm(SYS_FAULT_PWRITEV, 3, 0, 0, 0);
	CHECK(swap_write(pages, to, 4) == -ENOSPC && swap_slots_free() == free + 4);
	for (unsigned i = 0; i < 4; i++)
		CHECK(!swap_map_used(to[i]));
}

static void reads_that_fail(void)
{
	u32 to[4];

	use(path, MIB);
	put(10, 4, to);
	sys_fault_arm(SYS_FAULT_PREADV, 1, 0, 0, 0);
	CHECK(get(to[1], 11) == -EIO && said_one("cannot be read") && strstr(said_text, path));
	CHECK(!get(to[1], 11) && said_nothing()); /* it was the disk, for a moment */
}

static void no_direct_transfers(void)
{
	u32 to[32];

	use(path, MIB);
	sys_fault_arm(SYS_FAULT_DIRECT, 1, 0, 0, 0);
	put(1, 32, to);
	CHECK(said_one("no direct transfers") && strstr(said_text, path));
	CHECK(!(fcntl(descriptor_of_path(), F_GETFL) & O_DIRECT));
	CHECK(!get(to[31], 32) && said_nothing());
}

/* They are used where they work, and that is found out by using them. */
static void direct_transfers(void)
{
	u32 to[32];
	int flags;

	use(path, MIB);
	put(1, 32, to);
	flags = fcntl(descriptor_of_path(), F_GETFL);
	CHECK(!(flags & O_DIRECT) == !said_nothing());
}

/* Each call on the way to the first slot, failing alone: refused with a line, or done without it.
 */
static bool first_slot_with(enum sys_call call, u64 nth)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		u32 slot;
		int got;

		use(path, MIB);
		sys_fault_arm(call, nth, 0, 0, 0);
		got = swap_alloc(&slot, 1);
		if (!sys_fault_count(call))
			_exit(7);
		CHECK(got == 1 || got == -ENOSPC);
		CHECK(got == 1 || call == SYS_FAULT_ALLOCATE || said_one("pages stay in memory"));
		CHECK(got == 1 || call == SYS_FAULT_ALLOCATE || descriptor_of_path() < 0);
		sys_fault_disarm_all();
		if (got == 1) {
			swap_free(slot);
			put(3, 1, &slot);
			CHECK(!get(slot, 3));
		}
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	unlink(path);
	CHECK(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 7);
	return !WEXITSTATUS(status);
}

static void every_call_failing_in_turn(void)
{
	static const struct {
		enum sys_call call;
		u64 least;
	} calls[] = {
		{SYS_FAULT_OPEN, 1},	 {SYS_FAULT_STAT, 1},	 {SYS_FAULT_LOCK, 1},
		{SYS_FAULT_DIRECT, 1},	 {SYS_FAULT_PWRITEV, 1}, {SYS_FAULT_PREADV, 1},
		{SYS_FAULT_ALLOCATE, 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		u64 nth = 1;

		while (first_slot_with(calls[i].call, nth))
			nth++;
		CHECK(nth > calls[i].least);
	}
}

/* No memory of our own for the map: no swap file, or as much of it as there was memory for. */
static void no_memory_for_the_map(void)
{
	static const size_t sizes[] = {sizeof(void *), 576, 16 * KIB, PAGE_SIZE};
	u32 slot;

	use(NULL, MIB);
	sys_fault_arm(SYS_FAULT_OPEN_RANGE, 0, 1, 0, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
		while (meta_alloc(sizes[i]))
			;
	CHECK(swap_alloc(&slot, 1) == -ENOSPC);
	sys_fault_disarm_all();
	CHECK(lines(said()) == 1 && unnamed_descriptor() < 0);
}

static void no_memory_for_a_chunk(void)
{
	void *keep = NULL, *p;
	u32 slot;

	use(NULL, 64 * MIB);
	CHECK(swap_alloc(&slot, 1) == 1);
	sys_fault_arm(SYS_FAULT_OPEN_RANGE, 0, 1, 0, 0);
	while ((p = meta_alloc(16 * KIB)))
		keep = p;
	CHECK(keep && take_all(32) == 4094 && swap_slots() == 16383);
	meta_free(keep, 16 * KIB);
	CHECK(swap_alloc(&slot, 1) == 1);
	sys_fault_disarm_all();
}

/* --- the program's doings ----------------------------------------------------------------------
 */

/* It closes a descriptor that is not its own, and opens a file of its own, which gets the number.
 */
static void the_program_closes_the_descriptor(void)
{
	char precious[2 * PAGE_SIZE], now[sizeof(precious)], name[160];
	const void *page = pages_map(1);
	int fd, own, status;

	use(path, MIB);
	put(1, 2, slots);
	fd = descriptor_of_path();
	CHECK(fd >= 0 && !close(fd));
	snprintf(name, sizeof(name), "%s.precious", path);
	own = open(name, O_RDWR | O_CREAT, 0600);
	CHECK(own == fd);
	memset(precious, 'p', sizeof(precious));
	CHECK(write(own, precious, sizeof(precious)) == sizeof(precious));

	CHECK(swap_write(&page, slots, 1) == -EIO);
	CHECK(said_one("the program closed its descriptor"));
	CHECK(!swap_map_used(slots[0]) && swap_map_used(slots[1]));
	CHECK(get(slots[1], 2) == -EIO && swap_alloc(slots, 1) == -ENOSPC && said_nothing());
	CHECK(pread(own, now, sizeof(now), 0) == sizeof(now));
	CHECK(!memcmp(now, precious, sizeof(now)));
	CHECK(!swap_slots() && !swap_slots_free());
	if (!fork()) { /* nor is it closed where the swap file would be */
		CHECK(!fcntl(own, F_GETFD));
		_exit(0);
	}
	CHECK(wait(&status) > 0 && !status);
	swap_free(slots[1]);
}

static void in_a_child_of_ours(u32 parents)
{
	u32 to[32];

	CHECK(descriptor_of_path() < 0 && unnamed_descriptor() < 0); /* the parent's is closed */
	CHECK(!swap_map_used(parents));
	if (swap_setup.file) { /* which the parent has */
		is_refused("another process's");
		_exit(0);
	}
	CHECK(swap_slots_free() == swap_slots());
	put(1000, 32, to);
	CHECK(!get(to[0], 1000) && unnamed_descriptor() >= 0);
	_exit(0);
}

static void the_child_of_a_fork(const char *file)
{
	u32 to[32];
	int status;
	pid_t pid;

	use(file, 4 * MIB);
	put(1, 32, to);
	pid = fork();
	if (!pid)
		in_a_child_of_ours(to[0]);
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	for (unsigned i = 0; i < 32; i++)
		CHECK(!get(to[i], 1 + i));
	put(100, 1, slots);
	CHECK(!get(slots[0], 100) && said_nothing());
}

static void a_fork_with_an_unnamed_file(void)
{
	the_child_of_a_fork(NULL);
}

static void a_fork_with_a_named_file(void)
{
	the_child_of_a_fork(path);
}

/* --- several threads
 * ------------------------------------------------------------------------------ */

#define THREADS 4

static u32 taken_by[THREADS][MAX_SLOTS], count_of[THREADS];

static void *take_to_the_end(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	int r;

	while ((r = swap_alloc(taken_by[me] + count_of[me], 1 + me * 5)) > 0)
		count_of[me] += (u32)r;
	CHECK(r == -ENOSPC);
	return NULL;
}

/* All of them find it closed, and short again and again: one opens and lengthens it. */
static void threads_take_all(void)
{
	static bool seen[MAX_SLOTS];
	pthread_t t[THREADS];
	u32 sum = 0;

	use(NULL, 64 * MIB);
	for (unsigned i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&t[i], NULL, take_to_the_end, (void *)(uintptr_t)i));
	for (unsigned i = 0; i < THREADS; i++)
		CHECK(!pthread_join(t[i], NULL));
	for (unsigned i = 0; i < THREADS; i++) {
		sum += count_of[i];
		for (u32 k = 0; k < count_of[i]; k++) {
			CHECK(!seen[taken_by[i][k]]);
			seen[taken_by[i][k]] = true;
		}
	}
	CHECK(sum == 16383 && !seen[0] && said_nothing());
}

#ifdef MEMCG_DEBUG

static pthread_t second;
static u32 second_is; /* 1: about to ask, 2: has its answer */
static int second_got, own_got = 1;

static void *ask_for_slots(void *arg)
{
	u32 to[32];
	int status;
	pid_t pid;

	atomic_store(&second_is, 1u);
	pid = fork();
	if (!pid) { /* where nobody is at it: not waited for */
		alarm(60);
		CHECK(swap_alloc(to, 32) == 32);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	second_got = swap_alloc(to, 32);
	atomic_store(&second_is, 2u);
	return arg;
}

/*
 * The file is being opened. Another thread asks: it must not be told that there is nothing. It has
 * a while to be told so; that it is still waiting then proves nothing, its answer does.
 */
static void while_it_grows(void)
{
	u64 until;
	u32 to[32];

	hook_swap_grows = NULL;
	CHECK(task_self()->busy);     /* faults of signal handlers are refused meanwhile */
	own_got = swap_alloc(to, 32); /* a signal handler of this very thread cannot wait */
	CHECK(!pthread_create(&second, NULL, ask_for_slots, NULL));
	while (!atomic_load(&second_is))
		sys_sleep_ns(1000000);
	for (until = sys_clock_ns() + 300000000; sys_clock_ns() < until;)
		if (atomic_load(&second_is) == 2)
			break;
}

static void asked_while_it_grows(void)
{
	u32 to[32];

	use(NULL, MIB);
	hook_swap_grows = while_it_grows;
	CHECK(swap_alloc(to, 32) == 32 && !hook_swap_grows && !task_self()->busy);
	CHECK(!pthread_join(second, NULL));
	CHECK(own_got == -ENOSPC && second_got == 32 && said_nothing());
}

#endif

#ifndef SANITIZED /* whose frames are larger */

#define STACK (128 * KIB)

static ucontext_t before, within;
static char *stack, *one_page;
static u64 copy;
static u32 one_slot;

static void step_store(void)
{
	CHECK(zswap_store(one_page, cg->handle->index, &copy) == WHERE_ZSWAP);
}

static void step_load(void)
{
	(void)zswap_load(copy, one_page);
}

static void step_free(void)
{
	zswap_free(copy);
}

static void step_alloc(void)
{
	CHECK(swap_alloc(&one_slot, 1) == 1);
}

static void step_write(void)
{
	const void *page = one_page;

	CHECK(!swap_write(&page, &one_slot, 1));
}

static void step_read(void)
{
	(void)swap_read(one_slot, one_page);
}

/* Bytes of stack that a step touches: those that have not kept their paint. */
static size_t depth_of(void (*step)(void))
{
	size_t untouched = 0;

	memset(stack, 0x5a, STACK);
	CHECK(!getcontext(&within));
	within.uc_stack = (stack_t){.ss_sp = stack, .ss_size = STACK};
	within.uc_link = &before;
	makecontext(&within, step, 0);
	CHECK(!swapcontext(&before, &within));
	while (stack[untouched] == 0x5a)
		untouched++;
	return STACK - untouched;
}

/* A signal's stack may be 8 KiB, of which the processor's state takes up to 4 before anything runs.
 */
static void small_stacks_will_do(void)
{
	static void (*const steps[])(void) = {step_store, step_load, step_alloc, step_write,
					      step_read};

	if (effort_divisor() > 1)
		return; /* memcheck lets nobody look below a stack */
	use(NULL, MIB);
	stack = pages_map(STACK / PAGE_SIZE);
	one_page = pages_map(1);
	page_write(one_page, 5, CONTENT_TEXT);
	/* The first round opens the file, and the linker looks up what this program calls. */
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < ARRAY_SIZE(steps); i++)
			CHECK(depth_of(steps[i]) <= (round ? 1536 : 4096));
	((char *)copy)[30] ^= 1;
	*swap_map_sum(one_slot) ^= 1;
	CHECK(depth_of(step_load) <= 3584 && said_one("is damaged")); /* with a line */
	CHECK(depth_of(step_read) <= 3584 && said_one("is damaged"));
	CHECK(depth_of(step_free) <= 1536);
}

#endif

#define PLACES 512

static struct place {
	pthread_mutex_t lock;
	u32 slot;
	u64 content;
} places[PLACES];

static void put_some(u64 *seed, char *buffer)
{
	unsigned n = 1 + next_random(seed) % 8, first = next_random(seed) % (PLACES - n), i;
	const void *pages[8];
	u32 to[8];
	int got = swap_alloc(to, n);

	for (i = 0; got > 0 && i < (unsigned)got; i++) {
		page_write(buffer + i * PAGE_SIZE, to[i] * 1000ul + i, CONTENT_MIXED);
		pages[i] = buffer + i * PAGE_SIZE;
	}
	if (got <= 0 || swap_write(pages, to, (unsigned)got))
		return;
	for (i = 0; i < (unsigned)got; i++) {
		struct place *at = &places[first + i];

		pthread_mutex_lock(&at->lock);
		if (at->slot)
			swap_free(to[i]);
		else
			*at = (struct place){at->lock, to[i], to[i] * 1000ul + i};
		pthread_mutex_unlock(&at->lock);
	}
}

static void take_some(u64 *seed, char *buffer)
{
	struct place *at = &places[next_random(seed) % PLACES];

	pthread_mutex_lock(&at->lock);
	if (at->slot) {
		CHECK(!swap_read(at->slot, buffer));
		CHECK(page_is(buffer, at->content, CONTENT_MIXED));
		if (next_random(seed) % 2) {
			swap_free(at->slot);
			at->slot = 0;
		}
	}
	pthread_mutex_unlock(&at->lock);
}

static void *work(void *arg)
{
	u64 seed = (u64)(uintptr_t)arg;
	char *buffer = pages_map(8);

	for (unsigned i = 0; i < effort(4000); i++) {
		if (next_random(&seed) % 4)
			take_some(&seed, buffer);
		else
			put_some(&seed, buffer);
	}
	return NULL;
}

/* More than fits, in any order, by several threads; writes fail now and then. */
static void against_a_model(void)
{
	pthread_t t[THREADS];
	u64 used = 0;

	use(NULL, 300 * PAGE_SIZE);
	for (unsigned i = 0; i < PLACES; i++)
		pthread_mutex_init(&places[i].lock, NULL);
	sys_fault_arm(SYS_FAULT_PWRITEV, 10, 0, 20000, 7);
	sys_fault_arm(SYS_FAULT_ALLOCATE, 0, 2, 0, 0);
	for (unsigned i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&t[i], NULL, work, (void *)(uintptr_t)(i + 1)));
	for (unsigned i = 0; i < THREADS; i++)
		CHECK(!pthread_join(t[i], NULL));
	CHECK(sys_fault_count(SYS_FAULT_PWRITEV));
	sys_fault_disarm_all();
	for (unsigned i = 0; i < PLACES; i++) {
		char *buffer = pages_map(1);

		if (!places[i].slot)
			continue;
		used++;
		CHECK(!swap_read(places[i].slot, buffer));
		CHECK(page_is(buffer, places[i].content, CONTENT_MIXED));
		swap_free(places[i].slot);
	}
	CHECK(used && swap_slots_free() == 299 && take_all(32) == 299);
}

/* --- each test has a directory of its own
 * ------------------------------------------------------------ */

static int remove_one(const char *name, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(name);
}

static void in_a_directory(void **state)
{
	const char *at = getenv("TMPDIR");

	snprintf(dir, sizeof(dir), "%s/t_swapfile.XXXXXX", at && strlen(at) < 40 ? at : "/tmp");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/swap", dir);
	run_in_child(state);
}

static int remove_directory(void **state)
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		SWAP_TEST(pages_come_back),
		SWAP_TEST(a_run_comes_back_at_once),
		SWAP_TEST(scattered_slots_are_written),
		SWAP_TEST(clusters_first),
		SWAP_TEST(every_slot_once),
		SWAP_TEST(scattered_when_there_is_no_cluster),
		SWAP_TEST(the_file_is_lengthened_before_slots_scatter),
		SWAP_TEST(given_back_twice),
		SWAP_TEST(no_swap_file_is_wanted),
		SWAP_TEST(as_large_as_there_is),
		SWAP_TEST(metadata_is_small),
		SWAP_TEST(opened_at_first_use),
		SWAP_TEST(without_unnamed_files),
		SWAP_TEST(a_named_file_is_made),
		SWAP_TEST(a_named_file_is_used_again),
		SWAP_TEST(a_file_with_other_content),
		SWAP_TEST(a_file_that_begins_with_zeros),
		SWAP_TEST(a_file_that_is_too_short),
		SWAP_TEST(a_damaged_header),
		SWAP_TEST(a_symbolic_link),
		SWAP_TEST(a_directory),
		SWAP_TEST(no_regular_file),
		SWAP_TEST(a_missing_directory),
		SWAP_TEST(a_missing_directory_for_unnamed_files),
		SWAP_TEST(a_file_that_others_may_read),
		SWAP_TEST(a_file_of_another_user),
		SWAP_TEST(no_permission),
		SWAP_TEST(a_file_in_use),
		SWAP_TEST(a_byte_flips_on_disk),
		SWAP_TEST(a_write_that_never_happened),
		SWAP_TEST(a_file_that_was_cut_off),
		SWAP_TEST(a_full_disk),
		SWAP_TEST(a_full_disk_from_the_start),
		SWAP_TEST(a_small_file_system),
		SWAP_TEST(a_limit_on_the_size_of_files),
		SWAP_TEST(writes_that_fail),
		SWAP_TEST(a_write_that_fails_halfway),
		SWAP_TEST(reads_that_fail),
		SWAP_TEST(no_direct_transfers),
		SWAP_TEST(direct_transfers),
		SWAP_TEST(every_call_failing_in_turn),
		SWAP_TEST(no_memory_for_the_map),
		SWAP_TEST(no_memory_for_a_chunk),
		SWAP_TEST(the_program_closes_the_descriptor),
		SWAP_TEST(a_fork_with_an_unnamed_file),
		SWAP_TEST(a_fork_with_a_named_file),
		SWAP_TEST(threads_take_all),
#ifdef MEMCG_DEBUG
		SWAP_TEST(asked_while_it_grows),
#endif
#ifndef SANITIZED
		SWAP_TEST(small_stacks_will_do),
#endif
		SWAP_TEST(against_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
