/* t_swap_disk.c - a swap file that is damaged, full or fails: an error, and no more is lost. */
#include "swapfile_fixture.h"

#include <sched.h>
#include <sys/mount.h>

/* --- damage -------------------------------------------------------------------------- */

static void flip(u32 slot, unsigned at)
{
	int fd = open(path, O_RDWR);
	u8 byte;

	CHECK(fd >= 0 && pread(fd, &byte, 1, (off_t)slot * (off_t)PAGE_SIZE + at) == 1);
	byte ^= 0x10;
	CHECK(pwrite(fd, &byte, 1, (off_t)slot * (off_t)PAGE_SIZE + at) == 1);
	close(fd);
}

/* Content 10, 11 ... in a named file, and where it may be read to. */
static void put_four(u32 to[4], void *pages[4])
{
	char *buffer = pages_map(4);

	use(path, MIB);
	put(10, 4, to);
	for (unsigned i = 0; i < 4; i++)
		pages[i] = buffer + i * PAGE_SIZE;
}

static void a_byte_flips_on_disk(void)
{
	static const unsigned at[] = {0, 1, 2047, 4095};
	char words[64];
	void *pages[4];
	u32 to[4];

	put_four(to, pages);
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
	void *pages[4];
	u32 to[4];

	put_four(to, pages);
	CHECK(!truncate(path, ((off_t)to[2] * (off_t)PAGE_SIZE) + 512));
	CHECK(!get(to[1], 11) && said_nothing());
	CHECK(get(to[2], 12) == -EIO && said_one("the file ends before it"));
	CHECK(get(to[3], 13) == -EIO && said_one("the file ends before it"));
	CHECK(swap_read_run(to[0], 4, pages) == 3 && said_one("the file ends before it"));
}

/* --- a disk that is full or fails ---------------------------------------------------- */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		SWAP_TEST(a_byte_flips_on_disk),	 SWAP_TEST(a_write_that_never_happened),
		SWAP_TEST(a_file_that_was_cut_off),	 SWAP_TEST(a_full_disk),
		SWAP_TEST(a_full_disk_from_the_start),	 SWAP_TEST(a_small_file_system),
		SWAP_TEST(a_limit_on_the_size_of_files), SWAP_TEST(writes_that_fail),
		SWAP_TEST(a_write_that_fails_halfway),	 SWAP_TEST(reads_that_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
