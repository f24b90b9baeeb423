/* t_mm.c - managed ranges: faults, tables, unmapping, pins, what they cost. */
#include "faults_fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>

#include <memcg/mm.h>

#include "page/managed.h"
#include "vm/fault.h"
#include "vm/mech.h"

static struct memcg_mm *mm;

static void mm_set_up(void)
{
	set_up();
	mm = memcg_mm_create(cg);
	CHECK(mm);
}

static u64 stat_of(struct memcg *g, size_t member)
{
	struct memcg_stat s;

	CHECK(!memcg_stat(g, &s, sizeof(s)));
	return *(u64 *)((char *)&s + member);
}
#define STAT(g, line) stat_of(g, offsetof(struct memcg_stat, line))

/* The system has given the file what the counters say, no page more. */
static void memory_fits(void)
{
	CHECK(managed_resident() == STAT(NULL, anon) + STAT(NULL, file) ||
	      managed_resident() == STAT(memcg_root(), anon) + STAT(memcg_root(), file));
	closes();
}

static void test_first_touch(void)
{
	volatile char *p;

	mm_set_up();
	CHECK(mech == MECH_FAULTS);
	p = memcg_mmap(mm, 10 * PAGE_SIZE, PROT_READ | PROT_WRITE, 0, NULL, 0);
	CHECK(p && IS_ALIGNED((uintptr_t)p, PAGE_SIZE));
	CHECK(STAT(cg, anon) == 0 && managed_resident() == 0);
	CHECK(p[0] == 0);
	p[3 * PAGE_SIZE] = 7;
	CHECK(p[3 * PAGE_SIZE] == 7 && p[PAGE_SIZE - 1] == 0);
	CHECK(STAT(cg, anon) == 2 * PAGE_SIZE && STAT(cg, pagetables) == PAGE_SIZE);
	CHECK(STAT(cg, pgfault) == 2 && STAT(cg, pgmajfault) == 0);
	CHECK(held(cg) == 3 * PAGE_SIZE);
	memory_fits();
	CHECK(!memcg_munmap(mm, (void *)p, 10 * PAGE_SIZE));
	CHECK(STAT(cg, anon) == 0 && held(cg) == 0);
	memory_fits();
	memcg_mm_destroy(mm);
	closes();
}

static void test_destroy_unmaps(void)
{
	char *p, *q;

	mm_set_up();
	p = memcg_mmap(mm, 5 * MIB, PROT_READ | PROT_WRITE, 0, NULL, 0);
	q = memcg_mmap(mm, PAGE_SIZE, PROT_READ | PROT_WRITE, MEMCG_MAP_PREFAULT, NULL, 0);
	CHECK(p && q && p != q);
	memset(p, 1, 5 * MIB);
	CHECK(STAT(cg, anon) == 5 * MIB + PAGE_SIZE && STAT(cg, pagetables) == 4 * PAGE_SIZE);
	CHECK(managed_resident() == 5 * MIB + PAGE_SIZE);
	closes();
	memcg_mm_destroy(mm);
	CHECK(STAT(cg, anon) == 0 && held(cg) == 0 && managed_resident() == 0);
	closes();
}

static void test_group_dies(void)
{
	char *p;

	mm_set_up();
	p = memcg_mmap(mm, MIB, PROT_READ | PROT_WRITE, 0, NULL, 0);
	memset(p, 1, MIB / 2);
	memcg_leave(NULL);
	CHECK(!memcg_destroy(cg));
	CHECK(STAT(memcg_root(), anon) == MIB / 2);
	memset(p + MIB / 2, 1, MIB / 2);
	CHECK(STAT(memcg_root(), anon) == MIB);
	closes();
	CHECK(memcg_reclaim(memcg_root(), 0) == 0);
	memcg_mm_destroy(mm);
	CHECK(managed_resident() == 0);
	closes();
}

static void test_same_filled_leave(void)
{
	struct memcg_stat s;
	char *p;

	mm_set_up();
	p = memcg_mmap(mm, 4 * MIB, PROT_READ | PROT_WRITE, 0, NULL, 0);
	memset(p, 5, 4 * MIB);
	CHECK(memcg_reclaim(cg, 2 * MIB) == 0);
	CHECK(!memcg_stat(cg, &s, sizeof(s)));
	CHECK(s.anon < 2 * MIB + MIB / 2 && s.pgsteal >= 384);
	CHECK(managed_resident() == s.anon);
	closes();
	for (size_t i = 0; i < 4 * MIB; i++)
		CHECK(p[i] == 5);
	CHECK(STAT(cg, anon) == 4 * MIB && STAT(cg, pgmajfault) >= 384);
	memory_fits();
	CHECK(!memcg_madvise(mm, p, 4 * MIB, MEMCG_PAGEOUT));
	CHECK(STAT(cg, anon) == 0 && managed_resident() == 0);
	closes();
	memcg_mm_destroy(mm);
	closes();
}

static u64 rss_kib(void)
{
	char line[256];
	u64 kib = 0;
	FILE *f = fopen("/proc/self/smaps_rollup", "r");

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "Rss:", 4))
			kib = strtoull(line + 4, NULL, 10);
	fclose(f);
	return kib;
}

/*
 * The process has less, by what the counters say: a page in a window and in the alias counts twice
 * in Rss, so it falls by that at least, and by twice that at most. The bound is for the rest of the
 * process, which goes on meanwhile.
 */
static void test_the_system_has_it_back(void)
{
	const u64 size = 32 * MIB, bound = MIB;
	u64 before, after;
	char *p;

	mm_set_up();
	p = memcg_mmap(mm, size, PROT_READ | PROT_WRITE, 0, NULL, 0);
	memset(p, 5, size);
	before = rss_kib() * KIB;
	CHECK(!memcg_madvise(mm, p, size, MEMCG_PAGEOUT));
	CHECK(STAT(cg, anon) == 0 && managed_resident() == 0);
	after = rss_kib() * KIB;
	/* Of a tool's shadow memory nothing comes back. */
	CHECK(FAULTS_UNTRUE ||
	      (before - after >= size - bound && before - after <= 2 * size + bound));
	memcg_mm_destroy(mm);
	closes();
}

