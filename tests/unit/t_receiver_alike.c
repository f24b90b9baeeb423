/*
 * t_receiver_alike.c - receivers where the two ways could differ: sockets whose error queue has
 * something, groups at their max, and what a receiver leaves behind for its thread.
 */
#include "receiver_fixture.h"

#include <linux/net_tstamp.h>
#include <sched.h>
#include <sys/epoll.h>

#include "net/receiver.h"
#include "sys/fault.h"
#include "sys/id.h"

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

/* ---- at a max ---- */

static void begin_at_max(unsigned pages)
{
	begin(pages);
	open_tcp();
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 0));
	CHECK(memcg_receiver_add(receiver, ends[0], 1) >= 0);
}

/* Nobody waits for memory while there is nothing to be read. Each refusal counts once. */
static void counted_where_it_is_told(void)
{
	begin_at_max(8);
	CHECK(!next_in(0) && !next_in(20));
	falls_silent();
	CHECK(!throttled(cg) && !pool_stat().refused);
	put_payload(ends[1], 0, 100);
	CHECK(is_readable(memcg_receiver_fd(receiver), LONG));
	CHECK(next_in(LONG) == -ENOBUFS && throttled(cg) == 1 && pool_stat().refused == 1);
	CHECK(next_in(0) == -ENOBUFS && throttled(cg) == 2 && pool_stat().refused == 2);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, MEMCG_UNLIMITED));
	expect_bytes(1, 0, 100);
	put_payload(ends[1], 100, 20000);
	expect_bytes(1, 100, 20000);
	CHECK(!next_in(0) && throttled(cg) == 2);
	close_ends();
	end();
}
BOTH(counted_where_it_is_told);

static void error_queue_at_max(void)
{
	begin_at_max(8);
	something_in_the_error_queue();
	CHECK(!next_in(0) && !next_in(20));
	falls_silent();
	put_payload(ends[1], 0, 100);
	CHECK(next_in(LONG) == -ENOBUFS);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, MEMCG_UNLIMITED));
	expect_bytes(1, 0, 100);
	close_ends();
	end();
}
BOTH(error_queue_at_max);

/* Told of one, while another waits for memory. */
static void expect_last_at_max(u64 data, s64 result)
{
	int err = -ENOBUFS;

	while (err == -ENOBUFS)
		err = next_in(LONG);
	CHECK(err == 1 && got.data == data && got.bytes == result && !got.frags);
}

static void ends_are_told_at_max(void)
{
	struct linger now = {.l_onoff = 1};
	int waits[2];

	begin_at_max(8);
	memcpy(waits, ends, sizeof(waits));
	put_payload(waits[1], 0, 100);
	CHECK(next_in(LONG) == -ENOBUFS);
	open_tcp();
	CHECK(memcg_receiver_add(receiver, ends[0], 2) >= 0 && !close(ends[1]));
	expect_last_at_max(2, 0);
	CHECK(!close(ends[0]));
	open_tcp();
	CHECK(memcg_receiver_add(receiver, ends[0], 3) >= 0 && next_in(0) == -ENOBUFS);
	CHECK(!setsockopt(ends[1], SOL_SOCKET, SO_LINGER, &now, sizeof(now)) && !close(ends[1]));
	expect_last_at_max(3, -ECONNRESET);
	CHECK(!close(ends[0]) && !memcg_set_limit(cg, MEMCG_MAX, MEMCG_UNLIMITED));
	expect_bytes(1, 0, 100);
	CHECK(!close(waits[0]) && !close(waits[1]));
	end();
}
BOTH(ends_are_told_at_max);

/* What is only looked at can be taken out, and the receiver can go. */
static void leaves_at_max(void)
{
	int id;

	begin_at_max(8);
	id = memcg_receiver_add(receiver, ends[0], 2);
	CHECK(id >= 0 && !next_in(0) && !memcg_receiver_remove(receiver, id));
	expect_last(2, -ECANCELED);
	CHECK(!memcg_receiver_destroy(receiver));
	put_payload(ends[1], 0, 100);
	CHECK(recv(ends[0], (char[100]){0}, 100, MSG_WAITALL) == 100);
	close_ends();
	all_is_back();
}
BOTH(leaves_at_max);

static u64 max_events(struct memcg *g)
{
	struct memcg_events e = {.rose = 0};

	CHECK(!memcg_event_read(g, &e, sizeof(e)));
	return e.max;
}

static void small_messages(u64 first, u64 n)
{
	for (u64 i = first; i < first + n; i++) {
		put_payload(ends[1], i * 5, 5);
		expect_bytes(1, i * 5, 5);
	}
}

/* So many bytes, with their pages; how many fragments. */
static size_t keep(u64 at, size_t bytes, struct memcg_frag *kept)
{
	size_t n = 0;

	put_payload(ends[1], at, bytes);
	for (size_t done = 0; done < bytes; done += (size_t)got.bytes) {
		next();
		CHECK(got.bytes > 0 && n + got.frags <= FRAGS);
		memcpy(kept + n, frags, got.frags * sizeof(*frags));
		n += got.frags;
	}
	return n;
}

/*
 * Less room than the ring may have: it makes do, nothing is reclaimed, and it asks for more when it
 * has used some.
 */
static void makes_do_with_the_room(void)
{
	struct memcg_frag kept[FRAGS];
	u32 had;
	size_t n;

	begin(64);
	open_ends(SOCK_STREAM);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 40ul * 4096));
	CHECK(memcg_receiver_add(receiver, ends[0], 1) >= 0);
	CHECK(!by_ring() || (receiver->ring.held && receiver->ring.held <= 40));
	small_messages(0, 100);
	n = keep(600, 60000, kept);
	small_messages(200, 1);
	CHECK(!max_events(cg) && !throttled(cg));
	had = receiver->ring.held;
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, MEMCG_UNLIMITED));
	small_messages(201, 1);
	memcg_frags_put(kept, n);
	CHECK(receiver->ring.held <= had);
	put_payload(ends[1], 0, 120000);
	expect_bytes(1, 0, 120000);
	CHECK(!next_in(0) && (!by_ring() || receiver->ring.held > 40));
	close_ends();
	end();
}
BOTH(makes_do_with_the_room);

/* ---- threads ---- */

static void *thread_with_a_receiver(void *arg)
{
	(void)arg;
	receiver = receiver_of(cg, 8);
	CHECK(memcg_receiver_add(receiver, ends[0], 1) >= 0);
	return NULL;
}

/* Its thread has ended, and the system has given that number again: to this one. */
static void of_a_number_given_again(void)
{
	pthread_t t;

	open_pool(0, 0);
	open_ends(SOCK_STREAM);
	CHECK(!pthread_create(&t, NULL, thread_with_a_receiver, NULL) && !pthread_join(t, NULL));
	while (sys_thread_is(receiver->thread))
		CHECK(!sched_yield());
	receiver->thread = sys_thread_id();
	CHECK(next_in(0) == -EPERM && memcg_receiver_add(receiver, ends[0], 2) == -EPERM);
	CHECK(!memcg_receiver_destroy(receiver));
	close_ends();
	all_is_back();
}
BOTH(of_a_number_given_again);

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
		TWO(error_queue_is_no_news),   TWO(time_ends_with_the_news),
		TWO(counted_where_it_is_told), TWO(error_queue_at_max),
		TWO(ends_are_told_at_max),     TWO(leaves_at_max),
		TWO(makes_do_with_the_room),   TWO(of_a_number_given_again),
		TWO(interrupts_nobody_after),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
