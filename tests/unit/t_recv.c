/*
 * t_recv.c - payload into pages that are paid for: what comes, what goes back, what is refused,
 * and what a thread has that sleeps.
 */
#include "net_fixture.h"

#include <sched.h>
#include <sys/syscall.h>

#include "sys/fault.h"

static void whole_pages_side_by_side(void)
{
	struct memcg_frag f[20];

	open_pool(0, 0);
	open_ends(SOCK_STREAM);
	put_payload(ends[1], 0, 10 * 4096 + 100);
	CHECK(memcg_pool_recv(pool, ends[0], cg, f, 20, 0) == 10 * 4096 + 100);
	CHECK(holds_payload(f, 20, 0) == 10 * 4096 + 100 && f[10].length == 100);
	CHECK(!f[11].page && !f[11].length && !f[19].page);
	for (unsigned i = 1; i < 11; i++)
		CHECK(bytes_of(&f[i]) == bytes_of(&f[0]) + i * 4096);
	CHECK(held(cg) == 11 * 4096 && sock(cg) == 11 * 4096 && pool_stat().out == 11);
	closes();
	memcg_frags_put(f, 20);
	close_ends();
	all_is_back();
}

static void end_error_and_nothing(void)
{
	struct memcg_frag f[4];

	open_pool(0, 0);
	open_ends(SOCK_STREAM);
	CHECK(memcg_pool_recv(pool, ends[0], cg, f, 4, MSG_DONTWAIT) == -EAGAIN && !f[0].page);
	CHECK(!fcntl(ends[0], F_SETFL, O_NONBLOCK));
	CHECK(memcg_pool_recv(pool, ends[0], cg, f, 4, 0) == -EAGAIN);
	CHECK(!held(cg) && !pool_stat().out);
	sys_fault_arm(SYS_FAULT_RECV, 1, 0, 0, 0);
	CHECK(memcg_pool_recv(pool, ends[0], cg, f, 4, 0) == -ECONNRESET);
	sys_fault_disarm_all();
	CHECK(!close(ends[1]) && !memcg_pool_recv(pool, ends[0], cg, f, 4, 0) && !f[0].page);
	CHECK(!close(ends[0]));
	CHECK(memcg_pool_recv(pool, ends[0], cg, f, 4, 0) == -EBADF);
	all_is_back();
}

static void refused_flags(void)
{
	struct memcg_frag f[2];
	struct msghdr m = {0};

	open_pool(0, 0);
	open_ends(SOCK_STREAM);
	put_payload(ends[1], 0, 10);
	CHECK(memcg_pool_recv(NULL, ends[0], cg, f, 2, 0) == -EINVAL);
	CHECK(memcg_pool_recv(pool, ends[0], cg, NULL, 2, 0) == -EINVAL);
	CHECK(memcg_pool_recv(pool, ends[0], cg, f, 0, 0) == -EINVAL);
	CHECK(memcg_pool_recv(pool, ends[0], cg, f, 2, MSG_TRUNC) == -EINVAL);
	CHECK(memcg_pool_recv(pool, ends[0], cg, f, 2, MSG_ERRQUEUE) == -EINVAL);
	CHECK(memcg_pool_recv(pool, ends[0], cg, f, 2, 1 << 30) == -EINVAL);
	CHECK(memcg_pool_recvmsg(pool, ends[0], cg, NULL, f, 2, 0) == -EINVAL);
	CHECK(memcg_pool_recvmsg(pool, ends[0], cg, &m, f, 2, MSG_TRUNC) == -EINVAL);
	CHECK(memcg_pool_recvmsg(pool, ends[0], cg, &m, f, 2, MEMCG_RECV_STREAM) == -EINVAL);
	CHECK(memcg_pool_recv(pool, ends[0], cg, f, 2, MSG_DONTWAIT) == 10);
	memcg_frags_put(f, 1);
	close_ends();
	all_is_back();
}

/* The payload stays in the socket as long as it cannot be paid for. */
static void over_max(void)
{
	struct memcg_frag f[8], g[8];

	open_pool(0, 0);
	open_ends(SOCK_STREAM);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 3 * 4096));
	put_payload(ends[1], 0, 6 * 4096);
	CHECK(memcg_pool_recv(pool, ends[0], cg, f, 8, 0) == 3 * 4096);
	CHECK(memcg_pool_recv(pool, ends[0], cg, g, 8, 0) == -ENOBUFS && !g[0].page);
	CHECK(throttled(cg) == 1 && held(cg) == 3 * 4096 && pool_stat().refused == 1);
	memcg_frags_put(f, 2);
	CHECK(held(cg) == 4096); /* what CPUs keep of it counts against its max */
	CHECK(memcg_pool_recv(pool, ends[0], cg, g, 8, 0) == 2 * 4096);
	CHECK(holds_payload(g, 8, 3 * 4096) == 2 * 4096);
	CHECK(memcg_pool_recv(pool, ends[0], other, f, 2, 0) == 4096);
	CHECK(holds_payload(f, 1, 5 * 4096) == 4096 && held(other) == 4096);
	memcg_frags_put(f, 8);
	memcg_frags_put(g, 8);
	close_ends();
	all_is_back();
}

