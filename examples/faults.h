/*
 * faults.h - what managed.c can have on this system: pages that come when they are touched, a swap
 * file; and what is said when a page is not to be had.
 */
#ifndef FAULTS_H
#define FAULTS_H

#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>
#include <memcg.h>

#include "numbers.h"

static sigjmp_buf not_mapped;

static inline void on_segv(int sig)
{
	(void)sig;
	siglongjmp(not_mapped, 1);
}

/* Whether managed memory comes by being touched. Where it does not, the library has said why. */
static inline bool comes_by_touch(void)
{
	struct memcg_mm *mm = memcg_mm_create(NULL);
	char *at = mm ? memcg_mmap(mm, PAGE, PROT_READ | PROT_WRITE, 0, NULL, 0) : NULL;
	struct sigaction sa = {.sa_handler = on_segv}, before;
	volatile bool comes = false;

	if (!at)
		die("managed: no managed memory");
	sigaction(SIGSEGV, &sa, &before);
	if (!sigsetjmp(not_mapped, 1)) {
		*(volatile char *)at = 1;
		comes = true;
	}
	sigaction(SIGSEGV, &before, NULL);
	memcg_mm_destroy(mm);
	return comes;
}

/* Whether a page that may not be compressed can leave memory. */
static inline bool has_swap_file(void)
{
	struct memcg *cg = memcg_create(NULL, "trial");
	struct memcg_mm *mm = memcg_mm_create(cg);
	uint64_t *at = mm ? memcg_mmap(mm, PAGE, PROT_READ | PROT_WRITE, 0, NULL, 0) : NULL;
	bool has;

	if (!at || memcg_set_limit(cg, MEMCG_ZSWAP_MAX, 0) || memcg_pin(at, PAGE))
		die("managed: no managed memory");
	at[0] = 1; /* a page of one word is kept as that word */
	memcg_unpin(at, PAGE);
	memcg_madvise(mm, at, PAGE, MEMCG_PAGEOUT);
	has = file_of(cg, "memory.swap.current");
	memcg_mm_destroy(mm);
	memcg_destroy(cg);
	return has;
}

/* What the library cannot serve comes here: it was set before the library's. */
static inline void on_sigbus(int sig)
{
	static const char why[] = "managed: no memory for a page: is the disk of the swap file "
				  "full ($TMPDIR, or /tmp)?\n";

	(void)sig;
	if (write(STDERR_FILENO, why, sizeof(why) - 1) < 0)
		_exit(2);
	_exit(1);
}

#endif
