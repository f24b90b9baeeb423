/*
 * t_borrow.c - the system's pages mapped from a socket: paid for to the byte while they are, copied
 * where they cannot be, and never nobody's.
 *
 * What comes over loopback can be mapped only when its sender used MSG_ZEROCOPY: then the
 * system has copied it to whole pages of its own. Whether it can here is asked of the system first.
 */
#include "net_fixture.h"

#include <netinet/tcp.h>
#include <sys/mman.h>

#include "net/borrow.h"
#include "sys/fault.h"

#define SOURCE (1u << 20)
#define WINDOW (256u * 4096)

static unsigned char source[SOURCE] __attribute__((aligned(4096)));
static struct memcg_zerocopy *z;
static u64 sent_at, read_at; /* of the stream: byte i is source[i % SOURCE] */
static char buffer[65536];

static u64 external(struct memcg *g)
{
	struct memcg_stat s;

	CHECK(!memcg_stat(g, &s, sizeof(s)));
	return s.external;
}

static void begin(size_t window)
{
	int on = 1;

	open_pool(0, 0);
	open_tcp();
	CHECK(!setsockopt(ends[1], SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)));
	for (u32 i = 0; i < SOURCE; i++)
		source[i] = payload(i);
	borrow_on = 1;
	CHECK((z = memcg_zerocopy_create(window)));
}

static void end(void)
{
	memcg_zerocopy_destroy(z);
	CHECK(!external(cg));
	close_ends();
	all_is_back();
}