/* What cannot be had is not refused: an end, an error, and nothing, are told as under any max. */
static void nothing_to_refuse(void)
{
	struct memcg_frag f[4];

	open_pool(0, 0);
	open_ends(SOCK_STREAM);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 0));
	CHECK(memcg_pool_recv(pool, ends[0], cg, f, 4, MSG_DONTWAIT) == -EAGAIN);
	CHECK(memcg_pool_recv(pool, ends[0], cg, f, 4, MSG_WAITALL | MSG_DONTWAIT) == -EAGAIN);
	CHECK(memcg_pool_recv(pool, -1, cg, f, 4, 0) == -EBADF);
	put_payload(ends[1], 0, 3);
	CHECK(!throttled(cg) && !pool_stat().refused);
	CHECK(memcg_pool_recv(pool, ends[0], cg, f, 4, 0) == -ENOBUFS && throttled(cg) == 1);
	CHECK(recv(ends[0], f, 4, MSG_DONTWAIT) == 3 && !close(ends[1]));
	CHECK(!memcg_pool_recv(pool, ends[0], cg, f, 4, 0) && !close(ends[0]));
	CHECK(throttled(cg) == 1 && pool_stat().refused == 1);
	all_is_back();
}

/* The pool has no page for it: the same. */
static void nothing_to_refuse_in_the_pool(void)
{
	struct memcg_frag mine, f[4];

	open_pool(0, 4096);
	open_ends(SOCK_STREAM);
	CHECK(memcg_pool_alloc(pool, other, &mine, 1) == 1);
	CHECK(memcg_pool_recv(pool, ends[0], cg, f, 4, MSG_DONTWAIT) == -EAGAIN);
	CHECK(!close(ends[1]) && !memcg_pool_recv(pool, ends[0], cg, f, 4, 0));
	CHECK(!throttled(cg) && !pool_stat().refused && !close(ends[0]));
	memcg_frags_put(&mine, 1);
	all_is_back();
}

static unsigned asked; /* whether there is something to shrink: this thread's */

static size_t ask(struct memcg *of, void *arg)
{
	(void)of;
	(void)arg;
	asked++;
	return 4096;
}

static size_t shrink_nothing(struct memcg *of, size_t bytes, uint64_t deadline_ns, void *arg)
{
	(void)of;
	(void)bytes;
	(void)deadline_ns;
	(void)arg;
	return 0;
}

/* Who polls a socket that has nothing makes nobody give memory back; who could read does. */
static void nothing_to_reclaim_for(void)
{
	struct memcg_shrinker_config c = MEMCG_SHRINKER_CONFIG_INIT;
	struct memcg_shrinker *s;
	struct memcg_frag mine, f[4];

	open_pool(0, 0);
	open_ends(SOCK_STREAM);
	c.count = ask;
	c.scan = shrink_nothing;
	c.flags = MEMCG_SHRINK_INLINE;
	CHECK((s = memcg_shrinker_register(cg, &c)));
	CHECK(memcg_pool_alloc(pool, cg, &mine, 1) == 1 && !memcg_set_limit(cg, MEMCG_MAX, 4096));
	asked = 0;
	CHECK(memcg_pool_recv(pool, ends[0], cg, f, 4, MSG_DONTWAIT) == -EAGAIN && !asked);
	put_payload(ends[1], 0, 1);
	CHECK(memcg_pool_recv(pool, ends[0], cg, f, 4, MSG_DONTWAIT) == -ENOBUFS && asked);
	memcg_shrinker_unregister(s);
	memcg_frags_put(&mine, 1);
	close_ends();
	all_is_back();
}

static void peeked_and_whole(void)
{
	struct memcg_frag f[2], g[2];

	open_pool(0, 0);
	open_ends(SOCK_STREAM);
	put_payload(ends[1], 0, 5000);
	CHECK(memcg_pool_recv(pool, ends[0], cg, f, 2, MSG_PEEK) == 5000);
	CHECK(memcg_pool_recv(pool, ends[0], cg, g, 2, 0) == 5000);
	CHECK(holds_payload(f, 2, 0) == 5000 && holds_payload(g, 2, 0) == 5000);
	CHECK(g[0].page == f[1].page && held(cg) == 3 * 4096);
	memcg_frags_put(f, 2);
	memcg_frags_put(g, 2);
	close_ends();
	all_is_back();
}

