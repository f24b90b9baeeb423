/*
 * t_receiver.c - many connections read into one group's pages: what is told and when, and what is
 * charged for it.
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
		TWO(moved_when_it_is_full),
		TWO(in_a_loop),
		TWO(signalled),
		TWO(refused),
		TWO(more_than_the_ring_holds),
		TWO(from_four_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