static void test_over_max(void)
{
	char *p;

	mm_set_up();
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 2 * MIB));
	p = memcg_mmap(mm, 8 * MIB, PROT_READ | PROT_WRITE, 0, NULL, 0);
	for (size_t i = 0; i < 8 * MIB; i += PAGE_SIZE) {
		memset(p + i, (int)(i >> PAGE_SHIFT), PAGE_SIZE);
		CHECK(memcg_current(cg) <= 2 * MIB);
	}
	closes();
	for (size_t i = 0; i < 8 * MIB; i += PAGE_SIZE)
		CHECK(p[i] == (char)(i >> PAGE_SHIFT) && p[i + PAGE_SIZE - 1] == p[i]);
	closes();
	memcg_mm_destroy(mm);
	closes();
}

/* --- contents ------------------------------------------------------------------------ */

/* Word w of page i: half of the pages compress, the others do not. */
static u64 word_of(u64 seed, size_t i, size_t w)
{
	u64 x = seed + i * 1000003 + (i % 2 ? w / 16 : w);

	x ^= x >> 31;
	x *= 0x9e3779b97f4a7c15ul;
	return x ^ x >> 29;
}

static void write_page(char *p, u64 seed, size_t i)
{
	u64 *at = (u64 *)(p + (i << PAGE_SHIFT));

	for (size_t w = 0; w < PAGE_SIZE / sizeof(*at); w++)
		at[w] = word_of(seed, i, w);
}

static void check_page(const char *p, u64 seed, size_t i)
{
	const u64 *at = (const u64 *)(p + (i << PAGE_SHIFT));

	for (size_t w = 0; w < PAGE_SIZE / sizeof(*at); w++)
		CHECK(at[w] == word_of(seed, i, w));
}

static void test_copies_of_every_kind(void)
{
	const size_t n = 1024;
	struct memcg_stat s;
	char *p;

	mm_set_up();
	p = memcg_mmap(mm, n << PAGE_SHIFT, PROT_READ | PROT_WRITE, 0, NULL, 0);
	for (size_t i = 0; i < n; i++)
		write_page(p, 3, i);
	CHECK(!memcg_madvise(mm, p, n << PAGE_SHIFT, MEMCG_PAGEOUT));
	CHECK(!memcg_stat(cg, &s, sizeof(s)));
	CHECK(s.anon == 0 && managed_resident() == 0);
	CHECK(s.zswapped == n / 2 << PAGE_SHIFT && s.zswap > 0 && s.zswap < s.zswapped);
	CHECK(s.zswpout == n / 2 && s.pswpout == n / 2);
	closes();
	for (size_t i = 0; i < n; i++)
		check_page(p, 3, i);
	CHECK(!memcg_stat(cg, &s, sizeof(s)));
	CHECK(s.anon == n << PAGE_SHIFT && s.zswap == 0 && s.zswapped == 0);
	CHECK(s.zswpin == n / 2 && s.pswpin == n / 2 && s.pgmajfault == n);
	memory_fits();
	CHECK(!memcg_madvise(mm, p, n << PAGE_SHIFT, MEMCG_PAGEOUT));
	memcg_mm_destroy(mm); /* copies go with the range */
	CHECK(held(cg) == 0);
	closes();
}

static void test_working_on_twice_the_limit(void)
{
	const size_t n = 4 * MIB >> PAGE_SHIFT;
	u64 seed = 5;
	u8 round[4 * MIB >> PAGE_SHIFT] = {0};
	char *p;

	mm_set_up();
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 2 * MIB));
	p = memcg_mmap(mm, n << PAGE_SHIFT, PROT_READ | PROT_WRITE, 0, NULL, 0);
	for (size_t i = 0; i < n; i++)
		write_page(p, 0, i);
	for (size_t k = 0; k < 4 * n; k++) {
		size_t i = next_random(&seed) % n;

		check_page(p, round[i], i);
		write_page(p, ++round[i], i);
		CHECK(memcg_current(cg) <= 2 * MIB);
	}
	closes();
	memcg_mm_destroy(mm);
	closes();
}

/* Reads text from a file of the group. */
static u64 number_in(struct memcg *g, const char *file, const char *key)
{
	char buf[4096], *at;
	ssize_t n = memcg_read(g, file, buf, sizeof(buf) - 1);

	CHECK(n > 0);
	buf[n] = 0;
	at = key ? strstr(buf, key) : buf;
	CHECK(at);
	return strtoull(at + (key ? strlen(key) : 0), NULL, 10);
}