static void from_a_pipe(void)
{
	struct memcg_frag f[3];
	int fd[2];

	open_pool(0, 0);
	CHECK(!pipe(fd) && write(fd[1], "hello", 5) == 5);
	CHECK(memcg_pool_recv(pool, fd[0], cg, f, 3, MSG_DONTWAIT) == -ENOTSOCK);
	CHECK(memcg_pool_recv(pool, fd[0], cg, f, 3, 0) == 5 && !memcmp(bytes_of(f), "hello", 5));
	memcg_frags_put(f, 3);
	CHECK(write(fd[1], "there", 5) == 5);
	CHECK(memcg_pool_recv(pool, fd[0], cg, f, 3, MEMCG_RECV_STREAM) == 5);
	CHECK(!memcmp(bytes_of(f), "there", 5) && held(cg) == 4096 && !close(fd[1]));
	CHECK(!memcg_pool_recv(pool, fd[0], cg, f + 1, 2, 0) && !close(fd[0]));
	memcg_frags_put(f, 3);
	all_is_back();
}

/* ---- sleeping ---- */

struct sleeper {
	pthread_t thread;
	struct memcg_frag f[8];
	ssize_t got;
	int flags;
	pid_t tid;
};

static void *sleep_in_recv(void *arg)
{
	struct sleeper *s = arg;

	__atomic_store_n(&s->tid, gettid(), __ATOMIC_RELEASE);
	s->got = memcg_pool_recv(pool, ends[0], cg, s->f, 8, s->flags);
	return NULL;
}

/* The thread is in recvmsg, asleep: number of the call and state, from the system. */
static bool asleep(pid_t tid)
{
	char path[64], text[256] = "";
	FILE *f;
	long call = -1;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
	f = fopen(path, "r");
	CHECK(f);
	if (fgets(text, sizeof(text), f))
		(void)!sscanf(text, "%ld", &call);
	fclose(f);
	return call == SYS_recvmsg; /* "running" where it does not sleep */
}

static void start(struct sleeper *s, int flags)
{
	s->flags = flags;
	s->tid = 0;
	CHECK(!pthread_create(&s->thread, NULL, sleep_in_recv, s));
	while (!__atomic_load_n(&s->tid, __ATOMIC_ACQUIRE) || !asleep(s->tid))
		sched_yield();
}

/* Nothing is charged for who has nothing; a grace period and a destruction pass by. */
static void a_sleeper_has_nothing(void)
{
	struct sleeper s;

	open_pool(0, 0);
	open_ends(SOCK_STREAM);
	start(&s, 0);
	CHECK(!held(cg) && !pool_stat().out);
	rcu_synchronize();
	memcg_reclaim(memcg_root(), MIB);
	put_payload(ends[1], 0, 4000);
	CHECK(!pthread_join(s.thread, NULL) && s.got == 4000);
	CHECK(holds_payload(s.f, 8, 0) == 4000 && held(cg) == 4096);
	memcg_frags_put(s.f, 8);
	start(&s, 0);
	CHECK(!shutdown(ends[1], SHUT_WR) && !pthread_join(s.thread, NULL) && !s.got);
	close_ends();
	all_is_back();
}

static void wait_for_all(void)
{
	struct sleeper s;

	open_pool(0, 0);
	open_ends(SOCK_STREAM);
	put_payload(ends[1], 0, 5000);
	start(&s, MSG_WAITALL);
	CHECK(held(cg) == 8 * 4096); /* in hand */
	rcu_synchronize();
	put_payload(ends[1], 5000, 8 * 4096 - 5000 + 10);
	CHECK(!pthread_join(s.thread, NULL) && s.got == 8 * 4096);
	CHECK(holds_payload(s.f, 8, 0) == 8 * 4096);
	memcg_frags_put(s.f, 8);
	close_ends();
	all_is_back();
}

/* At its max a thread sleeps as any other, and is refused when there is something. */
static void a_sleeper_at_max(void)
{
	struct memcg_frag mine;
	struct sleeper s;

	open_pool(0, 0);
	open_ends(SOCK_STREAM);
	CHECK(memcg_pool_alloc(pool, cg, &mine, 1) == 1 && !memcg_set_limit(cg, MEMCG_MAX, 4096));
	start(&s, 0);
	put_payload(ends[1], 0, 7);
	CHECK(!pthread_join(s.thread, NULL) && s.got == -ENOBUFS && throttled(cg) == 1);
	CHECK(recv(ends[0], &s.f, 7, 0) == 7);
	start(&s, MSG_WAITALL);
	memcg_frags_put(&mine, 1);
	put_payload(ends[1], 0, 4096);
	CHECK(!pthread_join(s.thread, NULL) && s.got == 4096 && throttled(cg) == 1);
	memcg_frags_put(s.f, 8);
	close_ends();
	all_is_back();
}

