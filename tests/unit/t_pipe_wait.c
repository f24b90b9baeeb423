/* t_pipe_wait.c - pipes: who waits, by a descriptor or in a call, and threads at both ends. */
#include "pipe_fixture.h"

#include <poll.h>
#include <sys/syscall.h>

/* --- descriptors ----------------------------------------------------------------------- */

static bool readable(int fd)
{
	struct pollfd at = {.fd = fd, .events = POLLIN};

	return poll(&at, 1, 0) == 1 && at.revents == POLLIN;
}

static void descriptors_follow(void)
{
	struct memcg_pipe *p, *q;
	int r, w;

	set_up();
	p = new_pipe(2, NB), q = new_pipe(2, NB);
	r = memcg_pipe_eventfd(p, MEMCG_PIPE_READ);
	w = memcg_pipe_eventfd(p, MEMCG_PIPE_WRITE);
	CHECK(r >= 0 && w >= 0 && r != w && memcg_pipe_eventfd(p, MEMCG_PIPE_READ) == r);
	CHECK(!readable(r) && readable(w));
	writes(p, 0, 10);
	CHECK(readable(r) && readable(w));
	writes(p, 0, PAGE_SIZE);
	CHECK(readable(r) && !readable(w));
	CHECK(memcg_pipe_read(p, out, 10) == 10 && readable(r) && readable(w));
	CHECK(memcg_pipe_read(p, out, PAGE_SIZE) == PAGE_SIZE && !readable(r) && readable(w));
	writes(q, 0, 2 * PAGE_SIZE);
	CHECK(memcg_pipe_tee(q, p, SIZE_MAX) == 2 * PAGE_SIZE && readable(r) && !readable(w));
	memcg_pipe_destroy(q);
	memcg_page_put(steals(p, 0, 0, PAGE_SIZE));
	CHECK(readable(r) && readable(w));
	memcg_page_put(steals(p, PAGE_SIZE, 0, PAGE_SIZE));
	CHECK(!readable(r) && readable(w));
	CHECK(!memcg_pipe_close(p, MEMCG_PIPE_WRITE) && readable(r) && readable(w));
	memcg_pipe_destroy(p);
	CHECK(!readable(r) && !readable(w)); /* closed */
	p = new_pipe(1, NB);
	writes(p, 0, 10);
	w = memcg_pipe_eventfd(p, MEMCG_PIPE_WRITE);
	CHECK(!readable(w) && !memcg_pipe_close(p, MEMCG_PIPE_READ) && readable(w));
	memcg_pipe_destroy(p);
	closes();
}

static void descriptors_fail(void)
{
	struct memcg_pipe *p;
	int fd;

	set_up();
	p = new_pipe(2, NB);
	sys_fault_arm(SYS_FAULT_EVENTFD, 1, 1, 0, 0);
	CHECK(memcg_pipe_eventfd(p, MEMCG_PIPE_READ) == -EMFILE);
	sys_fault_disarm_all();
	fd = memcg_pipe_eventfd(p, MEMCG_PIPE_READ);
	CHECK(fd >= 0 && !readable(fd));
	/* Not told: told at the next change. */
	sys_fault_arm(SYS_FAULT_WRITE, 1, 0, 0, 0);
	writes(p, 0, 10);
	CHECK(!readable(fd) && sys_fault_count(SYS_FAULT_WRITE) == 1);
	writes(p, 0, 10);
	CHECK(readable(fd));
	sys_fault_disarm_all();
	memcg_pipe_destroy(p);
	closes();
}

/* --- threads --------------------------------------------------------------------------- */

enum call { READ, WRITE, TEE, STEAL };

struct caller {
	pthread_t thread;
	enum call call;
	struct memcg_pipe *pipe, *to;
	ssize_t result;
	u32 tid;
};

