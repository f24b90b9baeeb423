/*
 * ring.h - a thousand pointers on their way from one thread to one other.
 *
 * `in` is written by the sender, `out` by the receiver; the release of one is met by the acquire
 * of the other, so that a block's content, and the slot it stood in, are seen in order. Each side
 * keeps the last value it saw of the other's index beside its own, and looks again only when that
 * says full or empty: else the ring's own lines would be most of what is measured. Who waits
 * spins, and yields in case both share one CPU.
 */
#ifndef MEMCG_BENCH_RING_H
#define MEMCG_BENCH_RING_H

#include <sched.h>
#include <stdint.h>

#define RING_SLOTS 1024u
#define RING_SPINS 2000u

struct ring {
	_Alignas(64) uint64_t in; /* sender's line */
	uint64_t out_seen;
	_Alignas(64) uint64_t out; /* receiver's line */
	uint64_t in_seen;
	_Alignas(64) void *slot[RING_SLOTS];
};

static inline void ring_pause(unsigned *spins)
{
	if (++*spins % RING_SPINS == 0)
		sched_yield();
#ifdef __x86_64__
	else
		__builtin_ia32_pause();
#endif
}

static inline void ring_push(struct ring *r, void *p)
{
	uint64_t in = r->in;
	unsigned spins = 0;

	while (in - r->out_seen >= RING_SLOTS) {
		ring_pause(&spins);
		r->out_seen = __atomic_load_n(&r->out, __ATOMIC_ACQUIRE);
	}
	r->slot[in % RING_SLOTS] = p;
	__atomic_store_n(&r->in, in + 1, __ATOMIC_RELEASE);
}

static inline void *ring_pop(struct ring *r)
{
	uint64_t out = r->out;
	unsigned spins = 0;
	void *p;

	while (r->in_seen == out) {
		ring_pause(&spins);
		r->in_seen = __atomic_load_n(&r->in, __ATOMIC_ACQUIRE);
	}
	p = r->slot[out % RING_SLOTS];
	__atomic_store_n(&r->out, out + 1, __ATOMIC_RELEASE);
	return p;
}

/* Sender: until everything it sent was taken out (the last may still be being freed). */
static inline void ring_wait(struct ring *r)
{
	unsigned spins = 0;

	while (__atomic_load_n(&r->out, __ATOMIC_ACQUIRE) < r->in)
		ring_pause(&spins);
}

#endif