static void test_read_ahead(void)
{
	const size_t n = 64;
	char *p;

	mm_set_up();
	CHECK(!memcg_write(cg, "memory.zswap.max", "0", 1));
	p = memcg_mmap(mm, n << PAGE_SHIFT, PROT_READ | PROT_WRITE, 0, NULL, 0);
	for (size_t i = 0; i < n; i++)
		write_page(p, 3, i);
	CHECK(!memcg_madvise(mm, p, n << PAGE_SHIFT, MEMCG_PAGEOUT));
	CHECK(STAT(cg, pswpout) == n && STAT(cg, zswapped) == 0 && STAT(cg, anon) == 0);
	CHECK(number_in(cg, "memory.swap.current", NULL) == n << PAGE_SHIFT);
	check_page(p, 3, 20);
	CHECK(STAT(cg, anon) == 8 * PAGE_SIZE && STAT(cg, swapcached) == 7 * PAGE_SIZE);
	CHECK(STAT(cg, pgmajfault) == 1 && STAT(cg, pswpin) == 8);
	CHECK(number_in(cg, "memory.swap.current", NULL) == (n - 1) << PAGE_SHIFT);
	memory_fits();
	check_page(p, 3, 21); /* is there already; its neighbours are mapped with it */
	CHECK(STAT(cg, pgmajfault) == 1 && STAT(cg, swapcached) < 7 * PAGE_SIZE);
	memory_fits();
	CHECK(!memcg_madvise(mm, p, n << PAGE_SHIFT, MEMCG_PAGEOUT));
	CHECK(STAT(cg, anon) == 0 && STAT(cg, swapcached) == 0 && managed_resident() == 0);
	closes();
	for (size_t i = n; i--;)
		check_page(p, 3, i);
	memory_fits();
	CHECK(number_in(cg, "memory.swap.peak", NULL) == n << PAGE_SHIFT);
	CHECK(!memcg_madvise(mm, p, n << PAGE_SHIFT, MEMCG_PAGEOUT));
	check_page(p, 3, 20);
	memcg_mm_destroy(mm); /* with neighbours in the cache */
	CHECK(number_in(cg, "memory.swap.current", NULL) == 0);
	closes();
}

static void test_oldest_copies_are_written(void)
{
	const size_t n = 2048; /* half of them compress */
	struct memcg_stat s;
	char *p;

	mm_set_up();
	p = memcg_mmap(mm, n << PAGE_SHIFT, PROT_READ | PROT_WRITE, 0, NULL, 0);
	for (size_t i = 0; i < n; i++)
		write_page(p, 3, i);
	CHECK(!memcg_madvise(mm, p, n << PAGE_SHIFT, MEMCG_PAGEOUT));
	CHECK(STAT(cg, zswapped) == n / 2 << PAGE_SHIFT && STAT(cg, zswpwb) == 0);
	CHECK(!memcg_reclaim(cg, STAT(cg, zswap) / 2));
	CHECK(!memcg_stat(cg, &s, sizeof(s)));
	CHECK(s.zswpwb > n / 8 && s.zswapped == (n / 2 - s.zswpwb) << PAGE_SHIFT);
	closes();
	for (size_t i = 0; i < n; i++)
		check_page(p, 3, i);
	memcg_mm_destroy(mm);
	CHECK(held(cg) == 0);
	closes();
}

/* At memory.zswap.max the oldest copies make room for the newest, as long as they may. */
static void test_zswap_max(void)
{
	const size_t n = 2048; /* every other one compresses */
	const u64 max = 16 * PAGE_SIZE;
	struct memcg_stat s;
	char *p, *q;

	mm_set_up();
	CHECK(!memcg_set_limit(cg, MEMCG_ZSWAP_MAX, max));
	p = memcg_mmap(mm, n << PAGE_SHIFT, PROT_READ | PROT_WRITE, 0, NULL, 0);
	for (size_t i = 0; i < n; i++)
		write_page(p, 3, i);
	CHECK(!memcg_madvise(mm, p, n << PAGE_SHIFT, MEMCG_PAGEOUT));
	CHECK(!memcg_stat(cg, &s, sizeof(s)));
	CHECK(s.anon == 0 && s.zswap <= max && s.zswpout > n / 4);
	CHECK(s.zswpwb > n / 8 && s.zswapped == (s.zswpout - s.zswpwb) << PAGE_SHIFT);
	CHECK(number_in(cg, "memory.zswap.current", NULL) == s.zswap);
	memory_fits();
	/* What may be written no longer stays, as do copies made when it might. */
	CHECK(!memcg_write(cg, "memory.zswap.writeback", "0", 1));
	q = memcg_mmap(mm, MIB, PROT_READ | PROT_WRITE, 0, NULL, 0);
	for (size_t i = 0; i < MIB >> PAGE_SHIFT; i++)
		write_page(q, 4, i);
	CHECK(!memcg_madvise(mm, q, MIB, MEMCG_PAGEOUT));
	CHECK(STAT(cg, anon) > MIB / 2 && memcg_reclaim(cg, MIB) == -EAGAIN);
	CHECK(STAT(cg, zswpwb) == s.zswpwb && STAT(cg, zswap) <= max);
	memory_fits();
	for (size_t i = 0; i < n; i++)
		check_page(p, 3, i);
	for (size_t i = 0; i < MIB >> PAGE_SHIFT; i++)
		check_page(q, 4, i);
	memory_fits();
	memcg_mm_destroy(mm);
	CHECK(held(cg) == 0);
	closes();
}

static void test_no_writeback(void)
{
	const size_t n = 256;
	char *p;

	mm_set_up();
	CHECK(!memcg_write(cg, "memory.zswap.writeback", "0", 1));
	p = memcg_mmap(mm, n << PAGE_SHIFT, PROT_READ | PROT_WRITE, 0, NULL, 0);
	for (size_t i = 0; i < n; i++)
		write_page(p, 3, i);
	CHECK(!memcg_madvise(mm, p, n << PAGE_SHIFT, MEMCG_PAGEOUT));
	CHECK(STAT(cg, anon) == n / 2 << PAGE_SHIFT && STAT(cg, pswpout) == 0);
	CHECK(number_in(cg, "memory.swap.events", "fail ") == n / 2);
	memory_fits();
	CHECK(memcg_reclaim(cg, MIB) == -EAGAIN && STAT(cg, zswpwb) == 0);
	memcg_mm_destroy(mm);
	closes();
}