/* The program's own peeks go on where they were, whoever has slept by peeking. */
static void programs_peek_offset(void)
{
	struct sleeper s;
	int offset = 0;
	socklen_t size = sizeof(offset);
	char two[2];

	open_pool(0, 0);
	open_ends(SOCK_STREAM);
	CHECK(!setsockopt(ends[0], SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset)));
	start(&s, MSG_PEEK);
	put_payload(ends[1], 0, 5);
	CHECK(!pthread_join(s.thread, NULL) && s.got == 5 && holds_payload(s.f, 8, 0) == 5);
	memcg_frags_put(s.f, 8);
	CHECK(!getsockopt(ends[0], SOL_SOCKET, SO_PEEK_OFF, &offset, &size) && offset == 5);
	CHECK(recv(ends[0], two, 2, 0) == 2);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 0)); /* it is looked at where the read begins */
	CHECK(memcg_pool_recv(pool, ends[0], cg, s.f, 8, MSG_DONTWAIT) == -ENOBUFS);
	CHECK(memcg_pool_recv(pool, ends[0], cg, s.f, 8, MSG_PEEK | MSG_DONTWAIT) == -EAGAIN);
	CHECK(!getsockopt(ends[0], SOL_SOCKET, SO_PEEK_OFF, &offset, &size) && offset == 3);
	close_ends();
	all_is_back();
}

static void noted(int number)
{
	(void)number;
}

static void interrupted(void)
{
	struct sigaction act = {.sa_handler = noted};
	struct sleeper s;

	open_pool(0, 0);
	open_ends(SOCK_STREAM);
	CHECK(!sigaction(SIGUSR1, &act, NULL));
	start(&s, 0);
	CHECK(!pthread_kill(s.thread, SIGUSR1));
	CHECK(!pthread_join(s.thread, NULL) && s.got == -EINTR);
	start(&s, MSG_WAITALL);
	CHECK(!pthread_kill(s.thread, SIGUSR1));
	CHECK(!pthread_join(s.thread, NULL) && s.got == -EINTR);
	close_ends();
	all_is_back();
}

/* The pool goes while a thread sleeps with its pages: they come home, and it goes last. */
static void destroyed_meanwhile(void)
{
	struct sleeper s;

	open_pool(0, 0);
	open_ends(SOCK_STREAM);
	start(&s, MSG_WAITALL);
	CHECK(!memcg_pool_destroy(pool));
	put_payload(ends[1], 0, 8 * 4096);
	CHECK(!pthread_join(s.thread, NULL) && s.got == 8 * 4096);
	CHECK(holds_payload(s.f, 8, 0) == 8 * 4096 && held(cg) == 8 * 4096);
	memcg_frags_put(s.f, 8);
	CHECK(!held(cg) && !pool_at(1));
	CHECK((pool = memcg_pool_create(NULL)));
	start(&s, MSG_WAITALL);
	CHECK(!memcg_pool_destroy(pool) && !shutdown(ends[1], SHUT_WR));
	CHECK(!pthread_join(s.thread, NULL) && !s.got && !held(cg) && !pool_at(1));
	close_ends();
	closes();
}

/* Who has nothing does not find the pool again, nor another that is where it was. */
static void destroyed_while_nothing_is_taken(void)
{
	struct sleeper s;
	char byte;

	open_pool(0, 0);
	open_ends(SOCK_STREAM);
	for (unsigned again = 0; again < 2; again++) {
		start(&s, 0);
		CHECK(!memcg_pool_destroy(pool));
		CHECK((pool = memcg_pool_create(NULL)) && pool_at(1) == pool);
		put_payload(ends[1], 0, 1);
		CHECK(!pthread_join(s.thread, NULL) && s.got == -ESHUTDOWN && !s.f[0].page);
		CHECK(!pool_stat().out && !held(cg));
		CHECK(recv(ends[0], &byte, 1, MSG_DONTWAIT) == 1); /* it is where it was */
	}
	close_ends();
	all_is_back();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(whole_pages_side_by_side),
		PAGE_TEST(end_error_and_nothing),
		PAGE_TEST(refused_flags),
		PAGE_TEST(over_max),
		PAGE_TEST(nothing_to_refuse),
		PAGE_TEST(nothing_to_refuse_in_the_pool),
		PAGE_TEST(nothing_to_reclaim_for),
		PAGE_TEST(peeked_and_whole),
		PAGE_TEST(from_a_pipe),
		PAGE_TEST(a_sleeper_has_nothing),
		PAGE_TEST(wait_for_all),
		PAGE_TEST(a_sleeper_at_max),
		PAGE_TEST(programs_peek_offset),
		PAGE_TEST(interrupted),
		PAGE_TEST(destroyed_meanwhile),
		PAGE_TEST(destroyed_while_nothing_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