static void *call(void *arg)
{
	struct caller *c = arg;
	struct memcg_page *page = NULL;
	size_t offset;
	char bytes[10] = "";

	atomic_store_release(&c->tid, (u32)syscall(SYS_gettid));
	switch (c->call) {
	case READ:
		c->result = memcg_pipe_read(c->pipe, bytes, sizeof(bytes));
		break;
	case WRITE:
		c->result = memcg_pipe_write(c->pipe, bytes, sizeof(bytes));
		break;
	case TEE:
		c->result = memcg_pipe_tee(c->pipe, c->to, sizeof(bytes));
		break;
	case STEAL:
		c->result = memcg_pipe_steal(c->pipe, &page, &offset);
		memcg_page_put(page);
		break;
	}
	return NULL;
}

static bool sleeps(u32 tid)
{
	char path[64], text[256] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%u/stat", tid);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	return strstr(text, ") S ");
}

/* Begins a call that has to wait; back when its thread sleeps. */
static void begins(struct caller *c, enum call what, struct memcg_pipe *p, struct memcg_pipe *to)
{
	*c = (struct caller){.call = what, .pipe = p, .to = to, .result = 1};
	CHECK(!pthread_create(&c->thread, NULL, call, c));
	while (!atomic_load_acquire(&c->tid) || !sleeps(c->tid))
		sched_yield();
}

static ssize_t ends(struct caller *c)
{
	CHECK(!pthread_join(c->thread, NULL));
	return c->result;
}

static void who_waits_is_woken(void)
{
	struct memcg_pipe *p, *q;
	struct caller c, d;

	set_up();
	p = new_pipe(1, 0), q = new_pipe(1, 0);
	begins(&c, READ, p, NULL);
	begins(&d, READ, p, NULL);
	writes(p, 0, 20);
	CHECK(ends(&c) == 10 && ends(&d) == 10); /* one leaves something for the other */
	begins(&c, STEAL, p, NULL);
	writes(p, 0, 7);
	CHECK(ends(&c) == 7);
	begins(&c, TEE, p, q); /* for something to share, */
	writes(p, 0, 5);
	CHECK(ends(&c) == 5 && memcg_pipe_read(q, out, 5) == 5);
	writes(q, 0, PAGE_SIZE);
	begins(&c, TEE, p, q); /* and for room */
	CHECK(memcg_pipe_read(q, out, PAGE_SIZE) == PAGE_SIZE && ends(&c) == 5);
	CHECK(memcg_pipe_read(p, out, 5) == 5 && memcg_pipe_read(q, out, 5) == 5);
	writes(p, 0, PAGE_SIZE);
	begins(&c, WRITE, p, NULL);
	CHECK(memcg_pipe_read(p, out, PAGE_SIZE) == PAGE_SIZE && ends(&c) == 10);
	memcg_pipe_destroy(p);
	memcg_pipe_destroy(q);
	closes();
}

static void who_waits_hears_of_the_end(void)
{
	static const enum call calls[] = {READ, STEAL, TEE};
	struct memcg_pipe *p, *q;
	struct caller c;

	set_up();
	for (unsigned i = 0; i < ARRAY_SIZE(calls); i++) {
		p = new_pipe(1, 0), q = new_pipe(1, 0);
		begins(&c, calls[i], p, q);
		CHECK(!memcg_pipe_close(p, MEMCG_PIPE_WRITE) && ends(&c) == 0);
		memcg_pipe_destroy(p);
		p = new_pipe(1, 0);
		begins(&c, calls[i], p, q);
		CHECK(!memcg_pipe_close(p, MEMCG_PIPE_READ) && ends(&c) == -EBADF);
		memcg_pipe_destroy(p);
		memcg_pipe_destroy(q);
	}
	p = new_pipe(1, 0);
	writes(p, 0, PAGE_SIZE);
	begins(&c, WRITE, p, NULL);
	CHECK(!memcg_pipe_close(p, MEMCG_PIPE_READ) && ends(&c) == -EPIPE);
	memcg_pipe_destroy(p);
	CHECK(pays(cg, 0));
	closes();
}