/* As much as the socket takes of so many bytes. */
static void send_some(size_t bytes)
{
	size_t at = sent_at % SOURCE;
	ssize_t n = send(ends[1], source + at, MIN(bytes, SOURCE - at),
			 MSG_ZEROCOPY | MSG_DONTWAIT | MSG_NOSIGNAL);
	struct msghdr m = {0};

	if (n < 0 && errno == ENOBUFS)
		n = send(ends[1], source + at, MIN(bytes, SOURCE - at),
			 MSG_DONTWAIT | MSG_NOSIGNAL);
	CHECK(n > 0 || errno == EAGAIN);
	sent_at += n > 0 ? (u64)n : 0;
	while (recvmsg(ends[1], &m, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0)
		;
}

static void is_payload(const void *at, size_t n)
{
	const unsigned char *byte = at;

	for (size_t i = 0; i < n; i++, read_at++)
		CHECK(byte[i] == source[read_at % SOURCE]);
}

/* What comes, and is the stream's. Bytes, or -errno. */
static ssize_t receive(size_t n, struct memcg_zerocopy_part *part)
{
	ssize_t got = memcg_zerocopy_recv(z, ends[0], cg, buffer, n, part, MSG_DONTWAIT);

	CHECK(got < 0 || part->mapped_bytes + part->copied == (size_t)got);
	CHECK(!part->mapped == !part->mapped_bytes && part->copied <= n);
	is_payload(part->mapped, part->mapped_bytes);
	is_payload(buffer, part->copied);
	return got;
}

/* Until something of it was mapped; false: the system maps nothing here. */
static bool map_some(struct memcg_zerocopy_part *part)
{
	for (unsigned i = 0; i < 4096; i++) {
		ssize_t got;

		send_some(262144);
		got = receive(sizeof(buffer), part);
		CHECK(got > 0 || got == -EAGAIN);
		if (part->mapped)
			return true;
	}
	return false;
}

/* By the system's own call, with nothing of ours. */
static bool system_maps(void)
{
	struct {
		u64 at;
		u32 length, skip;
	} b;
	socklen_t size = sizeof(b);
	int s = socket(AF_INET, SOCK_STREAM, 0);
	char *at = mmap(NULL, WINDOW, PROT_READ, MAP_SHARED, s, 0);
	bool mapped = false;

	if (at == MAP_FAILED)
		return false;
	for (unsigned i = 0; i < 1024 && !mapped; i++) {
		ssize_t n;

		send_some(262144);
		b.at = (uintptr_t)at;
		b.length = WINDOW;
		b.skip = 0;
		mapped = !getsockopt(ends[0], IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &b, &size) &&
			 b.length;
		read_at += mapped ? b.length : 0;
		n = mapped ? 0 : recv(ends[0], buffer, sizeof(buffer), MSG_DONTWAIT);
		read_at += n > 0 ? (u64)n : 0;
	}
	CHECK(!munmap(at, WINDOW) && !close(s));
	return mapped;
}

/* Everything that is underway is read and let go. */
static void drain(void)
{
	struct memcg_zerocopy_part part;

	while (read_at < sent_at) {
		ssize_t got = receive(sizeof(buffer), &part);

		CHECK(got > 0 || got == -EAGAIN);
		CHECK(!memcg_zerocopy_zap(z));
	}
}

/* Paid for while it is mapped, to the byte, and no longer. */
static void paid_for(void)
{
	struct memcg_zerocopy_part part;
	u64 mapped = 0;
	bool can;

	begin(WINDOW);
	can = system_maps();
	for (unsigned i = 0; i < effort(400); i++) {
		send_some(262144);
		receive(sizeof(buffer), &part);
		mapped += part.mapped_bytes;
		CHECK(external(cg) == mapped && held(cg) == mapped && !sock(cg));
		if (i % 16 == 15) {
			closes();
			CHECK(!memcg_zerocopy_zap(z) && !held(cg) && !external(cg));
			mapped = 0;
		}
	}
	CHECK(!can || map_some(&part));
	end();
}

static void off(void)
{
	struct memcg_zerocopy_part part;

	begin(WINDOW);
	borrow_on = 0;
	for (unsigned i = 0; i < 100; i++) {
		send_some(262144);
		receive(sizeof(buffer), &part);
		CHECK(!part.mapped && !external(cg) && !held(cg));
	}
	while (read_at < sent_at)
		receive(sizeof(buffer), &part);
	CHECK(receive(0, &part) == -EAGAIN);
	send_some(100);
	CHECK(receive(0, &part) == -ENOBUFS && receive(sizeof(buffer), &part) == 100);
	end();
}

/* What is mapped can be read until the zap, and not after. */
static void zapped(void)
{
	struct memcg_zerocopy_part part;
	int file[2];
	char byte;

	begin(WINDOW);
	CHECK(!pipe(file));
	if (system_maps()) {
		CHECK(map_some(&part));
		CHECK(write(file[1], part.mapped, 1) == 1 && read(file[0], &byte, 1) == 1);
		sys_fault_arm(SYS_FAULT_PURGE, 1, 0, 0, 0);
		CHECK(memcg_zerocopy_zap(z) == -EINVAL && held(cg) >= part.mapped_bytes);
		sys_fault_disarm_all();
		CHECK(write(file[1], part.mapped, 1) == 1 && read(file[0], &byte, 1) == 1);
		closes();
		CHECK(!memcg_zerocopy_zap(z) && !held(cg) && !memcg_zerocopy_zap(z));
		CHECK(write(file[1], part.mapped, 1) == -1 && errno == EFAULT);
		CHECK(map_some(&part)); /* again, from the front; it goes with the window */
	}
	CHECK(!close(file[0]) && !close(file[1]));
	end();
}

/* Nothing fits: copied, or left where it is. Three pages fit: no more is mapped. */
static void over_max(void)
{
	struct memcg_zerocopy_part part;
	u64 events;
	ssize_t got;

	begin(WINDOW);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 4095));
	while (read_at + 65536 > sent_at)
		send_some(262144);
	events = throttled(cg);
	while ((got = receive(0, &part)) == -EAGAIN) /* underway */
		;
	CHECK(got == -ENOBUFS && !held(cg));
	while ((got = receive(4096, &part)) == -EAGAIN)
		;
	CHECK(got > 0 && !part.mapped && !held(cg));
	CHECK(throttled(cg) > events);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 3 * 4096 + 100));
	for (unsigned i = 0; i < 200; i++) {
		send_some(262144);
		receive(sizeof(buffer), &part);
		CHECK(held(cg) <= 3 * 4096 && external(cg) == held(cg));
		if (i % 16 == 15)
			CHECK(!memcg_zerocopy_zap(z) && !held(cg));
	}
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, MEMCG_UNLIMITED));
	drain();
	end();
}

