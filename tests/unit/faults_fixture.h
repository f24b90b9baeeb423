/*
 * faults_fixture.h - tests that touch managed memory which is not there.
 *
 * They need userfaultfd, and run wherever the system has it: there a test of faults that is left
 * out would be a hole. Memcheck does not know the call and refuses it (ENOSYS), whatever the
 * kernel can; what is left there is memory that is pinned before it is used.
 */
#ifndef MEMCG_TESTS_FAULTS_FIXTURE_H
#define MEMCG_TESTS_FAULTS_FIXTURE_H

#include "alloc_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

/* Asked of the system itself, past the library: what that makes of it is what is tested. */
static inline bool system_has_faults(void)
{
	long fd = syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* UFFD_USER_MODE_ONLY */);

	if (fd < 0)
		return errno != ENOSYS;
	close((int)fd);
	return true;
}

static inline bool has_faults_or_says(void)
{
	if (system_has_faults())
		return true;
	printf("# userfaultfd is not a system call here: what is not pinned cannot be touched\n");
	return false;
}

static inline void run_with_faults(void **state)
{
	if (!has_faults_or_says())
		skip();
	run_in_child(state);
}

#define FAULTS_TEST(fn)                                        \
	{                                                      \
#fn, run_with_faults, NULL, NULL, (void *)(fn) \
	}

#endif