static void a_signal_while_waiting(void)
{
	struct memcg_pipe *p, *q;

	set_up();
	p = new_pipe(1, 0), q = new_pipe(1, 0);
	sys_fault_arm(SYS_FAULT_FUTEX, 1, 1, 0, 0);
	CHECK(memcg_pipe_read(p, out, 1) == -EINTR && steal_fails(p) == -EINTR);
	CHECK(memcg_pipe_tee(p, q, 1) == -EINTR);
	CHECK(memcg_pipe_write(p, in, 2 * PAGE_SIZE) == PAGE_SIZE); /* what was done counts */
	CHECK(memcg_pipe_write(p, in, 1) == -EINTR && pays(cg, 1));
	CHECK(sys_fault_count(SYS_FAULT_FUTEX) == 5);
	sys_fault_disarm_all();
	CHECK(memcg_pipe_read(p, out, 2 * PAGE_SIZE) == PAGE_SIZE);
	memcg_pipe_destroy(p);
	memcg_pipe_destroy(q);
	closes();
}

/*
 * Bytes that must come out in order: a writer, whose group goes now and then, into one pipe; a
 * thread that shares each piece with a second pipe before it reads it; and one that reads the
 * second pipe, or steals from it, for another group.
 */
#define STREAM (effort(16) * 1024ul * 1024ul)

static struct memcg_pipe *first, *second;

static char byte_at(u64 i)
{
	return (char)(i * 131 >> 4);
}

static void follows(const char *bytes, ssize_t n, u64 *at)
{
	for (ssize_t i = 0; i < n; i++, ++*at)
		CHECK(bytes[i] == byte_at(*at));
}

/* A new group to write for; the last one goes, with what is in the pipe. */
static struct memcg *move_on(struct memcg *up, struct memcg *mine, u64 turn)
{
	struct memcg *next;
	char name[32];

	snprintf(name, sizeof(name), "w%lu", (unsigned long)turn);
	CHECK((next = memcg_create(up, name)));
	into(next);
	CHECK(!mine || !memcg_destroy(mine));
	return next;
}

static void *stream_writer(void *arg)
{
	static char buf[3 * PAGE_SIZE];
	u64 seed = 1, at = 0, turn = 0;
	struct memcg *mine = NULL;

	while (at < STREAM) {
		size_t n = 1 + next_random(&seed) % (turn % 2 ? 200 : sizeof(buf));

		if (turn++ % 64 == 0)
			mine = move_on(arg, mine, turn);
		n = MIN(n, STREAM - at);
		for (size_t i = 0; i < n; i++)
			buf[i] = byte_at(at + i);
		CHECK(memcg_pipe_write(first, buf, n) == (ssize_t)n);
		at += n;
	}
	into(NULL);
	CHECK(!memcg_destroy(mine) && !memcg_pipe_close(first, MEMCG_PIPE_WRITE));
	return NULL;
}

static void *stream_sharer(void *arg)
{
	static char buf[2 * PAGE_SIZE];
	u64 seed = 2, at = 0;
	ssize_t n;

	(void)arg;
	while ((n = memcg_pipe_tee(first, second, 1 + next_random(&seed) % sizeof(buf))) > 0) {
		CHECK(memcg_pipe_read(first, buf, (size_t)n) == n);
		follows(buf, n, &at);
	}
	CHECK(!n && at == STREAM && !memcg_pipe_close(second, MEMCG_PIPE_WRITE));
	return NULL;
}

static void *stream_taker(void *arg)
{
	static char buf[2 * PAGE_SIZE];
	u64 seed = 3, at = 0, stolen = 0;
	struct memcg_page *page;
	size_t offset;
	ssize_t n;

	into(arg);
	do {
		n = memcg_pipe_steal(second, &page, &offset);
		if (n > 0) {
			follows((char *)memcg_page_address(page) + offset, n, &at);
			memcg_page_put(page);
			stolen++;
		} else if (n == -EBUSY) {
			n = memcg_pipe_read(second, buf, 1 + next_random(&seed) % sizeof(buf));
			follows(buf, n, &at);
		}
	} while (n > 0);
	CHECK(!n && at == STREAM);
	into(NULL);
	return NULL;
}

static void a_stream_through_three_threads(void)
{
	pthread_t thread[3];

	set_up();
	first = new_pipe(5, 0), second = new_pipe(3, 0);
	CHECK(!pthread_create(&thread[0], NULL, stream_writer, cg));
	CHECK(!pthread_create(&thread[1], NULL, stream_sharer, NULL));
	CHECK(!pthread_create(&thread[2], NULL, stream_taker, other));
	for (unsigned i = 0; i < 3; i++)
		CHECK(!pthread_join(thread[i], NULL));
	CHECK(pays(cg, 0) && pays(other, 0));
	memcg_pipe_destroy(first);
	memcg_pipe_destroy(second);
	closes();
}

