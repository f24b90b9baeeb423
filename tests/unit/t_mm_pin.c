/* t_mm_pin.c - pins of managed memory: what they hold, how long, and where nothing else works. */
#include "mm_fixture.h"

#include <limits.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "vm/mech.h"

static void test_pins(void)
{
	const size_t n = 64;
	char buf[16] = "hello, managed";
	char *p;
	int fd[2];

	mm_set_up();
	p = map_pages(n);
	CHECK(!memcg_pin(p + PAGE_SIZE, 2 * PAGE_SIZE));
	CHECK(STAT(cg, anon) == 2 * PAGE_SIZE);
	memset(p, 9, n << PAGE_SHIFT);
	page_out(p, n);
	CHECK(STAT(cg, anon) == 2 * PAGE_SIZE && managed_resident() == 2 * PAGE_SIZE);
	CHECK(p[PAGE_SIZE] == 9 && p[0] == 9);
	memcg_unpin(p + PAGE_SIZE, 2 * PAGE_SIZE);
	page_out(p, n);
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
	p = map_pages(4 * MIB >> PAGE_SHIFT);
	memset(p, 7, 3 * PAGE_SIZE);
	CHECK(!memcg_pin(p, PAGE_SIZE) && !memcg_pin(p, 2 * PAGE_SIZE));
	CHECK(!memcg_munmap(mm, p, MIB) && !memcg_munmap(mm, p + MIB, 3 * MIB));
	CHECK(STAT(cg, anon) == 2 * PAGE_SIZE);
	CHECK(memcg_pin(p, PAGE_SIZE) == -EFAULT);
	q = map_pages(4 * MIB >> PAGE_SHIFT);
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

/* --- without userfaultfd ------------------------------------------------------------- */

static void test_pins_alone(void)
{
	volatile char *p;

	catch (SIGSEGV);
	sys_fault_arm(SYS_FAULT_UFFD, 0, 1, 0, 0);
	mm_set_up();
	CHECK(mech == MECH_PINS);
	p = map_pages(16);
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
	mm_tear_down();
}

/* Every call finds its pages in memory, and leaves them to be put away. */
static void test_calls_of_the_system(void)
{
	char hello[16] = "hello, managed", *p;
	struct iovec iov[2];
	int fd[2];

	mm_set_up();
	p = map_pages(16);
	iov[0] = (struct iovec){p + PAGE_SIZE - 3, 7};
	iov[1] = (struct iovec){p + 5 * PAGE_SIZE, 9};
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	CHECK(send(fd[1], hello, 16, 0) == 16 && recv(fd[0], p, 16, 0) == -1 && errno == EFAULT);
	CHECK(memcg_io_recv(fd[0], p + 2 * PAGE_SIZE - 4, 16, 0) == 16);
	CHECK(!memcmp(p + 2 * PAGE_SIZE - 4, hello, 16));
	page_out(p, 16);
	CHECK(memcg_io_send(fd[1], p + 2 * PAGE_SIZE - 4, 16, 0) == 16);
	page_out(p, 16);
	CHECK(STAT(cg, anon) == 0);
	CHECK(memcg_io_readv(fd[0], iov, 2) == 16);
	CHECK(!memcmp(p + PAGE_SIZE - 3, hello, 7) && !memcmp(p + 5 * PAGE_SIZE, hello + 7, 9));
	page_out(p, 16);
	CHECK(STAT(cg, anon) == 0 && memcg_io_writev(fd[1], iov, 2) == 16);
	CHECK(recv(fd[0], hello, 16, 0) == 16 && !strcmp(hello, "hello, managed"));
	/* All or none: what was pinned before the one that cannot be is let go. */
	CHECK(!memcg_munmap(mm, p + 8 * PAGE_SIZE, PAGE_SIZE));
	iov[1].iov_base = p + 8 * PAGE_SIZE;
	CHECK(memcg_io_writev(fd[1], iov, 2) == -1 && errno == EFAULT);
	CHECK(memcg_io_recv(fd[0], hello, 16, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	CHECK(memcg_io_readv(fd[0], iov, IOV_MAX + 1) == -1 && errno == EINVAL);
	CHECK(memcg_io_readv(fd[0], iov, -1) == -1 && errno == EINVAL);
	page_out(p, 8);
	CHECK(STAT(cg, anon) == 0);
	closes();
	mm_tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(test_pins),
		FAULTS_TEST(test_calls_of_the_system),
		FAULTS_TEST(test_pin_outlives_its_range),
		PAGE_TEST(test_pins_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
