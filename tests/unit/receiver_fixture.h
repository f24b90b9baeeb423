/*
 * receiver_fixture.h - what the tests of receivers share: each runs by io_uring and by epoll, and
 * where the system has no io_uring by epoll twice, which is said.
 */
#ifndef MEMCG_TESTS_RECEIVER_FIXTURE_H
#define MEMCG_TESTS_RECEIVER_FIXTURE_H

#include <poll.h>

#include "net_fixture.h"

#define FRAGS 256u
#define LONG  60000 /* ms: that it hangs */

static unsigned way; /* flags of the receiver */
static struct memcg_receiver *receiver;
static struct memcg_received got;
static struct memcg_frag frags[FRAGS];

/* Groups without limits and what the first way has counted. */
static inline void start_again(void)
{
	CHECK(!memcg_destroy(cg) && !memcg_destroy(other));
	receiver = NULL;
	way = MEMCG_RECEIVER_POLL;
}

/*
 * A test of both ways, one after the other: BOTH(name) after it, and TWO(name) in the list.
 * Memcheck lets no signal in and no other thread run while one waits in io_uring_enter(2): by epoll
 * only.
 */
static inline void both_ways(void (*test)(void))
{
	if (effort_divisor() == 1) {
		test();
		start_again();
	}
	way = MEMCG_RECEIVER_POLL;
	test();
}

#define BOTH(name)                     \
	static void name##_twice(void) \
	{                              \
		both_ways(name);       \
	}                              \
	_Static_assert(1, #name)
#define TWO(name) PAGE_TEST(name##_twice)

static inline struct memcg_receiver *receiver_of(struct memcg *g, unsigned pages)
{
	struct memcg_receiver_config c = MEMCG_RECEIVER_CONFIG_INIT;
	struct memcg_receiver *r;

	c.flags = way;
	c.pages = pages;
	r = memcg_receiver_create(pool, g, &c);
	CHECK(r);
	CHECK(!memcg_receiver_uses_ring(r) || !way);
	return r;
}

static inline bool by_ring(void)
{
	return memcg_receiver_uses_ring(receiver);
}

static inline void begin(unsigned pages)
{
	open_pool(0, 0);
	receiver = receiver_of(cg, pages);
	if (!way && !by_ring())
		fprintf(stderr, "no io_uring here: by epoll\n");
}

static inline void end(void)
{
	CHECK(!memcg_receiver_destroy(receiver));
	all_is_back();
}

static inline int next_in(int ms)
{
	return memcg_receiver_next(receiver, &got, sizeof(got), frags, FRAGS, ms);
}

/* Something is told, sooner or later. */
static inline void next(void)
{
	CHECK(next_in(LONG) == 1);
}

/* Bytes of one connection, told in pieces, that go on with the stream's `at`th; they are put. */
static inline void expect_bytes(u64 data, u64 at, size_t n)
{
	for (size_t done = 0; done < n; done += (size_t)got.bytes) {
		next();
		CHECK(got.data == data && got.bytes > 0 && (size_t)got.bytes <= n - done);
		CHECK(holds_payload(frags, got.frags, at + done) == (size_t)got.bytes);
		memcg_frags_put(frags, got.frags);
	}
}

static inline void expect_last(u64 data, s64 result)
{
	next();
	CHECK(got.data == data && got.bytes == result && !got.frags);
}

static inline bool is_readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

/* What the system has been provided with, when nothing was received. */
static inline u64 provided(unsigned pages)
{
	return by_ring() ? (u64)pages * 4096 : 0;
}

#endif
