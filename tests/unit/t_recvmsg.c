/* t_recvmsg.c - messages into pages: each in its own, cut or not, and what comes beside the bytes.
 */
#include "net_fixture.h"

static struct memcg_frag f[20];
static char control[256];
static struct msghdr m;

static ssize_t read_message(size_t n, int flags)
{
	struct iovec nowhere = {(void *)1, 1 << 20}; /* not looked at */

	m.msg_iov = &nowhere;
	m.msg_iovlen = 1;
	return memcg_pool_recvmsg(pool, ends[0], cg, &m, f, n, flags);
}

static void begin(int type)
{
	open_pool(0, 0);
	open_ends(type);
	m = (struct msghdr){0};
}

static void end(void)
{
	memcg_frags_put(f, 20);
	close_ends();
	all_is_back();
}

static void put_message(u64 at, size_t n)
{
	unsigned char text[64 * 1024];

	for (size_t i = 0; i < n; i++)
		text[i] = payload(at + i);
	CHECK(send(ends[1], text, n, 0) == (ssize_t)n);
}

static void each_in_its_own_page(void)
{
	begin(SOCK_DGRAM);
	for (unsigned i = 0; i < 5; i++)
		put_message(i * 100, 100);
	for (unsigned i = 0; i < 5; i++) {
		struct memcg_frag one;

		CHECK(memcg_pool_recvmsg(pool, ends[0], cg, &m, &one, 1, 0) == 100);
		CHECK(!one.offset && holds_payload(&one, 1, i * 100) == 100);
		CHECK(!m.msg_flags && page_count((struct page *)one.page) == 1);
		f[i] = one;
	}
	CHECK(held(cg) == 5 * 4096);
	put_message(0, 10000);
	put_message(10000, 1);
	CHECK(memcg_pool_recvmsg(pool, ends[0], cg, &m, f + 5, 4, 0) == 10000);
	CHECK(holds_payload(f + 5, 4, 0) == 10000);
	CHECK(memcg_pool_recvmsg(pool, ends[0], cg, &m, f + 9, 4, 0) == 1);
	end();
}

/* An empty one is no end, and needs no page. */
static void of_no_length(void)
{
	begin(SOCK_DGRAM);
	put_message(0, 0);
	put_message(0, 1);
	CHECK(!read_message(20, 0) && !f[0].page && !held(cg));
	CHECK(read_message(20, 0) == 1);
	CHECK(memcg_pool_recvmsg(pool, ends[0], cg, &m, f + 1, 4, MSG_DONTWAIT) == -EAGAIN);
	end();
}

static void cut(void)
{
	begin(SOCK_DGRAM);
	for (unsigned i = 0; i < 4; i++)
		put_message(0, 9000);
	CHECK(read_message(2, 0) == 8192 && m.msg_flags == MSG_TRUNC);
	CHECK(holds_payload(f, 20, 0) == 8192);
	memcg_frags_put(f, 20);
	CHECK(read_message(2, MSG_TRUNC) == 9000 && m.msg_flags == MSG_TRUNC);
	CHECK(holds_payload(f, 20, 0) == 8192 && !f[2].page);
	memcg_frags_put(f, 20);
	CHECK(read_message(2, MSG_TRUNC | MSG_PEEK) == 9000);
	memcg_frags_put(f, 20);
	CHECK(memcg_pool_recv(pool, ends[0], cg, f, 2, 0) == -EMSGSIZE && !f[0].page && !held(cg));
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 4096));
	CHECK(read_message(3, 0) == -ENOBUFS && throttled(cg) == 1); /* but not by a max */
	CHECK(read_message(1, 0) == 4096 && m.msg_flags == MSG_TRUNC);
	end();
}

/* The rest of a page is not offered to a datagram: it would be cut there, and lost. */
static void read_as_bytes(void)
{
	begin(SOCK_DGRAM);
	for (unsigned i = 0; i < 6; i++) {
		put_message(i * 1400, 1400);
		CHECK(memcg_pool_recv(pool, ends[0], cg, f + i, 1, 0) == 1400);
		CHECK(!f[i].offset && holds_payload(f + i, 1, i * 1400) == 1400);
	}
	CHECK(held(cg) == 6 * 4096);
	end();
}