static void test_swap_max(void)
{
	const size_t n = 256;
	char *p;

	mm_set_up();
	CHECK(!memcg_set_limit(cg, MEMCG_SWAP_MAX, n / 4 << PAGE_SHIFT));
	p = memcg_mmap(mm, n << PAGE_SHIFT, PROT_READ | PROT_WRITE, 0, NULL, 0);
	memset(p, 1, n << PAGE_SHIFT);
	CHECK(!memcg_madvise(mm, p, n << PAGE_SHIFT, MEMCG_PAGEOUT));
	CHECK(STAT(cg, anon) == 3 * n / 4 << PAGE_SHIFT);
	CHECK(number_in(cg, "memory.swap.current", NULL) == n / 4 << PAGE_SHIFT);
	CHECK(number_in(cg, "memory.swap.events", "max ") == 3 * n / 4);
	CHECK(number_in(memcg_root(), "memory.swap.events", "max ") == 3 * n / 4);
	memory_fits();
	memset(p, 2, n << PAGE_SHIFT);
	CHECK(STAT(cg, anon) == n << PAGE_SHIFT);
	memcg_mm_destroy(mm);
	closes();
}

/* The disk is full, then fails: what was to go stays, and is counted. */
static void test_disk_refuses(void)
{
	const size_t n = 64;
	char *p;

	mm_set_up();
	CHECK(!memcg_write(cg, "memory.zswap.max", "0", 1));
	p = memcg_mmap(mm, n << PAGE_SHIFT, PROT_READ | PROT_WRITE, 0, NULL, 0);
	for (size_t i = 0; i < n; i++)
		write_page(p, 3, i);
	CHECK(!memcg_madvise(mm, p, PAGE_SIZE, MEMCG_PAGEOUT)); /* there is a file */
	check_page(p, 3, 0);
	sys_fault_arm(SYS_FAULT_PWRITEV, 0, 1, 0, 0);
	CHECK(!memcg_madvise(mm, p, n << PAGE_SHIFT, MEMCG_PAGEOUT));
	CHECK(STAT(cg, anon) == n << PAGE_SHIFT);
	CHECK(number_in(cg, "memory.swap.events", "fail ") == n);
	memory_fits();
	sys_fault_disarm_all();
	CHECK(!memcg_madvise(mm, p, n << PAGE_SHIFT, MEMCG_PAGEOUT));
	CHECK(STAT(cg, anon) == 0);
	for (size_t i = 0; i < n; i++)
		check_page(p, 3, i);
	memcg_mm_destroy(mm);
	closes();
}

/* What cannot be read is the program's SIGBUS, and there again when it can. */
static int touch_is(const volatile char *p);
static void catch (int sig);
static void test_disk_fails_on_the_way_in(void)
{
	char *p;

	catch (SIGBUS);
	mm_set_up();
	CHECK(!memcg_write(cg, "memory.zswap.max", "0", 1));
	p = memcg_mmap(mm, PAGE_SIZE, PROT_READ | PROT_WRITE, 0, NULL, 0);
	write_page(p, 3, 0);
	CHECK(!memcg_madvise(mm, p, PAGE_SIZE, MEMCG_PAGEOUT));
	sys_fault_arm(SYS_FAULT_PREADV, 0, 1, 0, 0);
	CHECK(touch_is(p) == SIGBUS);
	CHECK(memcg_pin(p, 1) == -EIO);
	CHECK(managed_resident() == 0);
	closes();
	sys_fault_disarm_all();
	check_page(p, 3, 0);
	memcg_mm_destroy(mm);
	closes();
}

/* --- parts ---------------------------------------------------------------------------- */

static sigjmp_buf back;
static volatile sig_atomic_t got;
static void *volatile where;
static volatile char seen[1]; /* memcheck leaves out a read whose value nobody uses */

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)context;
	got = sig;
	where = info->si_addr;
	siglongjmp(back, 1);
}

static void catch (int sig)
{
	struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};

	CHECK(!sigaction(sig, &sa, NULL));
}

/* The signal that a read of p ends in; 0: none. Has a frame: tests/valgrind.supp names it. */
static __attribute__((noinline)) int touch_is(const volatile char *p)
{
	got = 0;
	if (!sigsetjmp(back, 1))
		seen[0] = *p;
	CHECK(!got || where == (void *)(uintptr_t)p);
	return got;
}

static void test_holes(void)
{
	const size_t n = 3 * 512;
	char *p;

	catch (SIGBUS); /* before ours: it is chained */
	catch (SIGSEGV);
	mm_set_up();
	p = memcg_mmap(mm, n << PAGE_SHIFT, PROT_READ | PROT_WRITE, 0, NULL, 0);
	memset(p, 1, n << PAGE_SHIFT);
	CHECK(!memcg_munmap(mm, p + 10 * PAGE_SIZE, 20 * PAGE_SIZE));
	CHECK(STAT(cg, anon) == (n - 20) << PAGE_SHIFT);
	CHECK(touch_is(p + 10 * PAGE_SIZE) == SIGSEGV && touch_is(p + 29 * PAGE_SIZE) == SIGSEGV);
	CHECK(!touch_is(p + 9 * PAGE_SIZE) && !touch_is(p + 30 * PAGE_SIZE));
	memory_fits();
	/* From the middle of a block over a whole one into the next; part of it is gone already. */
	CHECK(!memcg_munmap(mm, p + 20 * PAGE_SIZE, (512 + 600) * PAGE_SIZE));
	CHECK(STAT(cg, anon) == (n - 10 - 512 - 600) << PAGE_SHIFT);
	CHECK(touch_is(p + 512 * PAGE_SIZE) == SIGSEGV);
	memory_fits();
	CHECK(!memcg_munmap(mm, p, 20 * PAGE_SIZE));
	CHECK(!memcg_munmap(mm, p + (20 + 512 + 600) * PAGE_SIZE,
			    (n - 20 - 512 - 600) * PAGE_SIZE));
	CHECK(STAT(cg, anon) == 0 && held(cg) == 0);
	for (size_t i = 0; i < 3; i++) /* none leads to a window that is freed */
		CHECK(!block_at((uintptr_t)p + i * BLOCK_SIZE)->window);
	CHECK(memcg_munmap(mm, p, PAGE_SIZE) == -EINVAL);
	memcg_mm_destroy(mm);
	closes();
}

