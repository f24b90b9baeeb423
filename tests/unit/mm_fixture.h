/* mm_fixture.h - one managed mm of a group: what it costs, pages with known content, touches. */
#ifndef MEMCG_TESTS_MM_FIXTURE_H
#define MEMCG_TESTS_MM_FIXTURE_H

#include "faults_fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include <memcg/mm.h>

#include "page/managed.h"

static struct memcg_mm *mm;

static inline void mm_set_up(void)
{
	set_up();
	mm = memcg_mm_create(cg);
	CHECK(mm);
}

static inline u64 stat_of(struct memcg *g, size_t member)
{
	struct memcg_stat s;

	CHECK(!memcg_stat(g, &s, sizeof(s)));
	return *(u64 *)((char *)&s + member);
}
#define STAT(g, line) stat_of(g, offsetof(struct memcg_stat, line))

/* The system has given the file what the counters say, no page more. */
static inline void memory_fits(void)
{
	CHECK(managed_resident() == STAT(NULL, anon) + STAT(NULL, file) ||
	      managed_resident() == STAT(memcg_root(), anon) + STAT(memcg_root(), file));
	closes();
}

/* Reads text from a file of the group. */
static inline u64 number_in(struct memcg *g, const char *file, const char *key)
{
	char buf[4096], *at;
	ssize_t n = memcg_read(g, file, buf, sizeof(buf) - 1);

	CHECK(n > 0);
	buf[n] = 0;
	at = key ? strstr(buf, key) : buf;
	CHECK(at);
	return strtoull(at + (key ? strlen(key) : 0), NULL, 10);
}

/* --- contents ------------------------------------------------------------------------ */

/* Word w of page i: half of the pages compress, the others do not. */
static inline u64 word_of(u64 seed, size_t i, size_t w)
{
	u64 x = seed + i * 1000003 + (i % 2 ? w / 16 : w);

	x ^= x >> 31;
	x *= 0x9e3779b97f4a7c15ul;
	return x ^ x >> 29;
}

static inline void write_page(char *p, u64 seed, size_t i)
{
	u64 *at = (u64 *)(p + (i << PAGE_SHIFT));

	for (size_t w = 0; w < PAGE_SIZE / sizeof(*at); w++)
		at[w] = word_of(seed, i, w);
}

static inline void check_page(const char *p, u64 seed, size_t i)
{
	const u64 *at = (const u64 *)(p + (i << PAGE_SHIFT));

	for (size_t w = 0; w < PAGE_SIZE / sizeof(*at); w++)
		CHECK(at[w] == word_of(seed, i, w));
}

/* --- signals ------------------------------------------------------------------------- */

static sigjmp_buf back;
static volatile sig_atomic_t got;
static void *volatile where;
static volatile char seen[1]; /* memcheck leaves out a read whose value nobody uses */

static inline void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)context;
	got = sig;
	where = info->si_addr;
	siglongjmp(back, 1);
}

static inline void catch (int sig)
{
	struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};

	CHECK(!sigaction(sig, &sa, NULL));
}

/* The signal that a read of p ends in; 0: none. Has a frame: tests/valgrind.supp names it. */
static __attribute__((noinline, unused)) int touch_is(const volatile char *p)
{
	got = 0;
	if (!sigsetjmp(back, 1))
		seen[0] = *p;
	CHECK(!got || where == (void *)(uintptr_t)p);
	return got;
}

#endif