/* What is first when it is asked for may be read by another: all pages are offered. */
static void offered_all(void)
{
	struct memcg_frag many[64];

	begin(SOCK_DGRAM);
	put_message(0, 100);
	CHECK(memcg_pool_recv(pool, ends[0], cg, many, 64, 0) == 100 && pool_stat().peak == 64);
	memcg_frags_put(many, 1);
	end();
}

static void offered_what_is_there(void)
{
	struct memcg_frag many[64];

	begin(SOCK_STREAM);
	put_message(0, 100);
	CHECK(memcg_pool_recv(pool, ends[0], cg, many, 64, 0) == 100 && pool_stat().peak == 1);
	memcg_frags_put(many, 1);
	end();
}

/* Whether it is told to have failed or not: what it has left in a page, nobody else finds there. */
static void strict_forgets_what_was_cut(void)
{
	open_pool(MEMCG_POOL_STRICT, 4096); /* there is one page, and the next has it */
	open_ends(SOCK_DGRAM);
	m = (struct msghdr){0};
	for (unsigned i = 0; i < 3; i++) {
		put_message(0, 9000);
		CHECK(memcg_pool_recv(pool, ends[0], cg, f, 1, 0) == -EMSGSIZE);
		put_message(0, 1);
		CHECK(memcg_pool_recv(pool, ends[0], other, f, 1, 0) == 1);
		for (u32 k = 1; k < 4096; k++)
			CHECK(!bytes_of(f)[k]);
		memcg_frags_put(f, 1);
	}
	end();
}

/* It does not fit under a max: it stays where it is. */
static void not_paid_for(void)
{
	struct memcg_frag mine;

	begin(SOCK_DGRAM);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 4096));
	CHECK(memcg_pool_alloc(pool, cg, &mine, 1) == 1);
	put_message(0, 500);
	CHECK(read_message(4, 0) == -ENOBUFS && throttled(cg) == 1);
	memcg_frags_put(&mine, 1);
	CHECK(read_message(4, 0) == 500 && holds_payload(f, 20, 0) == 500);
	end();
}

/* Room for a part of it: it stays, whole, and comes when there is room; read as bytes the same. */
static void paid_for_in_part(bool as_bytes)
{
	begin(SOCK_DGRAM);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 4096));
	put_message(0, 8000);
	for (u64 i = 1; i < 4; i++) {
		ssize_t got = as_bytes ? memcg_pool_recv(pool, ends[0], cg, f, 16, MSG_DONTWAIT)
				       : read_message(16, 0);

		CHECK(got == -ENOBUFS && !f[0].page && !held(cg));
		CHECK(throttled(cg) == i && pool_stat().refused == i);
	}
	put_message(8000, 100);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 2 * 4096));
	CHECK(read_message(16, 0) == 8000 && holds_payload(f, 20, 0) == 8000);
	memcg_frags_put(f, 20);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 4096));
	CHECK(read_message(16, 0) == 100 && holds_payload(f, 20, 8000) == 100);
	end();
}

static void a_message_paid_for_in_part(void)
{
	paid_for_in_part(false);
}

static void bytes_paid_for_in_part(void)
{
	paid_for_in_part(true);
}

/* Nothing fits: what needs no page comes all the same, and is gone. */
static void of_no_length_at_max(void)
{
	begin(SOCK_DGRAM);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 0));
	CHECK(read_message(4, MSG_DONTWAIT) == -EAGAIN);
	put_message(0, 0);
	put_message(0, 1);
	CHECK(!read_message(4, MSG_PEEK) && !read_message(4, 0) && !throttled(cg));
	CHECK(read_message(4, 0) == -ENOBUFS && throttled(cg) == 1);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 4096) && read_message(4, 0) == 1);
	end();
}

