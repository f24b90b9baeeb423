/*
 * t_receiver_end.c - what becomes of a receiver and its connections when sockets, groups, pools and
 * threads go, and who may not use it.
 */
#include "receiver_fixture.h"

#include "net/receiver.h"

static void taken_out(void)
{
	int id;

	begin(8);
	open_ends(SOCK_STREAM);
	id = memcg_receiver_add(receiver, ends[0], 9);
	CHECK(id >= 0 && !memcg_receiver_remove(receiver, id));
	CHECK(memcg_receiver_remove(receiver, id) == -EALREADY);
	CHECK(is_readable(memcg_receiver_fd(receiver), LONG));
	expect_last(9, -ECANCELED);
	CHECK(memcg_receiver_remove(receiver, id) == -ENOENT);
	CHECK(memcg_receiver_remove(receiver, 77) == -ENOENT);
	CHECK(memcg_receiver_remove(receiver, -1) == -ENOENT);
	put_payload(ends[1], 0, 100); /* stays where it is */
	CHECK(!next_in(0));
	CHECK(memcg_receiver_add(receiver, ends[0], 10) == id);
	expect_bytes(10, 0, 100);
	put_payload(ends[1], 0, 100); /* nobody has looked: it is told, or stays */
	CHECK(!memcg_receiver_remove(receiver, id));
	next();
	if (got.bytes > 0) {
		memcg_frags_put(frags, got.frags);
		next();
	} else {
		CHECK(recv(ends[0], (char[100]){0}, 100, MSG_DONTWAIT) == 100);
	}
	CHECK(got.data == 10 && got.bytes == -ECANCELED && !next_in(0));
	close_ends();
	end();
}
BOTH(taken_out);

/* The program's descriptor goes, and its number is another connection's: the receiver's is not. */
static void closed_in_flight(void)
{
	int elsewhere[2], number;

	begin(8);
	open_ends(SOCK_STREAM);
	number = ends[0];
	CHECK(memcg_receiver_add(receiver, ends[0], 1) >= 0);
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, elsewhere));
	CHECK(dup2(elsewhere[0], number) == number);
	put_payload(elsewhere[1], 7, 50);
	put_payload(ends[1], 0, 20000);
	expect_bytes(1, 0, 20000);
	CHECK(!next_in(0) && recv(number, (char[50]){0}, 50, MSG_DONTWAIT) == 50);
	CHECK(!close(ends[1]));
	expect_last(1, 0);
	CHECK(!close(number) && !close(elsewhere[0]) && !close(elsewhere[1]));
	end();
}
BOTH(closed_in_flight);

/* A peer that resets: told, and the connection is no more. */
static void reset_by_the_peer(void)
{
	struct linger now = {.l_onoff = 1};

	begin(8);
	open_tcp();
	CHECK(memcg_receiver_add(receiver, ends[0], 3) >= 0);
	CHECK(!setsockopt(ends[1], SOL_SOCKET, SO_LINGER, &now, sizeof(now)) && !close(ends[1]));
	expect_last(3, -ECONNRESET);
	CHECK(!next_in(0) && !held(cg) && !close(ends[0]));
	end();
}
BOTH(reset_by_the_peer);

static void group_goes(void)
{
	struct memcg *child;
	struct memcg_frag kept;

	open_pool(0, 0);
	child = memcg_create(cg, "child");
	CHECK(child);
	receiver = receiver_of(child, 4);
	open_ends(SOCK_STREAM);
	CHECK(memcg_receiver_add(receiver, ends[0], 1) >= 0);
	put_payload(ends[1], 0, 100);
	next();
	kept = frags[0];
	CHECK(held(child) == MAX(provided(4), 4096ul) && sock(child) == held(child));
	CHECK(!memcg_destroy(child));
	CHECK(held(cg) == MAX(provided(4), 4096ul) && sock(cg) == held(cg));
	closes();
	put_payload(ends[1], 100, 50000);
	expect_bytes(1, 100, 50000);
	CHECK(sock(cg) == held(cg) && sock(cg));
	closes();
	memcg_frags_put(&kept, 1);
	close_ends();
	end();
}
BOTH(group_goes);

static void pool_goes(void)
{
	begin(2);
	open_ends(SOCK_STREAM);
	CHECK(memcg_receiver_add(receiver, ends[0], 1) >= 0);
	CHECK(!memcg_pool_destroy(pool));
	put_payload(ends[1], 0, 3 * 4096);
	if (by_ring()) /* what the system had is used up */
		expect_bytes(1, 0, 2 * 4096);
	CHECK(next_in(LONG) == -ESHUTDOWN);
	CHECK(!memcg_receiver_destroy(receiver) && !pool_at(1) && !held(cg) && !sock(cg));
	CHECK(recv(ends[0], (char[4096]){0}, 4096, MSG_DONTWAIT) == 4096);
	close_ends();
	closes();
}
BOTH(pool_goes);

