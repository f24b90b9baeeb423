/*
 * t_receiver_system.c - receivers on systems that lack some of io_uring, or refuse it: each thing
 * is refused on demand.
 */
#include "receiver_fixture.h"

#include "net/receiver.h"
#include "sys/fault.h"

/* A page for each read; what is left of it other reads of the group go on in. */
static void whole_pages_only(void)
{
	struct memcg_frag kept, f;
	int second[2];

	begin(4);
	open_ends(SOCK_STREAM);
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, second));
	if (by_ring())
		CHECK(!ring_empty(&receiver->ring));
	sys_fault_arm(SYS_FAULT_URING_BUFFERS, 1, 0, 0, 0); /* before Linux 6.12 */
	CHECK(memcg_receiver_add(receiver, ends[0], 1) >= 0);
	CHECK(!by_ring() || !receiver->ring.partial);
	sys_fault_disarm_all();
	put_payload(ends[1], 0, 100);
	next();
	CHECK(got.bytes == 100 && got.frags == 1);
	kept = frags[0];
	put_payload(second[1], 100, 100);
	CHECK(memcg_pool_recv(pool, second[0], cg, &f, 1, 0) == 100);
	CHECK(f.page == kept.page && f.offset >= 100 && holds_payload(&f, 1, 100) == 100);
	put_payload(ends[1], 200, 100);
	next();
	CHECK(got.bytes == 100 && (frags[0].page == kept.page) == !by_ring());
	CHECK(holds_payload(frags, 1, 200) == 100 && holds_payload(&kept, 1, 0) == 100);
	memcg_frags_put(frags, 1);
	memcg_frags_put(&f, 1);
	memcg_frags_put(&kept, 1);
	for (u64 at = 0; at < 100000; at += 20000) {
		put_payload(ends[1], at, 20000);
		expect_bytes(1, at, 20000);
	}
	closes();
	close_ends();
	CHECK(!close(second[0]) && !close(second[1]));
	end();
}
BOTH(whole_pages_only);

static void one_buffer_at_a_time(void)
{
	begin(16);
	open_ends(SOCK_STREAM);
	receiver->ring.bundle = false; /* before Linux 6.10 */
	CHECK(memcg_receiver_add(receiver, ends[0], 1) >= 0);
	for (u64 at = 0; at < 300000; at += 50000) {
		put_payload(ends[1], at, 50000);
		for (size_t done = 0; done < 50000; done += (size_t)got.bytes) {
			next();
			CHECK(got.bytes > 0 && (!by_ring() || got.frags == 1));
			CHECK(holds_payload(frags, got.frags, at + done) == (size_t)got.bytes);
			memcg_frags_put(frags, got.frags);
		}
	}
	close_ends();
	end();
}
BOTH(one_buffer_at_a_time);

/* Forbidden, or without rings of buffers: the other way. */
static void no_ring(void)
{
	begin(4);
	CHECK(!memcg_receiver_destroy(receiver));
	sys_fault_arm(SYS_FAULT_URING_SETUP, 1, 0, 0, 0);
	receiver = receiver_of(cg, 4);
	CHECK(!by_ring() && !memcg_receiver_destroy(receiver));
	sys_fault_disarm_all();
	sys_fault_arm(SYS_FAULT_URING_BUFFERS, 1, 1, 0, 0);
	receiver = receiver_of(cg, 4);
	CHECK(!by_ring());
	sys_fault_disarm_all();
	open_ends(SOCK_STREAM);
	CHECK(memcg_receiver_add(receiver, ends[0], 1) >= 0);
	put_payload(ends[1], 0, 30000);
	expect_bytes(1, 0, 30000);
	close_ends();
	end();
}
BOTH(no_ring);

/* Pages that the system does not give back stay charged, and are used again. */
static void not_emptied(void)
{
	begin(4);
	open_ends(SOCK_STREAM);
	CHECK(!memcg_receiver_add(receiver, ends[0], 1));
	sys_fault_arm(SYS_FAULT_URING_BUFFERS, 1, 1, 0, 0);
	CHECK(!memcg_receiver_remove(receiver, 0));
	expect_last(1, -ECANCELED);
	CHECK(!next_in(0) && held(cg) == provided(4) && sock(cg) == provided(4));
	sys_fault_disarm_all();
	CHECK(!memcg_receiver_add(receiver, ends[0], 2) && held(cg) == provided(4));
	put_payload(ends[1], 0, 30000);
	expect_bytes(2, 0, 30000);
	CHECK(!memcg_receiver_remove(receiver, 0));
	expect_last(2, -ECANCELED);
	CHECK(!next_in(0));
	if (by_ring())
		CHECK(!held(cg));
	close_ends();
	end();
}
BOTH(not_emptied);

/* Every second entry is interrupted: what was to be done is done by the next. */
static void interrupted(void)
{
	size_t done = 0;
	int err;

	begin(4);
	open_ends(SOCK_STREAM);
	sys_fault_arm(SYS_FAULT_URING, 1, 2, 0, 0);
	CHECK(!memcg_receiver_add(receiver, ends[0], 1));
	put_payload(ends[1], 0, 60000);
	while (done < 60000) {
		err = next_in(LONG);
		CHECK(err == 1 || err == -EINTR);
		if (err < 0)
			continue;
		CHECK(holds_payload(frags, got.frags, done) == (size_t)got.bytes);
		memcg_frags_put(frags, got.frags);
		done += (size_t)got.bytes;
	}
	CHECK(!memcg_receiver_remove(receiver, 0));
	CHECK(is_readable(memcg_receiver_fd(receiver), LONG)); /* not asked yet: it says so */
	while (next_in(LONG) != 1)
		;
	CHECK(got.bytes == -ECANCELED && !memcg_receiver_add(receiver, ends[0], 1));
	close_ends();
	end();
	sys_fault_disarm_all();
}
BOTH(interrupted);

int main(void)
{
	const struct CMUnitTest tests[] = {
		TWO(whole_pages_only), TWO(one_buffer_at_a_time), TWO(no_ring),
		TWO(not_emptied),      TWO(interrupted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
