/*
 * t_receiver.c - many connections read into one group's pages: what is told and when, what is
 * charged for it, and what happens to it when sockets, groups, pools and threads go.
 */
#include "receiver_fixture.h"

#include <sys/time.h>

#include "net/receiver.h"
#include "reclaim/owed.h"
#include "sys/fault.h"

static void told_in_order(void)
{
	int other_ends[2], a, b;

	begin(8);
	open_ends(SOCK_STREAM);
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, other_ends));
	a = memcg_receiver_add(receiver, ends[0], 71);
	b = memcg_receiver_add(receiver, other_ends[0], 72);
	CHECK(a >= 0 && b >= 0 && a != b);
	CHECK(held(cg) == provided(8) && sock(cg) == provided(8));
	CHECK(pool_stat().out == provided(8) / 4096);
	closes();
	CHECK(!next_in(0));
	for (u64 at = 0; at < 300000; at += 30000) {
		put_payload(ends[1], at, 30000);
		expect_bytes(71, at, 30000);
	}
	CHECK((u32)a == got.id);
	put_payload(other_ends[1], 5, 5000);
	expect_bytes(72, 5, 5000);
	closes();
	CHECK(!close(other_ends[1]));
	expect_last(72, 0);
	CHECK(memcg_receiver_remove(receiver, b) == -ENOENT);
	CHECK(!close(ends[1]));
	expect_last(71, 0);
	CHECK(!next_in(0) && !held(cg) && !pool_stat().out); /* no connection, no page */
	CHECK(!close(ends[0]) && !close(other_ends[0]));
	end();
}
BOTH(told_in_order);

static void small_reads_share_a_page(void)
{
	struct memcg_page *pages[10];
	struct memcg_frag kept[10];

	begin(8);
	open_ends(SOCK_STREAM);
	CHECK(memcg_receiver_add(receiver, ends[0], 1) >= 0);
	for (u64 i = 0; i < 10; i++) {
		put_payload(ends[1], i * 100, 100);
		next();
		CHECK(got.bytes == 100 && got.frags == 1);
		CHECK(holds_payload(frags, 1, i * 100) == 100);
		kept[i] = frags[0];
		pages[i] = frags[0].page;
		CHECK(pages[i] == pages[0]);
	}
	CHECK(held(cg) == MAX(provided(8), 4096ul) && sock(cg) == held(cg));
	closes();
	if (by_ring()) /* the system may still write behind what is out */
		CHECK(memcg_frag_recharge(&kept[9], other) == -EBUSY);
	CHECK(holds_payload(kept, 10, 0) == 1000);
	CHECK(!memcg_receiver_destroy(receiver));
	CHECK(held(cg) == 4096 && sock(cg) == 4096 && pool_stat().out == 1);
	closes();
	memcg_frags_put(kept, 9);
	CHECK(!memcg_frag_recharge(&kept[9], other) && held(other) == 4096 && !held(cg));
	memcg_frags_put(kept + 9, 1);
	close_ends();
	all_is_back();
}
BOTH(small_reads_share_a_page);

/* A page that the system may still write to is not moved with an address space it is seen in. */
static void moved_when_it_is_full(void)
{
	struct memcg_move m;
	struct memcg_frag kept;
	struct memcg_mm *mm;
	char *at;

	begin(2);
	open_ends(SOCK_STREAM);
	CHECK((mm = memcg_mm_create(cg)) && !memcg_receiver_add(receiver, ends[0], 1));
	put_payload(ends[1], 0, 100);
	next();
	kept = frags[0];
	CHECK((at = memcg_frags_map(mm, &kept, 1)));
	CHECK(!memcg_mm_move(mm, other, MEMCG_MOVE_ANON, &m, sizeof(m)));
	CHECK(sock(other) == (by_ring() ? 0 : 4096) && (m.busy == 4096) == by_ring());
	CHECK(!memcg_mm_move(mm, cg, MEMCG_MOVE_ANON, &m, sizeof(m)));
	put_payload(ends[1], 100, 2 * 4096);
	expect_bytes(1, 100, 2 * 4096);
	CHECK(!memcg_mm_move(mm, other, MEMCG_MOVE_ANON, &m, sizeof(m)) && sock(other) == 4096);
	closes();
	CHECK(!memcg_munmap(mm, at, 4096));
	memcg_mm_destroy(mm);
	memcg_frags_put(&kept, 1);
	close_ends();
	end();
}
BOTH(moved_when_it_is_full);

