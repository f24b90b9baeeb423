/*
 * t_receiver_alike.c - receivers where the two ways could differ: sockets whose error queue has
 * something, groups at their max, and what a receiver leaves behind for its thread.
 */
#include "receiver_fixture.h"

#include <linux/net_tstamp.h>
#include <sys/epoll.h>

#include "net/receiver.h"
#include "sys/fault.h"

/* ---- error queues ---- */

static void wait_for_an_error(int fd)
{
	struct pollfd p = {.fd = fd};

	CHECK(poll(&p, 1, LONG) == 1 && p.revents & POLLERR);
}

/* Nobody reads it: a time stamp of what was sent. */
static void something_in_the_error_queue(void)
{
	int what = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
	char byte;

	CHECK(!setsockopt(ends[0], SOL_SOCKET, SO_TIMESTAMPING, &what, sizeof(what)));
	CHECK(send(ends[0], "x", 1, 0) == 1 && recv(ends[1], &byte, 1, 0) == 1);
	wait_for_an_error(ends[0]);
}

/* There may be news that come to nothing, but not for ever. */
static void falls_silent(void)
{
	int fd = memcg_receiver_fd(receiver);

	for (unsigned i = 0; i < 10 && is_readable(fd, 0); i++)
		CHECK(!next_in(0));
	CHECK(!is_readable(fd, 0));
}

static void error_queue_is_no_news(void)
{
	begin(8);
	open_tcp();
	CHECK(memcg_receiver_add(receiver, ends[0], 1) >= 0);
	something_in_the_error_queue();
	CHECK(!next_in(0) && !next_in(20)); /* they come back */
	falls_silent();
	for (u64 at = 0; at < 120000; at += 30000) {
		put_payload(ends[1], at, 30000);
		CHECK(is_readable(memcg_receiver_fd(receiver), LONG));
		expect_bytes(1, at, 30000);
		falls_silent();
	}
	CHECK(!close(ends[1]));
	expect_last(1, 0);
	CHECK(!close(ends[0]));
	end();
}
BOTH(error_queue_is_no_news);

/* The system tells of it without end: the call has one all the same. */
static void time_ends_with_the_news(void)
{
	begin(8);
	open_tcp();
	CHECK(memcg_receiver_add(receiver, ends[0], 1) >= 0);
	something_in_the_error_queue();
	sys_fault_arm(SYS_FAULT_POLL, 1, 1, 0, 0);
	CHECK(!next_in(0) && !next_in(20));
	sys_fault_disarm_all();
	put_payload(ends[1], 0, 30000);
	expect_bytes(1, 0, 30000);
	close_ends();
	end();
}
BOTH(time_ends_with_the_news);

/* ---- what is left behind ---- */

/* A call of the program's, which knows of no signal. */
static bool sleeps_undisturbed(int ms)
{
	struct epoll_event e;
	int poll = epoll_create1(0), told;

	CHECK(poll >= 0);
	told = epoll_wait(poll, &e, 1, ms);
	CHECK(!close(poll));
	return !told;
}

static void interrupts_nobody_after(void)
{
	open_pool(0, 0);
	for (unsigned i = 0; i < 5; i++) {
		open_ends(SOCK_STREAM);
		receiver = receiver_of(cg, 8);
		CHECK(memcg_receiver_add(receiver, ends[0], 1) >= 0 && !next_in(0));
		CHECK(!memcg_receiver_destroy(receiver));
		CHECK(sleeps_undisturbed(200));
		close_ends();
	}
	all_is_back();
}
BOTH(interrupts_nobody_after);

int main(void)
{
	const struct CMUnitTest tests[] = {
		TWO(error_queue_is_no_news),
		TWO(time_ends_with_the_news),
		TWO(interrupts_nobody_after),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
