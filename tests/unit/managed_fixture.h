/*
 * managed_fixture.h - what is counted of managed memory, which page an address has, and which
 * signal a touch of one ends in.
 */
#ifndef MEMCG_TESTS_MANAGED_FIXTURE_H
#define MEMCG_TESTS_MANAGED_FIXTURE_H

#include "faults_fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include <memcg/mm.h>

#include "page/managed.h"
#include "vm/window.h"

#define RW (PROT_READ | PROT_WRITE)

/* --- counts ------------------------------------------------------------------------- */

static inline u64 stat_at(const struct memcg_stat *s, size_t member)
{
	return *(const u64 *)((const char *)s + member);
}

static inline u64 stat_of(struct memcg *g, size_t member)
{
	struct memcg_stat s;

	CHECK(!memcg_stat(g, &s, sizeof(s)));
	return stat_at(&s, member);
}
#define STAT(g, line) stat_of(g, offsetof(struct memcg_stat, line))

/* Of a file of the group: the number behind the key, or the file's only one. */
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

/* The system has given the file what the counters say, no page more. */
static inline void memory_fits(void)
{
	CHECK(managed_resident() == STAT(memcg_root(), anon) + STAT(memcg_root(), file));
	closes();
}

static inline struct page *page_of(const void *p)
{
	struct window *w = window_find((uintptr_t)p);
	struct page *pg;

	CHECK(w);
	pg = window_page(w, window_index(w, (uintptr_t)p));
	window_put(w);
	return pg;
}

/* --- signals ------------------------------------------------------------------------ */

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

/* Before the library's own: it is chained. */
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