/* More than there is room for in the fragments: the rest comes with the next calls. */
static void few_fragments(void)
{
	size_t done = 0;

	begin(16);
	open_ends(SOCK_STREAM);
	put_payload(ends[1], 0, 40000);
	CHECK(memcg_receiver_add(receiver, ends[0], 1) >= 0);
	while (done < 40000) {
		CHECK(is_readable(memcg_receiver_fd(receiver), LONG));
		CHECK(memcg_receiver_next(receiver, &got, sizeof(got), frags, 2, LONG) == 1);
		CHECK(got.frags <= 2 && got.bytes > 0);
		CHECK(holds_payload(frags, got.frags, done) == (size_t)got.bytes);
		memcg_frags_put(frags, got.frags);
		done += (size_t)got.bytes;
	}
	CHECK(done == 40000 && !next_in(0));
	close_ends();
	end();
}
BOTH(few_fragments);

static void over_max(void)
{
	struct memcg_frag kept[16];
	size_t n = 0, bytes = 0;

	begin(2);
	open_ends(SOCK_STREAM);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 4 * 4096));
	put_payload(ends[1], 0, 8 * 4096);
	CHECK(memcg_receiver_add(receiver, ends[0], 1) >= 0);
	while (bytes < 4 * 4096) {
		next();
		memcpy(kept + n, frags, got.frags * sizeof(*frags));
		n += got.frags;
		bytes += (size_t)got.bytes;
	}
	CHECK(bytes == 4 * 4096 && held(cg) == 4 * 4096);
	CHECK(next_in(LONG) == -ENOBUFS && throttled(cg) >= 1 && pool_stat().refused >= 1);
	CHECK(is_readable(memcg_receiver_fd(receiver), LONG)); /* it waits to be read */
	CHECK(next_in(0) == -ENOBUFS && held(cg) == 4 * 4096 && sock(cg) == 4 * 4096);
	closes();
	CHECK(holds_payload(kept, n, 0) == bytes);
	memcg_frags_put(kept, n);
	expect_bytes(1, bytes, 4 * 4096);
	CHECK(!next_in(0));
	close_ends();
	end();
}
BOTH(over_max);

/* Raised under what is there: the rest is received; lowered: what the system has stays. */
static void limit_changes(void)
{
	begin(4);
	open_ends(SOCK_STREAM);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 0));
	CHECK(memcg_receiver_add(receiver, ends[0], 1) >= 0 && !held(cg));
	put_payload(ends[1], 0, 30000);
	CHECK(is_readable(memcg_receiver_fd(receiver), LONG) && next_in(LONG) == -ENOBUFS);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, MEMCG_UNLIMITED));
	expect_bytes(1, 0, 30000);
	CHECK(!next_in(0) && held(cg) <= provided(4));
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 0) && held(cg) <= provided(4));
	closes();
	close_ends();
	end();
}
BOTH(limit_changes);

static int window(int fd)
{
	int size;
	socklen_t len = sizeof(size);

	CHECK(!getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, &len));
	return size;
}

static void over_high(void)
{
	struct memcg_frag kept[3];
	struct task *self;
	u64 owed = 0;
	unsigned begun = 0, rises = 0;
	int before;

	begin(4);
	open_tcp();
	before = window(ends[0]);
	CHECK(!memcg_set_limit(cg, MEMCG_HIGH, 4096));
	CHECK(memcg_pool_alloc(pool, cg, kept, 3) == 3);
	CHECK(memcg_receiver_add(receiver, ends[0], 1) >= 0);
	CHECK(held(cg) == 3 * 4096 + (by_ring() ? 4096 : 0));
	put_payload(ends[1], 0, 20000);
	self = task_self();
	self->owed = 0;
	self->high_bytes = 0;
	for (u64 done = 0; done < 20000; done += (u64)got.bytes) {
		next();
		CHECK(got.bytes > 0 && got.bytes <= 4096 && window(ends[0]) < before);
		begun += !frags[0].offset;
		rises += self->high_bytes > owed;
		owed = self->high_bytes;
		CHECK(holds_payload(frags, got.frags, done) == (size_t)got.bytes);
		memcg_frags_put(frags, got.frags);
	}
	CHECK(held(cg) <= 4 * 4096 && throttled(cg) >= 5 && self->owed & OWED_HIGH);
	CHECK(begun >= 5 && rises + 1 >= begun); /* the ring's first was before */
	self->owed = 0;
	memcg_frags_put(kept, 3);
	CHECK(!memcg_set_limit(cg, MEMCG_HIGH, MEMCG_UNLIMITED));
	put_payload(ends[1], 0, 10);
	expect_bytes(1, 0, 10);
	CHECK(window(ends[0]) == before);
	close_ends();
	end();
}
BOTH(over_high);

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