/* Where it is full there is no room for more, until it is zapped. */
static void full(void)
{
	struct memcg_zerocopy_part part;
	u64 mapped = 0;

	begin(2 * 4096);
	if (system_maps()) {
		for (unsigned i = 0; i < 4096 && mapped < 2 * 4096; i++) {
			send_some(262144);
			receive(sizeof(buffer), &part);
			mapped += part.mapped_bytes;
		}
		CHECK(mapped == 2 * 4096 && held(cg) == mapped);
		for (unsigned i = 0; i < 50; i++) {
			send_some(262144);
			receive(sizeof(buffer), &part);
			CHECK(!part.mapped && held(cg) == mapped);
		}
		CHECK(!memcg_zerocopy_zap(z) && map_some(&part));
	}
	end();
}

static void group_dies(void)
{
	struct memcg_zerocopy_part part;
	struct memcg *parent;

	begin(WINDOW);
	if (system_maps()) {
		parent = cg;
		CHECK((cg = memcg_create(parent, "c")));
		CHECK(map_some(&part));
		CHECK(held(parent) == external(cg) && external(cg) >= part.mapped_bytes);
		CHECK(!memcg_destroy(cg));
		cg = parent;
		CHECK(held(cg) >= part.mapped_bytes);
		closes();
		CHECK(!memcg_zerocopy_zap(z) && !held(cg));
	}
	end();
}

static void *sends_later(void *arg)
{
	(void)arg;
	CHECK(send(ends[1], source, 1000, MSG_NOSIGNAL) == 1000);
	return NULL;
}

/* Ends, errors, and what is no such socket. */
static void ends_and_errors(void)
{
	struct memcg_zerocopy_part part;
	pthread_t thread;
	int alone;

	begin(WINDOW);
	CHECK(receive(0, &part) == -EAGAIN && receive(100, &part) == -EAGAIN);
	CHECK(memcg_zerocopy_recv(NULL, ends[0], cg, buffer, 1, &part, 0) == -EINVAL);
	CHECK(memcg_zerocopy_recv(z, ends[0], cg, buffer, 1, NULL, 0) == -EINVAL);
	CHECK(memcg_zerocopy_recv(z, ends[0], cg, NULL, 1, &part, 0) == -EINVAL);
	CHECK(memcg_zerocopy_recv(z, ends[0], cg, buffer, 1, &part, MSG_PEEK) == -EINVAL);
	CHECK(memcg_zerocopy_recv(z, -1, cg, buffer, 1, &part, 0) == -EBADF);
	CHECK(memcg_zerocopy_zap(NULL) == -EINVAL);
	memcg_zerocopy_destroy(NULL);
	CHECK(!pthread_create(&thread, NULL, sends_later, NULL));
	CHECK(memcg_zerocopy_recv(z, ends[0], cg, buffer, 1000, &part, 0) == 1000);
	CHECK(part.copied == 1000 && !memcmp(buffer, source, 1000) && !held(cg));
	CHECK(!pthread_join(thread, NULL));
	CHECK((alone = socket(AF_INET, SOCK_STREAM, 0)) >= 0);
	CHECK(memcg_zerocopy_recv(z, alone, cg, buffer, 1, &part, 0) == -ENOTCONN);
	CHECK(!close(alone) && !shutdown(ends[1], SHUT_WR));
	CHECK(!memcg_zerocopy_recv(z, ends[0], cg, buffer, 1, &part, 0));
	CHECK(!memcg_zerocopy_recv(z, ends[0], cg, NULL, 0, &part, 0));
	close_ends();
	open_ends(SOCK_STREAM); /* nothing is mapped of it */
	put_payload(ends[1], 0, 8192);
	CHECK(memcg_zerocopy_recv(z, ends[0], cg, buffer, 10000, &part, 0) == 8192);
	CHECK(part.copied == 8192 && !memcmp(buffer, source, 8192) && !held(cg));
	end();
}

static void not_made(void)
{
	open_pool(0, 0);
	errno = 0;
	CHECK(!memcg_zerocopy_create(4096) && errno == EINVAL);
	sys_fault_arm(SYS_FAULT_MAP, 1, 0, 0, 0);
	errno = 0;
	z = memcg_zerocopy_create(8192);
	sys_fault_disarm_all();
	CHECK(!z && errno == ENOMEM);
	all_is_back();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(paid_for),	    PAGE_TEST(off),	 PAGE_TEST(zapped),
		PAGE_TEST(over_max),	    PAGE_TEST(full),	 PAGE_TEST(group_dies),
		PAGE_TEST(ends_and_errors), PAGE_TEST(not_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
