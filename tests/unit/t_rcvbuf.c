/*
 * t_rcvbuf.c - a group over its memory.high: a page at a time, what it owes, and its socket's
 * window, its alone, for as long as it is over.
 */
#include "net_fixture.h"

#include <poll.h>
#include <sys/ioctl.h>

#include "net/rcvbuf.h"
#include "sys/clock.h"
#include "sys/fault.h"
#include "sys/sock.h"

#define HIGH (2 * 4096)

static struct memcg_frag over[3]; /* what keeps cg over its high */

static struct sys_window window_of(int fd)
{
	struct sys_window w;

	CHECK(!sys_window_get(fd, &w));
	return w;
}

static void begin(void)
{
	open_pool(0, 0);
	open_tcp();
	CHECK(!fcntl(ends[1], F_SETFL, O_NONBLOCK));
	CHECK(!memcg_set_limit(cg, MEMCG_HIGH, HIGH));
}

static void go_over(void)
{
	CHECK(memcg_pool_alloc(pool, cg, over, 3) == 3 && held(cg) > HIGH);
}

static void go_under(void)
{
	memcg_frags_put(over, 3);
	CHECK(held(cg) <= HIGH);
}

static void end(void)
{
	close_ends();
	all_is_back();
}

/* Until it is there: from the other end of a connection it comes when it comes. */
static ssize_t read_once(struct memcg_frag *f, size_t n)
{
	struct pollfd p = {.fd = ends[0], .events = POLLIN};

	CHECK(poll(&p, 1, 60000) == 1);
	return memcg_pool_recv(pool, ends[0], cg, f, n, MSG_DONTWAIT);
}

static void read_and_put(void)
{
	struct memcg_frag f;

	CHECK(read_once(&f, 1) > 0);
	memcg_frags_put(&f, 1);
}

static void put_bytes(size_t n)
{
	static char text[64 * 1024];

	CHECK(send(ends[1], text, n, MSG_NOSIGNAL) == (ssize_t)n);
}

/* ---- a page at a time ---- */

static void a_page_at_a_time(void)
{
	struct memcg_frag f[4];
	struct task *self;
	u64 owed;

	begin();
	put_bytes(20000);
	go_over();
	self = task_self();
	self->owed = 0;
	self->high_bytes = 0;
	CHECK(read_once(f, 4) == 4096 && f[0].page && !f[1].page && throttled(cg) == 1);
	/* More where the CPU charges ahead: that is paid for once. */
	CHECK(self->owed & OWED_HIGH && self->high_bytes >= 4096);
	memcg_frags_put(f, 4);
	owed = self->high_bytes;
	CHECK(read_once(f, 4) == 4096 && throttled(cg) == 2 && self->high_bytes > owed);
	memcg_frags_put(f, 4);
	CHECK(memcg_pool_recv(pool, ends[1], cg, f, 4, MSG_DONTWAIT) == -EAGAIN);
	CHECK(throttled(cg) == 2); /* nothing was there to be held back */
	go_under();
	CHECK(read_once(f, 2) == 2 * 4096 && throttled(cg) == 2);
	memcg_frags_put(f, 4);
	self->owed = 0;
	end();
}

static void datagrams_whole(void)
{
	struct memcg_frag f[64];
	struct task *self;
	u64 owed;

	open_pool(0, 0);
	open_ends(SOCK_DGRAM);
	CHECK(!memcg_set_limit(cg, MEMCG_HIGH, HIGH));
	put_bytes(10000);
	put_bytes(100);
	go_over();
	self = task_self();
	self->owed = 0;
	owed = self->high_bytes;
	CHECK(memcg_pool_recv(pool, ends[0], cg, f, 64, MSG_DONTWAIT) == 10000);
	CHECK(f[2].page && !f[3].page && throttled(cg) == 1);
	/* For what it took, not for what it might have. */
	CHECK(self->owed & OWED_HIGH && self->high_bytes == owed + 3 * 4096);
	memcg_frags_put(f, 3);
	CHECK(memcg_pool_recv(pool, ends[0], cg, f, 64, MSG_DONTWAIT) == 100);
	CHECK(self->high_bytes == owed + 4 * 4096 && throttled(cg) == 2);
	memcg_frags_put(f, 1);
	CHECK(memcg_pool_recv(pool, ends[0], cg, f, 64, MSG_DONTWAIT) == -EAGAIN);
	CHECK(self->high_bytes == owed + 4 * 4096 && throttled(cg) == 2);
	go_under();
	self->owed = 0;
	end();
}

/* ---- the window ---- */

