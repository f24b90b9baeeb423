/* maps.c - what each call on private maps charges, in exact bytes, under a group with a max. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "preload.h"

#define PAGE 4096ul
#define MAX  (64 * PAGE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW   (PROT_READ | PROT_WRITE)

static struct memcg *cg;
static uint64_t (*current)(struct memcg *);

static void expect(unsigned line, uint64_t pages)
{
	uint64_t bytes = current(cg);

	if (bytes == pages * PAGE)
		return;
	fprintf(stderr, "maps.c:%u: %lu bytes are charged, not %lu\n", line, bytes, pages * PAGE);
	exit(1);
}
#define EXPECT(pages) expect(__LINE__, pages)

static char *map(size_t pages, int prot, int flags)
{
	return mmap(NULL, pages * PAGE, prot, ANON | flags, -1, 0);
}

static void partial_unmap(void)
{
	char *p = map(10, RW, 0);

	CHECK(p != MAP_FAILED);
	memset(p, 1, 10 * PAGE);
	EXPECT(10);
	CHECK(!munmap(p + 3 * PAGE, 2 * PAGE));
	EXPECT(8);
	CHECK(!munmap(p + 3 * PAGE, 2 * PAGE)); /* a hole: allowed, and nothing to give back */
	EXPECT(8);
	CHECK(!munmap(p + 8 * PAGE, 1)); /* a page, by one of its bytes */
	EXPECT(7);
	CHECK(munmap(p + 1, PAGE) == -1 && errno == EINVAL);
	CHECK(munmap(p, 0) == -1 && errno == EINVAL);
	EXPECT(7);
	CHECK(!munmap(p, 10 * PAGE));
	EXPECT(0);
}

static void refused(void)
{
	char *p = map(60, RW, 0);

	errno = 0;
	CHECK(map(5, RW, 0) == MAP_FAILED && errno == ENOMEM);
	EXPECT(60);
	CHECK(mmap64(NULL, 5 * PAGE, RW, ANON, -1, 0) == MAP_FAILED && errno == ENOMEM);
	CHECK(mremap(p, 60 * PAGE, 65 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED && errno == ENOMEM);
	EXPECT(60);
	p[60 * PAGE - 1] = 1;
	CHECK(!munmap(p, 60 * PAGE));
	EXPECT(0);
	CHECK(mmap(NULL, 0, RW, ANON, -1, 0) == MAP_FAILED && errno == EINVAL);
	CHECK(mmap(NULL, PAGE, RW, ANON, -1, 1) == MAP_FAILED && errno == EINVAL);
	EXPECT(0);
}

static void reservations(void)
{
	char *p = map(1000, PROT_NONE, 0), *q = map(1000, RW, MAP_NORESERVE);

	CHECK(p != MAP_FAILED && q != MAP_FAILED);
	EXPECT(0);
	CHECK(!mprotect(p + 10 * PAGE, 50 * PAGE, RW));
	EXPECT(50);
	CHECK(mprotect(p + 100 * PAGE, 15 * PAGE, RW) == -1 && errno == ENOMEM);
	EXPECT(50);
	CHECK(!mprotect(p + 10 * PAGE, 50 * PAGE, PROT_NONE)); /* stays charged until unmapped */
	EXPECT(50);
	CHECK(!mprotect(p, 64 * PAGE, RW)); /* 14 more */
	EXPECT(64);
	CHECK(!munmap(p, 1000 * PAGE) && !munmap(q, 1000 * PAGE));
	EXPECT(0);
}

static void fixed(void)
{
	char *p = map(64, RW, 0);

	/* At max: replacing takes nothing new. */
	CHECK(mmap(p + PAGE, 10 * PAGE, RW, ANON | MAP_FIXED, -1, 0) == p + PAGE);
	EXPECT(64);
	CHECK(mmap(p, 4 * PAGE, PROT_NONE, ANON | MAP_FIXED, -1, 0) == p);
	EXPECT(60);
	CHECK(mmap(p + 60 * PAGE, 4 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	      p + 60 * PAGE);
	EXPECT(56);
	CHECK(mmap(p, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED &&
	      errno == EEXIST);
	EXPECT(56);
	CHECK(!munmap(p, 64 * PAGE));
	EXPECT(0);
}

static void remap(void)
{
	char *p = map(8, RW, 0), *q = map(8, RW, 0), *r;

	p[0] = 'p';
	r = mremap(p, 8 * PAGE, 20 * PAGE, MREMAP_MAYMOVE);
	CHECK(r != MAP_FAILED && r[0] == 'p');
	EXPECT(28);
	CHECK(mremap(r, 20 * PAGE, 5 * PAGE, 0) == r);
	EXPECT(13);
	CHECK(mremap(r, 5 * PAGE, 5 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q && q[0] == 'p');
	EXPECT(8);
	CHECK(!munmap(q + 5 * PAGE, 3 * PAGE));
	EXPECT(5);
	CHECK(!munmap(q, 5 * PAGE));
	EXPECT(0);
}

static void not_ours_to_charge(void)
{
	char *p = mmap(NULL, 100 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	EXPECT(0);
	CHECK(!mprotect(p, 100 * PAGE, PROT_READ) && !munmap(p, 100 * PAGE));
	EXPECT(0);
}

static void in_the_child(void)
{
	char *p = map(10, RW, 0);
	int status;
	pid_t child = fork();

	if (!child) {
		EXPECT(10);
		CHECK(!munmap(p, 10 * PAGE));
		EXPECT(0);
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	EXPECT(10);
	CHECK(!munmap(p, 10 * PAGE));
	EXPECT(0);
}

static void after_its_group(void)
{
	struct memcg *root = FIND(memcg_root)();
	char *p = map(10, RW, 0);
	struct memcg_stat s;

	EXPECT(10);
	FIND(memcg_leave)(NULL);
	CHECK(!FIND(memcg_destroy)(cg));
	CHECK(!FIND(memcg_stat)(root, &s, sizeof(s)) && s.maps == 10 * PAGE);
	CHECK(!munmap(p, 10 * PAGE));
	CHECK(!FIND(memcg_stat)(root, &s, sizeof(s)) && s.maps == 0);
}

int main(void)
{
	cg = FIND(memcg_create)(NULL, "maps");
	current = FIND(memcg_current);
	CHECK(cg && !FIND(memcg_set_limit)(cg, MEMCG_MAX, MAX));
	FIND(memcg_enter)(cg);
	partial_unmap();
	refused();
	reservations();
	fixed();
	remap();
	not_ours_to_charge();
	in_the_child();
	after_its_group();
	CHECK(FIND(memcg_report)(2, MEMCG_REPORT_QUIET) == 0);
	return 0;
}