/* A SIGBUS that somebody sends does what it would do without us; faults are served on. */
static void test_sent_signal(void)
{
	int status = 0;
	pid_t child;

	signal(SIGBUS, SIG_DFL); /* before ours; the test program has one of its own */
	mm_set_up();
	child = fork();
	if (!child) {
		kill(getpid(), SIGBUS);
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	memcg_mm_destroy(mm);
	closes();
}

static void test_sent_signal_ignored(void)
{
	volatile char *p;

	signal(SIGBUS, SIG_IGN); /* before ours */
	mm_set_up();
	p = memcg_mmap(mm, PAGE_SIZE, PROT_READ | PROT_WRITE, 0, NULL, 0);
	CHECK(!kill(getpid(), SIGBUS));
	p[0] = 1;
	CHECK(p[0] == 1 && STAT(cg, anon) == PAGE_SIZE);
	memcg_mm_destroy(mm);
	closes();
}

/* Memory that the system does not take back has nothing of its last owner in it. */
static void test_punch_fails(void)
{
	char *p;

	mm_set_up();
	p = memcg_mmap(mm, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, 0, NULL, 0);
	memset(p, 's', 4 * PAGE_SIZE);
	sys_fault_arm(SYS_FAULT_PUNCH, 0, 1, 0, 0);
	CHECK(!memcg_munmap(mm, p, 4 * PAGE_SIZE));
	sys_fault_disarm_all();
	CHECK(STAT(cg, anon) == 0);
	p = memcg_mmap(mm, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, 0, NULL, 0);
	for (size_t i = 0; i < 4 * PAGE_SIZE; i++)
		CHECK(!p[i]);
	memcg_mm_destroy(mm);
	closes();
}

static void test_read_only(void)
{
	volatile char *p;

	catch (SIGSEGV);
	mm_set_up();
	p = memcg_mmap(mm, PAGE_SIZE, PROT_READ, 0, NULL, 0);
	CHECK(!touch_is(p));
	got = 0;
	if (!sigsetjmp(back, 1))
		*p = 1;
	CHECK(got == SIGSEGV);
	memcg_mm_destroy(mm);
	closes();
}

/*
 * Nothing may be swapped out: what is refused is one oom, though the reserve was used up first, and
 * nobody's pages were taken out of their windows for it.
 */
static void test_no_swap(void)
{
	const size_t n = 512;
	struct memcg_stat s;
	size_t in = 0;
	char *p;

	catch (SIGBUS);
	mm_set_up();
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, n / 2 << PAGE_SHIFT));
	CHECK(!memcg_set_limit(cg, MEMCG_SWAP_MAX, 0));
	p = memcg_mmap(mm, n << PAGE_SHIFT, PROT_READ | PROT_WRITE, 0, NULL, 0);
	while (in < n && !touch_is(p + (in << PAGE_SHIFT)))
		in++;
	CHECK(in > n / 2 - 16 && in < n / 2 + 32);
	CHECK(number_in(cg, "memory.events", "oom ") == 1);
	CHECK(!memcg_stat(cg, &s, sizeof(s)));
	CHECK(s.charge_reserve > 8 && s.pgrefill == 0 && s.pgfault == in);
	CHECK(touch_is(p + (in << PAGE_SHIFT)) == SIGBUS);
	CHECK(number_in(cg, "memory.events", "oom ") == 2);
	/* What swap has room for goes. */
	CHECK(!memcg_set_limit(cg, MEMCG_SWAP_MAX, n << PAGE_SHIFT));
	CHECK(!touch_is(p + (in << PAGE_SHIFT)));
	memory_fits();
	memcg_mm_destroy(mm);
	closes();
}

static void test_bad_arguments(void)
{
	const int rw = PROT_READ | PROT_WRITE;
	char *p;

	mm_set_up();
#define REFUSED(call, error)             \
	do {                             \
		errno = 0;               \
		CHECK(!(call));          \
		CHECK(errno == (error)); \
	} while (0)
	REFUSED(memcg_mmap(NULL, PAGE_SIZE, rw, 0, NULL, 0), EINVAL);
	REFUSED(memcg_mmap(mm, 0, rw, 0, NULL, 0), EINVAL);
	REFUSED(memcg_mmap(mm, SIZE_MAX, rw, 0, NULL, 0), EOVERFLOW);
	REFUSED(memcg_mmap(mm, (size_t)1 << 45, rw, 0, NULL, 0), ENOMEM);
	REFUSED(memcg_mmap(mm, PAGE_SIZE, PROT_NONE, 0, NULL, 0), EINVAL);
	REFUSED(memcg_mmap(mm, PAGE_SIZE, PROT_WRITE, 0, NULL, 0), EINVAL);
	REFUSED(memcg_mmap(mm, PAGE_SIZE, rw, 1u << 30, NULL, 0), EINVAL);
	REFUSED(memcg_mmap(mm, PAGE_SIZE, rw, 0, NULL, PAGE_SIZE), EINVAL);
	p = memcg_mmap(mm, 4 * PAGE_SIZE, rw, 0, NULL, 0);
	REFUSED(memcg_mmap_same(mm, p, PAGE_SIZE, rw, 0), EINVAL); /* private */
	REFUSED(memcg_mmap_same(mm, &p, PAGE_SIZE, rw, 0), EINVAL);
#undef REFUSED
	CHECK(memcg_munmap(NULL, p, PAGE_SIZE) == -EINVAL);
	CHECK(memcg_munmap(mm, p + 1, PAGE_SIZE) == -EINVAL);
	CHECK(memcg_munmap(mm, p, 0) == -EINVAL);
	CHECK(memcg_munmap(mm, p, SIZE_MAX) == -EINVAL);
	CHECK(memcg_munmap(mm, p, 5 * PAGE_SIZE) == -EINVAL);	/* and nothing of it */
	CHECK(memcg_munmap(mm, p, (size_t)1 << 44) == -EINVAL); /* pages: 0, in 32 bits */
	CHECK(memcg_madvise(mm, p, (size_t)1 << 44, MEMCG_COLD) == -EINVAL);
	CHECK(memcg_munmap(mm, &p, PAGE_SIZE) == -EINVAL);
	CHECK(memcg_madvise(mm, p, PAGE_SIZE, 0) == -EINVAL);
	CHECK(memcg_madvise(mm, p, PAGE_SIZE, 77) == -EINVAL);
	CHECK(memcg_pin(p + 3 * PAGE_SIZE, PAGE_SIZE + 1) == -EFAULT);
	CHECK(memcg_pin(&mm, 8) == -EFAULT && memcg_pin(p, SIZE_MAX) == -EFAULT);
	CHECK(memcg_pin(p, 0) == 0);
	CHECK(p[0] == 0 && p[3 * PAGE_SIZE] == 0);
	CHECK(!memcg_munmap(mm, p, 3 * PAGE_SIZE + 1)); /* rounded up */
	memcg_mm_destroy(mm);
	memcg_mm_destroy(NULL);
	closes();
}

