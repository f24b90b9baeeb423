/*
 * net_fixture.h - what the tests of network pages with sockets share: a pool, two ends, and payload
 * of which every byte says where in the stream it lies.
 */
#ifndef MEMCG_TESTS_NET_FIXTURE_H
#define MEMCG_TESTS_NET_FIXTURE_H

#include "alloc_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memcg.h>

#include "net/pool.h"

static struct memcg_pool *pool;
static int ends[2]; /* 0 is read from, 1 is written to */

static inline struct memcg_pool_stat pool_stat(void)
{
	struct memcg_pool_stat s;

	CHECK(!memcg_pool_stat(pool, &s, sizeof(s)));
	return s;
}

static inline u64 sock(struct memcg *g)
{
	struct memcg_stat s;

	CHECK(!memcg_stat(g, &s, sizeof(s)));
	return s.sock;
}

static inline u64 throttled(struct memcg *g)
{
	struct memcg_events e = {.rose = 0};

	CHECK(!memcg_event_read(g, &e, sizeof(e)));
	return e.sock_throttled;
}

static inline void open_pool(unsigned flags, u64 bytes)
{
	struct memcg_pool_config c = MEMCG_POOL_CONFIG_INIT;

	/* Memcheck notes down each page of the alias, in each of the tests' processes. */
	if (effort_divisor() > 1)
		setenv("MEMCG_REGION", "256M", 1);
	set_up();
	c.flags = flags;
	c.bytes = bytes;
	CHECK((pool = memcg_pool_create(&c)));
}

/* A unix socket pair; what the reader does not find is told at once. */
static inline void open_ends(int type)
{
	CHECK(!socketpair(AF_UNIX, type, 0, ends));
}

static inline void close_ends(void)
{
	CHECK(!close(ends[0]) && !close(ends[1]));
}

/* Two ends of a TCP connection over loopback. */
static inline void open_tcp(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(listener >= 0 && !bind(listener, (struct sockaddr *)&at, size) &&
	      !listen(listener, 1) && !getsockname(listener, (struct sockaddr *)&at, &size));
	ends[1] = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(ends[1] >= 0 && !connect(ends[1], (struct sockaddr *)&at, size));
	ends[0] = accept(listener, NULL, NULL);
	CHECK(ends[0] >= 0 && !close(listener));
}

static inline unsigned char payload(u64 at)
{
	return (unsigned char)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

/* n bytes of the stream, from its `at`th on. */
static inline void put_payload(int fd, u64 at, size_t n)
{
	unsigned char buf[4096];

	while (n) {
		size_t step = MIN(n, sizeof(buf));
		ssize_t sent;

		for (size_t i = 0; i < step; i++)
			buf[i] = payload(at + i);
		sent = send(fd, buf, step, MSG_NOSIGNAL);
		CHECK(sent > 0);
		at += (u64)sent;
		n -= (size_t)sent;
	}
}

static inline unsigned char *bytes_of(const struct memcg_frag *f)
{
	return (unsigned char *)memcg_page_address(f->page) + f->offset;
}

/* How many bytes they are; all of them are the stream's from `at` on. */
static inline size_t holds_payload(const struct memcg_frag *f, size_t n, u64 at)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n && f[i].page; i++) {
		CHECK(f[i].length && f[i].offset + f[i].length <= PAGE_SIZE);
		for (u32 k = 0; k < f[i].length; k++)
			CHECK(bytes_of(&f[i])[k] == payload(at + bytes + k));
		bytes += f[i].length;
	}
	return bytes;
}

/* Nothing is charged to anybody, nothing out: the books close. */
static inline void all_is_back(void)
{
	CHECK(!held(cg) && !held(other) && !sock(cg) && !sock(other) && !pool_stat().out);
	closes();
	CHECK(!memcg_pool_destroy(pool));
}

#endif