/* ---- the program's own loop ---- */

static void in_a_loop(void)
{
	int fd;

	begin(8);
	open_ends(SOCK_STREAM);
	fd = memcg_receiver_fd(receiver);
	CHECK(memcg_receiver_add(receiver, ends[0], 1) >= 0 && !next_in(0));
	CHECK(!is_readable(fd, 0));
	for (u64 i = 0; i < 20; i++) {
		put_payload(ends[1], i * 5000, 5000);
		CHECK(is_readable(fd, LONG));
		expect_bytes(1, i * 5000, 5000);
	}
	CHECK(!next_in(0) && !is_readable(fd, 0));
	CHECK(!next_in(1)); /* it does end */
	close_ends();
	end();
}
BOTH(in_a_loop);

static void noted(int number)
{
	(void)number;
}

/* Again and again: one of them finds it asleep. */
static void signalled(void)
{
	struct itimerval often = {{0, 5000}, {0, 5000}}, never = {0};
	struct sigaction act = {.sa_handler = noted};

	begin(8);
	open_ends(SOCK_STREAM);
	CHECK(!memcg_receiver_add(receiver, ends[0], 1));
	CHECK(!sigaction(SIGALRM, &act, NULL) && !setitimer(ITIMER_REAL, &often, NULL));
	CHECK(next_in(-1) == -EINTR && next_in(LONG) == -EINTR);
	CHECK(!setitimer(ITIMER_REAL, &never, NULL));
	put_payload(ends[1], 0, 100);
	expect_bytes(1, 0, 100);
	close_ends();
	end();
}
BOTH(signalled);

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

/* ---- refused ---- */

static void refused(void)
{
	struct memcg_receiver_config c = MEMCG_RECEIVER_CONFIG_INIT;
	int fd[2];

	begin(8);
	c.flags = 1u << 30;
	CHECK(!memcg_receiver_create(pool, cg, &c) && errno == EINVAL);
	c.flags = way;
	c.pages = 257;
	CHECK(!memcg_receiver_create(pool, cg, &c) && errno == EINVAL);
	CHECK(!memcg_receiver_create(NULL, cg, NULL) && errno == EINVAL);
	sys_fault_arm(SYS_FAULT_POLL, 1, 0, 0, 0);
	CHECK(!memcg_receiver_create(pool, cg, NULL) && errno == EMFILE);
	sys_fault_arm(SYS_FAULT_POLL, 2, 0, 0, 0);
	CHECK(!memcg_receiver_create(pool, cg, NULL) && errno == ENOSPC);
	sys_fault_disarm_all();
	CHECK(memcg_receiver_fd(NULL) == -EINVAL && !memcg_receiver_destroy(NULL));
	CHECK(memcg_receiver_next(NULL, &got, sizeof(got), frags, 1, 0) == -EINVAL);
	CHECK(memcg_receiver_next(receiver, &got, sizeof(got), frags, 0, 0) == -EINVAL);
	CHECK(!pipe(fd) && memcg_receiver_add(receiver, fd[0], 1) == -ENOTSOCK);
	CHECK(memcg_receiver_add(receiver, -1, 1) == -EBADF);
	open_ends(SOCK_DGRAM);
	CHECK(memcg_receiver_add(receiver, ends[0], 1) == -EPROTOTYPE);
	close_ends();
	open_ends(SOCK_STREAM);
	sys_fault_arm(SYS_FAULT_DUP, 1, 0, 0, 0);
	CHECK(memcg_receiver_add(receiver, ends[0], 1) == -EMFILE);
	sys_fault_disarm_all();
	CHECK(memcg_receiver_add(receiver, ends[0], 1) == 0);
	close_ends();
	end();
}
BOTH(refused);

/* ---- what systems lack, or refuse ---- */

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

/* ---- many, at once ---- */

#define MANY 150