/* --- sharing, pins, advice ------------------------------------------------------------------ */

static void test_shared(void)
{
	struct memcg_mm *mm2;
	volatile char *p, *q;

	mm_set_up();
	mm2 = memcg_mm_create(other);
	p = memcg_mmap(mm, 8 * PAGE_SIZE, PROT_READ | PROT_WRITE, MEMCG_MAP_SHARED, NULL, 0);
	p[PAGE_SIZE] = 3;
	q = memcg_mmap_same(mm2, (const char *)p + PAGE_SIZE, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE,
			    0);
	CHECK(q && q[0] == 3);
	q[PAGE_SIZE] = 4; /* the other's, who touched it first */
	CHECK(p[2 * PAGE_SIZE] == 4);
	CHECK(STAT(cg, shmem) == PAGE_SIZE && STAT(cg, file) == PAGE_SIZE && !STAT(cg, anon));
	CHECK(STAT(other, shmem) == PAGE_SIZE && STAT(cg, file_mapped) == PAGE_SIZE);
	memory_fits();
	CHECK(!memcg_munmap(mm, (void *)p, 8 * PAGE_SIZE));
	CHECK(STAT(cg, file_mapped) == PAGE_SIZE && STAT(other, file_mapped) == PAGE_SIZE);
	CHECK(!memcg_madvise(mm2, (void *)q, 4 * PAGE_SIZE, MEMCG_DONTNEED));
	CHECK(STAT(cg, file_mapped) == 0 && STAT(cg, file) == PAGE_SIZE);
	CHECK(q[0] == 3 && q[PAGE_SIZE] == 4);
	CHECK(!memcg_madvise(mm2, (void *)q, 4 * PAGE_SIZE, MEMCG_PAGEOUT));
	CHECK(STAT(cg, file) == 0 && STAT(other, file) == 0 && managed_resident() == 0);
	closes();
	CHECK(q[0] == 3 && q[PAGE_SIZE] == 4 && STAT(cg, shmem) == PAGE_SIZE);
	memory_fits();
	memcg_mm_destroy(mm);
	memcg_mm_destroy(mm2);
	CHECK(STAT(cg, file) == 0 && managed_resident() == 0);
	closes();
}

static void test_pins(void)
{
	const size_t n = 64;
	char buf[16] = "hello, managed";
	char *p;
	int fd[2];

	mm_set_up();
	p = memcg_mmap(mm, n << PAGE_SHIFT, PROT_READ | PROT_WRITE, 0, NULL, 0);
	CHECK(!memcg_pin(p + PAGE_SIZE, 2 * PAGE_SIZE));
	CHECK(STAT(cg, anon) == 2 * PAGE_SIZE);
	memset(p, 9, n << PAGE_SHIFT);
	CHECK(!memcg_madvise(mm, p, n << PAGE_SHIFT, MEMCG_PAGEOUT));
	CHECK(STAT(cg, anon) == 2 * PAGE_SIZE && managed_resident() == 2 * PAGE_SIZE);
	CHECK(p[PAGE_SIZE] == 9 && p[0] == 9);
	memcg_unpin(p + PAGE_SIZE, 2 * PAGE_SIZE);
	CHECK(!memcg_madvise(mm, p, n << PAGE_SHIFT, MEMCG_PAGEOUT));
	CHECK(STAT(cg, anon) == 0);
	closes();
	/* The system writes to pages that are not there. */
	CHECK(!pipe(fd));
	CHECK(write(fd[1], buf, sizeof(buf)) == sizeof(buf));
	CHECK(read(fd[0], p, sizeof(buf)) == -1 && errno == EFAULT);
	CHECK(memcg_io_read(fd[0], p + PAGE_SIZE - 4, sizeof(buf)) == sizeof(buf));
	CHECK(!memcmp(p + PAGE_SIZE - 4, buf, sizeof(buf)));
	CHECK(memcg_io_write(fd[1], p + PAGE_SIZE - 4, sizeof(buf)) == sizeof(buf));
	CHECK(read(fd[0], buf, sizeof(buf)) == sizeof(buf));
	CHECK(memcg_io_read(-1, p, 1) == -1 && errno == EBADF);
	/* A page that is pinned outlives its range. */
	CHECK(!memcg_pin(p, PAGE_SIZE));
	struct page *pg = page_at(regn.managed + 512);
	CHECK(page_count(pg) == 2);
	memcg_mm_destroy(mm);
	CHECK(page_count(pg) == 1 && STAT(cg, anon) == PAGE_SIZE);
	CHECK(managed_resident() == PAGE_SIZE);
	closes();
	memcg_unpin(p, PAGE_SIZE); /* where its range was */
	CHECK(STAT(cg, anon) == 0 && held(cg) == 0 && managed_resident() == 0);
	closes();
}