/* Untold and unread at once: lost, and nothing of it stays charged. */
static void destroyed_in_flight(void)
{
	begin(8);
	open_ends(SOCK_STREAM);
	CHECK(memcg_receiver_add(receiver, ends[0], 1) >= 0);
	put_payload(ends[1], 0, 50000);
	CHECK(memcg_receiver_next(receiver, &got, sizeof(got), frags, 1, LONG) == 1);
	memcg_frags_put(frags, 1);
	end();
	close_ends();
}
BOTH(destroyed_in_flight);

/* Nothing is asked for any more, though somebody has the ring open: the child of a fork has. */
static void stopped_before_it_goes(void)
{
	struct sys_uring still;

	begin(8);
	open_ends(SOCK_STREAM);
	CHECK(!memcg_receiver_add(receiver, ends[0], 1) && !next_in(0));
	still = receiver->ring.u;
	still.fd = by_ring() ? dup(still.fd) : -1;
	end();
	put_payload(ends[1], 0, 100);
	if (still.fd >= 0)
		CHECK(!sys_uring_enter(&still, 0, false, 0) && !close(still.fd));
	CHECK(recv(ends[0], (char[100]){0}, 100, MSG_DONTWAIT) == 100);
	close_ends();
}
BOTH(stopped_before_it_goes);

static void *other_thread(void *arg)
{
	(void)arg;
	CHECK(next_in(0) == -EPERM && memcg_receiver_add(receiver, ends[0], 1) == -EPERM);
	CHECK(memcg_receiver_remove(receiver, 0) == -EPERM);
	return NULL;
}

static void *thread_with_a_receiver(void *arg)
{
	(void)arg;
	receiver = receiver_of(cg, 8);
	CHECK(memcg_receiver_add(receiver, ends[0], 1) >= 0);
	return NULL;
}

/* What is asked for ends with the thread; the payload is where it was. */
static void of_one_thread(void)
{
	pthread_t t;

	begin(8);
	open_ends(SOCK_STREAM);
	CHECK(!pthread_create(&t, NULL, other_thread, NULL) && !pthread_join(t, NULL));
	CHECK(!memcg_receiver_destroy(receiver));
	CHECK(!pthread_create(&t, NULL, thread_with_a_receiver, NULL) && !pthread_join(t, NULL));
	while (memcg_receiver_destroy(receiver))
		; /* on its way out of the system */
	put_payload(ends[1], 0, 100);
	CHECK(recv(ends[0], (char[100]){0}, 100, MSG_DONTWAIT) == 100);
	close_ends();
	all_is_back();
}
BOTH(of_one_thread);

static int asked_inside[3];

static size_t count_all(struct memcg *g, void *arg)
{
	(void)g;
	(void)arg;
	return 4096;
}

static size_t scan(struct memcg *g, size_t bytes, uint64_t deadline, void *arg)
{
	(void)g;
	(void)bytes;
	(void)deadline;
	(void)arg;
	asked_inside[0] = next_in(0);
	asked_inside[1] = memcg_receiver_add(receiver, ends[0], 1);
	asked_inside[2] = memcg_receiver_destroy(receiver);
	return 0;
}

static void not_from_inside(void)
{
	struct memcg_shrinker_config c = MEMCG_SHRINKER_CONFIG_INIT;
	struct memcg_frag kept[3];
	struct memcg_shrinker *s;

	begin(8);
	open_ends(SOCK_STREAM);
	CHECK(memcg_pool_alloc(pool, cg, kept, 3) == 3);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 3 * 4096));
	c.count = count_all;
	c.scan = scan;
	c.flags = MEMCG_SHRINK_INLINE;
	s = memcg_shrinker_register(cg, &c);
	CHECK(s);
	put_payload(ends[1], 0, 100);
	CHECK(memcg_receiver_add(receiver, ends[0], 1) >= 0 && next_in(LONG) == -ENOBUFS);
	for (unsigned i = 0; i < 3; i++)
		CHECK(asked_inside[i] == -EBUSY);
	memcg_shrinker_unregister(s);
	memcg_frags_put(kept, 3);
	close_ends();
	end();
}
BOTH(not_from_inside);

static void in_the_child_of_a_fork(void)
{
	pid_t child;
	int status;

	begin(8);
	open_ends(SOCK_STREAM);
	CHECK(memcg_receiver_add(receiver, ends[0], 1) >= 0);
	child = fork();
	if (!child) {
		CHECK(next_in(0) == -EPERM && !memcg_receiver_destroy(receiver));
		CHECK(!held(cg));
		_exit(0);
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child && !status);
	put_payload(ends[1], 0, 30000);
	expect_bytes(1, 0, 30000);
	close_ends();
	end();
}
BOTH(in_the_child_of_a_fork);

int main(void)
{
	const struct CMUnitTest tests[] = {
		TWO(taken_out),
		TWO(closed_in_flight),
		TWO(reset_by_the_peer),
		TWO(group_goes),
		TWO(pool_goes),
		TWO(destroyed_in_flight),
		TWO(stopped_before_it_goes),
		TWO(of_one_thread),
		TWO(not_from_inside),
		TWO(in_the_child_of_a_fork),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