/*
 * Everybody at one pipe, its pages also shared with a second one, at a max that refuses some: each
 * byte that was written is taken once, and nothing is left of the charges.
 */
static u64 sum_in, sum_out;

static u64 sum(const char *p, ssize_t n)
{
	u64 all = 0;

	for (ssize_t i = 0; i < n; i++)
		all += (unsigned char)p[i];
	return all;
}

static void *crowd_writer(void *arg)
{
	u64 seed = (u64)(uintptr_t)arg;

	into(cg);
	for (unsigned turn = 0; turn < effort(20000); turn++) {
		size_t n = 1 + next_random(&seed) % (turn % 4 ? 300 : 2 * PAGE_SIZE);
		size_t from = next_random(&seed) % PAGE_SIZE;
		ssize_t r = memcg_pipe_write(first, in + from, n);

		CHECK(r > 0 || r == -ENOMEM);
		atomic_add(&sum_in, sum(in + from, r));
	}
	into(NULL);
	return NULL;
}

static void *crowd_taker(void *arg)
{
	u64 seed = (u64)(uintptr_t)arg;
	struct memcg_page *page;
	char buf[6000];
	size_t offset;
	ssize_t n;

	into(other);
	do {
		n = memcg_pipe_steal(first, &page, &offset);
		if (n > 0) {
			atomic_add(&sum_out, sum((char *)memcg_page_address(page) + offset, n));
			memcg_page_put(page);
			continue;
		}
		if (!n)
			break;
		CHECK(n == -EBUSY || n == -ENOMEM);
		n = memcg_pipe_read(first, buf, 1 + next_random(&seed) % sizeof(buf));
		CHECK(n >= 0);
		atomic_add(&sum_out, sum(buf, n));
	} while (n);
	into(NULL);
	return NULL;
}

/* Ends with the others: what it has shared is read by itself. */
static void *crowd_sharer(void *arg)
{
	char buf[PAGE_SIZE];
	ssize_t n;

	(void)arg;
	while ((n = memcg_pipe_tee(first, second, 5000)) > 0)
		while (memcg_pipe_read(second, buf, sizeof(buf)) > 0)
			;
	CHECK(!n);
	return NULL;
}

static void everybody_at_one_pipe(void)
{
	pthread_t writer[3], taker[2], sharer;

	set_up();
	fill();
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 5 * PAGE_SIZE));
	CHECK(!memcg_set_limit(other, MEMCG_MAX, PAGE_SIZE));
	first = new_pipe(6, 0), second = new_pipe(2, NB);
	for (uintptr_t i = 0; i < 3; i++)
		CHECK(!pthread_create(&writer[i], NULL, crowd_writer, (void *)(i + 1)));
	for (uintptr_t i = 0; i < 2; i++)
		CHECK(!pthread_create(&taker[i], NULL, crowd_taker, (void *)(i + 9)));
	CHECK(!pthread_create(&sharer, NULL, crowd_sharer, NULL));
	for (unsigned i = 0; i < 3; i++)
		CHECK(!pthread_join(writer[i], NULL));
	CHECK(!memcg_pipe_close(first, MEMCG_PIPE_WRITE));
	CHECK(!pthread_join(taker[0], NULL) && !pthread_join(taker[1], NULL));
	CHECK(!pthread_join(sharer, NULL));
	CHECK(sum_in == sum_out && sum_in && pays(cg, 0) && pays(other, 0));
	memcg_pipe_destroy(first);
	memcg_pipe_destroy(second);
	closes();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(descriptors_follow),	   PAGE_TEST(descriptors_fail),
		PAGE_TEST(who_waits_is_woken),	   PAGE_TEST(who_waits_hears_of_the_end),
		PAGE_TEST(a_signal_while_waiting), PAGE_TEST(a_stream_through_three_threads),
		PAGE_TEST(everybody_at_one_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