/* The addresses are not given to another range while a pin is out that will be given back there. */
static void test_pin_outlives_its_range(void)
{
	char *p, *q;

	mm_set_up();
	p = memcg_mmap(mm, 4 * MIB, PROT_READ | PROT_WRITE, 0, NULL, 0);
	memset(p, 7, 3 * PAGE_SIZE);
	CHECK(!memcg_pin(p, PAGE_SIZE) && !memcg_pin(p, 2 * PAGE_SIZE));
	CHECK(!memcg_munmap(mm, p, MIB) && !memcg_munmap(mm, p + MIB, 3 * MIB));
	CHECK(STAT(cg, anon) == 2 * PAGE_SIZE);
	CHECK(memcg_pin(p, PAGE_SIZE) == -EFAULT);
	q = memcg_mmap(mm, 4 * MIB, PROT_READ | PROT_WRITE, 0, NULL, 0);
	CHECK(q && (q >= p + 4 * MIB || p >= q + 4 * MIB));
	memset(q, 8, 2 * PAGE_SIZE);
	memcg_unpin(p, 2 * PAGE_SIZE);
	CHECK(STAT(cg, anon) == 3 * PAGE_SIZE);
	memcg_unpin(p, PAGE_SIZE);
	CHECK(STAT(cg, anon) == 2 * PAGE_SIZE && q[0] == 8);
	memory_fits();
	memcg_unpin(p, PAGE_SIZE); /* nobody's any more: nothing */
	memcg_mm_destroy(mm);
	CHECK(held(cg) == 0 && managed_resident() == 0);
	closes();
}

static void test_advice(void)
{
	struct memcg_stat s;
	char *p;

	mm_set_up();
	p = memcg_mmap(mm, 16 * PAGE_SIZE, PROT_READ | PROT_WRITE, 0, NULL, 0);
	CHECK(!memcg_madvise(mm, p, 16 * PAGE_SIZE, MEMCG_WILLNEED));
	CHECK(STAT(cg, anon) == 16 * PAGE_SIZE && STAT(cg, active_anon) == 16 * PAGE_SIZE);
	memset(p, 1, 16 * PAGE_SIZE);
	CHECK(!memcg_madvise(mm, p, 8 * PAGE_SIZE, MEMCG_COLD));
	CHECK(STAT(cg, inactive_anon) == 8 * PAGE_SIZE && STAT(cg, active_anon) == 8 * PAGE_SIZE);
	CHECK(!memcg_stat(cg, &s, sizeof(s)));
	CHECK(p[0] == 1);
	CHECK(STAT(cg, pgfault) == s.pgfault + 1 && STAT(cg, pgmajfault) == s.pgmajfault);
	CHECK(!memcg_madvise(mm, p, 4 * PAGE_SIZE, MEMCG_DONTNEED));
	CHECK(STAT(cg, anon) == 12 * PAGE_SIZE && p[0] == 0 && p[4 * PAGE_SIZE] == 1);
	memory_fits();
	memcg_mm_destroy(mm);
	closes();
}

static void test_locked(void)
{
	char *p;

	mm_set_up();
	p = memcg_mmap(mm, 16 * PAGE_SIZE, PROT_READ | PROT_WRITE, MEMCG_MAP_LOCKED, NULL, 0);
	memset(p, 1, 16 * PAGE_SIZE);
	CHECK(memcg_reclaim(cg, MIB) == -EAGAIN);
	CHECK(STAT(cg, anon) == 16 * PAGE_SIZE);
	CHECK(!memcg_munmap(mm, p, 8 * PAGE_SIZE));
	CHECK(STAT(cg, anon) == 8 * PAGE_SIZE && managed_resident() == 8 * PAGE_SIZE);
	memcg_set_limit(cg, MEMCG_MAX, 8 * PAGE_SIZE + 64 * KIB);
	CHECK(!memcg_mmap(mm, 4 * MIB, PROT_READ | PROT_WRITE, MEMCG_MAP_LOCKED, NULL, 0));
	CHECK(errno == ENOMEM && STAT(cg, anon) == 8 * PAGE_SIZE);
	memory_fits();
	memcg_mm_destroy(mm);
	CHECK(held(cg) == 0);
	closes();
}

/* --- many at once ----------------------------------------------------------------------------- */

struct worker {
	char *p;
	size_t n;
	u64 seed;
};

/* Each thread's pages are its own; all compete for the same limit. */
static void *work(void *arg)
{
	struct worker *w = arg;
	u8 *round = calloc(w->n, 1);
	u64 seed = w->seed;

	memcg_leave(memcg_get(cg));
	for (size_t i = 0; i < w->n; i++)
		write_page(w->p, w->seed, i);
	for (size_t k = 0; k < 6 * w->n; k++) {
		size_t i = next_random(&seed) % w->n;

		check_page(w->p, w->seed + round[i], i);
		write_page(w->p, w->seed + ++round[i], i);
	}
	free(round);
	return NULL;
}

static void test_threads(void)
{
	const size_t n = MIB >> PAGE_SHIFT;
	struct worker w[4];
	pthread_t t[4];

	mm_set_up();
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 2 * MIB));
	for (size_t i = 0; i < 4; i++) {
		w[i] = (struct worker){.n = n, .seed = 1000 * i};
		w[i].p = memcg_mmap(mm, n << PAGE_SHIFT, PROT_READ | PROT_WRITE,
				    i % 2 ? MEMCG_MAP_SHARED : 0, NULL, 0);
		CHECK(w[i].p && !pthread_create(&t[i], NULL, work, &w[i]));
	}
	for (size_t i = 0; i < 4; i++)
		CHECK(!pthread_join(t[i], NULL));
	CHECK(memcg_current(cg) <= 2 * MIB);
	closes();
	memcg_mm_destroy(mm);
	closes();
}

