/* faults.c - see faults.h. The system is asked past the library, for what the library needs. */
#include "faults.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memcg/mm.h>

#include "row.h"

#define USER_MODE_ONLY 1 /* headers may not know it */

static sigjmp_buf not_mapped;

static void on_segv(int sig)
{
	(void)sig;
	siglongjmp(not_mapped, 1);
}

static bool touches(volatile char *at)
{
	struct sigaction sa = {.sa_handler = on_segv}, before;
	volatile bool done = false;

	EXPECT_IS(sigaction(SIGSEGV, &sa, &before), ==, 0);
	if (!sigsetjmp(not_mapped, 1)) {
		*at = 1;
		done = true;
	}
	EXPECT_IS(sigaction(SIGSEGV, &before, NULL), ==, 0);
	return done;
}

static bool comes_by_touch(void)
{
	struct memcg_mm *mm = memcg_mm_create(NULL);
	char *at;
	bool comes;

	EXPECT(mm);
	at = memcg_mmap(mm, 4096, PROT_READ | PROT_WRITE, 0, NULL, 0);
	EXPECT(at);
	comes = touches(at);
	memcg_mm_destroy(mm);
	return comes;
}

static bool system_has_it(void)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_SIGBUS | UFFD_FEATURE_MISSING_SHMEM |
			    UFFD_FEATURE_MINOR_SHMEM | UFFD_FEATURE_PAGEFAULT_FLAG_WP |
			    UFFD_FEATURE_WP_HUGETLBFS_SHMEM,
	};
	long fd = syscall(SYS_userfaultfd, O_CLOEXEC | USER_MODE_ONLY);
	bool has = fd >= 0 && !ioctl((int)fd, UFFDIO_API, &api);

	if (fd >= 0)
		close((int)fd);
	return has;
}

void need_faults(void)
{
	if (comes_by_touch())
		return;
	if (!getenv("MEMCG_FAIL")) /* it may be made to fail */
		EXPECT(!system_has_it());
	row_skip("userfaultfd is refused, and the row touches memory that is not pinned");
}
