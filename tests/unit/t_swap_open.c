/*
 * t_swap_open.c - where the swap file lies: it is made or taken over, or refused with a line and
 * the library goes on without; and what the program does to its descriptor.
 */
#include "swapfile_fixture.h"

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

/* --- the program's doings ------------------------------------------------------------------ */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
		SWAP_TEST(no_direct_transfers),
		SWAP_TEST(direct_transfers),
		SWAP_TEST(every_call_failing_in_turn),
		SWAP_TEST(the_program_closes_the_descriptor),
		SWAP_TEST(a_fork_with_an_unnamed_file),
		SWAP_TEST(a_fork_with_a_named_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