/* ---- beside the bytes ---- */

static void send_descriptor(int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} c = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec iov = {"fd", 2};
	struct msghdr out = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c)};

	memcpy(CMSG_DATA(&c.head), &fd, sizeof(fd));
	CHECK(sendmsg(ends[1], &out, 0) == 2);
}

static int descriptor_of(void)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int fd;

	CHECK(c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)));
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static void a_descriptor(int type)
{
	int p[2], got;

	begin(type);
	CHECK(!pipe(p));
	send_descriptor(p[0]);
	CHECK(!close(p[0]));
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 0)); /* refused, it is not lost */
	m.msg_control = control;
	m.msg_controllen = sizeof(control);
	CHECK(read_message(2, 0) == -ENOBUFS && m.msg_controllen == sizeof(control));
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, MEMCG_UNLIMITED));
	CHECK(read_message(2, MSG_CMSG_CLOEXEC) == 2 && !memcmp(bytes_of(f), "fd", 2));
	got = descriptor_of();
	CHECK(fcntl(got, F_GETFD) == FD_CLOEXEC && write(p[1], "x", 1) == 1);
	CHECK(read(got, control, 1) == 1 && control[0] == 'x' && !close(got) && !close(p[1]));
	end();
}

static void a_descriptor_with_a_message(void)
{
	a_descriptor(SOCK_DGRAM);
}

static void a_descriptor_in_a_stream(void)
{
	a_descriptor(SOCK_STREAM);
}

/* A thread sleeps for it: the peek that it sleeps in takes nothing away. */
static void *read_sleeping(void *arg)
{
	m.msg_control = control;
	m.msg_controllen = sizeof(control);
	*(ssize_t *)arg = read_message(2, 0);
	return NULL;
}

static void a_descriptor_for_a_sleeper(void)
{
	pthread_t thread;
	ssize_t got = -1;
	int fd;

	begin(SOCK_SEQPACKET);
	CHECK(!pthread_create(&thread, NULL, read_sleeping, &got));
	usleep(1000); /* asleep or not: it is to come out the same */
	send_descriptor(ends[1]);
	CHECK(!pthread_join(thread, NULL) && got == 2);
	fd = descriptor_of();
	CHECK(fcntl(fd, F_GETFD) >= 0 && !close(fd));
	end();
}

/* Whom it is from, of a datagram from outside. */
static void a_name(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
			   from, mine;
	socklen_t size = sizeof(at);

	begin(SOCK_DGRAM);
	close_ends();
	ends[0] = socket(AF_INET, SOCK_DGRAM, 0);
	ends[1] = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(!bind(ends[0], (struct sockaddr *)&at, size) &&
	      !getsockname(ends[0], (struct sockaddr *)&at, &size) &&
	      !connect(ends[1], (struct sockaddr *)&at, size) &&
	      !getsockname(ends[1], (struct sockaddr *)&mine, &size));
	put_message(0, 3000);
	m.msg_name = &from;
	m.msg_namelen = sizeof(from);
	CHECK(read_message(4, 0) == 3000 && m.msg_namelen == sizeof(from));
	CHECK(from.sin_port == mine.sin_port && holds_payload(f, 20, 0) == 3000);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(each_in_its_own_page),
		PAGE_TEST(of_no_length),
		PAGE_TEST(cut),
		PAGE_TEST(read_as_bytes),
		PAGE_TEST(offered_all),
		PAGE_TEST(offered_what_is_there),
		PAGE_TEST(strict_forgets_what_was_cut),
		PAGE_TEST(not_paid_for),
		PAGE_TEST(a_message_paid_for_in_part),
		PAGE_TEST(bytes_paid_for_in_part),
		PAGE_TEST(of_no_length_at_max),
		PAGE_TEST(a_descriptor_with_a_message),
		PAGE_TEST(a_descriptor_in_a_stream),
		PAGE_TEST(a_descriptor_for_a_sleeper),
		PAGE_TEST(a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
