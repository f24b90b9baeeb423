/*
 * fork_fixture.h - what forking tests share: which sanitizer is looking, what it is told about
 * children, and what may be done in one.
 *
 * The child of a fork in the middle of several threads has none of those: it cannot join them.
 * And it has the sanitizer's own locks as they stood. AddressSanitizer's malloc, which every
 * new thread uses, does not let go of them around a fork: a thread of the child may wait for
 * ever, and so may a child of a process whose threads were in the middle of anything.
 */
#ifndef MEMCG_TESTS_FORK_FIXTURE_H
#define MEMCG_TESTS_FORK_FIXTURE_H

#include <stdio.h>

#include "sync/atomic.h"

#if defined(__SANITIZE_ADDRESS__)
#define ASAN_LOOKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN_LOOKS 1
#endif
#endif
#ifndef ASAN_LOOKS
#define ASAN_LOOKS 0
#endif

#ifdef MEMCG_TSAN
#define TSAN_LOOKS 1
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "report_thread_leaks=0:die_after_fork=0";
}
#else
#define TSAN_LOOKS 0
#endif

/* Shadow memory faults and takes room too. */
#if ASAN_LOOKS || TSAN_LOOKS
#define SANITIZED 1
#endif
/* A child may make threads. */
#define THREADS_AFTER_FORK (!ASAN_LOOKS)

/* In the body of a child, which ends with what that returns. */
#define CHILD_CHECK(cond)                                                                    \
	do {                                                                                 \
		if (!(cond)) {                                                               \
			fprintf(stderr, "%s:%d: not true: %s\n", __func__, __LINE__, #cond); \
			return 1;                                                            \
		}                                                                            \
	} while (0)

#endif