/* More completions than their ring holds; every one is told, once. */
static void more_than_the_ring_holds(void)
{
	static int many[MANY][2];
	static unsigned seen[MANY];

	begin(8);
	for (int i = 0; i < MANY; i++) {
		CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, many[i]));
		put_payload(many[i][1], (u64)i, 100);
		CHECK(memcg_receiver_add(receiver, many[i][0], (u64)i) == i);
	}
	for (unsigned told = 0; told < MANY; told++) {
		CHECK(next_in(0) == 1); /* without waiting */
		CHECK(got.bytes == 100 && !seen[got.data]++);
		CHECK(holds_payload(frags, got.frags, got.data) == 100);
		memcg_frags_put(frags, got.frags);
	}
	CHECK(!next_in(0));
	for (int i = 0; i < MANY; i++)
		CHECK(!close(many[i][1]));
	for (unsigned told = 0; told < MANY; told++) {
		next();
		CHECK(!got.bytes && seen[got.data]-- == 1);
	}
	for (int i = 0; i < MANY; i++)
		CHECK(!close(many[i][0]));
	end();
}
BOTH(more_than_the_ring_holds);

#define SENDERS 4

struct sender {
	pthread_t thread;
	int ends[2];
	u64 bytes, at;
};

static void *send_all(void *arg)
{
	struct sender *s = arg;
	unsigned seed = (unsigned)s->ends[0];

	for (u64 at = 0, n; at < s->bytes; at += n) {
		n = (u64)rand_r(&seed) % (rand_r(&seed) % 4 ? 200 : 40000) + 1;
		n = MIN(n, s->bytes - at);
		put_payload(s->ends[1], at, n);
	}
	CHECK(!shutdown(s->ends[1], SHUT_WR));
	return NULL;
}

/* Whatever comes, in whatever pieces, while the limit changes and pages are kept for a while. */
static void from_four_threads(void)
{
	struct sender s[SENDERS] = {0};
	struct memcg_frag kept[FRAGS];
	size_t kept_n = 0;
	unsigned turns = 0, ends_told = 0;
	int err;

	begin(16);
	for (unsigned i = 0; i < SENDERS; i++) {
		s[i].bytes = effort(2000000);
		CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, s[i].ends));
		CHECK(memcg_receiver_add(receiver, s[i].ends[0], i) >= 0);
		CHECK(!pthread_create(&s[i].thread, NULL, send_all, &s[i]));
	}
	while (ends_told < SENDERS) {
		CHECK(!memcg_set_limit(cg, MEMCG_MAX, turns++ % 7 ? MEMCG_UNLIMITED : 5 * 4096));
		err = next_in(LONG);
		CHECK(err == 1 || err == -ENOBUFS);
		memcg_frags_put(kept, kept_n);
		kept_n = 0;
		if (err != 1)
			continue;
		CHECK(got.bytes >= 0);
		ends_told += !got.bytes;
		CHECK(holds_payload(frags, got.frags, s[got.data].at) == (size_t)got.bytes);
		s[got.data].at += (u64)got.bytes;
		kept_n = got.frags;
		memcpy(kept, frags, kept_n * sizeof(*kept));
	}
	memcg_frags_put(kept, kept_n);
	for (unsigned i = 0; i < SENDERS; i++) {
		CHECK(!pthread_join(s[i].thread, NULL) && s[i].at == s[i].bytes);
		CHECK(!close(s[i].ends[0]) && !close(s[i].ends[1]));
	}
	end();
}
BOTH(from_four_threads);

int main(void)
{
	const struct CMUnitTest tests[] = {
		TWO(told_in_order),
		TWO(small_reads_share_a_page),
		TWO(few_fragments),
		TWO(over_max),
		TWO(limit_changes),
		TWO(over_high),
		TWO(taken_out),
		TWO(closed_in_flight),
		TWO(reset_by_the_peer),
		TWO(group_goes),
		TWO(pool_goes),
		TWO(destroyed_in_flight),
		TWO(stopped_before_it_goes),
		TWO(moved_when_it_is_full),
		TWO(in_a_loop),
		TWO(signalled),
		TWO(of_one_thread),
		TWO(not_from_inside),
		TWO(in_the_child_of_a_fork),
		TWO(refused),
		TWO(whole_pages_only),
		TWO(one_buffer_at_a_time),
		TWO(no_ring),
		TWO(not_emptied),
		TWO(interrupted),
		TWO(more_than_the_ring_holds),
		TWO(from_four_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