static void test_fork(void)
{
	volatile char *p;
	int status;
	pid_t pid;

	mm_set_up();
	p = memcg_mmap(mm, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, 0, NULL, 0);
	p[0] = 1;
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		struct memcg_mm *mine;
		volatile char *q;

		signal(SIGSEGV, SIG_DFL);
		mine = memcg_mm_create(cg); /* a file of its own */
		q = mine ? memcg_mmap(mine, PAGE_SIZE, PROT_READ | PROT_WRITE, 0, NULL, 0) : NULL;
		if (!q)
			_exit(1);
		q[0] = 77;
		p[0] = 2; /* the parent's: not here */
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	CHECK(p[0] == 1);
	memory_fits();
	memcg_mm_destroy(mm);
	closes();
}

/* The child is at its limit for what the parent has on its lists: there is nothing to be had of it.
 */
static void test_fork_at_the_limit(void)
{
	char *p;
	int status;
	pid_t pid;

	mm_set_up();
	p = memcg_mmap(mm, 2 * MIB, PROT_READ | PROT_WRITE, 0, NULL, 0);
	memset(p, 1, 2 * MIB);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 3 * MIB));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		unsigned n = 0;

		while (memcg_malloc(64 * KIB) && n < 64)
			n++;
		_exit(n < 64 ? 0 : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(p[0] == 1);
	memory_fits();
	memcg_mm_destroy(mm);
	closes();
}

#ifndef MEMCG_TSAN /* it runs handlers of other signals later, with SIGBUS held back */
/* --- signals ---------------------------------------------------------------------------- */

static volatile char *touched;
static volatile unsigned ticks;

static void on_tick(int sig)
{
	(void)sig;
	for (size_t i = 0; i < 64; i++)
		touched[(ticks * 64 + i) % 1024 * PAGE_SIZE]++;
	ticks++;
}

static void on_hang(int sig)
{
	(void)sig;
	_exit(9);
}

static void on_refused(int sig)
{
	(void)sig;
	_exit(0); /* as documented: the program's SIGBUS */
}

/* A handler that touches what is being put away gets SIGBUS, and does not wait for its own thread.
 */
static void test_a_handler_in_between(void)
{
	struct itimerval t = {{0, 300}, {0, 300}};

	CHECK(signal(SIGBUS, on_refused) != SIG_ERR);
	mm_set_up();
	touched = memcg_mmap(mm, 4 * MIB, PROT_READ | PROT_WRITE, 0, NULL, 0);
	for (size_t i = 0; i < 1024; i++)
		write_page((char *)touched, 3, i);
	signal(SIGALRM, on_hang);
	signal(SIGPROF, on_tick);
	alarm(60);
	CHECK(!setitimer(ITIMER_PROF, &t, NULL));
	while (ticks < 400)
		CHECK(!memcg_madvise(mm, (void *)touched, 4 * MIB, MEMCG_PAGEOUT));
}
#endif

/* --- without userfaultfd
 * -------------------------------------------------------------------------- */

static void test_pins_alone(void)
{
	volatile char *p;

	catch (SIGSEGV);
	sys_fault_arm(SYS_FAULT_UFFD, 0, 1, 0, 0);
	mm_set_up();
	CHECK(mech == MECH_PINS);
	p = memcg_mmap(mm, 16 * PAGE_SIZE, PROT_READ | PROT_WRITE, 0, NULL, 0);
	CHECK(touch_is(p) == SIGSEGV);
	CHECK(!memcg_pin((void *)p, 4 * PAGE_SIZE));
	p[0] = 1;
	p[3 * PAGE_SIZE] = 2;
	CHECK(STAT(cg, anon) == 4 * PAGE_SIZE && touch_is(p + 4 * PAGE_SIZE) == SIGSEGV);
	memory_fits();
	memcg_unpin((void *)p, 4 * PAGE_SIZE);
	CHECK(memcg_reclaim(cg, 4 * PAGE_SIZE) == 0);
	CHECK(STAT(cg, anon) == 0 && touch_is(p) == SIGSEGV);
	CHECK(!memcg_pin((void *)p, 4 * PAGE_SIZE));
	CHECK(p[0] == 1 && p[3 * PAGE_SIZE] == 2);
	memcg_unpin((void *)p, 4 * PAGE_SIZE);
	memcg_mm_destroy(mm);
	closes();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(test_first_touch),
		FAULTS_TEST(test_destroy_unmaps),
		FAULTS_TEST(test_group_dies),
		FAULTS_TEST(test_same_filled_leave),
		FAULTS_TEST(test_the_system_has_it_back),
		FAULTS_TEST(test_over_max),
		FAULTS_TEST(test_copies_of_every_kind),
		FAULTS_TEST(test_working_on_twice_the_limit),
		FAULTS_TEST(test_read_ahead),
		FAULTS_TEST(test_oldest_copies_are_written),
		FAULTS_TEST(test_zswap_max),
		FAULTS_TEST(test_no_writeback),
		FAULTS_TEST(test_swap_max),
		FAULTS_TEST(test_disk_refuses),
		FAULTS_TEST(test_disk_fails_on_the_way_in),
		FAULTS_TEST(test_holes),
		FAULTS_TEST(test_sent_signal),
		FAULTS_TEST(test_sent_signal_ignored),
		FAULTS_TEST(test_punch_fails),
		FAULTS_TEST(test_read_only),
		FAULTS_TEST(test_no_swap),
		FAULTS_TEST(test_bad_arguments),
		FAULTS_TEST(test_shared),
		FAULTS_TEST(test_pins),
		FAULTS_TEST(test_pin_outlives_its_range),
		FAULTS_TEST(test_advice),
		FAULTS_TEST(test_locked),
		FAULTS_TEST(test_threads),
#ifndef MEMCG_TSAN
		FAULTS_TEST(test_a_handler_in_between),
#endif
		FAULTS_TEST(test_fork),
		FAULTS_TEST(test_fork_at_the_limit),
		PAGE_TEST(test_pins_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