static void lowered_and_set_back(void)
{
	struct sys_window before;
	int theirs[2];

	begin();
	theirs[0] = ends[0];
	theirs[1] = ends[1];
	open_tcp();
	before = window_of(ends[0]);
	put_bytes(40000);
	read_and_put();
	CHECK(window_of(ends[0]).size == before.size && !rcvbuf_lowered);
	go_over();
	read_and_put();
	CHECK(window_of(ends[0]).size == 2 * RCVBUF_LOW && rcvbuf_lowered == 1);
	read_and_put();
	CHECK(rcvbuf_lowered == 1 && window_of(theirs[0]).size == before.size);
	go_under();
	CHECK(memcg_pool_recv(pool, theirs[0], other, over, 1, MSG_DONTWAIT) == -EAGAIN);
	CHECK(window_of(ends[0]).size == 2 * RCVBUF_LOW);
	read_and_put();
	CHECK(window_of(ends[0]).size == before.size && !rcvbuf_lowered);
	CHECK(window_of(ends[0]).locks == before.locks);
	CHECK(!close(theirs[0]) && !close(theirs[1]));
	end();
}

/* What the program chose before it was lowered, and what it chooses meanwhile. */
static void the_programs_choice(void)
{
	begin();
	CHECK(!sys_window_set(ends[0], 50000));
	put_bytes(40000);
	go_over();
	read_and_put();
	CHECK(window_of(ends[0]).size == 2 * RCVBUF_LOW);
	go_under();
	read_and_put();
	CHECK(window_of(ends[0]).size == 100000);
	go_over();
	read_and_put();
	CHECK(!sys_window_set(ends[0], 30000));
	go_under();
	read_and_put();
	CHECK(window_of(ends[0]).size == 60000 && !rcvbuf_lowered);
	CHECK(!sys_window_set(ends[0], 4000));
	go_over();
	read_and_put();
	CHECK(window_of(ends[0]).size == 8000 && !rcvbuf_lowered); /* lower than that already */
	go_under();
	end();
}

/* The number is another socket's by now. */
static void another_of_that_number(void)
{
	int was[2];

	begin();
	put_bytes(20000);
	go_over();
	read_and_put();
	CHECK(rcvbuf_lowered == 1);
	was[0] = ends[0];
	was[1] = ends[1];
	open_tcp();
	CHECK(!sys_window_set(ends[0], RCVBUF_LOW)); /* it even looks the same */
	CHECK(dup2(ends[0], was[0]) == was[0] && !close(ends[0]) && !close(was[1]));
	ends[0] = was[0];
	go_under();
	put_bytes(5000);
	read_and_put();
	CHECK(window_of(ends[0]).size == 2 * RCVBUF_LOW && !rcvbuf_lowered);
	end();
}

static void the_system_refuses(void)
{
	struct sys_window before;

	begin();
	put_bytes(20000);
	go_over();
	before = window_of(ends[0]);
	sys_fault_arm(SYS_FAULT_SOCKOPT, 0, 1, 0, 0);
	read_and_put();
	CHECK(!rcvbuf_lowered && window_of(ends[0]).size == before.size);
	sys_fault_disarm_all();
	sys_fault_arm(SYS_FAULT_STAT, 0, 1, 0, 0);
	read_and_put();
	CHECK(!rcvbuf_lowered);
	sys_fault_disarm_all();
	go_under();
	end();
}

/* ---- what an unread peer can queue ---- */

static int unread(void)
{
	int n;

	CHECK(!ioctl(ends[0], FIONREAD, &n));
	return n;
}

/* The peer sends as much as it can, until so much waits; or for a while. The most that waited. */
static int push(int until, u64 ns)
{
	static char text[64 * 1024];
	u64 stop = sys_clock_ns() + ns;
	int most = 0;

	while (most < until && sys_clock_ns() < stop) {
		struct pollfd p = {.fd = ends[1], .events = POLLOUT};

		while (send(ends[1], text, sizeof(text), MSG_NOSIGNAL) > 0)
			;
		(void)!poll(&p, 1, 1);
		most = MAX(most, unread());
	}
	return most;
}

static void pull(int until)
{
	while (unread() > until)
		read_and_put();
}

#define SECONDS (1000ul * 1000 * 1000)
#define MANY	(80 * 1024)
#define FEW	(2 * RCVBUF_LOW + 4096)

static void what_waits_unread(void)
{
	int before, during, after;

	begin();
	before = push(MANY, 60 * SECONDS);
	CHECK(before >= MANY);
	go_over();
	pull(FEW / 4);
	during = push(FEW + 1, SECONDS / 2);
	CHECK(during <= FEW);
	go_under();
	read_and_put();
	after = push(MANY, 60 * SECONDS);
	CHECK(after >= MANY);
	fprintf(stderr, "unread bytes: %d before, %d over high, %d after\n", before, during, after);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(datagrams_whole),	   PAGE_TEST(a_page_at_a_time),
		PAGE_TEST(lowered_and_set_back),   PAGE_TEST(the_programs_choice),
		PAGE_TEST(another_of_that_number), PAGE_TEST(the_system_refuses),
		PAGE_TEST(what_waits_unread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
